#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Goal: a scenario holds on one stream and on three, interpreted and compiled, with the same
# receipts, messages and roots. Method: runs it in these ways, with all of the engine's own checks,
# and compares all that is printed; then runs the blocks of one again, first interpreted, then
# compiled as it goes. Usage: scenario.sh MILLRACE SCENARIO.yaml
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
"$millrace" run --check --json --streams 2 --tier native --compiler tcc --native-dir "$work/native" \
    "$scenario" >"$work/native.json"
diff "$work/1.json" "$work/native.json" || {
    echo "scenario.sh: $scenario depends on the tier" >&2
    exit 1
}
ls "$work"/native/*.so >/dev/null # else all was interpreted
"$millrace" replay --streams 2 "$work/db"
"$millrace" replay --streams 2 --tier auto --native-dir "$work/native" "$work/db"
