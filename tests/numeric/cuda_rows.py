#!/usr/bin/env python3
"""Do kernels bound by memory on CUDA (sums over rows, moved runs, rows, rows of any width) give what float64 gives?

Each case is a small graph, compiled for CUDA and run on the emulated device: odd sizes, tails, parts of rows of which the last is short, symbols.
It says how many launches its plan has, so that a reduction that was not cut in parts, or a map that took two kernels, fails.

Tolerance, u being the type's unit roundoff: moved values are exact. A result is rounded once. The sum of parts of `each` rows is off by
(each + parts) 2^-24 of the sum of the sizes; of a row, by its length. What follows a sum passes that on by a factor the case names.

    cuda_rows.py --jinx build/dev/bin/jinx [--seed N] [--element f16|f32] [CASE…]
"""

import argparse
import collections
import pathlib
import re
import sys
import tempfile

import numpy as np

import cuda_products as base

U, TYPE = base.U, {kind: base.TYPE[kind] for kind in ("f16", "f32")}

# Operands {name: sizes}; lines of IR, {name} an operand, <sizes> a tensor type; from float64 operands the result and how far it may be off in
# f32, before it is rounded; symbols with their value; the number of launches, kernels by name.
Case = collections.namedtuple("Case", "operands lines oracle symbols launches", defaults=[{}, 1])
EPS = 2.0**-24


def exact(y):
    """Values that only move."""
    return y, None


def summed(x, axes, chain):
    """A sum and its error, where no element passes through more than `chain` additions."""
    return x.sum(axes, keepdims=True), (chain + 4) * EPS * np.abs(x).sum(axes, keepdims=True)


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    y = e / e.sum(-1, keepdims=True)
    return y, y * (x.shape[-1] + 64 + 2 * (x.max() - x.min())) * EPS + 2.0**-126


def rmsnorm(x, g):
    y = x / np.sqrt((x * x).mean(-1, keepdims=True) + 1e-5) * g
    return y, np.abs(y) * (x.shape[-1] + 16) * EPS


SOFTMAX = ["%m = jinx.reduce max, {x} axes [1] : <R,W> -> <R,1>", "%d = jinx.sub {x}, %m : <R,W>, <R,1> -> <R,W>", "%e = jinx.exp %d : <R,W> -> <R,W>",
           "%s = jinx.reduce sum, %e axes [1] : <R,W> -> <R,1>", "%y = jinx.div %e, %s : <R,W>, <R,1> -> <R,W>"]
RMSNORM = ["%q = jinx.mul {x}, {x} : <R,W>, <R,W> -> <R,W>", "%s = jinx.reduce sum, %q axes [1] : <R,W> -> <R,1>",
           "%n = jinx.constant dense<N> : tensor<{element}>", "%a = jinx.div %s, %n : <R,1>, tensor<{element}> -> <R,1>",
           "%eps = jinx.constant dense<1.0e-5> : tensor<{element}>", "%b = jinx.add %a, %eps : <R,1>, tensor<{element}> -> <R,1>",
           "%i = jinx.rsqrt %b : <R,1> -> <R,1>", "%h = jinx.mul {x}, %i : <R,W>, <R,1> -> <R,W>", "%y = jinx.mul %h, {g} : <R,W>, <W> -> <R,W>"]
ANY_RMSNORM = ["%n = jinx.cast %z : tensor<i64> -> tensor<{element}>", *(line.replace("<R,", "<3,").replace(",W>", ",w>").replace("<W>", "<w>")
                                                                          for line in RMSNORM if not line.startswith("%n ="))]


def filled(lines, **by):
    for name, value in by.items():
        lines = [re.sub(rf"\b{name}\b", str(value), line) for line in lines]
    return lines


def cases():
    # Sums over rows: in parts, and the parts' sums; the last part short, lanes that fill no warp.
    for rows, width, launches in ((2048, 136, 2), (1999, 264, 2), (1030, 520, 2), (1500, 97, 2), (40, 72, 1), (70000, 8, 2)):
        yield f"sum_{rows}x{width}", Case({"x": f"{rows},{width}"}, [f"%y = jinx.reduce sum, {{x}} axes [0] : <{rows},{width}> -> <1,{width}>"],
                                         lambda o: summed(o["x"], 0, 128), launches=launches)
    for rows in (1, 63, 64, 65, 300):
        yield f"sum_any_{rows}", Case({"x": "n,72"}, ["%y = jinx.reduce sum, {x} axes [0] : <n,72> -> <1,72>"], lambda o: summed(o["x"], 0, 64 + 8), {"n": rows}, 2)
    yield "sum_any_columns", Case({"x": "n,c"}, ["%y = jinx.reduce sum, {x} axes [0] : <n,c> -> <1,c>"], lambda o: summed(o["x"], 0, 64 + 8), {"n": 200, "c": 75}, 2)
    yield "sum_middle", Case({"x": "3,1100,130"}, ["%y = jinx.reduce sum, {x} axes [1] : <3,1100,130> -> <3,1,130>"], lambda o: summed(o["x"], 1, 128), launches=2)
    yield "sum_many_columns", Case({"x": "1030,40000"}, ["%y = jinx.reduce sum, {x} axes [0] : <1030,40000> -> <1,40000>"], lambda o: summed(o["x"], 0, 33 + 32))
    yield "sum_many_images", Case({"x": "600,1025,12", "s": "600,1,12"},
                                  ["%t = jinx.reduce sum, {x} axes [1] : <600,1025,12> -> <600,1,12>", "%y = jinx.mul %t, {s} : <600,1,12>, <600,1,12> -> <600,1,12>"],
                                  lambda o: tuple(v * (o["s"] if i == 0 else 1.001 * np.abs(o["s"])) for i, v in enumerate(summed(o["x"], 1, 2 + 512))))
    yield "sum_two_dimensions", Case({"x": "8,200,140"}, ["%y = jinx.reduce sum, {x} axes [0, 1] : <8,200,140> -> <1,1,140>"], lambda o: summed(o["x"], (0, 1), 64 + 64), launches=2)
    yield "sum_few_rows", Case({"x": "900,136"}, ["%y = jinx.reduce sum, {x} axes [0] : <900,136> -> <1,136>"], lambda o: summed(o["x"], 0, 900))
    yield "max_of_rows", Case({"x": "300,200"}, ["%y = jinx.reduce max, {x} axes [0] : <300,200> -> <1,200>"], lambda o: exact(o["x"].max(0, keepdims=True)), launches=2)
    yield "bias_gradient", Case({"d": "1200,136", "x": "1200,136", "s": "136"},
                                ["%g = jinx.mul {d}, {x} : <1200,136>, <1200,136> -> <1200,136>", "%t = jinx.reduce sum, %g axes [0] : <1200,136> -> <1,136>",
                                 "%y = jinx.mul %t, {s} : <1,136>, <136> -> <1,136>"],
                                lambda o: tuple(v * (o["s"] if i == 0 else 1.001 * np.abs(o["s"])) for i, v in enumerate(summed(o["d"] * o["x"], 0, 64 + 40))), launches=2)
    yield "two_sums", Case({"x": "1024,144"},
                           ["%q = jinx.mul {x}, {x} : <1024,144>, <1024,144> -> <1024,144>", "%a = jinx.reduce sum, {x} axes [0] : <1024,144> -> <1,144>",
                            "%b = jinx.reduce sum, %q axes [0] : <1024,144> -> <1,144>", "%y = jinx.add %a, %b : <1,144>, <1,144> -> <1,144>"],
                           lambda o: (summed(o["x"], 0, 0)[0] + summed(o["x"] ** 2, 0, 0)[0], summed(o["x"], 0, 70)[1] + summed(o["x"] ** 2, 0, 70)[1]), launches=2)
    # Runs: an innermost dimension that stays, of one run and of many, fewer and more runs than a warp has threads.
    for shape, perm in (("2,5,3,8", (0, 2, 1, 3)), ("3,7,5,64", (0, 2, 1, 3)), ("4,9,6,80", (2, 0, 1, 3)), ("8,33,4,12", (1, 0, 2, 3)), ("5,6,7,20", (1, 2, 0, 3))):
        sizes = shape.split(",")
        to = ",".join(sizes[p] for p in perm)
        yield f"runs_{shape.replace(',', 'x')}", Case({"x": shape}, [f"%y = jinx.transpose {{x}}, [{', '.join(map(str, perm))}] : <{shape}> -> <{to}>"],
                                                     lambda o, perm=perm: exact(o["x"].transpose(perm)))
    yield "runs_any", Case({"x": "b,s,4,16"}, ["%y = jinx.transpose {x}, [0, 2, 1, 3] : <b,s,4,16> -> <b,4,s,16>"], lambda o: exact(o["x"].transpose(0, 2, 1, 3)), {"b": 3, "s": 11})
    yield "runs_bias", Case({"x": "2,9,4,24", "b": "24", "r": "2,4,9,24"},
                            ["%t = jinx.transpose {x}, [0, 2, 1, 3] : <2,9,4,24> -> <2,4,9,24>", "%u = jinx.add %t, {b} : <2,4,9,24>, <24> -> <2,4,9,24>",
                             "%y = jinx.mul %u, {r} : <2,4,9,24>, <2,4,9,24> -> <2,4,9,24>"],
                            lambda o: ((o["x"].transpose(0, 2, 1, 3) + o["b"]) * o["r"], 4 * EPS * (np.abs(o["x"].transpose(0, 2, 1, 3)) + np.abs(o["b"])) * np.abs(o["r"])))
    yield "short_rows_bias", Case({"x": "700,40", "b": "40"}, ["%y = jinx.add {x}, {b} : <700,40>, <40> -> <700,40>"], lambda o: (o["x"] + o["b"], 0 * o["x"]))
    # Turned: squares of 16 bytes where both sides are multiples of a run, whole tiles and cut ones; lines of any length otherwise.
    for a, b in ((128, 256), (136, 264), (64, 24), (8, 1000), (37, 53), (40, 53), (513, 16)):
        yield f"turned_{a}x{b}", Case({"x": f"{a},{b}"}, [f"%y = jinx.transpose {{x}}, [1, 0] : <{a},{b}> -> <{b},{a}>"], lambda o: exact(o["x"].T))
    yield "turned_batch", Case({"x": "3,72,4,40"}, ["%y = jinx.transpose {x}, [2, 0, 3, 1] : <3,72,4,40> -> <4,3,40,72>"], lambda o: exact(o["x"].transpose(2, 0, 3, 1)))
    yield "turned_any_batch", Case({"x": "b,72,40"}, ["%y = jinx.transpose {x}, [0, 2, 1] : <b,72,40> -> <b,40,72>"], lambda o: exact(o["x"].transpose(0, 2, 1)), {"b": 3})
    yield "turned_any", Case({"x": "2,m,40"}, ["%y = jinx.transpose {x}, [0, 2, 1] : <2,m,40> -> <2,40,m>"], lambda o: exact(o["x"].transpose(0, 2, 1)), {"m": 75})
    yield "turned_between", Case({"x": "2,136,40", "b": "136", "r": "2,40,136"},
                                 ["%n = jinx.neg {x} : <2,136,40> -> <2,136,40>", "%t = jinx.transpose %n, [0, 2, 1] : <2,136,40> -> <2,40,136>",
                                  "%u = jinx.add %t, {b} : <2,40,136>, <136> -> <2,40,136>", "%y = jinx.mul %u, {r} : <2,40,136>, <2,40,136> -> <2,40,136>"],
                                 lambda o: ((o["b"] - o["x"].transpose(0, 2, 1)) * o["r"], 4 * EPS * (np.abs(o["x"].transpose(0, 2, 1)) + np.abs(o["b"])) * np.abs(o["r"])))
    # Images to channels last and back: dimensions that stay neighbours are one, unless an operand in front or behind walks them apart.
    for shape, perm in (("3,24,5,8", (0, 2, 3, 1)), ("2,40,7,5", (0, 2, 3, 1)), ("3,5,8,24", (0, 3, 1, 2)), ("2,16,3,4,24", (0, 4, 1, 2, 3)), ("4,6,136,1", (2, 3, 0, 1))):
        to = ",".join(shape.split(",")[p] for p in perm)
        yield f"images_{shape.replace(',', 'x')}", Case({"x": shape}, [f"%y = jinx.transpose {{x}}, [{', '.join(map(str, perm))}] : <{shape}> -> <{to}>"],
                                                       lambda o, perm=perm: exact(o["x"].transpose(perm)))
    yield "images_any", Case({"x": "b,24,h,8"}, ["%y = jinx.transpose {x}, [0, 2, 3, 1] : <b,24,h,8> -> <b,h,8,24>"], lambda o: exact(o["x"].transpose(0, 2, 3, 1)), {"b": 2, "h": 9})
    for name, least, bias in (("images_channels", "24,1,1", "24"), ("images_lines", "8", "6,1,1"), ("images_places", "6,8", "6,8,1"), ("images_batch", "2,1,1,1", "2,1,1,24")):
        to_rank = "1," * (4 - len(least.split(","))) + least

        def oracle(o, to_rank=to_rank):
            t = np.maximum(o["x"], o["s"].reshape(eval(to_rank))).transpose(0, 2, 3, 1)
            return t + o["b"], 0 * t
        yield name, Case({"x": "2,24,6,8", "s": least, "b": bias},
                         [f"%p = jinx.max {{x}}, {{s}} : <2,24,6,8>, <{least}> -> <2,24,6,8>", "%t = jinx.transpose %p, [0, 2, 3, 1] : <2,24,6,8> -> <2,6,8,24>",
                          f"%y = jinx.add %t, {{b}} : <2,6,8,24>, <{bias}> -> <2,6,8,24>"], oracle)
    # Rows of pieces: the halves of a rotated row, taken out of more heads; three pieces; runs shorter than 16 bytes; rows that are parts of others.
    for depth, name in ((64, "rotated"), (40, "rotated_short_runs"), (12, "rotated_few")):
        h = depth // 2

        def oracle(o, h=h):
            x, c, s = o["x"][:, 1:5], o["c"], o["s"]
            a, b = x[..., :h], x[..., h:]
            terms = [np.concatenate(t, -1) for t in ((a * c, b * c), (-b * s, a * s))]
            return sum(terms), 4 * EPS * sum(map(np.abs, terms))
        yield name, Case({"x": f"n,6,{depth}", "c": f"n,1,{h}", "s": f"n,1,{h}"},
                         [f'%q = jinx.slice {{x}} starts ["0", "1", "0"] steps [1, 1, 1] : <n,6,{depth}> -> <n,4,{depth}>',
                          f'%a = jinx.slice %q starts ["0", "0", "0"] steps [1, 1, 1] : <n,4,{depth}> -> <n,4,{h}>', f'%b = jinx.slice %q starts ["0", "0", "{h}"] steps [1, 1, 1] : <n,4,{depth}> -> <n,4,{h}>',
                          *(f"%{z} = jinx.mul %{x}, {{{y}}} : <n,4,{h}>, <n,1,{h}> -> <n,4,{h}>" for z, x, y in (("d", "a", "c"), ("e", "b", "s"), ("f", "b", "c"), ("g", "a", "s"))),
                          f"%l = jinx.sub %d, %e : <n,4,{h}>, <n,4,{h}> -> <n,4,{h}>", f"%r = jinx.add %f, %g : <n,4,{h}>, <n,4,{h}> -> <n,4,{h}>",
                          f"%y = jinx.concat %l, %r axis 2 : <n,4,{h}>, <n,4,{h}> -> <n,4,{depth}>"], oracle, {"n": 37})
    def written(o):
        x, c, s, pool = o["x"][:, 4:6], o["c"], o["s"], o["p"].copy()
        a, b = x[..., :32], x[..., 32:]
        rows, off = np.concatenate((a * c - b * s, b * c + a * s), -1), np.zeros(pool.shape)
        for token, slot in enumerate((5, 17, -1, 47)):  # a negative one is not written
            if slot >= 0:
                pool[slot // 16, :, slot % 16] = rows[token]
                off[slot // 16, :, slot % 16] = 4 * EPS * (np.abs(x).max() * (np.abs(c).max() + np.abs(s).max()))
        return pool, off
    yield "rotated_into_pages", Case(
        {"x": "4,8,64", "c": "4,1,32", "s": "4,1,32", "p": "3,2,16,64"},
        ['%a = jinx.slice {x} starts ["0", "4", "0"] steps [1, 1, 1] : <4,8,64> -> <4,2,32>', '%b = jinx.slice {x} starts ["0", "4", "32"] steps [1, 1, 1] : <4,8,64> -> <4,2,32>',
         *(f"%{z} = jinx.mul %{x}, {{{y}}} : <4,2,32>, <4,1,32> -> <4,2,32>" for z, x, y in (("d", "a", "c"), ("e", "b", "s"), ("f", "b", "c"), ("g", "a", "s"))),
         "%l = jinx.sub %d, %e : <4,2,32>, <4,2,32> -> <4,2,32>", "%r = jinx.add %f, %g : <4,2,32>, <4,2,32> -> <4,2,32>", "%k = jinx.concat %l, %r axis 2 : <4,2,32>, <4,2,32> -> <4,2,64>",
         "%n = jinx.constant dense<[5, 17, -1, 47]> : tensor<4xi32>", "%y = jinx.write_pages keys {p}, %k, %n : <3,2,16,64>, <4,2,64>, tensor<4xi32> -> <3,2,16,64>"], written)
    yield "three_pieces", Case({"x": "33,16", "z": "33,16", "b": "48"},
                               ["%m = jinx.max {x}, {z} : <33,16>, <33,16> -> <33,16>", "%j = jinx.concat {x}, %m, {z} axis 1 : <33,16>, <33,16>, <33,16> -> <33,48>",
                                "%y = jinx.add %j, {b} : <33,48>, <48> -> <33,48>"],
                               lambda o: (np.concatenate([o["x"], np.maximum(o["x"], o["z"]), o["z"]], 1) + o["b"], np.zeros((33, 48))))
    yield "pieces_of_all_rows", Case({"x": "33,48", "z": "24"},
                                     ["%j = jinx.concat {z}, {z} axis 0 : <24>, <24> -> <48>", "%y = jinx.add {x}, %j : <33,48>, <48> -> <33,48>"],
                                     lambda o: (o["x"] + np.concatenate([o["z"], o["z"]]), np.zeros((33, 48))))
    yield "pieces_beside_a_part", Case({"x": "33,24", "z": "33,24", "r": "33,60"},
                                       ["%j = jinx.concat {x}, {z} axis 1 : <33,24>, <33,24> -> <33,48>", '%p = jinx.slice {r} starts ["0", "8"] steps [1, 1] : <33,60> -> <33,48>',
                                        "%y = jinx.add %p, %j : <33,48>, <33,48> -> <33,48>"],
                                       lambda o: (np.concatenate([o["x"], o["z"]], 1) + o["r"][:, 8:56], np.zeros((33, 48))))
    yield "turned_pieces", Case({"x": "33,24", "z": "33,24"},
                                ["%j = jinx.concat {x}, {z} axis 1 : <33,24>, <33,24> -> <33,48>", '%p = jinx.slice %j starts ["0", "24"] steps [1, 1] : <33,48> -> <33,24>',
                                 "%k = jinx.concat %p, %p axis 1 : <33,24>, <33,24> -> <33,48>", "%y = jinx.add %k, %j : <33,48>, <33,48> -> <33,48>"],
                                lambda o: (np.concatenate([o["x"] + o["z"], 2 * o["z"]], 1), np.zeros((33, 48))))
    yield "empty_piece", Case({"x": "33,16", "z": "33,24"},
                              ['%n = jinx.slice {x} starts ["0", "16"] steps [1, 1] : <33,16> -> <33,0>', "%y = jinx.concat {x}, {z}, %n axis 1 : <33,16>, <33,24>, <33,0> -> <33,40>"],
                              lambda o: exact(np.concatenate([o["x"], o["z"]], 1)))
    yield "unequal_pieces", Case({"x": "33,16", "z": "33,24"}, ["%y = jinx.concat {x}, {z} axis 1 : <33,16>, <33,24> -> <33,40>"], lambda o: exact(np.concatenate([o["x"], o["z"]], 1)))
    yield "part_of_heads", Case({"x": "n,9,64"}, ['%y = jinx.slice {x} starts ["0", "3", "0"] steps [1, 1, 1] : <n,9,64> -> <n,4,64>'], lambda o: exact(o["x"][:, 3:7]), {"n": 37})
    # Rows, and what they share.
    wide = ["%k = jinx.constant dense<64.0> : tensor<{element}>", "%w = jinx.mul {x}, %k : <R,W>, tensor<{element}> -> <R,W>",
            *(line.replace("{x}", "%w") for line in SOFTMAX)]  # most of a row is far below the largest
    yield "softmax_wide", Case({"x": "5,520"}, filled(wide, R=5, W=520), lambda o: softmax(64 * o["x"]))
    for width in (264, 4096, 4100):
        yield f"softmax_{width}", Case({"x": f"5,{width}"}, filled(SOFTMAX, R=5, W=width), lambda o: softmax(o["x"]))
        yield f"rmsnorm_{width}", Case({"x": f"5,{width}", "g": f"{width}"}, filled(RMSNORM, R=5, W=width, N=f"{width}.0"), lambda o: rmsnorm(o["x"], o["g"]))
    for width in (1, 8, 100, 264, 1000, 1024, 4096, 4100, 5000):
        yield f"softmax_any_{width}", Case({"x": "3,w"}, filled(SOFTMAX, R=3, W="w"), lambda o: softmax(o["x"]), {"w": width})
        # The mean divides by a size that is known at run time: one kernel all the same.
        yield f"rmsnorm_any_{width}", Case({"x": "3,w", "g": "w"}, ['%z = jinx.sizes ["w"] : tensor<i64>', *ANY_RMSNORM], lambda o: rmsnorm(o["x"], o["g"]), {"w": width})


class Run(base.Run):
    def judge(self, name, case, element, folder):
        name = f"{name} {element}"
        (folder / "model.mlir").write_text(base.module(case, element))
        done = self.call("compile", folder / "model.mlir", "--target", "cuda:sm_90a", "-o", folder / "plan.jxp")
        if done.returncode:
            return self.outcome(False, f"{name} does not compile: {done.stderr[-500:]}")
        launches = re.findall(r"^ *\d+ +(\w+) +k\d+_(\w+) ", self.call("inspect", folder / "plan.jxp").stdout, re.M)
        self.outcome(len(launches) == case.launches, f"{name}: launches {launches}, expected {case.launches}")
        o = self.run_drawn(name, case, TYPE[element], folder)
        if o is None:
            return
        got, (want, off) = np.load(folder / "out" / "y.npy").astype(np.float64), case.oracle(o)
        off = np.zeros(want.shape) if off is None else off * (1 + U[element]) + U[element] * np.abs(want) + (2.0**-25 if element == "f16" else 0)
        self.near(name, got, want, off)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jinx", required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--element", choices=TYPE, nargs="+", default=list(TYPE))
    parser.add_argument("cases", nargs="*")
    args = parser.parse_args()
    run, known = Run(args.jinx, "cuda:sm_90a", args.seed), dict(cases())
    unknown = [c for c in args.cases if c not in known]
    if unknown:
        parser.error(f"no case {', '.join(unknown)}; there are {', '.join(known)}")
    for element in args.element:
        for name in args.cases or known:
            with tempfile.TemporaryDirectory() as folder:
                run.judge(name, known[name], element, pathlib.Path(folder))
    print(f"{run.passed} passed, {run.failed} failed")
    return run.failed > 0 or run.passed == 0


if __name__ == "__main__":
    sys.exit(main())
