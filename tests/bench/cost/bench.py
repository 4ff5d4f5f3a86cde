#!/usr/bin/env python3
"""What does a model cost: to compile, to load, in memory? Every model of models.json, against the limits that Jinx sets itself.

- compile: seconds of the whole `jinx compile` process, the median of --compiles; nothing is kept from one compile to the next
- load: opening the plan, checksums included, until it can run; the median of --loads, with the file in the page cache
- peak: resident memory of a process of its own for loading and six runs, less what it held before (tests/bench/peers/memory.py), beside
  onnxruntime's
- arena: what activations take at the sizes of the case `time`, beside the most bytes that live at one step

Everything runs on one processor but the compile. The result goes to docs/benchmarks/cost-cpu.md and .json (or --output); a run of some ids
prints its table and writes only where --output says. Exit status 1 when a limit is not met.

    ./dev bench cost [ID…] [--compiles 3] [--loads 9] [--output FILE.md]
"""

import argparse
import datetime
import json
import os
import pathlib
import resource
import shlex
import statistics
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "peers"))
import importlib.util  # noqa: E402

_spec = importlib.util.spec_from_file_location("peers_bench", HERE.parent / "peers" / "bench.py")
peers = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(peers)

ROOT, CACHE = peers.ROOT, peers.CACHE
COMPILE_S = {"magika": 1.0}
LIMITS = {"compile_s": 5.0, "load_ms": 20.0, "peak_share": 1.2, "arena_share": 1.15}


def compile_times(options, model):
    """Median wall seconds, the processors' seconds and the largest peak of some compiles."""
    plan = options.plans / f"{model}.jxp"
    dims = json.loads((ROOT / "tests/models/cases.json").read_text())["dims"].get(model, [])
    command = [options.jinx, "compile", CACHE / "models" / f"{model}.onnx", "-o", plan, *(part for dim in dims for part in ("--dim", dim))]
    walls, works = [], []
    for _ in range(options.compiles):
        before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
        walls.append(time.perf_counter() - start)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        works.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
        if done.returncode:
            return {"error": f"compile: exit {done.returncode}: {done.stderr.strip()[-300:]}"}
    return {"compile_s": statistics.median(walls), "compile_work_s": statistics.median(works), "plan_bytes": plan.stat().st_size}


def measure(options, model):
    row = {"model": model} | compile_times(options, model)
    if "error" in row:
        return row
    plan, case = options.plans / f"{model}.jxp", CACHE / "oracle" / model / "time"
    processors = peers.processors_for(1)
    command = [sys.executable, HERE / "load.py", "--plan", plan, "--case", case, "--loads", options.loads, "--processors", processors]
    loaded = peers.run_json(list(map(str, command)), None, 600)
    if "error" in loaded:
        return row | loaded
    row |= loaded
    for engine in ("jinx", "onnxruntime"):
        command = [sys.executable, HERE.parent / "peers" / "memory.py", "--engine", engine, "--plan", plan, "--case", case]
        command += ["--model", CACHE / "models" / f"{model}.onnx", "--processors", processors]
        found = peers.run_json(list(map(str, command)), None, 600)
        if "error" in found:
            return row | {"error": f"{engine}: {found['error']}"}
        row[f"{engine}_peak_bytes"] = found["peak_bytes"]
    return row


def shares(row):
    """What is compared with LIMITS, as far as it was measured."""
    found = {key: row[key] for key in ("compile_s", "load_ms") if key in row}
    if "onnxruntime_peak_bytes" in row:
        found["peak_share"] = row["jinx_peak_bytes"] / row["onnxruntime_peak_bytes"]
    if "planned_bytes" in row:
        found["arena_share"] = row["planned_bytes"] / row["largest_live_bytes"] if row["largest_live_bytes"] else 1.0
    return found


def misses(row):
    """The limits that a model does not keep."""
    if "error" in row:
        return [row["error"]]
    limits = LIMITS | {"compile_s": COMPILE_S.get(row["model"], LIMITS["compile_s"])}
    return [f"{key} {value:.2f}, at most {limits[key]:g}" for key, value in shares(row).items() if value > limits[key]]


def verdicts(rows):
    """(what, limit, the model that is nearest to it, met)."""
    good = [row for row in rows if "error" not in row]
    titles = {"compile_s": "cold compile, s", "load_ms": "plan load, ms", "peak_share": "peak memory over onnxruntime's", "arena_share": "arena over the largest live set"}
    for key, title in titles.items():
        worst = max(good, key=lambda row: shares(row)[key])
        value = shares(worst)[key]
        yield title, LIMITS[key], f"{worst['model']} {value:.2f}", value <= LIMITS[key]
        if key == "compile_s":
            for row in (row for row in good if row["model"] in COMPILE_S):
                limit = COMPILE_S[row["model"]]
                yield f"{title}: {row['model']}", limit, f"{row['compile_s']:.2f}", row["compile_s"] <= limit


def table(rows):
    lines = ["| model | compile s | processor s | plan MB | load ms | peak MB | onnxruntime's | arena KB | least KB | |", "|---|---|---|---|---|---|---|---|---|---|"]
    for row in rows:
        if "error" in row:
            lines.append(f"| {row['model']} | {row['error'].splitlines()[0][:120]} | | | | | | | | not measured |")
            continue
        cells = [f"{row['compile_s']:.2f}", f"{row['compile_work_s']:.2f}", f"{row['plan_bytes'] / 1e6:.2f}", f"{row['load_ms']:.1f}",
                 f"{row['jinx_peak_bytes'] / 1e6:.1f}", f"{row['onnxruntime_peak_bytes'] / 1e6:.1f}", f"{row['planned_bytes'] / 1e3:.0f}",
                 f"{row['largest_live_bytes'] / 1e3:.0f}"]  # fmt: skip
        lines.append(f"| {row['model']} | {' | '.join(cells)} | {'; '.join(misses(row))} |")
    return lines


def page(result):
    machine, rows = result["machine"], result["rows"]
    lines = [
        "# What models cost on the CPU: compiling, loading, memory",
        "",
        "Written by `./dev bench cost`; do not edit. How each figure is taken is told in `tests/bench/cost/bench.py`; the last column names the",
        "limits that a model does not keep. KB and MB are 10^3 and 10^6 bytes.",
        "",
        f"- {machine['processor']}, {machine['processors']} processors, Linux {machine['kernel']}; {result['date']}",
        f"- load average {machine['load_before']:.2f} before, {machine['load_after']:.2f} after",
        f"- {', '.join(f'{name} {version}' for name, version in result['versions'].items())}",
        f"- `{result['command']}`",
        "",
        "| limit | at most | nearest | |",
        "|---|---|---|---|",
        *(f"| {title} | {limit:g} | {nearest} | {'met' if met else '**not met**'} |" for title, limit, nearest, met in verdicts(rows)),
        "",
        *table(rows),
    ]
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ids", nargs="*", metavar="ID", help="models of models.json; none: all")
    parser.add_argument("--compiles", type=int, default=3)
    parser.add_argument("--loads", type=int, default=9)
    parser.add_argument("--jinx", type=pathlib.Path, default=ROOT / "build/dev/bin/jinx")
    parser.add_argument("--library", type=pathlib.Path, help="libjinx.so; default: of the dev build")
    parser.add_argument("--plans", type=pathlib.Path, default=ROOT / "build/dev/cost-plans")
    parser.add_argument("--output", type=pathlib.Path, help="the page; the figures go beside it as .json")
    options = parser.parse_args()
    if options.library:
        os.environ["JINX_LIBRARY"] = str(options.library)  # read by the processes that are started
    known = [model["id"] for model in json.loads((ROOT / "tools/models/models.json").read_text())["models"]]
    if unknown := [model for model in options.ids if model not in known]:
        raise SystemExit(f"error: {unknown[0]} is not a model of models.json")
    options.plans.mkdir(parents=True, exist_ok=True)
    result = {
        "date": datetime.datetime.now().strftime("%Y-%m-%d %H:%M"),
        "command": f"./dev bench cost {shlex.join(sys.argv[1:])}".strip(),
        "machine": peers.machine(),
        "versions": peers.versions(options.jinx),
        "limits": LIMITS | {"compile_s of magika": COMPILE_S["magika"]},
        "rows": [],
    }
    for model in options.ids or known:
        row = measure(options, model)
        result["rows"].append(row)
        print(*table([row])[2:], flush=True)
    result["machine"]["load_after"] = os.getloadavg()[0]
    peers.write(result, page(result), options, "cost-cpu")
    bad = [row["model"] for row in result["rows"] if misses(row)]
    print(f"{len(result['rows'])} models, {len(bad)} beyond a limit{': ' + ', '.join(bad) if bad else ''}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
