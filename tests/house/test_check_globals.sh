#!/bin/sh
# test_check_globals.sh - the check for writable data sees each kind of it and allows constants.

set -eu
check=$(dirname "$0")/check_globals.sh
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
mkdir "$dir/src"
: >"$dir/build.ninja"

expect() {          # accepts|rejects SOURCE
    printf '%s\n' "$2" >"$dir/unit.c"
    cc -fPIC -fno-common -c "$dir/unit.c" -o "$dir/src/unit.o"
    if sh "$check" "$dir" >"$dir/output"; then verdict=accepts; else verdict=rejects; fi
    if [ "$verdict" != "$1" ]; then
        echo "the check $verdict: $2"
        cat "$dir/output"
        exit 1
    fi
}

expect rejects 'int counter = 3;'
expect rejects 'int counter;'
expect rejects 'int next(void) { static int last; return ++last; }'
expect rejects '_Thread_local int here;'
expect rejects '_Thread_local int here = 1;'
expect rejects 'const char *name = "x";'
expect rejects '__attribute__((common)) int shared;'
expect accepts 'const char *const names[] = {"a", "b"};'
expect accepts 'int two(void); int two(void) { return 2; }'
expect accepts 'static int f(void) { return 1; } int (*const table[])(void) = {f};'
echo "10 passed, 0 failed"
