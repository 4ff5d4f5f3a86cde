#!/usr/bin/env python3
"""The numeric tests of tests/numeric/cuda_*.py on a real GPU: their plans, their inputs, their oracles, the GPU's answers.

    numeric.py record DIR [NAME…]    (a machine with the compiler) every plan and input that the tests would have run, into DIR
    numeric.py run DIR [--every N] [--without TEXT]    (a machine with the GPU) runs them through libjinx.so; answers into DIR/answers
    numeric.py judge DIR [NAME…]     (the first machine again) the tests, with those answers in place of the emulator's

The tests call a program `jinx`; this file stands in for it. It compiles with the real one; where the tests ask for a run on the emulated
device, it notes the run, or answers with what the GPU said. A run is known by the bytes of its plan and inputs, so a test that draws other
numbers finds no answer and fails. `--every` takes each N-th run: under compute-sanitizer a few are enough
(`compute-sanitizer --tool racecheck python3 numeric.py run DIR --every 20`).
"""
import argparse
import collections
import concurrent.futures
import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tarfile
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
LARGEST = 450_000  # bytes of inputs that a run may have to be taken along
NAMES = ["cuda_attention", "cuda_attention_grad", "cuda_codes", "cuda_decode", "cuda_gates", "cuda_grouped", "cuda_heads", "cuda_ops", "cuda_products", "cuda_row_strips", "cuda_rows", "cuda_scaled"]


def digest(path):
    return hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest()[:24]


def keep(path, folder):
    """A file's copy under the name of its content."""
    name = digest(path) + pathlib.Path(path).suffix
    if not (folder / name).exists():
        shutil.copyfile(path, folder / name)
    return name


def stand_in(folder, mode, arguments):
    """What the tests take for jinx: ends with the exit status that it would have."""
    if arguments[0] != "run" or "emulated" not in arguments:
        os.execv(os.environ["JINX_REAL"], [os.environ["JINX_REAL"], *arguments])
    given = lambda flag: [arguments[at + 1] for at, word in enumerate(arguments) if word == flag]
    inputs = dict(text.split("=", 1) for text in given("--input"))
    plan = next(word for word in arguments[1:] if word.endswith(".jxp"))
    key = hashlib.sha256(json.dumps([digest(plan), {name: digest(path) for name, path in sorted(inputs.items())}]).encode()).hexdigest()[:24]
    if mode == "record":
        if sum(pathlib.Path(path).stat().st_size for path in inputs.values()) > LARGEST:
            raise SystemExit("too large to take along, left out")
        run = {"plan": keep(plan, folder / "plans"), "inputs": {name: keep(path, folder / "inputs") for name, path in inputs.items()}}
        (folder / "runs" / f"{key}.json").write_text(json.dumps(run))
        raise SystemExit("noted, not run")
    answer, out = folder / "answers" / key, pathlib.Path(given("--output-dir")[0])
    if not (folder / "runs" / f"{key}.json").exists():
        raise SystemExit("this run was not recorded")
    if (answer / "error.txt").exists():
        raise SystemExit((answer / "error.txt").read_text())
    if not answer.exists():
        raise SystemExit("the GPU has not run this")
    shutil.copytree(answer, out, dirs_exist_ok=True)


def tests(folder, mode, names, jinx):
    """Runs the tests with the stand-in; prints how each ended."""
    with tempfile.TemporaryDirectory() as work:
        program = pathlib.Path(work) / "jinx"
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{__file__}" stand-in "{folder}" {mode} "$@"\n')
        program.chmod(0o755)
        failed = left = 0
        for name in names or NAMES:
            done = subprocess.run([sys.executable, ROOT / "tests" / "numeric" / f"{name}.py", "--jinx", program], env={**os.environ, "JINX_REAL": str(jinx)}, capture_output=True, text=True)
            failed += done.returncode != 0
            lines = done.stdout.strip().splitlines()
            left += sum("left out" in line for line in lines)
            if mode == "judge":
                print(*(f"  {line}" for line in lines[:-1][:40]), sep="\n")
            print(f"{name}: {lines[-1] if lines else done.stderr[-400:]}", flush=True)
        print(f"{left} runs are too large to take along and are left out")
        return failed


def record(folder, names, jinx):
    for part in ("plans", "inputs", "runs"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    tests(folder, "record", names, jinx)
    print(f"{len(list((folder / 'runs').iterdir()))} runs of {len(list((folder / 'plans').iterdir()))} plans in {folder}")


def run(folder, device, every, without, threads):
    import numpy as np

    sys.path[:0] = [str(HERE), str(HERE.parent / "models")]
    import jinx_capi

    library, errors = jinx_capi.Library(), 0
    runs = collections.defaultdict(list)
    for path in sorted((folder / "runs").glob("*.json"))[::every]:
        plan = json.loads(path.read_text())["plan"]
        if not without or without.encode() not in (folder / "plans" / plan).read_bytes():
            runs[plan].append(path)

    def run_plan(plan):
        """Every run of a plan; how many failed. Most of the time goes to NVRTC, which several threads ask at once."""
        session, failed = None, 0
        for path in runs[plan]:
            said, answer = json.loads(path.read_text()), folder / "answers" / path.stem
            answer.mkdir(parents=True, exist_ok=True)
            try:
                session = session or jinx_capi.Session(library, folder / "plans" / plan, device=device)
                values = {name: np.load(folder / "inputs" / file) for name, file in said["inputs"].items()}
                # numpy knows no bfloat16 and no 8-bit floats: the file has their bytes, the plan says what they are.
                for port in session.inputs:
                    if port.dtype is not None and port.name in values and values[port.name].dtype != port.dtype:
                        values[port.name] = values[port.name].view(port.dtype)
                for name, value in session.run(values).items():
                    np.save(answer / f"{name.replace('/', '_')}.npy", value if value.dtype.isbuiltin == 1 else value.view(f"V{value.itemsize}"))
            except jinx_capi.JinxError as error:
                failed += 1
                (answer / "error.txt").write_text(str(error))
        return failed

    with concurrent.futures.ThreadPoolExecutor(threads) as pool:
        errors = sum(pool.map(run_plan, runs))
    with tarfile.open(folder / "answers.tar.xz", "w:xz", preset=1) as pack:
        pack.add(folder / "answers", "answers")
    print(f"{sum(map(len, runs.values()))} runs of {len(runs)} plans, {errors} errors")
    return errors


def main():
    if sys.argv[1:2] == ["stand-in"]:
        return stand_in(pathlib.Path(sys.argv[2]), sys.argv[3], sys.argv[4:])
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("mode", choices=["record", "run", "judge"])
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(NAMES)}")
    parser.add_argument("--jinx", type=pathlib.Path, default=ROOT / "build" / "dev" / "bin" / "jinx")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--without", default="", metavar="TEXT", help="leave out plans whose kernels say this")
    parser.add_argument("--threads", type=int, default=12)
    options = parser.parse_args()
    folder = options.folder.resolve()
    if options.mode == "run":
        sys.exit(run(folder, options.device, options.every, options.without, options.threads) != 0)
    if options.mode == "judge":
        sys.exit(tests(folder, "judge", options.names, options.jinx.resolve()) != 0)
    record(folder, options.names, options.jinx.resolve())


main()
