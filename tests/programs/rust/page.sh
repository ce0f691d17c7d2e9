#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Goal: what docs/PROGRAMS.md tells authors of programs in Rust to type works as written.
# Method: takes files and commands out of the page and runs them in an empty folder; the crates are
# those that the test programs have built already.
# Usage: page.sh SOURCE_FOLDER MILLRACE TARGET_FOLDER WORK_FOLDER
set -eu
source=$1
millrace=$2
target=$3
work=$4
rm -rf "$work"
mkdir -p "$work/.cargo" "$work/src" "$work/bin"
cd "$work"
ln -s "$millrace" bin/millrace
ln -s "$target" target
cp "$source/tests/programs/rust/Cargo.lock" .

# The code blocks of a kind in the section, one after the other; or the one of a number.
blocks() {
    awk -v kind="$1" -v number="${2:-0}" '
        /^## / { inside = ($0 == "## Programs in Rust"); next }
        /^```/ { take = inside && $0 == "```" kind && (++seen == number || number == 0); next }
        take' "$source/docs/PROGRAMS.md"
}
blocks toml 1 >Cargo.toml
blocks toml 2 >.cargo/config.toml
blocks rust >src/lib.rs
blocks yaml >visits.yaml
blocks sh >commands.sh
for file in Cargo.toml .cargo/config.toml src/lib.rs visits.yaml commands.sh; do
    [ -s "$file" ] || {
        echo "page.sh: found no $file in docs/PROGRAMS.md" >&2
        exit 1
    }
done
grep -q 'cargo build' commands.sh
unset CARGO_TARGET_DIR CARGO_BUILD_TARGET RUSTFLAGS CARGO_ENCODED_RUSTFLAGS
PATH=$work/bin:$PATH CARGO_NET_OFFLINE=true sh -eux commands.sh
