"""How long does a call take? Contenders in drawn order each round, at rested and at sustained clocks.

One measurement is one replay of a graph of several calls, which go through the sets of inputs in turn. Rested: after an idle time in which
the card cools, so that it runs at its highest clock. Sustained: right after 60 ms of the same work, where power limits the clock.
"""

import random
import statistics
import time

GRAPH_MS, MAX_CALLS = 0.3, 64  # calls are added to a graph until it takes so long
REST_S, HEAT_MS = 0.010, 60.0


class Timed:
    """A contender: a function for each set of inputs, recorded."""

    def __init__(self, machine, calls):
        first = machine.record(calls)
        machine.time(first)
        per_call = statistics.median(machine.time(first) for _ in range(5)) / len(calls)
        rounds = max(1, min(MAX_CALLS // len(calls), round(GRAPH_MS / max(1e-4, per_call * len(calls)))))
        self.count = rounds * len(calls)
        self.run = machine.record(calls * rounds) if rounds > 1 else first
        self.graph_ms = per_call * self.count
        self.rested, self.sustained = [], []


def measure(machine, contenders: dict, seconds: float, rest_s: float = REST_S, heat_ms: float = HEAT_MS, minimum: int = 7) -> dict:
    """contenders: functions, one a set of inputs, by name. At least `minimum` rounds, more while there is time, at most 25."""
    timed = {name: Timed(machine, calls) for name, calls in contenders.items()}
    order, shuffle = list(timed), random.Random(0)
    start = time.perf_counter()
    for regime in ("rested", "sustained"):
        until = start + seconds * (0.5 if regime == "rested" else 1.0)
        for done in range(25):
            if done >= minimum and time.perf_counter() > until:
                break
            shuffle.shuffle(order)
            for name in order:
                one = timed[name]
                if regime == "rested":
                    time.sleep(max(rest_s, 2e-3 * one.graph_ms))
                    one.rested.append(machine.time(one.run) / one.count)
                else:
                    before = max(1, round(heat_ms / one.graph_ms)) if heat_ms else 0
                    one.sustained.append(machine.time(one.run, before) / one.count)
    measured = {}
    for name, one in timed.items():
        clock = machine.clock_during(one.run, max(1, round(heat_ms / one.graph_ms)))
        measured[name] = {"calls": one.count, "rested": summary(one.rested), "sustained": summary(one.sustained), "sustained_mhz": clock}
    return measured


def summary(times_ms: list[float]) -> dict:
    """Median and the spread of the quartiles, in microseconds and as a share of the median."""
    low, median, high = statistics.quantiles(times_ms, n=4)
    return {"us": median * 1e3, "spread": (high - low) / median if median else 0.0, "rounds": len(times_ms)}
