%% monitors.erl - a process monitors COUNT others, tells each to end and receives word of each end.
-module(monitors).
-export([main/1]).

main([Text]) ->
    Count = list_to_integer(Text),
    Start = erlang:monotonic_time(nanosecond),
    All = [watched() || _ <- lists:seq(1, Count)],
    tell(All, 1),
    Sum = downs(Count, 0),
    Seconds = (erlang:monotonic_time(nanosecond) - Start) / 1.0e9,
    io:format("monitors ~b ~.6f~n", [Sum, Seconds]),
    halt().

watched() ->
    Pid = spawn(fun() -> receive N -> exit(N) end end),
    erlang:monitor(process, Pid),
    Pid.

tell([], _) -> ok;
tell([Pid | Rest], N) -> Pid ! N, tell(Rest, N + 1).

downs(0, Sum) -> Sum;
downs(N, Sum) -> receive {'DOWN', _, process, _, Reason} -> downs(N - 1, Sum + Reason) end.
