#!/usr/bin/env python3
"""Does a call with sizes seen before ask for no memory? Every model, every case, at one thread and at two.

`jinx_count_allocations` counts while it calls through the C interface, with memory for the outputs: the same sizes again, and the sizes of
all cases in turn. A plan of launches alone must not ask once. In a plan with other steps no launch may ask; the others' requests are
counted and named, and models that have such steps are listed in OTHER_STEPS, so that none gets them unseen.

    allocations.py --counter build/dev/tests/rules/jinx_count_allocations --plans FOLDER [ID…]     the models
    allocations.py --counter … --jinx build/dev/bin/jinx --modules                                 small modules of tests/rules/modules and docs/spec
    allocations.py --self-test
"""

import argparse
import collections
import json
import pathlib
import subprocess
import sys
import tempfile

import model_plans

ROOT = pathlib.Path(__file__).resolve().parents[2]
# Kinds of steps that never ask for memory; an If does not, when what its branches make has its place in the arena.
FREE = ("launch", "copy", "control")
# Models with steps of other kinds: what has no kernel, or has sizes that such a step decides.
OTHER_STEPS = {
    "silero": "its samples choose the branch, and so the rank of values: Conv, LSTM, Concat and more run on the host",
    "vits": "durations that it computes decide the length of the sound: CumSum, ScatterND, GatherElements and more, and all after them",
}


def count(options, plan, cases, threads):
    texts = [",".join(f"{name}={file}" for name, file in inputs.items()) for inputs in cases]
    done = subprocess.run([options.counter, plan, *texts, "--threads", str(threads)], capture_output=True, text=True)
    if done.returncode:
        return {"error": f"exit {done.returncode}: {done.stderr.strip()[-400:]}"}
    return json.loads(done.stdout)


def other_steps(found):
    return {kind: number for kind, number in found["kinds"].items() if kind not in FREE}


def faults(found, expects_others):
    """What is wrong with a count, and the places in the program that asked."""
    if "error" in found:
        yield found["error"]
        return
    others = other_steps(found)
    if found["outputs_without_room"] and not others:
        yield f"no memory could be given for {', '.join(found['outputs_without_room'])}"
    if bool(others) != expects_others:
        yield f"has {describe(others) or 'launches alone'}, expected {'other steps' if expects_others else 'launches alone'}: tests/rules/allocations.py"
    stacks = found["launch_stacks"]
    if not others:
        for what, number in (("with the same sizes", found["same"]), ("with sizes in turn", found["in_turn"])):
            if number:
                yield f"asked for memory {number} times in calls {what}"
        stacks = found["stacks"] + stacks
        if found["after_steps"] + sum(step["allocations"] for step in found["steps"]):
            yield "asked for memory in a call with a trace"
    if found["in_launches"]:
        yield f"launches asked for memory {found['in_launches']} times"
    if found.get("not_written_down"):
        yield f"{found['not_written_down']} requests were too many to be written down"
    if any(faulty for faulty in (found["in_launches"], not others and found["same"] + found["in_turn"])):
        for stack in stacks[:1]:
            yield from (f"    {line}" for line in stack[:8])


def describe(others):
    return ", ".join(f"{number} {kind}" for kind, number in sorted(others.items(), key=lambda item: -item[1]))


def told(found):
    """One line: what was counted, and of which operators."""
    if "error" in found:
        return "nothing was counted"
    others = other_steps(found)
    if not others:
        return f"{describe(found['kinds'])}; {found['same'] + found['in_turn']} allocations"
    by = collections.Counter()
    for step in found["steps"]:
        by[step["op"] or step["kind"]] += step["allocations"]
    names = ", ".join(f"{name} {number}" for name, number in by.most_common(6))
    return f"{describe(found['kinds'])}; a call of each size: {names or 'none'}, after the last step {found['after_steps']}"


class Report:
    def __init__(self):
        self.passed = self.failed = 0

    def add(self, name, wrong, text):
        wrong = list(wrong)
        self.passed, self.failed = self.passed + (not wrong), self.failed + bool(wrong)
        print(f"{'FAIL' if wrong else 'ok  '} {name:28} {text}")
        for line in wrong:
            print(f"     {line}")
        sys.stdout.flush()

    def finish(self):
        print(f"{self.passed} passed, {self.failed} failed")
        return 1 if self.failed else 0


def models(options):
    report = Report()
    for model in model_plans.chosen(options.ids):
        cases = [{name: entry["file"] for name, entry in inputs.items()} for inputs in model_plans.cases(model).values()]
        for threads in (1, 2):
            found = count(options, options.plans / f"{model}.jxp", cases, threads)
            report.add(f"{model}, {threads} thread{'s' * (threads > 1)}", faults(found, model in OTHER_STEPS), told(found))
    return report.finish()


def modules(options):
    """(module, input, shapes, whether it has other steps)."""
    import numpy as np

    report = Report()
    table = [
        ("docs/spec/mlp.mlir", "x", ([4, 2], [3, 2], [4096, 2]), False),
        ("tests/rules/modules/outputs.mlir", "x", ([4, 6], [1, 6], [70000, 6]), False),
        ("tests/rules/modules/host_step.mlir", "x", ([40], [3]), True),
        ("tests/lit/driver/Inputs/window.mlir", "x", ([1, 1, 9], [1, 1, 100000]), False),
    ]
    with tempfile.TemporaryDirectory() as folder:
        for path, name, shapes, others in table:
            plan = pathlib.Path(folder) / "module.jxp"
            subprocess.run([options.jinx, "compile", ROOT / path, "-o", plan], check=True, capture_output=True)
            cases = []
            for i, shape in enumerate(shapes):
                file = pathlib.Path(folder) / f"{i}.npy"
                np.save(file, np.linspace(-1, 1, int(np.prod(shape)), dtype=np.float32).reshape(shape))
                cases.append({name: file})
            for threads in (1, 2):
                found = count(options, plan, cases, threads)
                report.add(f"{pathlib.Path(path).name}, {threads} thread{'s' * (threads > 1)}", faults(found, others), told(found))
    return report.finish()


def self_test():
    good = {"kinds": {"launch": 3, "copy": 1}, "outputs_without_room": [], "same": 0, "in_turn": 0, "stacks": [], "launch_stacks": [], "steps": [],
            "after_steps": 0, "in_launches": 0}  # fmt: skip
    host = good | {"kinds": {"launch": 3, "host": 1}, "same": 9, "in_turn": 9, "steps": [{"op": "NonZero", "kind": "host", "allocations": 3}]}
    step = {"op": "", "kind": "launch", "allocations": 1}
    cases = [
        ({"error": "exit -11: "}, False, "exit -11"), (good, False, None), (host, True, None), (good | {"same": 1}, False, "same sizes"), (good | {"in_turn": 1}, False, "in turn"),
        (good | {"steps": [step]}, False, "with a trace"), (good | {"after_steps": 1}, False, "with a trace"), (host | {"in_launches": 1}, True, "launches asked"),
        (good | {"kinds": {"launch": 1, "control": 1}, "in_turn": 2}, False, "in turn"), (host, False, "expected launches alone"), (good, True, "expected other steps"), (good | {"outputs_without_room": ["y"]}, False, "no memory could be given"),
        (host | {"not_written_down": 5}, True, "too many"),
    ]  # fmt: skip
    bad = []
    for found, others, said in cases:
        wrong = list(faults(found, others))
        if (said is None and wrong) or (said is not None and not any(said in line for line in wrong)):
            bad.append(f"expected {said!r}, got {wrong}")
    print(*bad, f"{len(cases) - len(bad)} passed, {len(bad)} failed", sep="\n")
    return 1 if bad else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ids", nargs="*", metavar="ID")
    parser.add_argument("--counter", type=pathlib.Path)
    parser.add_argument("--jinx", type=pathlib.Path)
    parser.add_argument("--plans", type=pathlib.Path)
    parser.add_argument("--modules", action="store_true")
    parser.add_argument("--self-test", action="store_true")
    options = parser.parse_args()
    if options.self_test:
        return self_test()
    return modules(options) if options.modules else models(options)


if __name__ == "__main__":
    sys.exit(main())
