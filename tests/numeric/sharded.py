#!/usr/bin/env python3
"""Do all ranks together compute what one does?

A module with wishes (dist.annotated) goes through jinx-place-values, jinx-partition, jinx-unroll-microbatches, jinx-form-rings, jinx-combine-collectives and jinx-overlap-collectives (which starts whatever it can here), then for each rank
through jinx-rank-program; with stages (axis pp) the latter two come behind jinx-stage-program, and jinx-start-transfers behind them; `jinx compile` makes a plan of
each, and `jinx-rt run FOLDER --ranks N` runs them as threads of one process, cuts the inputs and joins the outputs. What comes out is compared

    with NumPy in float64      of small integers exactly; else up to a tolerance
    with one rank              the same module on a mesh of one, to the bit where NumPy is met exactly
    on the emulated device     once more, with --device emulated, where the case says so: memory of its own, collectives through the host's

    "rows of k"   x[5, 10] split by columns over tp, w[10, 6] by rows: each rank has a part of the sum, one all_reduce; 10 columns over 4 ranks are 3, 3, 3 and 1

    sharded.py --jinx build/dev/bin/jinx --opt build/dev/bin/jinx-opt --runner build/dev/bin/jinx-rt [CASE…]
    sharded.py … --self-test        plants faults in what ranks are given and sees each told
"""

import argparse
import dataclasses
import hashlib
import json
import pathlib
import re
import subprocess
import tempfile
from collections.abc import Callable

import numpy as np

TOLERANCE = 1e-5  # of what is no sum of small integers: f32, a few operators


@dataclasses.dataclass
class Case:
    text: str  # of @main, without its attributes
    shapes: dict  # input -> shape or (shape, dtype)
    answer: Callable  # of float64 arrays, by name
    meshes: list  # of [(axis, size), …]
    exact: bool = True
    collectives: str = ""  # of the ranks' programs, in a pattern; "": any
    whole: dict = dataclasses.field(default_factory=dict)  # input -> what it holds, where that is no random number
    emulated: bool = False
    resources: dict = dataclasses.field(default_factory=dict)  # name of a constant's resource -> its elements


def tp(*sizes):
    return [[("tp", n)] for n in sizes]


def dense(array):
    rows = ", ".join("[" + ", ".join(f"{v:.1f}" for v in row) + "]" for row in array)
    return f"dense<[{rows}]> : tensor<{array.shape[0]}x{array.shape[1]}xf32>"


def softmax(x):
    e = np.exp(x - x.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def resources(arrays):
    """The end of a module whose constants are `dense_resource<NAME>`."""
    lines = ",\n".join(f'    {name}: "0x08000000{array.tobytes().hex().upper()}"' for name, array in arrays.items())
    return "{-#\n  dialect_resources: {\n    builtin: {\n" + lines + "\n    }\n  }\n#-}\n" if arrays else ""


WEIGHTS = np.random.default_rng(7).integers(-3, 4, (10, 12)).astype(np.float32)

LARGE = {"up": np.random.default_rng(8).integers(-3, 4, (20, 42)).astype(np.float32), "down": np.random.default_rng(9).integers(-3, 4, (42, 24)).astype(np.float32)}

MLP = """(%x: tensor<6x10xf32> {dist.sharding = #dist.sharding<[[BATCH], []]>}, %w1: tensor<10x12xf32> {dist.sharding = #dist.sharding<[[], ["tp"]]>},
    %w2: tensor<12x8xf32> {dist.sharding = #dist.sharding<[["tp"], []]>}) -> (tensor<6x8xf32> {dist.sharding = #dist.sharding<[[BATCH], []]>})
  %h = jinx.matmul %x, %w1 : tensor<6x10xf32>, tensor<10x12xf32> -> tensor<6x12xf32>
  %g = jinx.relu %h : tensor<6x12xf32> -> tensor<6x12xf32>
  %y = jinx.matmul %g, %w2 : tensor<6x12xf32>, tensor<12x8xf32> -> tensor<6x8xf32>
  return %y : tensor<6x8xf32>"""
MLP_SHAPES = {"arg0": (6, 10), "arg1": (10, 12), "arg2": (12, 8)}


ROWS = 'tensor<?xCOLUMNSxf32, #jinx.dims<"n", "COLUMNS">>'


def staged(rows):
    """The same in two stages; `rows` is the type of n rows."""
    x, h, y = (rows.replace("COLUMNS", str(n)) for n in (10, 12, 8))
    return f"""(%x: {x} {{dist.sharding = #dist.sharding<[["micro"], []]>}}, %w1: tensor<10x12xf32>, %w2: tensor<12x8xf32>) -> ({y} {{dist.sharding = #dist.sharding<[["micro"], []]>}})
  %h = jinx.matmul %x, %w1 {{dist.stage = 0 : i64}} : {x}, tensor<10x12xf32> -> {h}
  %g = jinx.relu %h {{dist.stage = 0 : i64}} : {h} -> {h}
  %y = jinx.matmul %g, %w2 {{dist.stage = 1 : i64}} : {h}, tensor<12x8xf32> -> {y}
  return %y : {y}"""


def mlp(arg0, arg1, arg2):
    return np.maximum(arg0 @ arg1, 0) @ arg2


def sums_beside(arg0, arg1, arg2, arg3, arg4):
    return np.concatenate([np.maximum(arg0 @ arg1, 0), np.maximum(arg0 @ arg2, 0) + arg3 @ arg4], axis=1)


def mixture(tokens='[], []', experts='["ep"], [], []', downs=""):
    """x [6, 4], of each token two of five experts."""
    of = lambda axes: f"{{dist.sharding = #dist.sharding<[{axes}]>}}"
    return f"""(%x: tensor<6x4xf32> {of(tokens)}, %c: tensor<6x2xi64> {of(tokens)}, %p: tensor<6x2xf32> {of(tokens)}, %g: tensor<5x8x4xf32> {of(experts)}, %u: tensor<5x8x4xf32> {of(experts)},
    %d: tensor<5x4x8xf32> {of(downs or experts)}) -> (tensor<6x4xf32> {of(tokens)})
  %y = jinx.experts silu %x, %c, %p, %g, %u, %d : (tensor<6x4xf32>, tensor<6x2xi64>, tensor<6x2xf32>, tensor<5x8x4xf32>, tensor<5x8x4xf32>, tensor<5x4x8xf32>) -> tensor<6x4xf32>
  return %y : tensor<6x4xf32>"""


MIXTURE_SHAPES = {"arg0": (6, 4), "arg1": ((6, 2), np.int64), "arg2": (6, 2), "arg3": (5, 8, 4), "arg4": (5, 8, 4), "arg5": (5, 4, 8)}
MIXTURE = {name: np.random.default_rng(9).uniform(-1, 1, shape).astype(np.float32) for name, shape in MIXTURE_SHAPES.items() if name != "arg1"}
CHOSEN = np.array([[4, 0], [1, 2], [0, 3], [3, 4], [2, 1], [4, 3]])


def mixed(arg0, arg1, arg2, arg3, arg4, arg5):
    gates, ups = np.einsum("nh,efh->nef", arg0, arg3), np.einsum("nh,efh->nef", arg0, arg4)
    all_of_them = np.einsum("nef,eof->neo", gates / (1 + np.exp(-gates)) * ups, arg5)
    return np.einsum("nj,njo->no", arg2, np.take_along_axis(all_of_them, arg1[:, :, None], 1))


def experts(chosen, meshes, *wishes, collectives="all_reduce", **more):
    return Case(mixture(*wishes), MIXTURE_SHAPES, mixed, meshes, exact=False, collectives=collectives, whole={**MIXTURE, "arg1": np.array(chosen)}, **more)


def ep(*sizes):
    return [[("ep", n)] for n in sizes]


CASES = {
    "columns and rows": Case(MLP.replace("BATCH", ""), MLP_SHAPES, mlp, tp(2, 3, 4, 8), collectives="all_reduce", emulated=True),
    "batch and columns": Case(MLP.replace("BATCH", '"dp"'), MLP_SHAPES, mlp, [[("dp", 2), ("tp", 2)], [("dp", 2), ("tp", 4)], [("dp", 4), ("tp", 2)]], collectives="all_reduce"),
    "elementwise": Case("""(%x: tensor<7x5xf32> {dist.sharding = #dist.sharding<[["tp"], []]>}, %b: tensor<5xf32>) -> tensor<7x5xf32>
  %s = jinx.mul %x, %x : tensor<7x5xf32>, tensor<7x5xf32> -> tensor<7x5xf32>
  %y = jinx.add %s, %b : tensor<7x5xf32>, tensor<5xf32> -> tensor<7x5xf32>
  return %y : tensor<7x5xf32>""", {"arg0": (7, 5), "arg1": (5,)}, lambda arg0, arg1: arg0 * arg0 + arg1, tp(2, 3, 8)),
    "softmax over a split axis": Case("""(%x: tensor<4x10xf32> {dist.sharding = #dist.sharding<[[], ["tp"]]>}) -> tensor<4x10xf32>
  %m = jinx.reduce max, %x axes [1] : tensor<4x10xf32> -> tensor<4x1xf32>
  %d = jinx.sub %x, %m : tensor<4x10xf32>, tensor<4x1xf32> -> tensor<4x10xf32>
  %e = jinx.exp %d : tensor<4x10xf32> -> tensor<4x10xf32>
  %s = jinx.reduce sum, %e axes [1] : tensor<4x10xf32> -> tensor<4x1xf32>
  %y = jinx.div %e, %s : tensor<4x10xf32>, tensor<4x1xf32> -> tensor<4x10xf32>
  return %y : tensor<4x10xf32>""", {"arg0": (4, 10)}, softmax, tp(2, 3, 4, 8), exact=False, emulated=True),
    "rows of k": Case("""(%x: tensor<5x10xf32> {dist.sharding = #dist.sharding<[[], ["tp"]]>}, %w: tensor<10x6xf32> {dist.sharding = #dist.sharding<[["tp"], []]>}) -> (tensor<5x6xf32> {dist.sharding = #dist.sharding<[[], []]>})
  %y = jinx.matmul %x, %w : tensor<5x10xf32>, tensor<10x6xf32> -> tensor<5x6xf32>
  return %y : tensor<5x6xf32>""", {"arg0": (5, 10), "arg1": (10, 6)}, lambda arg0, arg1: arg0 @ arg1, tp(2, 3, 4, 8), collectives="all_reduce"),
    "scattered sum": Case("""(%x: tensor<5x10xf32> {dist.sharding = #dist.sharding<[[], ["tp"]]>}, %w: tensor<10x6xf32> {dist.sharding = #dist.sharding<[["tp"], []]>}) -> (tensor<5x6xf32> {dist.sharding = #dist.sharding<[[], ["tp"]]>})
  %y = jinx.matmul %x, %w : tensor<5x10xf32>, tensor<10x6xf32> -> tensor<5x6xf32>
  return %y : tensor<5x6xf32>""", {"arg0": (5, 10), "arg1": (10, 6)}, lambda arg0, arg1: arg0 @ arg1, tp(2, 3, 4), collectives="reduce_scatter", emulated=True),
    "embedding": Case("""(%t: tensor<11x6xf32> {dist.sharding = #dist.sharding<[["tp"], []]>}, %i: tensor<7xi64>) -> (tensor<7x6xf32> {dist.sharding = #dist.sharding<[[], []]>})
  %y = jinx.gather %t, %i axis 0 : tensor<11x6xf32>, tensor<7xi64> -> tensor<7x6xf32>
  return %y : tensor<7x6xf32>""", {"arg0": (11, 6), "arg1": ((7,), np.int64)}, lambda arg0, arg1: arg0[arg1], tp(2, 3, 4, 8),
                      whole={"arg1": np.array([0, 10, 5, 3, 10, 6, 1])}, emulated=True),
    "experts": experts(CHOSEN, ep(2, 3, 4, 8), emulated=True),
    # All tokens are of rank 0: the others multiply nothing, and come to the collective.
    "experts of one rank": experts(np.zeros((6, 2), int), ep(2, 4)),
    "experts in parts": experts(CHOSEN, [[("ep", 2), ("tp", 2)], [("ep", 2), ("tp", 3)]], "[], []", '["ep"], ["tp"], []', '["ep"], [], ["tp"]'),
    # Pieces of the batch one behind the other, each with a sum over the experts of all ranks: unrolled and overlapped while a mixture is one operator.
    "experts in microbatches": experts(CHOSEN, [[("ep", 2), ("micro", 2)], [("ep", 3), ("micro", 3)], [("ep", 2), ("micro", 4)]], '["micro"], []'),
    "experts of tokens that are split": experts(CHOSEN, ep(2, 3, 4), '["ep"], []', collectives="reduce_scatter"),
    "gathered columns": Case("""(%x: tensor<4x6xf32> {dist.sharding = #dist.sharding<[[], ["tp"]]>}) -> (tensor<4x6xf32> {dist.sharding = #dist.sharding<[[], []]>})
  %y = jinx.neg %x : tensor<4x6xf32> -> tensor<4x6xf32>
  return %y : tensor<4x6xf32>""", {"arg0": (4, 6)}, np.negative, tp(2, 3, 4), collectives="all_gather", emulated=True),
    "rows to columns": Case("""(%x: tensor<7x6xf32> {dist.sharding = #dist.sharding<[["tp"], []]>}) -> (tensor<7x6xf32> {dist.sharding = #dist.sharding<[[], ["tp"]]>})
  %y = jinx.neg %x : tensor<7x6xf32> -> tensor<7x6xf32>
  return %y : tensor<7x6xf32>""", {"arg0": (7, 6)}, np.negative, tp(2, 3, 4), collectives="all_to_all", emulated=True),
    "weights in the model": Case("""(%x: tensor<6x10xf32>) -> (tensor<6x12xf32> {dist.sharding = #dist.sharding<[[], []]>})
  %c = jinx.constant DENSE
  %w = dist.constrain %c <[[], ["tp"]]> : tensor<10x12xf32>
  %y = jinx.matmul %x, %w : tensor<6x10xf32>, tensor<10x12xf32> -> tensor<6x12xf32>
  return %y : tensor<6x12xf32>""".replace("DENSE", dense(WEIGHTS)), {"arg0": (6, 10)}, lambda arg0: arg0 @ WEIGHTS.astype(np.float64), tp(2, 3, 8), collectives="all_gather"),
    # Large enough that a rank has parts of them that are no copies: columns of `up`, rows of `down`; 42 over 4 ranks are filled up.
    "large weights in the model": Case("""(%x: tensor<6x20xf32>) -> (tensor<6x24xf32> {dist.sharding = #dist.sharding<[[], []]>})
  %c = jinx.constant dense_resource<up> : tensor<20x42xf32>
  %u = dist.constrain %c <[[], ["tp"]]> : tensor<20x42xf32>
  %e = jinx.constant dense_resource<down> : tensor<42x24xf32>
  %d = dist.constrain %e <[["tp"], []]> : tensor<42x24xf32>
  %h = jinx.matmul %x, %u : tensor<6x20xf32>, tensor<20x42xf32> -> tensor<6x42xf32>
  %g = jinx.relu %h : tensor<6x42xf32> -> tensor<6x42xf32>
  %y = jinx.matmul %g, %d : tensor<6x42xf32>, tensor<42x24xf32> -> tensor<6x24xf32>
  return %y : tensor<6x24xf32>""", {"arg0": (6, 20)}, lambda arg0: np.maximum(arg0 @ LARGE["up"].astype(np.float64), 0) @ LARGE["down"], tp(2, 3, 4), collectives="all_reduce",
                                       emulated=True, resources=LARGE),
    "named sizes": Case("""(%x: tensor<?x10xf32, #jinx.dims<"n", "10">> {dist.sharding = #dist.sharding<[["tp"], []]>}, %w: tensor<10x4xf32>) -> (tensor<?x4xf32, #jinx.dims<"n", "4">>)
  %h = jinx.matmul %x, %w : tensor<?x10xf32, #jinx.dims<"n", "10">>, tensor<10x4xf32> -> tensor<?x4xf32, #jinx.dims<"n", "4">>
  %y = jinx.relu %h : tensor<?x4xf32, #jinx.dims<"n", "4">> -> tensor<?x4xf32, #jinx.dims<"n", "4">>
  return %y : tensor<?x4xf32, #jinx.dims<"n", "4">>""", {"arg0": (9, 10), "arg1": (10, 4)}, lambda arg0, arg1: np.maximum(arg0 @ arg1, 0), tp(2, 4)),
    "named sizes, summed": Case("""(%x: tensor<?x10xf32, #jinx.dims<"n", "10">> {dist.sharding = #dist.sharding<[["tp"], []]>}) -> (tensor<1x10xf32> {dist.sharding = #dist.sharding<[[], []]>})
  %y = jinx.reduce sum, %x axes [0] : tensor<?x10xf32, #jinx.dims<"n", "10">> -> tensor<1x10xf32>
  return %y : tensor<1x10xf32>""", {"arg0": (9, 10)}, lambda arg0: arg0.sum(axis=0, keepdims=True), tp(2, 4), collectives="all_reduce"),
    # Two sums are one, and a product that needs neither comes between its start and its wait.
    "sums beside a product": Case("""(%x: tensor<5x10xf32> {dist.sharding = #dist.sharding<[[], ["tp"]]>}, %w: tensor<10x6xf32> {dist.sharding = #dist.sharding<[["tp"], []]>},
    %v: tensor<10x4xf32> {dist.sharding = #dist.sharding<[["tp"], []]>}, %u: tensor<5x10xf32> {dist.sharding = #dist.sharding<[[], []]>}, %k: tensor<10x4xf32> {dist.sharding = #dist.sharding<[[], []]>}) -> (tensor<5x10xf32> {dist.sharding = #dist.sharding<[[], []]>})
  %a0 = jinx.matmul %x, %w : tensor<5x10xf32>, tensor<10x6xf32> -> tensor<5x6xf32>
  %a = jinx.relu %a0 : tensor<5x6xf32> -> tensor<5x6xf32>
  %b0 = jinx.matmul %x, %v : tensor<5x10xf32>, tensor<10x4xf32> -> tensor<5x4xf32>
  %b = jinx.relu %b0 : tensor<5x4xf32> -> tensor<5x4xf32>
  %m = jinx.matmul %u, %k : tensor<5x10xf32>, tensor<10x4xf32> -> tensor<5x4xf32>
  %s = jinx.add %b, %m : tensor<5x4xf32>, tensor<5x4xf32> -> tensor<5x4xf32>
  %y = jinx.concat %a, %s axis 1 : tensor<5x6xf32>, tensor<5x4xf32> -> tensor<5x10xf32>
  return %y : tensor<5x10xf32>""", {"arg0": (5, 10), "arg1": (10, 6), "arg2": (10, 4), "arg3": (5, 10), "arg4": (10, 4)}, sums_beside, tp(2, 3, 4), collectives="dist.wait", emulated=True),
    # 7 tokens over 2 and 4 ranks; each sees those in front of it, and itself.
    "keys round a ring": Case("""(%q: tensor<7x6xf32> {dist.sharding = #dist.sharding<[["cp"], []]>}, %k: tensor<7x6xf32> {dist.sharding = #dist.sharding<[["cp"], []]>}, %v: tensor<7x5xf32> {dist.sharding = #dist.sharding<[["cp"], []]>}) -> (tensor<7x5xf32> {dist.sharding = #dist.sharding<[["cp"], []]>})
  %s = jinx.matmul %q, %k transpose_b : tensor<7x6xf32>, tensor<7x6xf32> -> tensor<7x7xf32>
  %i = jinx.iota axis 0 : tensor<7x1xi64>
  %j = jinx.iota axis 1 : tensor<1x7xi64>
  %c = jinx.compare ge, %i, %j : tensor<7x1xi64>, tensor<1x7xi64> -> tensor<7x7xi1>
  %n = jinx.constant dense<0xFF800000> : tensor<f32>
  %x = jinx.select %c, %s, %n : tensor<7x7xi1>, tensor<7x7xf32>, tensor<f32> -> tensor<7x7xf32>
  %m = jinx.reduce max, %x axes [1] : tensor<7x7xf32> -> tensor<7x1xf32>
  %d = jinx.sub %x, %m : tensor<7x7xf32>, tensor<7x1xf32> -> tensor<7x7xf32>
  %e = jinx.exp %d : tensor<7x7xf32> -> tensor<7x7xf32>
  %l = jinx.reduce sum, %e axes [1] : tensor<7x7xf32> -> tensor<7x1xf32>
  %p = jinx.div %e, %l : tensor<7x7xf32>, tensor<7x1xf32> -> tensor<7x7xf32>
  %y = jinx.matmul %p, %v : tensor<7x7xf32>, tensor<7x5xf32> -> tensor<7x5xf32>
  return %y : tensor<7x5xf32>""", {"arg0": (7, 6), "arg1": (7, 6), "arg2": (7, 5)}, lambda arg0, arg1, arg2: softmax(np.where(np.tri(7) > 0, arg0 @ arg1.T, -np.inf)) @ arg2, [[("cp", 2)], [("cp", 4)]], exact=False,
                              collectives="dist.permute", emulated=True),
    "gathers together": Case("""(%x: tensor<4x6xf32> {dist.sharding = #dist.sharding<[[], ["tp"]]>}, %z: tensor<6x4xf32> {dist.sharding = #dist.sharding<[["tp"], []]>}) -> (tensor<4x4xf32> {dist.sharding = #dist.sharding<[[], []]>})
  %a = jinx.neg %x : tensor<4x6xf32> -> tensor<4x6xf32>
  %wa = dist.constrain %a <[[], []]> : tensor<4x6xf32>
  %b = jinx.relu %z : tensor<6x4xf32> -> tensor<6x4xf32>
  %wb = dist.constrain %b <[[], []]> : tensor<6x4xf32>
  %y = jinx.matmul %wa, %wb : tensor<4x6xf32>, tensor<6x4xf32> -> tensor<4x4xf32>
  return %y : tensor<4x4xf32>""", {"arg0": (4, 6), "arg1": (6, 4)}, lambda arg0, arg1: -arg0 @ np.maximum(arg1, 0), tp(2, 3, 4), collectives="all_gather"),
    # Stages with microbatches: an axis in time. 6 rows in 4 pieces are 2, 2, 2 and none.
    "stages": Case(staged("tensor<6xCOLUMNSxf32>"), MLP_SHAPES, mlp, [[("pp", 2), ("micro", 2)], [("pp", 2), ("micro", 4)], [("micro", 3)]], emulated=True),
    "stages, named batch": Case(staged(ROWS), MLP_SHAPES, mlp, [[("pp", 2), ("micro", 2)], [("pp", 2), ("micro", 4)]]),
    "stages and columns": Case(staged("tensor<6xCOLUMNSxf32>").replace("%w1: tensor<10x12xf32>", '%w1: tensor<10x12xf32> {dist.sharding = #dist.sharding<[[], ["tp"]]>}'), MLP_SHAPES, mlp,
                               [[("pp", 2), ("tp", 2), ("micro", 3)]], collectives="dist.send"),
}


class Failed(Exception):
    pass


class Runner:
    def __init__(self, args):
        self.args = args
        self.passed = self.failed = 0

    def call(self, *command, text=None):
        done = subprocess.run([str(c) for c in command], capture_output=True, text=True, input=text, timeout=300)
        if done.returncode:
            raise Failed(f"{pathlib.Path(str(command[0])).name} {' '.join(str(c) for c in command[1:3])}: exit status {done.returncode}: {done.stderr.strip()[-600:]}")
        return done.stdout

    def plans(self, case, mesh, folder, target="cpu", keys="ring"):
        """The plans of all ranks in a folder, and their programs."""
        axes = ", ".join(f'"{name}" = {size}' for name, size in mesh)
        signature, _, body = case.text.partition("\n")
        while body.startswith("    %"):  # a signature of several lines
            line, _, body = body.partition("\n")
            signature += "\n" + line
        module = f"dist.mesh @mesh <{axes}>\nfunc.func @main{signature} attributes {{dist.annotated = @mesh}} {{\n{body}\n}}\n{resources(case.resources)}"
        for axis in set(re.findall(r'"(dp|tp|ep|cp|micro)"', case.text)) - {name for name, _ in mesh}:
            raise Failed(f"the case has no axis {axis} in {mesh}")
        stages = dict(mesh).get("pp", 1)
        overlap = ["--jinx-combine-collectives", "--jinx-overlap-collectives=least=0 memory=4", "--jinx-start-transfers"]
        own = self.call(self.args.opt, "-", "--jinx-place-values", "--jinx-verify-microbatches", "--jinx-partition=network=host", "--jinx-unroll-microbatches", f"--jinx-form-rings=network=host keys={keys}", *(overlap if stages == 1 else []), text=module)
        mesh = [axis for axis in mesh if axis[0] != "micro"]
        ranks = int(np.prod([size for _, size in mesh]))
        files, made, programs = [], {}, []
        for rank in range(ranks):
            stage = rank // int(np.prod([size for _, size in mesh[1:]]))  # pp is the first axis, if it is there
            program = self.call(self.args.opt, "-", *([f"--jinx-stage-program=stage={stage}", *overlap] if stages > 1 else []), f"--jinx-rank-program=rank={rank}", text=own)
            programs.append(program)
            key = hashlib.sha256(program.encode()).hexdigest()
            if key not in made:
                made[key] = f"rank-{rank:04}.jxp"
                (folder / "rank.mlir").write_text(program)
                self.call(self.args.jinx, "compile", folder / "rank.mlir", "--target", target, "-o", folder / made[key])
            files.append(made[key])
        (folder / "ranks.json").write_text(json.dumps({"mesh": mesh, "plans": files}))
        return ranks, programs

    def outputs(self, folder, ranks, inputs, device="cpu"):
        arguments = []
        for name, array in inputs.items():
            np.save(folder / f"{name}.npy", array)
            arguments += ["--input", f"{name}={folder / name}.npy"]
        self.call(self.args.runner, "run", folder, "--ranks", ranks, "--device", device, *arguments, "--output-dir", folder / "out", "--rank-timeout", 60)
        return np.load(folder / "out" / "out0.npy")

    def of_mesh(self, case, mesh, inputs, device="cpu"):
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            ranks, programs = self.plans(case, mesh, folder, "cpu" if device == "cpu" else "cuda:sm_90a")
            if ranks > 1 and case.collectives and not re.search(rf"dist\.(\w+)", programs[0]):
                raise Failed(f"has no collective, expected {case.collectives}")
            if ranks > 1 and case.collectives and case.collectives not in programs[0]:
                raise Failed(f"has no {case.collectives}, but {', '.join(sorted(set(re.findall(r'dist[.](all_[a-z]+|reduce_scatter|permute)', programs[0]))))}")
            return self.outputs(folder, ranks, inputs, device)

    def inputs_of(self, case, seed=1):
        rng = np.random.default_rng(seed)
        inputs = {}
        for name, shape in case.shapes.items():
            shape, dtype = shape if isinstance(shape[0], tuple) else (shape, np.float32)
            inputs[name] = case.whole.get(name, rng.integers(-4, 5, shape)).astype(dtype)
        return inputs

    def problem(self, case, got, one, expected):
        if got.shape != expected.shape:
            return f"has shape {got.shape}, expected {expected.shape}"
        if case.exact:
            if not np.array_equal(got.astype(np.float64), expected):
                return f"differs from NumPy by {np.abs(got - expected).max()}"
            return "" if got.tobytes() == one.tobytes() else "differs from one rank"
        error = max(np.abs(got - expected).max(), np.abs(got - one).max())
        return "" if error <= TOLERANCE else f"differs by {error}"

    def judge(self, name):
        case = CASES[name]
        inputs = self.inputs_of(case)
        exact = {k: v.astype(np.float64) if v.dtype == np.float32 else v for k, v in inputs.items()}
        expected = case.answer(*exact.values()) if len(exact) == 1 else case.answer(**exact)
        try:
            one = self.of_mesh(case, [(axis, 1) for axis, _ in case.meshes[0]], inputs)
        except Failed as why:
            return self.tell(False, f"{name}, one rank: {why}")
        for mesh in case.meshes:
            for device in ("cpu", "emulated") if case.emulated and mesh == case.meshes[0] else ("cpu",):
                what = f"{name}, {' x '.join(f'{axis} = {size}' for axis, size in mesh)}" + (" on the emulated device" if device != "cpu" else "")
                try:
                    problem = self.problem(case, self.of_mesh(case, mesh, inputs, device), one, expected)
                except Failed as why:
                    problem = str(why)
                self.tell(not problem, f"{what}: {problem}")

    def tell(self, good, text):
        self.passed, self.failed = self.passed + bool(good), self.failed + (not good)
        if not good:
            print("FAIL", text)

    def self_test(self):
        """Plans in another order, and a wrong answer: each must be told."""
        case, mesh = CASES["rows of k"], [("tp", 2)]
        inputs = self.inputs_of(case)
        expected = inputs["arg0"].astype(np.float64) @ inputs["arg1"]
        got = self.of_mesh(case, mesh, inputs)
        self.tell(not self.problem(case, got, got, expected), "the case itself")
        wrong = got.copy()
        wrong[0, 0] += 1
        self.tell(self.problem(case, wrong, wrong, expected), "a wrong number is not told")
        self.tell(self.problem(case, got, wrong, expected), "another number of one rank is not told")
        case = CASES["embedding"]
        inputs = self.inputs_of(case)
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            ranks, _ = self.plans(case, mesh, folder)
            listed = json.loads((folder / "ranks.json").read_text())
            listed["plans"].reverse()
            (folder / "ranks.json").write_text(json.dumps(listed))
            try:
                wrong = self.outputs(folder, ranks, inputs)
                self.tell(self.problem(case, wrong, wrong, case.answer(**inputs)), "plans of other ranks are not told")
            except Failed:
                self.tell(True, "")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("jinx", "opt", "runner"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--self-test", action="store_true")
    parser.add_argument("cases", nargs="*")
    args = parser.parse_args()
    if unknown := [c for c in args.cases if c not in CASES]:
        parser.error(f"no case {', '.join(unknown)}; there are {', '.join(CASES)}")
    runner = Runner(args)
    if args.self_test:
        runner.self_test()
    else:
        for name in args.cases or CASES:
            runner.judge(name)
    print(f"{runner.passed} passed, {runner.failed} failed")
    return int(runner.failed > 0 or runner.passed == 0)


if __name__ == "__main__":
    raise SystemExit(main())
