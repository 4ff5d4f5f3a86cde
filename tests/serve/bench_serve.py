#!/usr/bin/env python3
"""Do the figures of `bench serve` agree with those of the server, and with each other?

Counts of requests and tokens with /metrics; percentiles with ones of Python's statistics over the list of requests.

    bench_serve.py --jinx build/dev/bin/jinx
"""

import math
import statistics
import sys

from bench_client import bench
from server import Server, main_over_model


def check_times(outcomes, figures):
    """Distributions, rates and goodput anew from the list."""
    done = [one for one in figures["each"] if one["failure"] is None]
    samples = {"ttft_s": [one["ttft_s"] for one in done],
               "tpot_s": [(one["e2e_s"] - one["ttft_s"]) / (one["output_tokens"] - 1) for one in done if one["output_tokens"] > 1],
               "itl_s": [gap for one in done for gap in one["gaps_s"]],
               "e2e_s": [one["e2e_s"] for one in done]}
    for name, times in samples.items():
        cuts = statistics.quantiles(times, n=100, method="inclusive")
        wanted = {"count": len(times), "mean": statistics.fmean(times), "p50": cuts[49], "p90": cuts[89], "p99": cuts[98]}
        outcomes.expect(all(math.isclose(figures[name][key], value, rel_tol=1e-9) for key, value in wanted.items()), f"{name} {figures[name]}, expected {wanted}")
    seconds = max(one["at_s"] + one["e2e_s"] for one in figures["each"])
    tokens = sum(one["output_tokens"] for one in done)
    rates = (figures["duration_s"], figures["requests_per_s"], figures["output_tokens_per_s"])
    outcomes.expect(all(map(math.isclose, rates, (seconds, len(done) / seconds, tokens / seconds))), f"rates {rates}")
    if "goodput" in figures:
        limits = figures["goodput"]["limits_s"]
        good = sum(one["ttft_s"] <= limits["ttft"] and (one["tpot_s"] or 0) <= limits["itl"] for one in done)
        outcomes.expect(figures["goodput"]["requests"] == good and math.isclose(figures["goodput"]["share"], good / len(figures["each"])), f"goodput {figures['goodput']}, expected {good}")


class Counted:
    """What a server counts while one load is on it."""

    def __init__(self, server):
        self.server, self.before = server, server.rest()

    def of(self, name):
        after = self.server.rest()
        return sum(value - self.before[key] for key, value in after.items() if key.split("{")[0] == name)

    def outcome(self, name):
        key = f'jinx_requests_total{{outcome="{name}"}}'
        return self.server.rest()[key] - self.before[key]


def check_counts(outcomes, jinx, server, what, *options):
    counted = Counted(server)
    code, figures, said = bench(jinx, server.url, *options)
    outcomes.expect(code == 0 and figures["completed"] == figures["requests"] == counted.outcome("stop") + counted.outcome("length"), f"{what}: {code} {said}")
    for ours, its in (("prompt_tokens", "jinx_prompt_tokens_total"), ("output_tokens", "jinx_output_tokens_total"), ("cached_tokens", "jinx_cached_tokens_total"), ("completed", "jinx_e2e_seconds_count"),
                      ("completed", "jinx_ttft_seconds_count")):
        outcomes.expect(figures[ours] == counted.of(its), f"{what}: {ours} {figures[ours]}, and {its} {counted.of(its)}")
    its_mean = counted.of("jinx_ttft_seconds_sum") / counted.of("jinx_ttft_seconds_count")
    outcomes.expect(figures["ttft_s"]["mean"] >= its_mean * 0.999, f"{what}: a client sees {figures['ttft_s']['mean']} to the first token, before the server's {its_mean}")
    check_times(outcomes, figures)
    return figures


def check(outcomes, jinx, plan, model):
    with Server(jinx, plan, model, "--pages", 512) as server:
        figures = check_counts(outcomes, jinx, server, "closed loop", "--requests", 16, "--concurrency", 4, "--prompt-tokens", "4-40", "--output-tokens", "2-9", "--ignore-eos", "--goodput", "ttft=0.1,itl=0.02")
        outcomes.expect({one["output_tokens"] for one in figures["each"]} <= set(range(2, 10)) and figures["output_tokens"] > 32, "answers are not as long as was asked")
        words = check_counts(outcomes, jinx, server, "open loop", "--requests", 12, "--rate", 30, "--prompt-tokens", 64, "--output-tokens", 4, "--seed", 2)["prompt_tokens"] / 12
        outcomes.expect(60 <= words <= 80, f"64 words are {words} tokens")
        check_counts(outcomes, jinx, server, "chat", "--requests", 4, "--chat", "--temperature", 1, "--output-tokens", 8, "--seed", 3)
        figures = check_counts(outcomes, jinx, server, "shared beginning", "--requests", 6, "--prompt-tokens", 8, "--shared-prefix-tokens", 96, "--output-tokens", 2, "--seed", 4)
        cached = [one["cached_tokens"] for one in figures["each"]]
        outcomes.expect(cached[0] < 16 and min(cached[1:]) >= 80, f"of a shared beginning cached: {cached}")

        counted = Counted(server)
        code, figures, said = bench(jinx, server.url, "--requests", 3, "--rate", "inf", "--prompt-tokens", 8, "--output-tokens", 4000, "--ignore-eos", "--timeout", 0.5)
        outcomes.expect(code == 1 and figures["failures"] == {"timeout": 3} == {"timeout": counted.outcome("disconnected")} and "no request was answered: timeout" in said, f"deadlines: {code} {said} {figures}")
        url = server.url
    code, _, said = bench(jinx, url)
    outcomes.expect(code == 1 and "refused" in said, f"without a server: {code} {said}")
    with Server(jinx, plan, model, "--pages", 512, "--max-running", 1, "--max-waiting", 2) as server:
        counted = Counted(server)
        code, figures, said = bench(jinx, server.url, "--requests", 12, "--rate", "inf", "--prompt-tokens", 8, "--output-tokens", 40, "--ignore-eos")
        outcomes.expect(code == 0 and figures["rejected"] == counted.outcome("refused") > 0 and figures["failures"] == {}, f"refused: {code} {said} {figures['rejected']}")
        outcomes.expect(figures["completed"] + figures["rejected"] == 12 and figures["completed"] == counted.outcome("length"), f"of 12 requests {figures['completed']}, and 429 for {figures['rejected']}")
        check_times(outcomes, figures)


if __name__ == "__main__":
    sys.exit(main_over_model(__doc__, lambda outcomes, options, plan, model, folder: check(outcomes, options.jinx, plan, model)))
