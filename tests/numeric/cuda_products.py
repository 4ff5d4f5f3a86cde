#!/usr/bin/env python3
"""Do products and convolutions on CUDA, of f16, 8-bit floats, bytes and f32 on tensor cores and of f32 on scalar units, give what float64 gives?

Each case is a small graph, compiled for CUDA and run on the emulated device: odd sizes, tails, batches that broadcast, windows with strides,
dilations and padding, epilogues of every shape. Its kernel is named, so that a case that ran on the host instead fails.

Tolerance, u being the type's unit roundoff: the result is rounded once; sums of d products in f32 are off by d 2^-24 of the sum of their
sizes; an epilogue passes that on by at most its slope (1, or a factor that the case multiplies with). Of f32 on tensor cores a product by three of TF32 is off by
2^-19 of itself, which is what 32 terms are allowed anyway (shorter sums stay on scalar units); one of TF32 by 2^-9 (each operand loses 2^-10).

Bytes are exact. So are 8-bit floats here: they are whole numbers whose sums stay below 2^13, which tensor cores, with their 14 bits, hold;
scales are powers of two. What is rounded is rounded once, as ml_dtypes does. How rough sums of any numbers are: tests/unit/cuda.

For GPUs without a copy engine (--target cuda:sm_80) the same cases hold, computed by other kernels.

    cuda_products.py --jinx build/dev/bin/jinx [--target cuda:sm_80] [--seed N] [--element f16|f32|tf32|scalar|narrow] [CASE…]
"""

import argparse
import collections
import math
import pathlib
import re
import subprocess
import sys
import tempfile

import ml_dtypes
import numpy as np

from programs import command_of

U = {"f16": 2.0**-11, "f32": 2.0**-24, "tf32": 2.0**-24, "scalar": 2.0**-24}
TYPE = {"f16": np.float16, "f32": np.float32, "tf32": np.float32, "scalar": np.float32}
HOW = {"f16": [], "f32": [], "tf32": ["--f32-products", "tf32"], "scalar": ["--f32-products", "scalar"]}

# Operands {name: sizes}; lines of IR, {name} an operand, <sizes> a tensor type; the result's float64 value and the sum of the sizes of what
# was added up, from float64 operands; symbols with their value; what the launches must be called; what their text says on tensor cores; a part
# of the name of each other candidate that is run, too.
Case = collections.namedtuple("Case", "operands lines oracle symbols kernels says others", defaults=[{}, ["packed_matmul"], "", ()])
PIECES = "residual_pairs"  # residuals that come through shared memory

# Of the narrow cases sizes carry their element type, "90,64:i8"; the oracle gives the result's exact value.
NARROW = {"i8": np.int8, "ui8": np.uint8, "i32": np.int32, "f32": np.float32, "f16": np.float16, "bf16": ml_dtypes.bfloat16,
          "f8E4M3FN": ml_dtypes.float8_e4m3fn, "f8E5M2": ml_dtypes.float8_e5m2}  # fmt: skip


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
    yield "odd_by_rows", Case({"a": "130,201", "b": "75,201"}, ["%y = jinx.matmul {a}, {b} transpose_b : <130,201>, <75,201> -> <130,75>"], lambda o: product(o["a"], turned(o["b"])))
    yield "even", Case({"a": "3,30,70", "b": "3,66,70"}, ["%y = jinx.matmul {a}, {b} transpose_b : <3,30,70>, <3,66,70> -> <3,30,66>"], lambda o: product(o["a"], turned(o["b"])))
    yield "odd_batch_bias", Case({"a": "2,3,20,35", "b": "35,66", "c": "66"}, ["%p = jinx.matmul {a}, {b} : <2,3,20,35>, <35,66> -> <2,3,20,66>", "%y = jinx.add %p, {c} : <2,3,20,66>, <66> -> <2,3,20,66>"],
                                 lambda o: (plain(o)[0] + o["c"], plain(o)[1] + np.abs(o["c"])))
    yield "column", Case({"a": "150,64", "b": "64,1"}, ["%y = jinx.matmul {a}, {b} : <150,64>, <64,1> -> <150,1>"], plain)
    yield "one_row", Case({"a": "1,320", "b": "320,200"}, ["%y = jinx.matmul {a}, {b} : <1,320>, <320,200> -> <1,200>"], plain)
    yield "one_row_epilogue", Case({"a": "1,1000", "b": "75,1000", "c": "75"},
                                   ["%p = jinx.matmul {a}, {b} transpose_b : <1,1000>, <75,1000> -> <1,75>", "%q = jinx.add %p, {c} : <1,75>, <75> -> <1,75>",
                                    "%y = jinx.relu %q : <1,75> -> <1,75>"],
                                   lambda o: (np.maximum(np.matmul(o["a"], turned(o["b"])) + o["c"], 0), np.matmul(np.abs(o["a"]), turned(np.abs(o["b"]))) + np.abs(o["c"])))
    # Few rows: so many of weights that tiles have 128 of them, a k that two blocks share, and columns dealt evenly.
    for name, rows, k, n, says in (("two_consumers", 5, 64, 8520, "kConsumers = 2"), ("two_consumers_wide", 30, 72, 8460, "kConsumers = 2"), ("split", 3, 1088, 200, "kSplits = 2"), ("split_by_4", 5, 2056, 200, "kSplits = 4"), ("split_by_4_wide", 45, 2056, 72, "kSplits = 4"),
                                   ("split_wide", 31, 1104, 136, "kSplits = 2"), ("wide", 50, 72, 1100, "kConsumers = 1"), ("even", 62, 72, 8460, "kOctets = 10"), ("even_narrow", 64, 200, 520, "kOctets = 2")):
        yield f"few_rows_{name}", Case({"a": f"{rows},{k}", "b": f"{n},{k}"}, [f"%y = jinx.matmul {{a}}, {{b}} transpose_b : <{rows},{k}>, <{n},{k}> -> <{rows},{n}>"],
                                       lambda o: product(o["a"], turned(o["b"])), {}, ["packed_matmul"], says)
    for rows in (5, 45):
        yield f"few_rows_choices_{rows}", Case({"a": f"{rows},2056", "b": "200,2056"}, [f"%y = jinx.matmul {{a}}, {{b}} transpose_b : <{rows},2056>, <200,2056> -> <{rows},200>"],
                                               lambda o: product(o["a"], turned(o["b"])), {}, ["packed_matmul"], "kSplits = 4", ("splits=3", "splits=2", "consumers=2"))
    yield "shared_choices", Case({"a": "200,1104", "b": "1104,136", "r": "200,136"}, ["%p = jinx.matmul {a}, {b} : <200,1104>, <1104,136> -> <200,136>", "%y = jinx.add %p, {r} : <200,136>, <200,136> -> <200,136>"],
                                 lambda o: (plain(o)[0] + o["r"], plain(o)[1] + np.abs(o["r"])), {}, ["packed_matmul"], "", ("tile=128x128 stages=", "tile=128x64 stages=", "splits=2"))
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
    # Residuals: in pieces where the rows of the result are a multiple of 16 bytes, element by element where not.
    add = lambda a, b, y: [f"%p = jinx.matmul {{a}}, {{b}} : <{a}>, <{b}> -> <{y}>", f"%y = jinx.add %p, {{r}} : <{y}>, <{y}> -> <{y}>"]
    added = lambda o: (plain(o)[0] + o["r"], plain(o)[1] + np.abs(o["r"]))
    for name, a, b, y, symbols, says in (
        ("tails", "200,72", "72,136", "200,136", {}, PIECES), ("wide", "130,264", "264,320", "130,320", {}, PIECES), ("odd", "67,37", "37,53", "67,53", {}, ""),
        ("one_column_of_tiles", "150,64", "64,8", "150,8", {}, PIECES), ("batch", "3,70,64", "3,64,80", "3,70,80", {}, PIECES),
        ("batch_of_b", "70,64", "3,64,40", "3,70,40", {}, PIECES), ("symbolic", "m,64", "64,72", "m,72", {"m": 75}, PIECES), ("symbolic_depth", "m,k", "k,72", "m,72", {"m": 75, "k": 45}, ""),
        ("symbolic_batch", "b,70,64", "b,64,72", "b,70,72", {"b": 3}, PIECES), ("of_a_split_product", "70,1600", "1600,72", "70,72", {}, ""),
    ):  # fmt: skip
        yield f"residual_{name}", Case({"a": a, "b": b, "r": y}, add(a, b, y), added, symbols, ["packed_matmul"], says)
    yield "two_residuals", Case({"a": "90,64", "b": "64,80", "r": "90,80", "t": "90,80"},
                                epilogue + ["%q = jinx.mul %p, {r} : <90,80>, <90,80> -> <90,80>", "%y = jinx.add %q, {t} : <90,80>, <90,80> -> <90,80>"],
                                lambda o: (plain(o)[0] * o["r"] + o["t"], plain(o)[1] * np.abs(o["r"]) + np.abs(plain(o)[0] * o["r"]) + np.abs(o["t"])), {}, ["packed_matmul"], "residual2_pairs")
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
    # Two convolutions of one image: the result of one is rounded, and then the residual of the other.
    def sum_of_two(o):
        (y, size), (r, more) = (convolution(o["x"], o[w], pads=(0, 1, 0, 1)) for w in ("w", "v"))
        return np.maximum(y + r, 0), size + more + np.abs(r) * 2.0 ** (24 - 11) / o["w"][0].size

    yield "conv_residual_channels_last", conv_case("3,64,9,13", "72,64,1,3", pads=(0, 1, 0, 1))._replace(
        operands={"x": "3,64,9,13", "w": "72,64,1,3", "v": "72,64,1,3"}, oracle=sum_of_two, says=PIECES,
        lines=[*(f"%{y} = jinx.conv {{x}}, {{{w}}} {{{{strides = array<i64: 1, 1>, pads = array<i64: 0, 1, 0, 1>, dilations = array<i64: 1, 1>, group = 1 : i64}}}} : "
                 "<3,64,9,13>, <72,64,1,3> -> <3,72,9,13>" for y, w in (("p", "w"), ("q", "v"))),
               "%s = jinx.add %p, %q : <3,72,9,13>, <3,72,9,13> -> <3,72,9,13>", "%y = jinx.relu %s : <3,72,9,13> -> <3,72,9,13>"])  # fmt: skip
    yield "conv_image_scale", conv_case("3,64,9,11", "64,64,3,3", pads=(1, 1, 1, 1), operands={"s": "3,64,1,1"},
                                        more=["%y2 = jinx.mul %y, {s} : <y>, <3,64,1,1> -> <y>"], after=lambda y, o: y * o["s"])


def narrow_cases():
    def case(a, b, y, then=(), more={}, oracle=lambda p, o: p, fast="", symbols={}, kernels=("packed_matmul",)):
        """y = then(a * b), b by rows where its name says so."""
        by_rows = "transpose_b " if b.startswith("rows ") else ""
        b = b.removeprefix("rows ")
        kind = "f32" if ":f8" in a else "i32"
        p = f"{y.split(':')[0]}:{kind}"
        lines = [f"%p = jinx.matmul {{a}}, {{b}} {by_rows}{fast}: <{a}>, <{b}> -> <{p}>"] + [line.replace("<p>", f"<{p}>").replace("<f>", f"<{y.split(':')[0]}:f32>").replace("<y>", f"<{y}>") for line in then]
        return Case({"a": a, "b": b, **more}, lines, lambda o: oracle(np.matmul(o["a"], turned(o["b"]) if by_rows else o["b"]), o), symbols, list(kernels))

    for a in ("i8", "ui8"):
        for b in ("i8", "ui8"):
            yield f"square_{a}_{b}", case(f"130,80:{a}", f"80,136:{b}", "130,136:i32")
    yield "by_rows", case("70,208:i8", "rows 96,208:i8", "70,96:i32")
    yield "odd", case("67,37:i8", "37,53:i8", "67,53:i32")
    yield "column", case("150,64:i8", "64,1:i8", "150,1:i32")
    yield "one_row", case("1,320:ui8", "320,200:i8", "1,200:i32")
    for rows in (7, 33, 64):
        yield f"few_rows_{rows}", case(f"{rows},144:ui8", "144,130:i8", f"{rows},130:i32")
    yield "symbolic", case("m,k:i8", "k,72:i8", "m,72:i32", symbols={"m": 75, "k": 45})
    yield "batch", case("3,70,64:i8", "3,64,80:i8", "3,70,80:i32")
    yield "batch_of_a", case("2,3,35,64:i8", "64,80:i8", "2,3,35,80:i32")
    yield "batches_cross", case("2,1,70,64:i8", "1,3,64,40:ui8", "2,3,70,40:i32")
    yield "split", case("70,1600:i8", "1600,72:i8", "70,72:i32")
    floats = ["%f = jinx.cast %p : <p> -> <f>"]
    yield "dequantized", case("90,64:i8", "64,80:i8", "90,80:f16", more={"s": "90,1:f32", "t": "80:f32", "c": "80:f32"},
                              then=floats + ["%g = jinx.mul %f, {s} : <f>, <90,1:f32> -> <f>", "%h = jinx.mul %g, {t} : <f>, <80:f32> -> <f>",
                                             "%i = jinx.add %h, {c} : <f>, <80:f32> -> <f>", "%r = jinx.relu %i : <f> -> <f>", "%y = jinx.cast %r : <f> -> <y>"],
                              oracle=lambda p, o: np.maximum(p * o["s"] * o["t"] + o["c"], 0))
    for kind in ("i8", "f8E4M3FN"):
        for result in ("f16", "bf16"):
            yield f"residual_{kind}_{result}", case(
                f"150,144:{kind}", f"144,96:{kind}", f"150,96:{result}", more={"s": "150,1:f32", "r": f"150,96:{result}"},
                then=([] if kind != "i8" else floats) + [f"%g = jinx.mul %{'f' if kind == 'i8' else 'p'}, {{s}} : <f>, <150,1:f32> -> <f>", "%w = jinx.cast {r} : <y> -> <f>",
                      "%h = jinx.add %g, %w : <f>, <f> -> <f>", "%y = jinx.cast %h : <f> -> <y>"],
                oracle=lambda p, o: p * o["s"] + o["r"])._replace(says=PIECES)  # fmt: skip
    yield "residual_floats", case("150,144:f8E4M3FN", "144,100:f8E4M3FN", "150,100:f32", more={"r": "150,100:f32"}, then=["%y = jinx.add %p, {r} : <p>, <y> -> <y>"],
                                  oracle=lambda p, o: p + o["r"])._replace(says=PIECES)
    requantize = lambda byte, low, high: [
        *floats, "%g = jinx.mul %f, {s} : <f>, <1:f32> -> <f>", "%r = jinx.round %g : <f> -> <f>", f"%low = jinx.constant dense<{low}.0> : tensor<f32>",
        f"%high = jinx.constant dense<{high}.0> : tensor<f32>", "%t = jinx.max %r, %low : <f>, tensor<f32> -> <f>", "%u = jinx.min %t, %high : <f>, tensor<f32> -> <f>",
        "%y = jinx.cast %u : <f> -> <y>"]
    for byte, low, high in (("i8", -128, 127), ("ui8", 0, 255)):
        yield f"requantized_{byte}", case("90,64:i8", "64,80:i8", f"90,80:{byte}", more={"s": "1:f32"}, then=requantize(byte, low, high),
                                          oracle=lambda p, o, low=low, high=high: np.clip(np.rint(p * o["s"]), low, high))
    yield "requantized_few_rows", case("9,64:i8", "64,80:i8", "9,80:i8", more={"s": "1:f32"}, then=requantize("i8", -128, 127), oracle=lambda p, o: np.clip(np.rint(p * o["s"]), -128, 127))
    yield "zero_points", case("90,64:ui8", "64,80:ui8", "90,80:i32", more={"v": "90,1:i32", "w": "80:i32"},
                              then=["%q = jinx.sub %p, {v} : <p>, <90,1:i32> -> <p>", "%y = jinx.sub %q, {w} : <p>, <80:i32> -> <p>"], oracle=lambda p, o: p - o["v"] - o["w"])
    for a in ("f8E4M3FN", "f8E5M2"):
        for b in ("f8E4M3FN", "f8E5M2"):
            yield f"square_{a}_{b}", case(f"130,80:{a}", f"80,136:{b}", "130,136:f32")
            yield f"fast_{a}_{b}", case(f"130,80:{a}", f"80,136:{b}", "130,136:f32", fast="fast_sums ")
    f8 = "f8E4M3FN"
    for fast in ("", "fast_sums "):
        of = "fast_" if fast else ""
        yield f"{of}floats8_odd", case(f"67,37:{f8}", f"37,53:{f8}", "67,53:f32", fast=fast)
        yield f"{of}floats8_few_rows", case(f"9,336:{f8}", f"rows 130,336:{f8}", "9,130:f32", fast=fast)
        yield f"{of}floats8_split", case(f"70,1600:{f8}", f"1600,72:{f8}", "70,72:f32", fast=fast)
        yield f"{of}floats8_batch", case(f"b,70,64:{f8}", f"b,64,80:{f8}", "b,70,80:f32", fast=fast, symbols={"b": 3})
        for result in ("bf16", "f16", "f8E4M3FN", "f8E5M2"):
            yield f"{of}floats8_to_{result}", case(f"150,272:{f8}", f"rows 96,272:{f8}", f"150,96:{result}", more={"s": ":f32", "t": "96:f32", "c": "96:f32"}, fast=fast,
                                                   then=["%g = jinx.mul %p, {s} : <f>, <:f32> -> <f>", "%h = jinx.mul %g, {t} : <f>, <96:f32> -> <f>",
                                                         "%i = jinx.add %h, {c} : <f>, <96:f32> -> <f>", "%y = jinx.cast %i : <f> -> <y>"],
                                                   oracle=lambda p, o: p * o["s"] * o["t"] + o["c"])


    # Operands as a quantized model has them: (narrow - zero) * scale.
    def widened(o, kind, sizes, zero, scale, along):
        lines = [f"%{o}0 = jinx.cast {{{o}}} : <{sizes}:{kind}> -> <{sizes}:f32>"]
        if zero:
            lines += [f"%{o}z = jinx.cast {{{zero}}} : <{along}:{kind}> -> <{along}:f32>", f"%{o}1 = jinx.sub %{o}0, %{o}z : <{sizes}:f32>, <{along}:f32> -> <{sizes}:f32>"]
        return [*lines, f"%{o}2 = jinx.mul %{o}{int(bool(zero))}, {{{scale}}} : <{sizes}:f32>, <{along}:f32> -> <{sizes}:f32>"]

    for kind, zeros in (("i8", False), ("ui8", True), ("f8E4M3FN", False)):
        lines = widened("a", kind, "90,64", zeros and "v", "s", "90,1") + widened("b", kind, "64,80", zeros and "w", "t", "80")
        operands = {"a": f"90,64:{kind}", "b": f"64,80:{kind}", "s": "90,1:f32", "t": "80:f32"}
        if zeros:
            operands.update({"v": f"90,1:{kind}", "w": f"80:{kind}"})
        yield f"dequantized_operands_{kind}", Case(operands, lines + ["%y = jinx.matmul %a2, %b2 : <90,64:f32>, <64,80:f32> -> <90,80:f32>"],
                                                   lambda o: np.matmul((o["a"] - o.get("v", 0)) * o["s"], (o["b"] - o.get("w", 0)) * o["t"]))


def exact(value, kind):
    """A float64 value as that element, rounded once; 8-bit floats saturate."""
    kind = np.dtype(kind)
    if kind.itemsize == 1 and kind.kind not in "iu":
        largest = float(ml_dtypes.finfo(kind).max)
        return np.clip(value, -largest, largest).astype(kind)
    return value.astype(kind)


def drawn(generator, shape, kind, depth):
    """Bytes of all values; 8-bit floats whose sums have at most 13 bits; powers of two for scales."""
    if kind in ("i8", "ui8"):
        return generator.integers(np.iinfo(NARROW[kind]).min, np.iinfo(NARROW[kind]).max, shape, NARROW[kind], endpoint=True)
    if kind.startswith("f8"):
        most = max(1, min(8, int((2**13 / depth) ** 0.5)))
        return generator.integers(-most, most + 1, shape).astype(NARROW[kind])
    if kind == "i32":
        return generator.integers(-(2**20), 2**20, shape, np.int32)
    return np.asarray(2.0 ** generator.integers(-8, -3, shape), NARROW[kind])


def typed(sizes, element):
    sizes, _, own = sizes.partition(":")
    element = own or element
    if not sizes:
        return f"tensor<{element}>"
    dims = sizes.split(",")
    text = "x".join([*(d if d.isdigit() else "?" for d in dims), element])
    return f"tensor<{text}>" if all(d.isdigit() for d in dims) else f"tensor<{text}, #jinx.dims<{', '.join(chr(34) + d + chr(34) for d in dims)}>>"


def module(case, element):
    parameters = [f'%{o}: {typed(sizes, element)} {{jinx.name = "{o}"}}' for o, sizes in case.operands.items()]
    lines = [re.sub(r"(?<!array)(?<!dense)(?<!tensor)<([^<>:]*(?::\w+)?)>", lambda m: typed(m.group(1), element), line.format(element=element, **{o: f"%{o}" for o in case.operands})) for line in case.lines]
    name, type = re.match(r"(%\w+) = ", lines[-1]).group(1), re.findall(r"-> (.*)$", lines[-1])[-1]
    body = "\n  ".join(lines)
    return f'func.func @main({", ".join(parameters)}) -> ({type} {{jinx.name = "y"}}) {{\n  {body}\n  return {name} : {type}\n}}\n'


class Run:
    def __init__(self, jinx, target, seed):
        self.jinx, self.target, self.seed, self.passed, self.failed = jinx, target, seed, 0, 0

    def outcome(self, good, problem):
        self.passed, self.failed = self.passed + bool(good), self.failed + (not good)
        if not good:
            print("FAIL", problem)

    def call(self, *arguments):
        return subprocess.run(command_of(self.jinx, *arguments), capture_output=True, text=True)

    def near(self, name, got, want, off):
        """Is each element of `got` within `off` of what is wanted?"""
        near = np.abs(got - want) <= off if got.shape == want.shape else np.zeros(1, bool)
        first = np.unravel_index(np.argmin(near), near.shape)
        self.outcome(near.all(), f"{name} seed={self.seed}: shape {got.shape}, expected {want.shape}; {(~near).sum()} of {near.size} are off, "
                     + (f"element {first} is {got[first]!r}, expected {want[first]!r} ± {off[first]:.3g}" if got.shape == want.shape else ""))

    def read(self, name, case, folder):
        if case.says and self.target == "cuda:sm_90a":
            text = self.call("compile", folder / "model.mlir", "--target", "cuda:sm_90a", "--emit", "cuda").stdout
            self.outcome(case.says in text, f"{name}: its text has no {case.says}")

    def run_drawn(self, name, case, kind, folder, plan="plan.jxp"):
        """Runs the folder's plan on normal numbers, which are returned as float64; its result is out/y.npy. None: it does not run, which is noted."""
        generator, arguments, o = np.random.default_rng(self.seed), [], {}
        for operand, sizes in case.operands.items():
            value = generator.standard_normal([eval(d, {}, case.symbols) for d in sizes.split(",")]).astype(kind)
            np.save(folder / f"{operand}.npy", value)
            arguments += ["--input", f"{operand}={folder}/{operand}.npy"]
            o[operand] = value.astype(np.float64)
        done = self.call("run", folder / plan, "--device", "emulated", *arguments, "--output-dir", folder / "out")
        if done.returncode:
            self.outcome(False, f"{name} does not run: {done.stderr[-800:]}")
            return None
        return o

    def judge(self, name, case, element, folder):
        kind = "f16" if element == "f16" else "f32"
        isColumn, name = kind == "f32" and name == "column", f"{name} {element}"
        (folder / "model.mlir").write_text(module(case, kind))
        done = self.call("compile", folder / "model.mlir", "--target", self.target, *HOW[element], "-o", folder / "plan.jxp")
        if done.returncode:
            return self.outcome(False, f"{name} does not compile: {done.stderr[-500:]}")
        launches = re.findall(r"^ *\d+ +(\w+) +k\d+_(\w+) ", self.call("inspect", folder / "plan.jxp").stdout, re.M)
        # A column of f32 is a reduction, and so is a row of f16.
        kernels = ["reduce"] if (kind, name.split()[0]) in (("f32", "column"), ("f16", "one_row"), ("f16", "one_row_epilogue")) else case.kernels
        self.outcome(all(any(kernel.startswith(k) for _, kernel in launches) for k in kernels), f"{name}: launches {launches}, expected {kernels}")
        if element == "f16":
            self.read(name, case, folder)
        self.judge_plan(name, case, element, folder, "plan.jxp")
        if element == "f16" and self.target == "cuda:sm_90a" and case.others:
            self.judge_others(name, case, element, folder)

    def judge_others(self, name, case, element, folder):
        """The plans that `tune` would measure: each has another candidate."""
        top = 16
        done = self.call("tune", folder / "model.mlir", "--target", self.target, "--top", top, "--emit", folder / "plans")
        plans = sorted((folder / "plans").glob("plan*.jxp"))
        choices = [" ".join(re.findall(r'"choice": *"([^"]*)"', self.call("inspect", "--json", plan).stdout)) for plan in plans]
        for other in case.others:
            self.outcome(any(other in choice for choice in choices), f"{name}: no candidate has {other}, there are {choices}: {done.stderr[-300:]}")
        for plan, choice in zip(plans, choices):
            self.judge_plan(f"{name} ({choice})", case, element, folder, plan.relative_to(folder))

    def judge_plan(self, name, case, element, folder, plan):
        o = self.run_drawn(name, case, TYPE[element], folder, plan)
        if o is None:
            return
        o["root"] = float(TYPE[element](0.70710678))
        got, (want, size) = np.load(folder / "out" / "y.npy").astype(np.float64), case.oracle(o)
        depth = int(o["w"][0].size if "w" in o else o["a"].shape[-1])
        rounded = np.abs(want)
        if "w" in o and "r" in o:  # channels are second outside of the convolution: what follows is a kernel of its own, and rounds again
            rounded = 2 * rounded + np.abs(o["r"])
        off = U[element] * rounded + (depth * 2.0**-24 + (2.0**-9 if element == "tf32" else 0)) * size * (1 + np.abs(o["s"]).max() if "s" in o else 1) + 2.0**-24
        self.near(name, got, want, off)

    def judge_narrow(self, name, case, folder):
        (folder / "model.mlir").write_text(module(case, ""))
        done = self.call("compile", folder / "model.mlir", "--target", self.target, "-o", folder / "plan.jxp")
        if done.returncode:
            return self.outcome(False, f"{name} does not compile: {done.stderr[-500:]}")
        steps = re.findall(r"^ *\d+ +(\w+) +(\S+)", self.call("inspect", folder / "plan.jxp").stdout, re.M)
        self.outcome(all(kind == "launch" for kind, _ in steps) and any(kernel in step for kernel in case.kernels for _, step in steps), f"{name}: steps {steps}, expected launches and {case.kernels}")
        self.read(name, case, folder)
        generator, arguments, o = np.random.default_rng(self.seed), [], {}
        at = lambda sizes: [eval(d, {}, case.symbols) for d in sizes.split(",") if d]
        for operand, sizes in case.operands.items():
            sizes, _, kind = sizes.partition(":")
            value = drawn(generator, at(sizes), kind, at(case.operands["a"].partition(":")[0])[-1])
            np.save(folder / f"{operand}.npy", value.view(np.uint8) if kind.startswith("f8") else value)
            arguments += ["--input", f"{operand}={folder}/{operand}.npy"]
            o[operand] = value.astype(np.float64)
        done = self.call("run", folder / "plan.jxp", "--device", "emulated", *arguments, "--output-dir", folder / "out")
        if done.returncode:
            return self.outcome(False, f"{name} does not run: {done.stderr[-800:]}")
        kind = NARROW[re.findall(r":(\w+)>$", case.lines[-1])[0]]
        got, want = np.load(folder / "out" / "y.npy").view(kind), exact(case.oracle(o), kind)
        wide = lambda x: x.astype(np.float64)
        wrong = wide(got) != wide(want) if got.shape == want.shape else np.ones(1, bool)
        first = np.unravel_index(np.argmax(wrong), wrong.shape)
        self.outcome(not wrong.any(), f"{name} seed={self.seed}: shape {got.shape}, expected {want.shape}; {wrong.sum()} of {wrong.size} are wrong"
                     + (f", element {first} is {got[first]!r}, expected {want[first]!r}" if got.shape == want.shape else ""))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jinx", required=True)
    parser.add_argument("--target", default="cuda:sm_90a")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--element", choices=[*TYPE, "narrow"], nargs="+", default=[*TYPE, "narrow"])
    parser.add_argument("cases", nargs="*")
    args = parser.parse_args()
    run, wide, narrow = Run(args.jinx, args.target, args.seed), dict(cases()), dict(narrow_cases())
    known = {**wide, **narrow}
    unknown = [c for c in args.cases if c not in known]
    if unknown:
        parser.error(f"no case {', '.join(unknown)}; there are {', '.join(known)}")
    for element in args.element:
        among = narrow if element == "narrow" else wide
        for name in among:
            if args.cases and name not in args.cases:
                continue
            with tempfile.TemporaryDirectory() as folder:
                if element == "narrow":
                    run.judge_narrow(f"{name} narrow", among[name], pathlib.Path(folder))
                else:
                    run.judge(name, among[name], element, pathlib.Path(folder))
    print(f"{run.passed} passed, {run.failed} failed")
    return run.failed > 0 or run.passed == 0


if __name__ == "__main__":
    sys.exit(main())
