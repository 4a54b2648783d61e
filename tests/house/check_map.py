#!/usr/bin/env python3
"""check_map.py ROOT - what the documents of the tree point at exists.

In every Markdown file: each relative link leads to a file. In ARCHITECTURE.md besides: each
folder of src/ is described; each file named like `heap.c` or `src/gc/heap.c` exists; in each
pointer of the form `heap.c: heap_alloc, heap_collect` the file mentions those names; and the
text stays under 250 lines, so that somebody reads it.
"""
import pathlib
import re
import sys

LINK = re.compile(r'\]\(([^)#\s]+)(?:#[^)]*)?\)')
CODE = re.compile(r'`([^`\n]+)`')
POINTER = re.compile(r'^([\w/.-]+\.(?:c|h|def|inc|mag|py|sh)): ([\w, *>:-]+)$')
FILE = re.compile(r'^[\w/.-]+\.(?:c|h|def|inc|mag|py|sh|md|txt|build)$')
LINES_MAX = 250
SKIPPED = ('build', '.git')


def tree_files(root):
    found = []
    for path in root.rglob('*'):
        if path.is_file() and path.relative_to(root).parts[0] not in SKIPPED:
            found.append(path)
    return found


def check_links(root, files, wrong):
    for path in files:
        if path.suffix != '.md':
            continue
        for target in LINK.findall(path.read_text(encoding='utf-8')):
            if re.match(r'[a-z]+:', target):
                continue
            if not (path.parent / target).exists():
                wrong.append(f'{path.relative_to(root)}: broken link {target}')


def resolve(root, files, name, generated):
    """The files a name in the map can mean; None when a build rule makes it."""
    if (root / name).is_file():
        return [root / name]
    found = [p for p in files if str(p).endswith('/' + name)]
    if not found and f"'{pathlib.PurePath(name).name}'" in generated:
        return None
    return found


def check_map(root, files, wrong):
    text = (root / 'ARCHITECTURE.md').read_text(encoding='utf-8')
    if text.count('\n') > LINES_MAX:
        wrong.append(f'ARCHITECTURE.md has {text.count(chr(10))} lines, more than {LINES_MAX}')
    for folder in sorted((root / 'src').iterdir()):
        if folder.is_dir() and f'src/{folder.name}' not in text:
            wrong.append(f'ARCHITECTURE.md says nothing about src/{folder.name}')
    generated = ''.join(p.read_text(encoding='utf-8') for p in files if p.name == 'meson.build')
    pointers = 0
    for code in CODE.findall(text):
        pointer = POINTER.match(code)
        name = pointer.group(1) if pointer else code
        if not FILE.match(name):
            continue
        pointers += 1
        found = resolve(root, files, name, generated)
        if found is None:
            continue
        if not found:
            wrong.append(f'ARCHITECTURE.md: no file {name}')
        elif pointer:
            source = '\n'.join(p.read_text(encoding='utf-8', errors='replace') for p in found)
            for function in pointer.group(2).split(','):
                function = function.strip().rstrip('*')
                if function and not re.search(r'\b' + re.escape(function), source):
                    wrong.append(f'ARCHITECTURE.md: {name} has no {function}')
    return pointers


def main():
    root = pathlib.Path(sys.argv[1])
    files = tree_files(root)
    wrong = []
    check_links(root, files, wrong)
    pointers = check_map(root, files, wrong)
    for line in wrong:
        print(line)
    print(f'{pointers} pointers of the map, {len(wrong)} wrong')
    return 1 if wrong else 0


if __name__ == '__main__':
    sys.exit(main())
