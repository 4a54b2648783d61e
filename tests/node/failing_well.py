#!/usr/bin/env python3
"""failing_well.py MAGGIE-ERL MAG [NAME...] - what must fail well, does.

Each case feeds the programs something bad: hostile source, endless work, closed or full streams,
signals. The outcome must be a clear message or a catchable exception, never a crash, a hang, or
harm to other processes."""
import os
import pty
import re
import resource
import select
import signal
import subprocess
import sys
import tempfile
import time

ERL, MAG = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
LIMIT_S = 90
CASES = []


def case(function):
    CASES.append(function)
    return function


class Failure(Exception):
    pass


def check(condition, *what):
    if not condition:
        raise Failure(' '.join(str(w)[:2000] for w in what))


def run(*args, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, **more):
    done = subprocess.run(args, stdin=stdin, stdout=stdout, stderr=subprocess.PIPE, timeout=LIMIT_S,
                          check=False, **more)
    out = done.stdout.decode('utf-8', 'replace') if done.stdout is not None else ''
    err = done.stderr.decode('utf-8', 'replace')
    check(done.returncode >= 0, 'killed by signal', -done.returncode, args, err)
    return done.returncode, out, err


def in_file(data, suffix='.mag'):
    path = tempfile.NamedTemporaryFile(suffix=suffix, dir=FOLDER, delete=False)
    path.write(data if isinstance(data, bytes) else data.encode())
    path.close()
    return path.name


def script(text, *args, **more):
    return run(ERL, in_file(text), *args, **more)


# ---- source ----------------------------------------------------------------------------------------


@case
def nesting_of_100000_brackets_is_an_error():
    for bracket in ['(', '[', '{', '#(', 'a := ']:
        path = in_file(bracket * 100000)
        code, _, err = run(MAG, 'check', path)
        check(code == 1 and re.search(r':\d+:\d+: error: ', err), bracket, code, err)
        code, _, err = run(ERL, path)
        check(code == 1 and ': error: ' in err, bracket, code, err)


@case
def binary_source_is_an_error():
    path = in_file(bytes(range(256)) * 400)
    code, _, err = run(MAG, 'check', path)
    check(code == 1 and re.search(r':\d+:\d+: error: ', err), code, err)
    code, _, err = run(MAG, 'check', ERL)
    check(code == 1 and 'error: ' in err, code, err)


@case
def source_that_is_not_utf8_is_an_error():
    code, _, err = run(MAG, 'check', in_file(b"'caf\xe9' size.\n"))
    check(code == 1 and ':1:' in err, code, err)


@case
def several_errors_are_reported_with_carets():
    code, _, err = run(MAG, 'check', in_file('A subclass: Object\n method: a [ ^( ]\n method: b [ ^) ]\n'))
    check(code == 1 and err.count('error: ') >= 2 and '^' in err, code, err)


@case
def what_a_trait_requires_is_checked_without_running():
    path = in_file('''Shape trait
  requires: #area #name
  method: describe [ ^self name , self area printString ]
Named subclass: Object
  method: name [ ^'n' ]
Square subclass: Named
  include: Shape
  method: area [ ^4 ]
Ghost subclass: Named
  include: Shape
''')
    code, _, err = run(MAG, 'check', path)
    check(code == 1 and err.startswith(
        path + ':10:12: error: class Ghost does not provide required method area for trait Shape\n') and
        err.count('error:') == 1, code, err)
    code, _, err = run(MAG, 'check', in_file('''First trait
  method: text [ ^1 ]
Second trait
  method: text [ ^2 ]
Both subclass: Object
  include: First
  include: Second
'''))
    check(code == 0 and ':7:12: warning: class Both: text comes from an earlier trait' in err, code, err)
    code, out, err = run(ERL, path)
    check(code == 1 and 'class Ghost does not provide required method area' in err, code, out, err)


@case
def a_huge_source_is_read():
    code, _, err = run(MAG, 'check', in_file('x := 1.\n' * 300000))
    check(code == 0, code, err)


@case
def names_without_end_are_errors():
    for text in ['x' * 70000, '3 ' + 'x' * 70000 + ': 4', '#' + 'x' * 70000, "#'" + ' ' * 70000 + "'",
                 'x' * 70000 + ' subclass: Object', '3 ' + '+' * 70000 + ' 4']:
        path = in_file("'before' println.\n" + text + '\n')
        for program in [(ERL,), (MAG, 'check')]:
            code, out, err = run(*program, path)
            check(code == 1 and re.search(r':2:\d+: error: a name longer', err), text[:9], code, out,
                  err)
    code, out, err = run(ERL, in_file('| ' + 'x' * 65535 + ' |\n' + 'x' * 65535 + ' println\n'))
    check(code == 0 and out == 'nil\n', code, out, err)


@case
def a_missing_file_is_told():
    for program in [(ERL,), (MAG, 'check'), (MAG, 'disasm')]:
        code, _, err = run(*program, '/no/such/file.mag')
        check(code == 1 and '/no/such/file.mag' in err, program, code, err)


@case
def an_unknown_option_is_told():
    code, _, err = run(ERL, '-nonsense')
    check(code == 2 and '-nonsense' in err and '--help' in err, code, err)
    code, _, err = run(MAG, 'nonsense')
    check(code == 2 and 'nonsense' in err, code, err)
    for args in [('+S', 'many'), ('+hmax', '12Q'), ('-eval',), ('+mbox',), ('+mbox', '0'),
                 ('+mbox', '10:often'), ('+mbox', ':reject'), ('+mbox', '10:')]:
        code, _, err = run(ERL, *args)
        check(code == 2, args, code, err)


@case
def a_limit_for_all_mailboxes_is_given_on_the_command_line():
    text = '''
| p |
p := [Process receiveSelector: #go. Process sleep: 5. Process tryReceive payload] fork.
1 to: 5 do: [:i | p send: i].
[p info droppedMessages + p info refusedMessages + p info messageCount = 5] whileFalse: [Process sleep: 1].
{p mailboxLimit. p info messageCount. p info droppedMessages. p info refusedMessages} printString println.
p kill.
'''
    for option, wanted in [('2:reject', '#(2 2 0 3 )'), ('2:dropNewest', '#(2 2 3 0 )'),
                           ('2:dropOldest', '#(2 2 3 0 )'), ('1K', '#(1024 5 0 0 )')]:
        code, out, err = run(ERL, '+mbox', option, in_file(text))
        check(code == 0 and out == wanted + '\n', option, code, out, err)
    # a process may have a limit of its own, or none; the sender waits when nothing else is said
    code, out, err = run(ERL, '+mbox', '2', in_file('''
| slow own sent |
own := [Process mailboxLimit: nil policy: #reject. Process current mailboxLimit] fork.
own wait printString println.
slow := [Process sleep: 20. 1 to: 4 do: [:i | Process receive]. #all] fork.
sent := 0.
1 to: 4 do: [:i | (slow send: i) ifTrue: [sent := sent + 1]].
{sent. slow wait} printString println.
'''))
    check(code == 0 and out == 'nil\n#(4 #all )\n', code, out, err)
    code, out, err = run(ERL, '+mbox', '3:kill', in_file('''
| p |
p := [Process receiveSelector: #never] fork.
1 to: 9 do: [:i | p send: i].
p wait.
p exitReason printString println.
'''))
    check(code == 0 and out == '#mailboxLimit\n', code, out, err)


# ---- endless work ----------------------------------------------------------------------------------


@case
def endless_recursion_is_caught():
    code, out, err = script('''
R subclass: Object
  method: down: n [ ^1 + (self down: n + 1) ]
([R new down: 1] on: StackOverflow do: [:e | e class name]) printString println.
([R new down: 1] on: Error do: [:e | 7]) printString println.
[R new down: 1] fork wait printString println.
'alive' println.
''')
    check(code == 0 and out == '#StackOverflow\n7\nnil\nalive\n', code, out, err)
    check('StackOverflow' in err, err)


@case
def endless_allocation_ends_one_process():
    code, out, err = run(ERL, '+hmax', '64M', in_file('''
| p other |
other := [Process receive payload] fork.
p := [| all | all := ArrayList new. [true] whileTrue: [all add: (Array new: 1000)]] fork.
p wait printString println.
p exitReason printString println.
other send: 'unharmed'.
other wait println.
'''))
    check(code == 0 and out == 'nil\n#heapLimit\nunharmed\n', code, out, err)


@case
def a_full_process_table_is_told_and_supervisors_have_a_reserve():
    code, out, err = run(ERL, '+P', '200', in_file('''
| all supervisor again |
supervisor := [
  Process current trapExit: true.
  Process receiveSelector: #full.
  (1 to: 10) asArray collect: [:i | [i] fork wait]] fork.
all := ArrayList new.
[[all add: [Process receive] fork] repeat] on: PrimitiveError do: [:e | e messageText println].
(all size between: 150 and: 199) printString println.
supervisor send: #full with: nil.
(supervisor wait inject: 0 into: [:a :b | a + b]) printString println.
all do: [:p | p kill. p wait].
again := 0.
[again < 100] whileTrue: [
  [again := again + ([1] fork wait)] on: PrimitiveError do: [:e | Process yield]].
again printString println.
'''))
    check(code == 0 and out.count('too many processes') == 1, code, out, err)
    check(out.split('\n')[1:] == ['true', '55', '100', ''], code, out, err)


@case
def the_reason_of_an_end_is_told():
    for reason, text in ('3', '3'), ('#boom', 'boom'), ("'text'", 'text'):
        code, out, err = run(ERL, '-eval', 'Process exit: ' + reason)
        check(code == 1 and 'ended: ' + text + '\n' in err, code, out, err)


@case
def an_endless_loop_is_terminated():
    code, out, err = script('''
| p |
p := [[true] whileTrue: []] fork.
Process sleep: 5.
p terminate.
p wait printString println.
p exitReason printString println.
''')
    check(code == 0 and out == 'nil\n#shutdown\n', code, out, err)


@case
def a_thousand_million_elements_are_refused():
    code, out, err = script('''
([Array new: 1000000000] on: Error do: [:e | e messageText]) println.
([(WordArray new: 1000000000) size] on: Error do: [:e | 'refused']) println.
''')
    check(code == 0 and out.startswith('new:: requested array size exceeds maximum\n') or
          code == 0 and 'maximum' in out, code, out, err)


@case
def a_power_too_big_is_refused():
    code, out, err = script('''
([2 raisedTo: 1000000000000] on: Error do: [:e | 'refused']) println.
([(2 raisedTo: 1000000000) printString size] on: Error do: [:e | 'refused']) printString println.
'alive' println.
''')
    check(code == 0 and out.startswith('refused\n') and out.endswith('alive\n'), code, out, err)


@case
def a_deep_structure_is_copied_printed_and_collected():
    code, out, err = script('''
| list |
list := nil.
1 to: 300000 do: [:i | list := Array with: list].
([:x | | n y | n := 0. y := x. [y notNil] whileTrue: [y := y at: 1. n := n + 1]. n] forkWith: list)
  wait printString println.
''')
    check(code == 0 and out == '300000\n', code, out, err)


@case
def what_is_nested_deep_prints():
    code, out, err = script('''
| nested |
nested := [:depth :wrap | | value | depth timesRepeat: [value := wrap value: value]. value].
{[:v | Array with: v]. [:v | ArrayList with: v]. [:v | 1 -> v]. [:v | Success with: v].
  [:v | Dictionary new at: 1 put: v; yourself]} do: [:wrap |
    (nested value: 100000 value: wrap) printString size println].
([(nested value: 1000000 value: [:v | 1 -> v]) printString] on: Error do: [:e | e class name]) println.
#(1) printString println.
''')
    check(code == 0 and out == '400003\n1100003\n500003\n900003\n1800003\nStackOverflow\n#(1 )\n',
          code, out, err)


# ---- streams ---------------------------------------------------------------------------------------


@case
def reading_a_closed_input_gives_nil():
    path = in_file('System readLine printString println. System readLine printString println.')
    code, out, err = run(ERL, path)
    check(code == 0 and out == 'nil\nnil\n', code, out, err)
    code, out, err = run('/bin/sh', '-c', '"$0" "$1" <&-', ERL, path)
    check(code == 0 and out.count('\n') == 2 or 'Error' in err, code, out, err)
    # a shell: what it opens must not become its input
    code, out, err = run('/bin/sh', '-c', '"$0" <&-', ERL)
    check(code == 0, code, out, err)
    code, out, err = run('/bin/sh', '-c', '"$0" -eval 3 >&-', ERL)
    check(code == 1 and err, code, out, err)


@case
def a_small_table_of_processes_is_used_up_to_its_reserve():
    code, out, err = run(ERL, '+S', '2', '+P', '32', in_file('''
| n |
n := 0.
[[n := n + 1. [Process receive] fork] repeat] on: PrimitiveError do: [:e | e messageText println].
n println'''))
    check(code == 0 and 'too many processes' in out and int(out.split('\n')[1]) >= 20, code, out, err)
    for words in ['+S', '0'], ['+P', '3'], ['+t', '5'], ['+hmax', '1']:
        code, out, err = run(ERL, *words, '-eval', '3')
        check(code == 2 and words[0] + ' needs at least' in err, code, out, err)


@case
def a_full_disk_is_told():
    with open('/dev/full', 'wb') as full:
        code, _, err = run(ERL, in_file("1 to: 100000 do: [:i | 'a line of text' println]."), stdout=full)
        check(code == 1 and 'cannot write to standard output' in err, code, err)
        code, _, err = run(ERL, '-eval', '3 + 4', stdout=full)
        check(code == 1 and err, code, err)
        code, _, err = run(ERL, '--help', stdout=full)
        check(code == 1 and err, code, err)
        code, out, err = run(ERL, in_file('''
[1 to: 100000 do: [:i | 'a line' println. Process yield]] on: Error do: [:e |
  System writeErrorLine: 'caught'. System exit: 4]'''), stdout=full)
        check(code == 4 and 'caught' in err, code, err)


@case
def a_broken_pipe_ends_the_program():
    code, out, _ = run('/bin/sh', '-c', '"$0" "$1" 2>&1 >&3 3>&- | cat; exit 0', ERL, '--version')
    check(code == 0, code, out)
    path = in_file("1 to: 1000000 do: [:i | 'a line of text' println].")
    code, out, err = run('/bin/sh', '-c', '"$0" "$1" | head -n 1', ERL, path)
    check(code == 0 and out == 'a line of text\n', code, out, err)


# ---- signals ---------------------------------------------------------------------------------------


def started(*args, **more):
    return subprocess.Popen(args, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, **more)


@case
def sigint_terminates_a_script():
    path = in_file('''
['begun' println. [true] whileTrue: [Process sleep: 1]] ensure: ['cleaned up' println].
''')
    child = started(ERL, path)
    check(child.stdout.readline() == b'begun\n')
    child.send_signal(signal.SIGINT)
    out, err = child.communicate(timeout=LIMIT_S)
    check(child.returncode == 130 and out == b'cleaned up\n', child.returncode, out, err)


@case
def sigterm_ends_in_order_with_its_own_status():
    child = started(ERL, in_file('''
['begun' println. [true] whileTrue: [Process sleep: 1]] ensure: ['cleaned up' println].
'''))
    check(child.stdout.readline() == b'begun\n')
    child.send_signal(signal.SIGTERM)
    out, err = child.communicate(timeout=LIMIT_S)
    check(child.returncode == 143 and out == b'cleaned up\n', child.returncode, out, err)
    # the shell too: while it evaluates, and while it waits for input
    for typed in [b"['begun' println. Process sleep: 1000000] ensure: ['cleaned up' println]\n",
                  b"'begun' println\n"]:
        child = started(ERL)
        child.stdin.write(typed)
        child.stdin.flush()
        check(child.stdout.readline() == b'begun\n')
        if b'ensure' not in typed:
            check(child.stdout.readline() == b"'begun'\n")
        child.send_signal(signal.SIGTERM)
        child.wait(timeout=LIMIT_S)
        check(child.returncode == 143, child.returncode, child.stderr.read())
        check((b'cleaned up' in child.stdout.read()) == (b'ensure' in typed), typed)
        check(child.stderr.read() == b'', 'no complaint')


@case
def a_second_sigint_ends_at_once():
    path = in_file('''
['begun' println. [true] whileTrue: []] ensure: ['cleaning' println. [true] whileTrue: []].
''')
    child = started(ERL, path)
    check(child.stdout.readline() == b'begun\n')
    child.send_signal(signal.SIGINT)
    check(child.stdout.readline() == b'cleaning\n')
    child.send_signal(signal.SIGINT)
    child.communicate(timeout=LIMIT_S)
    check(child.returncode == 130, child.returncode)


def shell_on_terminal():
    master, slave = pty.openpty()
    child = subprocess.Popen([ERL], stdin=slave, stdout=slave, stderr=slave, close_fds=True,
                             start_new_session=True)
    os.close(slave)
    return master, child


def read_until(master, text, seen=b''):
    end = time.monotonic() + LIMIT_S
    while text not in seen:
        check(time.monotonic() < end, 'no', text, 'in', seen)
        if select.select([master], [], [], 1)[0]:
            seen += os.read(master, 65536)
    return seen


@case
def the_shell_survives_errors_and_sigint():
    master, child = shell_on_terminal()
    read_until(master, b'>> ')
    os.write(master, b'3 + 4\n')
    read_until(master, b'7')
    os.write(master, b'1 / 0\n')
    read_until(master, b'ZeroDivide')
    os.write(master, b'keep := 5\n')
    read_until(master, b'5\r\n')
    os.write(master, b"('be' , 'gun') println. [true] whileTrue: [Process sleep: 1]\n")
    read_until(master, b'begun')
    child.send_signal(signal.SIGINT)
    read_until(master, b'nterrupt')
    os.write(master, b'keep * 20\n')
    read_until(master, b'100')
    os.write(master, b'(1 +\n')
    read_until(master, b'.. ')
    child.send_signal(signal.SIGINT)
    read_until(master, b'>> ')
    os.write(master, b'keep * 30\n')
    read_until(master, b'150')
    os.write(master, b':quit\n')
    check(child.wait(timeout=LIMIT_S) == 0, 'exit status')
    os.close(master)


@case
def the_shell_reads_statements_over_lines_and_plain_input():
    code, out, err = run(ERL, stdin=open(in_file(
        "3 + 4\n[:x |\n  x * 2]\n  value: 21\n'two\nlines' size\n) bad\n1 / 0\n| a | a := 2. a + 1\na\n"), 'rb'))
    check(code == 0 and out.startswith('7\n'), code, out, err)
    check('ZeroDivide' in err and ':1:' in err or 'line 1' in err, err)
    check(out.endswith('3\n2\n'), out)


@case
def the_shell_ends_with_its_input():
    code, out, _ = run(ERL)
    check(code == 0, code, out)
    code, out, _ = run(ERL, stdin=open(in_file('System exit: 6\n3 + 4\n'), 'rb'))
    check(code == 6 and '7' not in out, code, out)


# ---- ends ------------------------------------------------------------------------------------------


@case
def exit_statuses_follow_the_rules():
    check(run(ERL, '-eval', '1 / 0')[0] == 1)
    check(run(ERL, '-eval', 'System exit: 9')[0] == 9)
    check(run(ERL, '-eval', 'nil')[1] == '')
    main = 'Main subclass: Object\n classMethod: start [ ^3 ]\n'
    check(run(ERL, in_file(main))[0] == 3)
    check(run(ERL, in_file(main.replace('start', 'other')))[0] == 1)
    check(run(ERL, in_file(main.replace('start', 'go')), '-x')[0] == 1)
    named = in_file(main.replace('start', 'go: list').replace('^3', '^list size'))
    code, _, err = run(ERL, '-s', 'Main', 'go', 'a', 'b', '-noshell', named)
    check(code == 2, code, err)
    for words in [('-s', 'Main', 'go', 'a', 'b', named), ('-s', 'Main', 'go', 'a', 'b', '--', named),
                  ('-s', 'Main', 'go', 'a', 'b', named, 'c', '-noshell')]:
        code, _, err = run(ERL, *words)
        check(code == 2, words, code, err)
    for words in [('-s', 'Main', in_file(main)), ('-s', 'Main', 'start', in_file(main), 'c.mag'),
                  ('-s', 'Main', '--', in_file(main, ''))]:
        code, _, err = run(ERL, *words)
        check(code == 3, words, code, err)
    code, _, err = run(ERL, '-s', 'Main', '/no/such/file.mag')
    check(code == 1 and '/no/such/file.mag: error: ' in err, code, err)
    code, _, err = run(ERL, '-s', 'Main', '-s', 'Main')
    check(code == 2 and '-s' in err, code, err)
    code, out, err = run(ERL, '--', in_file("System args printString println"), '--', 'a')
    check(out == "#('--' 'a' )\n", out, err)
    code, out, err = run(ERL, '-s', 'System', 'pidString', '-noshell')
    check(code == 0, code, out, err)
    code, out, err = script("System args printString println", 'a', '-b')
    check(out == "#('a' '-b' )\n", out, err)


@case
def a_deadlock_is_reported():
    code, _, err = script("[Process receive] fork.\nProcess receive.\n")
    check(code == 3 and 'deadlock' in err and 'receive' in err and ':2' in err, code, err)


@case
def a_deadlock_names_what_is_waited_for():
    code, _, err = script("| c m |\nc := Channel new: 2.\nm := Mutex new lock.\n"
                          "[m lock] fork.\n[Channel select: {c -> [:x | x]. Channel new -> [:x | x]}] fork.\n"
                          "c receive.\n")
    check(code == 3 and 'waits in lock: Mutex #' in err and '(held by <0.' in err and
          'waits in channel receive: Channel #' in err and '(capacity 2, 0 items)' in err and
          'waits in select: from Channel #' in err, code, err)


@case
def a_cycle_of_waiting_processes_is_named():
    code, _, err = script("| a b |\na := Mutex new. b := Mutex new.\n"
                          "[a lock. Process sleep: 5. b lock] fork.\n"
                          "[b lock. Process sleep: 5. a lock] fork.\nProcess receive.\n")
    check(code == 3 and err.count('they wait for each other: <0.') == 1, code, err)
    code, _, err = script("[Mutex new lock; lock: [1]] fork.\nProcess receive.\n")
    check('wait for each other' not in err, code, err)


@case
def a_crash_names_file_and_line():
    code, _, err = script("T subclass: Object\n method: go [\n  ^nil foo ]\nT new go.\n")
    check(code == 1 and 'Error: MessageNotUnderstood: Message not understood: foo' in err, code, err)
    check('.mag:3' in err and '.mag:4' in err, err)


@case
def a_trace_tells_of_the_program_alone():
    text = "[#(1) do: [:e | e foo]] value. #(1 2) at: 3"
    for arguments, stdin in [(('-eval', text), subprocess.DEVNULL),
                             ((), open(in_file(text.replace('. ', '\n')), 'rb')),
                             (('-s', 'Main', in_file('Main subclass: Object\n classMethod: start [ nil foo ]')),
                              subprocess.DEVNULL)]:
        _, _, err = run(ERL, *arguments, stdin=stdin)
        check('  [0] ' in err and not re.search('Embedding|_evaluate|Compiler', err), arguments, err)
        _, _, err = run(ERL, '-full-traces', *arguments,
                        stdin=open(stdin.name, 'rb') if stdin != subprocess.DEVNULL else stdin)
        check('Embedding>>' in err, arguments, err)


@case
def little_memory_is_an_error():
    def small():
        resource.setrlimit(resource.RLIMIT_AS, (400 << 20, 400 << 20))
    code, out, err = run(ERL, '+S', '1', in_file('''
| p |
p := [| all | all := ArrayList new. [true] whileTrue: [all add: (ByteArray new: 100000)]] fork.
p wait printString println.
'alive' println.
'''), preexec_fn=small)
    check(code == 0 and out == 'nil\nalive\n', code, out, err)


def main():
    names = sys.argv[3:]
    failed = 0
    for function in CASES:
        if names and function.__name__ not in names:
            continue
        try:
            function()
            print('ok  ', function.__name__)
        except (Failure, subprocess.TimeoutExpired, OSError) as problem:
            failed += 1
            print('FAIL', function.__name__, problem)
        sys.stdout.flush()
    return 1 if failed else 0


with tempfile.TemporaryDirectory() as FOLDER:
    sys.exit(main())
