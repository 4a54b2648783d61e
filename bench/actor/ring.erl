%% ring.erl - a number walks round a ring of SIZE processes until it made HOPS steps.
-module(ring).
-export([main/1]).

main([SizeText, HopsText]) ->
    Size = list_to_integer(SizeText),
    Hops = list_to_integer(HopsText),
    Start = erlang:monotonic_time(nanosecond),
    Home = self(),
    First = erlang:spawn(fun() -> receive {next, Next} -> member(Next, Home) end end),
    Last = build(Size - 1, First, Home),
    First ! {next, Last},
    First ! Hops,
    receive done -> ok end,
    Seconds = (erlang:monotonic_time(nanosecond) - Start) / 1.0e9,
    io:format("ring ~b ~.6f~n", [Hops, Seconds]),
    halt().

build(0, Next, _) -> Next;
build(N, Next, Home) -> build(N - 1, erlang:spawn(fun() -> member(Next, Home) end), Home).

member(Next, Home) ->
    receive
        0 -> Home ! done;
        N -> Next ! N - 1
    end,
    member(Next, Home).
