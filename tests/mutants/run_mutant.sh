#!/bin/sh
# run_mutant.sh PROGRAM TEST - succeeds when the test TEST of a mutated PROGRAM fails.
# A failed assertion, a crash, a report of a sanitizer and a hang (60 s) all count as caught. That
# the name matches a test at all is checked, since a program without tests would pass. The last line
# makes the mutant count as one test, whatever its program printed.
program=$1
test=$2
output=$(timeout 60 "$program" "$test" 2>&1)
code=$?
printf '%s\n' "$output" | tail -n 20
case $output in
*"RUN      ] $test"*) ;;
*)
    echo "run_mutant: no test named $test in $program" >&2
    echo "0 passed, 1 failed"
    exit 99
    ;;
esac
if [ "$code" -eq 0 ]; then
    echo "run_mutant: $(basename "$program") survived $test"
    echo "0 passed, 1 failed"
    exit 1
fi
echo "run_mutant: caught (exit code $code)"
echo "1 passed, 0 failed"
