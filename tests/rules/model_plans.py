#!/usr/bin/env python3
"""Compiles every model of tools/models/models.json for the tests of this folder, and says with which inputs each is run.

A plan that is younger than the compiler and its model is kept. Models and cases are those of `./dev models`; what is not there is named.

    model_plans.py --jinx build/dev/bin/jinx --plans FOLDER [ID…]
"""

import argparse
import concurrent.futures
import json
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
CACHE = pathlib.Path(os.environ.get("JINX_CACHE") or pathlib.Path.home() / ".cache" / "jinx")
SKIP = 77


def table():
    return [model["id"] for model in json.loads((ROOT / "tools/models/models.json").read_text())["models"]]


def cases(model):
    """{case: {input: {"file": path, "shape": […]}}}, as tests/models/oracle.py keeps them."""
    found = {}
    for path in sorted((CACHE / "oracle" / model).glob("*/case.json")):
        inputs = json.loads(path.read_text())["inputs"]
        found[path.parent.name] = {name: entry | {"file": path.parent / "inputs" / entry["file"]} for name, entry in inputs.items()}
    return found


def is_there(model):
    return (CACHE / "models" / f"{model}.onnx").is_file() and bool(cases(model))


def compile_model(jinx, plans, model):
    """None, or what went wrong."""
    source, plan = CACHE / "models" / f"{model}.onnx", plans / f"{model}.jxp"
    if plan.exists() and plan.stat().st_mtime > max(source.stat().st_mtime, jinx.stat().st_mtime):
        return None
    dims = json.loads((ROOT / "tests/models/cases.json").read_text())["dims"].get(model, [])
    command = [jinx, "compile", source, "-o", plan, *(flag for dim in dims for flag in ("--dim", dim))]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    return f"{model}: exit {done.returncode}: {done.stderr.strip()[-400:]}" if done.returncode else None


def chosen(names):
    """The models to look at that are there; the others are named. Ends the program when nothing is there."""
    missing = [model for model in names or table() if not is_there(model)]
    there = [model for model in names or table() if model not in missing]
    for model in missing:
        print(f"skipped {model}: no model or no cases in {CACHE}: run ./dev models")
    if not there:
        sys.exit(SKIP)
    return there


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ids", nargs="*", metavar="ID")
    parser.add_argument("--jinx", type=pathlib.Path, required=True)
    parser.add_argument("--plans", type=pathlib.Path, required=True)
    options = parser.parse_args()
    there = chosen(options.ids)
    options.plans.mkdir(parents=True, exist_ok=True)
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        faults = [fault for fault in pool.map(lambda model: compile_model(options.jinx, options.plans, model), there) if fault]
    print(*faults, f"{len(there)} plans in {options.plans}, {len(faults)} failed", sep="\n")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
