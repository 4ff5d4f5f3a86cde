#!/usr/bin/env python3
"""Do the parts that a factor rule promises make up the whole?

`jinx-opt --jinx-print-factors` prints the rule of each case (ir/Graph/Factors.h). What it says is computed, by references in NumPy that know nothing of rules
(factor_cases.py, graph_reference.py): each factor that is not whole is cut in two parts, the operator is computed on each, and the results side by side, or
combined as the rule says, must be those of the whole. Of each partial rule the operands are two summands (factors, candidates for the largest, …), and so must
the results be. Data are small integers: what is integer is compared exactly, all else up to the order of additions.

    matmul   a[m, k] b[k, n] -> y[m, n]; k sums       a[:, :4] b[:4] + a[:, 4:] b[4:] = a b
                                                      a[:3] b over a[3:] b = a b
             partial: a (sum)                         a1 b + a2 b = (a1 + a2) b

A dimension of several factors is cut as if it had one dimension for each, so parts of a minor factor lie interleaved.

    factors.py --opt build/dev/bin/jinx-opt [OPERATOR…]
    factors.py --self-test                                    plants wrong rules and sees each told
"""

import argparse
import itertools
import math
import pathlib
import re
import subprocess
import sys

import numpy as np

import dialect
from factor_cases import CASES, SPLITTABLE, SYMBOLS

# A case has no answer where a part of the operator is no operator of that kind.
NOT_COMPUTED = {"constant": "a part of it is a part of its value"}
COMBINE = {"sum": np.add, "prod": np.multiply, "max": np.maximum, "min": np.minimum}
VERBS = {"sums": "sum", "multiplies": "prod", "takes the maximum": "max", "takes the minimum": "min"}
SEEDS = range(3)


class Rule:
    """What a line says. operands, results: [(name, [[factor, …] of each dimension])]; kinds: {factor: "free", "whole", "gathered" or a reduction}."""

    def __init__(self, line):
        self.op, _, text = line.partition(": ")
        values, *clauses = text.split("; ")
        operands, _, results = values.partition("->")
        self.operands, self.results = self.values(operands), self.values(results)
        self.kinds, self.partials, self.sizes = {}, [], {}
        for clause in clauses:
            if clause.startswith("partial: "):
                for names, by in re.findall(r"([\w+]+) \(([\w ]+)\)", clause):
                    self.partials.append((names.split("+"), list(COMBINE) if by == "any" else by.split(" or ")))
            elif clause.startswith("sizes:"):
                sizes = re.findall(r" (\w+)=((?:(?! \w+=).)+)", clause)
                self.sizes = {name: eval(size.replace("floordiv", "//"), dict(SYMBOLS)) for name, size in sizes}
            elif clause.startswith(("gathered: ", "whole: ")):
                kind, _, names = clause.partition(": ")
                self.kinds |= dict.fromkeys(names.split(", "), kind)
            else:
                name, _, verb = clause.partition(" ")
                self.kinds[name] = VERBS[verb]
        self.kinds = {name: self.kinds.get(name, "free") for name in self.sizes}

    @staticmethod
    def values(text):
        factors = lambda dims: [[] if dim == "1" else dim.split("*") for dim in dims.split(", ")] if dims else []
        return [(name, factors(dims)) for name, dims in re.findall(r"(\w+)\[([^]]*)\]", text)]

    def shape(self, dims, sizes):
        return tuple(math.prod(sizes[f] for f in loops) for loops in dims)


def take(value, dims, sizes, factor, part):
    """The part of the value's elements whose index of the factor is in the range `part`."""
    loops = [f for dim in dims for f in dim]
    if factor not in loops:
        return value
    at = tuple(slice(part.start, part.stop) if f == factor else slice(None) for f in loops)
    cut = {**sizes, factor: len(part)}
    return value.reshape([sizes[f] for f in loops])[at].reshape([math.prod(cut[f] for f in dim) for dim in dims])


def zero_outside(value, dims, sizes, factor, part):
    loops = [f for dim in dims for f in dim]
    if factor not in loops:
        return value
    mask = np.zeros(sizes[factor], bool)
    mask[part.start : part.stop] = True
    mask = mask.reshape([-1 if f == factor else 1 for f in loops])
    return np.where(mask, value.reshape([sizes[f] for f in loops]), 0).reshape(value.shape)


def side_by_side(parts, dims, sizes, factor, ranges):
    loops = [f for dim in dims for f in dim]
    pieces = [p.reshape([len(r) if f == factor else sizes[f] for f in loops]) for p, r in zip(parts, ranges)]
    return np.concatenate(pieces, loops.index(factor)).reshape([math.prod(sizes[f] for f in dim) for dim in dims])


def is_same(got, want):
    if got.shape != want.shape:
        return False
    if want.dtype.kind != "f" or np.all(want == np.rint(want)):
        return np.array_equal(got, want)
    return np.allclose(got, want, rtol=1e-9, atol=1e-9)


def compute(case, shapes, operands):
    with np.errstate(all="ignore"):
        results = case.answer(shapes, *operands)
    return [np.asarray(r) for r in (results if isinstance(results, (list, tuple)) else [results])]


def problems(case, rule):
    """Everything that is wrong with a rule."""
    found = list(of_shapes(case, rule))
    if found or case.op in NOT_COMPUTED:
        yield from found
        return
    for seed in SEEDS:
        operands = case.operands(np.random.default_rng(seed))
        whole = compute(case, [shape for shape, _ in case.outputs], operands)
        for factor, size in rule.sizes.items():
            if rule.kinds[factor] != "whole" and size > 1:
                found += of_factor(case, rule, factor, operands, whole)
        found += [p for names, reductions in rule.partials for by in reductions for p in of_partial(case, rule, names, by, seed)]
    yield from dict.fromkeys(found)


def of_shapes(case, rule):
    for what, values, tensors in (("operands", rule.operands, case.inputs), ("results", rule.results, case.outputs)):
        if len(values) != len(tensors):
            yield f"has {len(values)} {what}, expected {len(tensors)}"
            continue
        for (name, dims), (shape, _) in zip(values, tensors):
            if rule.shape(dims, rule.sizes) != tuple(shape):
                yield f"{name} is {rule.shape(dims, rule.sizes)} by its factors, expected {tuple(shape)}"
    for name, dims in rule.results:
        for factor, kind in rule.kinds.items():
            if kind == "free" and factor not in itertools.chain(*dims):
                yield f"{factor} is free and no dimension of {name}, expected a dimension of each result"


def of_factor(case, rule, factor, operands, whole):
    kind, size = rule.kinds[factor], rule.sizes[factor]
    cut = (size + 1) // 2
    ranges, parts = [range(cut), range(cut, size)], []
    for part in ranges:
        if kind == "gathered":
            given = [zero_outside(v, dims, rule.sizes, factor, part) for v, (_, dims) in zip(operands, rule.operands)]
            sizes = rule.sizes
        else:
            given = [take(v, dims, rule.sizes, factor, part) for v, (_, dims) in zip(operands, rule.operands)]
            sizes = {**rule.sizes, factor: len(part)}
        try:
            parts.append(compute(case, [rule.shape(dims, sizes) for _, dims in rule.results], given))
        except (ValueError, IndexError, AssertionError, TypeError) as error:
            yield f"{factor} is {kind}, and a part of it is no operator: {error}"
            return
        for got, (name, dims) in zip(parts[-1], rule.results):
            if got.shape != rule.shape(dims, sizes):
                yield f"{factor} is {kind}, and a part gives {name} of {got.shape}, expected {rule.shape(dims, sizes)}"
                return
    for index, (name, dims) in enumerate(rule.results):
        of_parts = [p[index] for p in parts]
        if factor in itertools.chain(*dims):
            joined = side_by_side(of_parts, dims, rule.sizes, factor, ranges)
        else:
            joined = COMBINE["sum" if kind == "gathered" else kind](*of_parts)
        if not is_same(joined, whole[index]):
            yield f"{factor} is {kind}, and its parts do not make up {name}"


def of_partial(case, rule, names, by, seed):
    indices = [i for i, (name, _) in enumerate(rule.operands) if name in names]
    first, second = (case.operands(np.random.default_rng([seed, i])) for i in (1, 2))
    second = [b if i in indices else a for i, (a, b) in enumerate(zip(first, second))]
    joined = [COMBINE[by](a, b) if i in indices else a for i, (a, b) in enumerate(zip(first, second))]
    shapes = [shape for shape, _ in case.outputs]
    of_first, of_second, whole = (compute(case, shapes, operands) for operands in (first, second, joined))
    for (name, _), a, b, want in zip(rule.results, of_first, of_second, whole):
        if not is_same(COMBINE[by](a, b), want):
            yield f"{'+'.join(names)} may be partial by {by}, and {name} is not"


# ---- rules, as they are printed -----------------------------------------------------------------------------------------------------


def print_rules(opt, cases):
    text = "".join(f"func.func @c{i}({case.parameters()}) {{\n  {case.text()}\n  return\n}}\n" for i, case in enumerate(cases))
    done = subprocess.run([opt, "--jinx-print-factors=sizes", "-o", "/dev/null", "-"], input=text, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"cases are no valid IR:\n{done.stderr}")
    return done.stdout.splitlines()


def coverage(arguments, cases):
    """Each operator that has a rule has a case."""
    sources = "".join(path.read_text() for path in sorted((dialect.ROOT / "ir/Graph").glob("Factors*.cpp")))
    for name, op in sorted(dialect.operators(arguments).items()):
        if f"row<{op.cpp}," in sources and not any(case.op == name for case in cases):
            yield f"jinx.{name} has a factor rule and no case: add one to tests/numeric/factor_cases.py"


def judge(cases, lines):
    refined = [CASES[i] for i in SPLITTABLE]
    for case, line in zip(cases, lines, strict=True):
        rule = Rule(line)
        if rule.op != case.op:
            yield f"{case.op}: printed as {line}"
        else:
            yield from (f"{line}\n    {problem}" for problem in problems(case, rule))
        if case in refined and "whole" in rule.kinds.values():
            yield f"{line}\n    says that something is whole, expected the common refinement of both shapes"


# ---- self-test ---------------------------------------------------------------------------------------------------------------------

# (operator, what its rule says, what it is made to say, what must be told)
PLANTED = [
    ("matmul", "k sums", "k takes the maximum", "k is max, and its parts do not make up y"),
    ("matmul", "; k sums", "", "k is free and no dimension of y"),
    ("matmul", r"partial: a \(sum\)", "partial: a+b (sum)", "a+b may be partial by sum, and y is not"),
    ("add", r"a\+b \(sum\)", "a (sum)", "a may be partial by sum"),
    ("relu", "max or min", "sum", "x may be partial by sum"),
    ("cast", r"x \(max or min\)", "x (sum)", "x may be partial by sum"),
    ("reduce", "d1 sums", "d1 multiplies", "d1 is prod"),
    ("cumsum", r"; whole: axis\b", "", "axis is free, and its parts do not make up y"),
    ("top_k", "; whole: axis, k", "; axis takes the maximum; whole: k", "axis is max"),
    ("reshape", r"x\[i0\*i1, i2\]", "x[i1*i0, i2]", "i1 is free, and its parts do not make up y"),
    ("slice", "whole: x1, ", "whole: ", "x1 is free and no dimension of y"),
    ("gather", "gathered: v\\b", "v sums", "v is sum"),
    ("gather", "gathered: v\\b", "v takes the maximum", "v is max"),
    ("concat", "axis0, ", "", "axis0 is free and no dimension"),
    ("scatter_elements", "; whole: axis, i0", "; i0 sums; whole: axis", "i0 is sum"),
    ("conv", r"x\[n, g\*c", "x[n, c*g", "is free, and its parts do not make up y"),
    ("lstm", "whole: t, n, ", "whole: t, ", "n is free, and its parts do not make up"),
    ("attention_grad", "n sums", "n takes the maximum", "n is max, and its parts do not make up dk"),
    ("attention_grad", "; whole: d, n, m", "; n sums; whole: d, m", "n is sum"),
    ("paged_attention", r"g\*s", "s*g", "is free, and its parts do not make up y"),
    ("quantize", r"x\[q\*i", "x[i*q", "do not make up y"),
    ("grouped_matmul", "whole: t, ", "whole: ", "t is free, and"),
    ("experts", "whole: h, ", "h sums; whole: ", "h is sum"),
    ("experts", "gathered: e", "e takes the maximum", "e is max"),
    ("experts", r"up \(sum\)", "gate (sum)", "gate may be partial by sum"),
    ("iota", r"; whole: axis\b", "", "axis is free, and its parts do not make up y"),
    ("mul", r"a \(sum\)", "a (max)", "a may be partial by max"),
    ("div", r"a \(sum\)", "b (sum)", "b may be partial by sum"),
]  # fmt: skip


def self_test(opt):
    bad = []
    lines = print_rules(opt, CASES)
    for op, says, made, told in PLANTED:
        found = [(case, re.sub(says, made, line)) for case, line in zip(CASES, lines, strict=True) if case.op == op and re.search(says, line)]
        if not found:
            bad.append(f"no rule of {op} says {says!r}")
        elif not any(told in problem for case, line in found for problem in problems(case, Rule(line))):
            bad.append(f"{op} with {made!r} for {says!r}: nobody says {told!r}: {[p for case, line in found for p in problems(case, Rule(line))]}")
    print(*bad, f"{len(PLANTED) - len(bad)} passed, {len(bad)} failed", sep="\n")
    return 1 if bad else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--opt", default="build/dev/bin/jinx-opt", type=pathlib.Path)
    parser.add_argument("--self-test", action="store_true")
    parser.add_argument("operators", nargs="*")
    dialect.add_arguments(parser)
    arguments = parser.parse_args()
    if arguments.self_test:
        return self_test(arguments.opt)
    cases = [case for case in CASES if not arguments.operators or case.op in arguments.operators]
    found = list(judge(cases, print_rules(arguments.opt, cases))) + ([] if arguments.operators else list(coverage(arguments, cases)))
    print(*found, f"{len(cases)} rules of {len({case.op for case in cases})} operators, {len(found)} faults", sep="\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
