%% timer_bench.erl - how late a process wakes from sleeps of 1 ms while BUSY others loop.
-module(timer_bench).
-export([main/1]).

main([BusyText, CountText]) ->
    Busy = list_to_integer(BusyText),
    Count = list_to_integer(CountText),
    [erlang:spawn(fun() -> loop(0) end) || _ <- lists:seq(1, Busy)],
    receive after 100 -> ok end,
    Late = list_to_tuple(lists:sort([sample() || _ <- lists:seq(1, Count)])),
    io:format("timer ~b ~b ~b ~b~n",
              [Count, element((Count + 1) div 2, Late), element((Count * 99 + 99) div 100, Late),
               element(Count, Late)]),
    halt().

loop(N) -> loop((N + 1) band 65535).

sample() ->
    Began = erlang:monotonic_time(nanosecond),
    receive after 1 -> ok end,
    (erlang:monotonic_time(nanosecond) - Began - 1000000) div 1000.
