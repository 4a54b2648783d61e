%% spawn.erl - creates COUNT processes and joins them by one message from each.
%% One process creates while another receives: a mailbox that holds all the messages would be
%% copied again and again by the creator's collections.
-module(spawn).
-export([main/1]).

main([Text]) ->
    Count = list_to_integer(Text),
    Start = erlang:monotonic_time(nanosecond),
    Me = self(),
    erlang:spawn(fun() -> create(1, Count, Me) end),
    Sum = join(Count, 0),
    Seconds = (erlang:monotonic_time(nanosecond) - Start) / 1.0e9,
    io:format("spawn ~b ~.6f~n", [Sum, Seconds]),
    halt().

create(I, Count, _) when I > Count -> ok;
create(I, Count, Me) ->
    erlang:spawn(fun() -> Me ! I end),
    create(I + 1, Count, Me).

join(0, Sum) -> Sum;
join(N, Sum) -> receive I -> join(N - 1, Sum + I) end.
