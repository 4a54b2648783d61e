%% texts.erl - a binary of SIZE bytes goes to another process and back, ROUNDS times.
-module(texts).
-export([main/1]).

main([SizeText, RoundsText]) ->
    Size = list_to_integer(SizeText),
    Rounds = list_to_integer(RoundsText),
    Start = erlang:monotonic_time(nanosecond),
    Other = spawn(fun echo/0),
    Sum = rounds(Rounds, Other, binary:copy(<<"x">>, Size), 0),
    Seconds = (erlang:monotonic_time(nanosecond) - Start) / 1.0e9,
    io:format("texts ~b ~.6f~n", [Sum, Seconds]),
    halt().

rounds(0, _, _, Sum) -> Sum;
rounds(N, Other, Text, Sum) ->
    Other ! {self(), Text},
    receive Back -> rounds(N - 1, Other, Back, Sum + byte_size(Back)) end.

echo() -> receive {From, Text} -> From ! Text, echo() end.
