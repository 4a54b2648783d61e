#!/bin/sh
# test_check_authority.sh - the inventory of primitives sees what it is for: made-up tables and
# objects with one mistake each.

set -eu
check=$(dirname "$0")/check_authority.py
case $(uname -m) in
    x86_64) ;;
    *) echo "objects of another machine: not checked here"; exit 77 ;;
esac
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
mkdir -p "$dir/tree/src/interp" "$dir/build/src/interp/liba.a.p"
passed=0

expect() {          # accepts|rejects AUTHORITY C-SOURCE [TABLE]
    table=${4:-prims_fake.def}
    rm -f "$dir"/tree/src/interp/*
    printf 'PRIM("Fake class", "peek:", prim_peek, %s, 0, "look")\n' "$2" \
        >"$dir/tree/src/interp/$table"
    printf '#include "%s"\n' "$table" >"$dir/tree/src/interp/prims_all.h"
    printf '%s\n' "$3" >"$dir/unit.c"
    for level in 0 2; do
        cc -O$level -fPIC -Wno-implicit-function-declaration -c "$dir/unit.c" \
            -o "$dir/build/src/interp/liba.a.p/unit.o"
        if python3 "$check" "$dir/tree" "$dir/build" >"$dir/output"; then
            verdict=accepts
        else
            verdict=rejects
        fi
        if [ "$verdict" != "$1" ]; then
            echo "the check $verdict at -O$level with $2: $3"
            cat "$dir/output"
            exit 1
        fi
        passed=$((passed + 1))
    done
}

pure='int prim_peek(void) { return 3; }'
direct='int open(const char *, int, ...); int prim_peek(void) { return open("/etc/passwd", 0); }'
deeper='char *getenv(const char *);
static __attribute__((noinline)) char *look(void) { return getenv("HOME"); }
char *prim_peek(void) { char *s = look(); return s ? s + 1 : s; }'
pointer='int unlink(const char *);
static void job(void *s) { unlink(s); }
struct call { void (*run)(void *); };
int prim_peek(struct call *c) { c->run = job; return 1; }'
in_table='int system(const char *);
static void job(void) { system("true"); }
static void other(void) { }
static void (*const jobs[])(void) = {other, job};
void prim_peek(int i) { jobs[i & 1](); }'
printing='int printf(const char *, ...); int prim_peek(void) { return printf("%d", 4); }'
own='int open(const char *n) { return n[0]; } int prim_peek(void) { return open("x"); }'

expect accepts AUTH_NONE "$pure"
expect accepts AUTH_FILE_READ "$direct"
expect accepts 'AUTH_FILE_READ | AUTH_FILE_WRITE' "$pointer"
expect accepts AUTH_NONE "$own"
expect rejects AUTH_NONE "$direct"
expect rejects AUTH_NONE "$deeper"
expect rejects AUTH_NONE "$pointer"
expect rejects AUTH_NONE "$in_table"
expect rejects AUTH_NONE "$printing"
expect rejects AUTH_NONE 'int nothing(void) { return 1; }'
expect rejects AUTH_NONE "$pure" prims_file.def
echo "$passed passed, 0 failed"
