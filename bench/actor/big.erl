%% big.erl - every process sends a number to every other and answers each that it gets; when all have
%% answered, the next round begins.
-module(big).
-export([main/1]).

main([CountText, RoundsText]) ->
    Count = list_to_integer(CountText),
    Rounds = list_to_integer(RoundsText),
    Start = erlang:monotonic_time(nanosecond),
    Home = self(),
    All = [spawn(fun() -> member(Rounds, Home) end) || _ <- lists:seq(1, Count)],
    [P ! {others, [O || O <- All, O =/= P]} || P <- All],
    Sum = lists:sum([receive {sum, S} -> S end || _ <- All]),
    [exit(P, kill) || P <- All],
    Seconds = (erlang:monotonic_time(nanosecond) - Start) / 1.0e9,
    io:format("big ~b ~.6f~n", [Sum, Seconds]),
    halt().

member(Rounds, Home) ->
    receive {others, Others} -> ok end,
    Home ! {sum, rounds(1, Rounds, Others, length(Others), 0)},
    serve().

rounds(Round, Rounds, _, _, Sum) when Round > Rounds -> Sum;
rounds(Round, Rounds, Others, Count, Sum) ->
    ask(Others, Round),
    rounds(Round + 1, Rounds, Others, Count, answers(Count, Sum)).

ask([], _) -> ok;
ask([P | Rest], Round) -> P ! {self(), Round}, ask(Rest, Round).

answers(0, Sum) -> Sum;
answers(Missing, Sum) ->
    receive
        {From, N} -> From ! N, answers(Missing, Sum);
        N -> answers(Missing - 1, Sum + N)
    end.

serve() -> receive {From, N} -> From ! N, serve() end.
