#!/usr/bin/env python3
"""How far are quantized models from their float ones on real inputs? `jinx quantize` with each scheme on each model of real_inputs.py.

The float answers are onnxruntime's; the measures are real_inputs.py's. What a scheme does not touch (convolutions, of int4 and nf4) is float.

    quantized_accuracy.py --jinx build/dev/bin/jinx [MODEL…] [--scheme SCHEME…] [--json FILE]
    quantized_accuracy.py --reference …      the same of fake_quantization.py, in onnxruntime: what the bounds are worth

Exit status: 1 when a bound is missed, 77 when this jinx has no `quantize` or nothing could be fetched.
"""

import argparse
import json
import pathlib
import sys
import tempfile

import numpy as np

import fake_quantization
import model_runs
from packages import Missing
from real_inputs import FIXTURES, Fixture

# The least of the two numbers of a measure. int8 is what is asked for; the others are what --reference reaches, with a margin.
BOUNDS = {
    "digits-mlp": {"int8": (-0.5, 0.99), "int8-dynamic": (-0.5, 0.99), "fp8": (-0.5, 0.98), "int4": (-1.0, 0.97), "nf4": (-1.5, 0.97)},
    "digits-cnn": {"int8": (-0.5, 0.99), "int8-dynamic": (-0.5, 0.99), "fp8": (-0.5, 0.98), "int4": (-1.0, 0.97), "nf4": (-1.0, 0.97)},
    "minilm-l6": {"int8": (0.99, 0.98), "int8-dynamic": (0.99, 0.985), "fp8": (0.99, 0.985), "int4": (0.96, 0.94), "nf4": (0.95, 0.93)},
    "resnet50-thin": {"int8": (0.99, 0.95), "int8-dynamic": (0.99, 0.95), "fp8": (0.9, 0.8)},  # one matrix, behind the features
}


def quantized_by_jinx(jinx: pathlib.Path, fixture: Fixture, scheme: str, folder: pathlib.Path):
    """DATA.npz holds one call: each input under its name, items along the first dimension."""
    np.savez(folder / "data.npz", **fixture.calibration())
    model_runs.call(jinx, "quantize", fixture.path(), "--scheme", scheme, "--calibrate", folder / "data.npz", "-o", folder / "plan.jxp")
    return model_runs.open_plan(folder / "plan.jxp", 2, model_runs.library_beside(jinx))


def quantized_by_reference(fixture: Fixture, scheme: str):
    model = fake_quantization.newer(fixture.path())
    extents = fake_quantization.extents_of(model, [fixture.calibration()])
    return model_runs.open_bytes(fake_quantization.rewritten(model, scheme, extents).SerializeToString(), 2)


class Table:
    def __init__(self):
        self.passed = self.failed = 0
        self.results = {}
        print(f"      {'model':16} {'scheme':14} {'measure':8} {'value':>9} {'at least':>9} {'worst':>9} {'at least':>9}")

    def add(self, fixture: Fixture, scheme: str, work) -> None:
        bounds, head = BOUNDS[fixture.name][scheme], f"{fixture.name:16} {scheme:14}"
        try:
            values = work()
        except RuntimeError as error:  # a model that cannot be quantized is a failed case
            values = None
            text = str(error)
        else:
            self.results[f"{fixture.name} {scheme}"] = values
            text = f"{fixture.unit:8} " + " ".join(f"{value:9.4f} {bound:9.3f}" for value, bound in zip(values, bounds))
        good = values is not None and all(value >= bound - 1e-9 for value, bound in zip(values, bounds))
        self.passed, self.failed = self.passed + good, self.failed + (not good)
        print("ok  " if good else "FAIL", head, text, flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", metavar="MODEL", help=f"of {', '.join(FIXTURES)}; none: all")
    parser.add_argument("--jinx", type=pathlib.Path)
    parser.add_argument("--reference", action="store_true")
    parser.add_argument("--scheme", nargs="+", choices=fake_quantization.SCHEMES, default=fake_quantization.SCHEMES)
    parser.add_argument("--json", type=pathlib.Path)
    options = parser.parse_args()
    unknown = [name for name in options.models if name not in FIXTURES]
    if unknown or not (options.jinx or options.reference):
        parser.error(f"unknown model {unknown[0]}" if unknown else "pass --jinx or --reference")
    if options.jinx and not model_runs.has_command(options.jinx, "quantize"):
        print("skipped: this jinx has no quantize\n0 passed, 0 failed")
        return 77
    table = Table()
    for name in options.models or FIXTURES:
        fixture = FIXTURES[name]
        try:
            inputs = fixture.evaluation()
            base = model_runs.open_onnx(fixture.path(), 2)(inputs)
        except Missing as missing:
            print(f"skip  {name:16} {missing}")
            continue
        for scheme in (scheme for scheme in options.scheme if scheme in BOUNDS[name]):
            with tempfile.TemporaryDirectory() as folder:

                def work(fixture=fixture, scheme=scheme, folder=pathlib.Path(folder), inputs=inputs, base=base):
                    run = quantized_by_reference(fixture, scheme) if options.reference else quantized_by_jinx(options.jinx, fixture, scheme, folder)
                    return fixture.measure(base, run(inputs))

                table.add(fixture, scheme, work)
    if options.json:
        options.json.write_text(json.dumps(table.results, indent=1) + "\n")
    print(f"{table.passed} passed, {table.failed} failed")
    return 77 if table.passed + table.failed == 0 else int(table.failed > 0)


if __name__ == "__main__":
    sys.exit(main())
