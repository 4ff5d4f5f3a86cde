#!/usr/bin/env python3
"""What does one engine take for one model, in a process of its own? Prints JSON.

Peak resident bytes after loading and a few runs, less what the process held with Python, numpy and the engine's
library in memory before it saw the model; the seconds from there to a loaded model, and of the first run.
"""

import argparse
import json
import pathlib
import resource
import time

import engines


def resident() -> int:
    """Bytes now resident."""
    pages = int(pathlib.Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


def peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engine", required=True, choices=engines.ENGINES)
    parser.add_argument("--model", required=True)
    parser.add_argument("--plan", default="")
    parser.add_argument("--case", required=True, type=pathlib.Path)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--processors", required=True)
    options = parser.parse_args()
    engines.pin(options.processors)
    inputs = engines.read_inputs(options.case)
    kept = engines.ENGINES[options.engine].preload()
    before, start = resident(), time.perf_counter()
    engine = engines.ENGINES[options.engine](options.model, options.plan, options.threads)
    load_s, loaded = time.perf_counter() - start, resident()
    start = time.perf_counter()
    engine.bind(inputs)
    first_s = time.perf_counter() - start
    for _ in range(5):
        engine.run()
    del kept
    result = {"load_ms": load_s * 1e3, "first_run_ms": first_s * 1e3, "before_bytes": before}
    result |= {"loaded_bytes": loaded - before, "peak_bytes": peak() - before}
    print(json.dumps(result))


if __name__ == "__main__":
    main()
