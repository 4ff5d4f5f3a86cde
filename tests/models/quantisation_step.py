#!/usr/bin/env python3
"""How far may the outputs of a quantised model differ from onnxruntime's? Measures one quantisation step at the output.

Inside such a model activations are rounded to 8 bits while it runs (DynamicQuantizeLinear, DynamicQuantizeLSTM). Two
right implementations differ in the last bit of a float before that rounding; where the value lies beside the middle
between two steps, they round to neighbouring steps, and the whole step goes on to the output (in a recurrence, into
every later time step). No tolerance smaller than that step tells right from wrong.

So the step is measured in onnxruntime itself: the float parameters (vectors and matrices; scales stay as they are) are
multiplied by 1 + k * 2^-24 * normal noise, k = 1, 4, 16, which is what different summation orders do, and every kept
case runs again. The largest change of an element over all cases and seeds is the output's step, and the largest mean
change over its elements shows how few of them move. Both are written by hand, rounded up, into cases.json under
`quantisation_steps`, where check_models.py reads them.

    quantisation_step.py ID [--seeds N]
"""

import argparse
import json

import numpy as np
import onnx
import onnxruntime

import oracle


def perturbed(model: onnx.ModelProto, seed: int, units: int) -> bytes:
    generator = np.random.default_rng([seed, units])
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    for tensor in copy.graph.initializer:
        if tensor.data_type == onnx.TensorProto.FLOAT and np.prod(tensor.dims) >= 8:
            values = onnx.numpy_helper.to_array(tensor)
            noise = units * 2.0**-24 * generator.standard_normal(values.shape)
            tensor.CopyFrom(onnx.numpy_helper.from_array((values * (1 + noise)).astype(np.float32), tensor.name))
    return copy.SerializeToString()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("id")
    parser.add_argument("--seeds", type=int, default=16)
    options = parser.parse_args()
    model = onnx.load(oracle.CACHE / "models" / f"{options.id}.onnx")
    session_options = onnxruntime.SessionOptions()
    session_options.log_severity_level = 3
    session_options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    folders = sorted(path.parent for path in (oracle.CACHE / "oracle" / options.id).glob("*/case.json"))
    steps: dict[str, tuple[float, float]] = {}
    for units in (1, 4, 16):
        changes: dict[tuple[str, str], list[tuple[float, float]]] = {}
        for seed in range(options.seeds):
            session = onnxruntime.InferenceSession(perturbed(model, seed, units), session_options)
            names = [output.name for output in session.get_outputs()]
            for folder in folders:
                about = json.loads((folder / "case.json").read_text())
                inputs = {name: np.load(folder / "inputs" / entry["file"]) for name, entry in about["inputs"].items()}
                for name, got in zip(names, session.run(names, inputs)):
                    expected = np.load(folder / "outputs" / oracle.file_name(name))
                    error = np.abs(got.astype(np.float64) - expected)
                    change = float(np.max(error)), float(np.mean(error))
                    changes.setdefault((folder.name, name), []).append(change)
                    steps[name] = tuple(max(pair) for pair in zip(steps.get(name, (0.0, 0.0)), change))
        for (case, name), values in changes.items():
            moved = sum(value > 1e-3 for value, _ in values)
            largest, mean = (max(column) for column in zip(*values))
            text = f"largest {largest:.4f}, largest mean {mean:.5f}, moved in {moved} of {len(values)}"
            print(f"k={units:2} {case:12} {name}: {text}", flush=True)
    print("; ".join(f"{name}: largest {largest:.4f}, mean {mean:.5f}" for name, (largest, mean) in steps.items()))


if __name__ == "__main__":
    main()
