#!/usr/bin/env python3
"""Does a compiled SmolLM2 with coded weights say what its codes stand for? The weights become DequantizeLinear nodes of constants.

    int8        the linear layers and the last product: i8, one scale a column
    int4        the linear layers: i4 in groups of 32 along k; the last product i8
    int4-zero   ui4 with a zero point each group; the last product i8

Codes are made by tests/numeric/quant_reference.py. The oracle is onnxruntime on the same graph with f32 weights that hold what the codes
stand for; logits of a sentence and of one token agree within 2e-5 of the largest. Every coded weight must be read as codes: the
compiled graph has one dequant_matmul for each.

    smollm2_codes.py --jinx build/dev/bin/jinx [SCHEME…]
"""

import argparse
import pathlib
import sys
import tempfile

import numpy as np
import onnx
from onnx import TensorProto, helper

import model_runs
import smollm2
from packages import ROOT, Missing
from smollm2_check import BOUND, Judge

sys.path.insert(0, str(ROOT / "tests" / "numeric"))
import quant_reference as q  # noqa: E402

GROUP = 32
INT8 = (q.int8_per_channel, TensorProto.INT8)
SCHEMES = {
    "int8": INT8,
    "int4": (lambda w: q.int4_groups(w, GROUP), TensorProto.INT4),
    "int4-zero": (lambda w: q.int4_groups_zero(w, GROUP), TensorProto.UINT4),
}


def takes_part(name: str) -> bool:
    return name.endswith(".weight") and name.removesuffix(".weight").rpartition(".")[2] in (*smollm2.LINEAR, "output")


def packed(name: str, codes: np.ndarray, kind: int) -> onnx.TensorProto:
    """4-bit codes: two in a byte, the first one low."""
    flat = codes.astype(np.int64).reshape(-1) & (255 if kind == TensorProto.INT8 else 15)
    raw = flat.astype(np.uint8) if kind == TensorProto.INT8 else (flat[::2] | flat[1::2] << 4).astype(np.uint8)
    return TensorProto(name=name, data_type=kind, dims=codes.shape, raw_data=raw.tobytes())


def add_codes(model: onnx.ModelProto, name: str, coded: q.Coded, kind: int) -> None:
    """A node whose result has the weight's name, and its constants in place of the weight."""
    block = {} if kind == TensorProto.INT8 else {"block_size": GROUP}
    rows = slice(None, None, GROUP) if block else 0
    inputs = [f"{name}.codes", f"{name}.scale"]
    model.graph.initializer.append(packed(inputs[0], coded.codes, kind))
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.ascontiguousarray(coded.scale[rows], np.float32), inputs[1]))
    if kind == TensorProto.UINT4:
        inputs.append(f"{name}.zero")
        model.graph.initializer.append(packed(inputs[2], coded.zero[rows], kind))
    model.graph.node.insert(0, helper.make_node("DequantizeLinear", inputs, [name], name=name, axis=0 if block else 1, **block))


def write_pair(folder: pathlib.Path, scheme: str) -> tuple[pathlib.Path, pathlib.Path, int]:
    """(the model with codes, the same with f32 weights, how many weights are coded). Scales are f32 in both."""
    values, coded = smollm2.weights(), {}
    for name in [name for name in values if takes_part(name)]:
        code, kind = INT8 if name == "output.weight" else SCHEMES[scheme]
        coded[name] = code(values[name].astype(np.float64)), kind
        c = coded[name][0]
        values[name] = ((c.codes.astype(np.float32) - np.float32(c.zero)) * c.scale.astype(np.float32)).astype(np.float32)
    smollm2.write(folder / "plain.onnx", values)
    model = onnx.load(folder / "plain.onnx", load_external_data=False)
    kept = [tensor for tensor in model.graph.initializer if tensor.name not in coded]
    del model.graph.initializer[:]
    model.graph.initializer.extend(kept)
    for name, (code, kind) in coded.items():
        add_codes(model, name, code, kind)
    (folder / "codes.onnx").write_bytes(model.SerializeToString())
    return folder / "codes.onnx", folder / "plain.onnx", len(coded)


def check(judge: Judge, jinx: pathlib.Path, scheme: str, folder: pathlib.Path) -> None:
    codes, plain, count = write_pair(folder, scheme)
    text = model_runs.call(jinx, "compile", codes, "--emit", "graph")
    found = text.count("= jinx.dequant_matmul ")
    judge.outcome(found == count, f"{scheme}: {found} products of codes, expected {count}")
    plan = model_runs.compile_plan(jinx, codes, folder / "codes.jxp")
    run, reference = model_runs.open_plan(plan, 2, model_runs.library_beside(jinx)), model_runs.open_onnx(plain, 2)
    print(f"      {scheme}: a plan of {plan.stat().st_size / 1e6:.0f} MB")
    sentence = smollm2.tokenizer().encode("Boats of the northern coast are built of larch and oak, plank by plank.").ids
    for ids in (sentence, sentence[:1]):
        got, want = (r({"input_ids": np.int64([ids])})["logits"] for r in (run, reference))
        error = np.max(np.abs(got.astype(np.float64) - want)) / np.max(np.abs(want))
        judge.outcome(error <= BOUND, f"{scheme}: {len(ids)} tokens, logits within {error:.1e} of the largest, at most {BOUND:.0e}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("schemes", nargs="*", metavar="SCHEME", default=list(SCHEMES))
    parser.add_argument("--jinx", type=pathlib.Path, required=True)
    options, judge = parser.parse_args(), Judge()
    for scheme in options.schemes:
        with tempfile.TemporaryDirectory() as folder:
            try:
                check(judge, options.jinx, scheme, pathlib.Path(folder))
            except Missing as missing:
                print(f"skipped: {missing}\n0 passed, 0 failed")
                return 77
            except RuntimeError as error:
                judge.outcome(False, f"{scheme}: {error}")
    print(f"{judge.passed} passed, {judge.failed} failed")
    return judge.failed > 0


if __name__ == "__main__":
    sys.exit(main())
