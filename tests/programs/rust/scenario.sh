#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Goal: a scenario holds on one stream and on three, with the same receipts, messages and roots.
# Method: runs it on both, with all of the engine's own checks, and compares all that is printed;
# then runs the blocks of the second again. Usage: scenario.sh MILLRACE SCENARIO.yaml
set -eu
millrace=$1
scenario=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$millrace" run --check --json --streams 1 "$scenario" >"$work/1.json"
"$millrace" run --check --json --streams 3 --db "$work/db" "$scenario" >"$work/3.json"
diff "$work/1.json" "$work/3.json" || {
    echo "scenario.sh: $scenario depends on the number of streams" >&2
    exit 1
}
"$millrace" replay --streams 2 "$work/db"
