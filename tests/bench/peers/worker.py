#!/usr/bin/env python3
"""Times one model at one number of threads, all engines in this process, their calls interleaved. Writes JSON.

A round gives each engine one turn; the order rotates. A turn is, for calls below 5 ms, a millisecond of untimed calls
and one timed one, so that every engine is timed with its own data in the caches and its own threads awake, whoever ran
before; longer calls are timed at once. With several threads a turn begins with a pause until the threads of the engine
before have stopped spinning. Rounds go on until each engine has `calls` times or the seconds are over.
"""

import argparse
import gc
import json
import pathlib
import time

import engines
import numpy as np

LONG_CALL_S = 5e-3
UNTIMED_S = 1e-3
QUIET_SHARE = 0.1  # of a processor, over a millisecond: nobody spins
LONGEST_PAUSE_S = 0.1


def load(name: str, options: argparse.Namespace, inputs: dict) -> tuple[object | None, dict]:
    """The engine and what loading it cost; None and the reason when it cannot run the model."""
    try:
        engines.ENGINES[name].preload()
        start = time.perf_counter()
        shapes = {key: array.shape for key, array in inputs.items()} if options.static else None
        engine = engines.ENGINES[name](options.model, options.plan, options.threads, shapes)
        loaded = time.perf_counter()
        engine.bind(inputs)
        engine.run()
        return engine, {"load_ms": (loaded - start) * 1e3, "first_run_ms": (time.perf_counter() - loaded) * 1e3}
    except Exception as error:  # noqa: BLE001: an engine that cannot run the model is a row of the table
        return None, {"error": f"{type(error).__name__}: {str(error).strip()[:400]}"}


def waited() -> float:
    """Seconds that threads of this process have waited for a processor: other work was on it."""
    tasks = pathlib.Path("/proc/self/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[1]) for task in tasks) / 1e9


def timed(engine) -> float:
    start = time.perf_counter()
    engine.run()
    return time.perf_counter() - start


def warm_up(engine, calls: int) -> float:
    """Seconds of a call, once warm."""
    return min(timed(engine) for _ in range(max(1, calls)))


def settle() -> None:
    """Sleeps until no thread of this process runs."""
    start = time.perf_counter()
    while time.perf_counter() - start < LONGEST_PAUSE_S:
        before, used = time.perf_counter(), time.process_time()
        time.sleep(1e-3)
        if time.process_time() - used < QUIET_SHARE * (time.perf_counter() - before):
            return


def turn(engine, typical: float, several_threads: bool) -> float:
    if several_threads:
        settle()
    if typical < LONG_CALL_S:
        start = time.perf_counter()
        engine.run()
        while time.perf_counter() - start < UNTIMED_S:
            engine.run()
    return timed(engine)


def measure(loaded: dict, options: argparse.Namespace) -> dict[str, list[float]]:
    typical = {name: warm_up(engine, options.warm_up) for name, engine in loaded.items()}
    times: dict[str, list[float]] = {name: [] for name in loaded}
    names, spent = list(loaded), {name: 0.0 for name in loaded}
    gc.collect()
    gc.disable()
    for round_number in range(options.calls):
        shift = round_number % len(names)
        for name in names[shift:] + names[:shift]:
            times[name].append(turn(loaded[name], typical[name], options.threads > 1))
            spent[name] += times[name][-1]
        if round_number >= 4 and max(spent.values()) > options.seconds:
            break
    gc.enable()
    return times


def summary(seconds: list[float]) -> dict:
    p10, median, p90 = np.quantile(np.array(seconds) * 1e3, [0.1, 0.5, 0.9])
    return {"median_ms": float(median), "p10_ms": float(p10), "p90_ms": float(p90), "calls": len(seconds)}


def difference(got: dict, expected: dict) -> tuple[float, float]:
    """(largest difference, largest expected magnitude) over the outputs; infinite when shapes differ."""
    worst, size = 0.0, 0.0
    for name, b in expected.items():
        a = got.get(name)
        if a is None or a.shape != b.shape:
            return float("inf"), size
        if b.size and b.dtype.kind in "fiub":
            worst = max(worst, float(np.nanmax(np.abs(a.astype(np.float64) - b.astype(np.float64)))))
            size = max(size, float(np.nanmax(np.abs(b.astype(np.float64)))))
    return worst, size


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True)
    parser.add_argument("--plan", default="")
    parser.add_argument("--case", required=True, type=pathlib.Path)
    parser.add_argument("--engines", required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--processors", required=True)
    parser.add_argument("--calls", type=int, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--warm-up", type=int, required=True)
    parser.add_argument("--static", action="store_true")
    parser.add_argument("--output", required=True, type=pathlib.Path)
    options = parser.parse_args()

    engines.pin(options.processors)
    inputs, expected = engines.read_inputs(options.case), engines.read_outputs(options.case)
    loaded, result = {}, {}
    for name in options.engines.split(","):
        engine, result[name] = load(name, options, inputs)
        if engine is not None:
            loaded[name] = engine
    if loaded:
        start, before = time.perf_counter(), waited()
        times = measure(loaded, options)
        result["waited_share"] = (waited() - before) / (time.perf_counter() - start)
        for name, seconds in times.items():
            worst, size = difference(loaded[name].outputs(), expected)
            result[name] |= summary(seconds) | {"difference": worst, "magnitude": size} | loaded[name].facts()
    options.output.write_text(json.dumps(result))


if __name__ == "__main__":
    main()
