%% table_bench.erl - two processes on one table of 1000 rows: each puts, reads and increments COUNT
%% times.
-module(table_bench).
-export([main/1]).

main([Text]) ->
    Count = list_to_integer(Text),
    T = ets:new(table, [set, public, {read_concurrency, true}, {write_concurrency, true}]),
    [ets:insert(T, {K, 0}) || K <- lists:seq(0, 999)],
    Start = erlang:monotonic_time(nanosecond),
    All = [spawn_monitor(fun() -> put_rows(T, Count), read(T, Count), increment(T, Count) end)
           || _ <- [1, 2]],
    [receive {'DOWN', Ref, process, Pid, normal} -> ok end || {Pid, Ref} <- All],
    Seconds = (erlang:monotonic_time(nanosecond) - Start) / 1.0e9,
    Sum = lists:sum([ets:lookup_element(T, K, 2) || K <- lists:seq(0, 999)]),
    io:format("table ~b ~.6f~n", [Sum, Seconds]),
    halt().

put_rows(_, 0) -> ok;
put_rows(T, N) -> ets:insert(T, {N rem 1000 + 1000, N}), put_rows(T, N - 1).

read(_, 0) -> ok;
read(T, N) -> [_] = ets:lookup(T, N rem 1000), read(T, N - 1).

increment(_, 0) -> ok;
increment(T, N) -> ets:update_counter(T, N rem 1000, 1), increment(T, N - 1).
