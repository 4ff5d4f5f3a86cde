#!/usr/bin/env python3
"""Is a network that onnxruntime's own quantizer quantized one of integers here, and is it right?

resnet50-thin, its batch norms folded, is quantized statically (QDQ: activations of unsigned bytes, weights of signed ones with a scale for each
channel) over random images. It must compile to products and convolutions of bytes, all but those that a remark excuses, and agree with
onnxruntime in the logits within two steps of their quantization: two right programs differ where a rounding of f32 decides between two
bytes, and those differences travel.

    quantized.py --jinx build/dev/bin/jinx [--library libjinx.so] [--folder DIR]

Exit status 77: the model, or a package, is not here.
"""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import jinx_capi  # noqa: E402
import oracle  # noqa: E402

MODEL = "resnet50-thin"
PRODUCTS = 54  # 53 convolutions and the last layer
MEANS = np.float32([104, 117, 123])
STEPS = 2


def images(seed: int, count: int) -> list[np.ndarray]:
    generator = np.random.default_rng(seed)
    return [generator.random((1, 224, 224, 3), dtype=np.float32) * 255 - MEANS for _ in range(count)]


def quantize(source: pathlib.Path, target: pathlib.Path) -> None:
    """The model with its batch norms folded, as `target` without its ending plus -f32.onnx, and quantized, as `target`."""
    import onnx
    import onnx.version_converter
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Reader(CalibrationDataReader):
        def __init__(self, name):
            self.left = iter([{name: image} for image in images(0, 4)])

        def get_next(self):
            return next(self.left, None)

    prepared = float_model(target)
    onnx.save(onnx.version_converter.convert_version(onnx.load(source), 17), prepared)  # DequantizeLinear has an axis from 13 on
    quant_pre_process(str(prepared), str(prepared), skip_symbolic_shape=True)
    name = onnx.load(prepared).graph.input[0].name
    quantize_static(str(prepared), str(target), Reader(name), quant_format=QuantFormat.QDQ, per_channel=True,
                    activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8)


def float_model(quantized: pathlib.Path) -> pathlib.Path:
    return quantized.with_name(quantized.stem + "-f32.onnx")


def with_logits(path: pathlib.Path) -> tuple[pathlib.Path, float]:
    """The model that also gives what its softmax reads, and the step of that."""
    import onnx

    model = onnx.load(path)
    softmax = next(node for node in model.graph.node if node.op_type == "Softmax")
    constants = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    dequantize = next(node for node in model.graph.node if softmax.input[0] in node.output)
    model.graph.output.append(onnx.helper.make_tensor_value_info(softmax.input[0], onnx.TensorProto.FLOAT, None))
    out = path.with_name(path.stem + "-logits.onnx")
    onnx.save(model, out)
    return out, float(constants[dequantize.input[1]])


def compile_plan(jinx: pathlib.Path, model: pathlib.Path, plan: pathlib.Path) -> list[dict]:
    """Compiles, and gives the remarks."""
    remarks = plan.with_suffix(".jsonl")
    subprocess.run([str(jinx), "compile", str(model), "-o", str(plan), "--remarks", str(remarks)], check=True, capture_output=True)
    return [json.loads(line) for line in remarks.read_text().splitlines()]


def count_products(remarks: list[dict]) -> tuple[int, list[str]]:
    """How many became products of bytes, and why others did not."""
    ours = [r for r in remarks if r["pass"] == "jinx-narrow-products"]
    return sum(r["name"] == "Narrowed" for r in ours), [r["message"] for r in ours if r["name"] == "Kept"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jinx", type=pathlib.Path, required=True)
    parser.add_argument("--library", type=pathlib.Path, default=jinx_capi.ROOT / "build" / "dev" / "lib" / "libjinx.so")
    parser.add_argument("--folder", type=pathlib.Path)
    options = parser.parse_args()
    source = oracle.CACHE / "models" / f"{MODEL}.onnx"
    try:
        import onnxruntime
        import onnxruntime.quantization  # noqa: F401
    except ImportError as error:
        print(f"skipped: {error}")
        raise SystemExit(77)
    if not source.is_file():
        print(f"skipped: there is no {source}: run ./dev models {MODEL}")
        raise SystemExit(77)
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or pathlib.Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        quantize(source, folder / "quantized.onnx")
        model, step = with_logits(folder / "quantized.onnx")
        narrow, kept = count_products(compile_plan(options.jinx, model, folder / "quantized.jxp"))
        print(f"{narrow} of {PRODUCTS} products and convolutions are of bytes; left as they are: {kept or 'none'}")
        theirs = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
        ours = jinx_capi.Session(jinx_capi.Library(options.library), folder / "quantized.jxp", threads=1)
        name, worst = theirs.get_inputs()[0].name, 0.0
        for image in images(1, 3):
            want, got = theirs.run(None, {name: image}), ours.run({name: image})
            logits = theirs.get_outputs()[1].name
            worst = max(worst, float(np.abs(got[logits] - want[1]).max()) / step)
        print(f"logits differ from onnxruntime's by at most {worst:.2f} steps of {step:.4g}, expected at most {STEPS}")
    if worst > STEPS or not np.isfinite(worst) or narrow < PRODUCTS:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
