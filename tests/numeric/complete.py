#!/usr/bin/env python3
"""Does every operator of the graph dialect have all that an operator needs? Names everything that was forgotten, at once.

The operators are those that TableGen finds in ir/Graph/GraphOps.td. What each needs, and why, is docs/guides/add-an-op.md; an operator
that cannot have something is excused below, with a reason.

    complete.py --jinx build/dev/bin/jinx --opt build/dev/bin/jinx-opt
    complete.py --self-test …
"""

import argparse
import dataclasses
import pathlib
import re
import subprocess
import sys
import tempfile

import dialect
import graph_ops
from dialect import ROOT

# Operators that no ONNX node becomes.
NATIVE_ONLY = {
    "attention_grad": "a gradient: ONNX models have none",
    "depthwise_conv": "the packing pass makes it of a convolution",
    "grouped_matmul": "ONNX has no product of groups",
    "experts": "ONNX has no mixture of experts",
    "pack": "the packing pass makes it",
    "packed_conv": "the packing pass makes it",
    "packed_grouped_matmul": "the packing pass makes it",
    "packed_matmul": "the packing pass makes it",
    "decode_blocks": "GGUF files have blocks",
    "dequant_matmul": "a pass makes it of a product with dequantized weights",
    "pack_codes": "a pass makes it",
    "split_digits": "a pass makes it of activations beside codes",
    "scaled_matmul": "a pass makes it of a product with dequantized operands",
    "group": "the fusion pass makes it",
    "launch": "the scheduling pass makes it",
    "write_pages": "ONNX has no pages",
    "paged_attention": "ONNX has no pages",
}
# Operators that traits verify, and which.
VERIFIED_BY_TRAITS = {
    "constant": "AllTypesMatch: the result has the value's type",
    "none": "its result has one type only",
    "yield": "ParentOneOf; what it yields is for the operator around it to judge",
}
# Where an elementwise operator has a kernel: target, what to look at, what says that there is one, and where it is written.
TARGETS = [("cpu", "tile", "tile.kernel", "codegen/schedules/ScalarOps.cpp"), ("cuda:sm_90a", "cuda", "__global__", "codegen/cuda/Expressions.cpp")]
# Beginnings of messages that have nothing to expect, and why.
NO_EXPECTATION = {"formula ": "says where a text goes wrong"}


@dataclasses.dataclass
class Facts:
    """What there is, read once; the self-test takes things away."""

    ops: dict  # name: dialect.Op
    cases: dict  # name: graph_ops.Cases
    references: set
    excused: dict  # from references and cases
    pages: dict  # path: text
    round_trips: str  # tests/lit/ir/Graph/*.mlir
    invalid: str  # tests/lit/ir/Graph/*_invalid.mlir
    importer: str  # frontends/onnx, without comments
    verifiers: dict  # path: text, without comments
    handlers: list  # (domain, name, since, until)
    factors: str  # ir/Graph/Factors*.cpp, without comments
    printed_factors: str  # tests/lit/dist/factors.mlir
    opt: object  # arguments, module → (exit status, output)
    compile: object


def problems(facts):
    for _, op in sorted(facts.ops.items()):
        for problem in (*of_definition(op, facts), *of_documents(op, facts), *of_importer(op, facts), *of_factors(op, facts), *of_case(op, facts)):
            yield f"jinx.{op.name}: {problem}"
    yield from graph_ops.coverage(facts.ops, facts.cases, facts.references, facts.excused)
    yield from of_messages(facts)
    yield from of_handlers(facts)
    for name in sorted({*NATIVE_ONLY, *VERIFIED_BY_TRAITS} - set(facts.ops)):
        yield f"tests/numeric/complete.py excuses jinx.{name}, which the dialect has not"


def of_definition(op, facts):
    if not op.summary:
        yield "its definition has no summary"
    if not op.description:
        yield "its definition has no description"
    if not re.search(rf"// CHECK.*\bjinx\.{op.name}\b", facts.round_trips):
        yield "no file of tests/lit/ir/Graph checks that it is printed and read"
    if op.verifier and not re.search(rf"expected-error.*'jinx\.{op.name}' op (?!inferred type|failed to infer)", facts.invalid):
        yield "no tests/lit/ir/Graph/*_invalid.mlir has a case that its verifier refuses"
    if not (op.verifier or op.infers or op.name in VERIFIED_BY_TRAITS):
        yield "nothing verifies it: infer its type (Graph_InferredOp), or let hasVerifier = 1"


def of_documents(op, facts):
    if not re.search(rf"`jinx\.{op.name}`", facts.pages["docs/spec/graph.md"]):
        yield "docs/spec/graph.md does not say what it means"
    if f"### `jinx.{op.name}` " not in facts.pages["docs/reference/graph.md"]:
        yield "docs/reference/graph.md does not have it: run tools/docs/generate.sh"


def of_importer(op, facts):
    made = re.search(rf"\b{op.cpp}\b", facts.importer)
    if not made and op.name not in NATIVE_ONLY:
        yield f"nothing in frontends/onnx makes a {op.cpp}: write a handler, or say in NATIVE_ONLY of tests/numeric/complete.py why there is none"
    if made and op.name in NATIVE_ONLY:
        yield "frontends/onnx speaks of it, and NATIVE_ONLY says that no ONNX node becomes it"


def of_factors(op, facts):
    """What splitting it over devices must know (ir/Graph/Factors.h)."""
    has_rule, is_excused = f"row<{op.cpp}," in facts.factors, f'{{"jinx.{op.name}", "' in facts.factors
    if not has_rule and not is_excused:
        yield f"it has no factor rule: write row<{op.cpp}, …>() into a table of ir/Graph/Factors*.cpp, or say in kWithoutRule of Factors.cpp why there is none"
    if has_rule and is_excused:
        yield "it has a factor rule, and kWithoutRule of ir/Graph/Factors.cpp says that it has none"
    if (has_rule or is_excused) and not re.search(rf"// CHECK.*: {op.name}: ", facts.printed_factors):
        yield "tests/lit/dist/factors.mlir does not say what its factor rule is"


def of_case(op, facts):
    """Kernels, on the first case that the references are tested with; shape inference, on all."""
    cases = facts.cases.get(op.name)
    if not cases:
        return  # graph_ops.coverage says so
    text = graph_ops.module(cases[:1])
    status, output = facts.opt([], text)
    if status:
        yield f"its case is no valid IR: {output[:400]}"
        return
    if op.infers:
        yield from of_inference(op, cases, facts)
    status, output = facts.compile(["--emit", "plan"], text)
    if status:
        yield f"it has neither a kernel (isEmittable) nor a host form (HostForm.cpp): {output[:400]}"
        return
    if "Elementwise" in op.traits:
        for target, emit, sign, place in TARGETS:
            status, output = facts.compile(["--target", target, "--emit", emit], text)
            if status or sign not in output:
                yield f"it is elementwise and has no kernel for {target} ({place})"


def of_inference(op, cases, facts):
    """A result of a wrong rank is refused, and the message has the type that was inferred: formulas and all."""
    direct = {case.text(0): case for case in cases if isinstance(case.line, str) and case.line.startswith(f"jinx.{op.name} ")}
    wrong = [graph_ops.Case(op.name, case.line, case.inputs, [graph_ops.Tensor(t.dtype, 7, *t.dims) for t in case.outputs]) for case in direct.values()]
    _, output = facts.opt(["--split-input-file"], "// -----\n".join(graph_ops.module([case]) for case in wrong))
    inferred = re.findall(r"inferred type\(s\) '(.*)' are incompatible", output)
    expected = [case.outputs[0].text() for case in direct.values()]
    if inferred != expected:
        got = next((f"'{a}', expected '{b}'" for a, b in zip(inferred, expected) if a != b), f"{len(inferred)} types, expected {len(expected)}")
        yield f"its inference gives {got}"


def of_messages(facts):
    """Every message says what was expected, and a test provokes it."""
    for path, text in sorted(facts.verifiers.items()):
        for statement in re.findall(r"\bemit(?:Op|Optional)?Error\([^;]*;", text):
            parts = [part.replace('\\"', '"') for part in re.findall(r'"((?:[^"\\]|\\.)*)"', statement)]
            if not parts:
                continue
            said = "…".join(parts)
            if "expected" not in said and not any(said.startswith(start) for start in NO_EXPECTATION):
                yield f'{path}: the message "{said}" does not say what was expected'
            if not re.search("expected-error.*" + ".*".join(map(re.escape, parts)), facts.invalid):
                yield f'{path}: no tests/lit/ir/Graph/*_invalid.mlir provokes the message "{said}"'


def of_handlers(facts):
    rows = sorted(facts.handlers)
    for (domain, name, since, until), (other, same, begin, end) in zip(rows, rows[1:]):
        if (domain, name) == (other, same) and (until == 0 or begin <= until):
            yield f"frontends/onnx: {domain or 'ai.onnx'}.{name} has two rows for opset {begin}; the second is never reached"


def without_comments(path):
    return re.sub(r"//.*", "", path.read_text())


def runner(program, *leading):
    def run(arguments, text):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "case.mlir"
            path.write_text(text)
            output = ["-o", str(pathlib.Path(folder) / "out.jxp")] if arguments[-1:] == ["plan"] else []
            done = subprocess.run([program, *leading, path, *arguments, *output], capture_output=True, text=True)
        return done.returncode, done.stdout if done.returncode == 0 else done.stderr.strip()

    return run


def read_facts(arguments, file="ir/Graph/GraphOps.td"):
    lit = sorted((ROOT / "tests/lit/ir/Graph").glob("*.mlir"))
    cases = {}
    for family in graph_ops.FAMILIES:
        for case in family():
            cases.setdefault(case.op, []).append(case)
    rows = subprocess.run([arguments.rows], capture_output=True, text=True, check=True).stdout.splitlines()
    handlers = [(domain, name, int(since), int(until)) for kind, domain, name, since, until in (row.split("\t") for row in rows) if kind == "handler"]
    return Facts(
        ops=dialect.operators(arguments, file),
        cases=cases,
        references=set(graph_ops.REFERENCES),
        excused=dict(graph_ops.NO_REFERENCE),
        pages={path: (ROOT / path).read_text() for path in ("docs/spec/graph.md", "docs/reference/graph.md")},
        round_trips="".join(path.read_text() for path in lit if not path.stem.endswith("_invalid")),
        invalid="".join(path.read_text() for path in lit if path.stem.endswith("_invalid")),
        importer="".join(without_comments(path) for path in sorted((ROOT / "frontends/onnx").glob("*.*"))),
        verifiers={str(path.relative_to(ROOT)): without_comments(path) for path in sorted((ROOT / "ir/Graph").glob("*.cpp"))},
        handlers=handlers,
        factors="".join(without_comments(path) for path in sorted((ROOT / "ir/Graph").glob("Factors*.cpp"))),
        printed_factors=(ROOT / "tests/lit/dist/factors.mlir").read_text(),
        opt=runner(arguments.opt),
        compile=runner(arguments.jinx, "compile"),
    )


# ---- self-test ---------------------------------------------------------------------------------------------------------------------


def plant(arguments):
    """An operator that a newcomer only defined, as TableGen sees it: everything else is missing, and named at once."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "Planted.td"
        path.write_text('include "ir/Graph/GraphOps.td"\ndef Graph_CbrtOp : Graph_Op<"cbrt", [Pure, Graph_Elementwise]> {\n'
                        "  let arguments = (ins AnyRankedTensor:$x);\n  let results = (outs AnyRankedTensor:$y);\n}\n")
        facts = read_facts(arguments, path)
    return list(problems(facts)), ["no summary", "no description", "printed and read", "nothing verifies it", "docs/spec/graph.md", "generate.sh",
                                   "makes a CbrtOp", "write row<CbrtOp", "has no reference", "has no case"]


def omissions(facts):
    """(what is taken away, facts without it, what must be said)."""
    atan, pool, group = facts.ops["atan"], facts.ops["pool"], facts.ops["group"]
    replace = dataclasses.replace
    with_op = lambda op, **change: replace(facts, ops={**facts.ops, op.name: replace(op, **change)})
    without = lambda text, pattern: re.sub(pattern, "", text)
    fine = lambda arguments, text: (0, "tile.kernel __global__")
    yield "summary", with_op(atan, summary=""), "jinx.atan: its definition has no summary"
    yield "description", with_op(atan, description=""), "jinx.atan: its definition has no description"
    yield "verifier", with_op(group, verifier=False), "jinx.group: nothing verifies it"
    yield "inference", with_op(atan, traits=["Elementwise"]), "jinx.atan: nothing verifies it"
    yield "round trip", replace(facts, round_trips=without(facts.round_trips, r"jinx\.atan")), "jinx.atan: no file of tests/lit"
    yield "refused case", replace(facts, invalid=without(facts.invalid, r".*'jinx\.pool' op.*")), "jinx.pool: no tests/lit"
    yield "reference", replace(facts, references=facts.references - {"atan"}), "jinx.atan has no reference"
    yield "case", replace(facts, cases={k: v for k, v in facts.cases.items() if k != "atan"}), "jinx.atan has no case"
    yield "excuse", replace(facts, excused={k: v for k, v in facts.excused.items() if k != "scan"}), "jinx.scan has no reference"
    yield "spec page", replace(facts, pages={**facts.pages, "docs/spec/graph.md": ""}), "jinx.pool: docs/spec/graph.md"
    yield "reference page", replace(facts, pages={**facts.pages, "docs/reference/graph.md": ""}), "jinx.pool: docs/reference/graph.md"
    yield "handler", replace(facts, importer=without(facts.importer, r"\bAtanOp\b")), "jinx.atan: nothing in frontends/onnx"
    yield "native only", replace(facts, importer=facts.importer + "PackOp::create"), "jinx.pack: frontends/onnx speaks of it"
    yield "factor rule", replace(facts, factors=without(facts.factors, r"row<AtanOp,")), "jinx.atan: it has no factor rule"
    yield "reason for no rule", replace(facts, factors=without(facts.factors, r'\{"jinx.if",')), "jinx.if: it has no factor rule"
    yield "one of both", replace(facts, factors=facts.factors + '{"jinx.atan", "x"}'), "jinx.atan: it has a factor rule, and"
    yield "printed rule", replace(facts, printed_factors=without(facts.printed_factors, r"atan: ")), "jinx.atan: tests/lit/dist/factors.mlir"
    yield "expectation", replace(facts, verifiers={"x.cpp": 'emitOpError("axis is bad");'}), "does not say what was expected"
    yield "provoked message", replace(facts, verifiers={"x.cpp": 'emitOpError("knob is ") << k << ", expected a lever";'}), "provokes the message"
    yield "reached row", replace(facts, handlers=[("", "Atan", 7, 0), ("", "Atan", 22, 0)]), "has two rows for opset 22"
    yield "valid case", replace(facts, opt=lambda arguments, text: (1, "unknown")), "jinx.atan: its case is no valid IR"
    yield "shape check", replace(facts, opt=fine), "jinx.atan: its inference gives 0 types"
    yield "inferred formula", replace(facts, opt=lambda a, text: (0, facts.opt(a, text)[1].replace("2*n + 2", "2*n"))), "jinx.concat: its inference gives"
    yield "lowering", replace(facts, compile=lambda arguments, text: (1, "neither")), "jinx.atan: it has neither a kernel"
    yield "CPU kernel", replace(facts, compile=lambda arguments, text: (0, "__global__")), "jinx.atan: it is elementwise and has no kernel for cpu"
    yield "CUDA kernel", replace(facts, compile=lambda arguments, text: (0, "tile.kernel")), "jinx.atan: it is elementwise and has no kernel for cuda"
    yield "operator", replace(facts, ops={k: v for k, v in facts.ops.items() if k != "pack"}), "excuses jinx.pack"


def self_test(arguments):
    bad, count = [], 0
    facts = read_facts(arguments)
    facts.opt = remember(facts.opt)
    facts.compile = remember(facts.compile)
    for what, less, said in omissions(facts):
        count += 1
        if not any(said in problem for problem in problems(less)):
            bad.append(f"nobody misses: {what}")
    found, wanted = plant(arguments)
    for said in wanted:
        count += 1
        if not any("jinx.cbrt" in problem and said in problem for problem in found):
            bad.append(f"of an operator that is only defined, nobody says: {said}")
    print(*bad, f"{count - len(bad)} passed, {len(bad)} failed", sep="\n")
    return 1 if bad else 0


def remember(run):
    known = {}

    def recalled(arguments, text):
        key = (*arguments, text)
        if key not in known:
            known[key] = run(arguments, text)
        return known[key]

    return recalled


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jinx", default="build/dev/bin/jinx")
    parser.add_argument("--opt", default="build/dev/bin/jinx-opt")
    parser.add_argument("--rows", default="build/dev/bin/jinx-list-operators")
    parser.add_argument("--self-test", action="store_true")
    dialect.add_arguments(parser)
    arguments = parser.parse_args()
    if arguments.self_test:
        return self_test(arguments)
    facts = read_facts(arguments)
    found = list(problems(facts))
    print(*found, f"{len(facts.ops)} operators, {len(found)} things missing", sep="\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
