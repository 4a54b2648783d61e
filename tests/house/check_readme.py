#!/usr/bin/env python3
"""check_readme.py README MAGGIE-ERL - the first program of the README prints what it says there."""
import os
import re
import subprocess
import sys
import tempfile


def main():
    text = open(sys.argv[1], encoding='utf-8').read()
    program = re.search(r'```smalltalk\n(.*?)```', text, re.S).group(1)
    wanted = re.search(r'```text\n(.*?)```', text, re.S).group(1)
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, 'readme.mag')
        with open(path, 'w', encoding='utf-8') as script:
            script.write(program)
        run = subprocess.run([sys.argv[2], path], stdin=subprocess.DEVNULL, capture_output=True,
                             text=True, timeout=60, check=False)
    if run.returncode != 0 or run.stdout != wanted:
        print(f'exit code {run.returncode}, printed:\n{run.stdout}{run.stderr}instead of:\n{wanted}')
        return 1
    return 0


if __name__ == '__main__':
    sys.exit(main())
