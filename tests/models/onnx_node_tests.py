#!/usr/bin/env python3
"""Do ONNX's node tests, and the com.microsoft cases made with onnxruntime, pass on the CPU, all but those that are known to fail?

node_failures.json names each case that fails, a part of what it says, and why. A case that fails and is not listed is an error, and so
are a listed case that passes, fails otherwise, or does not exist. A crash is always an error, and so is a failure of an operator that
a named model uses. The run also makes docs/reference/onnx-operators.md, and says when the one in the tree is another.

    onnx_node_tests.py --jinx build/dev/bin/jinx [--write]      --write: replaces the page
    onnx_node_tests.py --self-test                              does the judge see what it is for?
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile

try:
    import onnx
except ImportError as missing:
    print(f"skipped: {missing}; run this with the Python of ./dev setup ($JINX_CACHE/python/bin/python)")
    sys.exit(77)

ROOT = pathlib.Path(__file__).resolve().parents[2]
CACHE = pathlib.Path(os.environ.get("JINX_CACHE") or pathlib.Path.home() / ".cache" / "jinx")
PAGE = ROOT / "docs" / "reference" / "onnx-operators.md"
FAILURES = ROOT / "tests" / "models" / "node_failures.json"
MODELS = ROOT / "tools" / "models" / "models.json"
NODE_CASES, CONTRIB_CASES = 1884, 471
# What must pass though no named model uses it.
REQUIRED = {"Einsum", "LeakyRelu", "Greater", "Less", "Min", "Abs", "Range", "ScatterND"}

sys.path.insert(0, str(ROOT / "tools" / "docs"))
sys.path.insert(0, str(ROOT / "tools" / "models"))
import onnx_operators  # noqa: E402


def judge(records, known, operators, required) -> list[str]:
    """What is wrong, a line each."""
    wrong = []
    names = {record["case"] for record in records}
    wrong += [f"{name} is listed in {FAILURES.name}, but there is no such case" for name in known if name not in names]
    for record in records:
        name, reason = record["case"], record.get("reason", "")
        listed = known.get(name)
        if record["passed"]:
            if listed:
                wrong.append(f"{name} passes, but is listed in {FAILURES.name}: take it out")
        elif "crashed with" in reason or reason.startswith("internal: "):
            wrong.append(f"{name}: {reason}")
        elif not listed:
            wrong.append(f"{name} fails and is not listed in {FAILURES.name}: {reason}")
        elif listed["says"] not in reason:
            wrong.append(f"{name} fails otherwise than {FAILURES.name} says ({listed['says']}): {reason}")
        elif needed := sorted(operators[name] & required):
            wrong.append(f"{name} fails, and {', '.join(needed)} must pass: {reason}")
    return wrong


def self_test() -> int:
    passes = {"case": "a", "passed": True}
    fails = {"case": "a", "passed": False, "reason": "x is 1, expected 2"}
    crashes = {"case": "a", "passed": False, "reason": "crashed with SIGSEGV"}
    listed = {"a": {"says": "x is 1", "why": ""}}
    otherwise = {"a": {"says": "y is 1", "why": ""}}
    crash_listed = {"a": {"says": "crashed", "why": ""}}
    good = [([passes], {}, set()), ([fails], listed, set()), ([fails], listed, {"::B"})]
    bad = [([fails], {}, set()), ([passes], listed, set()), ([fails], otherwise, set()), ([], listed, set()), ([crashes], {}, set()),
           ([crashes], crash_listed, set()), ([fails], listed, {"::A"})]
    wrong = [case for case in good if judge(case[0], case[1], {"a": {"::A"}}, case[2])]
    wrong += [case for case in bad if len(judge(case[0], case[1], {"a": {"::A"}}, case[2])) != 1]
    for case in wrong:
        print("the judge is wrong about", case)
    print(f"{len(good) + len(bad) - len(wrong)} passed, {len(wrong)} failed")
    return 1 if wrong else 0


def graphs(graph):
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            for inner in [attribute.g, *attribute.graphs] if attribute.HasField("g") else attribute.graphs:
                yield from graphs(inner)


def used_by_named_models() -> set[str]:
    """Operators of the models in the cache; says which are not there."""
    used, missing = set(), []
    for entry in json.loads(MODELS.read_text())["models"]:
        path = CACHE / "models" / f"{entry['id']}.onnx"
        if not path.is_file():
            missing.append(entry["id"])
            continue
        model = onnx.load(str(path), load_external_data=False)
        for graph in [*graphs(model.graph), *model.functions]:
            used |= {onnx_operators.key(node.domain, node.op_type) for node in graph.node}
    if missing:
        print(f"operators not looked at, of models that are not in the cache (./dev models): {', '.join(missing)}")
    return used


def run_cases(jinx, folders):
    """The records of `jinx verify-onnx`, and each case's operators."""
    with tempfile.TemporaryDirectory() as scratch:
        results = pathlib.Path(scratch) / "results.json"
        command = [jinx, "verify-onnx", *map(str, folders), "-j", str(len(os.sched_getaffinity(0))), "--timeout", "600", "--json", str(results)]
        done = subprocess.run(command, stdout=subprocess.DEVNULL)
        if not results.is_file():
            raise SystemExit(f"error: jinx verify-onnx ended with exit status {done.returncode} and no results")
        records = json.loads(results.read_text())
    paths = {path.parent.name: path for folder in folders for path in folder.glob("*/model.onnx")}
    return records, {record["case"]: onnx_operators.operators_of(onnx.load(str(paths[record["case"]]))) for record in records}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jinx", type=pathlib.Path, default=ROOT / "build/dev/bin/jinx")
    parser.add_argument("--rows", type=pathlib.Path, help="the program jinx-list-operators (default: beside jinx)")
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--self-test", action="store_true")
    arguments = parser.parse_args()
    if arguments.self_test:
        return self_test()
    folder = CACHE / f"onnx-node-tests-{onnx.__version__}"
    if not folder.is_dir():
        print(f"skipped: no {folder}: run ./dev models")
        return 77
    import contrib_tests  # needs onnxruntime

    records, operators = run_cases(arguments.jinx, [folder, contrib_tests.ensure()])
    known = json.loads(FAILURES.read_text())
    wrong = judge(records, known, operators, used_by_named_models() | {"::" + name for name in REQUIRED})
    for count, name, cases in ((NODE_CASES, "ONNX node tests", folder), (CONTRIB_CASES, "com.microsoft cases", contrib_tests.FOLDER)):
        if (found := sum(1 for _ in cases.glob("*/model.onnx"))) != count:
            wrong.append(f"there are {found} {name}, expected {count}")
    rows = subprocess.run([arguments.rows or arguments.jinx.with_name("jinx-list-operators")], capture_output=True, text=True, check=True).stdout
    page = onnx_operators.page(records, operators, rows, known)
    if arguments.write:
        PAGE.write_text(page)
    elif not PAGE.is_file() or PAGE.read_text() != page:
        wrong.append(f"{PAGE.relative_to(ROOT)} is out of date: run tests/models/onnx_node_tests.py --write and look at the difference")
    for line in wrong:
        print("FAIL", line)
    passed = sum(record["passed"] for record in records)
    print(f"{passed} passed, {len(records) - passed} failed as listed or above, {len(wrong)} wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
