#!/usr/bin/env python3
"""Do N ranks compute what one does, send what the formulas say, and keep what their plans say?

Networks on 2, 3, 4, 8 and (by tp) 64 ranks as threads of one process, and on 2 and 4 as processes of mpirun. Four whose weights are split over tp:

    mlp         columns, then rows: one sum
    attention   192 heads of 2 out of rows, scores, softmax, back to rows, the output's product: one sum
    mixture     rows sorted by expert, two products of groups, by columns and by rows: one sum
    convolutions   channels, then sums over channels

And attention whose tokens are split over cp, so that keys and values pass round a ring (docs/decisions/0052): ring-plain and others that are named, and so many that are drawn at random from heads,
shared heads of keys, a batch, masks that are added or chosen by, causality, keys that are padding, and tokens that the ranks do not divide. Some rows see no key on some ranks, or none at all.

Each is compared with NumPy in float64, which shares no code with it: of small integers to the bit (where no division or exponential is), else f32 within 1e-5 and f64 within 1e-12 of the
largest number. What sessions have counted over one run is compared with the closed formulas, evaluated here from the collectives that `jinx inspect` lists: all_reduce 2(n-1)/n of the bytes,
all_gather, reduce_scatter and all_to_all (n-1)/n; of rings (n-1)/n of keys and values, from their shapes alone. The arena of each rank is what its plan says, and the least that could do; that of
ring-long is smaller than where its keys are gathered.

    rank_networks.py --jinx build/dev/bin/jinx --opt build/dev/bin/jinx-opt --runner build/dev/bin/jinx-rt [NETWORK…]
"""

import argparse
import dataclasses
import json
import os
import pathlib
import re
import shutil
import tempfile
from collections.abc import Callable

import numpy as np

from sharded import Case, Failed, Runner

THREADS, PROCESSES = (2, 3, 4, 8, 64), (2, 4)
TOLERANCES = {"f32": 1e-5, "f64": 1e-12}
TYPES = {"f32": np.float32, "f64": np.float64}


@dataclasses.dataclass
class Network:
    signature: list  # (name, shape or None, dims of the wish)
    body: str
    answer: Callable
    exact: bool = True
    whole: dict = dataclasses.field(default_factory=dict)
    elements: tuple = ("f32", "f64")
    axis: str = "tp"
    threads: tuple = THREADS
    processes: tuple = PROCESSES
    carried: int = 0  # numbers of keys and values that a token has, where they go round
    tokens: int = 0
    isLean: bool = False  # its keys are most of what a rank has


ATTENTION = """  %q0 = jinx.matmul %arg0, %arg1 : <5x24>, <24x384> -> <5x384>
  %q1 = jinx.reshape %q0 : <5x384> -> <5x192x2>
  %q = jinx.transpose %q1, [1, 0, 2] : <5x192x2> -> <192x5x2>
  %k0 = jinx.matmul %arg0, %arg2 : <5x24>, <24x384> -> <5x384>
  %k1 = jinx.reshape %k0 : <5x384> -> <5x192x2>
  %k = jinx.transpose %k1, [1, 2, 0] : <5x192x2> -> <192x2x5>
  %v0 = jinx.matmul %arg0, %arg3 : <5x24>, <24x384> -> <5x384>
  %v1 = jinx.reshape %v0 : <5x384> -> <5x192x2>
  %v = jinx.transpose %v1, [1, 0, 2] : <5x192x2> -> <192x5x2>
  %s = jinx.matmul %q, %k : <192x5x2>, <192x2x5> -> <192x5x5>
  %m = jinx.reduce max, %s axes [2] : <192x5x5> -> <192x5x1>
  %d = jinx.sub %s, %m : <192x5x5>, <192x5x1> -> <192x5x5>
  %e = jinx.exp %d : <192x5x5> -> <192x5x5>
  %z = jinx.reduce sum, %e axes [2] : <192x5x5> -> <192x5x1>
  %p = jinx.div %e, %z : <192x5x5>, <192x5x1> -> <192x5x5>
  %o = jinx.matmul %p, %v : <192x5x5>, <192x5x2> -> <192x5x2>
  %o1 = jinx.transpose %o, [1, 0, 2] : <192x5x2> -> <5x192x2>
  %o2 = jinx.reshape %o1 : <5x192x2> -> <5x384>
  %y = jinx.matmul %o2, %arg4 : <5x384>, <384x24> -> <5x24>
  return %y : <5x24>"""


def attention(arg0, arg1, arg2, arg3, arg4):
    q, k, v = (np.transpose((arg0 @ w).reshape(5, 192, 2), (1, 0, 2)) for w in (arg1, arg2, arg3))
    s = q @ np.transpose(k, (0, 2, 1))
    e = np.exp(s - s.max(axis=2, keepdims=True))
    o = e / e.sum(axis=2, keepdims=True) @ v
    return np.transpose(o, (1, 0, 2)).reshape(5, 384) @ arg4


ENDS = np.array([3, 3, 8, 11])  # the second expert has no rows, the last row has no expert


def mixture(arg0, arg1, arg2, arg3):
    y, begin = np.zeros((12, 6)), 0
    for expert, end in enumerate(arg3):
        y[begin:end] = np.maximum(arg0[begin:end] @ arg1[expert], 0) @ arg2[expert]
        begin = end
    return y


def convolution(x, w):
    """Padded by one, 3x3."""
    padded, (n, _, height, width) = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1))), x.shape
    y = np.zeros((n, w.shape[0], height, width))
    for i in range(3):
        for j in range(3):
            y += np.einsum("nchw,oc->nohw", padded[:, :, i : i + height, j : j + width], w[:, :, i, j])
    return y


WINDOW = "{strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>, group = 1 : i64}"
NETWORKS = {
    "mlp": Network([("arg0", (6, 48), "[], []"), ("arg1", (48, 192), '[], ["tp"]'), ("arg2", (192, 24), '["tp"], []')], """  %h = jinx.matmul %arg0, %arg1 : <6x48>, <48x192> -> <6x192>
  %g = jinx.relu %h : <6x192> -> <6x192>
  %y = jinx.matmul %g, %arg2 : <6x192>, <192x24> -> <6x24>
  return %y : <6x24>""", lambda arg0, arg1, arg2: np.maximum(arg0 @ arg1, 0) @ arg2),
    "attention": Network([("arg0", (5, 24), "[], []"), *((f"arg{i}", (24, 384), '[], ["tp"]') for i in (1, 2, 3)), ("arg4", (384, 24), '["tp"], []')], ATTENTION, attention, exact=False),
    "mixture": Network([("arg0", (12, 8), "[], []"), ("arg1", (4, 8, 192), '[], [], ["tp"]'), ("arg2", (4, 192, 6), '[], ["tp"], []'), ("arg3", (4,), "[]")],
                       """  %h = jinx.grouped_matmul %arg0, %arg1, %arg3 : <12x8>, <4x8x192>, tensor<4xi64> -> <12x192>
  %g = jinx.relu %h : <12x192> -> <12x192>
  %y = jinx.grouped_matmul %g, %arg2, %arg3 : <12x192>, <4x192x6>, tensor<4xi64> -> <12x6>
  return %y : <12x6>""", mixture, whole={"arg3": ENDS}, elements=("f32",)),  # products of groups have no f64
    "convolutions": Network([("arg0", (2, 3, 6, 7), "[], [], [], []"), ("arg1", (192, 3, 3, 3), '["tp"], [], [], []'), ("arg2", (5, 192, 3, 3), '[], ["tp"], [], []')],
                            f"""  %h = jinx.conv %arg0, %arg1 {WINDOW} : <2x3x6x7>, <192x3x3x3> -> <2x192x6x7>
  %g = jinx.relu %h : <2x192x6x7> -> <2x192x6x7>
  %y = jinx.conv %g, %arg2 {WINDOW} : <2x192x6x7>, <5x192x3x3> -> <2x5x6x7>
  return %y : <2x5x6x7>""", lambda arg0, arg1, arg2: convolution(np.maximum(convolution(arg0, arg1), 0), arg2)),
}


RING = (2, 3, 4, 8)


def ring(batch, heads, shared, tokens, depth, mask="", isZeroed=False, seed=0, **more):
    """Attention of `heads` heads, of which `shared` have their keys in common. Masks: "add" [tokens, tokens] and "choose" (true: is seen) are data, "causal" is made in the graph, "padding" [batch, tokens] is data.
    isZeroed: rows that see nothing give 0, as ONNX's Attention has it; else NaN."""
    rng = np.random.default_rng(seed)
    of, kv = heads // shared, f"{batch}x{heads // shared}x{tokens}x{depth}"
    q, s, r = f"{batch}x{heads}x{tokens}x{depth}", f"{batch}x{heads}x{tokens}x{tokens}", f"{batch}x{heads}x{tokens}x1"
    lines = []
    for name, arg in (("k", "%arg1"), ("v", "%arg2")):
        if shared == 1:
            lines.append(f"%{name} = jinx.transpose {arg}, [0, 1, 2, 3] : <{kv}> -> <{kv}>")
            continue
        one, all_of_them = f"{batch}x{of}x1x{tokens}x{depth}", f"{batch}x{of}x{shared}x{tokens}x{depth}"
        lines += [f"%{name}1 = jinx.reshape {arg} : <{kv}> -> <{one}>", f"%{name}2 = jinx.broadcast %{name}1 : <{one}> -> <{all_of_them}>", f"%{name} = jinx.reshape %{name}2 : <{all_of_them}> -> <{q}>"]
    lines += ["%scale = jinx.constant dense<0.5> : tensor<ELEMENT>", "%least = jinx.constant dense<LEAST> : tensor<ELEMENT>", f"%s0 = jinx.matmul %arg0, %k transpose_b : <{q}>, <{q}> -> <{s}>",
              f"%s1 = jinx.mul %s0, %scale : <{s}>, tensor<ELEMENT> -> <{s}>"]
    signature = [("arg0", (batch, heads, tokens, depth), '[], [], ["cp"], []'), *((f"arg{i}", (batch, of, tokens, depth), '[], [], ["cp"], []') for i in (1, 2))]
    whole, seen = {}, np.ones((batch, 1, tokens, tokens), bool)
    square = f"{tokens}x{tokens}"
    if mask == "add":
        signature.append(("arg3", (tokens, tokens), "[], []"))
        lines.append(f"%x = jinx.add %s1, %arg3 : <{s}>, <{square}> -> <{s}>")
    elif mask == "choose":
        seen = np.broadcast_to(rng.random((tokens, tokens)) < 0.4, seen.shape).copy()
        seen[:, :, tokens // 2] = False  # a row that sees nothing
        whole["arg3"] = seen[0, 0]
        signature.append(("arg3", (tokens, tokens), "[], []"))
        lines.append(f"%x = jinx.select %arg3, %s1, %least : tensor<{square}xi1>, <{s}>, tensor<ELEMENT> -> <{s}>")
    elif mask == "causal":
        seen = np.broadcast_to(np.tril(np.ones((tokens, tokens), bool)), seen.shape)
        lines += [f"%i = jinx.iota axis 0 : tensor<{tokens}x1xi64>", f"%j = jinx.iota axis 1 : tensor<1x{tokens}xi64>",
                  f"%c = jinx.compare ge, %i, %j : tensor<{tokens}x1xi64>, tensor<1x{tokens}xi64> -> tensor<{square}xi1>",
                  f"%x = jinx.select %c, %s1, %least : tensor<{square}xi1>, <{s}>, tensor<ELEMENT> -> <{s}>"]
    elif mask == "padding":
        lengths = rng.integers(1, tokens + 1, batch)
        keys = np.arange(tokens)[None, :] < lengths[:, None]
        seen = np.broadcast_to(keys[:, None, None, :], seen.shape)
        whole["arg3"] = keys
        signature.append(("arg3", (batch, tokens), "[], []"))
        lines += [f"%p = jinx.reshape %arg3 : tensor<{batch}x{tokens}xi1> -> tensor<{batch}x1x1x{tokens}xi1>",
                  f"%x = jinx.select %p, %s1, %least : tensor<{batch}x1x1x{tokens}xi1>, <{s}>, tensor<ELEMENT> -> <{s}>"]
    else:
        lines.append(f"%x = jinx.neg %s1 : <{s}> -> <{s}>")
    lines += [f"%m = jinx.reduce max, %x axes [3] : <{s}> -> <{r}>", f"%d = jinx.sub %x, %m : <{s}>, <{r}> -> <{s}>", f"%e = jinx.exp %d : <{s}> -> <{s}>",
              f"%l = jinx.reduce sum, %e axes [3] : <{s}> -> <{r}>", f"%w = jinx.div %e, %l : <{s}>, <{r}> -> <{s}>"]
    if isZeroed:  # rows of the mask alone say which
        whole["arg4"] = ~seen[0, 0].any(axis=1)[:, None]
        signature.append(("arg4", whole["arg4"].shape, "[], []"))
        lines += ["%zero = jinx.constant dense<0.0> : tensor<ELEMENT>", f"%z = jinx.select %arg4, %zero, %w : tensor<{tokens}x1xi1>, tensor<ELEMENT>, <{s}> -> <{s}>"]
    lines += [f"%o = jinx.matmul {'%z' if isZeroed else '%w'}, %v : <{s}>, <{q}> -> <{q}>", f"return %o : <{q}>"]

    def answer(arg0, arg1, arg2, arg3=None, arg4=None):
        k, v = (np.repeat(x, shared, axis=1) for x in (arg1, arg2))
        x = arg0 @ np.swapaxes(k, 2, 3) * 0.5
        x = x + arg3 if mask == "add" else x if mask else -x
        x = np.where(seen, x, -np.inf)
        with np.errstate(invalid="ignore"):
            e = np.exp(x - x.max(axis=3, keepdims=True))
            p = e / e.sum(axis=3, keepdims=True)
        return (np.where(seen.any(axis=3, keepdims=True), p, 0) if isZeroed else p) @ v

    return Network(signature, "\n".join("  " + line for line in lines), answer, exact=False, whole=whole, axis="cp", **{"threads": RING, "processes": (), "carried": 2 * batch * of * depth, "tokens": tokens, **more})


def drawn(seed):
    """Some attention. Two ranks and three, or four."""
    rng = np.random.default_rng(seed)
    shared = int(rng.choice([1, 1, 2, 3]))
    mask = str(rng.choice(["", "add", "choose", "causal", "padding"]))
    return ring(int(rng.integers(1, 3)), shared * int(rng.integers(1, 4)), shared, int(rng.integers(4, 40)), int(rng.integers(1, 20)), mask, isZeroed=mask == "choose", seed=seed, threads=((2, 3), (4,))[seed % 2],
                elements=(("f32",), ("f64",))[seed % 3 == 2])


NETWORKS |= {
    "ring-plain": ring(1, 2, 1, 16, 8),
    "ring-uneven": ring(2, 2, 1, 13, 8, "add", threads=(3, 8)),  # on 8 ranks 2, 2, 2, 2, 2, 2, 1 and none
    "ring-causal": ring(1, 4, 2, 24, 8, "causal", threads=(2, 4), processes=PROCESSES),
    "ring-blind": ring(1, 2, 1, 10, 4, "choose", threads=(3,)),
    "ring-long": ring(1, 4, 1, 256, 32, threads=(2, 8), elements=("f32",), isLean=True),
    **{f"ring-{seed}": drawn(seed) for seed in range(4)},
}


def case_of(network, element):
    """As sharded.py has cases; `<6x48>` is short for a tensor of the element."""
    typed = lambda text: re.sub(r"(?<![a-z])<(\d+(?:x\d+)*)>", rf"tensor<\1x{element}>", text)
    arguments = []
    kinds = {np.dtype(np.int64): "i64", np.dtype(bool): "i1"}
    body = network.body.replace("ELEMENT", element).replace("LEAST", {"f32": "0xFF800000", "f64": "0xFFF0000000000000"}[element])
    for name, shape, wish in network.signature:
        kind = f"tensor<{'x'.join(map(str, shape))}x{kinds[network.whole[name].dtype] if name in network.whole else element}>"
        arguments.append(f"%{name}: {kind} {{dist.sharding = #dist.sharding<[{wish}]>}}")
    result = typed(body).rsplit(" : ", 1)[1]
    wish = network.signature[0][2] if network.axis == "cp" else ", ".join(["[]"] * (result.count("x")))
    text = f"({', '.join(arguments)}) -> ({result} {{dist.sharding = #dist.sharding<[{wish}]>}})\n{typed(body)}"
    shapes = {name: (shape, network.whole[name].dtype if name in network.whole else TYPES[element]) for name, shape, _ in network.signature}
    return Case(text, shapes, network.answer, [], exact=network.exact, whole=network.whole)


def wire_bytes(step, size):
    """What a rank sends in one call of a collective that `jinx inspect` lists, of n ranks."""
    kind, (name, *_), shape = step["kernel"].split()[0], step["inputs"][0].rsplit(" ", 1), step["inputs"][0].rsplit(" ", 1)[1]
    dtype, dims = shape.split("[")
    count, width = int(np.prod([int(d) for d in dims.rstrip("]").split("x") if d] or [1])), int("".join(c for c in dtype if c.isdigit())) // 8
    if kind == "all_reduce":  # equal parts, the first ones of one element more: rank 0's
        part = -(-count // size)
        return ((size - 1) * part + count - part) * width
    if kind == "permute":  # all of it, to the next
        return count * width
    whole = count * size if kind == "all_gather" else count
    return whole * (size - 1) // size * width


class Networks(Runner):
    def run(self, folder, launcher, flags, inputs, repeat):
        arguments = []
        for name, array in inputs.items():
            np.save(folder / f"{name}.npy", array)
            arguments += ["--input", f"{name}={folder / name}.npy"]
        self.call(*launcher, self.args.runner, "run", folder, *flags, *arguments, "--output-dir", folder / "out", "--rank-timeout", 100, "--rank-use", folder / "use.json", "--repeat", repeat)
        return np.load(folder / "out" / "out0.npy"), json.loads((folder / "use.json").read_text())

    def numbers(self, network, element, got, expected):
        if got.shape != expected.shape or got.dtype != TYPES[element]:
            return f"is {got.dtype}{got.shape}, expected {element}{expected.shape}"
        if network.exact:
            return "" if np.array_equal(got.astype(np.float64), expected) else f"differs from NumPy by {np.abs(got - expected).max()}"
        if not np.array_equal(np.isnan(got), np.isnan(expected)):
            return f"has {np.isnan(got).sum()} NaN, expected {np.isnan(expected).sum()}, or in other places"
        got, expected = np.nan_to_num(got), np.nan_to_num(expected)
        error = np.abs(got - expected).max() / np.abs(expected).max()
        return "" if error <= TOLERANCES[element] else f"is off by {error:.2g} of the largest, expected {TOLERANCES[element]}"

    def use(self, folder, once, twice, ranks, gathered=0, ringed=0):
        """Runs are told from the comparison of schedules in front of the first one by their difference. Processes also gather so many bytes of the output from each. `ringed`: of keys and values that go round."""
        plans = json.loads((folder / "ranks.json").read_text())["plans"]
        shown = {plan: json.loads(self.call(self.args.jinx, "inspect", folder / plan, "--json")) for plan in set(plans)}
        calls = 0
        for rank, plan in enumerate(plans):
            steps = [step for step in shown[plan]["steps"] if step["kind"] == "collective" and step["kernel"].split()[0] != "wait"]
            formula, counted = sum(wire_bytes(step, ranks) for step in steps) + (ranks - 1) * gathered, twice[rank]["sent_bytes"] - once[rank]["sent_bytes"]
            calls += len(steps)
            if rank == 0 and formula != counted:
                return f"rank 0 has sent {counted} bytes, by the formulas {formula}"
            if ringed and counted - (ranks - 1) * gathered != ringed:
                return f"rank {rank} has sent {counted - (ranks - 1) * gathered} bytes, all but its own keys and values are {ringed}"
            if len(steps) + (gathered > 0) != twice[rank]["collectives"] - once[rank]["collectives"]:
                return f"rank {rank} has made {twice[rank]['collectives'] - once[rank]['collectives']} calls, its plan has {len(steps)}"
            memory = shown[plan]["memory"]
            for what, key in (("arena", "arena_bytes"), ("planned arena", "planned_bytes"), ("live set", "largest_live_bytes")):
                said = memory["largest_live_bytes" if key == "largest_live_bytes" else "arena_bytes"]
                if twice[rank][key] != said:
                    return f"rank {rank} has a {what} of {twice[rank][key]} bytes, its plan says {said}"
            if twice[rank]["constant_bytes"] != memory["constant_bytes"]:
                return f"rank {rank} has {twice[rank]['constant_bytes']} bytes of constants, its plan says {memory['constant_bytes']}"
        return "" if calls > 0 else "has no collective"

    def judge(self, name):
        network = NETWORKS[name]
        for element in network.elements:
            case = case_of(network, element)
            inputs = self.inputs_of(case)
            if not network.exact:
                inputs = {k: v if k in network.whole else v / 8 for k, v in inputs.items()}
            inputs = {k: v if k in network.whole else v.astype(TYPES[element]) for k, v in inputs.items()}
            expected = network.answer(**{k: v if k in network.whole else v.astype(np.float64) for k, v in inputs.items()})
            for ranks in network.threads:
                with tempfile.TemporaryDirectory() as temporary:
                    self.on_ranks(name, element, case, ranks, inputs, expected, pathlib.Path(temporary))

    def on_ranks(self, name, element, case, ranks, inputs, expected, folder):
        """As threads and, where that is asked, as processes: the same plans."""
        network = NETWORKS[name]
        ringed = (ranks - 1) * -(-network.tokens // ranks) * network.carried * TYPES[element]().itemsize
        ways = [("threads", (), ("--ranks", ranks))]
        if ranks in network.processes and shutil.which("mpirun"):
            launcher = ["mpirun", "--oversubscribe", "-np", ranks, "--mca", "mpi_yield_when_idle", "1", "--mca", "btl_vader_single_copy_mechanism", "none"]
            ways.append(("processes", launcher + (["--allow-run-as-root"] if os.geteuid() == 0 else []), ("--communicator", "mpi")))
        try:
            self.plans(case, [(network.axis, ranks)], folder)
            if network.isLean:
                self.is_leaner(name, case, ranks, folder)
        except Failed as why:
            return self.tell(False, f"{name} {element} on {ranks} ranks: {why}")
        for how, launcher, flags in ways:
            try:
                _, once = self.run(folder, launcher, flags, inputs, 1)
                got, twice = self.run(folder, launcher, flags, inputs, 2)
                problem = self.numbers(network, element, got, expected) or self.use(folder, once, twice, ranks, self.gathered(network, got, ranks) if how == "processes" else 0, ringed)
            except Failed as why:
                problem = str(why)
            self.tell(not problem, f"{name} {element} on {ranks} {how}: {problem}")

    @staticmethod
    def gathered(network, got, ranks):
        """Bytes of the output that a rank has: its tokens, filled up, or all."""
        return got.nbytes // network.tokens * -(-network.tokens // ranks) if network.tokens else got.nbytes

    def is_leaner(self, name, case, ranks, folder):
        """Than where keys are gathered."""
        arenas = []
        for keys, where in (("ring", folder), ("gather", folder / "gather")):
            where.mkdir(exist_ok=True)
            if keys == "gather":
                self.plans(case, [("cp", ranks)], where, keys=keys)
            arenas.append(json.loads(self.call(self.args.jinx, "inspect", where / "rank-0000.jxp", "--json"))["memory"]["arena_bytes"])
        self.tell(arenas[0] < arenas[1], f"{name} on {ranks} ranks: its arena has {arenas[0]} bytes, with gathered keys {arenas[1]}")

    def self_test(self):
        """Other numbers, and bytes that nobody has sent."""
        step = {"kernel": "all_reduce sum over tp", "inputs": ["y f32[2x5]"]}
        self.tell(wire_bytes(step, 4) == (3 * 3 + 10 - 3) * 4, "an all_reduce of ten elements by four")
        self.tell(wire_bytes({"kernel": "all_gather over tp", "inputs": ["y f64[3]"]}, 4) == 9 * 8, "an all_gather of three elements by four")
        self.tell(wire_bytes({"kernel": "reduce_scatter sum over tp", "inputs": ["y f32[8]"]}, 4) == 6 * 4, "a reduce_scatter of eight elements by four")
        self.tell(wire_bytes({"kernel": "permute over cp", "inputs": ["y f32[8]"]}, 4) == 32, "a permute of eight elements")
        network, case = NETWORKS["mlp"], case_of(NETWORKS["mlp"], "f32")
        inputs = self.inputs_of(case)
        expected = network.answer(**{k: v.astype(np.float64) for k, v in inputs.items()})
        with tempfile.TemporaryDirectory() as temporary:
            folder = pathlib.Path(temporary)
            self.plans(case, [("tp", 2)], folder)
            _, once = self.run(folder, (), ("--ranks", 2), inputs, 1)
            got, twice = self.run(folder, (), ("--ranks", 2), inputs, 2)
            self.tell(not self.numbers(network, "f32", got, expected) and not self.use(folder, once, twice, 2), "the network itself")
            got[1, 2] += 1
            self.tell(self.numbers(network, "f32", got, expected), "a wrong number is not told")
            self.tell(self.use(folder, once, twice, 2, ringed=twice[0]["sent_bytes"]), "keys that have not gone round are not told")
            for key in ("sent_bytes", "collectives", "arena_bytes", "constant_bytes"):
                twice[0][key] += 4
                self.tell(self.use(folder, once, twice, 2), f"4 more {key} are not told")
                twice[0][key] -= 4


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("jinx", "opt", "runner"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--self-test", action="store_true")
    parser.add_argument("networks", nargs="*")
    args = parser.parse_args()
    if unknown := [n for n in args.networks if n not in NETWORKS]:
        parser.error(f"no network {', '.join(unknown)}; there are {', '.join(NETWORKS)}")
    networks = Networks(args)
    if args.self_test:
        networks.self_test()
    else:
        for name in args.networks or NETWORKS:
            networks.judge(name)
    if not shutil.which("mpirun"):
        print("skipped: processes, there is no mpirun")
    print(f"{networks.passed} passed, {networks.failed} failed")
    return int(networks.failed > 0 or networks.passed == 0)


if __name__ == "__main__":
    raise SystemExit(main())
