#!/usr/bin/env python3
"""What should a model answer? Runs it in onnxruntime on seeded inputs and keeps inputs and outputs.

For every case of a named model (`time`: the shapes of models.json; the others: cases.json) the folder
$JINX_CACHE/oracle/ID/CASE/ holds

    inputs/NAME.npy    outputs/NAME.npy    case.json

with `/` in names written `_`. case.json says what was run and, for each output, its shape and how far
onnxruntime with all its graph optimisations is from onnxruntime with none, which is what is kept.

Inputs come from numpy's default_rng(seed), in the order in which the graph declares them: floats are
standard normal, integers 0 or 1. A case may set `values`: {input: number | list | "ramp" | "page" |
{"integers": [low, high]}}, where high is excluded and a page is an NCHW picture of lines of dark marks,
which a text detector answers with something other than nearly nothing. A shape may differ from what the graph declares,
even from fixed dims: the declaration then yields.

    oracle.py --all | ID…                     the kept cases
    oracle.py MODEL.onnx --shape x=1,3,8,8 … --output-dir D [--seed N] [--value x=0,1,0] [--optimize]
"""

import argparse
import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import sys

import numpy as np
import onnx
import onnxruntime

HERE = pathlib.Path(__file__).resolve().parent
FETCH = HERE.parent.parent / "tools" / "models" / "fetch.py"
TABLE = FETCH.with_name("models.json")
CACHE = pathlib.Path(os.environ.get("JINX_CACHE") or pathlib.Path.home() / ".cache" / "jinx")
FORMAT = 2  # raise it when what a folder holds changes: kept cases are then made again


def file_name(tensor_name: str) -> str:
    return tensor_name.replace("/", "_") + ".npy"


def make_page(generator: np.random.Generator, shape: list[int]) -> np.ndarray:
    """Marks of 3 x 3 pixels, four rows of them to a line and a line every 24 pixels; 2 is paper, -2 is ink."""
    batch, _, height, width = shape
    page = np.full((batch, 1, height, width), 2.0)
    for top in range(8, height - 12, 24):
        marks = generator.integers(0, 2, size=(batch, 1, 4, (width - 16) // 3)).repeat(3, 2).repeat(3, 3)
        page[:, :, top : top + 12, 8 : 8 + marks.shape[3]] -= 4 * marks
    return np.broadcast_to(page, shape)


def make_value(generator: np.random.Generator, dtype: np.dtype, shape: list[int], rule) -> np.ndarray:
    """One input, by its rule; None is the default rule of its type."""
    if rule == "ramp":
        size = int(np.prod(shape))
        return (np.arange(size, dtype=np.float32) / np.float32(size)).astype(dtype).reshape(shape)
    if rule == "page":
        return make_page(generator, shape).astype(dtype)
    if isinstance(rule, dict):
        return generator.integers(*rule["integers"], size=shape).astype(dtype)
    if rule is not None:
        return np.broadcast_to(np.array(rule, dtype=dtype), shape).copy()
    if np.issubdtype(dtype, np.floating):
        return generator.standard_normal(shape).astype(dtype)
    return generator.integers(0, 2, size=shape).astype(dtype)


def graph_inputs(model: onnx.ModelProto) -> list[onnx.ValueInfoProto]:
    weights = {tensor.name for tensor in model.graph.initializer}
    return [value for value in model.graph.input if value.name not in weights]


def declare_shapes(model: onnx.ModelProto, shapes: dict[str, list[int]]) -> None:
    """Makes every declared shape yield to the caller's."""
    for value in graph_inputs(model):
        dims = value.type.tensor_type.shape.dim
        for dim, size in zip(dims, shapes[value.name], strict=True):
            if dim.HasField("dim_value") and dim.dim_value != size:
                dim.dim_value = size
                for stale in model.graph.output:
                    stale.type.tensor_type.ClearField("shape")
                del model.graph.value_info[:]


def make_inputs(model: onnx.ModelProto, shapes: dict, values: dict, seed: int) -> dict[str, np.ndarray]:
    generator = np.random.default_rng(seed)
    inputs = {}
    for value in graph_inputs(model):
        dtype = onnx.helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type)
        inputs[value.name] = make_value(generator, dtype, shapes[value.name], values.get(value.name))
    return inputs


def run(model: onnx.ModelProto, inputs: dict[str, np.ndarray], optimize: bool) -> dict[str, np.ndarray]:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    # With several threads DynamicQuantizeLSTM splits the batch and quantises each part by itself: an answer that depends
    # on the machine.
    options.intra_op_num_threads = 1
    level = onnxruntime.GraphOptimizationLevel
    options.graph_optimization_level = level.ORT_ENABLE_ALL if optimize else level.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, inputs)))


def difference(left: np.ndarray, right: np.ndarray) -> float | None:
    """The largest absolute difference; None when the shapes differ."""
    if left.shape != right.shape:
        return None
    return float(np.max(np.abs(left.astype(np.float64) - right.astype(np.float64)), initial=0.0))


def save(folder: pathlib.Path, tensors: dict[str, np.ndarray]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, value in tensors.items():
        np.save(folder / file_name(name), value)


def describe(tensors: dict[str, np.ndarray]) -> dict:
    return {
        name: {"file": file_name(name), "dtype": str(value.dtype), "shape": list(value.shape)}
        for name, value in tensors.items()
    }


def make_case(model_path: pathlib.Path, case: dict, folder: pathlib.Path, key: str) -> None:
    model = onnx.load(model_path)
    declare_shapes(model, case["shapes"])
    inputs = make_inputs(model, case["shapes"], case["values"], case["seed"])
    outputs = run(model, inputs, optimize=False)
    optimized = run(model, inputs, optimize=True)
    about = {"key": key, "seed": case["seed"], "onnxruntime": onnxruntime.__version__}
    about |= {"inputs": describe(inputs), "outputs": describe(outputs)}
    for name, entry in about["outputs"].items():
        entry["finite"] = bool(np.all(np.isfinite(outputs[name])))
        entry["optimized_max_abs_diff"] = difference(outputs[name], optimized[name])
    fresh = folder.with_name(f"{folder.name}.{os.getpid()}")
    save(fresh / "inputs", inputs)
    save(fresh / "outputs", outputs)
    (fresh / "case.json").write_text(json.dumps(about, indent=1) + "\n")
    shutil.rmtree(folder, ignore_errors=True)
    fresh.rename(folder)


def cases_of(model: dict, more: list[dict]) -> list[dict]:
    """The case `time` of models.json and those of cases.json; a case inherits shapes and values from `time`."""
    shapes = {entry["name"]: entry["time_at"] for entry in model["inputs"]}
    values = {entry["name"]: entry["value"] for entry in model["inputs"] if "value" in entry}
    return [
        {
            "name": case["name"],
            "seed": case.get("seed", 0),
            "shapes": shapes | case.get("shapes", {}),
            "values": values | case.get("values", {}),
        }
        for case in [{"name": "time"}, *more]
    ]


def is_kept(folder: pathlib.Path, key: str) -> bool:
    about = folder / "case.json"
    return about.is_file() and json.loads(about.read_text())["key"] == key


def make_named(model: dict, more: list[dict]) -> tuple[int, int]:
    """Makes what is missing of one named model; returns (made, kept before)."""
    made = kept = 0
    for case in cases_of(model, more):
        folder = CACHE / "oracle" / model["id"] / case["name"]
        facts = [FORMAT, model["sha256"], onnxruntime.__version__, case]
        key = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
        if is_kept(folder, key):
            kept += 1
            continue
        folder.parent.mkdir(parents=True, exist_ok=True)
        make_case(CACHE / "models" / f"{model['id']}.onnx", case, folder, key)
        print(f"{model['id']}/{case['name']}: {' '.join(f'{n}{s}' for n, s in case['shapes'].items())}", flush=True)
        made += 1
    return made, kept


def make_all(ids: list[str]) -> None:
    table = {model["id"]: model for model in json.loads(TABLE.read_text())["models"]}
    more = json.loads((HERE / "cases.json").read_text())["cases"]
    unknown = [name for name in ids if name not in table]
    if unknown:
        raise SystemExit(f"error: {unknown[0]} is neither a model of models.json nor a file")
    chosen = ids or list(table)
    subprocess.run([sys.executable, str(FETCH), *chosen], check=True)
    counts = [make_named(table[name], more.get(name, [])) for name in chosen]
    print(f"expected outputs: {sum(c[0] for c in counts)} cases made, {sum(c[1] for c in counts)} already there")


def parse_pairs(texts: list[str], kind) -> dict[str, list]:
    """NAME=1,2,3 …; the name may hold `=`, and no number may be given (a scalar's shape)."""
    pairs = (text.rpartition("=") for text in texts)
    return {name: [kind(number) for number in numbers.split(",") if number] for name, _, numbers in pairs}


def make_one(options: argparse.Namespace) -> None:
    model = onnx.load(options.models[0])
    shapes = parse_pairs(options.shape, int)
    missing = [value.name for value in graph_inputs(model) if value.name not in shapes]
    if missing:
        raise SystemExit(f"error: no shape for the inputs {', '.join(missing)}: pass --shape NAME=SIZE,SIZE…")
    values = {name: list_ if len(list_) > 1 else list_[0] for name, list_ in parse_pairs(options.value, float).items()}
    declare_shapes(model, shapes)
    inputs = make_inputs(model, shapes, values, options.seed)
    save(options.output_dir / "inputs", inputs)
    save(options.output_dir / "outputs", run(model, inputs, options.optimize))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", metavar="ID|MODEL.onnx")
    parser.add_argument("--all", action="store_true", help="every named model")
    parser.add_argument("--shape", action="append", default=[], metavar="NAME=SIZES")
    parser.add_argument("--value", action="append", default=[], metavar="NAME=NUMBERS")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--optimize", action="store_true", help="with onnxruntime's graph optimisations")
    parser.add_argument("--output-dir", type=pathlib.Path)
    options = parser.parse_args()
    if len(options.models) == 1 and options.output_dir:
        make_one(options)
    elif options.models or options.all:
        make_all(options.models)
    else:
        parser.error("name models, or --all, or a file with --output-dir")


if __name__ == "__main__":
    main()
