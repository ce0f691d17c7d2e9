#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Goal: the scripts that measure run to their end and print what they promise, with or without peers
# and plots; what they work out of given numbers is right. Method: everything as small as can be,
# shapes of the output compared, never times. Usage: perf.sh SCRIPT SOURCE_FOLDER BUILD_FOLDER
set -eu
script=$1 source=$2 build=$3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
export TINY=1

fail() {
    echo "perf.sh: $*" >&2
    exit 1
}

# same WHAT EXPECTED ACTUAL
same() {
    [ "$2" = "$3" ] || fail "$1: expected '$2', got '$3'"
}

# has FILE TEXT...: and each line of the file is one flat object.
has() {
    file=$1
    shift
    if grep -vnE '^\{("[a-z_0-9]+": ?("[^"]*"|true|false|-?[0-9][-+.e0-9]*|\[[^]]*\])(, ?|\}$))+$' "$file"; then
        fail "no flat JSON"
    fi
    for text in "$@"; do
        grep -qF "$text" "$file" || fail "no $text in the output: $(cat "$file")"
    done
}

# shellcheck source=perf/lib.sh
. "$source/perf/lib.sh"
scripts="costs scaling peers figures record flame callgrind report"
for file in lib.sh $scripts; do sh -n "$source/perf/$file"; done

case $script in
lib)
    same median 3 "$(printf '%s\n' 5 1 3 | median)"
    same median 2.5 "$(printf '%s\n' 4 1 3 2 | median)"
    same median '' "$(median </dev/null)"
    line='{"a": 12.5, "text": "x y", "part": "z", "b_2": 1e-05, "c": -3}'
    same field 12.5 "$(echo "$line" | field a)"
    same field 'x y' "$(echo "$line" | field text)"
    same field -3 "$(echo "$line" | field c)"
    same calc '12.5 -3' "$(echo "$line" | calc 'm["a"] + m["b_2"] * 0, m["c"]')"
    same powers '1 2 4 6' "$(powers 6 | tr '\n' ' ' | sed 's/ $//')"
    same powers 1 "$(powers 1)"
    folder=$work
    begin "$build"
    rm -rf "$folder" # begin has made one of its own
    cd "$work"
    bench counter -p 10 -m 1000 -b 100 -s 1 >line
    has line '"workload": "counter"' '"streams": 1' '"serial_fraction"'
    same messages 1000 "$(field messages <line)"
    same phases 1 "$(calc 'm["run"] > 0 && m["run"] < m["seconds"]' <line)"
    for database in '-d db' -ddb '--db db' --db=db; do
        # shellcheck disable=SC2086
        fresh echo counter $database -m 5 >arguments
        grep -qE '^counter (-d|--db)[ =]?db\.[^ ]+ -m 5$' arguments || fail "$database: $(cat arguments)"
    done
    mkdir old
    same 'a new database' 1 "$(fresh ls -d "$work/old/db" | grep -c old/db)"
    for command in 'ls -d missing/db' 'ls --db'; do
        # shellcheck disable=SC2086
        if fresh $command 2>/dev/null; then fail "a failure was lost: $command"; fi
    done
    same 'what is left of new databases' '' "$(ls old; ls -d db* 2>/dev/null || :)"
    ;;
help)
    for file in $scripts; do
        for option in -h --help; do
            "$source/perf/$file" $option >usage 2>error || fail "$file $option: $(cat error)"
            grep -q "^usage: perf/$file" usage || fail "$file $option: $(cat usage)"
            [ ! -s error ] || fail "$file $option: $(cat error)"
            if grep -qE '^#|set -eu|shellcheck' usage; then fail "$file $option: $(cat usage)"; fi
        done
        for option in -Z --nonsense; do
            status=0
            "$source/perf/$file" $option >out 2>usage || status=$?
            same "$file $option" 2 "$status"
            [ ! -s out ] || fail "$file $option: $(cat out)"
            grep -qe "there is no option $option" usage || fail "$file $option: $(cat usage)"
            grep -q "^usage: perf/$file" usage || fail "$file $option: $(cat usage)"
        done
    done
    ;;
callgrind)
    export XDG_CACHE_HOME="$work"
    if "$source/perf/callgrind" -b "$build" nonsense 2>error; then fail "there is no such workload"; fi
    grep -q nonsense error || fail "$(cat error)"
    mkdir bin
    printf '#!/bin/sh\necho it cannot be >&2; exit 3\n' >bin/valgrind
    chmod +x bin/valgrind
    if PATH=$work/bin:$PATH "$source/perf/callgrind" -b "$build" counter >out 2>error; then
        fail "a run that failed is no result: $(cat out)"
    fi
    grep -q 'it cannot be' error || fail "why it failed: $(cat error)"
    command -v valgrind >/dev/null 2>&1 || exit 0
    # Not by name: what a function is called is the compilers' business.
    "$source/perf/callgrind" -b "$build" counter -p 10 -d db >out
    same "lines in all" 1 "$(grep -c 'in all, instructions a message$' out)"
    grep -qE '^ +[0-9.]+  mr_stream_dispatch$' out || fail "$(cat out)"
    if grep -q TOTALS out; then fail "a sum among the functions: $(cat out)"; fi
    if ls -d db* 2>/dev/null; then fail "a database is left"; fi
    ;;
record)
    export XDG_CACHE_HOME="$work"
    # A perf that runs what it is given, and pads what it reports, as the real one does.
    mkdir bin
    cat >bin/perf <<'PERF'
#!/bin/sh
case $1 in
record)
    while [ "$1" != bench ]; do
        millrace=$1
        shift
    done
    "$millrace" "$@"
    ;;
report)
    echo '# a comment'
    printf '    50.00%%  mr-stream-0  millrace  [.] %-900s\n' run
    printf '    50.00%%  mr-stream-0  millrace  [.] %0900d\n' 1
    ;;
esac
PERF
    chmod +x bin/perf
    PATH=$work/bin:$PATH "$source/perf/record" -b "$build" -e cycles counter -m 1000 -p 10 -d db >out
    grep -q '^messages  1,000 handled' out || fail "$(cat out)"
    same 'a short name' 1 "$(grep -c ' \[\.\] run$' out)"
    same 'wide lines of the list' '' "$(grep '%' out | grep -E '.{111}' || :)"
    if ls -d db* 2>/dev/null; then fail "a database is left"; fi
    ;;
costs)
    "$source/perf/costs" "$build" interp >lines
    has lines '"question": "machine"' '"case": "empty message"' '"case": "created program"' \
        '"question": "phases"' '"calls_ns"' '"question": "round"' '"case": "disk"' '"case": "zipf"' '"case": "hot"' '"question": "idle"' \
        '"question": "durable"' '"case": "beside blocks"' '"question": "start"' \
        '"question": "upload"' '"question": "bandwidth"'
    ;;
scaling)
    STREAMS='1 3' "$source/perf/scaling" "$build" interp page >lines
    has lines '"case": "counter", "tier": "interp", "streams": 3' '"speedup": 1.000' '"memory_bound"' \
        '"case": "hot"'
    # One program: as fast as one stream at best, whatever their number.
    same bound 1 "$(grep '"case": "hot".*"streams": 3' lines | calc 'm["path_bound"] + 0')"
    same bound 1 "$(grep '"case": "compute".*"streams": 3' lines |
        calc 'm["serial_bound"] > 1 && m["serial_bound"] <= 3')"
    grep -q '<h2>scaling</h2>' page/index.html
    ;;
peers)
    "$source/perf/peers" --json -w ring,unit -p millrace,durable,serial,erlang,caf,v8,faults,gtest "$build" >lines
    has lines '"workload": "ring", "streams": 1, "peer": "millrace"' '"peer": "durable"' '"peer": "faults"' \
        '"peer": "gtest", "missing": "not built; --rust builds it"'
    # A machine on which nothing of others is installed.
    mkdir bin
    for command in awk basename cut date dirname git grep head mktemp nproc rm sed seq sh sort tail tr uname cat; do
        ln -s "$(command -v $command)" bin/
    done
    PATH=$work/bin "$source/perf/peers" -w unit -p millrace,erlang,caf,v8 "$build" >table
    grep -qE '^unit +1 +millrace +[0-9]+ +1.00x$' table || fail "$(cat table)"
    for missing in 'erl is not' 'g++ is not' 'node is not'; do
        grep -qF "not measured: $missing installed" table || fail "$(cat table)"
    done
    ;;
figures)
    "$source/perf/figures" "$build" programs >table
    same rows 26 "$(wc -l <table)"
    if grep -E '  +(ns|x|%)? *$|nan|inf' table; then fail "a row without a figure"; fi
    ;;
report)
    cat >before <<'LINES'
{"question": "machine", "cpu": "a & b", "cores": 2, "system": "Linux", "commit": "one", "load": 0.5, "date": "2001-02-03T04:05Z"}
{"question": "cost", "case": "send", "tier": "native", "ns": 100}
{"question": "cost", "case": "send", "tier": "native", "ns": 300}
{"question": "peer", "workload": "ring", "streams": 2, "peer": "erlang", "messages_per_second": 5e+06}
{"question": "commit", "case": "disk", "tier": "native", "size": 10, "commit_ns": 1e4}
{"question": "scaling", "case": "hot", "tier": "native", "streams": 2, "speedup": 0.9, "path_bound": 1.0}
LINES
    sed 's/100/1000/; s/"ns": 300/"ns": 1000/; s/"one"/"two"/; /peer/d' before >after
    "$source/perf/report" page before after
    for text in '<p>Before: a &amp; b, 2 cores, Linux; commit one; 2001-02-03T04:05Z; load 0.5 before</p>' \
        '<tr><td>send, native</td><td>ns</td><td>200</td><td>1000</td><td>5.000</td></tr>' \
        '<tr><td>ring, streams 2, erlang</td><td>messages_per_second</td><td>5000000</td><td></td><td></td></tr>' \
        '<tr><td>disk, native, size 10</td><td>commit_ns</td><td>10000</td><td>10000</td><td>1.000</td></tr>'; do
        grep -qF "$text" page/index.html || fail "no $text in $(cat page/index.html)"
    done
    if command -v gnuplot >/dev/null 2>&1; then
        for plot in cost peer-ring commit scaling-hot; do
            grep -q '<svg' page/$plot.svg || fail "no plot $plot"
        done
    fi
    if "$source/perf/report" page missing; then fail "a report of nothing"; fi
    ;;
*) fail "there is no $script" ;;
esac
