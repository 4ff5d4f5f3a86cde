#!/usr/bin/env python3
"""Do real models run whole on the emulated CUDA device? Compiles for cuda:sm_90a, runs every oracle case, compares as check_models.py does.

    emulated.py JINX_BINARY [ID…]

Exit status: 0 when nothing failed, 1 when something did, 77 when nothing could be run.
"""

import json
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
from check_models import HERE, Report, check_case, guarded
from known_answers import CACHE

MODELS = ["attacut-sc", "dtln-1", "magika"]
SECONDS = 600  # of one run; the emulator interprets nothing but switches contexts at every barrier


class EmulatedEngine:
    """Plans for CUDA, run by `jinx run --device emulated`."""

    def __init__(self, jinx: str, work: pathlib.Path):
        self.jinx, self.work, self.plans = jinx, work, {}

    def call(self, *arguments) -> str:
        done = subprocess.run([self.jinx, *map(str, arguments)], capture_output=True, text=True, timeout=SECONDS)
        if done.returncode:
            raise RuntimeError(f"jinx {arguments[0]}: exit {done.returncode}: {done.stderr.strip()[:300]}")
        return done.stdout.strip()

    def compile(self, model: str) -> None:
        if model not in self.plans:
            plan = self.work / f"{model}.jxp"
            print(self.call("compile", CACHE / "models" / f"{model}.onnx", "--target", "cuda:sm_90a", "-o", plan))
            self.plans[model] = plan

    def run(self, model: str, inputs: dict) -> dict:
        self.compile(model)
        folder = pathlib.Path(tempfile.mkdtemp(dir=self.work))
        arguments = []
        for index, (name, value) in enumerate(inputs.items()):
            np.save(folder / f"in{index}.npy", value)
            arguments += ["--input", f"{name}={folder / f'in{index}.npy'}"]
        self.call("run", self.plans[model], "--device", "emulated", "--threads", "2", *arguments, "--output-dir", folder / "out")
        return {file.stem: np.load(file) for file in (folder / "out").glob("*.npy")}


def main() -> int:
    report = Report()
    steps = json.loads((HERE / "cases.json").read_text()).get("quantisation_steps", {})
    with tempfile.TemporaryDirectory() as work:
        engine = EmulatedEngine(sys.argv[1], pathlib.Path(work))
        for model in sys.argv[2:] or MODELS:
            cases = sorted((CACHE / "oracle" / model).glob("*/case.json"))
            if not cases:
                report.skip(model, "no expected outputs in the cache: run ./dev models")
            for path in cases:
                guarded(report, f"{model}/{path.parent.name}", lambda: check_case(engine, model, path.parent, steps.get(model, {})))
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
