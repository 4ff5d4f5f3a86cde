"""How do the figures of a run become a page? Markdown tables from the JSON that bench.py writes.

A peer counts where it ran and its outputs are the expected ones: within 1e-3 + 1 % of the largest magnitude, or within
the model's quantisation step. `ratio` is the time of the better such peer over Jinx's: above 1 Jinx is faster.
"""

import json
import math
import pathlib

CASES = pathlib.Path(__file__).resolve().parents[2] / "models" / "cases.json"


def is_right(entry: dict, step: float) -> bool:
    if "median_ms" not in entry:
        return False
    return entry["difference"] <= max(step, 1e-3 + 1e-2 * entry["magnitude"])


def quantisation_steps() -> dict[str, float]:
    steps = json.loads(CASES.read_text()).get("quantisation_steps", {})
    return {model: max(step["largest"] for step in outputs.values()) for model, outputs in steps.items()}


def ratio(row: dict) -> float | None:
    """The better right peer over Jinx; None when Jinx or all peers are missing or wrong."""
    step = quantisation_steps().get(row["model"], 0.0)
    peers = [row["engines"][name] for name in ("onnxruntime", "openvino") if name in row["engines"]]
    times = [entry["median_ms"] for entry in peers if is_right(entry, step)]
    jinx = row["engines"].get("jinx", {})
    if not times or not is_right(jinx, step):
        return None
    return min(times) / jinx["median_ms"]


def is_quiet(row: dict) -> bool:
    """False when other work had the processors for more than 3 % of the time: the figures are then worth little."""
    return (row.get("waited_share") or 0.0) <= 0.03


def geomean(values: list[float]) -> float:
    return math.exp(sum(math.log(value) for value in values) / len(values))


def number(value: float) -> str:
    if value >= 100:
        return f"{value:.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}" if value >= 1 else f"{value:.3f}"


def cell(entry: dict | None, step: float) -> str:
    if entry is None:
        return "–"
    if "error" in entry:
        return "fails"
    text = f"{number(entry['median_ms'])} ({number(entry['p10_ms'])}–{number(entry['p90_ms'])})"
    return text if is_right(entry, step) else f"{text} *wrong*"


def time_table(rows: list[dict]) -> list[str]:
    steps = quantisation_steps()
    lines = ["| model | Jinx | onnxruntime | OpenVINO | ratio |", "|---|---|---|---|---|"]
    for row in rows:
        cells = [cell(row["engines"].get(name), steps.get(row["model"], 0.0)) for name in ("jinx", "onnxruntime", "openvino")]
        value = ratio(row)
        mark = "" if is_quiet(row) else " (busy)"
        lines.append(f"| {row['model']}{mark} | {' | '.join(cells)} | {'–' if value is None else f'{value:.2f}'} |")
    return lines


def summary(rows: list[dict]) -> str:
    ratios = {row["model"]: ratio(row) for row in rows}
    known = {model: value for model, value in ratios.items() if value is not None}
    if not known:
        return "no model ran on Jinx and on a peer"
    worst = min(known, key=known.get)
    text = f"geomean {geomean(list(known.values())):.2f} over {len(known)} of {len(rows)} models"
    return f"{text}; lowest {known[worst]:.2f} ({worst}); below 0.9: {sum(value < 0.9 for value in known.values())}"


def failures(rows: list[dict]) -> list[str]:
    lines = []
    for row in rows:
        for name, entry in row["engines"].items():
            if "error" in entry:
                lines.append(f"- {row['model']}, {row['threads']} threads, {name}: {entry['error'].splitlines()[0]}")
    return lines


def compile_table(result: dict) -> list[str]:
    lines = ["| model | compile s | plan MB | load ms | first run ms | arena KB | least KB | separate buffers KB |"]
    lines.append("|---|---|---|---|---|---|---|---|")
    for row in result["rows"]:
        entry, plan = row["engines"].get("jinx", {}), result["plans"].get(row["model"], {})
        if row["threads"] != 1 or "statistics" not in entry or "seconds" not in plan:
            continue
        s = entry["statistics"]
        sizes = [s["planned_bytes"], s["largest_live_bytes"], s["activation_bytes"]]
        lines.append(
            f"| {row['model']} | {plan['seconds']:.2f} | {plan['bytes'] / 1e6:.2f} | {entry['load_ms']:.1f} "
            f"| {entry['first_run_ms']:.1f} | {' | '.join(f'{size / 1e3:.0f}' for size in sizes)} |"
        )
    return lines


def memory_table(rows: list[dict]) -> list[str]:
    names = ("jinx", "onnxruntime", "openvino")
    lines = ["| model | Jinx | onnxruntime | OpenVINO | load ms: Jinx | onnxruntime | OpenVINO |", "|---|---|---|---|---|---|---|"]
    for row in rows:
        entries = [row["engines"].get(name, {}) for name in names]
        peaks = [f"{entry['peak_bytes'] / 1e6:.1f}" if "peak_bytes" in entry else "–" for entry in entries]
        loads = [f"{entry['load_ms']:.1f}" if "load_ms" in entry else "–" for entry in entries]
        lines.append(f"| {row['model']} | {' | '.join(peaks + loads)} |")
    return lines


def page(result: dict) -> str:
    machine = result["machine"]
    lines = [
        "# Named models on the CPU, beside onnxruntime and OpenVINO",
        "",
        "Written by `./dev bench`; do not edit. Medians in ms (10th–90th percentile). ratio: the better peer's median over",
        "Jinx's, above 1 Jinx is faster. The engines' calls are interleaved in one process, threads pinned; how is told in",
        "`tests/bench/peers/worker.py` and `engines.py`. Inputs are the case `time` of `tests/models/oracle.py`.",
        "",
        f"- {machine['processor']}, {machine['processors']} processors, Linux {machine['kernel']}; {result['date']}",
        f"- load average {machine['load_before']:.2f} before, {machine['load_after']:.2f} after: above the number of threads,"
        " other work took part; *busy* marks a model during which threads waited for a processor over 3 % of the time",
        f"- {', '.join(f'{name} {version}' for name, version in result['versions'].items())}; sizes "
        + ("fixed beforehand" if result["static"] else "as the file declares them"),
        f"- `{result['command']}`",
    ]
    for threads in result["threads"]:
        rows = [row for row in result["rows"] if row["threads"] == threads]
        lines += ["", f"## {threads} thread{'s' if threads > 1 else ''}", "", *time_table(rows), "", summary(rows) + "."]
    faults = failures(result["rows"])
    if faults:
        lines += ["", "## What did not run", "", *faults]
    lines += ["", "## Compiling and loading", "", "Compile: the whole `jinx compile` process. Load: opening the plan until it can run.", ""]
    lines += compile_table(result)
    if result.get("memory"):
        lines += ["", "## Memory", "", "Peak resident MB (10^6 bytes) of a process of its own for loading and six runs on one"]
        lines += ["thread, less what it held with the engine's library loaded and no model.", ""]
        lines += memory_table(result["memory"])
    return "\n".join(lines) + "\n"
