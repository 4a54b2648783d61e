#!/usr/bin/env python3
"""check_docs.py DOCS MAGGIE-ERL MAG [BUILD] - the snippets of the documents do what they say there.

In every Markdown file of DOCS, by the language of the fence:

    smalltalk   a program. When a fence `text` stands directly below, it is run and prints just
                that; otherwise it compiles.
    test        lines EXPRESSION >>> VALUE, run as a doctest.
    console     commands behind `$ `, each followed by what it writes (both streams). `...` stands
                for anything in its line, a line `...` for any lines.
    c           with BUILD: compiled against the libmaggie in that build directory; when a fence
                `text` stands directly below, it is run and prints just that.

In internals.md the section "Instructions" must name the instructions of opcodes.def, all of them
and no others.

A comment `<!-- file: NAME -->` before a fence writes its contents to NAME, where later programs and
commands of the same document find it. Other fences are prose.
"""
import os
import pathlib
import re
import subprocess
import sys
import tempfile

FENCE = re.compile(r'^```(\w*)\n(.*?)^```$', re.S | re.M)
FILE = re.compile(r'<!-- file: ([\w.-]+) -->\s*$')
TIMEOUT_S = 120


class Checker:
    def __init__(self, erl, mag, build):
        self.erl, self.mag, self.build = map(os.path.abspath, (erl, mag, build or '.'))
        self.has_build = bool(build)
        self.passed = self.failed = 0

    def run(self, command, folder):
        path = os.pathsep.join({os.path.dirname(self.erl), os.path.dirname(self.mag)})
        env = dict(os.environ, PATH=path + os.pathsep + os.environ['PATH'])
        done = subprocess.run(command, cwd=folder, env=env, stdin=subprocess.DEVNULL, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=TIMEOUT_S,
                              shell=isinstance(command, str), check=False)
        return done.returncode, done.stdout

    def judge(self, place, wrong):
        if wrong is None:
            self.passed += 1
        else:
            self.failed += 1
            print(f'{place}: {wrong.rstrip()}\n')

    def program(self, text, wanted, name, folder):
        path = name or 'snippet.mag'
        (folder / path).write_text(text, encoding='utf-8')
        if wanted is None:
            code, out = self.run([self.mag, 'check', path], folder)
            return None if code == 0 else f'does not compile:\n{out}'
        code, out = self.run([self.erl, path], folder)
        return None if code == 0 and out == wanted else f'exit {code}, printed:\n{out}'

    def doctest(self, text, folder):
        source = '"""\n```test\n' + text + '```\n"""\nDocumentSnippet subclass: Object\n'
        (folder / 'doctest.mag').write_text(source, encoding='utf-8')
        code, out = self.run([self.mag, 'doctest', 'doctest.mag'], folder)
        return None if code == 0 else out

    def console(self, text, folder):
        for part in re.split(r'^\$ ', text, flags=re.M)[1:]:
            command, _, wanted = part.partition('\n')
            lines = wanted.rstrip('\n').split('\n') if wanted.strip() else []
            pattern = ''.join('(?:.*\n)*' if line == '...'
                              else '.*'.join(map(re.escape, line.split('...'))) + '\n'
                              for line in lines)
            out = self.run(command, folder)[1]
            if not re.fullmatch(pattern, out):
                return f'{command} wrote:\n{out}'
        return None

    def compile_c(self, text, wanted, name, folder):
        source = name or 'snippet.c'
        (folder / source).write_text(text, encoding='utf-8')
        flags = subprocess.run(['pkg-config', '--cflags', '--libs', '--static', 'libmaggie'],
                               env=dict(os.environ, PKG_CONFIG_PATH=self.build + '/meson-uninstalled'),
                               capture_output=True, text=True, check=True).stdout.split()
        code, out = self.run(['cc', '-std=c17', '-Wall', '-Wextra', source] + flags
                             + ['-o', 'snippet'], folder)
        if code != 0 or out:
            return f'the compiler says:\n{out}'
        if wanted is None:
            return None
        code, out = self.run(['./snippet'], folder)
        return None if code == 0 and out == wanted else f'exit {code}, printed:\n{out}'

    def opcodes(self, path):
        listed = (path.parent / '../src/lang/opcodes.def').read_text(encoding='utf-8')
        wanted = set(re.findall(r'^OP\((\w+),', listed, re.M))
        section = path.read_text(encoding='utf-8').split('## Instructions')[1].split('```')[0]
        found = set(re.findall(r'`([A-Z][A-Z0-9]*)`', section))
        wrong = ', '.join(sorted(wanted ^ found))
        self.judge(f'{path.name}: instructions', f'not in both: {wrong}' if wrong else None)

    def document(self, path):
        text = path.read_text(encoding='utf-8')
        fences = list(FENCE.finditer(text))
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            for i, fence in enumerate(fences):
                language, body = fence.groups()
                follower = fences[i + 1] if i + 1 < len(fences) else None
                next_to = follower and not text[fence.end():follower.start()].strip()
                wanted = follower.group(2) if next_to and follower.group(1) == 'text' else None
                named = FILE.search(text[:fence.start()])
                place = f'{path.name}:{text.count(chr(10), 0, fence.start()) + 1}'
                if named:
                    (folder / named.group(1)).write_text(body, encoding='utf-8')
                if language == 'smalltalk':
                    self.judge(place, self.program(body, wanted, named and named.group(1), folder))
                elif language == 'test':
                    self.judge(place, self.doctest(body, folder))
                elif language == 'console':
                    self.judge(place, self.console(body, folder))
                elif language == 'c' and self.has_build:
                    self.judge(place, self.compile_c(body, wanted, named and named.group(1), folder))


def main():
    checker = Checker(sys.argv[2], sys.argv[3], sys.argv[4] if len(sys.argv) > 4 else None)
    for path in sorted(pathlib.Path(sys.argv[1]).glob('*.md')):
        checker.document(path)
        if path.name == 'internals.md':
            checker.opcodes(path)
    print(f'{checker.passed} passed, {checker.failed} failed')
    return 1 if checker.failed else 0


if __name__ == '__main__':
    sys.exit(main())
