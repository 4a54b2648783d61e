%% lists_bench.erl - a list of SIZE pairs goes to another process and back, ROUNDS times.
-module(lists_bench).
-export([main/1]).

main([SizeText, RoundsText]) ->
    Size = list_to_integer(SizeText),
    Rounds = list_to_integer(RoundsText),
    Start = erlang:monotonic_time(nanosecond),
    Other = spawn(fun echo/0),
    List = rounds(Rounds, Other, [{I, I * 2} || I <- lists:seq(1, Size)]),
    Sum = lists:foldl(fun({_, N}, S) -> S + N end, 0, List),
    Seconds = (erlang:monotonic_time(nanosecond) - Start) / 1.0e9,
    io:format("lists ~b ~.6f~n", [Sum, Seconds]),
    halt().

rounds(0, _, List) -> List;
rounds(N, Other, List) ->
    Other ! {self(), List},
    receive Back -> rounds(N - 1, Other, Back) end.

echo() -> receive {From, List} -> From ! List, echo() end.
