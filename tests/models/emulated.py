"""Runs named models whole on the emulated CUDA device and compares every oracle case.

Usage: emulated.py JINX_BINARY [ID…]

The models are compiled for cuda:sm_90a; steps left on the host are printed. Cases and tolerance are those of compile_and_compare.py.
"""
import subprocess
import sys
import tempfile
import time

from compile_and_compare import CACHE, run_case

MODELS = ["attacut-sc", "magika"]


def main():
    jinx, chosen = sys.argv[1], sys.argv[2:] or MODELS
    passed = failed = 0
    with tempfile.TemporaryDirectory() as work:
        for model in chosen:
            plan = f"{work}/{model}.jxp"
            done = subprocess.run([jinx, "compile", str(CACHE / "models" / f"{model}.onnx"), "--target", "cuda:sm_90a", "-o", plan],
                                  capture_output=True, text=True, timeout=300)
            print(done.stdout.strip() or f"{model}: {done.stderr.strip()[:300]}")
            if done.returncode:
                failed += 1
                continue
            for case in sorted((CACHE / "oracle" / model).iterdir()):
                start = time.monotonic()
                problem = run_case(jinx, plan, case, f"{work}/out-{model}-{case.name}", device="emulated", timeout=600)
                failed, passed = failed + bool(problem), passed + (not problem)
                print(f"{'FAILED' if problem else 'ok'} {model}/{case.name} ({time.monotonic() - start:.1f} s) {problem}".rstrip())
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or passed == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
