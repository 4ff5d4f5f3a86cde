#!/usr/bin/env python3
"""How long does loading a plan take, and what does its arena hold? Prints JSON: the median of some loads, the statistics of a run."""

import argparse
import json
import pathlib
import statistics
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "peers"))
import engines  # noqa: E402


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--plan", required=True)
    parser.add_argument("--case", required=True, type=pathlib.Path)
    parser.add_argument("--loads", type=int, required=True)
    parser.add_argument("--processors", required=True)
    options = parser.parse_args()
    engines.pin(options.processors)
    engines.Jinx.preload()
    times = []
    for _ in range(options.loads):
        start = time.perf_counter()
        engine = engines.Jinx("", options.plan, 1)
        times.append((time.perf_counter() - start) * 1e3)
    engine.bind(engines.read_inputs(options.case))
    engine.run()
    found = engine.facts()["statistics"]
    print(json.dumps({"load_ms": statistics.median(times), "loads_ms": times} | {key: found[key] for key in ("planned_bytes", "largest_live_bytes", "activation_bytes")}))


if __name__ == "__main__":
    main()
