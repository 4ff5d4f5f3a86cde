#!/usr/bin/env python3
"""Is Jinx faster than the others on real models? Times it, onnxruntime and OpenVINO side by side.

Each model is compiled once, then timed at the shapes of tools/models/models.json, one fresh process for each model and
number of threads: worker.py says how. One thread runs on one processor, two on two. The result goes to
docs/benchmarks/peers-cpu.md and .json (or --output); a partial run (some ids) prints its table and writes only where
--output says.

    ./dev bench [ID…] [--stretch] [--light] [--threads 1 2] [--memory] [--static] [--output FILE.md]
"""

import argparse
import datetime
import importlib.metadata
import json
import os
import pathlib
import platform
import shlex
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import report  # noqa: E402

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[2]
CACHE = pathlib.Path(os.environ.get("JINX_CACHE") or pathlib.Path.home() / ".cache" / "jinx")
STRETCH = ("resnet50-thin", "vits", "silero")
PEERS = ("onnxruntime", "openvino")


def chosen_models(options: argparse.Namespace) -> list[dict]:
    table = {model["id"]: model for model in json.loads((ROOT / "tools/models/models.json").read_text())["models"]}
    unknown = [name for name in options.ids if name not in table]
    if unknown:
        raise SystemExit(f"error: {unknown[0]} is not a model of models.json")
    if options.ids:
        return [table[name] for name in options.ids]
    named = [m for name, m in table.items() if m["timed"] and name not in STRETCH and not name.startswith("light_")]
    named += [table[name] for name in STRETCH if options.stretch]
    return named + [m for name, m in table.items() if options.light and name.startswith("light_")]


def fixed_sizes(model: dict) -> list[str]:
    """--dim flags that fix every named size of the model's inputs to the one it is timed at."""
    sizes = {}
    for entry in model["inputs"]:
        for dim, size in zip(entry["dims"], entry["time_at"]):
            if isinstance(dim, str) and dim != "?":
                sizes[dim] = size
    return [flag for name, size in sizes.items() for flag in ("--dim", f"{name}={size}")]


def compile_plan(options: argparse.Namespace, model: dict, folder: pathlib.Path) -> dict:
    plan = folder / f"{model['id']}.jxp"
    command = [str(options.jinx), "compile", str(CACHE / "models" / f"{model['id']}.onnx"), "-o", str(plan)]
    command += (fixed_sizes(model) if options.static else []) + options.flag
    start = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True)
    seconds = time.perf_counter() - start
    if done.returncode:
        text = (done.stderr or done.stdout).strip().splitlines()
        return {"error": f"compile: exit {done.returncode}: {' / '.join(text[-2:])[:400]}"}
    return {"path": str(plan), "seconds": seconds, "bytes": plan.stat().st_size}


def run_json(command: list[str], output: pathlib.Path | None, timeout: float) -> dict:
    """What the program wrote to `output` or printed; {"error": …} when it did not."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout)
    except subprocess.TimeoutExpired:
        return {"error": f"took more than {timeout:.0f} s"}
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["no message"]
        return {"error": f"exit {done.returncode}: {lines[-1][:400]}"}
    return json.loads(output.read_text() if output else done.stdout.strip().splitlines()[-1])


def processors_for(threads: int) -> str:
    """The last of the processors that this process may use: the first serves most interrupts."""
    allowed = sorted(os.sched_getaffinity(0))
    if threads > len(allowed):
        raise SystemExit(f"error: {threads} threads on {len(allowed)} processors")
    return ",".join(str(number) for number in allowed[-threads:])


def others_idle(seconds: float = 0.5) -> float:
    """Share of the processors' time that nobody used, over some time in which this process sleeps."""

    def read() -> tuple[int, int]:
        numbers = [int(text) for text in pathlib.Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
        return numbers[3] + numbers[4], sum(numbers)

    idle, total = read()
    time.sleep(seconds)
    idle_after, total_after = read()
    return (idle_after - idle) / max(1, total_after - total)


def wait_until_quiet(patience: float) -> None:
    """Until 95 % of the machine is idle for a second, but no longer than `patience` seconds."""
    end = time.monotonic() + patience
    while time.monotonic() < end and (others_idle() < 0.95 or others_idle() < 0.95):
        time.sleep(1)


def time_model(options: argparse.Namespace, model: dict, plan: dict, threads: int, names: tuple = ("jinx", *PEERS)) -> dict:
    wait_until_quiet(options.patience)
    engines = [name for name in names if name not in options.without and (name in PEERS or "path" in plan)]
    with tempfile.TemporaryDirectory() as folder:
        output = pathlib.Path(folder) / "times.json"
        command = [sys.executable, str(HERE / "worker.py"), "--model", str(CACHE / "models" / f"{model['id']}.onnx")]
        command += ["--plan", plan.get("path", ""), "--case", str(CACHE / "oracle" / model["id"] / "time")]
        command += ["--engines", ",".join(engines), "--threads", str(threads), "--processors", processors_for(threads)]
        command += ["--calls", str(options.calls), "--seconds", str(options.seconds), "--warm-up", str(options.warm_up)]
        command += ["--static"] if options.static else []
        result = run_json([*command, "--output", str(output)], output, 120 + 20 * options.seconds)
    if "error" in result:
        times = {name: {"error": result["error"]} for name in engines}
    else:
        times = {name: result[name] for name in engines}
    if "error" in plan:
        times = {"jinx": {"error": plan["error"]}} | times
    return {"model": model["id"], "threads": threads, "waited_share": result.get("waited_share"), "engines": times}


def measure_memory(options: argparse.Namespace, model: dict, plan: dict) -> dict:
    engines = {}
    for name in ["jinx", *PEERS]:
        if name in options.without or (name == "jinx" and "path" not in plan):
            continue
        command = [sys.executable, str(HERE / "memory.py"), "--engine", name, "--plan", plan.get("path", "")]
        command += ["--model", str(CACHE / "models" / f"{model['id']}.onnx"), "--processors", processors_for(1)]
        command += ["--case", str(CACHE / "oracle" / model["id"] / "time")]
        engines[name] = run_json(command, None, 300)
    return {"model": model["id"], "engines": engines}


def machine() -> dict:
    lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
    fields = dict((part.strip() for part in line.split(":", 1)) for line in lines if ":" in line)
    wanted = ("model name", "cpu family", "model", "stepping")
    return {
        "processor": " ".join(f"{fields[key]}" if key == "model name" else f"{key} {fields[key]}" for key in wanted),
        "flags": fields.get("flags", ""),
        "processors": os.cpu_count(),
        "kernel": platform.release(),
        "load_before": os.getloadavg()[0],
    }


def versions(jinx_program: pathlib.Path) -> dict[str, str]:
    names = ("onnxruntime", "openvino", "numpy")
    found = {name: importlib.metadata.version(name) for name in names}
    git = ["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"]
    revision = subprocess.run(git, capture_output=True, text=True)
    jinx = subprocess.run([str(jinx_program), "--version"], capture_output=True, text=True)
    first = jinx.stdout.strip().splitlines()[:1] if jinx.returncode == 0 else []
    text = first[0].removeprefix("jinx ") if first else "?"
    commit = revision.stdout.strip() if revision.returncode == 0 else "not committed"
    return {"Jinx": f"{text} ({commit})", "Python": platform.python_version()} | found


def parse(description: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ids", nargs="*", metavar="ID", help="models of models.json; none: all that are timed")
    parser.add_argument("--stretch", action="store_true", help=f"also {', '.join(STRETCH)}")
    parser.add_argument("--light", action="store_true", help="also the nine light CNNs")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--calls", type=int, default=300, help="timed calls of each engine, at most")
    parser.add_argument("--seconds", type=float, default=2.0, help="or so many seconds of them")
    parser.add_argument("--warm-up", type=int, default=5)
    parser.add_argument("--patience", type=float, default=60, help="seconds to wait for a quiet machine before a model")
    parser.add_argument("--static", action="store_true", help="fix the sizes beforehand, in Jinx and OpenVINO")
    parser.add_argument("--memory", action="store_true", help="also peak memory, a process for each engine")
    parser.add_argument("--without", action="append", default=[], choices=PEERS)
    parser.add_argument("--jinx", type=pathlib.Path, default=ROOT / "build" / "dev" / "bin" / "jinx")
    parser.add_argument("--library", type=pathlib.Path, help="libjinx.so; default: of the dev build")
    parser.add_argument("--plans", type=pathlib.Path, default=ROOT / "build" / "dev" / "bench-plans")
    parser.add_argument("--flag", action="append", default=[], help="passed to jinx compile, as --flag=--no-fusion")
    parser.add_argument("--output", type=pathlib.Path, help="the page; the figures go beside it as .json")
    options = parser.parse_args()
    if not options.jinx.is_file():
        parser.error(f"no jinx program at {options.jinx}: run ./dev build, or pass --jinx")
    if options.library:
        os.environ["JINX_LIBRARY"] = str(options.library)  # read by the processes that are started
    return options


def line(row: dict) -> str:
    parts = []
    for name, entry in row["engines"].items():
        parts.append(f"{name} {report.number(entry['median_ms']) if 'median_ms' in entry else entry['error'][:100]}")
    value = report.ratio(row)
    text = f"{row['model']:16} {row['threads']} thr  {'  '.join(parts)}  ratio {'–' if value is None else f'{value:.2f}'}"
    return text + ("" if report.is_quiet(row) else "  (busy machine)")


def write(result: dict, page: str, options: argparse.Namespace, name: str) -> None:
    """To --output, or, when no models are named, to docs/benchmarks/NAME."""
    write_files(options.output or (None if options.ids else ROOT / "docs" / "benchmarks" / f"{name}.md"), page, result)


def write_files(output: pathlib.Path | None, page: str, result: dict) -> None:
    """The page, and beside it the figures as JSON; without this machine's folders. Nothing without `output`."""
    if not output:
        return
    output.parent.mkdir(parents=True, exist_ok=True)
    for path, text in ((output, page), (output.with_suffix(".json"), json.dumps(result, indent=1) + "\n")):
        path.write_text(text.replace(f"{ROOT}/", "").replace(f"{CACHE}/", "$JINX_CACHE/"))
    print(f"written: {output}")


def main() -> None:
    options = parse(__doc__)
    models = chosen_models(options)
    options.plans.mkdir(parents=True, exist_ok=True)
    result = {
        "date": datetime.datetime.now().strftime("%Y-%m-%d %H:%M"),
        "command": "./dev bench " + shlex.join(sys.argv[1:]),
        "machine": machine(),
        "versions": versions(options.jinx),
        "static": options.static,
        "threads": options.threads,
        "settings": {"calls": options.calls, "seconds": options.seconds, "warm_up": options.warm_up},
        "plans": {model["id"]: compile_plan(options, model, options.plans) for model in models},
        "rows": [],
    }
    for threads in options.threads:
        for model in models:
            row = time_model(options, model, result["plans"][model["id"]], threads)
            result["rows"].append(row)
            print(line(row), flush=True)
    if options.memory:
        result["memory"] = [measure_memory(options, model, result["plans"][model["id"]]) for model in models]
    result["machine"]["load_after"] = os.getloadavg()[0]
    write(result, report.page(result), options, "peers-cpu")
    for threads in options.threads:
        rows = [row for row in result["rows"] if row["threads"] == threads]
        print(f"{threads} thread{'s' if threads > 1 else ''}: {report.summary(rows)}")


if __name__ == "__main__":
    main()
