%% skynet.erl - a tree of processes with ten children each and COUNT leaves that send their
%% numbers up; every inner process sends the sum of its children.
-module(skynet).
-export([main/1]).

main([Text]) ->
    Count = list_to_integer(Text),
    Start = erlang:monotonic_time(nanosecond),
    Me = self(),
    erlang:spawn(fun() -> node(0, Count, Me) end),
    Sum = receive S -> S end,
    Seconds = (erlang:monotonic_time(nanosecond) - Start) / 1.0e9,
    io:format("skynet ~b ~.6f~n", [Sum, Seconds]),
    halt().

node(Number, 1, Parent) -> Parent ! Number;
node(Number, Size, Parent) ->
    Me = self(),
    Step = Size div 10,
    children(0, Number, Step, Me),
    Parent ! sum(10, 0).

children(10, _, _, _) -> ok;
children(I, Number, Step, Me) ->
    erlang:spawn(fun() -> node(Number + I * Step, Step, Me) end),
    children(I + 1, Number, Step, Me).

sum(0, Sum) -> Sum;
sum(N, Sum) -> receive S -> sum(N - 1, Sum + S) end.
