%% timers.erl - COUNT timers of a minute started and cancelled at once.
-module(timers).
-export([main/1]).

main([Text]) ->
    Count = list_to_integer(Text),
    Start = erlang:monotonic_time(nanosecond),
    Pending = loop(Count, 0),
    Seconds = (erlang:monotonic_time(nanosecond) - Start) / 1.0e9,
    io:format("timers ~b ~.6f~n", [Pending, Seconds]),
    halt().

loop(0, Pending) -> Pending;
loop(Count, Pending) ->
    case erlang:cancel_timer(erlang:start_timer(60000, self(), timeout)) of
        false -> loop(Count - 1, Pending);
        _ -> loop(Count - 1, Pending + 1)
    end.
