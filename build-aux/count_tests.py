#!/usr/bin/env python3
"""count_tests.py - prints "PASSED FAILED" for one run of `meson test`.

Reads meson's testlog.json. A test whose output carries a summary of its own (cmocka's
"[  PASSED  ] 12 test(s).", or a last line "12 passed, 1 failed" as our language runner and the
doctests print) counts with those figures; any other one counts as one. A test that failed or
timed out counts at least one failure, whatever it printed. Skipped tests count as nothing.
"""
import json
import re
import sys

CMOCKA = re.compile(r'\[  (PASSED|FAILED)  \] (\d+) test\(s\)')
SUMMARY = re.compile(r'\b(\d+) passed(?:, (\d+) failed)?')


def figures(text):
    """Passed and failed as the test itself tells them, or None when it does not."""
    found = CMOCKA.findall(text)
    if found:
        count = {'PASSED': 0, 'FAILED': 0}
        for word, number in found:
            count[word] += int(number)
        return count['PASSED'], count['FAILED']
    lines = [m for m in map(SUMMARY.search, text.splitlines()) if m]
    if lines:
        return int(lines[-1].group(1)), int(lines[-1].group(2) or 0)
    return None


def main():
    passed = failed = 0
    with open(sys.argv[1], encoding='utf-8', errors='replace') as log:
        for line in log:
            test = json.loads(line)
            if test['result'] == 'SKIP':
                continue
            good = test['result'] in ('OK', 'EXPECTEDFAIL')
            text = (test.get('stdout') or '') + '\n' + (test.get('stderr') or '')
            own_passed, own_failed = figures(text) or (int(good), int(not good))
            if good:
                own_failed = 0
            else:
                own_failed = max(own_failed, 1)
            passed += own_passed
            failed += own_failed
    print(passed, failed)


if __name__ == '__main__':
    main()
