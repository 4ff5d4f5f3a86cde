#!/usr/bin/env python3
"""How near do Jinx's kernels come to cuBLAS, cuDNN, FlashAttention and torch.compile? One process, the same memory, the same clock.

    ./dev bench gpu-pack DIR                       (any machine) makes DIR: plans, the runtime, these scripts
    python3 DIR/run.py [--only PATTERN…] [--json FILE] [--markdown FILE] [--seconds N]      (GPU, driver, NVRTC, torch)

Results are checked against float64 on random data, written between guards into memory full of NaN. Times are of the device: several
calls in a CUDA graph between two events, contenders in drawn order, rested and sustained (timing.py). A wrong result of Jinx makes the
exit code 1; what the compiler cannot do yet is skipped, counted and named.
"""

import argparse
import datetime
import fnmatch
import glob
import json
import os
import pathlib
import re
import shlex
import sys
import tempfile
import time
import traceback

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent.parent / "models")]

import carry  # noqa: E402
import cases  # noqa: E402
import jinx_capi  # noqa: E402
import machines  # noqa: E402
import peers  # noqa: E402
import references  # noqa: E402
import report  # noqa: E402
import timing  # noqa: E402


START = time.perf_counter()

# Faults for the harness's own test: what a wrong kernel does to an output.
PLANTED = {
    "wrong": lambda machine, x: machine.spoil(x),
    "beyond": lambda machine, x: machine.write_beyond(x),
    "nothing": lambda machine, x: machine.poison(x),
}


class NotBuilt(Exception):
    """The compiler or the runtime cannot do a case yet."""


def plain(error: Exception, length: int) -> str:
    """What an exception says, in a line, without this machine's folders."""
    return re.sub(r"(/[\w.+-]+){2,}/", "", f"{type(error).__name__}: {' '.join(str(error).split())}")[:length]


def find_nvrtc(torch) -> None:
    """The runtime looks for NVRTC by name; torch brings one."""
    packages = pathlib.Path(torch.__file__).parents[1]
    patterns = (f"{packages}/nvidia/*/lib/libnvrtc.so.1[23]", "/usr/local/cuda*/lib64/libnvrtc.so.1[23]")
    found = [path for pattern in patterns for path in sorted(glob.glob(pattern))]
    if found and "JINX_NVRTC" not in os.environ:
        os.environ["JINX_NVRTC"] = found[0]


def load_library(folder: pathlib.Path) -> jinx_capi.Library:
    """libjinx.so of the folder; its libraries from the folder where the machine has none."""
    import ctypes

    for path in sorted((folder / "lib").glob("*.so*")):
        if path.name.startswith("libjinx"):
            continue
        try:
            ctypes.CDLL(path.name)
        except OSError:
            ctypes.CDLL(str(path))
    return jinx_capi.Library(folder / "lib" / "libjinx.so")


class HostCall:
    """A call through host memory: for plans with steps on the host, whose answers can be checked on the processor."""

    def __init__(self, call: jinx_capi.Call):
        self.call = call

    def enqueue(self, stream) -> None:
        self.call.run()


class Variant:
    """Jinx's plan of a case, with a call for each set of operands."""

    def __init__(self, options, library, machine, case, path: pathlib.Path, sets):
        start = time.perf_counter()
        self.session = jinx_capi.Session(library, path, device=options.device)
        self.load_ms = (time.perf_counter() - start) * 1e3
        self.machine, self.sets = machine, sets

        def bind(operands, arrays):
            return [(machines.CAPI_NAMES[o.dtype], o.shape, machine.address(a)) for o, a in zip(operands, arrays)]

        if options.through_host:
            self.calls = [HostCall(self.session.call(i, o)) for i, o in sets]
        else:
            self.calls = [jinx_capi.DeviceCall(self.session, bind(case.inputs, i), bind(case.outputs, o)) for i, o in sets]

    def functions(self):
        return [lambda call=call: call.enqueue(self.machine.stream()) for call in self.calls]

    def steps(self, runs: int = 5) -> list[dict]:
        """The longest steps of the plan, by events around each, in runs through host memory: where a model's time goes."""
        inputs = [x if not hasattr(x, "cpu") else x.cpu().numpy() for x in self.sets[0][0]]
        call, trace = self.session.call(inputs), jinx_capi.Trace(self.session)
        call.run()
        for _ in range(runs):
            call.run(trace)
        timings = sorted(trace.timings(), key=lambda t: -t["total_ms"])
        return [{"step": t["name"], "kind": t["kind"], "kernel": t["kernel"], "us": t["total_ms"] / runs * 1e3} for t in timings[:40]]

    def run(self, index: int):
        """One set's outputs; NaN stood there before."""
        for x in self.sets[index][1]:
            self.machine.poison(x)
        self.calls[index].enqueue(self.machine.stream())
        self.machine.synchronize()
        return self.sets[index][1]


def load_variants(options, library, machine, case, entry, sets) -> dict:
    made = {}
    for name, plan in entry["plans"].items():
        if "path" not in plan:
            raise NotBuilt(plan["refused"])
        made[name] = Variant(options, library, machine, case, carry.restored(options.folder, plan), sets)
        try:
            made[name].calls[0].enqueue(machine.stream())
            machine.synchronize()
        except jinx_capi.JinxError as error:
            if error.code == jinx_capi._UNIMPLEMENTED:
                raise NotBuilt(str(error)) from error
            raise
    return made


def check_jinx(options, machine, case, variants: dict, sets, wanted) -> dict:
    """Every variant on the sets of inputs whose answers are known."""
    results = {}
    for name, variant in variants.items():
        verdicts = []
        for index, want in wanted.items():
            got = variant.run(index)
            if options.plant_fault and fnmatch.fnmatch(case.name, options.plant_fault):
                PLANTED[options.plant](machine, got[-1])
            verdict = references.compare(machine.math, case, got, want)
            verdict["guards"] = all(machine.guards_hold(x) for x in sets[index][1])
            verdict["ok"] &= verdict["guards"]
            verdicts.append(verdict)
        results[name] = worst_of(verdicts)
    return results


def worst_of(verdicts: list[dict]) -> dict:
    merged = {"norm": max(v["norm"] for v in verdicts), "worst": max(v["worst"] for v in verdicts)}
    return merged | {key: all(v[key] for v in verdicts) for key in ("ok", "finite", "guards") if key in verdicts[0]}


def check_peers(machine, case, contenders: dict, wanted: dict) -> dict:
    """Peers against the same answer; what fails to run is left out and named."""
    results = {}
    for name, calls in list(contenders.items()):
        try:
            results[name] = worst_of([references.compare(machine.math, case, calls[i](), want) for i, want in wanted.items()])
        except Exception as error:  # noqa: BLE001  a peer's own failure is no fault of the run
            results[name] = {"failed": plain(error, 300)}
            del contenders[name]
    return results


def run_case(options, library, machine, case, entry) -> dict:
    row = {"case": case.name, "group": case.group, "flops": case.flops, "bytes": case.size_bytes, "tolerance": case.tolerance}
    if case.group == "model":
        row["batch"] = case.inputs[0].shape[0]
    if all("path" not in plan for plan in entry["plans"].values()):
        raise NotBuilt(next(iter(entry["plans"].values()))["refused"])
    machine.seed(options.seed)
    sets = [(machines.inputs_of(machine, case), [machine.output(o) for o in case.outputs]) for _ in range(case.sets)]
    variants = load_variants(options, library, machine, case, entry, sets)
    wanted = {i: references.REFERENCES[case.kind](machine.math, case, *sets[i][0]) for i in (0, case.sets - 1)}
    row["jinx"] = check_jinx(options, machine, case, variants, sets, wanted)
    try:
        others = {} if options.no_peers else peers.contenders(machine, case, sets)
        row["peers"] = check_peers(machine, case, others, wanted)
    except Exception as error:  # noqa: BLE001  made for another torch
        others, row["peers"] = {}, {"torch": {"failed": plain(error, 300)}}
    machine.release()
    if not options.check_only:
        measure(options, machine, row, variants, others)
        after = check_jinx(options, machine, case, variants, sets, wanted)
        row["jinx"] = {name: worst_of([row["jinx"][name], after[name]]) | {"load_ms": variant.load_ms} for name, variant in variants.items()}
    row["ok"] = all(v["ok"] for v in row["jinx"].values())
    return row


def shorter(options) -> dict:
    return {} if options.device.startswith("cuda") else {"rest_s": 0.0, "heat_ms": 0.0, "minimum": 3}


def measure(options, machine, row: dict, variants: dict, others: dict) -> None:
    functions = {name: variant.functions() for name, variant in variants.items()} | others
    row["times"] = timing.measure(machine, functions, options.seconds, **shorter(options))
    if options.steps:
        row["steps"] = variants["jinx"].steps()


def copies_as_cases(options, machine) -> dict:
    """Bytes a second of copies that are measured as cases are: memory that has rested is slow at first, for them too."""
    calls, size_bytes = machine.copies()
    times = timing.measure(machine, {"copy": calls}, min(options.seconds, 0.5), **shorter(options))["copy"]
    del calls
    machine.release()
    return {regime: size_bytes / (times[regime]["us"] * 1e-6) for regime in ("rested", "sustained")}


def attempt(options, library, machine, case, entry) -> dict:
    """A row whatever happens: a case that breaks is a failure with its message."""
    try:
        return run_case(options, library, machine, case, entry)
    except NotBuilt as reason:
        return {"case": case.name, "group": case.group, "skipped": str(reason)}
    except Exception as error:  # noqa: BLE001
        if options.verbose:
            traceback.print_exc()
        return {"case": case.name, "group": case.group, "ok": False, "failed": plain(error, 600)}
    finally:
        machine.release()


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=pathlib.Path, default=HERE, help="what gpu-pack made; default: where this file is")
    parser.add_argument("--only", nargs="+", metavar="PATTERN", help="cases to run: gemm/*, *-causal, decode")
    parser.add_argument("--device", default="cuda", help="cuda or, to test the harness, cpu")
    parser.add_argument("--torch", action="store_true", help="with --device cpu: torch is there, for a test of the peers")
    parser.add_argument("--seconds", type=float, default=3.0, help="of measuring a case")
    parser.add_argument("--seed", type=int, default=41)
    parser.add_argument("--json", type=pathlib.Path)
    parser.add_argument("--markdown", type=pathlib.Path)
    parser.add_argument("--check-only", action="store_true", help="no times")
    parser.add_argument("--no-peers", action="store_true")
    parser.add_argument("--through-host", action="store_true", help="with --device cpu: host steps too, to check models and answers")
    parser.add_argument("--list", action="store_true", help="name the cases and stop")
    parser.add_argument("--plant-fault", metavar="PATTERN", help="spoil Jinx's results of these cases: the run must fail")
    parser.add_argument("--plant", choices=list(PLANTED), default="wrong", help="the fault: a wrong element, a write beyond, no write")
    parser.add_argument("--append", action="store_true", help="keep what --json FILE has of other cases, from the same card")
    parser.add_argument("--budget", type=float, default=float("inf"), help="seconds after which no case is begun")
    parser.add_argument("--steps", action="store_true", help="also how long each step of a plan takes (not for bf16)")
    parser.add_argument("--resume", type=pathlib.Path, help=argparse.SUPPRESS)
    parser.add_argument("--verbose", action="store_true", help="where a case breaks")
    return parser.parse_args()


def chosen(options, manifest: dict) -> list:
    patterns = [p if any(c in p for c in "*?[") else f"*{p}*" for p in options.only or ["*"]]
    known = {case.name: case for case in cases.table(manifest["tiny"])}
    return [known[name] for name in manifest["cases"] if name in known and any(fnmatch.fnmatch(name, p) for p in patterns)]


def earlier_rows(figures: pathlib.Path, result: dict, again: set[str]) -> list[dict]:
    """What an earlier run found of other cases; only of the same card, driver and torch."""
    earlier = json.loads(figures.read_text())
    if earlier["device"] != result["device"] or earlier["pack"]["jinx"] != result["pack"]["jinx"]:
        raise SystemExit(f"error: {figures} comes from another card, torch or Jinx: name another file")
    return [row for row in earlier["rows"] if row["case"] not in again]


def start_again(result: dict) -> None:
    """A kernel that writes outside its memory ends all work of its process: the other cases run in a new one."""
    file = pathlib.Path(tempfile.mkdtemp()) / "so-far.json"
    file.write_text(json.dumps(result))
    print("the GPU's context is broken: going on in a new process", flush=True)
    kept = [a for i, a in enumerate(sys.argv) if a != "--resume" and sys.argv[i - 1] != "--resume" and a != "--append"]
    os.execv(sys.executable, [sys.executable, *kept, "--resume", str(file)])


def main() -> int:
    options = parse()
    manifest = json.loads((options.folder / "manifest.json").read_text())
    every = chosen(options, manifest)
    if options.list or not every:
        print("\n".join(case.name for case in every) or "no such case")
        return 0 if every else 2
    if options.device.startswith("cuda"):
        machine = machines.Gpu()
        find_nvrtc(machine.torch)
    else:
        machine = machines.TorchHost() if options.torch else machines.Host()
    library = load_library(options.folder)
    command = re.sub(r"(?<=[ =])/\S*/", "", " " + shlex.join(["python3", "run.py", *sys.argv[1:]])).strip()
    result = {
        "date": datetime.datetime.now(datetime.UTC if hasattr(datetime, "UTC") else datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "command": command, "pack": {k: manifest[k] for k in ("command", "jinx", "target", "tiny")},
        "device": machine.describe(), "copy_bytes_per_s": machine.copy_bandwidth(),
        "copies_as_cases": copies_as_cases(options, machine), "rows": [],
    }
    print(f"{result['device']['card']}; {report.copies(result)}; {len(every)} cases", flush=True)
    done: set[str] = set()
    if options.append and options.json and options.json.is_file():
        result["rows"] = earlier_rows(options.json, result, {case.name for case in every})
    if options.resume:
        result = json.loads(options.resume.read_text())
        done = set(result["done"])
    for case in every:
        if case.name in done:
            continue
        if time.perf_counter() - START > options.budget:
            print(f"no time for {case.name}")
            continue
        done.add(case.name)
        result["rows"].append(attempt(options, library, machine, case, manifest["cases"][case.name]))
        print(report.line(result["rows"][-1], result), flush=True)
        if options.json:  # after each case: a run that is cut off leaves what it has
            options.json.write_text(json.dumps(result, indent=1) + "\n")
        if not machine.alive():
            start_again(result | {"done": sorted(done)})
    result.pop("done", None)
    if options.markdown:
        options.markdown.write_text(report.page(result))
    print(report.summary(result))
    return 0 if all(row.get("ok", True) for row in result["rows"]) else 1


if __name__ == "__main__":
    sys.exit(main())
