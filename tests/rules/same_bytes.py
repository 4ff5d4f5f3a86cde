#!/usr/bin/env python3
"""Does a model become the same plan, byte for byte, whoever compiles it? With other numbers of threads, and from another folder; for a GPU
with cubins, each time compiled anew.

    same_bytes.py --jinx build/dev/bin/jinx [MODEL…]
"""

import argparse
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import model_plans

ROOT = pathlib.Path(__file__).resolve().parents[2]


CUBINS = ["--target", "cuda:sm_90a", "--cubins"]


def compile_bytes(jinx, model, threads, folder, words=()):
    plan = folder / "out.jxp"
    with tempfile.TemporaryDirectory() as cache:  # of cubins
        command = [jinx, "compile", model, "-o", plan, "--threads", str(threads), *words]
        done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "JINX_CACHE": cache})
    if "cannot open NVRTC" in done.stderr:
        return None
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}: {done.stderr}")
    return plan.read_bytes()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", type=pathlib.Path)
    parser.add_argument("--jinx", type=pathlib.Path, required=True)
    options = parser.parse_args()
    named = [model_plans.CACHE / "models" / f"{name}.onnx" for name in ("dtln-1", "mtcnn-rnet")]  # 10 kernels and 8
    models = options.models or [ROOT / "docs/spec/mlp.mlir", *(path for path in named if path.exists())]
    for path in named if not options.models else ():
        if not path.exists():
            print(f"skipped {path.stem}: run ./dev models")
    failed = passed = 0
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        for model, words in [*((model, ()) for model in models), (models[0], CUBINS)]:
            copy = pathlib.Path(other) / model.name
            shutil.copy(model, copy)
            first = compile_bytes(options.jinx, model, 1, pathlib.Path(one), words)
            if first is None:
                print("skipped cubins: no NVRTC, set JINX_NVRTC")
                continue
            for what, path, threads in (("2 threads", model, 2), ("7 threads", model, 7), ("another folder", copy, 1)):
                same = compile_bytes(options.jinx, path, threads, pathlib.Path(other), words) == first
                passed, failed = passed + same, failed + (not same)
                if not same:
                    print(f"FAIL {' '.join((model.name, *words))}: {what} gives other bytes than one thread")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
