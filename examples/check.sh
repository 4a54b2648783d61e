#!/bin/sh
# check.sh MAGGIE-ERL - runs every example and compares what it prints with what is known.
# The last line is "N passed, M failed"; the exit code is 0 only when nothing failed.

set -u
maggie=${1:?usage: check.sh MAGGIE-ERL}
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
passed=0 failed=0

verdict() {         # NAME CODE: counts a result; a failure shows both streams
    if [ "$2" = 0 ]; then
        passed=$((passed + 1))
        echo "ok      $1"
    else
        failed=$((failed + 1))
        echo "FAILED  $1"
        sed 's/^/    /' "$work/out" "$work/err"
    fi
}

run() {             # FILE ARGUMENT...: leaves $work/out, $work/err and the exit code in $ended
    file=$1
    shift
    ended=0
    timeout "${MAGGIE_EXAMPLE_TIMEOUT:-300}" "$maggie" "$here/$file.mag" "$@" \
        </dev/null >"$work/out" 2>"$work/err" || ended=$?
}

same() {            # NAME: the example prints exactly expected/NAME.txt
    run "$1"
    code=$ended
    diff -u "$here/expected/$1.txt" "$work/out" >"$work/diff" || code=1
    cat "$work/diff" >>"$work/err"
    verdict "$1" "$code"
}

prints() {          # TITLE LINE...: the last run ended well and printed these whole lines
    title=$1 code=$ended
    shift
    for line; do
        grep -qFx -- "$line" "$work/out" || { echo "not printed: $line" >>"$work/err"; code=1; }
    done
    verdict "$title" "$code"
}

for name in hello fizzbuzz blocks collections results exceptions pingpong; do
    same "$name"
done

run hello Ada Grace
prints 'hello with arguments' 'Hello, Ada!' 'Hello, Grace!'

run skynet 1000
prints 'skynet 1000' 'processes: 1111' 'sum of the leaves: 499500'

run richards 1
prints richards 'packets queued: 23246 (known: 23246)' 'tasks put on hold: 9297 (known: 9297)'

# The chain gives 5050; the projection the sum of 5 i + 2000 for i from 1 to 99.
run deltablue 100
prints deltablue 'sum of the values: 227800'

run preemption 5
prints preemption 'all beats done, loops still alive: 8' 'after terminate, loops alive: 0' \
    'every loop had run and cleaned up when it was ended'

# The word count against wc, on files made here and on those every Debian machine has.
mkdir "$work/texts"
printf 'one two\nthree  four\tfive\n' >"$work/texts/a.txt"
printf 'no newline at the end' >"$work/texts/b.txt"
: >"$work/texts/empty.txt"
printf '\n\n   \n\ffeed\n' >"$work/texts/space.txt"
mkdir "$work/texts/folder"
for folder in "$work/texts" /usr/share/common-licenses; do
    [ -d "$folder" ] || continue
    run wordcount "$folder"
    code=$ended
    (cd "$folder" && find -L . -maxdepth 1 -type f | sed 's|^\./||' | LC_ALL=C sort |
        xargs wc -lwc | awk '{ print $1, $2, $3, $4 }') >"$work/wanted"
    sed -n '2,/ total$/p' "$work/out" | awk '{ print $1, $2, $3, $4 }' |
        diff -u "$work/wanted" - >>"$work/err" || code=1
    verdict "wordcount ${folder##*/} agrees with wc" "$code"
done
run wordcount "$work/no-such-folder"
code=0
[ "$ended" = 1 ] || code=1
verdict 'wordcount of a missing folder fails' "$code"

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
