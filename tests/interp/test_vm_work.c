/* SPDX-License-Identifier: Apache-2.0 */
/* test_vm_work.c - every primitive with small and large receivers and arguments: the work it does
 * between two safepoints is bounded and paid for (I5, M20), and nothing one can pass to it brings
 * the machine down (I8).
 *
 * Work is counted, not timed: the VM is compiled a second time with a call of
 * __sanitizer_cov_trace_pc in each basic block; blocks copied by the C library and products of GMP
 * are added by wrappers. A unit is 0.5 to 1 ns.
 * Threads: one, the simulator's. */
#include "vmkit.h"

#include <math.h>
#include <sys/stat.h>
#include <unistd.h>

#define UNITS_MAX 400000u /* per call, when a slice of 4000 reductions is spent on it */
#define UNITS_FREE 4000u  /* that need not be paid: some us */
#define UNITS_PER_REDUCTION 200u

#define UNCOUNTED __attribute__((no_sanitize_coverage))

/* ---- counting ------------------------------------------------------------------------------ */

static uint64_t units;
static uint64_t all_units; /* never reset */

void __sanitizer_cov_trace_pc(void);
UNCOUNTED void __sanitizer_cov_trace_pc(void)
{
    units++;
    all_units++;
}

#define WRAP(type, name, params, args, cost)                                                       \
    type __real_##name params;                                                                     \
    type __wrap_##name params;                                                                     \
    UNCOUNTED type __wrap_##name params                                                            \
    {                                                                                              \
        units += (uint64_t)(cost);                                                                 \
        all_units += (uint64_t)(cost);                                                             \
        return __real_##name args;                                                                 \
    }
WRAP(void *, memcpy, (void *a, const void *b, size_t n), (a, b, n), n / 32)
WRAP(void *, memmove, (void *a, const void *b, size_t n), (a, b, n), n / 32)
WRAP(void *, memset, (void *a, int c, size_t n), (a, c, n), n / 32)
WRAP(int, memcmp, (const void *a, const void *b, size_t n), (a, b, n), n / 32)

static uint64_t locks;
UNCOUNTED void lock_counted(void) { locks++; }

/* A search costs as far as it goes. */
void *__real_memchr(const void *a, int c, size_t n);
void *__wrap_memchr(const void *a, int c, size_t n);
UNCOUNTED void *__wrap_memchr(const void *a, int c, size_t n)
{
    char *hit = __real_memchr(a, c, n);
    units += (hit ? (size_t)(hit - (const char *)a) : n) / 32;
    return hit;
}
void *__real_memmem(const void *a, size_t n, const void *b, size_t m);
void *__wrap_memmem(const void *a, size_t n, const void *b, size_t m);
UNCOUNTED void *__wrap_memmem(const void *a, size_t n, const void *b, size_t m)
{
    char *hit = __real_memmem(a, n, b, m);
    if (n >= m)
        units += ((hit ? (size_t)(hit - (const char *)a) : n) + m) / 4;
    return hit;
}

typedef unsigned long Limb;
UNCOUNTED static double product(double n, double m)
{
    return n < m ? product(m, n) : m < 1 ? 1 : n / m * pow(m, 1.585);
}
WRAP(Limb, __gmpn_mul, (Limb * r, const Limb *a, long n, const Limb *b, long m), (r, a, n, b, m),
     product((double)n, (double)m))
WRAP(void, __gmpn_sqr, (Limb * r, const Limb *a, long n), (r, a, n), product((double)n, (double)n))
WRAP(void, __gmpn_tdiv_qr,
     (Limb * q, Limb *r, long z, const Limb *a, long n, const Limb *d, long m),
     (q, r, z, a, n, d, m), 2 * product((double)(n - m + 1), (double)m))
WRAP(Limb, __gmpn_mul_1, (Limb * r, const Limb *a, long n, Limb b), (r, a, n, b), n)
WRAP(Limb, __gmpn_add, (Limb * r, const Limb *a, long n, const Limb *b, long m), (r, a, n, b, m), n)
WRAP(Limb, __gmpn_sub, (Limb * r, const Limb *a, long n, const Limb *b, long m), (r, a, n, b, m), n)
WRAP(long, __gmpn_gcd, (Limb * g, Limb *a, long n, Limb *b, long m), (g, a, n, b, m),
     (double)n *(double)m * 4)
WRAP(long, __gmpn_sqrtrem, (Limb * s, Limb *r, const Limb *a, long n), (s, r, a, n),
     2 * product((double)n / 2, (double)n / 2))
WRAP(size_t, __gmpn_get_str, (unsigned char *s, int base, Limb *a, long n), (s, base, a, n),
     3 * product((double)n, (double)n))
WRAP(long, __gmpn_set_str, (Limb * r, const unsigned char *s, size_t n, int base), (r, s, n, base),
     2 * product((double)n / 19, (double)n / 19))

typedef struct Worst {
    uint64_t calls;
    uint64_t most;   /* units of one call */
    uint64_t unpaid; /* units beyond what the charge allows */
    int64_t paid;    /* in that call */
    char what[160];  /* receiver and arguments of that call */
} Worst;

typedef struct Survey {
    Worst worst[1000]; /* by primitive's number in the table */
    int number;        /* of the primitive under test */
    const Code *code;  /* bound to it */
} Survey;

static Survey survey;

UNCOUNTED static int number_of(const Code *m)
{
    int i = 0;
    for (const PrimEntry *e = prim_all(); e->cls; e++, i++)
        if (e->fn == m->prim && e->help == m->prim_help)
            return i;
    return -1;
}

UNCOUNTED static void note(const Vm *vm, const Value *args, unsigned argc, char *out, size_t size)
{
    out[0] = 0;
    for (unsigned i = 0; i <= argc; i++) {
        size_t at = strlen(out);
        Bytes name = vm_symbol_text(vm, vm_class(vm, value_class_of(args[i]))->short_name);
        size_t words = value_is_string(args[i]) ? str_view(args[i]).bytes
                       : value_is_ptr(args[i])  ? obj_words(obj_of(args[i]))
                                                : 0;
        snprintf(out + at, size - at, " %.*s(%zu)", (int)name.len, name.data, words);
    }
}

UNCOUNTED PrimStatus interp_count_work(const Code *m, PrimCall *c)
{
    int number = m == survey.code ? survey.number : number_of(m);
    survey.code = m;
    survey.number = number;
    Worst *w = &survey.worst[number < 0 ? 999 : number];
    int64_t before = c->reductions;
    char what[160];
    note(c->vm, c->args, c->argc, what, sizeof what);
    units = 0;
    PrimStatus status = m->prim(c);
    uint64_t done = units;
    int64_t paid = before - c->reductions;
    uint64_t allowed = UNITS_FREE + (paid > 0 ? (uint64_t)paid : 0) * UNITS_PER_REDUCTION;
    w->calls++;
    if (done > w->most) {
        w->most = done;
        if (w->unpaid == 0)
            memcpy(w->what, what, sizeof what);
    }
    /* one that yields or leaves for a dirty thread gives up its slice: that pays for anything */
    bool leaves = status == PRIM_YIELD || status == PRIM_DIRTY || status == PRIM_GC;
    if (!leaves && done > allowed && done - allowed > w->unpaid) {
        w->unpaid = done - allowed;
        w->paid = paid;
        memcpy(w->what, what, sizeof what);
    }
    return status;
}

/* ---- samples ------------------------------------------------------------------------------- */

static const char *const samples =
    "Sample subclass: Object\n"
    "  instanceVars: one two\n"
    "  classMethod: large [ ^30000 ]\n"
    "  classMethod: text: n [ ^'abcdefghij' repeat: n // 10 ]\n"
    "  classMethod: make: kind [\n"
    "    | all s |\n"
    "    kind == #nil ifTrue: [^nil].\n"
    "    kind == #true ifTrue: [^true].\n"
    "    kind == #zero ifTrue: [^0].\n"
    "    kind == #one ifTrue: [^1].\n"
    "    kind == #minus ifTrue: [^-7].\n"
    "    kind == #some ifTrue: [^20000].\n"
    "    kind == #far ifTrue: [^70000000000000].\n"
    "    kind == #big ifTrue: [^1 bitShift: 200].\n"
    "    kind == #huge ifTrue: [^(1 bitShift: 200000) - 12345678901].\n"
    "    kind == #float ifTrue: [^2.5].\n"
    "    kind == #char ifTrue: [^$a].\n"
    "    kind == #text ifTrue: [^'some text' copy].\n"
    "    kind == #digits ifTrue: [^'1234567890' repeat: 3000].\n"
    "    kind == #longText ifTrue: [^self text: 3 * self large].\n"
    "    kind == #wideText ifTrue: [^'aé€z' repeat: self large].\n"
    "    kind == #spaces ifTrue: [^'a b, ' repeat: self large].\n"
    "    kind == #symbol ifTrue: [^#foo:bar:].\n"
    "    kind == #array ifTrue: [^Array with: 3 with: 1 with: 'x'].\n"
    "    kind == #longArray ifTrue: [\n"
    "      all := Array new: self large.\n"
    "      1 to: all size do: [:i | all at: i put: i * 7919 \\\\ 10007].\n"
    "      ^all].\n"
    "    kind == #textArray ifTrue: [\n"
    "      s := self text: 1000. all := Array new: 3000.\n"
    "      1 to: all size do: [:i | all at: i put: s , (i * 7919 \\\\ 3001) printString]. ^all].\n"
    "    kind == #mixedArray ifTrue: [\n"
    "      all := Array new: 3000 withAll: 'x'. all at: 7 put: 3; at: 9 put: nil. ^all].\n"
    "    kind == #bytes ifTrue: [^ByteArray new: 5].\n"
    "    kind == #longBytes ifTrue: [^ByteArray new: 8 * self large].\n"
    "    kind == #words ifTrue: [^WordArray new: 5].\n"
    "    kind == #longWords ifTrue: [^WordArray new: self large].\n"
    "    kind == #list ifTrue: [^ArrayList new add: 3; add: 4; yourself].\n"
    "    kind == #longList ifTrue: [\n"
    "      all := ArrayList new. 1 to: self large do: [:i | all add: i]. ^all].\n"
    "    kind == #dict ifTrue: [^Dictionary new at: 1 put: 2; at: 'k' put: 3; yourself].\n"
    "    kind == #longDict ifTrue: [\n"
    "      all := Dictionary new. 1 to: 9000 do: [:i | all at: i put: i]. ^all].\n"
    "    kind == #identityDict ifTrue: [^IdentityDictionary new at: #a put: 1; yourself].\n"
    "    kind == #block ifTrue: [^[:x :y | x]].\n"
    "    kind == #block0 ifTrue: [^[7]].\n"
    "    kind == #class ifTrue: [^Array].\n"
    "    kind == #sampleClass ifTrue: [^Sample].\n"
    "    kind == #object ifTrue: [^Object new].\n"
    "    kind == #sample ifTrue: [^Sample new].\n"
    "    kind == #process ifTrue: [^Process current].\n"
    "    kind == #dead ifTrue: [all := [nil] fork. all wait. ^all].\n"
    "    kind == #error ifTrue: [^Error new].\n"
    "    kind == #random ifTrue: [^Random new].\n"
    "    kind == #seeded ifTrue: [^Random seed: 7].\n"
    "    kind == #stream ifTrue: [^WriteStream new].\n"
    "    kind == #fullStream ifTrue: [^WriteStream new nextPutAll: (self text: 30000); yourself].\n"
    "    kind == #method ifTrue: [^Compiler _compile: '3 + 4' mode: 1 names: #() file: 'x'].\n"
    "    kind == #literal ifTrue: [^#(1 2 (3))].\n"
    "    kind == #deep ifTrue: [\n"
    "      all := nil. 1 to: self large do: [:i | all := Array with: all]. ^all].\n"
    "    kind == #weak ifTrue: [^WeakReference on: 'x' copy].\n"
    "    kind == #WeakReference ifTrue: [^WeakReference].\n"
    "    kind == #Array ifTrue: [^Array]. kind == #ByteArray ifTrue: [^ByteArray].\n"
    "    kind == #WordArray ifTrue: [^WordArray]. kind == #Character ifTrue: [^Character].\n"
    "    kind == #String ifTrue: [^String]. kind == #Class ifTrue: [^Class].\n"
    "    kind == #Compiler ifTrue: [^Compiler]. kind == #Context ifTrue: [^Context].\n"
    "    kind == #Exception ifTrue: [^Exception]. kind == #Process ifTrue: [^Process].\n"
    "    kind == #Random ifTrue: [^Random]. kind == #System ifTrue: [^System].\n"
    "    kind == #File ifTrue: [^File]. kind == #ProcessGroup ifTrue: [^ProcessGroup].\n"
    "    kind == #ProcessInfo ifTrue: [^ProcessInfo].\n"
    "    kind == #session ifTrue: [^TraceSession on: #(calls)].\n"
    "    kind == #TraceSession ifTrue: [^TraceSession].\n"
    "    kind == #form ifTrue: [^ProcessInfo _form].\n"
    "    kind == #channel ifTrue: [^(Channel new: 2) send: 1; yourself].\n"
    "    kind == #pipe ifTrue: [^Channel new].\n"
    "    kind == #Channel ifTrue: [^Channel].\n"
    "    kind == #mutex ifTrue: [^Mutex new].\n"
    "    kind == #Mutex ifTrue: [^Mutex].\n"
    "    kind == #table ifTrue: [^Table new at: 1 put: 2; at: 'x' put: #(1 2); yourself].\n"
    "    kind == #orderedTable ifTrue: [\n"
    "      ^(Table kind: #ordered) at: 1 put: 2; at: 'x' put: 3; yourself].\n"
    "    kind == #bagTable ifTrue: [\n"
    "      all := Table kind: #bag. 1 to: 2000 do: [:i | all at: 1 put: i]. ^all].\n"
    "    kind == #Table ifTrue: [^Table].\n"
    "    kind == #semaphore ifTrue: [^Semaphore new].\n"
    "    kind == #Semaphore ifTrue: [^Semaphore].\n"
    "    kind == #group ifTrue: [^WaitGroup new].\n"
    "    kind == #WaitGroup ifTrue: [^WaitGroup].\n"
    "    kind == #context ifTrue: [^CancellationContext withTimeout: 100].\n"
    "    kind == #CancellationContext ifTrue: [^CancellationContext].\n"
    "    kind == #promise ifTrue: [^Promise new].\n"
    "    kind == #resolved ifTrue: [^Promise resolved: (Array new: self large)].\n"
    "    kind == #Promise ifTrue: [^Promise].\n"
    "    kind == #atom ifTrue: [^Atom on: (Array new: self large)].\n"
    "    kind == #Atom ifTrue: [^Atom].\n"
    "    kind == #Reference ifTrue: [^Reference].\n"
    "    kind == #reference ifTrue: [^Reference new].\n"
    "    kind == #timer ifTrue: [^Process current startTimer: 100000].\n"
    "    kind == #ProcessGroup ifTrue: [^ProcessGroup].\n"
    "    kind == #request ifTrue: [^self request].\n"
    "    kind == #address ifTrue: [^self request from].\n"
    "    kind == #receive ifTrue: [^self receive: 2].\n"
    "    kind == #longReceive ifTrue: [^self receive: self large].\n"
    "    ^self error: 'no sample ' , kind asString\n"
    "  ]\n"
    "  classMethod: request [\n"
    "    | m |\n"
    "    [:p | [p call: #sample] on: Exception do: [:e | nil]] forkWith: Process current.\n"
    "    [(m := Process receive) isRequest] whileFalse: [].\n"
    "    ^m\n"
    "  ]\n"
    "  classMethod: receive: n [\n"
    "    1 to: 3000 do: [:i | Process current send: i].\n"
    "    ^Receive new\n"
    "      instVarAt: 1 put: (Array new: n withAll: String); instVarAt: 2 put: (Array new: n);\n"
    "      yourself\n"
    "  ]\n"
    /* A child tries one row of arguments after the other; when it dies or waits, another goes on
     * behind that row. Time is virtual, so waiting costs nothing. */
    "  classMethod: try: selector on: kind with: rows [\n"
    "    | me next child m |\n"
    "    me := Process current. next := 1.\n"
    "    [next <= rows size] whileTrue: [\n"
    "      child := self child: me from: next try: selector on: kind with: rows.\n"
    "      [(m := Process receive: 2000) notNil] whileTrue: [next := m payload + 1].\n"
    "      child kill. child wait.\n"
    "      next > rows size ifFalse: [next := next + 1]].\n"
    "    ^rows size\n"
    "  ]\n"
    "  classMethod: child: parent from: start try: selector on: kind with: rows [\n"
    "    ^[start to: rows size do: [:i |\n"
    "        self once: selector on: kind with: (rows at: i).\n"
    "        parent send: i]] fork\n"
    "  ]\n"
    "  classMethod: once: selector on: kind with: row [\n"
    "    | all |\n"
    "    all := (selector startsWith: 'become')\n"
    "      ifTrue: [row collect: [:each | self make: each]]\n"
    "      ifFalse: [row collect: [:each | self argument: each]].\n"
    "    [(self make: kind) perform: selector withArguments: all] on: Exception do: [:e | nil]\n"
    "  ]\n"
    /* Large arguments are made once, as globals: frozen, which makes no difference for most. */
    "  classMethod: argument: kind [\n"
    "    | shared |\n"
    "    shared := Compiler getGlobal: (self globalOf: kind).\n"
    "    ^shared isNil ifTrue: [self make: kind] ifFalse: [shared]\n"
    "  ]\n"
    "  classMethod: globalOf: kind [ ^('Sample' , kind asString) asSymbol ]\n"
    "  classMethod: share [\n"
    "    #(#huge #digits #longText #wideText #spaces #longArray #textArray #longBytes #longWords\n"
    "      #longList #longDict #deep) do: [:kind |\n"
    "        Compiler setGlobal: (self globalOf: kind) to: (self make: kind)]\n"
    "  ]\n";

typedef struct Receivers {
    const char *cls;
    const char *kinds;
} Receivers;

static const Receivers receivers[] = {
    {"Array", "array longArray textArray mixedArray literal"},
    {"ArrayList", "list longList"},
    {"ByteArray", "bytes longBytes"},
    {"WordArray", "words longWords"},
    {"String", "text longText wideText spaces digits"},
    {"Symbol", "symbol"},
    {"SmallInteger", "zero minus some far"},
    {"BigInteger", "big huge"},
    {"Float", "float"},
    {"Character", "char"},
    {"Dictionary", "dict longDict"},
    {"IdentityDictionary", "identityDict"},
    {"Object", "object sample longArray longText deep"},
    {"Class", "class sampleClass"},
    {"Block", "block block0"},
    {"Process", "process dead"},
    {"Exception", "error"},
    {"Random", "random seeded"},
    {"WriteStream", "stream fullStream"},
    {"CompiledMethod", "method"},
    {"WeakReference", "weak"},
    {"WeakReference class", "WeakReference"},
    {"Array class", "Array"},
    {"ByteArray class", "ByteArray"},
    {"WordArray class", "WordArray"},
    {"Character class", "Character"},
    {"String class", "String"},
    {"Class class", "Class"},
    {"Compiler class", "Compiler"},
    {"Context class", "Context"},
    {"Exception class", "Exception"},
    {"Process class", "Process"},
    {"ProcessGroup class", "ProcessGroup"},
    {"ProcessInfo class", "ProcessInfo"},
    {"Random class", "Random"},
    {"System class", "System"},
    {"File class", "File"},
    {"Channel", "channel pipe"},
    {"Channel class", "Channel"},
    {"Mutex", "mutex"},
    {"Mutex class", "Mutex"},
    {"Table", "table orderedTable bagTable"},
    {"Table class", "Table"},
    {"Semaphore", "semaphore"},
    {"Semaphore class", "Semaphore"},
    {"WaitGroup", "group"},
    {"WaitGroup class", "WaitGroup"},
    {"CancellationContext", "context"},
    {"CancellationContext class", "CancellationContext"},
    {"Promise", "promise resolved"},
    {"Promise class", "Promise"},
    {"Atom", "atom"},
    {"Atom class", "Atom"},
    {"Reference", "reference"},
    {"Reference class", "Reference"},
    {"Timer", "timer"},
    {"ProcessGroup class", "ProcessGroup"},
    {"MailboxRequest", "request"},
    {"ReplyAddress", "address"},
    {"Receive", "receive longReceive"},
    {"TraceSession", "session"},
    {"TraceSession class", "TraceSession"},
};

static const char *const one_argument[] = {
    "form",      "nil",      "true",      "zero",     "one",       "minus",     "some",
    "far",       "big",      "huge",      "float",    "char",      "text",      "digits",
    "longText",  "wideText", "spaces",    "symbol",   "array",     "longArray", "bytes",
    "longBytes", "words",    "longWords", "longList", "longDict",  "block",     "class",
    "object",    "process",  "error",     "deep",     "textArray",
};
static const char *const many_arguments[] = {
    "nil",   "zero",      "one",       "minus",  "some",  "longText", "text",     "longArray",
    "array", "longBytes", "longWords", "symbol", "block", "huge",     "longDict",
};
#define COUNT(array) (sizeof(array) / sizeof *(array))

static unsigned arity(const char *selector)
{
    unsigned n = 0;
    for (const char *s = selector; *s; s++)
        n += *s == ':';
    bool word = (selector[0] >= 'a' && selector[0] <= 'z') || selector[0] == '_';
    return word ? n : 1;
}

/* Literal array of rows of arguments; `turn` makes the choice differ between primitives. */
static void put_rows(Buf *b, unsigned n, unsigned turn)
{
    Rng rng;
    rng_init(&rng, 1 + turn);
    buf_puts(b, "#(");
    unsigned rows = n == 0 ? 1 : n == 1 ? COUNT(one_argument) : n == 2 ? 60 : 90;
    for (unsigned i = 0; i < rows; i++) {
        buf_puts(b, "(");
        for (unsigned k = 0; k < n; k++) {
            uint32_t pick = n == 1 ? i : rng_below(&rng, COUNT(many_arguments));
            buf_putf(b, "#%s ", n == 1 ? one_argument[pick] : many_arguments[pick]);
        }
        buf_puts(b, ")\n");
    }
    buf_puts(b, ")");
}

/* Those that would end the VM, read the terminal or write files. */
static bool left_out(const PrimEntry *e)
{
    return (e->authority & (AUTH_FILE_WRITE | AUTH_INPUT)) || strcmp(e->selector, "exit:") == 0;
}

static void try_primitive(VmKit *k, const PrimEntry *e, unsigned number)
{
    const Receivers *r = NULL;
    for (size_t i = 0; i < COUNT(receivers); i++)
        if (strcmp(receivers[i].cls, e->cls) == 0)
            r = &receivers[i];
    if (!r)
        return;
    char kinds[200];
    snprintf(kinds, sizeof kinds, "%s", r->kinds);
    char *rest = kinds;
    for (char *kind; (kind = strsep(&rest, " "));) {
        Buf b;
        buf_init(&b, &k->real, 1 << 20);
        buf_puts(&b, "Sample try: #'");
        buf_puts(&b, e->selector);
        buf_putf(&b, "' on: #%s with: ", kind);
        put_rows(&b, arity(e->selector), number);
        uint32_t job = vmkit_spawn(k, buf_cstr(&b));
        vmkit_run(k);
        if (strcmp(vmkit_reason(k, job), "normal") != 0)
            fprintf(stderr, "%s>>%s on %s: %s\n", e->cls, e->selector, kind, vmkit_reason(k, job));
        assert_string_equal(vmkit_reason(k, job), "normal");
        buf_free(&b);
        k->njobs = k->nended = 0;
    }
}

static void open_machine(VmKit *k)
{
    memset(&survey, 0, sizeof survey);
    vmkit_open(k, &(VmKitOptions){.simulated = true,
                                  .seed = 1,
                                  .schedulers = 1,
                                  .heap_cap_bytes = (size_t)64 << 20,
                                  .stack_cap_bytes = 1 << 20});
    vmkit_load(k, samples);
    vmkit_expect(k, "Sample share. #shared", "shared");
}

/* Those that do all their work at once: what they copy or collect is paid, but nobody runs before
 * they are done. */
static bool is_one_piece(const PrimEntry *e)
{
    static const char *const names[] = {
        "send:",
        "send:with:",
        "_exit:",
        "_exit:result:",
        "fork",
        "forkWith:",
        "_forkAt:",
        "_forkWith:at:",
        "_forkRestricted:",
        "_setGlobal:to:",
        "_replaceGlobal:from:to:",
        "_replaceClassVar:from:to:",
        "_forkWith:bonds:watching:",
        "become:",
        "becomeForward:",
        "collectGarbage",
        "onFinalize:",
        "trySend:",
        "wrap:",
    };
    for (size_t i = 0; i < COUNT(names); i++)
        if (strcmp(e->selector, names[i]) == 0)
            return true;
    return false;
}

static unsigned report(void)
{
    unsigned wrong = 0, i = 0;
    for (const PrimEntry *e = prim_all(); e->cls; e++, i++) {
        const Worst *w = &survey.worst[i];
        uint64_t free_units = is_one_piece(e) ? w->most / 2 : 0;
        if ((w->most > UNITS_MAX && !is_one_piece(e)) || w->unpaid > free_units) {
            fprintf(stderr, "%s>>%s: %llu units at most; %lld reductions do not pay for %llu:%s\n",
                    e->cls, e->selector, (unsigned long long)w->most, (long long)w->paid,
                    (unsigned long long)w->unpaid, w->what);
            wrong++;
        }
    }
    return wrong;
}

/* Itself or one that shares its function. */
static bool was_called(const PrimEntry *entry)
{
    unsigned i = 0;
    for (const PrimEntry *e = prim_all(); e->cls; e++, i++)
        if (e->fn == entry->fn && survey.worst[i].calls > 0)
            return true;
    return false;
}

static void work_between_safepoints_is_bounded_and_paid(void **state)
{
    (void)state;
    VmKit k;
    unsigned number = 0, untried = 0;
    const char *only = getenv("MAGGIE_TEST_PRIM");
    open_machine(&k);
    memset(&survey, 0, sizeof survey);
    for (const PrimEntry *e = prim_all(); e->cls; e++, number++) {
        if (left_out(e) || (only && strcmp(only, e->selector) != 0))
            continue;
        if (getenv("MAGGIE_TEST_VERBOSE"))
            fprintf(stderr, "%s>>%s\n", e->cls, e->selector);
        try_primitive(&k, e, number);
        if (!was_called(e)) {
            fprintf(stderr, "%s>>%s was never called (is there a sample of its class?)\n", e->cls,
                    e->selector);
            untried++;
        }
    }
    vmkit_expect(&k, "3 + 4", "7");
    vmkit_close(&k);
    assert_int_equal(report(), 0);
    assert_int_equal(untried, 0);
}

/* The instrument itself: a primitive that loops without paying is seen. */
static void the_count_sees_unpaid_work(void **state)
{
    (void)state;
    VmKit k;
    open_machine(&k);
    vmkit_expect(&k, "(Sample make: #longArray) indexOf: #no startingAt: 1", "0");
    uint64_t most = 0;
    for (size_t i = 0; i < COUNT(survey.worst); i++)
        most = survey.worst[i].most > most ? survey.worst[i].most : most;
    assert_true(most > 1000);
    vmkit_close(&k);
}

/* ---- locks and copies ---------------------------------------------------------------------- */

/* Runs a script and answers how many locks were taken meanwhile. */
static uint64_t locks_of(VmKit *k, const char *format, int n)
{
    char script[1000];
    snprintf(script, sizeof script, format, n);
    uint32_t job = vmkit_spawn(k, script);
    locks = 0;
    vmkit_run(k);
    assert_string_equal(vmkit_reason(k, job), "normal");
    return locks;
}

/* Whatever starting and ending a program takes, it does not depend on the number of messages. */
static void a_local_send_takes_no_lock(void **state)
{
    (void)state;
    static const char *const ping =
        "| me pong | me := Process current.\n"
        "pong := [| m | [(m := Process receive) payload == nil] whileFalse: [\n"
        "  m sender send: (Array with: m payload with: 'text')]] fork.\n"
        "1 to: %d do: [:i | pong send: i. Process receive payload size = 2 ifFalse: [nil foo]].\n"
        "pong send: nil. pong wait";
    VmKit k;
    vmkit_open(&k, &(VmKitOptions){.simulated = true, .seed = 1, .schedulers = 1});
    (void)locks_of(&k, ping, 5000); /* fills pools and caches */
    uint64_t few = locks_of(&k, ping, 10);
    uint64_t many = locks_of(&k, ping, 5000);
    assert_true(many <= few + 2); /* a pool may be refilled */
    vmkit_close(&k);
}

/* Generations: what lives long is not copied again and again. */
static void a_large_live_heap_is_left_alone(void **state)
{
    (void)state;
    VmKit k;
    vmkit_open(&k, &(VmKitOptions){.simulated = true, .seed = 1, .schedulers = 1});
    uint32_t job = vmkit_spawn(&k, "| all | all := ArrayList new.\n"
                                   "1 to: 100000 do: [:i | all add: (Array new: 4)].\n"
                                   "1 to: 1000000 do: [:i | Array new: 8].\n"
                                   "all size");
    vmkit_run(&k);
    struct VmCounters c = vmkit_counters(&k);
    assert_string_equal(vmkit_result(&k, job), "100000");
    uint64_t live = 100000 * 5, allocated = live + 1000000 * 9;
    assert_true(c.words_copied > live / 2); /* the counter counts */
    assert_true(c.words_copied < live * 3 + allocated / 10);
    assert_true(c.collections > 10);
    vmkit_close(&k);
}

/* ---- big heaps -------------------------------------------------------------------------- */

/* A slice of 4000 reductions, and the one collection a scheduler may make in it (M17). */
#define SLICE_UNITS_MAX 2000000u

static uint64_t worst_slice;

TaskVerdict __real_interp_run(Task *task, Sched *sched);
TaskVerdict __wrap_interp_run(Task *task, Sched *sched);
UNCOUNTED TaskVerdict __wrap_interp_run(Task *task, Sched *sched)
{
    uint64_t before = all_units;
    TaskVerdict verdict = __real_interp_run(task, sched);
    if (all_units - before > worst_slice)
        worst_slice = all_units - before;
    return verdict;
}

static uint64_t worst_slice_of(const char *script, size_t long_words)
{
    VmKit k;
    vmkit_open(&k, &(VmKitOptions){
                       .simulated = true, .seed = 1, .schedulers = 1, .long_words = long_words});
    worst_slice = 0;
    vmkit_expect(&k, script, "300000");
    vmkit_close(&k);
    return worst_slice;
}

/* Fourteen megabytes are filled, collected, sent, captured, answered and freed, and no process
 * keeps its scheduler for longer than any other does. */
static void a_big_heap_does_not_hold_up_its_scheduler(void **state)
{
    (void)state;
    static const char *const scripts[] = {
        "| rows | rows := Array new: 300000. 1 to: rows size do: [:i |\n"
        "  rows at: i put: (Array new: 4 withAll: i)]. %s",
        "3 timesRepeat: [Process collectGarbage]. rows size",
        "| p | p := [Process receive payload size] fork. p send: rows. p wait",
        "[rows size] fork wait",
        "([:all | all size] forkWith: rows) wait",
        "| p | p := [Array with: rows size with: rows] fork. p wait first",
        "| p | p := [rows size. Process receive] fork. Process sleep: 9. p kill. p wait.\n"
        "rows size",
        "rows become: (Array with: rows). (rows at: 1) size > 0 ifTrue: [300000]",
    };
    for (size_t i = 1; i < sizeof scripts / sizeof *scripts; i++) {
        char script[1000];
        snprintf(script, sizeof script, scripts[0], scripts[i]);
        uint64_t worst = worst_slice_of(script, HEAP_LONG_WORDS);
        if (worst > SLICE_UNITS_MAX)
            fprintf(stderr, "%llu units in a slice of: %s\n", (unsigned long long)worst,
                    scripts[i]);
        assert_in_range(worst, 1, SLICE_UNITS_MAX);
        /* and the measure would see it */
        assert_true(worst_slice_of(script, SIZE_MAX) > 2 * SLICE_UNITS_MAX);
    }
}

TESTKIT_MAIN(cmocka_unit_test(a_big_heap_does_not_hold_up_its_scheduler),
             cmocka_unit_test(a_local_send_takes_no_lock),
             cmocka_unit_test(a_large_live_heap_is_left_alone),
             cmocka_unit_test(the_count_sees_unpaid_work),
             cmocka_unit_test(work_between_safepoints_is_bounded_and_paid))
