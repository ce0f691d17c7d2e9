%% SPDX-License-Identifier: Apache-2.0
%% actors: ring, pingpong and fanout of `millrace bench` in Erlang processes, with the same numbers of
%% programs and messages, and as many messages under way as a block of 50,000 has.
%%
%% erl -noshell +S N:N -s actors main WORKLOAD MESSAGES    prints: messages seconds
-module(actors).
-export([main/1]).

-define(BLOCK, 50000).
-define(HOPS, 99).
-define(PROGRAMS, 1000).
-define(FANS, 16).
-define(WIDTH, 64).

main([Workload, Messages]) ->
    Wanted = list_to_integer(atom_to_list(Messages)),
    Run = prepare(Workload),
    Run(0), % warm-up
    Begin = erlang:monotonic_time(nanosecond),
    Done = blocks(Run, Wanted, 0, 1),
    Seconds = (erlang:monotonic_time(nanosecond) - Begin) / 1.0e9,
    io:format("~w ~.6f~n", [Done, Seconds]),
    halt(0).

blocks(_, Wanted, Done, _) when Done >= Wanted -> Done;
blocks(Run, Wanted, Done, Turn) -> blocks(Run, Wanted, Done + Run(Turn), Turn + 1).

%% A function that runs one block and returns how many messages were handled in it.
prepare(ring) -> hopping(fun(I) -> (I + 1) rem ?PROGRAMS end);
prepare(pingpong) -> hopping(fun(I) -> I bxor 1 end);
prepare(fanout) -> fanning().

hopping(Next) ->
    Driver = self(),
    Programs = list_to_tuple([spawn(fun() -> hop_begin(Driver) end)
                              || _ <- lists:seq(1, ?PROGRAMS)]),
    [element(I + 1, Programs) ! {next, element(Next(I) + 1, Programs)}
     || I <- lists:seq(0, ?PROGRAMS - 1)],
    Messages = ?BLOCK div (?HOPS + 1),
    fun(Turn) ->
        [element((Turn * 7919 + I * 104729) rem ?PROGRAMS + 1, Programs) ! {hops, ?HOPS}
         || I <- lists:seq(1, Messages)],
        await(Messages),
        Messages * (?HOPS + 1)
    end.

hop_begin(Driver) ->
    receive {next, Next} -> hop(Driver, Next, 0) end.

hop(Driver, Next, Visits) ->
    receive
        {hops, 0} -> Driver ! done, hop(Driver, Next, Visits + 1);
        {hops, N} -> Next ! {hops, N - 1}, hop(Driver, Next, Visits + 1)
    end.

%% A block ends when every counter has answered a last message, which came behind all others; those
%% are counted as messages handled, too.
fanning() ->
    Driver = self(),
    Fans = list_to_tuple(
             [begin
                  Counters = [spawn(fun() -> count(Driver, 0) end) || _ <- lists:seq(1, ?WIDTH)],
                  spawn(fun() -> fan(Counters) end)
              end || _ <- lists:seq(1, ?FANS)]),
    Messages = ?BLOCK div (?WIDTH + 1),
    fun(Turn) ->
        [element((Turn * 7 + I) rem ?FANS + 1, Fans) ! add || I <- lists:seq(1, Messages)],
        [element(I, Fans) ! last || I <- lists:seq(1, ?FANS)],
        await(?FANS * ?WIDTH),
        (Messages + ?FANS) * (?WIDTH + 1)
    end.

fan(Counters) ->
    receive Message -> [Counter ! Message || Counter <- Counters], fan(Counters) end.

count(Driver, Sum) ->
    receive
        add -> count(Driver, Sum + 1);
        last -> Driver ! done, count(Driver, Sum)
    end.

await(0) -> ok;
await(N) -> receive done -> await(N - 1) end.
