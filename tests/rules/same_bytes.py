#!/usr/bin/env python3
"""Does a model become the same plan, byte for byte, whoever compiles it? With other numbers of threads, and from another folder.

    same_bytes.py --jinx build/dev/bin/jinx [MODEL…]
"""

import argparse
import pathlib
import shutil
import subprocess
import sys
import tempfile

import model_plans

ROOT = pathlib.Path(__file__).resolve().parents[2]


def compile_bytes(jinx, model, threads, folder):
    plan = folder / "out.jxp"
    subprocess.run([jinx, "compile", model, "-o", plan, "--threads", str(threads)], check=True, capture_output=True)
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
    failed = 0
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        for model in models:
            copy = pathlib.Path(other) / model.name
            shutil.copy(model, copy)
            first = compile_bytes(options.jinx, model, 1, pathlib.Path(one))
            for what, path, threads in (("2 threads", model, 2), ("7 threads", model, 7), ("another folder", copy, 1)):
                if compile_bytes(options.jinx, path, threads, pathlib.Path(other)) != first:
                    print(f"FAIL {model.name}: {what} gives other bytes than one thread")
                    failed += 1
    print(f"{3 * len(models) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
