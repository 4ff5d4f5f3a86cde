#!/usr/bin/env python3
"""Does each operator of the graph dialect compute what its reference (graph_reference.py, float64) says?

Every case is a module of one operator over a symbol n, compiled once a variant and run with several n, among them 0 and 1, odd numbers
and one beyond a tile: fused for this processor, unfused, with the baseline instruction set, and where bytes are multiplied also compiled
for a processor that has an instruction for them but run on the baseline; and for some n as constants, which constant folding computes
with the host operators. Cases of a family share a module. With another build's runner, which is for what a sanitizer sees in the
runtime, the fused plans alone are run: the rest differs in code that the compiler makes, or is in the compiler.

Tolerances: with u the unit roundoff of what is accumulated and stored, a function of the library may be off by 8 u of its result;
a sum of k terms by (k + 2) u times the sum of the terms' sizes; an override says why. Integers, bools and copies are exact. NaN
must be where the reference has it, as must infinities.

Every operator of the dialect has a reference and a case, or a reason for none (NO_REFERENCE); the list of operators is TableGen's.

    graph_ops.py --jinx build/dev/bin/jinx [--runner jinx-rt] [--threads N] [--seed N] [FAMILY…]
    graph_ops.py --self-test
"""

import argparse
import itertools
import pathlib
import subprocess
import sys
import tempfile

import ml_dtypes
import numpy as np

import dialect
import graph_reference as reference
from graph_reference import REFERENCES

SIZES = [0, 1, 2, 5, 37]
FOLDED = [0, 1, 5]  # as constants
TYPES = {np.dtype(k): v for k, v in {"f4": "f32", "f8": "f64", "f2": "f16", "i1": "i8", "i2": "i16", "i4": "i32", "i8": "i64", "u1": "ui8",
                                     "u2": "ui16", "u4": "ui32", "u8": "ui64", "?": "i1"}.items()}
INT4, UINT4 = np.dtype(ml_dtypes.int4), np.dtype(ml_dtypes.uint4)  # in constants: a byte an element
TYPES |= {INT4: "i4", UINT4: "ui4"}
ROUNDOFF = {np.dtype("f4"): 2.0**-24, np.dtype("f8"): 2.0**-53, np.dtype("f2"): 2.0**-11}
FUNCTION = 8  # roundoffs that a library's function may be off by

# Operators that no case is for, and why.
NO_REFERENCE = {
    "group": "passes make it; what is in it has a reference, and every case here runs in one",
    "launch": "a group once it is scheduled",
    "yield": "ends a region",
    "decode_blocks": "of constants only: tests/numeric/blocks.py holds it to the gguf package, bit by bit",
    "pack_codes": "of constants only: jinx.dequant_matmul multiplies what it leaves",
    "split_digits": "passes make it; tests/numeric/activation_bits.py holds it to its numbers",
    "scaled_matmul": "of a GPU's tensor cores: tests/numeric/cuda_scaled.py holds it to float64",
    "write_pages": "writes memory of the caller, step by step: tests/numeric/paged_attention.py",
    "paged_attention": "reads what steps before have written: tests/numeric/paged_attention.py",
    "none": "stands for an omitted operand",
    "host_call": "runs the host operator that it names; ONNX's node tests judge these",
    "if": "runs blocks; ONNX's node tests judge it, and tests/unit/runtime/control_flow_test.cpp",
    "loop": "runs blocks; ONNX's node tests judge it, and tests/unit/runtime/control_flow_test.cpp",
    "scan": "runs blocks; ONNX's node tests judge it, and tests/unit/runtime/control_flow_test.cpp",
    "sequence_map": "runs blocks; ONNX's node tests judge it",
}


class Tensor:
    """An operand or result: element type, and sizes that are numbers or formulas over n. A constant operand, drawn or given, is the same for every n."""

    def __init__(self, dtype, *dims, constant=False, value=None):
        self.dtype, self.dims = np.dtype(dtype), dims
        self.value = draw(np.random.default_rng(5), self.dtype, self.dims) if constant else value

    def shape(self, n):
        return tuple(d if isinstance(d, int) else eval(d, {"n": n}) for d in self.dims)

    def text(self, n=None):
        element = TYPES[self.dtype]
        if n is not None or not any(isinstance(d, str) for d in self.dims):
            return f"tensor<{''.join(f'{d}x' for d in self.shape(n))}{element}>"
        sizes = "".join(f"{'?' if isinstance(d, str) else d}x" for d in self.dims)
        return f"tensor<{sizes}{element}, #jinx.dims<{', '.join(f'{chr(34)}{d}{chr(34)}' for d in self.dims)}>>"


class Case:
    """One operator. `line` has {0}, {1} for operands' names, {t0} for their types, {ty} for the first result's, {w} for what the line `before` it names.

    terms: how many terms a sum has, and how large the sum of their sizes is, from the operands; None: exact, or one function."""

    def __init__(self, op, line, inputs, outputs, answer=None, draw=None, terms=None, exact=False, smallest=0, before=""):
        self.op, self.line, self.inputs, self.before = op, line, inputs, before
        self.outputs = outputs if isinstance(outputs, list) else [outputs]
        self.answer = answer or (lambda n, *xs: REFERENCES[op](*xs))
        self.draw, self.terms, self.exact, self.smallest = draw, terms, exact, smallest

    def operands(self, generator, n):
        shapes = [tensor.shape(n) for tensor in self.inputs]
        if self.draw:
            return [np.asarray(v).astype(t.dtype) for v, t in zip(self.draw(generator, n, *shapes), self.inputs)]
        return [draw(generator, t.dtype, shape) if t.value is None else t.value for t, shape in zip(self.inputs, shapes)]

    def expected(self, n, operands):
        wide = [v.astype(np.float64) if v.dtype.kind == "f" else v for v in operands]
        with np.errstate(all="ignore"):
            results = self.answer(n, *wide)
        return results if isinstance(results, list) else [results]

    def tolerance(self, n, dtype, operands):
        """(absolute, relative)."""
        if self.exact or dtype.kind != "f":
            return 0.0, 0.0
        u = ROUNDOFF[dtype]
        if not self.terms:
            return 0.0, FUNCTION * u
        count, size = self.terms(n, *[v.astype(np.float64) for v in operands])
        # Sums of half types accumulate in f32; what is stored rounds once more.
        return (count + 2) * max(ROUNDOFF[np.dtype("f4")] if dtype.itemsize == 2 else u, 0) * size, FUNCTION * u

    def text(self, index, n=None, arguments=None):
        names = {f"t{i}": tensor.text(n) for i, tensor in enumerate(self.inputs)}
        results = ", ".join(f"%c{index}_y{i}" for i in range(len(self.outputs)))
        given = arguments or [f"%c{index}_x{i}" for i in range(len(self.inputs))]
        types = ", ".join(tensor.text(n) for tensor in self.outputs)
        line = self.line(n) if callable(self.line) else self.line
        before = self.before(n) if callable(self.before) else self.before
        line = f"{results} = {line}" if not before else f"{{w}} = {before}\n    {results} = {line}"
        return line.format(*given, **names, ty=types, w=f"%c{index}_w")


def draw(generator, dtype, shape):
    if dtype == bool:
        return generator.integers(0, 2, shape).astype(bool)
    if dtype in (INT4, UINT4):
        return generator.integers(0, 16, shape, np.uint8).view(dtype) if dtype == UINT4 else generator.integers(-8, 8, shape, np.int8).astype(dtype)
    if dtype.kind in "iu":
        ends = np.iinfo(dtype)
        return generator.integers(ends.min, ends.max, shape, dtype=dtype, endpoint=True)
    return (3 * generator.standard_normal(shape)).astype(dtype)


# ---- cases -------------------------------------------------------------------------------------------------------------------------


def elementwise():
    positive = lambda g, n, *shapes: [g.uniform(0.01, 30, s) for s in shapes]
    small = lambda g, n, *shapes: [g.uniform(-0.9, 3, s) for s in shapes]
    halves = lambda g, n, *shapes: [np.rint(8 * g.standard_normal(s)) / 2 for s in shapes]
    domains = {"log": positive, "sqrt": positive, "rsqrt": positive, "log1p": small, "expm1": small, "round": halves, "floor": halves, "ceil": halves}
    exact = {"abs", "neg", "relu", "floor", "ceil", "round"}
    for op in ("abs", "neg", "exp", "expm1", "log", "log1p", "sqrt", "rsqrt", "sin", "cos", "tanh", "atan", "erf", "sigmoid", "relu", "floor", "ceil", "round"):
        for dtype in ("f4", "f8", "f2"):
            x = Tensor(dtype, "n", 5)
            # Near a zero of sine and cosine only the absolute error is small.
            terms = (lambda n, v: (FUNCTION, 1.0)) if op in ("sin", "cos") else None
            yield Case(op, f"jinx.{op} {{0}} : {{t0}} -> {{ty}}", [x], x, draw=domains.get(op), exact=op in exact, terms=terms)
    # Sine and cosine keep their accuracy as the argument grows, on both sides of where their reduction changes.
    for op in ("sin", "cos"):
        for scale in (1e2, 1e5, 1e6, 1e12, 1e30):
            yield Case(op, f"jinx.{op} {{0}} : {{t0}} -> {{ty}}", [Tensor("f4", "n", 17)], Tensor("f4", "n", 17),
                       draw=lambda g, n, s, scale=scale: [g.uniform(-scale, scale, s)], terms=lambda n, v: (FUNCTION, 1.0))
    for op in ("abs", "neg", "relu"):
        for dtype in ("i1", "i4", "i8"):
            wrap = lambda n, v, op=op: reference.REFERENCES[op](v)
            yield Case(op, f"jinx.{op} {{0}} : {{t0}} -> {{ty}}", [Tensor(dtype, "n")], Tensor(dtype, "n"), wrap)
    for dtype in ("i4", "u1", "?"):
        yield Case("not", "jinx.not {0} : {t0} -> {ty}", [Tensor(dtype, "n")], Tensor(dtype, "n"))


def binary():
    line = "jinx.{} {{0}}, {{1}} : {{t0}}, {{t1}} -> {{ty}}".format
    exact = {"max", "min", "mod"}
    for op in ("add", "sub", "mul", "div", "max", "min", "mod"):
        for dtype in ("f4", "f8", "f2"):
            yield Case(op, line(op), [Tensor(dtype, "n", 5), Tensor(dtype, 5)], Tensor(dtype, "n", 5), exact=op in exact)
        for dtype in ("i1", "i4", "i8", "u1", "u4"):
            if op in ("div", "mod"):
                draw_both = lambda g, n, a, b, t=np.dtype(dtype): [draw(g, t, a), np.where((v := g.integers(-9, 10, b)) == 0, 3, v) if t.kind == "i"
                                                                  else g.integers(1, 10, b)]
            else:
                draw_both = None
            yield Case(op, line(op), [Tensor(dtype, "n", 5), Tensor(dtype, "n", 1)], Tensor(dtype, "n", 5), draw=draw_both)
    by_zero = lambda g, n, a, b: [draw(g, np.dtype("i4"), a), np.zeros(b)]
    yield Case("div", line("div"), [Tensor("i4", "n"), Tensor("i4", "n")], Tensor("i4", "n"), draw=by_zero)
    for dtype in ("f4", "f8"):
        # The logarithm that a power goes through is off by u, which the exponent multiplies.
        powers = lambda g, n, a, b: [g.uniform(0.1, 4, a), g.uniform(-4, 4, b)]
        terms = lambda n, a, b: (FUNCTION, 4 * np.max(np.abs(b * np.log(a)) * a**b + a**b, initial=0))
        yield Case("pow", line("pow"), [Tensor(dtype, "n", 5), Tensor(dtype, "n", 1)], Tensor(dtype, "n", 5), draw=powers, terms=terms)
    for op in ("and", "or", "xor"):
        for dtype in ("i4", "u1", "?"):
            yield Case(op, line(op), [Tensor(dtype, "n", 5), Tensor(dtype, 5)], Tensor(dtype, "n", 5))


def conditions():
    specials = lambda g, n, a, b: [g.choice([-1.0, 0.0, 1.0, np.nan, np.inf], a), g.choice([-1.0, 0.0, 1.0, np.nan, -np.inf], b)]
    few = lambda g, n, a, b: [g.integers(0, 3, a), g.integers(0, 3, b)]
    for predicate in reference.COMPARISONS:
        for dtype in ("f4", "f8", "i4", "i8", "u1"):
            yield Case("compare", f"jinx.compare {predicate}, {{0}}, {{1}} : {{t0}}, {{t1}} -> {{ty}}", [Tensor(dtype, "n", 5), Tensor(dtype, 5)],
                       Tensor("?", "n", 5), lambda n, a, b, p=predicate: REFERENCES["compare"](a, b, p), draw=specials if dtype[0] == "f" else few)
    for op in ("max", "min"):
        yield Case(op, f"jinx.{op} {{0}}, {{1}} : {{t0}}, {{t1}} -> {{ty}}", [Tensor("f4", "n", 5)] * 2, Tensor("f4", "n", 5), draw=specials, exact=True)
    for dtype in ("f4", "f8", "f2", "i1", "i8", "?"):
        yield Case("select", "jinx.select {0}, {1}, {2} : {t0}, {t1}, {t2} -> {ty}", [Tensor("?", "n", 1), Tensor(dtype, "n", 5), Tensor(dtype, 5)],
                   Tensor(dtype, "n", 5), exact=True)


def casts():
    """Floats draw what the target holds: beyond, nothing is promised."""
    for source in ("f4", "f8", "f2", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "?"):
        for target in ("f8", "f4", "f2", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "?"):
            into = np.dtype(target)
            high = min(100.0 if into.kind in "fb" else np.iinfo(into).max * 0.99, 6e4 if source == "f2" else np.inf)
            low = 0.0 if into.kind == "u" else -high
            fitting = (lambda g, n, a, low=low, high=high: [g.uniform(low, high, a)]) if source[0] == "f" else None
            if target == "f2" and source[0] != "f":
                fitting = lambda g, n, a, low=0 if source[0] == "u" else -100: [g.uniform(low, 100, a)]
            yield Case("cast", "jinx.cast {0} : {t0} -> {ty}", [Tensor(source, "n", 5)], Tensor(target, "n", 5),
                       lambda n, x, t=target: REFERENCES["cast"](x, t), draw=fitting)


def movement():
    f = lambda *dims: Tensor("f4", *dims)
    case = lambda op, line, inputs, output, answer, **more: Case(op, line, inputs, output, answer, exact=True, **more)
    yield case("broadcast", "jinx.broadcast {0} : {t0} -> {ty}", [f("n", 1)], f(3, "n", 5), lambda n, x: REFERENCES["broadcast"](x, (3, n, 5)))
    yield case("reshape", "jinx.reshape {0} : {t0} -> {ty}", [f("n", 6)], f(2, "n", 3), lambda n, x: REFERENCES["reshape"](x, (2, n, 3)))
    for perm in ([1, 0, 2], [2, 1, 0], [0, 2, 1]):
        sizes = ["n", 3, 7]
        yield case("transpose", f"jinx.transpose {{0}}, {perm} : {{t0}} -> {{ty}}", [f(*sizes)], f(*[sizes[p] for p in perm]),
                   lambda n, x, p=perm: REFERENCES["transpose"](x, p))
    for channels in (2, 3, 4, 5):  # few channels come last
        for inner in ("n", 2050):
            yield case("transpose", "jinx.transpose {0}, [0, 2, 1] : {t0} -> {ty}", [f(2, channels, inner)], f(2, inner, channels), lambda n, x: REFERENCES["transpose"](x, [0, 2, 1]))
    yield case("concat", "jinx.concat {0}, {1}, {2} axis 0 : {t0}, {t1}, {t2} -> {ty}", [f("n", 3), f(2, 3), f("n", 3)], f("2*n + 2", 3),
               lambda n, *xs: REFERENCES["concat"](*xs, axis=0))
    yield case("concat", "jinx.concat {0}, {1} axis 1 : {t0}, {t1} -> {ty}", [f("n", 3), f("n", 18)], f("n", 21), lambda n, *xs: REFERENCES["concat"](*xs, axis=1))
    # Joined along the lanes: parts longer and shorter than a tile, empty ones, and cuts that only a run knows.
    for parts, width in (((24, 40), 64), ((3, "n", 33), "n + 36"), (("n", "n"), "2*n")):
        names = ", ".join("{%d}" % i for i in range(len(parts)))
        types = ", ".join("{t%d}" % i for i in range(len(parts)))
        yield case("concat", f"jinx.concat {names} axis 1 : {types} -> {{ty}}", [f("n", part) for part in parts], f("n", width),
                   lambda n, *xs: REFERENCES["concat"](*xs, axis=1))
    rows = lambda g, n, x, i: [g.standard_normal(x), g.integers(-7, 7, i)]
    for axis, (x, y) in enumerate((((7, 5), ("n", 3, 5)), ((5, 7), (5, "n", 3)))):
        yield case("gather", f"jinx.gather {{0}}, {{1}} axis {axis} : {{t0}}, {{t1}} -> {{ty}}", [f(*x), Tensor("i8", "n", 3)], f(*y),
                   lambda n, x, i, a=axis: REFERENCES["gather"](x, i, a), draw=rows)
    yield case("slice", 'jinx.slice {0} starts ["1", "2"] steps [1, 3] : {t0} -> {ty}', [f("n + 1", 12)], f("n", 4),
               lambda n, x: REFERENCES["slice"](x, [1, 2], [1, 3], [n, 4]))
    yield case("slice", lambda k: f'jinx.slice {{0}} starts ["{"n" if k is None else k}", "7"] steps [-1, -2] : {{t0}} -> {{ty}}', [f("n + 1", 8)], f("n", 4),
               lambda n, x: REFERENCES["slice"](x, [n, 7], [-1, -2], [n, 4]))
    for mode in ("constant", "edge", "reflect", "wrap"):
        value = "value {1} " if mode == "constant" else ""
        types = "{t0}, {t1}" if mode == "constant" else "{t0}"
        yield case("pad", f'jinx.pad {{0}} {value}low ["1", "2"] mode {mode} : {types} -> {{ty}}', [f("n", 4)] + [f()] * bool(value), f("n + 2", 9),
                   lambda n, x, v=None, m=mode: REFERENCES["pad"](x, v, [1, 2], [n + 2, 9], m), smallest=0 if mode == "constant" else 2)
    yield case("pad", 'jinx.pad {0} value {1} low ["-1", "0"] mode constant : {t0}, {t1} -> {ty}', [f("n + 2", 4), f()], f("n", 4),
               lambda n, x, v: REFERENCES["pad"](x, v, [-1, 0], [n, 4], "constant"))
    # Between its edges a pad along the lanes is a run of x.
    for width, low, high in ((40, 2, 3), ("n", 1, 0), (40, -3, 5)):
        inner = width if isinstance(width, int) else "n"
        total = width + low + high if isinstance(width, int) else "n + 1"
        yield case("pad", f'jinx.pad {{0}} value {{1}} low ["0", "{low}"] mode constant : {{t0}}, {{t1}} -> {{ty}}', [f(3, inner), f()], f(3, total),
                   lambda n, x, v, l=low, t=total: REFERENCES["pad"](x, v, [0, l], [3, t if isinstance(t, int) else n + 1], "constant"))
    for dtype, start, step in (("i8", 3, -2), ("f4", 0, 1), ("i4", -5, 7)):
        yield case("iota", f"jinx.iota axis 1 {{{{start = {start} : i64, step = {step} : i64}}}} : {{ty}}", [], Tensor(dtype, "n", 6),
                   lambda n, a=start, s=step: REFERENCES["iota"]((n, 6), 1, a, s))
    yield case("sizes", lambda k: 'jinx.sizes ["{}", "{}", "7"] : {{ty}}'.format(*(("n", "3*n + 1") if k is None else (k, 3 * k + 1))), [], Tensor("i8", 3),
               lambda n: REFERENCES["sizes"]([n, 3 * n + 1, 7]))
    yield case("constant", "jinx.constant dense<[1.5, -2.0, 3.25]> : {ty}", [], f(3), lambda n: REFERENCES["constant"](np.array([1.5, -2, 3.25])))


def resizes():
    for mode in ("nearest", "linear"):
        for coordinates in ("half_pixel", "pytorch_half_pixel", "asymmetric", "align_corners"):
            for rounding in ("round_prefer_floor", "round_prefer_ceil", "floor", "ceil") if mode == "nearest" else ("floor",):
                for scales, extents in (((1.0, 1.0, 2.0, 2.5), (8, 10)), ((1.0, 1.0, 0.75, 0.5), (3, 2))):
                    line = (f'jinx.resize {{0}} {{{{mode = "{mode}", coordinates = "{coordinates}", rounding = "{rounding}", '
                            f"scales = array<f64: {', '.join(map(str, scales))}>}}}} : {{t0}} -> {{ty}}")
                    answer = lambda n, x, e=extents, s=scales, m=mode, c=coordinates, r=rounding: REFERENCES["resize"](x, (n, 2, *e), s, m, c, r)
                    # Weights are differences of coordinates up to 10, in f32.
                    terms = lambda n, x: (4 * 10, np.abs(x).max(initial=0))
                    yield Case("resize", line, [Tensor("f4", "n", 2, 4, 4)], Tensor("f4", "n", 2, *extents), answer, terms=terms if mode == "linear" else None,
                               exact=mode == "nearest")


def reductions():
    for kind in ("sum", "max", "min", "prod"):
        for axes, y in (([1], ("n", 1, 3)), ([0], (1, 7, 3)), ([2], ("n", 7, 1)), ([0, 2], (1, 7, 1)), ([0, 1, 2], (1, 1, 1)), ([], ("n", 7, 3))):
            for dtype in ("f4", "f8", "f2", "i4", "i8"):
                near = lambda g, n, s, t=np.dtype(dtype): [g.uniform(0.9, 1.1, s) if t.kind == "f" else g.integers(-3, 4, s)]
                count = lambda n, x, a=axes: int(np.prod([x.shape[d] for d in a], dtype=int))
                terms = {"sum": lambda n, x, a=axes: (count(n, x, a), np.abs(x).sum(tuple(a)).max(initial=0)),
                         "prod": lambda n, x, a=axes: (count(n, x, a), np.abs(x).prod(tuple(a)).max(initial=0))}.get(kind)
                yield Case("reduce", f"jinx.reduce {kind}, {{0}} axes {axes} : {{t0}} -> {{ty}}", [Tensor(dtype, "n", 7, 3)], Tensor(dtype, *y),
                           lambda n, x, k=kind, a=axes: REFERENCES["reduce"](x, k, a), draw=near, terms=terms, exact=kind in ("max", "min"))


def sums():
    every = ("", "exclusive ", "reverse ", "exclusive reverse ")
    for shape, axes, flagged in ((("n", 7, 3), (0, 1, 2), every), ((3, "n"), (1,), every), ((2, "n", 70), (1, 2), every[::3]), (("n", 40), (0,), every[:1])):
        for axis in axes:
            for dtype in ("f4", "i4") if len(shape) == 3 else ("f4", "f8", "f2", "i1", "i8", "u2"):
                for flags in flagged:
                    x = Tensor(dtype, *shape)
                    terms = lambda n, v, a=axis: (v.shape[a], np.abs(v).sum(a).max(initial=0))
                    yield Case("cumsum", f"jinx.cumsum {{0}} axis {axis} {flags}: {{t0}} -> {{ty}}", [x], x,
                               lambda n, v, a=axis, f=flags: REFERENCES["cumsum"](v, a, "exclusive" in f, "reverse" in f), terms=terms)


def index(g, extent, shape, outliers=0.1):
    """A few indices are out of range: gathers clamp them, scatters leave the update out."""
    extent = np.broadcast_to(extent, shape)
    outside = np.choose(g.integers(0, 3, shape), [-3 * extent - 1, extent, np.full(shape, 2**31 - 1)])
    return np.where(g.uniform(size=shape) < outliers, outside, g.integers(-extent, np.maximum(extent, 1), shape))


def indexed():
    for dtype in ("f4", "i1", "?"):
        for axis, x, i in ((0, (7, 5), ("n", 5)), (1, ("n", 7), ("n", 3)), (1, (2, 7, 40), (2, "n", 35)), (2, ("n", 3, 7), ("n", 3, 40)), (0, ("n",), (9,))):
            extent = lambda shape, a=axis: shape[a]
            drawn = lambda g, n, sx, si, t=np.dtype(dtype), e=extent: [draw(g, t, sx), index(g, e(sx), si)]
            yield Case("gather_elements", f"jinx.gather_elements {{0}}, {{1}} axis {axis} : {{t0}}, {{t1}} -> {{ty}}", [Tensor(dtype, *x), Tensor("i8", *i)],
                       Tensor(dtype, *i), lambda n, v, i, a=axis: REFERENCES["gather_elements"](v, i, a), draw=drawn, exact=True)
    # That indices are no longer than x outside of the axis no formula shows.
    few = lambda g, n, sx, si: [draw(g, np.dtype("f4"), sx), index(g, 4, si)]
    yield Case("gather_elements", "jinx.gather_elements {0}, {1} axis 1 : {t0}, {t1} -> {ty}", [Tensor("f4", "n*n", 4), Tensor("i4", "n", 3)], Tensor("f4", "n", 3),
               lambda n, v, i: REFERENCES["gather_elements"](v, i, 1), draw=few, exact=True)
    for dtype in ("f4", "u2"):
        for batch, x, i in ((0, (4, 4, 3), ("n", 2)), (0, (4, 40), ("n", 1)), (0, (4, 4, 4), (3, "n", 3)), (1, ("n", 4, 5), ("n", 1)), (2, (2, "n", 4, 3), (2, "n", 7, 1)), (0, ("n", 4), (5, 1))):
            extent = lambda n, b=batch, x=x: n if isinstance(x[b], str) else 4
            drawn = lambda g, n, sx, si, t=np.dtype(dtype), e=extent: [draw(g, t, sx), index(g, e(n), si)]
            y = (*i[:-1], *x[batch + i[-1] :])
            flag = f"{{{{batch = {batch} : i64}}}} " if batch else ""
            yield Case("gather_nd", f"jinx.gather_nd {{0}}, {{1}} {flag}: {{t0}}, {{t1}} -> {{ty}}", [Tensor(dtype, *x), Tensor("i8", *i)], Tensor(dtype, *y),
                       lambda n, v, i, b=batch: REFERENCES["gather_nd"](v, i, b), draw=drawn, exact=True)


def scatters():
    near = lambda g, t, shape: g.uniform(0.9, 1.1, shape) if t.kind == "f" else draw(g, t, shape)
    for kind in reference.COMBINE:
        for dtype in ("f4", "f2", "i1", "u4") + (("f8", "i8", "?") if kind == "set" else ()):
            t = np.dtype(dtype)
            exact = kind in ("set", "max", "min")
            outliers = 0.1 if exact or dtype != "f2" else 0  # sums of halves have no kernel, and the host refuses such an index
            # As many updates may meet one element as there are.
            terms = lambda n, x, i, u, k=kind: (u.size, np.abs(x).max(initial=0) + np.abs(u).sum() if k == "add" else 1.1 ** (u.size + 1))
            for axis, x, i in ((0, (5, 4), ("n", 4)), (1, ("n", 6), ("n", 3)), (1, ("n", 5, 37), ("n", 2, 36)), (0, ("n",), (9,)), (0, (6, 5), (2, 3))):
                if not outliers and x[axis] == "n":
                    continue  # n may be 0
                drawn = lambda g, n, sx, si, su, t=t, a=axis, o=outliers: [near(g, t, sx), index(g, sx[a], si, o), near(g, t, su)]
                small = terms if kind != "mul" or i != ("n", 2, 36) else lambda n, x, i, u: (2, 2.0)
                yield Case("scatter_elements", f"jinx.scatter_elements {kind}, {{0}}, {{1}}, {{2}} axis {axis} : {{t0}}, {{t1}}, {{t2}} -> {{ty}}",
                           [Tensor(dtype, *x), Tensor("i8", *i), Tensor(dtype, *i)], Tensor(dtype, *x),
                           lambda n, v, i, u, k=kind, a=axis: REFERENCES["scatter_elements"](v, i, u, k, a), draw=drawn, terms=small, exact=exact)
            for x, i, extents in (((4, 3), ("n", 2), (4, 3)), ((4, 37), ("n", 1), (4,)), (("n", 5), (6, 1), None), ((3, 5000), (4, 1), (3,)), ((3, "2*n"), (2, 2, 1), (3,))):
                if (x == (3, 5000) and dtype != "f4") or (not outliers and x[0] == "n"):
                    continue
                low = lambda n, e=extents: np.array(e or (n,))
                drawn = lambda g, n, sx, si, su, t=t, e=low, o=outliers: [near(g, t, sx), index(g, e(n), si, o), near(g, t, su)]
                u = (*i[:-1], *x[i[-1] :])
                bounded = (lambda n, x, i, u, k=kind: (len(i), 1.1 * (len(i) + 1) if k == "add" else 1.1 ** (len(i) + 1)))
                yield Case("scatter_nd", f"jinx.scatter_nd {kind}, {{0}}, {{1}}, {{2}} : {{t0}}, {{t1}}, {{t2}} -> {{ty}}",
                           [Tensor(dtype, *x), Tensor("i4", *i), Tensor(dtype, *u)], Tensor(dtype, *x),
                           lambda n, v, i, u, k=kind: REFERENCES["scatter_nd"](v, i, u, k), draw=drawn, terms=bounded, exact=exact)


def orders():
    special = lambda g, n, s: [g.choice([-np.inf, -2.5, -0.0, 0.0, 1e-40, 1.0, np.inf, np.nan, -np.nan], s)]
    few = lambda g, n, s: [g.integers(0, 5, s)]
    for flag in ("", "ascending "):
        for dtype in ("f4", "f2", "f8", "i1", "i2", "i4", "i8", "u1", "u4", "u8"):
            shapes = (((3, "31*n"), 1, "31*n"), ((2, "29*n + 5"), 1, 5), ((2, "40*n + 20"), 1, "8*n + 17"), (("n", 9, 3), 1, 4), (("n + 2", 3), 0, 2), ((1000,), 0, 3))
            for x, axis, k in shapes if dtype == "f4" else shapes[2:4]:
                for drawn in (None, special if dtype[0] == "f" else few):
                    y = [k if d == axis else size for d, size in enumerate(x)]
                    yield Case("top_k", f"jinx.top_k {{0}} axis {axis} {flag}: {{t0}} -> {{ty}}", [Tensor(dtype, *x)], [Tensor(dtype, *y), Tensor("i8", *y)],
                               lambda n, v, a=axis, y=y, f=flag: REFERENCES["top_k"](v, Tensor("i8", *y).shape(n)[a], a, bool(f)), draw=drawn, exact=True)


def ints(values):
    return f"array<i64: {', '.join(map(str, values))}>"


def window_text(**attributes):
    return "{{" + ", ".join(f"{k} = {ints(v)}" if isinstance(v, (list, tuple)) else k if v is True else f"{k} = {v} : i64"
                            for k, v in attributes.items() if v is not False) + "}}"


def window_cases():
    for kind in ("max", "average", "average_include_pad"):
        for last in (False, True):
            w = dict(kernel=[3, 2], strides=[2, 1], pads=[1, 0, 1, 1], dilations=[1, 2])
            extents = reference.conv_extents((7, 6), w["kernel"], w["strides"], w["pads"], w["dilations"])
            x, y = (("n", 7, 6, 3), ("n", *extents, 3)) if last else (("n", 3, 7, 6), ("n", 3, *extents))
            yield Case("pool", f"jinx.pool {kind}, {{0}} {window_text(**w, channels_last=last)} : {{t0}} -> {{ty}}", [Tensor("f4", *x)], Tensor("f4", *y),
                       lambda n, x, k=kind, w=w, e=extents, l=last: REFERENCES["pool"](x, k, **w, extents=e, channels_last=l), exact=kind == "max",
                       terms=None if kind == "max" else lambda n, x: (6, 6 * np.abs(x).max(initial=0)))
    products = lambda n, x, w: (w[0].size, w[0].size * np.abs(x).max(initial=0) * np.abs(w).max(initial=0))
    for spatial, kernel, w in (((7, 6), (3, 2), dict(strides=[2, 1], pads=[1, 0, 1, 1], dilations=[1, 2])), ((9,), (3,), dict(strides=[1], pads=[2, 0], dilations=[2])),
                               ((5, 5), (1, 1), dict(strides=[1, 1], pads=[0, 0, 0, 0], dilations=[1, 1]))):
        for group in (1, 2):
            for last in (False, True):
                extents = reference.conv_extents(spatial, kernel, **w)
                x, y = (("n", *spatial, 4), ("n", *extents, 6)) if last else (("n", 4, *spatial), ("n", 6, *extents))
                yield Case("conv", f"jinx.conv {{0}}, {{1}} {window_text(**w, group=group, channels_last=last)} : {{t0}}, {{t1}} -> {{ty}}",
                           [Tensor("f4", *x), Tensor("f4", 6, 4 // group, *kernel)], Tensor("f4", *y),
                           lambda n, x, f, w=w, g=group, l=last: REFERENCES["conv"](x, f, **w, group=g, channels_last=l), terms=products)
    w = dict(strides=[2, 1], pads=[1, 0, 1, 1], dilations=[1, 2])
    extents = reference.conv_extents((7, 6), (3, 2), **w)
    yield Case("depthwise_conv", f"jinx.depthwise_conv {{0}}, {{1}} {window_text(**w)} : {{t0}}, {{t1}} -> {{ty}}", [Tensor("f4", "n", 7, 6, 5), Tensor("f4", 3, 2, 5)],
               Tensor("f4", "n", *extents, 5), lambda n, x, f: REFERENCES["depthwise_conv"](x, f, **w),
               terms=lambda n, x, f: (6, 6 * np.abs(x).max(initial=0) * np.abs(f).max(initial=0)))
    # Blocks of positions, what is left of them, edges; windows larger than the image; channels beyond a tile; a width that only a run knows.
    same = dict(strides=[1, 1], pads=[1, 1, 1, 1], dilations=[1, 1])
    for spatial, kernel, w2 in (((5, 11), (3, 3), same), ((6, 9), (3, 3), dict(strides=[2, 2], pads=[0, 1, 1, 0], dilations=[1, 1])),
                                ((4, 3), (5, 5), dict(strides=[1, 1], pads=[2, 2, 2, 2], dilations=[1, 1])), ((8, 12), (2, 3), dict(strides=[1, 2], pads=[0, 2, 0, 2], dilations=[3, 2])),
                                ((3, "n"), (3, 3), same), ((19,), (3,), dict(strides=[1], pads=[1, 1], dilations=[1]))):
        for channels in (5, 40):
            lead = (2,) if "n" in spatial else ("n",)
            positions = spatial if "n" in spatial else reference.conv_extents(spatial, kernel, **w2)
            taps = int(np.prod(kernel))
            yield Case("depthwise_conv", f"jinx.depthwise_conv {{0}}, {{1}} {window_text(**w2)} : {{t0}}, {{t1}} -> {{ty}}",
                       [Tensor("f4", *lead, *spatial, channels), Tensor("f4", *kernel, channels)], Tensor("f4", *lead, *positions, channels),
                       lambda n, x, f, w=w2: REFERENCES["depthwise_conv"](x, f, **w),
                       terms=lambda n, x, f, t=taps: (t, t * np.abs(x).max(initial=0) * np.abs(f).max(initial=0)))
            yield Case("pool", f"jinx.pool max, {{0}} {window_text(kernel=list(kernel), **w2, channels_last=True)} : {{t0}} -> {{ty}}", [Tensor("f4", *lead, *spatial, channels)],
                       Tensor("f4", *lead, *positions, channels),
                       lambda n, x, k=kernel, w=w2, e=positions: REFERENCES["pool"](x, "max", kernel=list(k), **w, extents=tuple(n if d == "n" else d for d in e), channels_last=True), exact=True)
    # Weights that are constants are packed; what a model cannot say, passes make of it.
    for group, oc in ((1, 20), (2, 6)):
        yield Case("packed_conv", f"jinx.conv {{0}}, {{1}} {window_text(**w, group=group)} : {{t0}}, {{t1}} -> {{ty}}",
                   [Tensor("f4", "n", 4, 7, 6), Tensor("f4", oc, 4 // group, 3, 2, constant=True)], Tensor("f4", "n", oc, *extents),
                   lambda n, x, f, g=group: packed_conv(x, f, w, g), terms=lambda n, x, f: (24, 24 * np.abs(x).max(initial=0) * np.abs(f).max(initial=0)))


def packed_conv(x, f, w, group):
    """By way of the packed form: channels last, weights [group, panels, kh*kw*c, 16]."""
    oc, _, *kernel = f.shape
    rows = np.transpose(f, (2, 3, 1, 0)).reshape(-1, oc)
    panels = np.stack([REFERENCES["pack"](columns) for columns in np.split(rows, group, axis=1)])
    y = REFERENCES["packed_conv"](np.moveaxis(x, 1, -1), panels, kernel, **w, group=group, oc=oc)
    return np.moveaxis(y, -1, 1)


def products():
    terms = lambda n, a, b: (a.shape[-1], a.shape[-1] * np.abs(a).max(initial=0) * np.abs(b).max(initial=0))
    for dtype in ("f4", "f8"):
        for a, b, y in ((("n", 7), (7, 5), ("n", 5)), ((3, "n", 33), (33, 17), (3, "n", 17)), ((2, 1, 4, "n"), (3, "n", 6), (2, 3, 4, 6)), ((4, 7), (7, "n"), (4, "n")),
                        # a panel and a half; one of which less than half is wanted; three and a half
                        (("n", 7), (7, 24), ("n", 24)), (("n", 7), (7, 40), ("n", 40)), (("n", 7), (7, 56), ("n", 56))):
            yield Case("matmul", "jinx.matmul {0}, {1} : {t0}, {t1} -> {ty}", [Tensor(dtype, *a), Tensor(dtype, *b)], Tensor(dtype, *y), terms=terms)
        yield Case("matmul", "jinx.matmul {0}, {1} transpose_b : {t0}, {t1} -> {ty}", [Tensor(dtype, "n", 7), Tensor(dtype, 5, 7)], Tensor(dtype, "n", 5),
                   lambda n, a, b: REFERENCES["matmul"](a, b, True), terms=terms)
    for flag in ("", "transpose_b "):
        b = (7, 20) if not flag else (20, 7)
        for op, answer in (("pack", lambda n, a, b, f=bool(flag): REFERENCES["packed_matmul"](a, REFERENCES["pack"](b, f), 20)),
                           ("packed_matmul", lambda n, a, b, f=bool(flag): REFERENCES["packed_matmul"](a, REFERENCES["pack"](b, f), 20))):
            x = Tensor("f4", 3, "n", 7) if op == "packed_matmul" else Tensor("f4", "n", 7)
            weights = Tensor("f4", *b, constant=op == "packed_matmul")  # what is no constant is packed by a step
            y = Tensor("f4", *x.dims[:-1], 20)
            yield Case(op, f"jinx.matmul {{0}}, {{1}} {flag}: {{t0}}, {{t1}} -> {{ty}}", [x, weights], y, answer, terms=terms)


def grouped_products():
    """Ends of every kind: empty groups, rows behind the last, one that falls, one past the rows."""
    terms = lambda n, x, w, ends: (x.shape[-1], x.shape[-1] * np.abs(x).max(initial=0) * np.abs(w).max(initial=0))
    kinds = [lambda g, n, e: np.sort(g.integers(0, n + 1, e)), lambda g, n, e: np.r_[np.zeros(e - 1), n], lambda g, n, e: g.integers(-2, n + 3, e)]
    packed = lambda n, x, w, ends: REFERENCES["packed_grouped_matmul"](x, REFERENCES["pack"](w), ends, w.shape[2])
    for kind in kinds:
        given = lambda g, n, x, w, ends, kind=kind: [g.standard_normal(x), g.standard_normal(w), kind(g, n, *ends)]
        for op, dtype, end, k, columns, flag in (("grouped_matmul", "f4", "i4", 7, 20, ""), ("grouped_matmul", "f4", "i8", 33, 56, "transpose_w "), ("grouped_matmul", "f2", "i4", 9, 40, ""),
                                                 ("packed_grouped_matmul", "f4", "i4", 17, 15, "")):
            w = (4, columns, k) if flag else (4, k, columns)
            yield Case(op, f"jinx.grouped_matmul {{0}}, {{1}} {flag}, {{2}} : {{t0}}, {{t1}}, {{t2}} -> {{ty}}", [Tensor(dtype, "n", k), Tensor(dtype, *w), Tensor(end, 4)], Tensor(dtype, "n", columns),
                       packed if op.startswith("packed") else lambda n, x, w, ends, f=bool(flag): REFERENCES["grouped_matmul"](x, w, ends, f), draw=given, terms=terms)


def mixtures():
    """Tokens with one to three of five experts: any, one expert for all, none of these experts (as on a rank that has others), numbers on both sides of theirs."""
    h, f, o = 9, 20, 12
    terms = lambda n, x, chosen, weights, gate, up, down: (x.shape[1] + gate.shape[1] + chosen.shape[1], 50 * f * np.abs(weights).sum(-1).max(initial=0))
    kinds = [lambda g, s: g.integers(0, 5, s), lambda g, s: np.full(s, 4), lambda g, s: g.choice([-7, -1, 5, 1 << 20], s), lambda g, s: g.integers(-5, 10, s)]
    for kind, (dtype, index, used, function) in itertools.product(kinds, (("f4", "i8", 2, "silu"), ("f4", "i4", 1, "gelu"), ("f4", "i8", 3, "gelu_tanh"))):
        small = lambda g, shape: g.uniform(-1, 1, shape)
        given = lambda g, n, x, chosen, weights, gate, up, down, kind=kind, small=small: [small(g, x), kind(g, chosen), small(g, weights), small(g, gate), small(g, up), small(g, down)]
        yield Case("experts", f"jinx.experts {function} {{0}}, {{1}}, {{2}}, {{3}}, {{4}}, {{5}} : ({{t0}}, {{t1}}, {{t2}}, {{t3}}, {{t4}}, {{t5}}) -> {{ty}}",
                   [Tensor(dtype, "n", h), Tensor(index, "n", used), Tensor("f4", "n", used), Tensor(dtype, 5, f, h), Tensor(dtype, 5, f, h), Tensor(dtype, 5, o, f)], Tensor("f4", "n", o),
                   lambda n, *xs, function=function: REFERENCES["experts"](*xs, function), draw=given, terms=terms)


def byte_products():
    """Constant right operands stay bytes where the processor multiplies them (jinx-pack); the largest sums are beyond f32's integers."""
    least, most = np.full((1100, 17), -128, "i1"), lambda g, n, *shapes: [np.full(s, 255) for s in shapes[:1]] + [np.full((1100, 17), -128)]
    for a, b, flag, interleave in ((("n", 32), (32, 20), "", 4), (("n", 36), (24, 36), "transpose_b ", 4), ((3, "n", 8), (8, 5), "", 4)):
        columns = b[0] if flag else b[1]
        answer = lambda n, x, w, f=bool(flag), i=interleave, c=columns: REFERENCES["packed_matmul"](x, REFERENCES["pack"](w, f, i), c)
        yield Case("matmul", f"jinx.matmul {{0}}, {{1}} {flag}: {{t0}}, {{t1}} -> {{ty}}", [Tensor("u1", *a), Tensor("i1", *b, constant=True)], Tensor("i4", *a[:-1], columns), answer)
    yield Case("matmul", "jinx.matmul {0}, {1} : {t0}, {t1} -> {ty}", [Tensor("u1", "n", 1100), Tensor("i1", 1100, 17, value=least)], Tensor("i4", "n", 17),
               lambda n, x, w: REFERENCES["packed_matmul"](x, REFERENCES["pack"](w, False, 4), 17), draw=most)
    # Each pair of signs, depths that leave one to three bytes, and what is no constant: exact as floats, or of i32.
    for left, right in (("u1", "i1"), ("i1", "i1"), ("u1", "u1"), ("i1", "u1")):
        for a, b, flag, constant in ((("n", 33), (33, 20), "", True), ((2, "n", 7), (40, 7), "transpose_b ", True), (("n", 3), (3, 17), "", True), (("n", 14), (14, 1), "", True),
                                     (("n", 9), (9, 20), "", False), (("n", 600), (600, 17), "", False)):
            operands = [Tensor(left, *a), Tensor(right, *b, constant=constant)]
            yield Case("matmul", f"jinx.matmul {{0}}, {{1}} {flag}: {{t0}}, {{t1}} -> {{ty}}", operands, Tensor("i4", *a[:-1], b[0] if flag else b[1]),
                       lambda n, x, w, f=bool(flag): REFERENCES["matmul"](x, w, f))


def byte_convolutions():
    """Runs of a window that are no multiple of four bytes, groups, dilations, margins; a product over all pixels; a filter a channel; a line."""
    shapes = (((7, 6), 3, (6, 3, 3, 2), 1, dict(strides=[2, 1], pads=[1, 0, 1, 1], dilations=[1, 1])), ((4, 5), 6, (20, 3, 3, 2), 2, dict(strides=[1, 1], pads=[1, 1, 1, 1], dilations=[2, 2])),
              ((3, 3), 5, (20, 5, 1, 1), 1, dict(strides=[1, 1], pads=[0, 0, 0, 0], dilations=[1, 1])), ((9,), 8, (20, 8, 3), 1, dict(strides=[1], pads=[2, 0], dilations=[1])),
              ((5, 4), 4, (4, 1, 3, 3), 4, dict(strides=[1, 1], pads=[1, 1, 1, 1], dilations=[1, 1])), ((2, 17), 70, (3, 70, 3, 3), 1, dict(strides=[1, 1], pads=[1, 1, 1, 1], dilations=[1, 1])))
    for left, right in (("u1", "i1"), ("i1", "i1"), ("u1", "u1"), ("i1", "u1")):
        for spatial, channels, weights, group, w in shapes:
            for last, constant in ((False, True), (True, True)) + (((False, False),) if channels == 3 else ()):
                extents = reference.conv_extents(spatial, weights[2:], **w)
                x, y = (("n", *spatial, channels), ("n", *extents, weights[0])) if last else (("n", channels, *spatial), ("n", weights[0], *extents))
                if channels in (4, 5, 70) and (last or right == "u1"):
                    continue
                yield Case("conv", f"jinx.conv {{0}}, {{1}} {window_text(**w, group=group, channels_last=last)} : {{t0}}, {{t1}} -> {{ty}}",
                           [Tensor(left, *x), Tensor(right, *weights, constant=constant)], Tensor("i4", *y),
                           lambda n, x, f, w=w, g=group, l=last: REFERENCES["conv"](x, f, **w, group=g, channels_last=l))


def quantized():
    """Quantization is exact (quantization.py); here its shapes, on any number of rows, and products of weights that stay codes."""
    reference = REFERENCES
    scales = lambda g, n, *shapes: [3 * g.standard_normal(shapes[0]), np.exp2(g.integers(-6, 1, shapes[1])), *[g.integers(0, 256, s) for s in shapes[2:]]]
    for scale, text in (((), ""), ((1, 40), ""), (("n", 1), ""), (("n", 2), "block 32 along 1 ")):
        block, axis = (32, 1) if text else (0, 0)
        yield Case("quantize", f"jinx.quantize {{0}}, {{1}} zero {{2}} {text}: {{t0}}, {{t1}} zero {{t2}} -> {{ty}}", [Tensor("f4", "n", 40), Tensor("f4", *scale), Tensor("u1", *scale)],
                   Tensor("u1", "n", 40), lambda n, x, s, z, b=block, a=axis: reference["quantize"](x, s, z, (0, 255), b, a), draw=scales)
        yield Case("dequantize", f"jinx.dequantize {{0}}, {{1}} zero {{2}} offset {{1}} {text}: {{t0}}, {{t1}} zero {{t2}} offset {{t1}} -> {{ty}}",
                   [Tensor("i1", "n", 40), Tensor("f4", *scale), Tensor("i1", *scale)], Tensor("f4", "n", 40),
                   lambda n, q, s, z, b=block, a=axis: reference["dequantize"](q, s, z.astype(np.float64), s, None, b, a), terms=lambda n, q, s, z: (2, 256 * np.abs(s).max(initial=0)))
    # Bytes that a product's kernel stores itself, with tails of every length: of a register, and of none.
    for columns in (33, 37, 46):
        sums, n33 = f'tensor<?x{columns}xi32, #jinx.dims<"n", "{columns}">>', f'tensor<?x{columns}xf32, #jinx.dims<"n", "{columns}">>'
        fixed = lambda n, c=columns: (f"tensor<{n}x{c}xi32>", f"tensor<{n}x{c}xf32>")
        text = lambda n, s=sums, f=n33, fixed=fixed: f"jinx.quantize {{w}}f, {{2}} zero {{3}} : {f if n is None else fixed(n)[1]}, {{t2}} zero {{t3}} -> {{ty}}"
        before = lambda n, s=sums, f=n33, fixed=fixed: (f"jinx.matmul {{0}}, {{1}} : {{t0}}, {{t1}} -> {s if n is None else fixed(n)[0]}\n"
                                                        f"    {{w}}f = jinx.cast {{w}} : {s if n is None else fixed(n)[0]} -> {f if n is None else fixed(n)[1]}")
        yield Case("quantize", text, [Tensor("u1", "n", 12), Tensor("i1", 12, columns, constant=True), Tensor("f4", value=np.float32(64)), Tensor("u1", value=np.uint8(100))],
                   Tensor("u1", "n", columns), lambda n, x, w, s, z: reference["quantize"](x.astype(np.float64) @ w, s, float(z), (0, 255)), before=before)
    yield from weight_products()


NORMAL = [-1.0, -0.6962, -0.5251, -0.3949, -0.2844, -0.1848, -0.0911, 0.0, 0.0796, 0.1609, 0.2461, 0.3379, 0.4407, 0.5626, 0.723, 1.0]


def weight_products():
    """Weights of every kind of code, in either order; groups that are not whole, odd columns, zero points and offsets."""
    codes = {"i4": INT4, "ui4": UINT4, "nf4": UINT4, "i8": np.dtype("i1"), "ui8": np.dtype("u1")}
    for kind, k, columns, group, scale, extra, flag in (("i4", 64, 20, 32, "f4", "", ""), ("i4", 72, 64, 32, "f2", "", "transpose_b "), ("ui4", 96, 80, 16, "f4", "zero", ""), ("ui4", 40, 33, 40, "f4", "offset", "transpose_b "),
                                                        ("nf4", 128, 64, 64, "f4", "", ""), ("nf4", 64, 100, 64, "f2", "", "transpose_b "), ("i8", 64, 48, 32, "f4", "", ""), ("i8", 37, 20, 37, "f4", "zero", "transpose_b "),
                                                        ("ui8", 64, 64, 16, "f4", "zero", "")):
        axis = 1 if flag else 0
        shape = lambda rows: (columns, rows) if flag else (rows, columns)
        groups = shape(-(-k // group))
        generator = np.random.default_rng([k, columns])
        inputs = [Tensor("f4", "n", k), Tensor(codes[kind], *shape(k), constant=True), Tensor(scale, *groups, value=generator.uniform(0.25, 1, groups).astype(scale))]
        levels = NORMAL if kind == "nf4" else None
        parts = {"zero": lambda: draw(generator, codes[kind], groups), "offset": lambda: generator.standard_normal(groups).astype(scale)}
        if extra:
            inputs.append(Tensor(codes[kind] if extra == "zero" else scale, *groups, value=parts[extra]()))
        words = f" levels [{', '.join(map(str, NORMAL))}]" if levels else ""
        name, types = (f" {extra} {{3}}", f" {extra} {{t3}}") if extra else ("", "")
        w = f"tensor<{'x'.join(map(str, shape(k)))}xf32>"
        before = f"jinx.dequantize {{1}}, {{2}}{name} block {group} along {axis}{words} : {{t1}}, {{t2}}{types} -> {w}"

        def answer(n, x, q, s, e=None, levels=levels, group=group, axis=axis, flag=flag, extra=extra):
            given = {extra: e.astype(np.float64)} if extra else {}
            weights = REFERENCES["dequantize"](q, s.astype(np.float64), levels=levels, block=group, axis=axis, **given)
            return x @ (weights.T if flag else weights)

        largest = {"i4": 16, "ui4": 16, "nf4": 1, "i8": 256, "ui8": 256}[kind] + 4
        yield Case("dequant_matmul", f"jinx.matmul {{0}}, {{w}} {flag}: {{t0}}, {w} -> {{ty}}", inputs, Tensor("f4", "n", columns), answer, before=before,
                   terms=lambda n, x, *rest, k=k, m=largest: (k + 2, k * m * np.abs(x).max(initial=0)))


def recurrences():
    steps, hidden = 4, 6
    state = Tensor("f4", "n", hidden)
    weak = lambda g, n, *shapes: [g.standard_normal(s) / 2 for s in shapes]
    # Every step's gates add hidden products; what a step is off by, the next passes on, less than doubled at these weights.
    terms = lambda n, *xs: (2**steps * (hidden + 2 * FUNCTION), 4.0)
    for flag in ("", " {{reverse}}"):
        given = [Tensor("f4", steps, "n", 4 * hidden), Tensor("f4", 4 * hidden, hidden), state, state]
        names = ", ".join("{%d}" % i for i in range(4))
        yield Case("lstm", f"jinx.lstm {names}{flag} : ({{t0}}, {{t1}}, {{t2}}, {{t3}}) -> ({{ty}})", given, [Tensor("f4", steps, "n", hidden), state, state],
                   lambda n, *xs, r=bool(flag): REFERENCES["lstm"](*xs, reverse=r), draw=weak, terms=terms)
    for flags in ("", "reverse", "linear_before_reset", "reverse, linear_before_reset"):
        given = [Tensor("f4", steps, "n", 3 * hidden), Tensor("f4", 3 * hidden, hidden), Tensor("f4", 3 * hidden), state]
        attributes = f" {{{{{flags}}}}}" if flags else ""
        yield Case("gru", f"jinx.gru {names}{attributes} : ({{t0}}, {{t1}}, {{t2}}, {{t3}}) -> ({{ty}})", given, [Tensor("f4", steps, "n", hidden), state],
                   lambda n, *xs, f=flags: REFERENCES["gru"](*xs, reverse="reverse" in f.split(", "), linear_before_reset="linear" in f), draw=weak, terms=terms)
    # Integers as weights; one rounding of h to 8 bits may fall on the other side, which is a step of 1/255 of its range.
    integer = lambda g, n, xw, r, h, c, s: [g.standard_normal(xw) / 2, g.integers(-100, 100, r), g.standard_normal(h) / 2, g.standard_normal(c) / 2, g.uniform(0.002, 0.004, s)]
    given = [Tensor("f4", steps, "n", 4 * hidden), Tensor("f4", 4 * hidden, hidden), state, state, Tensor("f4", 4 * hidden)]
    quantized = "jinx.lstm {0}, {1}, {2}, {3}, {4} : ({t0}, {t1}, {t2}, {t3}, {t4}) -> ({ty})"
    yield Case("lstm", quantized, given, [Tensor("f4", steps, "n", hidden), state, state], lambda n, *xs: REFERENCES["lstm"](*xs), draw=integer, terms=terms, smallest=1)
    # Constant weights that fit into bytes are multiplied as bytes; the last block of units is partial.
    units = 20
    weights = np.random.default_rng(7).integers(-128, 128, (4 * units, units)).astype("f4")
    bytes_of = lambda g, n, xw, r, h, c, s: [g.standard_normal(xw) / 2, weights, g.standard_normal(h) / 2, g.standard_normal(c) / 2, g.uniform(0.0005, 0.001, s)]
    state = Tensor("f4", "n", units)
    given = [Tensor("f4", steps, "n", 4 * units), Tensor("f4", 4 * units, units, value=weights), state, state, Tensor("f4", 4 * units)]
    yield Case("lstm", quantized, given, [Tensor("f4", steps, "n", units), state, state], lambda n, *xs: REFERENCES["lstm"](*xs), draw=bytes_of, terms=terms, smallest=1)


def gradients():
    """Operands as a forward pass gives them: lse of the scores (-inf for a row that sees nothing), any delta."""
    scale, depth = 0.375, 8

    def scores(q, k, causal, absolute=False):
        q, k = (np.abs(q), np.abs(k)) if absolute else (q, k)
        s = scale * q @ np.repeat(k, q.shape[1] // k.shape[1], 1).swapaxes(2, 3)
        hidden = np.arange(s.shape[3]) > np.arange(s.shape[2])[:, None] + s.shape[3] - s.shape[2]
        return np.where(hidden & causal, 0 if absolute else -np.inf, s)

    def given(causal):
        def draw(g, n, *shapes):
            q, k, v, dy = (g.standard_normal(s) for s in shapes[:4])
            s = scores(q.astype("f4").astype(float), k.astype("f4").astype(float), causal)
            most = np.nan_to_num(s.max(-1, keepdims=True, initial=-np.inf), neginf=0.0)
            with np.errstate(divide="ignore"):
                lse = (most + np.log(np.exp(s - most).sum(-1, keepdims=True)))[..., 0]
            fill = lambda rows, value: np.pad(rows, [(0, 0), (0, 0), (0, shapes[4][2] - rows.shape[2])], constant_values=value)
            return [q, k, v, dy, fill(lse, 7.0), fill(g.standard_normal(lse.shape), -5.0)]

        return draw

    def terms(causal):
        """Exponents are off by depth sums of absolute scores and an lse of a few units; what they weigh, by the sums' lengths."""

        def of(n, q, k, v, dy, lse, delta):
            if not q.size or not k.size:
                return 0, 0.0
            repeat = q.shape[1] // k.shape[1]
            k, v, rows = np.repeat(k, repeat, 1), np.repeat(v, repeat, 1), q.shape[2]
            p = np.exp(scores(q, k, causal) - np.where(np.isinf(lse), np.inf, lse)[..., :rows, None])
            ds = p * (np.abs(dy) @ np.abs(v).swapaxes(2, 3) + np.abs(delta)[..., :rows, None])
            largest = max(np.max(x) for x in (ds @ np.abs(k), ds.swapaxes(2, 3) @ np.abs(q), p.swapaxes(2, 3) @ np.abs(dy)))
            exponent = (depth + 2) * (scores(q, k, causal, absolute=True).max() + 8)
            return exponent + 2 * depth + repeat * max(q.shape[2], k.shape[2]) + 2 * FUNCTION, repeat * largest

        return of

    operands, types = ", ".join("{%d}" % i for i in range(6)), ", ".join("{t%d}" % i for i in range(6))
    for causal in (False, True):
        for heads, shared, queries, columns, rows in ((2, 2, "n", "n + 3", "n"), (4, 2, "n", "n", "n"), (3, 1, 5, "n", 128)):
            q, k, r = Tensor("f4", 2, heads, queries, depth), Tensor("f4", 2, shared, columns, depth), Tensor("f4", 2, heads, rows)
            yield Case("attention_grad", f"jinx.attention_grad {operands} scale {scale}{' causal' if causal else ''} : ({types}) -> ({{ty}})", [q, k, k, q, r, r], [q, k, k],
                       lambda n, *xs, c=causal: REFERENCES["attention_grad"](*xs, scale=scale, causal=c), draw=given(causal), terms=terms(causal))


FAMILIES = [elementwise, binary, conditions, casts, movement, resizes, reductions, sums, indexed, scatters, orders, window_cases, products, grouped_products, mixtures, byte_products, byte_convolutions, quantized, recurrences, gradients]


# ---- running -----------------------------------------------------------------------------------------------------------------------


def module(cases, n=None, constants=None):
    """All cases as one module; with `constants` (operands by case) at size n, without inputs."""
    parameters, body, results, types = ['%n: tensor<?xi1, #jinx.dims<"n">> {jinx.name = "n"}'] if n is None else [], [], [], []
    for index, case in enumerate(cases):
        for i, tensor in enumerate(case.inputs):
            name = f"c{index}_x{i}"
            if constants is None and tensor.value is not None:
                body.append(f"%{name} = jinx.constant {dense(tensor.value)} : {tensor.text(n)}")
            elif constants is None:
                parameters.append(f'%{name}: {tensor.text(n)} {{jinx.name = "{name}"}}')
            else:
                body.append(f"%{name} = jinx.constant {dense(constants[index][i])} : {tensor.text(n)}")
        body.append(case.text(index, n))
        for i, tensor in enumerate(case.outputs):
            results.append((f"c{index}_y{i}", tensor.text(n)))
    types = ", ".join(f'{type} {{jinx.name = "{name}"}}' for name, type in results)
    returned = f"{', '.join('%' + name for name, _ in results)} : {', '.join(type for _, type in results)}"
    lines = "\n    ".join(body)
    symbols = "" if n is not None else 'attributes {jinx.symbols = [{name = "n", min = 0, max = 4096}]} '
    return f"module {symbols}{{\n  func.func @main({', '.join(parameters)}) -> ({types}) {{\n    {lines}\n    return {returned}\n  }}\n}}\n"


def dense(value):
    if value.size == 0:
        return "dense<>"
    if value.dtype == bool:
        return f"dense<{str(value.tolist()).lower()}>"
    return f'dense<"0x{value.tobytes().hex().upper()}">'


class Run:
    """`runner` runs what `jinx` compiles: itself, or jinx-rt of another build. With `threads`, every launch is shared by so many."""

    def __init__(self, jinx, runner, threads, seed):
        self.jinx, self.runner, self.seed, self.passed, self.failed = jinx, runner or jinx, seed, 0, 0
        self.is_other = runner is not None
        self.options = ["--threads", threads, "--parallel-work", 0] if threads else []

    def call(self, *arguments, program=None):
        done = subprocess.run([program or self.jinx, *map(str, arguments)], capture_output=True, text=True)
        return "" if done.returncode == 0 else done.stderr.strip()[-3000:] or f"exit status {done.returncode}"

    def run_plan(self, plan, arguments, out):
        return self.call("run", plan, *arguments, *self.options, "--output-dir", out, program=self.runner)

    def outcome(self, good, text):
        self.passed += good
        self.failed += not good
        if not good:
            print("FAIL", text)

    def family(self, family):
        cases = list(family())
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            (folder / "model.mlir").write_text(module(cases))
            isas = {"fused": [], "unfused": ["--no-fusion"], "baseline": ["--isa", "x86-64"]}
            if family in (byte_products, byte_convolutions, recurrences):
                isas["below"] = ["--isa", "x86-64-v4-vnni", "--isa", "x86-64"]
            if self.is_other:
                isas = {"fused": []}
            for variant, options in isas.items():
                problem = self.call("compile", folder / "model.mlir", *options, "-o", folder / f"{variant}.jxp")
                if problem:
                    self.outcome(False, f"{family.__name__} {variant} does not compile: {problem}")
                    return
            if not self.is_other:
                self.made_by_passes(family.__name__, cases, folder / "model.mlir")
            for n in SIZES:
                self.size(family.__name__, cases, folder, list(isas), n)

    def made_by_passes(self, family, cases, path):
        """A case of an operator that a model cannot have is a case of it only if the passes make it."""
        missing = {case.op for case in cases if isinstance(case.line, str) and not case.line.startswith(f"jinx.{case.op} ")}
        if missing:
            text = subprocess.run([self.jinx, "compile", path, "--emit", "graph"], capture_output=True, text=True).stdout
            absent = sorted(op for op in missing if f"jinx.{op} " not in text)
            self.outcome(not absent, f"{family}: passes make no {', '.join(absent)}")

    def size(self, family, cases, folder, variants, n):
        generator = np.random.default_rng([self.seed, n])
        operands = [case.operands(generator, n) for case in cases]
        arguments = self.save(folder / "n.npy", "n", np.zeros(n, bool))
        for index, values in enumerate(operands):
            for i, value in enumerate(values):
                if cases[index].inputs[i].value is None:
                    arguments += self.save(folder / f"c{index}_x{i}.npy", f"c{index}_x{i}", value)
        for variant in variants:
            least = ["--isa", "x86-64"] if variant == "below" else []
            problem = self.run_plan(folder / f"{variant}.jxp", [*arguments, *least], folder / "out")
            self.judge(f"{family} {variant} n={n}", cases, operands, n, folder / "out", problem)
        if n not in FOLDED or self.is_other:
            return
        (folder / "folded.mlir").write_text(module(cases, n, operands))
        problem = self.call("compile", folder / "folded.mlir", "-o", folder / "folded.jxp")
        problem = problem or self.run_plan(folder / "folded.jxp", [], folder / "out")
        self.judge(f"{family} folded n={n}", cases, operands, n, folder / "out", problem)

    @staticmethod
    def save(path, name, value):
        np.save(path, value)
        return ["--input", f"{name}={path}"]

    def judge(self, where, cases, operands, n, out, problem):
        if problem:
            self.outcome(False, f"{where} does not run: {problem}")
            return
        for index, case in enumerate(cases):
            if n < case.smallest:
                continue
            for i, want in enumerate(case.expected(n, operands[index])):
                got = np.load(out / f"c{index}_y{i}.npy")
                atol, rtol = case.tolerance(n, case.outputs[i].dtype, operands[index])
                self.outcome(*compare(f"{where} seed={self.seed}: {case.text(index)[:150]}", got, want, case.outputs[i], n, atol, rtol))
        for path in out.glob("*.npy"):
            path.unlink()


def compare(what, got, want, tensor, n, atol, rtol):
    if got.dtype != tensor.dtype or got.shape != tensor.shape(n):
        return False, f"{what}: {got.dtype}{got.shape}, expected {tensor.dtype}{tensor.shape(n)}"
    if tensor.dtype.kind != "f":
        wrapped = np.array([int(v) for v in np.ravel(want)], object) % (1 << 8 * tensor.dtype.itemsize)
        near = np.array([int(v) for v in np.ravel(got)], object) % (1 << 8 * tensor.dtype.itemsize) == wrapped
    else:
        with np.errstate(all="ignore"):
            want = np.broadcast_to(want, got.shape).astype(np.float64)
            stored, wide = want.astype(tensor.dtype).astype(np.float64), got.astype(np.float64)
            near = np.isfinite(want) & (np.abs(wide - want) <= atol + rtol * np.abs(want) + np.finfo(tensor.dtype).smallest_subnormal)
            near |= (wide == stored) | (np.isnan(wide) & np.isnan(want))
        near = near.ravel()
    if near.all():
        return True, ""
    at = int(np.argmin(near))
    return False, f"{what}: {int((~near.astype(bool)).sum())} of {near.size}: element {at} is {got.flat[at]!r}, expected {np.ravel(want)[at]!r} ± {atol:.3g} + {rtol:.3g}*"


def coverage(ops, cases, references=None, excused=None):
    """What was forgotten, a line each."""
    references, excused = REFERENCES if references is None else references, NO_REFERENCE if excused is None else excused
    for op in sorted(ops):
        if op in excused:
            if op in references or op in cases:
                yield f"jinx.{op} has a reference or a case, and a reason for none in NO_REFERENCE"
            continue
        if op not in references:
            yield f"jinx.{op} has no reference: write what it computes, in float64, into REFERENCES of tests/numeric/graph_reference.py"
        if op not in cases:
            yield f"jinx.{op} has no case: add one to a family of tests/numeric/graph_ops.py, or say in NO_REFERENCE why there is none"
    for op in sorted((set(references) | set(cases) | set(excused)) - set(ops)):
        yield f"the dialect has no jinx.{op}, of which the tests speak"


def self_test():
    """Wrong answers and omissions are seen."""
    f4, i1 = Tensor("f4", "n"), Tensor("i1", "n")
    of = lambda values, dtype: np.array(values, dtype)
    judge = lambda got, want, tensor=f4, rtol=FUNCTION * 2.0**-24: compare("", got, want, tensor, 2, 0.0, rtol)[0]
    checks = {
        "equal": judge(of([1, np.nan], "f4"), of([1, np.nan], "f8")),
        "within": judge(of([1 + 7 * 2.0**-24, 2], "f4"), of([1, 2], "f8")),
        "beyond": not judge(of([1 + 20 * 2.0**-24, 2], "f4"), of([1, 2], "f8")),
        "NaN for a number": not judge(of([1, np.nan], "f4"), of([1, 2], "f8")),
        "a number for NaN": not judge(of([1, 2], "f4"), of([1, np.nan], "f8")),
        "a number for infinity": not judge(of([1, 3e38], "f4"), of([1, np.inf], "f8")),
        "another infinity": not judge(of([1, -np.inf], "f4"), of([1, np.inf], "f8")),
        "type": not judge(of([1, 2], "f8"), of([1, 2], "f8")),
        "shape": not judge(of([1], "f4"), of([1], "f8")),
        "integers wrap": judge(of([-128, 1], "i1"), of([128, 1], "i8"), i1),
        "integers are exact": not judge(of([-127, 1], "i1"), of([128, 1], "i8"), i1),
        "nothing forgotten": not list(coverage({"abs", "if"}, {"abs"}, {"abs"}, {"if"})),
        "no reference": len(list(coverage({"abs", "cbrt"}, {"abs", "cbrt"}, {"abs"}, {}))) == 1,
        "no case": len(list(coverage({"abs", "cbrt"}, {"abs"}, {"abs", "cbrt"}, {}))) == 1,
        "neither": len(list(coverage({"abs", "cbrt"}, {"abs"}, {"abs"}, {}))) == 2,
        "excused and tested": len(list(coverage({"abs"}, {"abs"}, {"abs"}, {"abs"}))) == 1,
        "gone": len(list(coverage({"abs"}, {"abs", "cbrt"}, {"abs", "cbrt"}, {}))) == 1,
    }
    bad = [name for name, good in checks.items() if not good]
    print(f"{len(checks) - len(bad)} passed, {len(bad)} failed{': ' * bool(bad)}{', '.join(bad)}")
    return 1 if bad else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jinx", default="build/dev/bin/jinx")
    parser.add_argument("--runner", help="what runs the plans (default: jinx)")
    parser.add_argument("--threads", type=int, help="share every launch, however small, between so many")
    dialect.add_arguments(parser)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--self-test", action="store_true")
    parser.add_argument("family", nargs="*", help="of " + ", ".join(family.__name__ for family in FAMILIES))
    arguments = parser.parse_args()
    if arguments.self_test:
        return self_test()
    run = Run(arguments.jinx, arguments.runner, arguments.threads, arguments.seed)
    for problem in coverage(dialect.operators(arguments), {case.op for family in FAMILIES for case in family()}):
        run.outcome(False, problem)
    for family in FAMILIES:
        if not arguments.family or family.__name__ in arguments.family:
            run.family(family)
    print(f"{run.passed} passed, {run.failed} failed")
    return 1 if run.failed else 0


if __name__ == "__main__":
    sys.exit(main())
