#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Goal: `tools/dev setup` installs what is missing and nothing else, says so, and is quiet otherwise.
# Method: runs it with commands of its own for dpkg-query, apt-get, id and sudo.
# Usage: dev.sh SOURCE_FOLDER
set -eu
source=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/bin"
for command in sh dirname cat printf env sed; do
    ln -s "$(command -v $command)" "$work/bin/$command"
done

fake() {
    printf '#!/bin/sh\n%s\n' "$2" >"$work/bin/$1"
    chmod +x "$work/bin/$1"
}

# Runs setup, and compares exit code and parts of what it prints and calls.
expect() {
    code=$1
    shift
    : >"$work/calls"
    set +e
    PATH=$work/bin CALLS=$work/calls sh "$source/tools/dev" setup >"$work/out" 2>&1
    got=$?
    set -e
    [ "$got" -eq "$code" ] || {
        cat "$work/out" >&2
        echo "dev.sh: exit code $got, expected $code" >&2
        exit 1
    }
    for part; do
        grep -qF -- "$part" "$work/out" "$work/calls" || {
            cat "$work/out" "$work/calls" >&2
            echo "dev.sh: nothing says \"$part\"" >&2
            exit 1
        }
    done
}

all='echo installed'
some='case "$*" in *libyaml-dev*|*lld*) exit 1 ;; *libuv1-dev*) echo config-files ;; *) echo installed ;; esac'
fake id 'echo 0'
fake apt-get 'echo "apt-get $*" >>"$CALLS"'

fake dpkg-query "$all"
expect 0
[ ! -s "$work/out" ] && [ ! -s "$work/calls" ] || {
    echo "dev.sh: not quiet when nothing is missing" >&2
    exit 1
}

fake dpkg-query "$some"
expect 0 "libyaml-dev        scenario files" "apt-get update" \
    "apt-get install -y -qq --no-install-recommends lld libuv1-dev libyaml-dev"

fake id 'echo 1000'
expect 1 "there is no sudo: run as root" "apt-get install lld libuv1-dev libyaml-dev"
fake sudo 'echo "sudo $*" >>"$CALLS"; exec "$@"'
expect 0 "sudo env DEBIAN_FRONTEND=noninteractive apt-get install"

fake apt-get 'exit 100'
expect 1 "apt-get update failed; is there a network?"
fake apt-get '[ "$1" = update ]'
expect 1 "apt-get could not install: lld libuv1-dev libyaml-dev"

rm "$work/bin/dpkg-query"
expect 0 "this is no Debian" "libyaml-dev: scenario files"
echo "setup does what it says"
