#!/usr/bin/env python3
"""Do the plans for CUDA compute what they should, before a GPU is asked? Tiny cases under the emulator, against float64.

    ./dev bench gpu-pack DIR --tiny
    python3 tests/bench/gpu/emulate.py DIR [--only PATTERN…]

Steps on the host run there, and are counted: a case with some is right or wrong all the same, but no GPU would time it yet.
"""

import argparse
import fnmatch
import json
import pathlib
import re
import subprocess
import sys
import tempfile

import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[2]
sys.path.insert(0, str(HERE))

import carry  # noqa: E402
import cases  # noqa: E402
import machines  # noqa: E402
import references  # noqa: E402


def run_plan(options, machine, case, plan: pathlib.Path, inputs, folder: pathlib.Path):
    """The outputs of the plan."""
    command = [str(options.jinx), "run", str(plan), "--device", "emulated", "--output-dir", str(folder / "out")]
    for operand, x in zip(case.inputs, inputs):
        np.save(folder / f"{operand.name}.npy", x.view(np.uint16) if operand.dtype == "bf16" else x)
        command += ["--input", f"{operand.name}={folder / operand.name}.npy"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError((done.stderr or done.stdout).strip()[:400])
    return [np.load(folder / "out" / f"{o.name}.npy").view(machine.type_of(o.dtype)).reshape(o.shape) for o in case.outputs]


def host_steps(options, plan: pathlib.Path) -> int:
    said = subprocess.run([str(options.jinx), "inspect", str(plan)], capture_output=True, text=True).stdout
    found = re.search(r"\((\d+) on the host\)", said)
    return int(found.group(1)) if found else len(re.findall(r"^\s+\d+\s+host\s", said, re.M))


def check(options, machine, case, entry) -> bool:
    machine.seed(41)
    inputs = machines.inputs_of(machine, case)
    want = references.REFERENCES[case.kind](machine.math, case, *inputs)
    right = True
    for name, plan in entry["plans"].items():
        if "path" not in plan:
            print(f"skip {case.name}: {plan['refused'][:120]}")
            continue
        path = carry.restored(options.folder, plan)
        with tempfile.TemporaryDirectory() as folder:
            try:
                verdict = references.compare(machine.math, case, run_plan(options, machine, case, path, inputs, pathlib.Path(folder)), want)
                text = f"error {verdict['norm']:.1e}, worst {verdict['worst']:.2f}"
            except RuntimeError as error:
                verdict, text = {"ok": False}, str(error)
        right &= verdict["ok"]
        on_host = host_steps(options, path)
        print(f"{'ok  ' if verdict['ok'] else 'FAIL'} {case.name:42} {name:10} {text}{f'  ({on_host} steps on the host)' if on_host else ''}", flush=True)
    return right


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--only", nargs="+", metavar="PATTERN", default=["*"])
    parser.add_argument("--jinx", type=pathlib.Path, default=ROOT / "build" / "dev" / "bin" / "jinx")
    options = parser.parse_args()
    manifest = json.loads((options.folder / "manifest.json").read_text())
    if not manifest["tiny"] or not manifest["target"].startswith("cuda"):
        raise SystemExit("error: the emulator takes tiny cases for CUDA: ./dev bench gpu-pack DIR --tiny")
    patterns = [p if any(c in p for c in "*?[") else f"*{p}*" for p in options.only]
    machine = machines.Host()
    chosen = [c for c in cases.table(tiny=True) if c.name in manifest["cases"] and any(fnmatch.fnmatch(c.name, p) for p in patterns)]
    wrong = [c.name for c in chosen if not check(options, machine, c, manifest["cases"][c.name])]
    print(f"{len(chosen) - len(wrong)} right, {len(wrong)} wrong" + (f": {', '.join(wrong)}" if wrong else ""))
    return 1 if wrong or not chosen else 0


if __name__ == "__main__":
    sys.exit(main())
