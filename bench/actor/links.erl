%% links.erl - COUNT processes are linked with one that ends, and end with it; another monitors all.
%% Prints the time from the word to end until the last of them is gone, and how late at worst a sleep
%% of 1 ms ended meanwhile, in milliseconds.
-module(links).
-export([main/1]).

main([Text]) ->
    Count = list_to_integer(Text),
    Me = self(),
    Hub = spawn(fun() -> hub(Count, Me) end),
    [receive Pid -> erlang:monitor(process, Pid) end || _ <- lists:seq(1, Count)],
    Watch = spawn(fun() -> lateness(0, Me) end),
    timer:sleep(20),
    Start = erlang:monotonic_time(nanosecond),
    Hub ! go,
    Sum = downs(Count, 0),
    Time = erlang:monotonic_time(nanosecond) - Start,
    Watch ! stop,
    Worst = receive {worst, W} -> W end,
    io:format("links ~b ~.6f ~.6f~n", [Sum, Time / 1.0e9, Worst / 1.0e6]),
    halt().

hub(Count, Home) ->
    [Home ! spawn_link(fun() -> receive _ -> ok end end) || _ <- lists:seq(1, Count)],
    receive go -> exit(1) end.

lateness(Worst, Home) ->
    Start = erlang:monotonic_time(nanosecond),
    receive stop -> Home ! {worst, Worst}
    after 1 ->
        lateness(max(Worst, erlang:monotonic_time(nanosecond) - Start - 1000000), Home)
    end.

downs(0, Sum) -> Sum;
downs(N, Sum) -> receive {'DOWN', _, process, _, Reason} -> downs(N - 1, Sum + Reason) end.
