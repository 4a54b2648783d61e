#!/usr/bin/env python3
"""test_count_tests.py SCRIPT - the counter of tests counts every kind of report."""
import json
import os
import subprocess
import sys
import tempfile

CASES = [
    ({'result': 'OK', 'stdout': '', 'stderr': '[  PASSED  ] 12 test(s).'}, (12, 0)),
    ({'result': 'FAIL', 'stderr': '[  PASSED  ] 3 test(s).\n[  FAILED  ] 2 test(s), listed'},
     (3, 2)),
    ({'result': 'OK', 'stdout': 'Results: 40 passed, 41 total\n7 passed, 0 failed\n'}, (7, 0)),
    ({'result': 'FAIL', 'stdout': '7 passed, 2 failed\n'}, (7, 2)),
    ({'result': 'TIMEOUT', 'stdout': '7 passed\n'}, (7, 1)),
    # a mutant that was caught: what its program printed is not the outcome
    ({'result': 'OK', 'stdout': '[  PASSED  ] 0 test(s).\n[  FAILED  ] 1 test(s), listed\n'
                                '1 passed, 0 failed\n'}, (1, 0)),
    ({'result': 'OK', 'stdout': '[  PASSED  ] 4 test(s).\n', 'stderr': '9 passed, 0 failed'}, (4, 0)),
    ({'result': 'OK'}, (1, 0)),
    ({'result': 'FAIL', 'stdout': 'aborted'}, (0, 1)),
    ({'result': 'SKIP', 'stdout': ''}, (0, 0)),
]


def run(script, records, *options):
    with tempfile.NamedTemporaryFile('w', suffix='.json', delete=False) as log:
        log.writelines(json.dumps(r) + '\n' for r in records)
    try:
        out = subprocess.run([sys.executable, script, *options, log.name], check=True,
                             capture_output=True, text=True)
    finally:
        os.unlink(log.name)
    return out.stdout


def count(script, records):
    return tuple(int(n) for n in run(script, records).split())


def main():
    script = sys.argv[1]
    for record, wanted in CASES:
        got = count(script, [record])
        if got != wanted:
            print(f'{record}: {got} instead of {wanted}')
            return 1
    records = [record for record, _ in CASES]
    wanted = tuple(map(sum, zip(*(w for _, w in CASES))))
    if count(script, records) != wanted:
        print('the sum over all cases is wrong')
        return 1
    names = run(script, [{'result': 'OK', 'name': 'one'}, {'result': 'FAIL', 'name': 'two'},
                         {'result': 'TIMEOUT', 'name': 'three'}], '--failed')
    if names != 'two: FAIL\nthree: TIMEOUT\n':
        print('the failed ones:', names)
        return 1
    print(f'{len(CASES) + 2} passed, 0 failed')
    return 0


if __name__ == '__main__':
    sys.exit(main())
