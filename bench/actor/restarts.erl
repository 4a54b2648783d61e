%% restarts.erl - a process that traps exits starts a linked child and receives its exit, COUNT times.
-module(restarts).
-export([main/1]).

main([Text]) ->
    Count = list_to_integer(Text),
    process_flag(trap_exit, true),
    Start = erlang:monotonic_time(nanosecond),
    Sum = restart(1, Count, 0),
    Seconds = (erlang:monotonic_time(nanosecond) - Start) / 1.0e9,
    io:format("restarts ~b ~.6f~n", [Sum, Seconds]),
    halt().

restart(N, Count, Sum) when N > Count -> Sum;
restart(N, Count, Sum) ->
    spawn_link(fun() -> exit(N) end),
    receive {'EXIT', _, Reason} -> restart(N + 1, Count, Sum + Reason) end.
