#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Goal: what docs/PROGRAMS.md shows of a failing program is what the command prints.
# Method: takes program, scenario, commands and outputs out of the section and runs them in an empty
# folder that looks like the source tree. Ids and large numbers depend on the compiler: they are not
# compared. Usage: fails.sh SOURCE_FOLDER BUILD_FOLDER
set -eu
source=$1
build=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
mkdir bin
ln -s "$source/tools" tools
ln -s "$build/millrace" bin/millrace
PATH=$work/bin:$PATH

# The block of a kind and number in the section.
block() {
    awk -v kind="$1" -v number="$2" '
        /^## / { inside = ($0 == "## When it fails: finding out why"); next }
        /^```/ { take = inside && $0 == "```" kind && !open && ++seen[kind] == number
                 open = inside && !open; next }
        take' "$source/docs/PROGRAMS.md"
}
block c 1 >shares.c
block yaml 1 >shares.yaml
block sh 1 >commands.sh
sh -eu commands.sh >explained
millrace run shares.yaml --trace=2 >traced
millrace run shares.yaml --profile gas >profiled
millrace run shares.yaml --estimate >estimated

number=0
for shown in explained traced profiled estimated; do
    number=$((number + 1))
    block "" $number >expected
    [ -s expected ] || {
        echo "fails.sh: found no output $number in docs/PROGRAMS.md" >&2
        exit 1
    }
    for file in expected $shown; do
        sed -E 's/0x[0-9a-f]{64}/ID/g; s/[0-9][0-9,]{3,}/N/g; s/[0-9]+\.[0-9]/P/g; s/ +/ /g' $file \
            >$file.masked
    done
    # Each line of the page, in this order; other lines may stand before and between.
    awk 'NR == FNR { want[++n] = $0; next } $0 == want[at + 1] { at++ }
         END { if (at < n) { print "not printed: " want[at + 1]; exit 1 } }' \
        expected.masked $shown.masked >&2 || {
        echo "fails.sh: output $number of the page is not what is printed:" >&2
        cat $shown >&2
        exit 1
    }
done
