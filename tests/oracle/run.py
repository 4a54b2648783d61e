#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""run.py - Erlang as the oracle of Maggie's signals.

Random programs of links, monitors, exits and messages (programs.py) are run on Erlang and on
Maggie. What each process saw must be something the signal order allows (signal_model.py), for both; where
only one thing is allowed, both must have seen exactly that.

usage: run.py [--seeds FROM-TO] [--maggie COMMAND] [--sim] [--no-erlang] [--caught]
  --maggie COMMAND  a maggie-erl (default: Erlang alone is checked)
  --sim             Maggie under the seeded scheduler, seed by seed
  --no-erlang       compare with the model only
  --caught          succeed when Maggie is NOT accepted: for versions with a known mistake
MAGGIE_TEST_SEED in the environment: other seeds, 10000 apart.
Exit status 0: accepted. 1: not; the programs and what was seen are shown.
"""
import argparse
import os
import shutil
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True  # nothing is left in the source tree

import programs
import signal_model

HERE = os.path.dirname(os.path.abspath(__file__))
GUARD_S = 900  # against runs that hang


def run_erlang(path, work):
    if not shutil.which("erl"):
        sys.exit("oracle: erl is not installed; ./dev setup installs it, --no-erlang does without")
    subprocess.run(["erlc", "-o", work, os.path.join(HERE, "oracle.erl")], check=True)
    done = subprocess.run(
        ["erl", "+S", "1", "-noinput", "-noshell", "-kernel", "logger_level", "none", "-pa", work,
         "-run", "oracle", "main", path], stdout=subprocess.PIPE, timeout=GUARD_S, text=True)
    if done.returncode != 0:
        sys.exit(f"oracle: erl ended with {done.returncode}\n{done.stdout[-2000:]}")
    return done.stdout


def run_maggie(command, path, options):
    return subprocess.run(command.split() + options + [os.path.join(HERE, "oracle.mag"), path],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=GUARD_S,
                          text=True)


def check_all(name, all_programs, output, linger):
    """Answers ([refusals], phases, single-outcome phases, programs too big)."""
    try:
        runs = programs.parse_run(output.splitlines())
    except (ValueError, IndexError):
        return [f"{name}: not the output of a run:\n{output[-2000:]}"], 0, 0, 0
    refused, phases, single, big = [], 0, 0, 0
    for program in all_programs:
        seed = program["seed"]
        run = runs.get(seed)
        if run is None or len(run) != len(program["phases"]):
            refused.append(f"{name}, seed {seed}: the run is not complete")
            continue
        try:
            text, counts = signal_model.check(program, run, linger)
        except signal_model.TooMany:
            big += 1
            continue
        phases += counts[0]
        single += counts[1]
        if text:
            refused.append(f"{name}, seed {seed}: not allowed by the order of signals\n{text}")
    return refused, phases, single, big


def write_programs(path, all_programs):
    with open(path, "w", encoding="ascii") as out:
        out.write("\n".join(programs.text(p) for p in all_programs) + "\n")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", default="1-200")
    parser.add_argument("--maggie")
    parser.add_argument("--sim", action="store_true")
    parser.add_argument("--no-erlang", action="store_true")
    parser.add_argument("--caught", action="store_true")
    args = parser.parse_args()
    first, last = (int(part) for part in args.seeds.split("-"))
    more = int(os.environ.get("MAGGIE_TEST_SEED", "0")) * 10000
    first, last = first + more, last + more
    all_programs = [programs.generate(seed) for seed in range(first, last + 1)]
    refused = []
    with tempfile.TemporaryDirectory() as work:
        path = os.path.join(work, "programs.txt")
        write_programs(path, all_programs)
        if not args.no_erlang:
            refused += report("Erlang", all_programs, run_erlang(path, work), False)
        if args.maggie:
            refused += maggie_refused(args, all_programs, path)
    for text in refused[:5]:
        print(text)
    if len(refused) > 5:
        print(f"and {len(refused) - 5} more")
    if args.caught:
        print("caught" if refused else "NOT caught")
        return 0 if refused else 1
    return 1 if refused else 0


def maggie_refused(args, all_programs, path):
    if not args.sim:
        done = run_maggie(args.maggie, path, [])
        return ended(done) + report("Maggie", all_programs, done.stdout, True)
    output, refused = "", []
    for program in all_programs:
        write_programs(path, [program])
        done = run_maggie(args.maggie, path, ["-sim", str(program["seed"])])
        refused += ended(done)
        output += done.stdout
        if args.caught and (refused or check_all("Maggie", [program], done.stdout, True)[0]):
            return refused + ["refused at seed " + str(program["seed"])]
    return refused + report("Maggie, seeded", all_programs, output, True)


def ended(done):
    return [] if done.returncode == 0 else [
        f"maggie-erl ended with {done.returncode}:\n{done.stderr[-1000:]}"]


def report(name, all_programs, output, linger):
    refused, phases, single, big = check_all(name, all_programs, output, linger)
    print(f"{name}: {len(all_programs)} programs, {phases} phases, {single} of them with one outcome, "
          f"{len(refused)} programs refused, {big} left out as too big")
    if big * 20 > len(all_programs):
        refused.append(f"{name}: too many programs left out")
    return refused


if __name__ == "__main__":
    sys.exit(main())
