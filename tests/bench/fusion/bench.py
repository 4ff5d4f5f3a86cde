#!/usr/bin/env python3
"""What does fusion bring? Each named model compiled as usual and with --no-fusion, the two plans' calls interleaved.

Both plans have the same passes before fusion (folding, layouts, packed weights) and the same schedules; the unfused one
has a kernel for each operator. The same worker, cases and rules as `./dev bench peers`. Writes
docs/benchmarks/fusion-cpu.md and .json, unless models are named.

    ./dev bench fusion [ID…] [--stretch] [--light] [--threads 1 2] [--output FILE.md]
"""

import argparse
import datetime
import pathlib
import shlex
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[2]
sys.path.insert(0, str(HERE.parent / "peers"))
import bench as peers  # noqa: E402  peers/bench.py
import report  # noqa: E402

ENGINES = ("jinx", "unfused")


def compile_both(options: argparse.Namespace, model: dict) -> dict:
    """The fused plan's entry; its twin lies beside it, where engines.Unfused looks."""
    fused = peers.compile_plan(options, model, options.plans)
    twin = argparse.Namespace(**{**vars(options), "flag": [*options.flag, "--no-fusion"]})
    unfused = peers.compile_plan(twin, model, options.plans / "unfused")
    return fused if "error" in fused else unfused | {"path": fused["path"]} if "error" in unfused else fused


def gain(row: dict) -> float | None:
    step = report.quantisation_steps().get(row["model"], 0.0)
    entries = [row["engines"][name] for name in ENGINES]
    return entries[1]["median_ms"] / entries[0]["median_ms"] if all(report.is_right(e, step) for e in entries) else None


def summary(rows: list[dict]) -> str:
    known = {row["model"]: gain(row) for row in rows if gain(row) is not None}
    if not known:
        return "no model ran both ways"
    worst = min(known, key=known.get)
    return f"geomean {report.geomean(list(known.values())):.2f} over {len(known)} of {len(rows)} models; lowest {known[worst]:.2f} ({worst})"


def table(rows: list[dict]) -> list[str]:
    steps = report.quantisation_steps()
    lines = ["| model | fused | unfused | unfused / fused |", "|---|---|---|---|"]
    for row in rows:
        cells = [report.cell(row["engines"][name], steps.get(row["model"], 0.0)) for name in ENGINES]
        value, mark = gain(row), "" if report.is_quiet(row) else " (busy)"
        lines.append(f"| {row['model']}{mark} | {' | '.join(cells)} | {'–' if value is None else f'{value:.2f}'} |")
    return lines


def page(result: dict) -> str:
    lines = [
        "# Fused kernels beside one kernel per operator, on the CPU",
        "",
        "Written by `./dev bench fusion`; do not edit. Medians in ms (10th–90th percentile), calls interleaved in one process,",
        "threads pinned. The unfused plan is compiled with `--no-fusion`; passes before fusion and schedules are the same.",
        "",
        f"- {result['machine']['processor']}, {result['machine']['processors']} processors; {result['date']}",
        f"- Jinx {result['versions']['Jinx']}",
        f"- `{result['command']}`",
    ]
    for threads in result["threads"]:
        rows = [row for row in result["rows"] if row["threads"] == threads]
        lines += ["", f"## {threads} thread{'s' if threads > 1 else ''}", "", *table(rows), "", summary(rows) + "."]
    faults = report.failures(result["rows"])
    return "\n".join(lines + (["", "## What did not run", "", *faults] if faults else [])) + "\n"


def main() -> None:
    options = peers.parse(__doc__)
    models = peers.chosen_models(options)
    (options.plans / "unfused").mkdir(parents=True, exist_ok=True)
    result = {
        "date": datetime.datetime.now().strftime("%Y-%m-%d %H:%M"),
        "command": "./dev bench fusion " + shlex.join(sys.argv[1:]),
        "machine": peers.machine(),
        "versions": peers.versions(options.jinx),
        "threads": options.threads,
        "plans": {model["id"]: compile_both(options, model) for model in models},
        "rows": [],
    }
    for threads in options.threads:
        for model in models:
            row = peers.time_model(options, model, result["plans"][model["id"]], threads, ENGINES)
            result["rows"].append(row)
            times = "  ".join(f"{n} {report.number(e['median_ms']) if 'median_ms' in e else e['error'][:100]}" for n, e in row["engines"].items())
            value = gain(row)
            print(f"{row['model']:16} {threads} thr  {times}  ratio {'–' if value is None else f'{value:.2f}'}", flush=True)
    peers.write(result, page(result), options, "fusion-cpu")
    for threads in options.threads:
        rows = [row for row in result["rows"] if row["threads"] == threads]
        print(f"{threads} thread{'s' if threads > 1 else ''}: {summary(rows)}")


if __name__ == "__main__":
    main()
