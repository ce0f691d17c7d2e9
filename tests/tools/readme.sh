#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Goal: what README.md and docs/SCENARIOS.md tell a newcomer to type works as written.
# Method: takes program, scenario and commands out of the pages and runs them in an empty folder
# that looks like the source tree. Usage: readme.sh SOURCE_FOLDER BUILD_FOLDER
set -eu
source=$1
build=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
mkdir build
ln -s "$source/tools" tools
ln -s "$build" build/release

# The code blocks of a kind in a section of a page, one after the other.
blocks() {
    awk -v kind="$3" -v section="$2" '
        /^## / { inside = ($0 == "## " section); next }
        /^```/ { take = inside && $0 == "```" kind; next }
        take' "$1"
}

section="A program of one's own"
blocks "$source/README.md" "$section" c >visits.c
blocks "$source/README.md" "$section" yaml >visits.yaml
blocks "$source/README.md" "$section" sh >commands.sh
for file in visits.c visits.yaml commands.sh; do
    [ -s "$file" ] || {
        echo "readme.sh: found no $file in README.md" >&2
        exit 1
    }
done
sh -eux commands.sh
[ -d visits.db ]

awk '/^```yaml/ { take = 1; next } /^```/ { if (take) exit } take' "$source/docs/SCENARIOS.md" \
    >scenario.yaml
grep -q capacitor scenario.yaml
cp build/release/programs/capacitor.wasm .
build/release/millrace run scenario.yaml
