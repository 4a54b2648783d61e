%% select.erl - a process sends itself COUNT times a message with a new reference and receives it
%% from behind 10,000 others.
-module(select).
-export([main/1]).

main([Text]) ->
    Count = list_to_integer(Text),
    [self() ! {noise, 0} || _ <- lists:seq(1, 10000)],
    Start = erlang:monotonic_time(nanosecond),
    Sum = loop(Count, 1, 0),
    Seconds = (erlang:monotonic_time(nanosecond) - Start) / 1.0e9,
    io:format("select ~b ~.6f~n", [Sum, Seconds]),
    halt().

loop(Count, I, Sum) when I > Count -> Sum;
loop(Count, I, Sum) ->
    Ref = make_ref(),
    self() ! {Ref, I},
    receive {Ref, N} -> loop(Count, I + 1, Sum + N) end.
