#!/usr/bin/env python3
"""Do products and convolutions on CUDA, of f16 on tensor cores and of f32 on scalar units, give what float64 gives?

Each case is a small graph, compiled for CUDA and run on the emulated device: odd sizes, tails, batches that broadcast, windows with strides,
dilations and padding, epilogues of every shape. Its kernel is named, so that a case that ran on the host instead fails.

Tolerance, u being the type's unit roundoff: the result is rounded once; sums of d products in f32 are off by d 2^-24 of the sum of their
sizes; an epilogue passes that on by at most its slope (1, or a factor that the case multiplies with).

    cuda_products.py --jinx build/dev/bin/jinx [--seed N] [--element f16|f32] [CASE…]
"""

import argparse
import collections
import math
import pathlib
import re
import subprocess
import sys
import tempfile

import numpy as np

U = {"f16": 2.0**-11, "f32": 2.0**-24}
TYPE = {"f16": np.float16, "f32": np.float32}

# Operands {name: sizes}; lines of IR, {name} an operand, <sizes> a tensor type; the result's float64 value and the sum of the sizes of what
# was added up, from float64 operands; symbols with their value; what the launches must be called.
Case = collections.namedtuple("Case", "operands lines oracle symbols kernels", defaults=[{}, ["packed_matmul"]])


def product(a, b):
    return np.matmul(a, b), np.matmul(np.abs(a), np.abs(b))


def turned(x):
    return np.swapaxes(x, -1, -2)


def convolution(x, w, strides=(1, 1), pads=(0, 0, 0, 0), dilations=(1, 1), group=1):
    """NCHW; the sums and the sums of sizes."""
    x = np.pad(x, ((0, 0), (0, 0), (pads[0], pads[2]), (pads[1], pads[3])))
    n, c, h, width = x.shape
    oc, ic, kh, kw = w.shape
    oh, ow = (h - (kh - 1) * dilations[0] - 1) // strides[0] + 1, (width - (kw - 1) * dilations[1] - 1) // strides[1] + 1
    y, size = np.zeros((n, oc, oh, ow)), np.zeros((n, oc, oh, ow))
    for o in range(oc):
        first = o // (oc // group) * ic
        for i in range(kh):
            for j in range(kw):
                part = x[:, first : first + ic, i * dilations[0] :, j * dilations[1] :][:, :, : (oh - 1) * strides[0] + 1 : strides[0], : (ow - 1) * strides[1] + 1 : strides[1]]
                y[:, o] += np.einsum("nchw,c->nhw", part, w[o, :, i, j])
                size[:, o] += np.einsum("nchw,c->nhw", np.abs(part), np.abs(w[o, :, i, j]))
    return y, size


def gelu(x, size, root):
    """Slope at most 1.13; the factor in erf is rounded, which the slope of erf passes on; erf is off by 2^-14.9."""
    y = x * (1 + np.vectorize(math.erf)(x * root)) / 2
    return y, 1.13 * size + np.abs(x) * 2.0 ** (24 - 14.9) / 64


def conv_case(x, w, strides=(1, 1), pads=(0, 0, 0, 0), dilations=(1, 1), group=1, symbols={}, more=(), operands={}, after=lambda y, o: y, kernels=("packed_conv",)):
    at = lambda sizes: [eval(s, {}, symbols) if not s.isdigit() else int(s) for s in sizes.split(",")]
    xs, ws = at(x), at(w)
    out = [(xs[2 + d] + pads[d] + pads[2 + d] - dilations[d] * (ws[2 + d] - 1) - 1) // strides[d] + 1 for d in range(2)]
    y = f"{x.split(',')[0]},{ws[0]},{out[0]},{out[1]}"
    line = (f"%y = jinx.conv {{x}}, {{w}} {{{{strides = array<i64: {strides[0]}, {strides[1]}>, pads = array<i64: {', '.join(map(str, pads))}>, "
            f"dilations = array<i64: {dilations[0]}, {dilations[1]}>, group = {group} : i64}}}} : <{x}>, <{w}> -> <{y}>")

    def oracle(o):
        sums, size = convolution(o["x"], o["w"], strides, pads, dilations, group)
        return after(sums, o), size
    return Case({"x": x, "w": w, **operands}, [line, *(m.replace("<y>", f"<{y}>") for m in more)], oracle, symbols, list(kernels))


def cases():
    plain = lambda o: product(o["a"], o["b"])
    yield "square", Case({"a": "130,72", "b": "72,136"}, ["%y = jinx.matmul {a}, {b} : <130,72>, <72,136> -> <130,136>"], plain)
    yield "by_rows", Case({"a": "70,200", "b": "96,200"}, ["%y = jinx.matmul {a}, {b} transpose_b : <70,200>, <96,200> -> <70,96>"],
                          lambda o: product(o["a"], turned(o["b"])))
    yield "odd", Case({"a": "67,37", "b": "37,53"}, ["%y = jinx.matmul {a}, {b} : <67,37>, <37,53> -> <67,53>"], plain)
    yield "column", Case({"a": "150,64", "b": "64,1"}, ["%y = jinx.matmul {a}, {b} : <150,64>, <64,1> -> <150,1>"], plain)
    yield "one_row", Case({"a": "1,320", "b": "320,200"}, ["%y = jinx.matmul {a}, {b} : <1,320>, <320,200> -> <1,200>"], plain)
    for rows in (7, 16, 33, 64):
        yield f"few_rows_{rows}", Case({"a": f"{rows},136", "b": "136,130"}, [f"%y = jinx.matmul {{a}}, {{b}} : <{rows},136>, <136,130> -> <{rows},130>"], plain)
    yield "symbolic", Case({"a": "m,k", "b": "k,72"}, ["%y = jinx.matmul {a}, {b} : <m,k>, <k,72> -> <m,72>"], plain, {"m": 75, "k": 45})
    yield "batch", Case({"a": "3,70,64", "b": "3,64,80"}, ["%y = jinx.matmul {a}, {b} : <3,70,64>, <3,64,80> -> <3,70,80>"], plain)
    yield "batch_of_a", Case({"a": "2,3,35,64", "b": "64,80"}, ["%y = jinx.matmul {a}, {b} : <2,3,35,64>, <64,80> -> <2,3,35,80>"], plain)
    yield "batch_of_b", Case({"a": "70,64", "b": "3,64,40"}, ["%y = jinx.matmul {a}, {b} : <70,64>, <3,64,40> -> <3,70,40>"], plain)
    yield "batches_cross", Case({"a": "2,1,70,64", "b": "1,3,64,40"}, ["%y = jinx.matmul {a}, {b} : <2,1,70,64>, <1,3,64,40> -> <2,3,70,40>"], plain)
    yield "few_rows_batch", Case({"a": "b,5,64", "b": "b,64,72"}, ["%y = jinx.matmul {a}, {b} : <b,5,64>, <b,64,72> -> <b,5,72>"], plain, {"b": 3})
    epilogue = ["%p = jinx.matmul {a}, {b} : <90,64>, <64,80> -> <90,80>"]
    yield "bias_relu", Case({"a": "90,64", "b": "64,80", "c": "80"},
                            epilogue + ["%q = jinx.add %p, {c} : <90,80>, <80> -> <90,80>", "%y = jinx.relu %q : <90,80> -> <90,80>"],
                            lambda o: (np.maximum(plain(o)[0] + o["c"], 0), plain(o)[1] + np.abs(o["c"])))
    yield "row_scale_residual", Case({"a": "90,64", "b": "64,80", "s": "90,1", "r": "90,80"},
                                     epilogue + ["%q = jinx.mul %p, {s} : <90,80>, <90,1> -> <90,80>", "%y = jinx.add %q, {r} : <90,80>, <90,80> -> <90,80>"],
                                     lambda o: (plain(o)[0] * o["s"] + o["r"], plain(o)[1] * np.abs(o["s"]) + np.abs(o["r"])))
    yield "own_operand", Case({"a": "90,64", "b": "64,64"},
                              ["%p = jinx.matmul {a}, {b} : <90,64>, <64,64> -> <90,64>", "%y = jinx.add %p, {a} : <90,64>, <90,64> -> <90,64>"],
                              lambda o: (plain(o)[0] + o["a"], plain(o)[1] + np.abs(o["a"])))
    yield "matrix_scale", Case({"a": "2,3,40,64", "b": "64,80", "s": "2,1,1,80"},
                               ["%p = jinx.matmul {a}, {b} : <2,3,40,64>, <64,80> -> <2,3,40,80>", "%y = jinx.mul %p, {s} : <2,3,40,80>, <2,1,1,80> -> <2,3,40,80>"],
                               lambda o: (plain(o)[0] * o["s"], plain(o)[1] * np.abs(o["s"])))
    yield "few_rows_bias", Case({"a": "9,64", "b": "64,80", "c": "80", "r": "9,80"},
                                ["%p = jinx.matmul {a}, {b} : <9,64>, <64,80> -> <9,80>", "%q = jinx.add %p, {c} : <9,80>, <80> -> <9,80>",
                                 "%y = jinx.add %q, {r} : <9,80>, <9,80> -> <9,80>"],
                                lambda o: (plain(o)[0] + o["c"] + o["r"], plain(o)[1] + np.abs(o["c"]) + np.abs(o["r"])))
    # A function that is rounded to 16 bits at once may be short: 2^-14.9 relative.
    erf = lambda x: np.vectorize(math.erf)(x)
    short = lambda x, size: size + np.abs(x) * 2.0 ** (24 - 14.9) / 64
    yield "erf", Case({"a": "90,64", "b": "64,80"}, epilogue + ["%y = jinx.erf %p : <90,80> -> <90,80>"],
                      lambda o: (erf(plain(o)[0]), short(erf(plain(o)[0]), 1.13 * plain(o)[1])))
    yield "gelu", Case({"a": "90,64", "b": "64,80", "c": "80"},
                       epilogue + ["%q = jinx.add %p, {c} : <90,80>, <80> -> <90,80>", "%half = jinx.constant dense<0.5> : tensor<{element}>",
                                   "%root = jinx.constant dense<0.70710678> : tensor<{element}>", "%one = jinx.constant dense<1.0> : tensor<{element}>",
                                   "%r = jinx.mul %q, %root : <90,80>, tensor<{element}> -> <90,80>", "%e = jinx.erf %r : <90,80> -> <90,80>",
                                   "%f = jinx.add %e, %one : <90,80>, tensor<{element}> -> <90,80>", "%g = jinx.mul %q, %f : <90,80>, <90,80> -> <90,80>",
                                   "%y = jinx.mul %g, %half : <90,80>, tensor<{element}> -> <90,80>"],
                       lambda o: gelu(plain(o)[0] + o["c"], plain(o)[1] + np.abs(o["c"]), o["root"]))
    yield "conv_3x3", conv_case("2,64,9,11", "40,64,3,3", pads=(1, 1, 1, 1))
    yield "conv_1x1", conv_case("2,72,9,11", "40,72,1,1", kernels=("packed_matmul",))
    yield "conv_strided", conv_case("2,24,13,10", "64,24,3,3", strides=(2, 2), pads=(1, 1, 1, 1))
    yield "conv_1x1_strided", conv_case("3,64,8,8", "72,64,1,1", strides=(2, 2))
    yield "conv_dilated", conv_case("1,80,12,14", "64,80,3,3", dilations=(2, 3), pads=(2, 1, 0, 3))
    yield "conv_stem", conv_case("2,3,20,22", "64,3,7,7", strides=(2, 2), pads=(3, 3, 3, 3))
    yield "conv_few_channels", conv_case("2,1,11,13", "24,1,3,5", strides=(1, 1), pads=(1, 2, 1, 2), dilations=(2, 1))
    yield "conv_few_channels_line", conv_case("b,2,1,40", "16,2,1,9", strides=(1, 4), pads=(0, 4, 0, 4), symbols={"b": 3})
    yield "conv_batch", conv_case("b,64,6,5", "64,64,3,3", pads=(1, 1, 1, 1), symbols={"b": 5})
    yield "conv_groups", conv_case("1,32,7,7", "32,8,3,3", pads=(1, 1, 1, 1), group=4)
    yield "conv_residual", conv_case("2,64,9,11", "64,64,3,3", pads=(1, 1, 1, 1), operands={"r": "2,64,9,11"},
                                     more=["%q = jinx.add %y, {r} : <y>, <y> -> <y>", "%y2 = jinx.relu %q : <y> -> <y>"],
                                     after=lambda y, o: np.maximum(y + o["r"], 0))
    yield "conv_image_scale", conv_case("3,64,9,11", "64,64,3,3", pads=(1, 1, 1, 1), operands={"s": "3,64,1,1"},
                                        more=["%y2 = jinx.mul %y, {s} : <y>, <3,64,1,1> -> <y>"], after=lambda y, o: y * o["s"])


def typed(sizes, element):
    dims = sizes.split(",")
    text = "x".join([*(d if d.isdigit() else "?" for d in dims), element])
    return f"tensor<{text}>" if all(d.isdigit() for d in dims) else f"tensor<{text}, #jinx.dims<{', '.join(chr(34) + d + chr(34) for d in dims)}>>"


def module(case, element):
    parameters = [f'%{o}: {typed(sizes, element)} {{jinx.name = "{o}"}}' for o, sizes in case.operands.items()]
    lines = [re.sub(r"(?<!array)(?<!dense)(?<!tensor)<([^<>:]*)>", lambda m: typed(m.group(1), element), line.format(element=element, **{o: f"%{o}" for o in case.operands})) for line in case.lines]
    name, type = re.match(r"(%\w+) = ", lines[-1]).group(1), re.findall(r"-> (.*)$", lines[-1])[-1]
    body = "\n  ".join(lines)
    return f'func.func @main({", ".join(parameters)}) -> ({type} {{jinx.name = "y"}}) {{\n  {body}\n  return {name} : {type}\n}}\n'


class Run:
    def __init__(self, jinx, seed):
        self.jinx, self.seed, self.passed, self.failed = jinx, seed, 0, 0

    def outcome(self, good, problem):
        self.passed, self.failed = self.passed + bool(good), self.failed + (not good)
        if not good:
            print("FAIL", problem)

    def call(self, *arguments):
        return subprocess.run([self.jinx, *map(str, arguments)], capture_output=True, text=True)

    def judge(self, name, case, element, folder):
        name = f"{name} {element}"
        (folder / "model.mlir").write_text(module(case, element))
        done = self.call("compile", folder / "model.mlir", "--target", "cuda:sm_90a", "-o", folder / "plan.jxp")
        if done.returncode:
            return self.outcome(False, f"{name} does not compile: {done.stderr[-500:]}")
        launches = re.findall(r"^ *\d+ +(\w+) +k\d+_(\w+) ", self.call("inspect", folder / "plan.jxp").stdout, re.M)
        # A column of f32 is a reduction.
        self.outcome((element, name) == ("f32", "column f32") or all(any(kernel.startswith(k) for _, kernel in launches) for k in case.kernels), f"{name}: launches {launches}, expected {case.kernels}")
        generator, arguments, o = np.random.default_rng(self.seed), [], {}
        for operand, sizes in case.operands.items():
            value = generator.standard_normal([eval(d, {}, case.symbols) for d in sizes.split(",")]).astype(TYPE[element])
            np.save(folder / f"{operand}.npy", value)
            arguments += ["--input", f"{operand}={folder}/{operand}.npy"]
            o[operand] = value.astype(np.float64)
        done = self.call("run", folder / "plan.jxp", "--device", "emulated", *arguments, "--output-dir", folder / "out")
        if done.returncode:
            return self.outcome(False, f"{name} does not run: {done.stderr[-800:]}")
        o["root"] = float(TYPE[element](0.70710678))
        got, (want, size) = np.load(folder / "out" / "y.npy").astype(np.float64), case.oracle(o)
        depth = int(o["w"][0].size if "w" in o else o["a"].shape[-1])
        rounded = np.abs(want)
        if "w" in o and "r" in o:  # channels are second outside of the convolution: what follows is a kernel of its own, and rounds again
            rounded = 2 * rounded + np.abs(o["r"])
        off = U[element] * rounded + depth * 2.0**-24 * size * (1 + np.abs(o["s"]).max() if "s" in o else 1) + 2.0**-24
        near = np.abs(got - want) <= off if got.shape == want.shape else np.zeros(1, bool)
        first = np.unravel_index(np.argmin(near), near.shape)
        self.outcome(near.all(), f"{name} seed={self.seed}: shape {got.shape}, expected {want.shape}; {(~near).sum()} of {near.size} are off, "
                     + (f"element {first} is {got[first]!r}, expected {want[first]!r} ± {off[first]:.3g}" if got.shape == want.shape else ""))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jinx", required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--element", choices=TYPE, nargs="+", default=list(TYPE))
    parser.add_argument("cases", nargs="*")
    args = parser.parse_args()
    run, known = Run(args.jinx, args.seed), dict(cases())
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
