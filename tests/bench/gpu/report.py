#!/usr/bin/env python3
"""How do the figures of a run on a GPU become a page? Markdown from the JSON that run.py writes.

    python3 tests/bench/gpu/report.py FILE.json [--output docs/benchmarks/gpu-h100.md]     the page, and the figures beside it

`ratio` is the time of the fastest right peer over Jinx's: above 1 Jinx is faster.
"""

import argparse
import json
import math
import pathlib

TITLES = {
    "gemm": "Products", "gemm-gelu": "Products with bias and GELU", "gemm-blocks": "Products with scales of blocks", "grouped": "Products of groups", "codes": "Products with weights of 4 and 8 bits", "attention": "Attention", "attention-grad": "Gradients of attention",
    "decode": "Attention of one query token", "paged": "Attention to pages", "rows": "Rows", "rows-of-any-size": "Rows, compiled without their sizes",
    "sums": "Sums over rows", "transpose": "Transposes", "model": "Models",
}  # fmt: skip
BALANCE = 200  # operations a byte: below, the rate of bytes says more (dense bf16 of an H100 over its bandwidth is about 300)


def us(row: dict, name: str, regime: str) -> float | None:
    entry = row.get("times", {}).get(name)
    return entry[regime]["us"] if entry else None


def best_peer(row: dict, regime: str) -> tuple[str, float] | None:
    """The fastest peer whose result is right."""
    right = [(us(row, name, regime), name) for name, verdict in row.get("peers", {}).items() if verdict.get("ok")]
    known = [(t, name) for t, name in right if t]
    return (min(known)[1], min(known)[0]) if known else None


def ratio(row: dict, regime: str) -> float | None:
    peer, ours = best_peer(row, regime), us(row, "jinx", regime)
    return peer[1] / ours if peer and ours else None


def rate(row: dict, time_us: float) -> str:
    if "batch" in row:
        return f"{row['batch'] / time_us * 1e6:,.0f} a second"
    if row["flops"] < BALANCE * row["bytes"]:
        return f"{row['bytes'] / time_us * 1e-6:.2f} TB/s"
    value = row["flops"] / time_us * 1e-6
    return f"{value:.0f} TFLOP/s" if value >= 10 else f"{value:.1f} TFLOP/s"


def number(value: float) -> str:
    return f"{value:.0f}" if value >= 1000 else f"{value:.1f}" if value >= 100 else f"{value:.2f}"


def failed(row: dict) -> bool:
    return not row.get("ok", True)


def verdict_text(verdict: dict) -> str:
    faults = {"ok": " WRONG", "finite": " not finite", "guards": " writes outside"}
    said = "".join(text for key, text in faults.items() if not verdict.get(key, True))
    return f"error {verdict['norm']:.1e}, worst {verdict['worst']:.2f}{said}"


def copies(result: dict) -> str:
    """How fast a copy is: of 2 GiB, without a rest in front of it; and as the cases are measured."""
    text = f"copy {result['copy_bytes_per_s'] / 1e12:.2f} TB/s"
    if "copies_as_cases" in result:
        rested, sustained = (result["copies_as_cases"][regime] / 1e12 for regime in ("rested", "sustained"))
        text += f", of 128 MiB as the cases are {rested:.2f} rested and {sustained:.2f} sustained"
    return text


def line(row: dict, result: dict) -> str:
    """For the terminal."""
    name = f"{row['case']:42}"
    if "skipped" in row:
        return f"skip {name} {row['skipped'][:150]}"
    if "failed" in row:
        return f"FAIL {name} {row['failed']}"
    checks = "  ".join(f"{variant}: {verdict_text(verdict)}" for variant, verdict in row["jinx"].items())
    text = f"{'FAIL' if failed(row) else 'ok  '} {name} {checks}"
    for name in row.get("times", {}):
        t = us(row, name, "rested")
        spread, hot = row["times"][name]["rested"]["spread"], us(row, name, "sustained")
        text += f"\n       {name:15} {number(t):>9} us ({spread:.0%})  sustained {number(hot):>9} us  {rate(row, t)}"
    for regime in ("rested", "sustained"):
        if ratio(row, regime):
            text += f"\n       ratio {regime} {ratio(row, regime):.3f} to {best_peer(row, regime)[0]}"
    for step in row.get("steps", [])[:12]:
        text += f"\n         {step['us']:9.1f} us  {step['kind']:7} {step['kernel']:28} {step['step'][:60]}"
    for name, verdict in row.get("peers", {}).items():
        if "failed" in verdict:
            text += f"\n       {name} does not run: {verdict['failed'][:160]}"
        elif not verdict["ok"]:
            text += f"\n       {name} is wrong by this measure: error {verdict['norm']:.1e}, worst {verdict['worst']:.2f}"
    return text


def geomean(values: list[float]) -> float:
    return math.exp(sum(map(math.log, values)) / len(values))


def summary(result: dict) -> str:
    rows = result["rows"]
    skipped, wrong = [r for r in rows if "skipped" in r], [r for r in rows if failed(r)]
    lines = [f"{len(rows) - len(skipped) - len(wrong)} right, {len(wrong)} wrong, {len(skipped)} not built yet"]
    for group in dict.fromkeys(r["group"] for r in rows):
        for regime in ("rested", "sustained"):
            known = {r["case"]: ratio(r, regime) for r in rows if r["group"] == group and ratio(r, regime) and not failed(r)}
            if known:
                worst = min(known, key=known.get)
                lines.append(f"{group}, {regime}: geomean {geomean(list(known.values())):.3f} of {len(known)}, lowest {known[worst]:.3f} ({worst})")
    if wrong:
        lines.append("wrong: " + ", ".join(r["case"] for r in wrong))
    if skipped:
        lines.append("not built yet: " + ", ".join(r["case"] for r in skipped))
    return "\n".join(lines)


def cells(row: dict, result: dict) -> list[str]:
    label = row["case"].split("/", 1)[1].replace("x", "×") if row["group"] in ("gemm", "gemm-gelu") else row["case"].split("/", 1)[1]
    if "times" not in row:
        return [label, "wrong" if failed(row) else "right", *["–"] * 6]
    ours, peer = us(row, "jinx", "rested"), best_peer(row, "rested")
    spread = row["times"]["jinx"]["rested"]["spread"]
    share = row["bytes"] / (ours * 1e-6) / result["copy_bytes_per_s"]
    wrong = {name for name, verdict in row["peers"].items() if not verdict.get("ok")}
    others = [f"{name} {number(us(row, name, 'rested'))}{' (wrong)' if name in wrong else ''}" for name in row["times"] if name != "jinx"]
    ratios = [ratio(row, regime) for regime in ("rested", "sustained")]
    texts = ["–" if value is None else f"{value:.3f}" for value in ratios]
    return [label if not failed(row) else f"{label} *wrong*", f"{number(ours)} ±{spread / 2:.1%}", rate(row, ours), f"{share:.0%}",
            ", ".join(others) or "–", "–" if not peer else rate(row, peer[1]), f"**{texts[0]}**", texts[1]]


def sustained_clocks(result: dict) -> str:
    seen = [entry["sustained_mhz"] for row in result["rows"] for entry in row.get("times", {}).values() if entry.get("sustained_mhz")]
    return f"{min(seen)} to {max(seen)} MHz" if seen else "not read"


def page(result: dict) -> str:
    device = result["device"]
    lines = [
        f"# Jinx on a GPU, beside the libraries: {device['card']}", "",
        "Written by `tests/bench/gpu`; do not edit. Device times in µs, medians: several calls in one CUDA graph between two events, contenders in",
        "drawn order, four sets of random inputs in turn, one process. Rested: after at least 10 ms of idle. Sustained: right after 60 ms of the",
        "same work. ± is half the distance of the quartiles. Ratio: the fastest right peer's time over Jinx's, above 1 Jinx is faster. Copy: bytes that",
        "must move, over time, as a share of what a copy of 2 GiB reaches. Every result is compared with float64, those of models with float32;",
        "models have weights of four values, the same for all.", "",
        f"- {device['card']}, driver {device['driver']}, highest clocks {device.get('max_sm_clock', '?')} and {device.get('max_memory_clock', '?')},"
        f" limit {device.get('power_limit', '?')}; {copies(result)}; {result['date']}",
        f"- torch {device['torch']}, CUDA {device.get('cuda', '?')}, cuDNN {device.get('cudnn', '?')}; TF32 off; reduced-precision reductions of bf16"
        f" {device.get('bf16_reduced_precision_reduction', '?')}, of f16 {device.get('f16_reduced_precision_reduction', '?')} (torch's defaults)",
        f"- clocks of the multiprocessors under sustained load: {sustained_clocks(result)}",
        f"- Jinx {result['pack']['jinx']}, {result['pack']['target']}",
        f"- `{result['pack']['command']}`, then `{result['command']}`",
        *(f"- {note}" for note in result.get("notes", [])),  # what a reader must know of this run, written by hand
    ]
    for group in dict.fromkeys(row["group"] for row in result["rows"]):
        rows = [row for row in result["rows"] if row["group"] == group and "skipped" not in row and "failed" not in row]
        if not rows:
            continue
        heads = ("case", "Jinx µs", "rate", "copy", "others µs", "best peer", "ratio, rested", "sustained")
        lines += ["", f"## {TITLES.get(group, group)}", "", f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
        lines += [f"| {' | '.join(cells(row, result))} |" for row in rows]
    skipped, broken = [r for r in result["rows"] if "skipped" in r], [r for r in result["rows"] if "failed" in r]
    if broken:
        lines += ["", "## Failed", "", *[f"- {row['case']}: {row['failed']}" for row in broken]]
    if skipped:
        lines += ["", f"## Not built yet: {len(skipped)} cases", "", *[f"- {row['case']}: {row['skipped']}" for row in skipped]]
    named = [(row["case"], name, v["failed"]) for row in result["rows"] for name, v in row.get("peers", {}).items() if "failed" in v]
    if named:
        lines += ["", "## Peers that did not run", "", *[f"- {case}, {name}: {why}" for case, name, why in named]]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("figures", type=pathlib.Path)
    parser.add_argument("--output", type=pathlib.Path, default=pathlib.Path(__file__).resolve().parents[3] / "docs" / "benchmarks" / "gpu-h100.md")
    options = parser.parse_args()
    result = json.loads(options.figures.read_text())
    options.output.write_text(page(result))
    options.output.with_suffix(".json").write_text(json.dumps(result, indent=1) + "\n")
    print(f"written: {options.output}")


if __name__ == "__main__":
    main()
