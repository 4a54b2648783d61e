# SPDX-License-Identifier: Apache-2.0
"""signal_model.py - what processes may see: the signals of Erlang as a small nondeterministic machine.

A program is a list of phases; in a phase some processes carry out a few operations at the same time,
then everything settles. Between two processes signals arrive in the order sent; nothing else is
ordered. The model plays every order that this allows and answers every outcome: for each process
what it saw from each other one, in order, and how it ended.

Nor are the answers of a process that does not exist any more ordered among each other (Erlang makes
them at the sender, at different moments), but none overtakes what it sent while it lived.

A system whose processes unwind before they are gone (Maggie: ensure: blocks run) is played with
linger: who has been ended by a signal still takes links and monitors for a while, and those learn the
real reason, and a kill makes the reason killed.

A run of a real system is accepted when each of its phases is one of the outcomes the model allows,
from a state that explains all phases before. The model is itself checked: runs of Erlang must be
accepted too.

State: procs {slot: Proc}, chans {(from, to, lane): (signal, ...)}; lane 0 but for such answers.
Slots are small integers. Operations:

    spawn J MODE K    MODE plain, link or monitor (reference K); J reports itself before all else
    link J | unlink J | monitor J K | demonitor K | flush K (demonitor, dropping a queued down)
    trap 0|1 | send J TAG | exit J REASON (kill cannot be trapped) | die normal|error
    register N (tells whether it has the name now) | unregister N (if it has it)
    sendname N TAG (to whoever has the name, if anybody)

A name belongs to one process until it gives it up or ends; then it is free before anybody is told of
that end.
"""

LIMIT = 60000  # states looked at in a phase, then TooMany


class TooMany(Exception):
    pass


class Proc:
    __slots__ = ("alive", "ending", "reason", "known", "trap", "links", "unlinks", "mons",
                 "watchers", "mbox", "ops", "begun", "log")

    def __init__(self):
        self.alive = True
        self.ending = False     # not alive, but has not told anybody yet
        self.reason = None      # why it ended
        self.known = True       # has reported itself
        self.trap = False
        self.links = {}         # peer -> 0 linked, or the number of the unlink under way
        self.unlinks = 0
        self.mons = {}          # reference -> peer
        self.watchers = ()      # sorted (peer, reference)
        self.mbox = ()
        self.ops = ()
        self.begun = True       # False: the command for ops is still behind the messages
        self.log = {}           # sender -> entries

    def copy(self):
        q = Proc.__new__(Proc)
        for name in Proc.__slots__:
            value = getattr(self, name)
            setattr(q, name, dict(value) if type(value) is dict else value)
        return q

    def key(self):
        return (self.alive, self.ending, self.reason, self.known, self.trap,
                tuple(sorted(self.links.items())), self.unlinks, tuple(sorted(self.mons.items())), self.watchers, self.mbox, self.ops,
                self.begun, tuple(sorted(self.log.items())))


class State:
    __slots__ = ("procs", "chans", "names", "linger")

    def __init__(self, procs, chans, names, linger):
        self.procs = procs
        self.chans = chans
        self.names = names
        self.linger = linger

    def fork(self):
        return State(dict(self.procs), dict(self.chans), dict(self.names), self.linger)

    def edit(self, slot):
        """A process of this state that may be changed."""
        p = self.procs[slot] = self.procs[slot].copy()
        return p

    def key(self):
        return (tuple((s, p.key()) for s, p in sorted(self.procs.items())),
                tuple(sorted(self.chans.items())), tuple(sorted(self.names.items())))

    def push(self, sender, receiver, *signal):
        pair = (sender, receiver, 0)
        self.chans[pair] = self.chans.get(pair, ()) + (signal,)

    def push_answer(self, sender, receiver, lane, *signal):
        """Of a sender that does not exist any more."""
        pair = (sender, receiver, 0)
        if pair not in self.chans:
            pair = (sender, receiver, lane)
        self.chans[pair] = self.chans.get(pair, ()) + (signal,)

    def log(self, slot, sender, *entry):
        p = self.procs[slot]
        p.log[sender] = p.log.get(sender, ()) + (entry,)


def start(count, linger):
    return State({slot: Proc() for slot in range(count)}, {}, {}, linger)


def end(state, slot, reason):
    p = state.edit(slot)
    p.alive, p.ending, p.reason = False, True, reason
    p.mbox, p.ops = (), ()
    if not state.linger:
        tell(state, slot)


def tell(state, slot):
    """The last that an ended process does."""
    p = state.edit(slot)
    reason = p.reason
    p.ending = False
    state.names = {name: owner for name, owner in state.names.items() if owner != slot}
    for peer, unlink in sorted(p.links.items()):
        if unlink == 0:
            state.push(slot, peer, "exit", reason, True)
    for peer, ref in p.watchers:
        state.push(slot, peer, "down", ref, reason)
    p.links, p.mons, p.watchers = {}, {}, ()


def take_exit(state, slot, sender, reason, linked):
    p = state.edit(slot)
    if linked:
        unlink = p.links.pop(sender, None)
        if unlink != 0:
            return
    if reason == "kill" and not linked:
        end(state, slot, "killed")
    elif p.trap:
        p.mbox += (("exit", sender, reason),)
    elif reason != "normal" or sender == slot:
        end(state, slot, reason)


def take_signal(state, sender, slot, lane):
    """The oldest signal from sender has an effect at slot."""
    queue = state.chans[(sender, slot, lane)]
    signal, rest = queue[0], queue[1:]
    if rest:
        state.chans[(sender, slot, lane)] = rest
    else:
        del state.chans[(sender, slot, lane)]
    kind = signal[0]
    if state.procs[slot].ending:
        if kind == "exit" and signal[1:] == ("kill", False):
            state.edit(slot).reason = "killed"  # nothing holds up a kill
        if kind in ("message", "down") or kind == "exit" and not signal[2]:
            return
        if kind == "exit":
            state.edit(slot).links.pop(sender, None)
            return
    elif not state.procs[slot].alive:
        if kind == "link":
            state.push_answer(slot, sender, 1, "exit", "noproc", True)
        elif kind == "monitor":
            state.push_answer(slot, sender, 2, "down", signal[1], "noproc")
        return
    if kind == "exit":
        take_exit(state, slot, sender, signal[1], signal[2])
        return
    p = state.edit(slot)
    if kind == "message":
        p.mbox += (("message", sender, signal[1]),)
    elif kind == "link":
        p.links.setdefault(sender, 0)  # while our unlink is under way, it was sent before that came
    elif kind == "unlink":
        if p.links.get(sender) == 0:
            del p.links[sender]
        state.push(slot, sender, "ack", signal[1])
    elif kind == "ack":
        if p.links.get(sender) == signal[1]:
            del p.links[sender]
    elif kind == "monitor":
        p.watchers = tuple(sorted(p.watchers + ((sender, signal[1]),)))
    elif kind == "demonitor":
        p.watchers = tuple(w for w in p.watchers if w != (sender, signal[1]))
    elif kind == "down":
        if p.mons.pop(signal[1], None) is not None:
            p.mbox += (("down", sender, signal[1], signal[2]),)


def handle_message(state, slot):
    p = state.edit(slot)
    message, p.mbox = p.mbox[0], p.mbox[1:]
    state.log(slot, message[1], message[0], *message[2:])


def demonitor(state, slot, ref):
    p = state.edit(slot)
    peer = p.mons.pop(ref, None)
    if peer is not None:
        state.push(slot, peer, "demonitor", ref)
    return p


def perform(state, slot):
    """The next operation of slot."""
    p = state.edit(slot)
    op, p.ops = p.ops[0], p.ops[1:]
    p.begun = True
    kind = op[0]
    peer = op[1] if kind in ("link", "unlink", "monitor", "send", "exit") else None
    if peer is not None and not (peer in state.procs and state.procs[peer].known):
        return  # nobody knows its pid: the operation is skipped
    if kind == "report":
        p.known = True
        state.log(slot, slot, "up")
    elif kind == "spawn":
        _, child, mode, ref = op
        q = state.procs[child] = Proc()
        q.known, q.ops = False, (("report",),)
        if mode == "link":
            p.links[child] = q.links[slot] = 0
        elif mode == "monitor":
            p.mons[ref] = child
            q.watchers = ((slot, ref),)
    elif kind == "link":
        if p.links.get(peer) != 0:
            p.links[peer] = 0
            state.push(slot, peer, "link")
    elif kind == "unlink":
        if p.links.get(peer) == 0:
            p.unlinks += 1
            p.links[peer] = p.unlinks
            state.push(slot, peer, "unlink", p.unlinks)
    elif kind == "monitor":
        p.mons[op[2]] = peer
        state.push(slot, peer, "monitor", op[2])
    elif kind == "demonitor":
        demonitor(state, slot, op[1])
    elif kind == "flush":
        p = demonitor(state, slot, op[1])
        p.mbox = tuple(m for m in p.mbox if m[0] != "down" or m[2] != op[1])
    elif kind == "trap":
        p.trap = op[1] == 1
    elif kind == "register":
        state.log(slot, slot, "named", int(state.names.setdefault(op[1], slot) == slot))
    elif kind == "unregister":
        if state.names.get(op[1]) == slot:
            del state.names[op[1]]
    elif kind == "sendname":
        if op[1] in state.names:
            state.push(slot, state.names[op[1]], "message", op[2])
    elif kind == "send":
        state.push(slot, peer, "message", op[2])
    elif kind == "exit":
        state.push(slot, peer, "exit", op[2], False)  # to itself too: seen a moment later
    elif kind == "die":
        end(state, slot, op[1])
    else:
        raise ValueError(op)


def steps(state):
    """Every state that may come next."""
    for sender, slot, lane in list(state.chans):
        after = state.fork()
        take_signal(after, sender, slot, lane)
        yield after
    for slot, p in list(state.procs.items()):
        if p.ending:
            after = state.fork()
            tell(after, slot)
            yield after
        if not p.alive:
            continue
        if p.ops:
            after = state.fork()
            perform(after, slot)
            yield after
        if p.mbox and (not p.ops or not p.begun):
            after = state.fork()
            handle_message(after, slot)
            yield after


def eager(state):
    """A step whose order relative to all others cannot be seen: taken alone. Signals to the dead that
    nobody answers, acknowledgements that mean nothing any more."""
    for (sender, slot, lane), queue in state.chans.items():
        p = state.procs[slot]
        if not p.alive and not p.ending and queue[0][0] not in ("link", "monitor"):
            after = state.fork()
            take_signal(after, sender, slot, lane)
            return after
    return None


def settle(states):
    """All final states from any of these."""
    seen, final = set(), {}
    work = list(states)
    while work:
        state = work.pop()
        quick = eager(state)
        while quick:
            state = quick
            quick = eager(state)
        key = state.key()
        if key in seen:
            continue
        seen.add(key)
        if len(seen) > LIMIT:
            raise TooMany
        following = list(steps(state))
        if not following:
            final[key] = state
        work.extend(following)
    return list(final.values())


def begin_phase(state, commands):
    after = state.fork()
    for slot in after.procs:
        p = after.edit(slot)
        p.log = {}
    for slot, ops in commands:
        p = after.procs.get(slot)
        if p and p.alive and p.known:
            p.ops, p.begun = tuple(ops), False
    return after


def outcome(state, before):
    """What can be observed of a phase: entries by (process, sender), and new ends. A process that
    ended before anybody could watch it has an unknown reason."""
    seen = {}
    for slot, p in state.procs.items():
        for sender, entries in p.log.items():
            seen[(slot, sender)] = entries
        if not p.alive and (slot not in before.procs or before.procs[slot].alive) and p.known:
            seen[(slot, "end")] = p.reason
    return seen


def allows(allowed, observed, newborn):
    """Is the observed outcome this allowed one? newborn: slots first seen in this phase, whose end
    may have come before they were watched (then the reason reads noproc)."""
    if allowed.keys() != observed.keys():
        return False
    for key, value in allowed.items():
        other = observed[key]
        if other == value or (key[1] == "end" and other == "noproc" and key[0] in newborn):
            continue
        return False
    return True


def check(program, run, linger):
    """Plays a program beside the observed phases of a run. Answers (None, counts) or (text, counts);
    counts: phases looked at, those with exactly one outcome."""
    states = [start(program["processes"], linger)]
    phases = single = 0
    for number, commands in enumerate(program["phases"]):
        newborn = {op[1] for _, ops in commands for op in ops if op[0] == "spawn"}
        observed = run[number]
        possible, nexts = [], {}
        for state in states:
            begun = begin_phase(state, commands)
            for after in settle([begun]):
                seen = outcome(after, begun)
                if seen not in possible:
                    possible.append(seen)
                if allows(seen, observed, newborn):
                    clean = begin_phase(after, ())
                    nexts[clean.key()] = clean
        phases += 1
        single += len(possible) == 1
        if not nexts:
            text = [f"phase {number}: {commands}", f"  observed {show(observed)}"]
            text += [f"  allowed  {show(p)}" for p in possible[:6]]
            if len(possible) > 6:
                text.append(f"  and {len(possible) - 6} more")
            return "\n".join(text), (phases, single)
        states = list(nexts.values())
    return None, (phases, single)


def show(seen):
    return " ".join(f"{slot}<{sender}:{entries}" for (slot, sender), entries in
                    sorted(seen.items(), key=str))
