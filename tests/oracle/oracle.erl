%% SPDX-License-Identifier: Apache-2.0
%% oracle.erl - carries out programs of signals (programs.py) on Erlang and writes what each process saw.
%%   erl -noshell -run oracle main FILE
-module(oracle).
-export([main/1]).

main([File]) ->
    {ok, Data} = file:read_file(File),
    Lines = [string:lexemes(L, " ") || L <- string:lexemes(binary_to_list(Data), "\n")],
    programs(Lines),
    halt(0).

programs([]) -> ok;
programs([["program", Seed, Count] | Lines]) ->
    {Phases, Rest} = phases(Lines, []),
    io:format("program ~s~n", [Seed]),
    Pids = maps:from_list([{S, start(S)} || S <- lists:seq(0, list_to_integer(Count) - 1)]),
    _ = settle(maps:values(Pids)),
    Last = run(Phases, Pids),
    [exit(P, kill) || P <- maps:values(Last)],
    wait_gone(maps:values(Last)),
    drain(),
    io:format("end~n"),
    programs(Rest).

phases([["end"] | Rest], Done) -> {lists:reverse([lists:reverse(P) || P <- Done]), Rest};
phases([["phase"] | Rest], Done) -> phases(Rest, [[] | Done]);
phases([["do", Slot | Words] | Rest], [Phase | Done]) ->
    Ops = [string:lexemes(Op, " ") || Op <- string:lexemes(lists:flatten(lists:join(" ", Words)), ";")],
    phases(Rest, [[{list_to_integer(Slot), Ops} | Phase] | Done]).

start(Slot) ->
    Coordinator = self(),
    Pid = spawn(fun() -> loop(Slot, Coordinator, #{}) end),
    erlang:monitor(process, Pid),
    put(Pid, Slot),
    Pid.

run([], Pids) -> Pids;
run([Commands | Phases], Pids) ->
    io:format("phase~n"),
    [Pid ! {do, Ops, Pids} || {Slot, Ops} <- Commands, {ok, Pid} <- [maps:find(Slot, Pids)]],
    run(Phases, collect(settle(maps:values(Pids)), Pids)).

%% Until every process waits with nothing to do or has told its end, and nothing new was told for three
%% passes. A process that ends is taken from the table before it sends its last signals, so its absence
%% says nothing; on the one scheduler that run.py asks for, its DOWN says that it has sent them all.
settle(Pids) -> settle(Pids, [], 0).

settle(Pids, Told, Quiet) ->
    erlang:yield(),
    More = told(),
    All = Told ++ More,
    Born = [P || {up, _, P} <- More],
    [put(P, S) || {spawned, S, P} <- More],
    [put(P, S) || {up, S, P} <- More],
    [erlang:monitor(process, P) || P <- Born],
    Known = Pids ++ Born,
    case More =:= [] andalso lists:all(fun idle/1, Known) of
        true when Quiet >= 2 -> All;
        true -> settle(Known, All, Quiet + 1);
        false -> settle(Known, All, 0)
    end.

idle(Pid) ->
    case erlang:process_info(Pid, [status, message_queue_len]) of
        undefined -> get({died, Pid}) =:= true;
        [{status, waiting}, {message_queue_len, 0}] -> true;
        _ -> false
    end.

told() ->
    receive
        {told, T} -> [T | told()];
        {'DOWN', _, process, Pid, Reason} ->
            put({died, Pid}, true),
            [{died, get(Pid), reason(Reason)} | told()]
    after 0 -> []
    end.

collect(Told, Pids) ->
    lists:foldl(
      fun({spawned, _, _}, M) -> M;
         ({up, S, P}, M) -> io:format("up ~p~n", [S]), M#{S => P};
         ({named, S, Has}, M) -> io:format("named ~p ~p ~p~n", [S, S, Has]), M;
         ({message, S, From, Tag}, M) -> io:format("message ~p ~p ~s~n", [S, From, Tag]), M;
         ({exit, S, P, R}, M) -> io:format("exit ~p ~p ~p~n", [S, get(P), reason(R)]), M;
         ({down, S, P, Ref, R}, M) ->
              io:format("down ~p ~p ~s ~p~n", [S, get(P), Ref, reason(R)]), M;
         ({died, S, R}, M) -> io:format("died ~p ~p~n", [S, R]), M
      end, Pids, Told).

reason({oracle_crash, _}) -> error;
reason(R) when is_atom(R) -> R.

wait_gone(Pids) ->
    case [P || P <- Pids, lists:member(P, processes())] of
        [] -> ok;
        More -> erlang:yield(), wait_gone(More)
    end.

drain() -> receive _ -> drain() after 0 -> ok end.

%% A process of the program. Refs: the program's number of a reference -> it, and back.
loop(Slot, Coordinator, Refs) ->
    receive
        {do, Ops, Pids} ->
            loop(Slot, Coordinator, lists:foldl(
                   fun(Op, Acc) -> op(Op, Slot, Coordinator, Pids, Acc) end, Refs, Ops));
        {m, From, Tag} ->
            Coordinator ! {told, {message, Slot, From, Tag}},
            loop(Slot, Coordinator, Refs);
        {'EXIT', Pid, Reason} ->
            Coordinator ! {told, {exit, Slot, Pid, Reason}},
            loop(Slot, Coordinator, Refs);
        {'DOWN', Ref, process, Pid, Reason} ->
            Coordinator ! {told, {down, Slot, Pid, maps:get(Ref, Refs), Reason}},
            loop(Slot, Coordinator, Refs)
    end.

op(["spawn", Child, Mode, Number], _, Coordinator, _, Refs) ->
    J = list_to_integer(Child),
    Body = fun() ->
                   Coordinator ! {told, {up, J, self()}},
                   loop(J, Coordinator, #{})
           end,
    {Pid, Refs2} = case Mode of
        "plain" -> {spawn(Body), Refs};
        "link" -> {spawn_link(Body), Refs};
        "monitor" -> {P, R} = spawn_monitor(Body), {P, Refs#{R => Number, Number => R}}
    end,
    Coordinator ! {told, {spawned, J, Pid}},
    Refs2;
op(["demonitor", Number], _, _, _, Refs) ->
    case Refs of #{Number := R} -> erlang:demonitor(R); _ -> ok end, Refs;
op(["flush", Number], _, _, _, Refs) ->
    case Refs of #{Number := R} -> erlang:demonitor(R, [flush]); _ -> ok end, Refs;
op(["trap", Flag], _, _, _, Refs) -> process_flag(trap_exit, Flag =:= "1"), Refs;
op(["register", N], Slot, Coordinator, _, Refs) ->
    Name = name(N),
    Has = whereis(Name) =:= self() orelse
        try register(Name, self()) catch error:badarg -> false end,
    Coordinator ! {told, {named, Slot, case Has of true -> 1; false -> 0 end}},
    Refs;
op(["unregister", N], _, _, _, Refs) ->
    case whereis(name(N)) =:= self() of true -> unregister(name(N)); false -> ok end, Refs;
op(["sendname", N, Tag], Slot, _, _, Refs) ->
    try name(N) ! {m, Slot, Tag} catch error:badarg -> nobody end, Refs;
op(["die", "normal"], _, _, _, _) -> exit(normal);
op(["die", "error"], _, _, _, _) -> error(oracle_crash);
op([Kind, To | Args], Slot, _, Pids, Refs) ->
    case maps:find(list_to_integer(To), Pids) of
        {ok, Pid} -> to(Kind, Pid, Args, Slot, Refs);
        error -> Refs
    end.

name(N) -> list_to_atom("oracle_name_" ++ N).

%% Without trapping, link to the dead ends the caller by an exception instead of the signal.
to("link", Pid, [], _, Refs) -> try link(Pid) catch error:noproc -> exit(noproc) end, Refs;
to("unlink", Pid, [], _, Refs) -> unlink(Pid), Refs;
to("monitor", Pid, [Number], _, Refs) ->
    R = erlang:monitor(process, Pid),
    Refs#{R => Number, Number => R};
to("send", Pid, [Tag], Slot, Refs) -> Pid ! {m, Slot, Tag}, Refs;
to("exit", Pid, [Reason], _, Refs) -> exit(Pid, list_to_atom(Reason)), Refs.
