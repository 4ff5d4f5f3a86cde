"""Cases of factors.py: for each operator that has a factor rule small instances, and what the operator computes.

An answer takes the shapes of its results and the operands. It is called with those of the whole and with those of parts, so it derives from them what an attribute
of the operator repeats: the group of a convolution, the block of a quantization. Its layouts inside of what no rule splits (a word, a run of fragments) are
simpler than the real ones: to the rule they are all the same.

Extents may be formulas over n and s, as in 2*nx8xf32; rules are printed of formulas, and computed where n and s are numbers."""

import re

import ml_dtypes
import numpy as np

import graph_reference as reference
from graph_reference import REFERENCES

CASES = []
SYMBOLS = {"n": 4, "s": 6}


class Case:
    """`line` has {0}, {1} for operands, {t0} for their types, {u0} for those of results. `draws`: how some operands are drawn, by position."""

    def __init__(self, op, line, inputs, outputs, answer, draws):
        self.op, self.line, self.answer, self.draws = op, line, answer, draws
        self.inputs, self.outputs = ([parse(t) for t in types.split()] for types in (inputs, outputs))
        self.types = inputs.split(), outputs.split()

    def parameters(self):
        return ", ".join(f"%x{i}: {tensor(t)}" for i, t in enumerate(self.types[0]))

    def text(self):
        names = {f"{letter}{i}": tensor(t) for letter, types in zip("tu", self.types) for i, t in enumerate(types)}
        results = ", ".join(f"%y{i}" for i in range(len(self.outputs)))
        return f"{results} = jinx.{self.line}".format(*[f"%x{i}" for i in range(len(self.inputs))], **names)

    def operands(self, generator):
        return [self.draws.get(i, draw_of(element))(generator, shape) for i, (shape, element) in enumerate(self.inputs)]


def parse(text):
    *shape, element = text.split("x")
    return tuple(eval(extent, dict(SYMBOLS)) for extent in shape), element


def tensor(text):
    *shape, element = text.split("x")
    dims = "x".join([extent if extent.isdigit() else "?" for extent in shape] + [element])
    formulas = ", ".join(f'"{extent}"' for extent in shape)
    return f"tensor<{dims}, #jinx.dims<{formulas}>>" if "?" in dims else f"tensor<{dims}>"


def between(low, high):
    return lambda g, shape: g.integers(low, high, shape, endpoint=True)


def floats(low, high):
    return lambda g, shape: g.integers(low, high, shape, endpoint=True).astype(np.float64)


def one_of(*numbers):
    return lambda g, shape: g.choice(np.array(numbers, np.float64), shape)


def draw_of(element):
    if element == "i1":
        return lambda g, shape: g.integers(0, 2, shape).astype(bool)
    if re.fullmatch(r"u?i\d+", element):
        return between(0 if element.startswith("u") else -4, 4)
    return floats(-4, 4)


def case(op, line, inputs, outputs, answer=None, **draws):
    CASES.append(Case(op, f"{op} {line}", inputs, outputs, answer or (lambda shapes, *xs: REFERENCES[op](*xs)), {int(k[1:]): v for k, v in draws.items()}))


# ---- elementwise -------------------------------------------------------------------------------------------------------------------

for name in ("abs", "neg", "exp", "expm1", "sin", "cos", "tanh", "atan", "erf", "sigmoid", "relu"):
    case(name, "{0} : {t0} -> {u0}", "3x4xf32", "3x4xf32")
for name in ("floor", "ceil", "round"):
    case(name, "{0} : {t0} -> {u0}", "3x4xf32", "3x4xf32", x0=lambda g, shape: g.integers(-9, 9, shape) / 2)
for name in ("log", "log1p", "sqrt", "rsqrt"):
    case(name, "{0} : {t0} -> {u0}", "3x4xf32", "3x4xf32", x0=floats(1, 9))
case("not", "{0} : {t0} -> {u0}", "3x4xi32", "3x4xi32")
for name in ("add", "sub", "mul", "max", "min"):
    case(name, "{0}, {1} : {t0}, {t1} -> {u0}", "3x4xf32 3x4xf32", "3x4xf32")
    case(name, "{0}, {1} : {t0}, {t1} -> {u0}", "2x1x4xi32 3x1xi32", "2x3x4xi32")
case("div", "{0}, {1} : {t0}, {t1} -> {u0}", "3x4xf32 4xf32", "3x4xf32", x1=one_of(1, 2, 4, -2))
case("div", "{0}, {1} : {t0}, {t1} -> {u0}", "3x4xi32 4xi32", "3x4xi32", lambda s, a, b: reference.divide(a, b).astype(np.int64), x1=between(1, 3))
case("mod", "{0}, {1} : {t0}, {t1} -> {u0}", "3x4xi32 4xi32", "3x4xi32", lambda s, a, b: reference.modulo(a, b).astype(np.int64), x1=between(1, 3))
case("pow", "{0}, {1} : {t0}, {t1} -> {u0}", "3x4xf32 4xf32", "3x4xf32", x1=floats(0, 2))
for name in ("and", "or", "xor"):
    case(name, "{0}, {1} : {t0}, {t1} -> {u0}", "3x4xi32 4xi32", "3x4xi32")
case("compare", "lt, {0}, {1} : {t0}, {t1} -> {u0}", "3x4xf32 4xf32", "3x4xi1", lambda s, a, b: a < b)
case("select", "{0}, {1}, {2} : {t0}, {t1}, {t2} -> {u0}", "3x4xi1 3x4xf32 f32", "3x4xf32")
case("cast", "{0} : {t0} -> {u0}", "3x4xf16", "3x4xf32", lambda s, x: x)
case("cast", "{0} : {t0} -> {u0}", "3x4xf32", "3x4xf16", lambda s, x: x.astype(np.float16).astype(np.float64), x0=floats(0, 30000))
case("cast", "{0} : {t0} -> {u0}", "3x4xf16", "3x4xbf16", lambda s, x: x.astype(ml_dtypes.bfloat16).astype(np.float64), x0=floats(0, 2000))
case("cast", "{0} : {t0} -> {u0}", "3x4xf32", "3x4xi32", lambda s, x: np.trunc(x), x0=lambda g, shape: g.integers(-9, 9, shape) / 2)

# ---- data --------------------------------------------------------------------------------------------------------------------------

case("constant", "dense<1.0> : {u0}", "", "3x4xf32")
case("sizes", '["1", "2", "3"] : {u0}', "", "3xi64", lambda s: np.array([1, 2, 3]))
case("iota", "axis 1 {{start = 3 : i64}} : {u0}", "", "3x4xi64", lambda s: 3 + np.indices(s[0])[1])
case("transpose", "{0}, [1, 2, 0] : {t0} -> {u0}", "2x3x4xf32", "3x4x2xf32", lambda s, x: np.transpose(x, [1, 2, 0]))
case("broadcast", "{0} : {t0} -> {u0}", "3x1xf32", "2x3x4xf32", lambda s, x: np.broadcast_to(x, s[0]))
for given, made in (("6x4", "2x12"), ("6x4", "4x6"), ("24", "2x3x4"), ("2x3x4", "24"), ("4x6", "6x4"), ("2x1x6", "1x4x3"), ("3x5x4", "5x3x2x2"), ("2x15x4", "3x10x4"),
                    ("1x1", "1"), ("2x0x3", "0x5")):
    case("reshape", "{0} : {t0} -> {u0}", f"{given}xf32", f"{made}xf32", lambda s, x: x.reshape(s[0]))

# Two groupings of one list of factors: the list is their common refinement, and nothing is whole. And shapes that only have as many elements.
generator = np.random.default_rng(1)
SPLITTABLE = set()


def grouped(factors):
    cuts = sorted(generator.choice(len(factors) - 1, generator.integers(0, len(factors)), replace=False) + 1)
    groups = ["*".join(g) for g in np.split(np.array(factors), cuts)]
    return "x".join(str(eval(g)) if g.replace("*", "").isdigit() else g for g in groups)


for _ in range(40):
    factors = list(generator.choice(["2", "3", "4", "5", "n", "s"], generator.integers(2, 6)))
    SPLITTABLE.add(len(CASES))
    case("reshape", "{0} : {t0} -> {u0}", f"{grouped(factors)}xf32", f"{grouped(factors)}xf32", lambda s, x: x.reshape(s[0]))
    other = list(generator.permutation(factors))
    case("reshape", "{0} : {t0} -> {u0}", f"{grouped(factors)}xf32", f"{grouped(other)}xf32", lambda s, x: x.reshape(s[0]))
case("slice", '{0} starts ["0", "2", "1"] steps [1, 1, 1] : {t0} -> {u0}', "4x8x2xf32", "4x3x1xf32", lambda s, x: reference.strided(x, [0, 2, 1], [1, 1, 1], s[0]))
case("slice", '{0} starts ["0", "5"] steps [1, -2] : {t0} -> {u0}', "4x6xf32", "4x3xf32", lambda s, x: reference.strided(x, [0, 5], [1, -2], s[0]))
case("concat", "{0}, {1} axis 1 : {t0}, {t1} -> {u0}", "4x3xf32 4x2xf32", "4x5xf32", lambda s, *xs: np.concatenate(xs, 1))
case("pad", '{0} value {1} low ["0", "1"] mode constant : {t0}, {t1} -> {u0}', "4x3xf32 f32", "4x6xf32", lambda s, x, v: reference.pad(x, v, [0, 1], s[0], "constant"))
case("pad", '{0} low ["0", "1"] mode constant : {t0} -> {u0}', "4x3xf32", "4x6xf32", lambda s, x: reference.pad(x, None, [0, 1], s[0], "constant"))
for mode in ("edge", "reflect", "wrap"):
    case("pad", f'{{0}} low ["1", "0"] mode {mode} : {{t0}} -> {{u0}}', "4x3xf32", "6x3xf32", lambda s, x, mode=mode: reference.pad(x, None, [1, 0], s[0], mode))
case("resize", '{0} {{mode = "linear", coordinates = "half_pixel", rounding = "floor", scales = array<f64: 1.0, 0.0, 2.0>}} : {t0} -> {u0}', "2x3x4xf32", "2x3x8xf32",
     lambda s, x: reference.resize(x, s[0], [1, 0, 2], "linear", "half_pixel"))
case("resize", '{0} {{mode = "nearest", coordinates = "asymmetric", rounding = "floor", scales = array<f64: 1.0, 0.0>}} : {t0} -> {u0}', "2x3xf32", "2x6xf32",
     lambda s, x: reference.resize(x, s[0], [1, 0], "nearest", "asymmetric", "floor"))

# ---- indices -----------------------------------------------------------------------------------------------------------------------

case("gather", "{0}, {1} axis 1 : {t0}, {t1} -> {u0}", "2x5x3xf32 2x2xi64", "2x2x2x3xf32", lambda s, x, i: reference.gather(x, i, 1), x1=between(-5, 4))
case("gather_elements", "{0}, {1} axis 0 : {t0}, {t1} -> {u0}", "5x4xf32 3x4xi64", "3x4xf32", lambda s, x, i: reference.gather_elements(x, i, 0), x1=between(-5, 4))
case("gather_elements", "{0}, {1} axis 0 : {t0}, {t1} -> {u0}", "5x4xf32 3x2xi64", "3x2xf32", lambda s, x, i: reference.gather_elements(x, i, 0), x1=between(-5, 4))
case("gather_nd", "{0}, {1} : {t0}, {t1} -> {u0}", "3x4x2xf32 5x2xi64", "5x2xf32", lambda s, x, i: reference.gather_nd(x, i), x1=between(-3, 2))
case("gather_nd", "{0}, {1} {{batch = 1 : i64}} : {t0}, {t1} -> {u0}", "3x4x2xf32 3x5x1xi64", "3x5x2xf32", lambda s, x, i: reference.gather_nd(x, i, 1), x1=between(-4, 3))
for kind in ("set", "add", "mul", "max", "min"):
    case("scatter_elements", f"{kind}, {{0}}, {{1}}, {{2}} axis 0 : {{t0}}, {{t1}}, {{t2}} -> {{u0}}", "5x4xf32 3x4xi64 3x4xf32", "5x4xf32",
         lambda s, x, i, u, kind=kind: reference.scatter_elements(x, i, u, kind, 0), x1=between(-5, 4))
    case("scatter_nd", f"{kind}, {{0}}, {{1}}, {{2}} : {{t0}}, {{t1}}, {{t2}} -> {{u0}}", "3x4xf32 5x1xi64 5x4xf32", "3x4xf32",
         lambda s, x, i, u, kind=kind: reference.scatter_nd(x, i, u, kind), x1=between(-3, 2))
case("scatter_elements", "add, {0}, {1}, {2} axis 0 : {t0}, {t1}, {t2} -> {u0}", "5x4xf32 3x2xi64 3x2xf32", "5x4xf32",
     lambda s, x, i, u: reference.scatter_elements(x, i, u, "add", 0), x1=between(-5, 4))
case("top_k", "{0} axis 1 : {t0} -> {u0}, {u1}", "4x6xf32", "4x3xf32 4x3xi64", lambda s, x: reference.top_k(x, s[0][1], 1))

# ---- reductions and windows --------------------------------------------------------------------------------------------------------

for kind in ("sum", "max", "min", "prod"):
    case("reduce", f"{kind}, {{0}} axes [1, 2] : {{t0}} -> {{u0}}", "2x3x4xf32", "2x1x1xf32", lambda s, x, kind=kind: reference.reduce(x, kind, [1, 2]))
case("cumsum", "{0} axis 1 : {t0} -> {u0}", "3x5xf32", "3x5xf32", lambda s, x: reference.cumsum(x, 1))
for kind in ("max", "average", "average_include_pad"):
    case("pool", f"{kind}, {{0}} {{{{kernel = array<i64: 2>, strides = array<i64: 2>, pads = array<i64: 0, 0>, dilations = array<i64: 1>}}}} : {{t0}} -> {{u0}}",
         "2x3x8xf32", "2x3x4xf32", lambda s, x, kind=kind: reference.pool(x, kind, [2], [2], [0, 0], [1], s[0][2:]))
case("pool", "max, {0} {{kernel = array<i64: 1, 2>, strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, channels_last}} : {t0} -> {u0}",
     "2x4x5x3xf32", "2x4x4x3xf32", lambda s, x: reference.pool(x, "max", [1, 2], [1, 1], [0] * 4, [1, 1], s[0][1:3], channels_last=True))


def convolved(x, w, strides, pads, channels_last=False):
    return reference.conv(x, w, strides, pads, [1] * len(strides), x.shape[-1 if channels_last else 1] // w.shape[1], channels_last)


CONV = "{{0}}, {{1}} {{{{strides = array<i64: {0}>, pads = array<i64: {1}>, dilations = array<i64: {2}>, group = {3} : i64{4}}}}} : {{t0}}, {{t1}} -> {{u0}}"
case("conv", CONV.format("2", "1, 1", "1", 1, ""), "2x6x7xf32 4x6x3xf32", "2x4x4xf32", lambda s, x, w: convolved(x, w, [2], [1, 1]))
case("conv", CONV.format("1", "1, 1", "1", 2, ""), "2x6x5xf32 4x3x3xf32", "2x4x5xf32", lambda s, x, w: convolved(x, w, [1], [1, 1]))
case("conv", CONV.format("1", "0, 0", "1", 4, ""), "2x4x5xf32 8x1x3xf32", "2x8x3xf32", lambda s, x, w: convolved(x, w, [1], [0, 0]))
case("conv", CONV.format("1, 1", "0, 0, 0, 0", "1, 1", 2, ", channels_last"), "2x4x5x6xf32 4x3x1x2xf32", "2x4x4x4xf32",
     lambda s, x, w: convolved(x, w, [1, 1], [0] * 4, channels_last=True))
case("conv", CONV.format("1", "1, 1", "1", 1, ""), "2x6x5xi8 4x6x3xi8", "2x4x5xi32", lambda s, x, w: convolved(x, w, [1], [1, 1]))
case("depthwise_conv", "{0}, {1} {{strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>}} : {t0}, {t1} -> {u0}",
     "2x4x5x3xf32 3x3x3xf32", "2x4x5x3xf32", lambda s, x, w: reference.depthwise_conv(x, w, [1, 1], [1] * 4, [1, 1]))

# ---- products ----------------------------------------------------------------------------------------------------------------------

PRODUCT = "{0}, {1} : {t0}, {t1} -> {u0}"
case("matmul", PRODUCT, "4x6xf32 6x8xf32", "4x8xf32")
case("matmul", PRODUCT, "2x1x4x6xf32 3x6x8xf32", "2x3x4x8xf32")
case("matmul", "{0}, {1} transpose_b : {t0}, {t1} -> {u0}", "2x4x6xf32 2x8x6xf32", "2x4x8xf32", lambda s, a, b: reference.matmul(a, b, True))
case("matmul", PRODUCT, "1x6xi8 6x8xi8", "1x8xi32")
ENDS = lambda g, shape: np.sort(g.integers(0, 10, shape))
case("grouped_matmul", "{0}, {1}, {2} : {t0}, {t1}, {t2} -> {u0}", "9x4xf32 3x4x6xf32 3xi32", "9x6xf32", x2=ENDS)
case("grouped_matmul", "{0}, {1} transpose_w, {2} : {t0}, {t1}, {t2} -> {u0}", "9x4xf32 3x6x4xf32 3xi32", "9x6xf32", lambda s, x, w, e: reference.grouped_matmul(x, w, e, True),
     x2=ENDS)
# Five experts of which each token has two; a number that none has is of another rank.
for kind, index in (("silu", "i64"), ("gelu_tanh", "i32")):
    case("experts", f"{kind} {{0}}, {{1}}, {{2}}, {{3}}, {{4}}, {{5}} : ({{t0}}, {{t1}}, {{t2}}, {{t3}}, {{t4}}, {{t5}}) -> {{u0}}", f"7x3xf32 7x2x{index} 7x2xf32 5x4x3xf32 5x4x3xf32 5x6x4xf32", "7x6xf32",
         lambda s, *xs, kind=kind: reference.experts(*xs, kind), x1=between(-1, 5))
case("pack", "{0} : {t0} -> {u0}", "2x6x48xf32", "2x3x6x16xf32")
case("pack", "{0} transpose : {t0} -> {u0}", "20x6xf32", "2x6x16xf32", lambda s, b: reference.pack(b, True))
case("pack", "{0} interleave 4 : {t0} -> {u0}", "16x32xi8", "2x4x64xi8", lambda s, b: reference.pack(b, False, 4))
for a, b, y in (("2x4x6xf32", "2x2x6x16xf32", "2x4x32xf32"), ("4x6xf32", "2x6x16xf32", "4x20xf32"), ("4x8xui8", "2x2x64xi8", "4x32xi32"), ("4x6xui8", "2x2x64xi8", "4x32xi32")):
    case("packed_matmul", PRODUCT, f"{a} {b}", y, lambda s, a, b: reference.packed_matmul(a, b, s[0][-1]))
by_rows = lambda s, a, b: reference.matmul(a, b[..., : a.shape[-1]], True)
case("packed_matmul", "{0}, {1} by_rows : {t0}, {t1} -> {u0}", "3x4x16xf16 3x6x16xf16", "3x4x6xf16", by_rows)
case("packed_matmul", "{0}, {1} by_rows : {t0}, {t1} -> {u0}", "4x12xf16 6x16xf16", "4x6xf16", by_rows)
case("packed_grouped_matmul", "{0}, {1}, {2} : {t0}, {t1}, {t2} -> {u0}", "9x4xf32 3x2x4x16xf32 3xi32", "9x32xf32",
     lambda s, x, w, e: reference.packed_grouped_matmul(x, w, e, s[0][1]), x2=ENDS)
case("packed_grouped_matmul", "{0}, {1} by_rows, {2} : {t0}, {t1}, {t2} -> {u0}", "9x8xbf16 3x6x8xbf16 3xi32", "9x6xbf16",
     lambda s, x, w, e: reference.grouped_matmul(x, w, e, True), x2=ENDS)


def packed_conv(s, x, w):
    """A kernel of 1 x 2, without pads."""
    return reference.packed_conv(x, w, [1, 2], [1, 1], [0] * 4, [1, 1], w.shape[0], s[0][3])


WINDOW = "{{{{kernel = array<i64: 1, 2>, strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, group = {} : i64}}}} : {{t0}}, {{t1}} -> {{u0}}"
case("packed_conv", "{0}, {1} " + WINDOW.format(2), "2x1x5x6xf32 2x2x6x16xf32", "2x1x4x64xf32", packed_conv)
case("packed_conv", "{0}, {1} " + WINDOW.format(1), "2x1x5x4xf32 1x2x8x16xf32", "2x1x4x20xf32", packed_conv)
case("packed_conv", "{0}, {1} " + WINDOW.format(1), "2x1x5x4xui8 1x1x2x64xi8", "2x1x4x16xi32", packed_conv)


def conv_by_rows(s, x, w):
    filters = w.reshape(-1, 1, 2, 64)[..., : x.shape[-1]].transpose(0, 3, 1, 2)
    return reference.conv(x, filters, [1, 1], [0] * 4, [1, 1], 1, channels_last=True)


case("packed_conv", "{0}, {1} by_rows " + WINDOW.format(1), "2x1x5x8xf16 6x128xf16", "2x1x4x6xf16", conv_by_rows)

# ---- quantization ------------------------------------------------------------------------------------------------------------------

POWERS = one_of(0.5, 1, 2)


def block_of(shape, parameter, axis):
    """What a part of a block is long; 0 beside a parameter of elements."""
    return 0 if np.ndim(parameter) == 0 else -(-shape[axis] // parameter.shape[axis])


def quantized(s, x, scale, zero=0, axis=0, block=None):
    return reference.quantize(x, scale, zero, (0, 255), block or block_of(x.shape, scale, axis), axis)


def dequantized(s, q, scale, zero=0, offset=0, axis=0, block=None):
    return reference.dequantize(q, scale, zero, offset, None, block or block_of(q.shape, scale, axis), axis)


case("quantize", "{0}, {1} zero {2} : {t0}, {t1} zero {t2} -> {u0}", "4x6xf32 f32 ui8", "4x6xui8", lambda s, x, c, z: reference.quantize(x, c, z, (0, 255)), x1=POWERS)
case("quantize", "{0}, {1} : {t0}, {t1} -> {u0}", "4x6xf32 1x6xf32", "4x6xui8", lambda s, x, c: reference.quantize(x, c, 0, (0, 255)), x1=POWERS)
case("quantize", "{0}, {1} zero {2} block 4 along 0 : {t0}, {t1} zero {t2} -> {u0}", "8x6xf32 2x6xf32 2x6xui8", "8x6xui8", quantized, x1=POWERS)
case("quantize", "{0}, {1} block 4 along 0 : {t0}, {t1} -> {u0}", "6x3xf32 2x3xf32", "6x3xui8", lambda s, x, c: quantized(s, x, c, block=4), x1=POWERS)
case("dequantize", "{0}, {1} : {t0}, {t1} -> {u0}", "4x6xi8 f32", "4x6xf32", lambda s, q, c: reference.dequantize(q, c))
case("dequantize", "{0}, {1} zero {2} offset {3} block 4 along 1 : {t0}, {t1} zero {t2} offset {t3} -> {u0}", "3x8xui8 3x2xf32 3x2xui8 3x2xf32", "3x8xf32",
     lambda s, *xs: dequantized(s, *xs, axis=1))
case("dequantize", "{0}, {1} block 4 along 1 : {t0}, {t1} -> {u0}", "3x6xi8 3x2xf32", "3x6xf32", lambda s, q, c: dequantized(s, q, c, axis=1, block=4))
# A block of Q8_0: a scale in two bytes, and 32 codes.
case("decode_blocks", '{0} "Q8_0" : {t0} -> {u0}', "3x102xui8", "3x96xf32",
     lambda s, b: (lambda v: (v[..., :1] + 256 * v[..., 1:2]) * (v[..., 2:] - 128))(b.reshape(len(b), -1, 34)).reshape(s[0]))


def words_of(codes):
    """[k, n] as [n / 16, k / 8, 16], the last panel filled up."""
    k, n = codes.shape
    panels = -(-n // 16)
    filled = np.concatenate([codes, np.zeros([k, panels * 16 - n], np.int64)], 1).reshape(k // 8, 8, panels, 16)
    return np.sum(filled << (4 * np.arange(8))[:, None, None], 1).transpose(1, 0, 2)


def codes_of(words, n):
    codes = (words[:, :, None, :] >> (4 * np.arange(8))[:, None]) & 15
    return codes.reshape(len(words), -1, 16).transpose(1, 0, 2).reshape(-1, len(words) * 16)[:, :n]


def runs_of(codes):
    """[k, n] in runs of 64 x 64 codes, filled up, each as words of eight."""
    k, n = codes.shape
    filled = np.zeros([-(-k // 64) * 64, -(-n // 64) * 64], np.int64)
    filled[:k, :n] = codes
    runs = filled.reshape(-(-k // 64), 64, -1, 64).transpose(2, 0, 1, 3).reshape(-(-n // 64), -(-k // 64), 512, 8)
    return np.sum(runs << (4 * np.arange(8)), -1)


def codes_of_runs(runs, k, n):
    codes = ((runs[..., None] >> (4 * np.arange(8))) & 15).reshape(*runs.shape[:2], 64, 64)
    return codes.transpose(1, 2, 0, 3).reshape(runs.shape[1] * 64, -1)[:k, :n]


CODES = between(0, 15)
WORDS = between(0, 2**32 - 1)
case("pack_codes", "{0} : {t0} -> {u0}", "24x32xui4", "2x3x16xui32", lambda s, c: words_of(c), x0=CODES)
case("pack_codes", "{0} transpose : {t0} -> {u0}", "20x24xui4", "2x3x16xui32", lambda s, c: words_of(c.T), x0=CODES)
case("pack_codes", "{0} : {t0} -> {u0}", "128x192xui4", "3x2x512xui32", lambda s, c: runs_of(c), x0=CODES)
case("pack_codes", "{0} : {t0} -> {u0}", "72x64xui4", "1x2x512xui32", lambda s, c: runs_of(c), x0=CODES)


def dequant_product(a, codes, scales, offsets, n, group):
    """codes [k, n]; scales and offsets [groups, n] in panels."""
    spread = lambda v: np.repeat(reference.unpack(v, n), group or len(codes), 0)[: len(codes)] if isinstance(v, np.ndarray) else v
    return a @ ((codes - 8) * spread(scales) + spread(offsets))


LEVELS = "levels [" + ", ".join(f"{i - 8}.0" for i in range(16)) + "]"
for k, group, groups in ((64, 32, 2), (40, 32, 2), (64, 64, 1), (64, 8, 8)):
    case("dequant_matmul", f"{{0}}, {{1}}, {{2}} group {group} {LEVELS} : {{t0}}, {{t1}}, {{t2}} -> {{u0}}", f"3x{k}xf32 2x{k // 8}x16xui32 2x{groups}x16xf32", "3x32xf32",
         lambda s, a, c, v, group=group: dequant_product(a, codes_of(c, s[0][-1]), v, 0, s[0][-1], group if v.shape[1] > 1 or group < 64 else 0), x1=WORDS)
case("dequant_matmul", "{0}, {1}, {2} offsets {3} group 16 : {t0}, {t1}, {t2} offsets {t3} -> {u0}", "2x3x48xf32 2x48x16xi8 2x3x16xf32 2x3x16xf32", "2x3x20xf32",
     lambda s, a, c, v, o: dequant_product(a, reference.unpack(c, s[0][-1]), v, o, s[0][-1], 16))
case("dequant_matmul", "{0}, {1}, {2} group 48 : {t0}, {t1}, {t2} -> {u0}", "3x48xf32 2x48x16xi8 2x1x16xf32", "3x32xf32",
     lambda s, a, c, v: dequant_product(a, reference.unpack(c, s[0][-1]), v, 0, s[0][-1], 0))
for k, n, group in ((128, 128, 32), (256, 64, 128), (96, 64, 32), (128, 80, 64)):
    case("dequant_matmul", f"{{0}}, {{1}}, {{2}} group {group} {LEVELS} : {{t0}}, {{t1}}, {{t2}} -> {{u0}}",
         f"3x{k}xf16 {-(-n // 64)}x{-(-k // 64)}x512xui32 {-(-n // 16)}x{-(-k // group)}x16xf32", f"3x{n}xf32",
         lambda s, a, c, v, group=group: dequant_product(a, codes_of_runs(c, a.shape[-1], s[0][-1]), v, 0, s[0][-1], group), x1=WORDS)


def digits_of(a, group):
    """Whole numbers of a group with a unit for each, one digit a word's byte: group / 4 words, and one of their sum."""
    k = a.shape[-1]
    groups = np.concatenate([a, np.zeros([*a.shape[:-1], -k % group])], -1).reshape(*a.shape[:-1], -1, group)
    largest = np.abs(groups).max(-1, keepdims=True)
    unit = np.where(largest == 0, 1, largest) / 127
    v = np.rint(groups / unit).astype(np.int64)
    words = np.concatenate([np.sum((v & 255).reshape(*v.shape[:-1], -1, 4) << (8 * np.arange(4)), -1), -8 * v.sum(-1, keepdims=True)], -1)
    return [words, np.concatenate([unit, unit * v.sum(-1, keepdims=True)], -1)]


case("split_digits", "{0} group 8 digits 1 zero 8 : {t0} -> {u0}, {u1}", "2x3x24xf32", "2x3x3x3xi32 2x3x3x2xf32", lambda s, a: digits_of(a, 8))
case("split_digits", "{0} group 16 digits 1 zero 8 : {t0} -> {u0}, {u1}", "3x24xf32", "3x2x5xi32 3x2x2xf32", lambda s, a: digits_of(a, 16))


def product_of_digits(words, factors, codes, scales, n, group):
    """codes [k, n]; each group's sum of whole numbers times its unit and scale."""
    v = ((words[..., :-1, None] >> (8 * np.arange(4))) & 255).reshape(*words.shape[:-1], -1)
    v = np.where(v > 127, v - 256, v)
    filled = np.zeros([v.shape[-2] * group, n])
    filled[: len(codes)] = codes
    sums = np.einsum("...gk,gkn->...gn", v, filled.reshape(-1, group, n))
    return np.sum(sums * factors[..., :1] * reference.unpack(scales, n), -2)


DIGITS = "{{0}} factors {{1}}, {{2}}, {{3}} group {} {}: {{t0}} factors {{t1}}, {{t2}}, {{t3}} -> {{u0}}"
case("dequant_matmul", DIGITS.format(16, LEVELS + " "), "3x3x5xi32 3x3x2xf32 2x6x16xui32 2x3x16xf32", "3x32xf32",
     lambda s, w, f, c, v: product_of_digits(w, f, codes_of(c, s[0][-1]) - 8, v, s[0][-1], 16), x0=between(0, 2**31 - 1), x2=WORDS)
case("dequant_matmul", DIGITS.format(16, ""), "3x2x5xi32 3x2x2xf32 2x6x64xui8 2x2x16xf32", "3x32xf32",
     lambda s, w, f, c, v: product_of_digits(w, f, reference.unpack(c, s[0][-1]) - 128, v, s[0][-1], 16), x0=between(0, 2**31 - 1))


def scaled_product(a, b, a_scales, b_scales, shared):
    spread = lambda v, k: np.repeat(v, 128, -1)[..., :k]
    return (a * spread(a_scales, a.shape[-1])) @ (b * spread(np.repeat(b_scales, shared, 0)[: len(b)], b.shape[-1])).T


for n, k, shared in ((6, 256, 1), (128, 256, 64), (80, 144, 64)):
    case("scaled_matmul", f"{{0}}, {{1}} scales {{2}}, {{3}} shared {shared} : {{t0}}, {{t1}} scales {{t2}}, {{t3}} -> {{u0}}",
         f"4x{k}xf8E4M3FN {n}x{k}xf8E4M3FN 4x{-(-k // 128)}xf32 {-(-n // shared)}x{-(-k // 128)}xf32", f"4x{n}xf32",
         lambda s, a, b, c, d, shared=shared: scaled_product(a, b, c, d, shared))

# ---- sequences ---------------------------------------------------------------------------------------------------------------------

MANY = "{} : ({}) -> ({})"


def many(count, results):
    return MANY.format(", ".join(f"{{{i}}}" for i in range(count)), ", ".join(f"{{t{i}}}" for i in range(count)), ", ".join(f"{{u{i}}}" for i in range(results)))


case("lstm", many(4, 3), "3x4x8xf32 8x2xf32 4x2xf32 4x2xf32", "3x4x2xf32 4x2xf32 4x2xf32")
case("lstm", many(5, 3), "3x4x8xf32 8x2xf32 4x2xf32 4x2xf32 8xf32", "3x4x2xf32 4x2xf32 4x2xf32")
case("gru", many(4, 2), "3x4x6xf32 6x2xf32 6xf32 4x2xf32", "3x4x2xf32 4x2xf32")
SMALL = lambda g, shape: g.integers(-2, 3, shape) / 4
for causal in ("", "causal "):
    line = many(6, 3).replace(" : ", f" scale 0.5 {causal}: ")
    case("attention_grad", line, "2x6x4x2xf32 2x3x5x2xf32 2x3x5x2xf32 2x6x4x2xf32 2x6x4xf32 2x6x4xf32", "2x6x4x2xf32 2x3x5x2xf32 2x3x5x2xf32",
         lambda s, *xs, causal=causal: reference.attention_grad(*xs, 0.5, bool(causal)), **{f"x{i}": SMALL for i in range(6)})


def write_pages(s, pool, rows, slots, scales=None):
    pages, page_scales = np.array(pool, np.float64), None if scales is None else np.array(scales, np.float64)
    for row, slot in zip(rows, slots):
        if slot < 0:
            continue
        scale = 1 if scales is None else np.maximum(np.abs(row).max(-1, keepdims=True), 1) / 127
        pages[slot // 16, :, slot % 16] = row / scale
        if scales is not None:
            page_scales[slot // 16, :, slot % 16] = scale[:, 0]
    return [pages] if scales is None else [pages, page_scales]


SLOTS = lambda g, shape: g.permutation(32)[: shape[0]] - 1
case("write_pages", "keys {0}, {1}, {2} : {t0}, {t1}, {t2} -> {u0}", "3x4x16x16xf32 5x4x16xf32 5xi32", "3x4x16x16xf32", write_pages, x2=SLOTS)
case("write_pages", "values {0}, {1}, {2} scales {3} : {t0}, {t1}, {t2} scales {t3} -> {u0} scales {u1}", "3x4x16x16xi8 5x4x16xf32 5xi32 3x4x16xf32",
     "3x4x16x16xi8 3x4x16xf32", write_pages, x2=SLOTS)


def paged_attention(s, q, keys, values, table, sequence, position, key_scales=None, value_scales=None):
    y = np.zeros(s[0])
    shared = q.shape[1] // keys.shape[1]
    for t, h in np.ndindex(*y.shape[:2]):
        at = [(table[sequence[t], j // 16], h // shared, j % 16) for j in range(position[t] + 1)]
        if at:
            k, v = (np.stack([pool[i] * (1 if scales is None else scales[i]) for i in at]) for pool, scales in ((keys, key_scales), (values, value_scales)))
            weights = np.exp(0.25 * k @ q[t, h])
            y[t, h] = weights / weights.sum() @ v
    return y


PAGES = {"x0": SMALL, "x1": SMALL, "x3": between(0, 2), "x4": between(0, 1), "x5": between(-1, 20)}
case("paged_attention", "{0}, {1}, {2}, {3}, {4}, {5} scale 0.25 : {t0}, {t1}, {t2}, {t3}, {t4}, {t5} -> {u0}",
     "5x6x16xf32 3x2x16x16xf32 3x2x16x32xf32 2x2xi32 5xi32 5xi32", "5x6x32xf32", paged_attention, **PAGES)
case("paged_attention", "{0}, {1}, {2}, {3}, {4}, {5} scales {6}, {7} scale 0.25 : {t0}, {t1}, {t2}, {t3}, {t4}, {t5} scales {t6}, {t7} -> {u0}",
     "5x6x16xf32 3x2x16x16xi8 3x2x16x16xi8 2x2xi32 5xi32 5xi32 3x2x16xf32 3x2x16xf32", "5x6x16xf32", paged_attention, **PAGES, x6=SMALL, x7=SMALL)

# ---- formulas ----------------------------------------------------------------------------------------------------------------------

case("add", "{0}, {1} : {t0}, {t1} -> {u0}", "nx1x4xf32 sx1xf32", "nxsx4xf32")
case("broadcast", "{0} : {t0} -> {u0}", "nx1xf32", "3xnxsxf32", lambda s, x: np.broadcast_to(x, s[0]))
case("slice", '{0} starts ["0", "n"] steps [1, 1] : {t0} -> {u0}', "nx2*nxf32", "nxnxf32", lambda s, x: reference.strided(x, [0, SYMBOLS["n"]], [1, 1], s[0]))
case("pad", '{0} low ["n", "0"] mode constant : {t0} -> {u0}', "nxsxf32", "2*nxsxf32", lambda s, x: reference.pad(x, None, [SYMBOLS["n"], 0], s[0], "constant"))
case("concat", "{0}, {1} axis 0 : {t0}, {t1} -> {u0}", "nxsxf32 sxsxf32", "n+sxsxf32", lambda s, *xs: np.concatenate(xs, 0))
case("gather", "{0}, {1} axis 0 : {t0}, {t1} -> {u0}", "nxsxf32 sxi64", "sxsxf32", lambda s, x, i: reference.gather(x, i, 0), x1=between(0, 3))
case("reduce", "sum, {0} axes [0] : {t0} -> {u0}", "nxsxf32", "1xsxf32", lambda s, x: reference.reduce(x, "sum", [0]))
case("conv", CONV.format("1", "1, 1", "1", 1, ""), "nx6x5xf32 4x6x3xf32", "nx4x5xf32", lambda s, x, w: convolved(x, w, [1], [1, 1]))
case("matmul", PRODUCT, "nx1x4xsxf32 3xsx2*nxf32", "nx3x4x2*nxf32")
case("pack", "{0} : {t0} -> {u0}", "sx16*nxf32", "nxsx16xf32")
case("packed_matmul", PRODUCT, "sx6xf32 nx6x16xf32", "sx16*nxf32", lambda s, a, b: reference.packed_matmul(a, b, s[0][-1]))
case("grouped_matmul", "{0}, {1}, {2} : {t0}, {t1}, {t2} -> {u0}", "sx4xf32 nx4x6xf32 nxi32", "sx6xf32", x2=ENDS)
case("dequantize", "{0}, {1} block 4 along 0 : {t0}, {t1} -> {u0}", "4*nx6xi8 nx6xf32", "4*nx6xf32", lambda s, q, c: dequantized(s, q, c))
case("paged_attention", "{0}, {1}, {2}, {3}, {4}, {5} scale 0.25 : {t0}, {t1}, {t2}, {t3}, {t4}, {t5} -> {u0}",
     "nx6x16xf32 sx2x16x16xf32 sx2x16x32xf32 2x2xi32 nxi32 nxi32", "nx6x32xf32", paged_attention, **PAGES)
