#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Goal: what is installed is enough to embed Millrace, and shows nothing it should not.
# Method: installs into an empty folder, builds tools/embed against that with CMake and once more
# with pkg-config, and runs both. Usage: install.sh SOURCE_FOLDER BUILD_FOLDER
set -eu
source=$1
build=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fail() {
    echo "install.sh: $*" >&2
    exit 1
}

quietly() {
    "$@" >"$work/log" 2>&1 || {
        cat "$work/log" >&2
        fail "failed: $*"
    }
}

quietly cmake --install "$build" --prefix "$work/prefix"
prefix=$work/prefix
[ -x "$prefix/bin/millrace" ] || fail "no millrace in bin"
"$prefix/bin/millrace" --version | grep -q '^millrace [0-9]' || fail "millrace does not run"
library=$(find "$prefix" -name libmillrace.so)
[ -n "$library" ] || fail "no libmillrace.so"
pkgconfig=$(dirname "$(find "$prefix" -name millrace.pc)")

# What may be seen: the prototypes of the installed headers, and nothing else.
cat "$prefix"/include/millrace/millrace.h "$prefix"/include/millrace/base/*.h |
    grep -vE '^(static inline|typedef)' | sed -n 's/^[A-Za-z].*[ *]\(mr_[a-z_0-9]*\)(.*/\1/p' |
    sort -u >"$work/declared"
nm -D --defined-only "$library" | awk '{print $3}' | sort -u >"$work/shown"
unwanted=$(comm -13 "$work/declared" "$work/shown")
[ -z "$unwanted" ] || fail "the library shows what no header declares: $unwanted"
lacking=$(comm -23 "$work/declared" "$work/shown")
[ -z "$lacking" ] || fail "the headers declare what the library does not show: $lacking"

expected='block 1: 2 of 2 transactions taken, gas [0-9]*
  init: ok
block 2: 1 of 1 transactions taken, gas [0-9]*
  handle: ok
  the answer is 1
  and is voted down
block 2: 1 of 1 transactions taken, gas [0-9]*
  handle: ok
  the answer is 1
the program is active and has [0-9]* pages'

# Runs a node and compares what it prints, line by line.
check_node() {
    "$@" >"$work/printed" || fail "$1 ended with $?"
    echo "$expected" >"$work/expected"
    while read -r wanted <&3; do
        read -r line <&4 || line=
        echo "$line" | grep -qx "$wanted" || fail "$1 printed \"$line\", not \"$wanted\""
    done 3<"$work/expected" 4<"$work/printed"
}

quietly cmake -S "$source/tools/embed" -B "$work/cmake" "-DCMAKE_PREFIX_PATH=$prefix"
quietly cmake --build "$work/cmake"
program=$work/cmake/programs/visits.wasm
check_node "$work/cmake/node" "$program"
check_node "$work/cmake/node" "$program" "$work/database"
"$prefix/bin/millrace" replay "$work/database" >"$work/log" || fail "the node's database does not replay"

PKG_CONFIG_PATH=$pkgconfig
export PKG_CONFIG_PATH
# Unquoted: several options.
quietly cc -Wall -Wextra -Werror -o "$work/node" "$source/tools/embed/node.c" \
    $(pkg-config --cflags --libs millrace)
LD_LIBRARY_PATH=$(dirname "$library") check_node "$work/node" "$program"
echo "installed, embedded twice, and shows $(wc -l <"$work/shown") symbols"
