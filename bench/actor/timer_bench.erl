%% timer_bench.erl - how late a process wakes from sleeps of MS ms while BUSY others loop.
-module(timer_bench).
-export([main/1]).

main([BusyText, CountText, MsText]) ->
    Busy = list_to_integer(BusyText),
    Count = list_to_integer(CountText),
    Ms = list_to_integer(MsText),
    [erlang:spawn(fun() -> loop(0) end) || _ <- lists:seq(1, Busy)],
    receive after 100 -> ok end,
    Late = list_to_tuple(lists:sort([sample(Ms) || _ <- lists:seq(1, Count)])),
    io:format("timer ~b ~b ~b ~b~n",
              [Count, element((Count + 1) div 2, Late), element((Count * 99 + 99) div 100, Late),
               element(Count, Late)]),
    halt().

loop(N) -> loop((N + 1) band 65535).

sample(Ms) ->
    Began = erlang:monotonic_time(nanosecond),
    receive after Ms -> ok end,
    (erlang:monotonic_time(nanosecond) - Began - Ms * 1000000) div 1000.
