%% call.erl - one process calls another, COUNT round trips with a time-out: what gen_server:call
%% does, by hand: a monitor with an alias, the request, the reply, demonitor.
-module(call).
-export([main/1]).

main([Text]) ->
    Count = list_to_integer(Text),
    Server = erlang:spawn(fun serve/0),
    Start = erlang:monotonic_time(nanosecond),
    Sum = loop(Count, Server, 0),
    Seconds = (erlang:monotonic_time(nanosecond) - Start) / 1.0e9,
    io:format("call ~b ~.6f~n", [Sum, Seconds]),
    halt().

loop(0, _, Sum) -> Sum;
loop(Count, Server, Sum) -> loop(Count - 1, Server, call(Server, next, Sum)).

call(Server, Selector, Payload) ->
    Ref = erlang:monitor(process, Server, [{alias, demonitor}]),
    Server ! {Selector, {self(), Ref}, Payload},
    receive
        {Ref, Reply} -> erlang:demonitor(Ref, [flush]), Reply;
        {'DOWN', Ref, process, _, Reason} -> exit(Reason)
    after 5000 -> exit(timeout)
    end.

serve() ->
    receive {next, {_, Ref}, N} -> Ref ! {Ref, N + 1} end,
    serve().
