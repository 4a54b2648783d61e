#!/usr/bin/env python3
"""check_authority.py ROOT BUILD - the inventory of primitives that touch the outside world (D20).

The interpreter makes one check, against the authority that the tables prims_*.def state. This looks
whether they state enough: from each primitive's function it follows calls and addresses of
functions through the object files (objdump). What reaches a function of the C library that reads or
changes the world outside the VM, or one of ours in front of such, must need an authority. Clock, random numbers, memory and log come
through the injected Env (I6), which no primitive can reach by name.

Besides: each table is included in prims_all.h, and in the tables of files, streams and the program
every primitive needs an authority unless it is named below with the reason.

With --list the inventory itself is printed. Needs objects for x86-64; others are skipped (77).
"""
import pathlib
import re
import subprocess
import sys

FORBIDDEN = set('''
open open64 openat openat64 creat close read pread pread64 readv write pwrite pwrite64 writev lseek
fopen fopen64 fdopen freopen fread fwrite fgets fputs fputc putc puts putchar printf fprintf vprintf
vfprintf dprintf perror getline scanf fscanf remove unlink unlinkat rename renameat rename2 link
symlink readlink mkdir mkdirat rmdir opendir fdopendir readdir readdir64 scandir nftw ftw fts_open
glob stat stat64 lstat lstat64 fstat fstat64 fstatat fstatat64 statx access faccessat chmod fchmod
chown truncate ftruncate mkstemp mkostemp mkdtemp tmpfile realpath getcwd chdir fchdir dup dup2
pipe pipe2 poll ppoll select epoll_wait ioctl fcntl fcntl64 flock sendfile copy_file_range
getenv secure_getenv setenv unsetenv putenv environ gethostname uname getpid getppid getuid
sysconf sysinfo getrusage getrandom getentropy syscall fork vfork clone execve execv execvp execvpe
execl execlp posix_spawn posix_spawnp system popen waitpid kill raise sigaction signal
socket connect bind listen accept accept4 send sendto sendmsg recv recvfrom recvmsg getaddrinfo
gethostbyname setsockopt shutdown exit _exit _Exit quick_exit dlopen dlsym ptrace mount
time gettimeofday clock_gettime clock nanosleep clock_nanosleep usleep sleep localtime gmtime
'''.split())

# Functions of ours that act beyond the process: on streams, on the program, on its code.
OURS = set('''
output_put output_write_now input_look input_take input_fill vm_stop methods_install
method_install class_define actor_list_pids actor_each_process actor_process_count
'''.split())

# Functions where following ends, and why.
STOPS = {
    'interp_loop': 'the interpreter calls primitives behind the check',
    'interp_run': 'as interp_loop',
    'entries': 'the table of primitives itself',
    'futex_wait': 'sleeps on a word of our own',
    'futex_wake': 'wakes who sleeps on a word of our own',
    'env_system_init': 'makes the Env that is handed in',
    'dirty_main': 'a thread of the pool: reads the clock to know how long it has been idle',
}

# Primitives of outward tables that need no authority, and why.
OUTWARD_TABLES = ('prims_file.def', 'prims_system.def')
HARMLESS = {
    'File class>>basename:': 'text only',
    'File class>>dirname:': 'text only',
    'File class>>extension:': 'text only',
    'File class>>join:with:': 'text only',
    'System class>>schedulers': 'a constant of the VM',
}

ROW = re.compile(r'\b(PRIM|CONTROL)\(\s*"((?:[^"\\]|\\.)*)"\s*,\s*"((?:[^"\\]|\\.)*)"\s*,\s*(\w+)\s*,'
                 r'\s*([\w\s|]+?)\s*,')


class Prim:
    def __init__(self, table, cls, selector, function, authority):
        self.table = table
        self.name = f'{cls}>>{selector}'
        self.function = function
        self.authority = sorted(a.strip() for a in authority.split('|') if a.strip() != 'AUTH_NONE')


def read_tables(root, wrong):
    prims = []
    folder = root / 'src/interp'
    included = (folder / 'prims_all.h').read_text(encoding='utf-8')
    for path in sorted(folder.glob('prims_*.def')):
        text = path.read_text(encoding='utf-8')
        found = [Prim(path.name, *match.groups()[1:]) for match in ROW.finditer(text)]
        rows = len(re.findall(r'^(?:PRIM|CONTROL)\(', text, re.M))
        if rows != len(found):
            wrong.append(f'{path.name}: {rows} rows, but {len(found)} can be read')
        if f'"{path.name}"' not in included:
            wrong.append(f'{path.name} is not included in prims_all.h')
        prims += found
    return prims


class Objects:
    """Who mentions whom: `edges` from a function or table to names; local names carry their file."""

    def __init__(self):
        self.edges = {}
        self.globals = set()

    @staticmethod
    def run(*command):
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    def read(self, path):
        """Symbols of each section, so that `.text+0x40` has a name; then code, then tables."""
        local, places = set(), {}
        for line in self.run('objdump', '-t', str(path)).splitlines():
            match = re.match(r'([0-9a-f]+) (.{7}) (\S+)\s+([0-9a-f]+)\s+(?:\.hidden )?(\S+)$', line)
            if not match or match.group(3) in ('*UND*', '*ABS*', '*COM*'):
                continue
            start, flags, section, size, name = match.groups()
            if 'F' in flags or 'O' in flags:
                places.setdefault(section, []).append((int(start, 16), int(size, 16), name))
                if flags.startswith('l'):
                    local.add(name)
                else:
                    self.globals.add(name)
        key = lambda name: f'{path}:{name}' if name in local else name

        def resolve(target):
            """Name behind a relocation like `memcpy-0x4` or `.text+0x3c`."""
            match = re.match(r'(\.[\w.$]+?)(?:([+-]0x[0-9a-f]+))?$', target)
            if match and match.group(1) in places:
                offset = int(match.group(2) or '0', 16)
                for bias in (4, 0):
                    for start, size, name in places[match.group(1)]:
                        if start <= offset + bias < start + max(size, 1):
                            return key(name)
                return None
            return key(re.sub(r'[+-]0x[0-9a-f]+$', '', target).split('@')[0])

        here = None
        for line in self.run('objdump', '-dr', '--no-show-raw-insn', str(path)).splitlines():
            match = re.match(r'[0-9a-f]+ <([^>]+)>:$', line)
            if match:
                here = key(match.group(1))
                continue
            match = re.search(r'\sR_X86_64_\w+\s+(\S+)$', line)
            if not match:
                # a call, a jump, or an address: `lea -0x109(%rip),%rdx  # 29bd <job_run>`
                match = re.search(r'\s[0-9a-f]+ <([^>+]+)(?:\+0x[0-9a-f]+)?>$', line)
                target = key(match.group(1)) if match else None
            else:
                target = resolve(match.group(1))
            if here and target and target != here:
                self.edges.setdefault(here, set()).add(target)
        self.read_tables(path, places, key, resolve)

    def read_tables(self, path, places, key, resolve):
        section = None
        for line in self.run('objdump', '-r', str(path)).splitlines():
            match = re.match(r'RELOCATION RECORDS FOR \[(\S+)\]', line)
            if match:
                section = match.group(1)
                continue
            match = re.match(r'([0-9a-f]+)\s+R_X86_64_64\s+(\S+)$', line)
            if not match or not section.startswith(('.data.rel.ro', '.rodata')):
                continue
            offset = int(match.group(1), 16)
            for start, size, name in places.get(section, []):
                if start <= offset < start + size:
                    target = self.absolute(match.group(2), places, key) or resolve(match.group(2))
                    if target:
                        self.edges.setdefault(key(name), set()).add(target)

    @staticmethod
    def absolute(target, places, key):
        """In tables a section's offset is meant as it stands."""
        match = re.match(r'(\.[\w.$]+?)(?:\+0x([0-9a-f]+))?$', target)
        for start, size, name in places.get(match.group(1), []) if match else []:
            if start <= int(match.group(2) or '0', 16) < start + max(size, 1):
                return key(name)
        return None

    def path_to_world(self, function):
        """The names from a function to the first forbidden one, or None."""
        came, todo = {function: None}, [function]
        while todo:
            name = todo.pop()
            plain = name.rsplit(':', 1)[-1]
            if plain in STOPS:
                continue
            if name in OURS or (name in FORBIDDEN and name not in self.globals):
                trail = []
                while name:
                    trail.append(name.rsplit(':', 1)[-1])
                    name = came[name]
                return list(reversed(trail))
            for target in sorted(self.edges.get(name, ())):
                if target not in came:
                    came[target] = name
                    todo.append(target)
        return None


def find_objects(build):
    found = sorted(p for p in pathlib.Path(build).rglob('*.o')
                   if re.search(r'/src/\w+/lib\w+\.a\.p/', str(p)))
    return found


def main():
    arguments = [a for a in sys.argv[1:] if a != '--list']
    root, build = pathlib.Path(arguments[0]), arguments[1]
    objects = find_objects(build)
    if not objects:
        print('no object files yet')
        return 77
    kind = Objects.run('objdump', '-f', str(objects[0]))
    if 'i386:x86-64' not in kind:
        print('objects of another machine: not checked here')
        return 77
    wrong = []
    prims = read_tables(root, wrong)
    world = Objects()
    for path in objects:
        world.read(path)
    outward = 0
    for prim in prims:
        if prim.function not in world.globals:
            wrong.append(f'{prim.name}: no function {prim.function} in any object')
            continue
        outward += bool(prim.authority)
        trail = world.path_to_world(prim.function)
        if trail and not prim.authority:
            wrong.append(f'{prim.name} needs no authority but reaches {" -> ".join(trail)}')
        if prim.table in OUTWARD_TABLES and not prim.authority and prim.name not in HARMLESS:
            wrong.append(f'{prim.name} of {prim.table} needs no authority; say why in this check')
        if '--list' in sys.argv and (prim.authority or trail):
            print(f'{prim.name:55} {" ".join(prim.authority):40} {trail[-1] if trail else "-"}')
    bare = {prim.name for prim in prims if not prim.authority}
    if any(prim.table in OUTWARD_TABLES for prim in prims):
        for name in sorted(set(HARMLESS) - bare):
            wrong.append(f'{name} is named as harmless but is no primitive without authority')
    for line in wrong:
        print(line)
    print(f'{len(prims)} primitives, {outward} need an authority, {len(wrong)} wrong')
    return 1 if wrong else 0


if __name__ == '__main__':
    sys.exit(main())
