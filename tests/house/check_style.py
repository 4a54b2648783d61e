#!/usr/bin/env python3
"""check_style.py ROOT - the part of the house style that a machine can judge.

C files open with the licence line and a comment "name - purpose"; lines have at most 100
columns and no tabs or trailing blanks; files have at most 1500 lines; no text of ours holds a
note to finish something later or a path of somebody's machine; no text
cites a document that is not in the tree.
"""
import pathlib
import re
import subprocess
import sys

COLUMNS_MAX = 100
LINES_MAX = 1500
LICENCE = '/* SPDX-License-Identifier: Apache-2.0 */'
UNFINISHED = re.compile(r'\b(TODO|FIXME|XXX)\b')
PATHS = re.compile(r'(?<![\w.])/(?:work|home|root)/\w')
CITED = re.compile(r'(?<![\w/.-])([a-z][\w-]*\.md)\b')
TEXT = ('.c', '.h', '.def', '.inc', '.mag', '.py', '.sh', '.md', '.txt', '.build', '.lua')
FOLDERS = ('src', 'tests', 'bench', 'stdlib', 'examples', 'docs', 'build-aux')


def our_files(root):
    """Files under version control, or of our folders where there is no git."""
    try:
        listed = subprocess.run(['git', '-C', str(root), 'ls-files', '-z'],
                                check=True, capture_output=True).stdout.decode()
        found = [root / name for name in listed.split('\0') if name]
    except (OSError, subprocess.CalledProcessError):
        found = [p for folder in FOLDERS for p in (root / folder).rglob('*')]
    return [p for p in found if p.is_file() and p.suffix in TEXT]


def check_c(path, name, lines, complain):
    if not lines or lines[0].strip() != LICENCE:
        complain(f'{name}:1: the licence line is missing')
    opening = '\n'.join(lines[:4])
    if f'{path.name} - ' not in opening and f'{path.stem} - ' not in opening:
        complain(f'{name}:2: no opening comment "{path.name} - purpose"')
    if len(lines) > LINES_MAX:
        complain(f'{name}: {len(lines)} lines, more than {LINES_MAX}')
    for number, line in enumerate(lines, 1):
        if len(line) > COLUMNS_MAX:
            complain(f'{name}:{number}: {len(line)} columns')
        if '\t' in line:
            complain(f'{name}:{number}: a tab')
        if line != line.rstrip():
            complain(f'{name}:{number}: trailing blanks')


def main():
    root = pathlib.Path(sys.argv[1])
    wrong = []
    files = our_files(root)
    documents = {p.name for p in files if p.suffix == '.md'}
    for path in files:
        name = str(path.relative_to(root))
        if name.startswith('tests/fuzz/corpus/') or name.startswith('tests/house/check_style'):
            continue
        text = path.read_text(encoding='utf-8', errors='replace')
        lines = text.split('\n')
        if path.suffix in ('.c', '.h'):
            check_c(path, name, lines, wrong.append)
        for number, line in enumerate(lines, 1):
            if UNFINISHED.search(line):
                wrong.append(f'{name}:{number}: a note to finish something later')
            for document in CITED.findall(line):
                if document not in documents:
                    wrong.append(f'{name}:{number}: cites {document}, which is not here')
            if PATHS.search(line):
                wrong.append(f'{name}:{number}: a path of one machine')
    for line in wrong:
        print(line)
    print(f'{len(files)} files, {len(wrong)} complaints')
    return 1 if wrong else 0


if __name__ == '__main__':
    sys.exit(main())
