# SPDX-License-Identifier: Apache-2.0
"""programs.py - random programs of signals from a seed, and their text.

    program SEED PROCESSES
    phase
    do SLOT OP ARG ...; OP ARG ...
    end
"""
import random

SLOTS = 8
NAMES = 2  # process SLOT registers itself as SLOT % NAMES only: Erlang's have one name
REASONS = ("normal", "r1", "r2", "kill", "kill")


def name_operation(rng, slot, made):
    kind = rng.choice(("register", "register", "unregister", "sendname", "sendname"))
    if kind != "sendname":
        return (kind, slot % NAMES)
    made["tag"] += 1
    return (kind, rng.randrange(NAMES), made["tag"])


def operation(rng, slot, live, made, named):
    """One operation of slot; live: slots that may be known; made: counts of tags and references."""
    others = [s for s in live if s != slot]
    if named and rng.random() < 0.4:
        return name_operation(rng, slot, made)
    kind = rng.choices(
        ("link", "unlink", "monitor", "demonitor", "flush", "trap", "send", "exit", "die"),
        (22, 9, 16, 5, 4, 10, 14, 16, 4))[0]
    if kind in ("link", "unlink"):
        return (kind, rng.choice(others))
    if kind == "monitor":
        made["ref"] += 1
        made["refs"].setdefault(slot, []).append(made["ref"])
        return (kind, rng.choice(others), made["ref"])
    if kind in ("demonitor", "flush"):
        refs = made["refs"].get(slot)
        return (kind, rng.choice(refs)) if refs else ("trap", rng.randrange(2))
    if kind == "trap":
        return (kind, int(rng.random() < 0.75))
    if kind == "send":
        made["tag"] += 1
        return (kind, rng.choice(live), made["tag"])
    if kind == "exit":
        target = slot if rng.random() < 0.12 else rng.choice(others)
        # Erlang's exit(self(), normal) depends on when the process looks at its own signals
        reasons = REASONS[1:] if target == slot else REASONS
        return (kind, target, rng.choice(reasons))
    return (kind, rng.choice(("normal", "error")))


def generate_pair(rng, seed):
    """Two processes that link and unlink each other at the same time; then one of them links, and
    ends the other: who believes to be linked shows in what is heard of that."""
    phases = [((slot, (("trap", 1),)),) for slot in (0, 1)]
    for _ in range(rng.randrange(1, 3)):
        one = rng.randrange(2)
        other = 1 - one
        if rng.random() < 0.7:
            phases.append(((one, (("link", other),)),))
        kinds = {one: ("unlink",), other: ("unlink", "link")}
        if rng.random() < 0.5:
            kinds = {slot: [rng.choice(("link", "unlink")) for _ in range(rng.randrange(1, 4))]
                     for slot in (0, 1)}
        phases.append(tuple((slot, tuple((kind, 1 - slot) for kind in kinds[slot]))
                            for slot in (0, 1)))
        if rng.random() < 0.8:
            phases.append(((one, (("link", other),)),))
    phases.append(((one, (("exit", other, "kill"),)),))
    return {"seed": seed, "processes": 3, "phases": phases}


def generate(seed):
    rng = random.Random(seed)
    if seed % 4 == 0:
        return generate_pair(rng, seed)
    named = seed % 4 == 2
    count = rng.randrange(3, 5)
    live, following = list(range(count)), count
    made = {"tag": 0, "ref": 0, "refs": {}}
    phases = []
    for number in range(rng.randrange(5, 9)):
        racing = number > 0 and rng.random() < 0.45
        commands, born = [], []
        for slot in rng.sample(live, rng.randrange(2, min(3, len(live)) + 1) if racing else 1):
            ops = [operation(rng, slot, live, made, named)
                   for _ in range(rng.randrange(1, 3 if racing else 5))]
            if following < SLOTS and rng.random() < 0.3:
                mode = rng.choice(("plain", "link", "link", "monitor"))
                made["ref"] += 1
                if mode == "monitor":
                    made["refs"].setdefault(slot, []).append(made["ref"])
                ops.append(("spawn", following, mode, made["ref"]))
                born.append(following)
                following += 1
            commands.append((slot, tuple(ops)))
        phases.append(tuple(commands))
        live += born
    return {"seed": seed, "processes": count, "phases": phases}


def text(program):
    lines = [f"program {program['seed']} {program['processes']}"]
    for commands in program["phases"]:
        lines.append("phase")
        for slot, ops in commands:
            lines.append(f"do {slot} " + "; ".join(" ".join(map(str, op)) for op in ops))
    lines.append("end")
    return "\n".join(lines)


def parse_run(lines):
    """The output of a system: {seed: [{(slot, sender): entries or reason}]} by phase. Lines:
    program SEED / phase / up S / named S S 0|1 / message S FROM TAG / exit S FROM REASON /
    down S FROM REF REASON / died S REASON / end"""
    runs, phases = {}, None
    for line in lines:
        word = line.split()
        if not word:
            continue
        if word[0] == "program":
            phases = runs[int(word[1])] = []
        elif word[0] == "phase":
            phases.append({})
        elif word[0] == "end":
            pass
        elif word[0] == "died":
            phases[-1][(int(word[1]), "end")] = word[2]
        else:
            slot = int(word[1])
            sender = slot if word[0] == "up" else int(word[2])
            entry = (word[0],) + tuple(int(w) if w.isdigit() else w for w in word[3:])
            key = (slot, sender)
            phases[-1][key] = phases[-1].get(key, ()) + (entry,)
    return runs
