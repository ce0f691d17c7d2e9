#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Goal: the `state` entry of a program in Rust says what its scenario has left.
# Method: runs scenarios into databases and asks the only program that is active in each with
# `millrace query`, which opens the database anew. Usage: state.sh MILLRACE FOLDER_OF_SCENARIOS
set -eu
millrace=$1
cd "$2"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# says NAME ANSWER: after the scenario NAME that program's state entry replies with ANSWER.
says() {
    "$millrace" run --db "$work/$1" "$1.yaml" >"$work/$1.log"
    id=$("$millrace" inspect "$work/$1" programs | sed -n 's/^\(0x[0-9a-f]*\)  active.*/\1/p')
    answer=$("$millrace" query "$work/$1" "$id")
    [ "$answer" = "$2" ] || {
        echo "state.sh: the state of $1 is $answer, not $2" >&2
        exit 1
    }
}

says capacitor 0x08c40900008b0a0000 # two numbers, 2500 and 2699
# "Mills", 850 tokens left, and their three holders.
says token 0x144d696c6c735203000000000000000000000000000003000000
