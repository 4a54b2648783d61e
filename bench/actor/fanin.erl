%% fanin.erl - SENDERS processes send MESSAGES numbers each to one process, which adds.
-module(fanin).
-export([main/1]).

main([SendersText, CountText]) ->
    Senders = list_to_integer(SendersText),
    Count = list_to_integer(CountText),
    Start = erlang:monotonic_time(nanosecond),
    Me = self(),
    [spawn(fun() -> send(1, Count, Me) end) || _ <- lists:seq(1, Senders)],
    Sum = add(Senders * Count, 0),
    Seconds = (erlang:monotonic_time(nanosecond) - Start) / 1.0e9,
    io:format("fanin ~b ~.6f~n", [Sum, Seconds]),
    halt().

send(N, Count, _) when N > Count -> ok;
send(N, Count, To) -> To ! N, send(N + 1, Count, To).

add(0, Sum) -> Sum;
add(N, Sum) -> receive M -> add(N - 1, Sum + M) end.
