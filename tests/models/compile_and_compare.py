"""Compiles every named model once and runs all oracle cases from that one plan.

Usage: compile_and_compare.py JINX_BINARY [ID…]

A case is a folder with inputs/*.npy and outputs/*.npy (tests/models/oracle.py makes them with onnxruntime). An output matches when
|a - b| <= 1e-4 + 1e-3 * |b| everywhere. Known failures are listed below with their reason: they are run, counted and named, and a
known failure that starts to pass fails the test, so that the list stays true.
"""
import os
import pathlib
import subprocess
import sys
import tempfile

import numpy as np

CACHE = pathlib.Path(os.environ.get("JINX_CACHE", pathlib.Path.home() / ".cache/jinx"))
MODELS = """magika ocr4-det ocr4-rec ocr-cls centerface orient mtcnn-pnet mtcnn-rnet mtcnn-onet silero-seq silero-if dtln-1 dtln-2
basic-pitch minilm-l3 lac deepcut attacut-c attacut-sc tashkeel-int8 resnet50-thin silero""".split()
DIMS = {"centerface": ["input.1:0=1..64", "input.1:2=32..2048", "input.1:3=32..2048"]}
KNOWN_FAILURES = {
    "tashkeel-int8": "DynamicQuantizeLSTM and the quantised products around it differ from onnxruntime",
}


def matches(got, want):
    if got.shape != want.shape:
        return f"shape {got.shape}, expected {want.shape}"
    got, want = got.astype(np.float64), want.astype(np.float64)
    if not np.array_equal(np.isnan(got), np.isnan(want)):
        return "NaN at different places"
    error = np.abs(got - want) - (1e-4 + 1e-3 * np.abs(want))
    worst = np.nanmax(error) if error.size else -1
    return "" if worst <= 0 else f"exceeds the tolerance by {worst:.3g}"


def run_case(jinx, plan, case, out, device="cpu", timeout=120):
    command = [jinx, "run", plan, "--device", device, "--threads", "2", "--output-dir", out]
    for file in sorted((case / "inputs").glob("*.npy")):
        command += ["--input", f"{file.stem}={file}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout)
    if done.returncode:
        return f"exit {done.returncode}: {done.stderr.strip()[:200]}"
    for file in sorted((case / "outputs").glob("*.npy")):
        got = pathlib.Path(out) / file.name
        if not got.exists():
            return f"no output {file.stem}"
        problem = matches(np.load(got), np.load(file))
        if problem:
            return f"{file.stem}: {problem}"
    return ""


def main():
    jinx, chosen = sys.argv[1], sys.argv[2:] or MODELS
    passed = failed = known = 0
    with tempfile.TemporaryDirectory() as work:
        for model in chosen:
            plan = f"{work}/{model}.jxp"
            dims = [a for d in DIMS.get(model, []) for a in ("--dim", d)]
            done = subprocess.run([jinx, "compile", str(CACHE / "models" / f"{model}.onnx"), "-o", plan, *dims], capture_output=True, text=True,
                                  timeout=300)
            for case in sorted((CACHE / "oracle" / model).iterdir()):
                name = f"{model}/{case.name}"
                problem = run_case(jinx, plan, case, f"{work}/out-{model}-{case.name}") if done.returncode == 0 else done.stderr.strip()[:200]
                expected = KNOWN_FAILURES.get(name) or KNOWN_FAILURES.get(model)
                if problem and expected:
                    known += 1
                    print(f"known failure {name}: {problem} ({expected})")
                elif problem:
                    failed += 1
                    print(f"FAILED {name}: {problem}")
                elif expected and name in KNOWN_FAILURES:
                    failed += 1
                    print(f"FAILED {name}: listed as a known failure, but passes: remove it from the list")
                else:
                    passed += 1
                    print(f"ok {name}")
    print(f"{passed} passed, {failed} failed, {known} known failures")
    return 1 if failed or passed == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
