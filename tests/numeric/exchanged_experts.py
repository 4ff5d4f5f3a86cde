#!/usr/bin/env python3
"""Mixtures whose tokens go to the ranks of their experts: are sums right, whoever has chosen whom, and is nothing sent but what must be?

Tokens and experts are split over ep, by 2, 3, 4 and 8 ranks as threads and 2 and 4 as processes of mpirun; neither number divides. Beside ep there are tp, which splits each expert inside, dp, which splits
tokens once more, stages and microbatches. Plans are made once, with `experts=exchange`; who chooses whom is an input:

    even       each token has different experts at random
    one rank   all tokens have the experts of rank 0
    one        all have one expert, twice
    none       nobody has an expert: -1, and numbers behind the last one
    some       tokens without experts among others, numbers that are none, an expert twice

Of small integers (gates are multiples of 128, where silu(x) is x or 0 in f32) sums are NumPy's in float64 to the bit, and one rank's; of random floats up to a tolerance, and the same bits when run again. Once with kernels for CUDA on emulated devices. What
each rank has sent over a run is compared with a closed formula: for each token, once to each other rank that has one of its experts, a row of x, its experts and weights, and a row of y on the way back; and 8
bytes of counts to each. So are the same plans with `experts=gather`.

    exchanged_experts.py --jinx build/dev/bin/jinx --opt build/dev/bin/jinx-opt --runner build/dev/bin/jinx-rt
    exchanged_experts.py … --self-test        plants faults in numbers and bytes and sees each told
"""

import argparse
import pathlib
import shutil
import tempfile

import numpy as np

from rank_networks import Networks, launcher_of
from sharded import TOLERANCE, Case, Failed

TOKENS, EXPERTS, USED, WIDTH, HIDDEN, OUT = 10, 5, 2, 4, 8, 6
SHAPES = {"arg0": (TOKENS, WIDTH), "arg1": ((TOKENS, USED), np.int64), "arg2": (TOKENS, USED), "arg3": (EXPERTS, HIDDEN, WIDTH), "arg4": (EXPERTS, HIDDEN, WIDTH), "arg5": (EXPERTS, OUT, HIDDEN)}
MESHES = [[("ep", 2)], [("ep", 3)], [("ep", 4)], [("ep", 8)], [("ep", 2), ("tp", 2)], [("dp", 2), ("ep", 2)], [("ep", 2), ("micro", 5)], [("pp", 2), ("ep", 2)], [("pp", 2), ("ep", 2), ("micro", 5)]]
PROCESSES = (2, 4)


def text_of(mesh):
    axes = [axis for axis, _ in mesh]
    rows = ", ".join(f'"{axis}"' for axis in ("dp", "micro", "ep") if axis in axes)
    inside = '"tp"' if "tp" in axes else ""
    of = lambda *dims: f"{{dist.sharding = #dist.sharding<[{', '.join(f'[{d}]' for d in dims)}]>}}"
    tokens, columns, downs = of(rows, ""), of('"ep"', inside, ""), of('"ep"', "", inside)
    types = [f"tensor<{'x'.join(map(str, shape[0] if isinstance(shape[0], tuple) else shape))}x{'i64' if name == 'arg1' else 'f32'}>" for name, shape in SHAPES.items()]
    result = f"tensor<{TOKENS}x{OUT}xf32>"
    given = of('"micro"', "") if "micro" in axes else tokens  # pieces are the last axis of an argument: ep splits a piece inside, where it is computed with
    arguments = ", ".join(f"%a{i}: {kind} {wish}" for i, (kind, wish) in enumerate(zip(types, [given] * 3 + [columns] * 2 + [downs])))
    if "micro" not in axes and "pp" not in axes:
        return f"""({arguments}) -> ({result} {given})
  %y = jinx.experts silu %a0, %a1, %a2, %a3, %a4, %a5 : ({', '.join(types)}) -> {result}
  return %y : {result}"""
    of_stage = lambda stage: f" {{dist.stage = {stage} : i64}}" if "pp" in axes else ""
    again = lambda to, x, kind, stage: f"""  %{to}.n = jinx.neg %{x}{of_stage(stage)} : {kind} -> {kind}
  %{to}.s = dist.constrain %{to}.n <[[{rows}], []]> : {kind}
  %{to} = jinx.neg %{to}.s{of_stage(stage)} : {kind} -> {kind}
"""
    split = "".join(again(f"t{i}", f"a{i}", types[i], 0) for i in range(3))
    return f"""({arguments}) -> ({result} {given})
{split}  %m = jinx.experts silu %t0, %t1, %t2, %a3, %a4, %a5{of_stage(1)} : ({', '.join(types)}) -> {result}
{again("y", "m", result, 1)}  return %y : {result}"""


def mixed(x, chosen, weights, gate, up, down):
    """Token by token."""
    y = np.zeros((TOKENS, OUT))
    for t in range(TOKENS):
        for e, weight in zip(chosen[t], weights[t]):
            if 0 <= e < EXPERTS:
                g = gate[e] @ x[t]
                with np.errstate(over="ignore"):
                    y[t] += weight * (down[e] @ (g / (1 + np.exp(-g)) * (up[e] @ x[t])))
    return y


def routings(ranks):
    rng = np.random.default_rng(ranks)
    each = -(-EXPERTS // ranks)  # experts of a rank
    even = np.array([rng.permutation(EXPERTS)[:USED] for _ in range(TOKENS)])
    some = even.copy()
    some[[0, 7, 9]] = -1
    some[1], some[4], some[5, 0], some[8] = [EXPERTS, 2], [3, 3], 1 << 40, [-(1 << 33), 4]
    one_rank = np.array([rng.permutation(max(each, USED))[:USED] % each for _ in range(TOKENS)])
    return {"even": even, "one rank": one_rank, "one": np.full((TOKENS, USED), EXPERTS - 1), "none": np.resize([-1, EXPERTS, EXPERTS + 3, 1 << 24], (TOKENS, USED)), "some": some}


def whole_numbers(chosen):
    rng = np.random.default_rng(5)
    drawn = {name: rng.integers(-2, 3, shape).astype(np.float32) for name, shape in SHAPES.items() if name != "arg1"}
    return {name: chosen if name == "arg1" else drawn[name] * (128 if name == "arg3" else 1) for name in SHAPES}


def random_floats(chosen):
    rng = np.random.default_rng(6)
    drawn = {name: rng.uniform(-1, 1, shape).astype(np.float32) for name, shape in SHAPES.items() if name != "arg1"}
    return {name: chosen if name == "arg1" else drawn[name] for name in SHAPES}


def sent_bytes(chosen, ranks):
    """Of each rank of ep, in an exchange."""
    rows, each = -(-TOKENS // ranks), -(-EXPERTS // ranks)
    goes = np.zeros((ranks, ranks), int)  # rows from one to another
    for t, experts in enumerate(chosen):
        for rank in {int(e) // each for e in experts if 0 <= e < EXPERTS}:
            goes[t // rows, rank] += 1
    np.fill_diagonal(goes, 0)
    there, back = 4 * (WIDTH + 2 * USED), 4 * OUT
    return [int(goes[r].sum()) * there + int(goes[:, r].sum()) * back + (ranks - 1) * 8 for r in range(ranks)]


def gathered_bytes(ranks):
    """Of each rank, where all tokens are gathered and sums scattered."""
    return (ranks - 1) * -(-TOKENS // ranks) * (4 * WIDTH + (8 + 4) * USED + 4 * OUT)


def as_floats(inputs):
    return [v if v.dtype == np.int64 else v.astype(np.float64) for v in inputs.values()]


class Exchanges(Networks):
    def __init__(self, args):
        super().__init__(args)
        self.known = {}

    def case(self, mesh, experts="exchange"):
        return Case(text_of(mesh), SHAPES, mixed, [mesh], partition=f"experts={experts}")

    def compared(self, got, expected, one=None):
        """To the bit where one rank's answer is given, else up to a tolerance."""
        if got.shape != expected.shape:
            return f"is {got.shape}, expected {expected.shape}"
        if one is None:
            error = np.abs(got - expected).max()
            return "" if error <= TOLERANCE else f"differs from NumPy by {error}"
        if not np.array_equal(got, expected.astype(np.float32)):  # silu(-128) is 1e-53, and 0 in f32
            return f"differs from NumPy by {np.abs(got - expected).max()}"
        return "" if np.array_equal(got, one) else "differs from one rank"

    def answers(self, alone, ep):
        """Of each routing its inputs, NumPy's answer and one rank's."""
        if ep not in self.known:
            self.known[ep] = {}
            for name, chosen in routings(ep).items():
                inputs = whole_numbers(chosen)
                self.known[ep][name] = inputs, mixed(*as_floats(inputs)), self.run(alone, (), ("--ranks", 1), inputs, 1)[0]
        return self.known[ep]

    def bytes_of_a_run(self, folder, ranks, inputs):
        _, once = self.run(folder, (), ("--ranks", ranks), inputs, 1)
        got, twice = self.run(folder, (), ("--ranks", ranks), inputs, 2)
        return got, [b["sent_bytes"] - a["sent_bytes"] for a, b in zip(once, twice)]

    def judge_mesh(self, mesh, alone):
        ep, only_ep = dict(mesh)["ep"], len(mesh) == 1
        what = " x ".join(f"{axis} = {n}" for axis, n in mesh)
        with tempfile.TemporaryDirectory() as temporary:
            folder = pathlib.Path(temporary)
            ranks, programs = self.plans(self.case(mesh), mesh, folder)
            self.tell("dist.all_to_all_v" in programs[0] and "reduce_scatter" not in programs[0], f"{what}: is no exchange")
            for name, (inputs, expected, one) in self.answers(alone, ep).items():
                if only_ep:
                    got, sent = self.bytes_of_a_run(folder, ranks, inputs)
                    formula = sent_bytes(inputs["arg1"], ranks)
                    self.tell(sent == formula, f"{what}, {name}: ranks have sent {sent} bytes, by the formula {formula}")
                else:
                    got, _ = self.run(folder, (), ("--ranks", ranks), inputs, 1)
                problem = self.compared(got, expected, one)
                self.tell(not problem, f"{what}, {name}: {problem}")
                if only_ep and ranks in PROCESSES and name in ("one rank", "some") and shutil.which("mpirun"):
                    problem = self.compared(self.run(folder, launcher_of(ranks), ("--communicator", "mpi"), inputs, 1)[0], expected, one)
                    self.tell(not problem, f"{what}, {name}, processes: {problem}")
            self.judge_floats(what, folder, ranks, routings(ep)["some"])

    def judge_floats(self, what, folder, ranks, chosen):
        inputs = random_floats(chosen)
        got, again = (self.run(folder, (), ("--ranks", ranks), inputs, 1)[0] for _ in range(2))
        problem = self.compared(got, mixed(*as_floats(inputs))) or ("" if np.array_equal(got, again) else "other bits when run again")
        self.tell(not problem, f"{what}, random floats: {problem}")

    def judge_emulated(self, ranks):
        """Kernels for CUDA, on memory of the device's own: the host reads counts from there."""
        chosen = routings(ranks)["some"]
        inputs = whole_numbers(chosen)
        with tempfile.TemporaryDirectory() as temporary:
            folder = pathlib.Path(temporary)
            self.plans(self.case([("ep", ranks)]), [("ep", ranks)], folder, "cuda:sm_90a")
            got, _ = self.run(folder, (), ("--ranks", ranks, "--device", "emulated"), inputs, 1)
        problem = self.compared(got, mixed(*as_floats(inputs)), got)
        self.tell(not problem, f"{ranks} emulated devices: {problem}")

    def judge_gathered(self, ranks):
        """The other way: more bytes from as many ranks on as a token has experts, whatever is chosen."""
        inputs = whole_numbers(routings(ranks)["even"])
        with tempfile.TemporaryDirectory() as temporary:
            folder = pathlib.Path(temporary)
            self.plans(self.case([("ep", ranks)], "gather"), [("ep", ranks)], folder)
            got, sent = self.bytes_of_a_run(folder, ranks, inputs)
        self.tell(np.array_equal(got, mixed(*as_floats(inputs))) and sent == [gathered_bytes(ranks)] * ranks, f"gathered on {ranks}: {sent} bytes, by the formula {gathered_bytes(ranks)}")
        self.tell(sum(sent_bytes(inputs["arg1"], ranks)) < sum(sent), f"an exchange on {ranks} ranks sends {sent_bytes(inputs['arg1'], ranks)}, gathered {sent}")

    def judge_all(self):
        with tempfile.TemporaryDirectory() as temporary:
            alone = pathlib.Path(temporary)
            self.plans(self.case([("ep", 1)]), [("ep", 1)], alone)
            checks = [(self.judge_mesh, mesh, alone) for mesh in MESHES] + [(self.judge_gathered, 4), (self.judge_emulated, 3)]
            for check, *arguments in checks:
                try:
                    check(*arguments)
                except Failed as why:
                    self.tell(False, f"{check.__name__} {arguments[0]}: {why}")

    def self_test(self):
        """Another number, another routing and another row on the wire: each must be told."""
        # Rank 0 has both experts: it sends sums back for the five tokens of rank 1, which has sent their rows.
        self.tell(sent_bytes(np.array([[0, 1]] * TOKENS), 2) == [5 * 4 * OUT + 8, 5 * 4 * (WIDTH + 2 * USED) + 8], "bytes of tokens that go to one rank")
        chosen = routings(2)["some"]
        inputs = whole_numbers(chosen)
        expected = mixed(*as_floats(inputs))
        with tempfile.TemporaryDirectory() as temporary:
            folder = pathlib.Path(temporary)
            self.plans(self.case([("ep", 2)]), [("ep", 2)], folder)
            got, sent = self.bytes_of_a_run(folder, 2, inputs)
            self.tell(not self.compared(got, expected, got) and sent == sent_bytes(chosen, 2), "the case itself")
            other = chosen.copy()
            other[3] = -1
            self.tell(sent_bytes(other, 2) != sent, "a token less is not told")
            self.tell(self.compared(got, mixed(*as_floats({**inputs, "arg1": other})), got), "another routing is not told")
            wrong = got.copy()
            wrong[3, 1] += 1
            self.tell(self.compared(wrong, expected, wrong) and self.compared(wrong, expected), "a wrong number is not told")
            self.tell(self.compared(got, expected, wrong), "another number of one rank is not told")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("jinx", "opt", "runner"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--self-test", action="store_true")
    args = parser.parse_args()
    exchanges = Exchanges(args)
    exchanges.self_test() if args.self_test else exchanges.judge_all()
    if not shutil.which("mpirun"):
        print("skipped: processes, there is no mpirun")
    print(f"{exchanges.passed} passed, {exchanges.failed} failed")
    return int(exchanges.failed > 0 or exchanges.passed == 0)


if __name__ == "__main__":
    raise SystemExit(main())
