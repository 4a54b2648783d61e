%% work.erl - messages go round PROCESSES processes; each means some work.
-module(work).
-export([main/1]).

main([ProcessesText, CountText]) ->
    Processes = list_to_integer(ProcessesText),
    Each = list_to_integer(CountText) div Processes,
    Start = erlang:monotonic_time(nanosecond),
    Me = self(),
    Servers = [spawn(fun() -> server(Each, 0, Me) end) || _ <- lists:seq(1, Processes)],
    send(1, Each, Servers),
    Sum = lists:sum([receive S -> S end || _ <- Servers]),
    Seconds = (erlang:monotonic_time(nanosecond) - Start) / 1.0e9,
    io:format("work ~b ~.6f~n", [Sum, Seconds]),
    halt().

send(N, Count, _) when N > Count -> ok;
send(N, Count, Servers) -> [Server ! N || Server <- Servers], send(N + 1, Count, Servers).

server(0, Sum, Home) -> Home ! Sum;
server(Count, Sum, Home) -> receive N -> server(Count - 1, Sum + do(1, N), Home) end.

do(I, Sum) when I > 600 -> Sum;
do(I, Sum) -> do(I + 1, (Sum + I) band 65535).
