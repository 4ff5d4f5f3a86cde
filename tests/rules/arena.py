#!/usr/bin/env python3
"""Is the arena at most 1.15 times the largest live set, on every model at every size that it is tested with? And is its layout right?

When values live, and how large they are, is worked out here once more, from the plan's steps and formulas alone (plan_message.py): a value
lives from the first step that touches it to the last, what a loop reads from outside to the loop's end; it takes whole lines of 64 bytes.
The largest live set is the most bytes alive at one step. Where the values lie is what `jinx-rt inspect --json` shows. Checked:

    every value that must lie in the arena does, with the size that its formula gives, and nothing else does
    no two that live at the same time share a byte, and all lie within the arena
    the arena's bytes are at most 1.15 of the largest live set's

    arena.py --runtime build/dev/bin/jinx-rt --plans FOLDER [ID…]
    arena.py --self-test …
"""

import argparse
import copy
import dataclasses
import json
import pathlib
import subprocess
import sys

import model_plans
import plan_message

LIMIT = 1.15
LINE = 64
NONE = 0xFFFFFFFF
# jinx::DType, in bits.
BITS = {1: 32, 2: 64, 3: 16, 4: 16, 5: 8, 6: 16, 7: 32, 8: 64, 9: 8, 10: 16, 11: 32, 12: 64, 13: 8, 15: 64, 16: 128, 17: 8, 18: 8, 19: 8, 20: 8,
        21: 8, 22: 4, 23: 4, 24: 4, 25: 2, 26: 2}  # fmt: skip


@dataclasses.dataclass
class Live:
    name: str
    size: int  # bytes
    first: int
    last: int

    def lines(self):
        return -(-self.size // LINE) * LINE


class Walk:
    """Touches of values, in the order in which steps run; time counts steps of all blocks."""

    def __init__(self, plan):
        self.plan, self.time = plan, 0
        self.touched = {}  # root: [(time, the loops around it, as (begin, end) that are filled in when they end)]
        self.steps(plan.blocks[0], [])
        self.end = self.time + 1

    def root(self, index):
        where = type(self.plan.values[0]).Storage
        while self.plan.values[index].where == where.Value("ALIAS"):
            index = self.plan.values[index].alias_of
        return index

    def touch(self, indices, loops):
        for index in indices:
            if index != NONE:
                self.touched.setdefault(self.root(index), []).append((self.time, tuple(loops)))

    def steps(self, block, loops):
        for step in block.steps:
            self.time += 1
            self.touch(step.inputs, loops)
            if step.WhichOneof("what") == "control":
                self.control(step, loops)
                self.touch(step.inputs, loops)
            self.touch(step.outputs, loops)

    def control(self, step, loops):
        repeats = step.control.kind != type(step.control).Kind.Value("IF")
        loop = [self.time, None]
        inner = [*loops, loop] if repeats else loops
        bodies = [self.plan.blocks[index] for index in step.control.blocks]
        for block in bodies:
            self.time += 1
            self.touch(block.params, inner)
            self.steps(block, inner)
        self.time += 1
        loop[1] = self.time
        for block in bodies:
            self.touch(block.results, inner)


def lives(plan, sizes):
    """The values of the arena: those with numbers whose size the inputs decide and that the plan puts there; and how many a step decides."""
    found, undecided = [], 0
    where = type(plan.values[0]).Storage
    outputs = set(plan.outputs)
    walk = Walk(plan)
    for index, touches in walk.touched.items():
        value = plan.values[index]
        kept = value.where == where.Value("ARENA") or (value.where == where.Value("OUTPUT") and index not in outputs)
        dims = [plan_message.evaluate(text, sizes) for text in value.dims]
        if not kept or value.dtype not in BITS:
            continue
        if None in dims:
            undecided += 1
            continue
        count = 1
        for extent in dims:
            count *= extent
        first, last = min(time for time, _ in touches), max(time for time, _ in touches)
        # The loops around every touch are the value's home; a loop below it runs again, and reads again, to its end.
        home = [loop for loop in touches[0][1] if all(any(loop is other for other in loops) for _, loops in touches)]
        for _, loops in touches:
            last = max([last, *(loop[1] for loop in loops if not any(loop is other for other in home))])
        if any(walk.root(output) == index for output in plan.outputs):
            last = walk.end
        found.append(Live(value.name, (count * BITS[value.dtype] + 7) // 8, first, last))
    return found, undecided


def largest_live(values):
    """Most bytes alive at one step."""
    times = {value.first for value in values}
    return max((sum(v.lines() for v in values if v.first <= time <= v.last) for time in times), default=0)


def problems(values, shown):
    """(faults, arena bytes, largest live bytes)."""
    faults, placed = [], {}
    for entry in shown["timeline"]:
        if entry["name"] in placed:
            faults.append(f"{entry['name']} lies there twice")
        placed[entry["name"]] = entry
    for value in values:
        entry = placed.get(value.name)
        if entry is None:
            faults.append(f"{value.name} is used and lies nowhere")
        elif entry["size"] != value.size:
            faults.append(f"{value.name} has {entry['size']} bytes, expected {value.size}")
        elif entry["offset"] % LINE or entry["offset"] + entry["size"] > shown["arena_bytes"]:
            faults.append(f"{value.name} lies at {entry['offset']} of {shown['arena_bytes']} bytes")
    for name in placed.keys() - {value.name for value in values}:
        faults.append(f"{name} lies in the arena, and no step uses it")
    ordered = sorted((v for v in values if v.name in placed and v.size), key=lambda v: placed[v.name]["offset"])
    for i, low in enumerate(ordered):
        for high in ordered[i + 1 :]:
            if placed[high.name]["offset"] >= placed[low.name]["offset"] + low.size:
                break
            if low.first <= high.last and high.first <= low.last:
                faults.append(f"{low.name} and {high.name} share bytes, and both live at {max(low.first, high.first)}")
    arena, least = shown["arena_bytes"], largest_live(values)
    if arena < least:
        faults.append(f"the arena has {arena} bytes, fewer than live at one step, {least}: lifetimes are worked out wrongly here")
    if arena > LIMIT * least:
        faults.append(f"the arena has {arena} bytes, {arena / max(1, least):.3f} of the largest live set, {least}; at most {LIMIT} is allowed")
    return faults, arena, least


def inspect(options, plan, sizes):
    command = [options.runtime, "inspect", plan, "--json", *(part for name, size in sizes.items() for part in ("--dim", f"{name}={size}"))]
    return json.loads(subprocess.run(list(map(str, command)), capture_output=True, text=True, check=True).stdout)["memory"]


def look(options, plan_class, model):
    """(case, sizes, values, how many values lie elsewhere, what is shown) for each case."""
    path = options.plans / f"{model}.jxp"
    plan = plan_message.read(path, plan_class)
    for case, inputs in model_plans.cases(model).items():
        sizes = plan_message.bind(plan, {name: entry["shape"] for name, entry in inputs.items()})
        yield case, sizes, *lives(plan, sizes), inspect(options, path, sizes)


def self_test(options, plan_class):
    """Layouts with one fault each."""
    model = next(model for model in model_plans.chosen(options.ids) if (options.plans / f"{model}.jxp").exists())
    _, _, values, _, good = next(look(options, plan_class, model))
    assert not problems(values, good)[0], problems(values, good)[0]
    large = max(good["timeline"], key=lambda entry: entry["size"])["name"]
    neighbours = [v for v in values if v.name != large and v.size and any(w.name == large and w.first <= v.last and v.first <= w.last for w in values)]

    def changed(**by):
        other = copy.deepcopy(good)
        by["change"](other)
        return other

    def entry(shown, name):
        return next(e for e in shown["timeline"] if e["name"] == name)

    cases = [
        ("larger", changed(change=lambda s: s.update(arena_bytes=int(good["arena_bytes"] * 1.2))), "at most 1.15"),
        ("smaller", changed(change=lambda s: s.update(arena_bytes=LINE)), "lies at"),
        ("lost", changed(change=lambda s: s["timeline"].remove(entry(s, large))), "lies nowhere"),
        ("twice", changed(change=lambda s: s["timeline"].append(entry(s, large))), "lies there twice"),
        ("stranger", changed(change=lambda s: s["timeline"].append({**entry(s, large), "name": "stranger"})), "no step uses it"),
        ("short", changed(change=lambda s: entry(s, large).update(size=4)), "bytes, expected"),
        ("crooked", changed(change=lambda s: entry(s, large).update(offset=4)), "lies at 4"),
        ("shared", changed(change=lambda s: entry(s, neighbours[0].name).update(offset=entry(s, large)["offset"])), "share bytes"),
    ]
    bad = [f"nobody sees: {what}" for what, shown, said in cases if not any(said in fault for fault in problems(values, shown)[0])]
    print(*bad, f"{len(cases) - len(bad)} passed, {len(bad)} failed", sep="\n")
    return 1 if bad else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ids", nargs="*", metavar="ID")
    parser.add_argument("--runtime", type=pathlib.Path, required=True, help="the program jinx-rt")
    parser.add_argument("--plans", type=pathlib.Path, required=True, help="where model_plans.py put them")
    parser.add_argument("--protoc", default="protoc")
    parser.add_argument("--self-test", action="store_true")
    options = parser.parse_args()
    plan_class = plan_message.message_class(options.protoc)
    if options.self_test:
        return self_test(options, plan_class)
    passed = failed = 0
    for model in model_plans.chosen(options.ids):
        for case, sizes, values, undecided, shown in look(options, plan_class, model):
            faults, arena, least = problems(values, shown)
            passed, failed = passed + (not faults), failed + bool(faults)
            at = ", ".join(f"{name}={size}" for name, size in sizes.items())
            at += f"; {undecided} values elsewhere, whose size a step decides" if undecided else ""
            print(f"{'FAIL' if faults else 'ok  '} {model + '/' + case:28} {len(values):4} values, arena {arena:10}, least {least:10}, "
                  f"{arena / least if least else 1:.3f}  {at}", *(f"\n     {fault}" for fault in faults[:5]), sep="", flush=True)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
