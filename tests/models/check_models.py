#!/usr/bin/env python3
"""Do the real models answer as they should? Compiles each once, runs every case from that one plan, compares.

For each named model: `jinx compile` (no sizes given, or ranges where the file fixes them, so one plan serves all cases), then every case that
oracle.py keeps ($JINX_CACHE/oracle/ID/CASE/), through the C interface. Each output must have the expected type and
shape, the same NaN and infinities, and |got - expected| <= 1e-4 + 1e-3 |expected|; integers must be equal.
Where cases.json gives an output of a model a quantisation step, elements may differ by that much instead, and by less
on average: quantisation_step.py tells how it is derived. Then the checks of known_answers.py.

One line a case; the last line says `N passed, N failed` (and skipped, where something was not there).

    check_models.py [ID…] [--jinx FILE] [--threads N…] [--engine onnxruntime] [--plans DIR] [--no-known-answers]

Exit status: 0 when nothing failed, 1 when something did, 77 when nothing could be run.
"""

import argparse
import dataclasses
import json
import pathlib
import subprocess
import sys
import time

try:
    import numpy as np
except ImportError:
    print("skipped: numpy is missing; run this with the Python of ./dev setup ($JINX_CACHE/python/bin/python)")
    print("0 passed, 0 failed")
    sys.exit(77)

import jinx_capi
import known_answers
from known_answers import CACHE, ROOT

HERE = pathlib.Path(__file__).resolve().parent
ATOL, RTOL = 1e-4, 1e-3
DIMS = json.loads((HERE / "cases.json").read_text())["dims"]


class JinxEngine:
    """Plans made by the jinx program, run through libjinx.so. A model is compiled when it is first asked for."""

    def __init__(self, jinx: pathlib.Path, library: jinx_capi.Library, plans: pathlib.Path, threads: int, flags: list[str]):
        self.jinx, self.library, self.plans, self.threads, self.flags = jinx, library, plans, threads, flags
        self.sessions, self.failures = {}, {}

    def compile(self, model: str) -> float | None:
        """Seconds; None when the plan is of this run already. A failed compile fails for every case of the model."""
        if model in self.failures:
            raise RuntimeError(self.failures[model])
        if model in self.sessions:
            return None
        plan = self.plans / f"{model}.jxp"
        command = [str(self.jinx), "compile", str(CACHE / "models" / f"{model}.onnx"), "-o", str(plan), *self.flags]
        command += [argument for dim in DIMS.get(model, []) for argument in ("--dim", dim)]
        start = time.perf_counter()
        done = subprocess.run(command, capture_output=True, text=True)
        seconds = time.perf_counter() - start
        if done.returncode:
            text = (done.stderr or done.stdout).strip().splitlines()
            self.failures[model] = f"compile: exit {done.returncode}: {' / '.join(text[-3:])[:600]}"
            raise RuntimeError(self.failures[model])
        try:
            self.sessions[model] = jinx_capi.Session(self.library, plan, threads=self.threads)
        except jinx_capi.JinxError as error:
            self.failures[model] = f"load: {error}"
            raise RuntimeError(self.failures[model]) from error
        return seconds

    def run(self, model: str, inputs: dict) -> dict:
        self.compile(model)
        return self.sessions[model].run(inputs)

    def metadata(self, model: str) -> dict[str, str]:
        self.compile(model)
        return self.sessions[model].metadata

    def forget(self, model: str) -> None:
        self.sessions.pop(model, None)


class OnnxruntimeEngine:
    """The same models in onnxruntime: shows what the checks themselves are worth."""

    def __init__(self, threads: int):
        self.threads, self.sessions = threads, {}

    def compile(self, model: str) -> float | None:
        if model in self.sessions:
            return None
        import oracle
        import onnx
        import onnxruntime

        start = time.perf_counter()
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        options.intra_op_num_threads = self.threads
        proto = onnx.load(CACHE / "models" / f"{model}.onnx")
        for value in oracle.graph_inputs(proto):  # a declared size yields to the caller's
            for dim in value.type.tensor_type.shape.dim:
                dim.ClearField("dim_value")
        del proto.graph.value_info[:]
        for value in proto.graph.output:
            value.type.tensor_type.ClearField("shape")
        self.sessions[model] = onnxruntime.InferenceSession(
            proto.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        return time.perf_counter() - start

    def run(self, model: str, inputs: dict) -> dict:
        self.compile(model)
        session = self.sessions[model]
        names = [output.name for output in session.get_outputs()]
        return dict(zip(names, session.run(names, inputs)))

    def metadata(self, model: str) -> dict[str, str]:
        self.compile(model)
        return dict(self.sessions[model].get_modelmeta().custom_metadata_map)

    def forget(self, model: str) -> None:
        self.sessions.pop(model, None)


@dataclasses.dataclass
class Comparison:
    """How far an output is from the expected one: `error` / `allowed` at the worst element."""

    error: float = 0.0
    allowed: float = 1.0
    fault: str = ""


def compare(got: np.ndarray, expected: np.ndarray, step: dict[str, float]) -> Comparison:
    if got.dtype != expected.dtype or got.shape != expected.shape:
        fault = f"{got.dtype}{list(got.shape)}, expected {expected.dtype}{list(expected.shape)}"
        return Comparison(fault=fault)
    if not np.issubdtype(expected.dtype, np.floating):
        wrong = int(np.sum(got != expected))
        return Comparison(fault=f"{wrong} of {expected.size} elements differ" if wrong else "")
    a, b = got.astype(np.float64), expected.astype(np.float64)
    odd = ~np.isfinite(b)
    if not np.array_equal(a[odd], b[odd], equal_nan=True) or not np.all(np.isfinite(a[~odd])):
        return Comparison(fault=f"NaN or infinity at other places ({int(np.sum(~np.isfinite(a) != odd))})")
    error = np.abs(a - b)[~odd]
    if error.size == 0:
        return Comparison()
    allowed = np.maximum(ATOL + RTOL * np.abs(b[~odd]), step.get("largest", 0.0))
    worst = int(np.argmax(error / allowed))
    found = Comparison(float(error[worst]), float(allowed[worst]))
    if found.error > found.allowed:
        share = np.mean(error > allowed)
        found.fault = f"differs by {found.error:.3g}, allowed {found.allowed:.3g}; {share:.2%} of the elements"
    elif step and np.mean(error) > step["mean"]:
        found.fault = f"differs by {np.mean(error):.3g} on average, allowed {step['mean']:.3g}"
    return found


def check_case(engine, model: str, folder: pathlib.Path, steps: dict[str, dict]) -> tuple[bool, str]:
    about = json.loads((folder / "case.json").read_text())
    inputs = {name: np.load(folder / "inputs" / entry["file"]) for name, entry in about["inputs"].items()}
    start = time.perf_counter()
    outputs = engine.run(model, inputs)
    milliseconds = (time.perf_counter() - start) * 1e3
    faults, worst = [], Comparison()
    for name, entry in about["outputs"].items():
        if name not in outputs:
            faults.append(f"{name}: no such output")
            continue
        expected = np.load(folder / "outputs" / entry["file"])
        found = compare(outputs[name], expected, steps.get(name, {}))
        if found.fault:
            faults.append(f"{name}: {found.fault}")
        elif found.error / found.allowed >= worst.error / worst.allowed:
            worst = found
    if faults:
        return False, "; ".join(faults[:4])
    return True, f"worst {worst.error:.2e} of {worst.allowed:.2e}, {milliseconds:.1f} ms"


class Report:
    def __init__(self):
        self.passed, self.failed, self.skipped = 0, [], []

    def add(self, name: str, good: bool, text: str) -> None:
        print(f"{'ok  ' if good else 'FAIL'}  {name:28} {text}", flush=True)
        if good:
            self.passed += 1
        else:
            self.failed.append(name)

    def skip(self, name: str, text: str) -> None:
        print(f"skip  {name:28} {text}", flush=True)
        self.skipped.append(name)

    def finish(self) -> int:
        if self.failed:
            print(f"failed: {' '.join(self.failed)}")
        tail = f", {len(self.skipped)} skipped" if self.skipped else ""
        print(f"{self.passed} passed, {len(self.failed)} failed{tail}")
        if self.passed + len(self.failed) == 0:
            return 77
        return 1 if self.failed else 0


def guarded(report: Report, name: str, work) -> None:
    """`work` gives (good, text); whatever it raises is a failure, and the next case goes on."""
    try:
        report.add(name, *work())
    except known_answers.Missing as missing:
        report.skip(name, str(missing))
    except Exception as error:  # noqa: BLE001: a model that cannot run is a failed case
        report.add(name, False, f"{type(error).__name__}: {error}" if not isinstance(error, RuntimeError) else str(error))


def check_model(report: Report, engine, model: str, steps: dict[str, dict], only: str | None) -> None:
    folders = sorted((CACHE / "oracle" / model).glob("*/case.json"))
    if not folders or not (CACHE / "models" / f"{model}.onnx").is_file():
        report.skip(model, "no model or no expected outputs in the cache: run ./dev models")
        return
    try:
        seconds = engine.compile(model)
        if seconds is not None:
            print(f"      {model}: compiled in {seconds:.2f} s", flush=True)
    except RuntimeError:
        pass  # every case says so below
    for path in folders:
        if only is None or path.parent.name == only:
            name = f"{model}/{path.parent.name}"
            guarded(report, name, lambda: check_case(engine, model, path.parent, steps))


def make_engine(options: argparse.Namespace, threads: int):
    if options.engine == "onnxruntime":
        return OnnxruntimeEngine(threads)
    if not options.jinx.is_file():
        raise SystemExit(f"error: no jinx program at {options.jinx}: run ./dev build, or pass --jinx")
    options.plans.mkdir(parents=True, exist_ok=True)
    return JinxEngine(options.jinx, jinx_capi.Library(options.library), options.plans, threads, options.flag)


def parse() -> argparse.Namespace:
    build = ROOT / "build" / "dev"
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ids", nargs="*", metavar="ID", help="models of tools/models/models.json; none: all")
    parser.add_argument("--jinx", type=pathlib.Path, default=build / "bin" / "jinx")
    parser.add_argument("--library", type=pathlib.Path, help="libjinx.so; default: of the dev build")
    parser.add_argument("--plans", type=pathlib.Path, default=build / "model-plans", help="where plans are written")
    parser.add_argument("--threads", type=int, nargs="*", default=[2], metavar="N", help="each of these in turn")
    parser.add_argument("--engine", choices=["jinx", "onnxruntime"], default="jinx")
    parser.add_argument("--case", help="only the case of this name")
    parser.add_argument("--flag", action="append", default=[], help="passed to jinx compile, as --flag=--no-fusion")
    parser.add_argument("--no-known-answers", action="store_true")
    return parser.parse_args()


def main() -> int:
    options = parse()
    table = [model["id"] for model in json.loads(fetch_table().read_text())["models"]]
    unknown = [name for name in options.ids if name not in table]
    if unknown:
        raise SystemExit(f"error: {unknown[0]} is not a model of models.json")
    steps = json.loads((HERE / "cases.json").read_text()).get("quantisation_steps", {})
    report = Report()
    for threads in options.threads:
        if len(options.threads) > 1:
            print(f"-- {threads} threads")
        engine = make_engine(options, threads)
        for model in options.ids or table:
            check_model(report, engine, model, steps.get(model, {}), options.case)
            check = known_answers.CHECKS.get(model)
            if check and not options.no_known_answers and options.case is None:
                guarded(report, f"{model} known answer", lambda: (True, check(engine)))
            engine.forget(model)
    return report.finish()


def fetch_table() -> pathlib.Path:
    return ROOT / "tools" / "models" / "models.json"


if __name__ == "__main__":
    sys.exit(main())
