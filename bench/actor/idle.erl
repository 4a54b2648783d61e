%% idle.erl - what a process costs that waits for a message and keeps a number.
-module(idle).
-export([main/1]).

main([Text]) ->
    Count = list_to_integer(Text),
    timer:sleep(200),
    Before = resident(),
    io:format("idle-before ~b~n", [Before]),
    timer:sleep(200),
    Last = create(Count, none),
    timer:sleep(1000),
    io:format("idle ~b ~.1f~n", [Count, (resident() - Before) / Count]),
    Last ! 1,
    receive 42 -> ok end,
    timer:sleep(300),
    halt().

create(0, Last) -> Last;
create(Count, _) ->
    Group = min(1000, Count),
    Me = self(),
    Made = [erlang:spawn(fun() -> Me ! 1, wait(Me, 41) end) || _ <- lists:seq(1, Group)],
    [receive 1 -> ok end || _ <- lists:seq(1, Group)],
    create(Count - Group, lists:last(Made)).

wait(Parent, Sum) ->
    receive
        N ->
            Parent ! Sum + N,
            wait(Parent, Sum + N)
    end.

resident() ->
    {ok, Text} = file:read_file("/proc/self/status"),
    {match, [Kilobytes]} = re:run(Text, "VmRSS:\\s*(\\d+)", [{capture, all_but_first, list}]),
    list_to_integer(Kilobytes) * 1024.
