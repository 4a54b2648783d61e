%% pingpong.erl - two processes send a number back and forth, COUNT round trips.
-module(pingpong).
-export([main/1]).

main([Text]) ->
    Count = list_to_integer(Text),
    Start = erlang:monotonic_time(nanosecond),
    Other = erlang:spawn(fun pong/0),
    N = ping(Count, Other, 0),
    exit(Other, shutdown),
    Seconds = (erlang:monotonic_time(nanosecond) - Start) / 1.0e9,
    io:format("pingpong ~b ~.6f~n", [N, Seconds]),
    halt().

ping(0, _, N) -> N;
ping(Count, Other, N) ->
    Other ! {self(), N},
    receive Next -> ping(Count - 1, Other, Next) end.

pong() ->
    receive {From, N} -> From ! N + 1 end,
    pong().
