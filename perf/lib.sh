# shellcheck shell=sh
# SPDX-License-Identifier: Apache-2.0
# lib: what the scripts of perf/ share. Sourced, with $0 the script's name.
# A script's usage is the comment at its head.
#   BUILD     the build folder, build/release unless given to `begin`
#   REPEAT    measurements of which the median is taken; 5
#   TMPDIR    where databases are made; must be on a disk for durable figures to mean anything
#   TINY      set: everything as small as can be, to see that it works; figures mean nothing

repeat=${REPEAT:-5}
[ -z "${TINY:-}" ] || repeat=1

say() {
    echo "$(basename "$0"): $*" >&2
}

# usage: the comment at the script's head.
usage() {
    sed -n '3,${/^#/!q; s/^# \{0,1\}//p;}' "$0"
}

# misused TEXT: says what is wrong, and the usage.
misused() {
    say "$1"
    usage >&2
    exit 2
}

# helped ARG...: of a script that has no options but -h and --help.
helped() {
    for arg in "$@"; do
        case $arg in
        -h | --help)
            usage
            exit 0
            ;;
        -*) misused "there is no option $arg" ;;
        esac
    done
}

# unknown OPTION: what getopts has not found among options that begin with a colon and end with "h-:".
unknown() {
    case $1:${OPTARG:-} in
    h:* | -:help)
        usage
        exit 0
        ;;
    -:*) misused "there is no option --$OPTARG" ;;
    ::*) misused "-$OPTARG takes an argument" ;;
    *) misused "there is no option -$OPTARG" ;;
    esac
}

# find_programs BUILD: sets build and millrace.
find_programs() {
    build=${1:-build/release}
    millrace=$build/millrace
    [ -x "$millrace" ] || {
        say "$millrace is not there; tools/dev build makes it"
        exit 1
    }
}

# make_work: makes $work, a folder that goes away with the script, and so does $database.
make_work() {
    work=$(mktemp -d)
    database=
    trap 'rm -rf "$work" ${database:+"$database"}' EXIT
    trap 'exit 1' INT TERM
}

# fresh COMMAND ARG...: runs it with a new database beside DIR where ARG... have -d DIR or --db DIR: a
# run of `bench` begins with none.
fresh() {
    left=$# value=
    while [ "$left" -gt 0 ]; do
        arg=$1
        shift
        left=$((left - 1))
        case $value:$arg in
        :-d | :--db) value=next ;;
        next:* | :-d?* | :--db=*)
            case $value:$arg in
            next:*) option= ;;
            :--db=*) option=--db= ;;
            *) option=-d ;;
            esac
            value=
            database=$(mktemp -d "${arg#"$option"}.XXXXXX") || return 1
            arg=$option$database
            ;;
        esac
        set -- "$@" "$arg"
    done
    status=0
    "$@" || status=$?
    [ -z "$database" ] || rm -rf "$database"
    database=
    return "$status"
}

# begin BUILD: finds the programs, makes $work, and counts the cores.
begin() {
    find_programs "${1:-}"
    make_work
    cores=$(nproc)
    # Compiled programs are kept from one run to the next, and none from before.
    export XDG_CACHE_HOME="$work"
}

# size N: N, or a thousandth of it when everything is to be small.
size() {
    if [ -z "${TINY:-}" ]; then
        echo "$1"
    elif [ "$1" -gt 100000 ]; then
        echo $(($1 / 1000))
    else
        echo $(($1 < 100 ? $1 : 100))
    fi
}

# bench ARG...: one run as one flat line of JSON.
bench() {
    rm -rf "$work/db"
    # The phases are taken out of their braces.
    "$millrace" bench --json "$@" | tr -d '\n' |
        sed 's/"phases": *{//; s/} *}/}/; s/  */ /g; s/{ /{/; s/ }/}/'
    echo
}

# field KEY: that of each line of JSON on standard input; of equal keys in a line the last.
field() {
    sed -n "s/.*\"$1\": *\"\\{0,1\\}\\([^\",}]*\\).*/\\1/p"
}

# Of the numbers on standard input; nothing of none.
median() {
    sort -g | awk '{ v[NR] = $1 } END { if (NR > 0) print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'
}

# calc EXPRESSION: the expression in awk over the fields of a line of JSON, as m["key"].
calc() {
    awk '{
        while (match($0, /"[a-z_0-9]*": *[-0-9.e+]+/)) {
            pair = substr($0, RSTART, RLENGTH)
            $0 = substr($0, RSTART + RLENGTH)
            split(pair, part, /": */)
            m[substr(part[1], 2)] = part[2]
        }
    } END { print ('"$1"') }'
}

# medians EXPRESSION ARG...: over runs of a workload.
medians() {
    expression=$1
    shift
    for _ in $(seq "$repeat"); do bench "$@" | calc "$expression"; done | median
}

# ratio EXPRESSION ARGS-A ARGS-B: the median of A / B over pairs of runs, one after the other.
ratio() {
    for _ in $(seq "$repeat"); do
        # Unquoted: lists of arguments.
        # shellcheck disable=SC2086
        a=$(bench $2 | calc "$1")
        # shellcheck disable=SC2086
        b=$(bench $3 | calc "$1")
        awk "BEGIN { print $a / $b }"
    done | median
}

# per_message: an expression for calc.
# shellcheck disable=SC2034
per_message='1e9 * m["seconds"] / m["messages"]'
# shellcheck disable=SC2034
rate='m["messages_per_second"]'

# powers N: 1 2 4 ... N.
powers() {
    n=1
    while [ "$n" -lt "$1" ]; do
        echo "$n"
        n=$((n * 2))
    done
    echo "$1"
}

# The machine, as a line of JSON before all others.
machine() {
    model=$(sed -n 's/^model name[^:]*: *//p' /proc/cpuinfo 2>/dev/null | head -n 1)
    commit=$(git -C "$(dirname "$0")" describe --always --dirty 2>/dev/null || echo unknown)
    printf '{"question": "machine", "cpu": "%s", "cores": %s, "system": "%s", "commit": "%s", "load": %s, "date": "%s"}\n' \
        "${model:-unknown}" "$cores" "$(uname -sr)" "$commit" \
        "$(cut -d ' ' -f 1 /proc/loadavg)" "$(date -u +%Y-%m-%dT%H:%MZ)"
}
