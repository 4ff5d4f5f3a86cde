#!/usr/bin/env python3
"""Where do the ONNX node tests come from? Writes every case of the onnx package as a folder.

The package makes its cases in memory, deterministically. Each becomes CASE/model.onnx,
CASE/test_data_set_N/{input,output}_I.pb and CASE/tolerance.json under
$JINX_CACHE/onnx-node-tests-VERSION/. Needs the Python environment that `./dev setup` makes.
"""

import json
import os
import pathlib
import shutil
import warnings

import numpy as np
import onnx
from onnx import numpy_helper
from onnx.backend.test.loader import load_node_model_tests

CACHE = pathlib.Path(os.environ.get("JINX_CACHE") or pathlib.Path.home() / ".cache" / "jinx")
EXPECTED_CASES = 1884


def to_proto(value, type_proto: onnx.TypeProto, name: str):
    """A tensor, sequence, optional or map, as the declared type asks."""
    if isinstance(value, (onnx.TensorProto, onnx.SequenceProto, onnx.OptionalProto, onnx.MapProto)):
        return value
    kind = type_proto.WhichOneof("value")
    if kind == "map_type":
        return numpy_helper.from_dict(value, name)
    if kind == "sequence_type":
        return numpy_helper.from_list(value, name)
    if kind == "optional_type":
        return numpy_helper.from_optional(value, name)
    return numpy_helper.from_array(np.asarray(value), name)


def write_values(folder: pathlib.Path, stem: str, declared, values) -> None:
    for index, (info, value) in enumerate(zip(declared, values, strict=True)):
        proto = to_proto(value, info.type, info.name)
        (folder / f"{stem}_{index}.pb").write_bytes(proto.SerializeToString(deterministic=True))


def write_case(case, folder: pathlib.Path) -> None:
    folder.mkdir()
    (folder / "model.onnx").write_bytes(case.model.SerializeToString(deterministic=True))
    (folder / "tolerance.json").write_text(json.dumps({"rtol": case.rtol, "atol": case.atol}) + "\n")
    for index, (inputs, outputs) in enumerate(case.data_sets):
        data = folder / f"test_data_set_{index}"
        data.mkdir()
        write_values(data, "input", case.model.graph.input, inputs)
        write_values(data, "output", case.model.graph.output, outputs)


def main() -> None:
    root = CACHE / f"onnx-node-tests-{onnx.__version__}"
    stamp = root / "jinx.stamp"
    if stamp.is_file():
        print(f"ONNX node tests: already there ({stamp.read_text().strip()} cases)")
        return
    fresh = root.with_name(root.name + f".{os.getpid()}")
    fresh.mkdir(parents=True)
    warnings.simplefilter("ignore", RuntimeWarning)  # the cases overflow and divide by zero on purpose
    cases = load_node_model_tests()
    for case in cases:
        write_case(case, fresh / case.name)
    if len(cases) != EXPECTED_CASES:
        raise SystemExit(f"error: onnx {onnx.__version__} made {len(cases)} cases, expected {EXPECTED_CASES}")
    (fresh / "jinx.stamp").write_text(f"{len(cases)}\n")
    shutil.rmtree(root, ignore_errors=True)
    fresh.rename(root)
    print(f"ONNX node tests: wrote {len(cases)} cases to {root}")


if __name__ == "__main__":
    main()
