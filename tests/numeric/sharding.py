#!/usr/bin/env python3
"""Is every operator right when it is split over ranks, over every factor that can be?

For each case of factor_cases.py and each factor of its rule that is not whole, a function with the one operator wishes that an axis of 2 or 3 ranks splits the factor. It is placed and
partitioned; the program is computed here, in NumPy, all ranks in lockstep: the operator by the case's own reference, what partitioning puts around
it (slices, masks, collectives) by a few lines each. Arguments are cut as their types say; where they are filled up stand NaN and wrong indices.

    matmul a[m, k] b[k, n] -> y[m, n]      "f" splits m: of 4 rows 3 ranks have 2, 2, none        "f" splits k: 6 columns, 2 each; all_reduce

What is kept whole instead must be in KEPT_WHOLE.

    sharding.py --opt build/dev/bin/jinx-opt [OPERATOR…]
"""

import argparse
import itertools
import math
import pathlib
import re
import subprocess
import sys

import numpy as np

from factor_cases import CASES, tensor
from factors import Rule, compute, is_same, print_rules

# What partitioning puts around an operator, and so cannot be a case of here: tests/property/dist computes them.
AROUND = {"constant", "sizes", "iota", "slice", "pad", "reshape", "gather", "compare", "select", "add", "sub", "and", "cast", "broadcast"}
# (operator, factor): kept whole by jinx-place-values, with a remark.
KEPT_WHOLE = {("gather_elements", "v"), ("gather_nd", "v"), ("gather_nd", "v0"), ("gather_nd", "v1")}
# The same, where parts would not be equal.
KEPT_WHOLE_UNEVEN = {("attention_grad", "m")}


def wishes(rule, factor, ranks):
    """Axes of a mesh, and (what, index, dimension) of the value whose dimension they split; None where no ranks can split it: what lies beside others in a dimension, evenly, and those
    in front of it to the last element."""
    places = [(what, index, d, loops) for what, values in (("operand", rule.operands), ("result", rule.results)) for index, (_, dims) in enumerate(values)
              for d, loops in enumerate(dims) if factor in loops]  # fmt: skip
    what, index, d, loops = max(places, key=lambda place: place[3].index(factor))
    majors = loops[: loops.index(factor)]
    alone = all(place[3] == [factor] for place in places)
    if any(rule.kinds[f] == "whole" for f in majors) or (not alone and rule.sizes[factor] % ranks):
        return None
    return [(f"m{i}", rule.sizes[f]) for i, f in enumerate(majors)] + [("f", ranks)], (what, index, d)


def function(case, mesh, where):
    what, index, dim = where
    names = ", ".join(f'"{name}"' for name, _ in mesh)

    def sharding(kind, i, rank):
        dims = ", ".join(f"[{names}, ?]" if (kind, i, d) == (what, index, dim) else "[?]" for d in range(rank))
        return f" {{dist.sharding = #dist.sharding<[{dims}]>}}"

    parameters = ", ".join(f"%x{i}: {tensor(t)}{sharding('operand', i, len(shape))}" for i, (t, (shape, _)) in enumerate(zip(case.types[0], case.inputs)))
    results = ", ".join(f"{tensor(t)}{sharding('result', i, len(shape))}" for i, (t, (shape, _)) in enumerate(zip(case.types[1], case.outputs)))
    names = ", ".join(f"%y{i}" for i in range(len(case.outputs)))
    axes = ", ".join(f'"{name}" = {size}' for name, size in mesh)
    return (f"dist.mesh @mesh <{axes}>\nfunc.func @f({parameters}) -> ({results}) attributes {{dist.annotated = @mesh}} {{\n  {case.text()}\n"
            f"  return {names} : {', '.join(tensor(t) for t in case.types[1])}\n}}\n")


# ---- what a rank's program says ----------------------------------------------------------------------------------------------------------

TENSOR = r"tensor<[^<>]*(?:<[^<>]*>)?>"


def shape_of(text):
    return tuple(int(e) for e in re.match(r"tensor<((?:\d+x)*)", text)[1].split("x")[:-1])


def element_of(text):
    return re.match(r"tensor<(?:\d+x)*(\w+)", text)[1]


def numpy_type(element):
    return bool if element == "i1" else np.int64 if re.fullmatch(r"u?i\d+", element) else np.float64


class Program:
    """An own function; lines as (results, operator, operands, text, result types)."""

    def __init__(self, text):
        head = text[text.index("func.func @f(") :]
        arguments, rest = head[: head.index("\n")], head[head.index("\n") + 1 :]
        before, _, after = arguments.partition(") -> ")
        pattern = rf"({TENSOR})(?: \{{dist\.whole = ({TENSOR})\}})?"
        self.arguments = [(t, w or t) for t, w in re.findall(r"%arg\d+: " + pattern, before)]
        self.results = [(t, w or t) for t, w in re.findall(pattern, after.split(" attributes")[0])]
        self.lines = []
        for line in rest.splitlines():
            line = line.strip()
            if line.startswith("return"):
                self.returned = re.findall(r"%[\w#]+", line)
                break
            made, _, what = line.partition(" = ")
            results = []
            for name, count in re.findall(r"(%\w+)(?::(\d+))?", made):
                results += [f"{name}#{i}" for i in range(int(count))] if count else [name]
            operator = what.split(" ")[0]
            types = re.findall(TENSOR, what.rsplit(" -> ", 1)[-1]) if " -> " in what else re.findall(TENSOR, what)[-1:]
            self.lines.append((results, operator, re.findall(r"%[\w#]+", what), what, types))


def part_of(whole, mesh, rank):
    """Of each dimension the start, the number of elements, and that of a rank with what is filled up."""
    coordinates, sizes = coordinates_of(mesh, rank), dict(mesh)
    parts = []
    for d, size in enumerate(shape_of(whole)):
        axes = re.findall(rf'"(\w+)" = shard {d}\b', whole)
        place = 0
        for axis in axes:
            place = place * sizes[axis] + coordinates[axis]
        own = -(-size // math.prod(sizes[a] for a in axes))
        start = min(size, own * place)
        parts.append((start, min(own, size - start), own))
    return parts


def cut(value, parts, element):
    filling = np.nan if numpy_type(element) == np.float64 else True if element == "i1" else 99 if element in ("i32", "i64") else 1
    own = np.full([p[2] for p in parts], filling, value.dtype)
    own[tuple(slice(count) for _, count, _ in parts)] = value[tuple(slice(start, start + count) for start, count, _ in parts)]
    return own


# ---- what ranks compute ----------------------------------------------------------------------------------------------------------------


def coordinates_of(mesh, rank):
    return {name: int(at) for (name, _), at in zip(mesh, np.unravel_index(rank, [size for _, size in mesh]))}


def formulas(text, mesh, rank):
    """What stands in quotes, with a rank's coordinates."""
    here = coordinates_of(mesh, rank)
    return [eval(re.sub(r"rank\.(\w+)", lambda m: str(here[m[1]]), f).replace("floordiv", "//")) for f in re.findall(r'"([^"]*)"', text)]


def around(operator, text, given, result, mesh, rank):
    """What partitioning puts around an operator."""
    shape, kind = shape_of(result), numpy_type(element_of(result))
    if operator == "jinx.constant":
        value = re.search(r"dense<([^>]*)>", text)[1]
        special = {"0xFF800000": -np.inf, "0x7F800000": np.inf, "0xFC00": -np.inf, "0x7C00": np.inf, "true": 1, "false": 0}
        return np.full(shape, special.get(value) if value in special else float(value)).astype(kind)
    if operator == "jinx.sizes":
        return np.array(formulas(re.search(r"\[([^]]*)\]", text)[1], mesh, rank)).reshape(shape)
    if operator == "jinx.iota":
        return np.indices(shape)[int(re.search(r"axis (\d+)", text)[1])]
    if operator == "jinx.slice":
        starts = formulas(re.search(r"starts \[([^]]*)\]", text)[1], mesh, rank)
        return given[0][tuple(slice(s, s + n) for s, n in zip(starts, shape))]
    if operator == "jinx.pad":
        return np.pad(given[0].astype(kind), [(0, n - m) for n, m in zip(shape, given[0].shape)])
    if operator == "jinx.compare":
        return {"lt": np.less, "ge": np.greater_equal}[re.search(r"compare (\w+)", text)[1]](*given)
    return {"jinx.select": np.where, "jinx.add": np.add, "jinx.sub": np.subtract, "jinx.and": np.logical_and, "jinx.cast": lambda x: x.astype(kind),
            "jinx.reshape": lambda x: x.reshape(shape)}[operator](*given)


def exchange(text, mesh, rank, everyone):
    """A collective, as one rank sees it."""
    over = re.findall(r'"(\w+)"', re.search(r"over \[([^]]*)\]", text)[1])
    at = [coordinates_of(mesh, r) for r in range(len(everyone))]
    members = [r for r in range(len(everyone)) if all(at[r][n] == at[rank][n] for n, _ in mesh if n not in over)]
    members.sort(key=lambda r: [at[r][a] for a in over])
    given, mine, n = [everyone[r] for r in members], members.index(rank), len(members)
    number = lambda word: int(re.search(word + r" (\d+)", text)[1])
    combine = {"sum": np.add, "prod": np.multiply, "max": np.maximum, "min": np.minimum}
    kind = text.split(" ")[1]
    if text.startswith("dist.all_reduce"):
        return np.stack(list(itertools.accumulate(given, combine[kind])))[-1]
    if text.startswith("dist.reduce_scatter"):
        return np.split(list(itertools.accumulate(given, combine[kind]))[-1], n, number("dim"))[mine]
    if text.startswith("dist.all_gather"):
        return np.concatenate(given, number("dim"))
    if text.startswith("dist.all_to_all"):
        return np.concatenate([np.split(x, n, number("split"))[mine] for x in given], number("concat"))
    if text.startswith("dist.permute"):
        return given[[int(n) for n in re.findall(r"-?\d+", re.search(r"from \[([^]]*)\]", text)[1])][mine]]
    raise ValueError(text)


def run(case, program, mesh, operands):
    """Results of each rank, and whether any rank had less than the whole operator."""
    ranks = range(math.prod(size for _, size in mesh))
    values = [{f"%arg{i}": cut(x, part_of(whole, mesh, r), element_of(whole)) for i, ((_, whole), x) in enumerate(zip(program.arguments, operands))} for r in ranks]
    split = False
    for results, operator, names, text, types in program.lines:
        given = [[values[r][name] for name in names] for r in ranks]
        if operator.startswith("dist."):
            made = [[exchange(text, mesh, r, [g[0] for g in given])] for r in ranks]
        elif operator == f"jinx.{case.op}":
            split |= [x.shape for x in given[0]] != [tuple(s) for s, _ in case.inputs] or [shape_of(t) for t in types] != [tuple(s) for s, _ in case.outputs]
            made = [compute(case, [shape_of(t) for t in types], given[r]) for r in ranks]
        else:
            made = [[around(operator, text, given[r], types[0], mesh, r)] for r in ranks]
        for r in ranks:
            values[r].update(zip(results, made[r]))
    return [[values[r][name] for name in program.returned] for r in ranks], split


def problems(case, factor, kept, mesh, text):
    program = Program(text)
    operands = case.operands(np.random.default_rng(1))
    expected = compute(case, [shape for shape, _ in case.outputs], operands)
    try:
        made, split = run(case, program, mesh, operands)
    except (IndexError, ValueError, KeyError, TypeError, AssertionError) as error:
        yield f"cannot be computed: {error!r}"
        return
    if split == kept:
        yield f"{factor} of {case.op} is {'split' if split else 'kept whole'}, expected the other: KEPT_WHOLE says what is not split"
    for rank, results in enumerate(made):
        for (_, whole), got, want in zip(program.results, results, expected):
            parts = part_of(whole, mesh, rank)
            got = np.asarray(got)[tuple(slice(n) for _, n, _ in parts)]
            if not is_same(got, want[tuple(slice(s, s + n) for s, n, _ in parts)]):
                yield f"rank {rank} has a wrong part"
                return


def splits(cases, lines):
    """(case, factor, whether it is kept whole, mesh, function) for each factor that is not whole, by 2 and by 3 ranks."""
    for case, line in zip(cases, lines, strict=True):
        rule = Rule(line)
        for (factor, size), ranks in itertools.product(rule.sizes.items(), (2, 3)):
            found = rule.kinds[factor] != "whole" and size > 1 and wishes(rule, factor, ranks)
            if found and math.prod(n for _, n in found[0]) <= 64:
                kept = (case.op, factor) in KEPT_WHOLE or ((case.op, factor) in KEPT_WHOLE_UNEVEN and size % ranks != 0)
                yield case, factor, kept, found[0], function(case, *found)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--opt", default="build/dev/bin/jinx-opt", type=pathlib.Path)
    parser.add_argument("--rules", type=pathlib.Path, help="another jinx-opt, that prints the rules")
    parser.add_argument("operators", nargs="*")
    arguments = parser.parse_args()
    # Formulas: tests/property/dist.
    cases = [case for case in CASES if case.op not in AROUND and (not arguments.operators or case.op in arguments.operators) and not re.search(r"[ns]", "".join(t.rsplit("x", 1)[0] for t in sum(case.types, [])))]
    tried = list(splits(cases, print_rules(arguments.rules or arguments.opt, cases)))
    passes = "jinx-place-values,jinx-move-reshards,jinx-partition"
    done = subprocess.run([arguments.opt, "--split-input-file", f"--pass-pipeline=builtin.module(func.func({passes}))", "-"], input="// -----\n".join(t[-1] for t in tried), capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr)
    made = done.stdout.split("// -----\n")
    found = []
    for (case, factor, kept, mesh, text), own in zip(tried, made, strict=True):
        found += [f"{text}{own}{problem}" for problem in problems(case, factor, kept, mesh, own)]
    print(*found, f"{len(tried)} splits of {len({case.op for case in cases})} operators, {len(found)} faults", sep="\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
