#!/usr/bin/env python3
"""count_tests.py [--failed] LOG - prints "PASSED FAILED" for one run of `meson test`.

Reads meson's testlog.json. A test whose output carries a summary of its own (a last line of
standard output "12 passed, 1 failed" as our language runner, the doctests and the mutants print;
cmocka's "[  PASSED  ] 12 test(s)."; another line with "12 passed") counts with those figures; any
other one counts as one. A test that failed or timed out counts at least one failure, whatever it
printed. Skipped tests count as nothing. With --failed it prints the names of those that failed.
"""
import json
import re
import sys

CMOCKA = re.compile(r'\[  (PASSED|FAILED)  \] (\d+) test\(s\)')
LAST = re.compile(r'(\d+) passed, (\d+) failed$')
SUMMARY = re.compile(r'\b(\d+) passed(?:, (\d+) failed)?')


def figures(out, err):
    """Passed and failed as the test itself tells them, or None when it does not."""
    last = LAST.match((out.strip().splitlines() or [''])[-1])
    if last:
        return int(last.group(1)), int(last.group(2))
    text = out + '\n' + err
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
    names_only = sys.argv[1] == '--failed'
    with open(sys.argv[-1], encoding='utf-8', errors='replace') as log:
        for line in log:
            test = json.loads(line)
            if test['result'] == 'SKIP':
                continue
            good = test['result'] in ('OK', 'EXPECTEDFAIL')
            if names_only:
                if not good:
                    print(f"{test['name']}: {test['result']}")
                continue
            own_passed, own_failed = (
                figures(test.get('stdout') or '', test.get('stderr') or '') or
                (int(good), int(not good)))
            if good:
                own_failed = 0
            else:
                own_failed = max(own_failed, 1)
            passed += own_passed
            failed += own_failed
    if not names_only:
        print(passed, failed)


if __name__ == '__main__':
    main()
