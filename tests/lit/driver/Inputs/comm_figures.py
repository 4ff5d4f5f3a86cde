"""comm_figures.py FILE [NETWORK]: are the figures of `bench comm --json` what they are called? Formulas are typed in here once more.

NETWORK is what --write-network wrote; with it there has to be a fit, and its constants are in the network."""
import json
import sys

figures = json.load(open(sys.argv[1]))
n = figures["ranks"]
ring, others = 2 * (n - 1) / n, (n - 1) / n
# collective: what a link carries of S; steps and volume of the fit
KINDS = {
    "all_reduce": (ring, 2 * (n - 1), ring),
    "all_gather": (others, n - 1, others),
    "reduce_scatter": (others, n - 1, others),
    "all_to_all": (others, n - 1, others),
    "broadcast": (1, n - 1, 1),
    "permute": (1, 1, 1),
}


def close(a, b):
    return abs(a / b - 1) < 1e-6


fits = {fit["collective"]: fit for fit in figures["fits"]}
for time in figures["times"]:
    carried, steps, volume = KINDS[time["collective"]]
    assert 0 < time["min_us"] <= time["median_us"] <= time["max_us"], time
    assert close(time["algbw_gb_s"], time["bytes"] / time["median_us"] / 1e3), time
    assert close(time["busbw_gb_s"], carried * time["algbw_gb_s"]), time
    if fit := fits.get(time["collective"]):
        assert close(time["fit_us"], steps * fit["latency_us"] + volume * time["bytes"] / fit["bandwidth_gb_s"] / 1e3), (time, fit)
sizes = [[t["bytes"] // 1000 for t in figures["times"] if t["collective"] == kind] for kind in KINDS]
if len(sys.argv) == 2:
    assert sizes == [[1, 32, 1048]] * 6, sizes
else:
    assert sizes == [[1, 131, 16777]] + [[]] * 5, sizes
    network, fit = json.load(open(sys.argv[2])), fits["all_reduce"]
    assert close(network["between"]["latency_us"]["Simple"], fit["latency_us"]), (network, fit)
    assert close(network["between"]["bandwidth_gb_s"], fit["bandwidth_gb_s"]), (network, fit)
    # Of four ranks, 6 steps and 1.5 S against 4 steps and 2 S.
    four = next(entry for entry in figures["ring_or_tree"] if entry["ranks"] == 4)["crossover_bytes"]
    assert len(four) == 1 and abs(four[0] - 4 * fit["latency_us"] * fit["bandwidth_gb_s"] * 1e3) <= 2, (four, fit)
