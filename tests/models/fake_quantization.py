"""What would an ONNX model answer if its products were quantized? The same model with every rounding written out in plain float operators.

`rewritten(model, scheme, extents)` changes the Conv, Gemm and MatMul nodes with a constant weight: the weight becomes what its codes stand
for (tests/numeric/quant_reference.py), the other operand passes through the rounding of its scheme. Products of two computed values,
biases and everything else stay. The result runs in onnxruntime and shows what a scheme can reach; no code of the product takes part.

    int8           weights int8 per channel, operands unsigned 8 bits with a zero point over the calibrated range
    int8-dynamic   weights int8 per channel, operands int8 with one scale a row (Conv: a picture) at run time
    fp8            weights E4M3 per channel, operands E4M3 with one scale of the calibrated magnitude
    int4, nf4      weights of Gemm and MatMul only: groups of 32, searched scales; groups of 64
"""

import copy
import pathlib
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

import model_runs
from packages import ROOT

sys.path.insert(0, str(ROOT / "tests" / "numeric"))
import quant_reference as q  # noqa: E402

SCHEMES = ("int8", "int8-dynamic", "fp8", "int4", "nf4")
PRODUCTS = ("Conv", "Gemm", "MatMul")


def constants_of(model: onnx.ModelProto) -> dict[str, np.ndarray]:
    found = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "Constant" and node.attribute[0].name == "value":
            found[node.output[0]] = numpy_helper.to_array(node.attribute[0].t)
    return found


def products(model: onnx.ModelProto, constants: dict) -> list[onnx.NodeProto]:
    """Those with one constant operand, a filter or a matrix, on the right."""

    def takes_part(n):
        return n.op_type in PRODUCTS and n.input[1] in constants and n.input[0] not in constants and (n.op_type == "Conv" or constants[n.input[1]].ndim == 2)

    return [n for n in model.graph.node if takes_part(n)]


def columns(node: onnx.NodeProto, w: np.ndarray) -> np.ndarray:
    """The weight as a matrix [k, n] (a view or a copy); `uncolumns` turns it back."""
    if node.op_type == "Conv":
        return w.reshape(len(w), -1).T
    return w.T if is_turned(node) else w


def uncolumns(node: onnx.NodeProto, matrix: np.ndarray, shape) -> np.ndarray:
    return (matrix.T if node.op_type == "Conv" or is_turned(node) else matrix).reshape(shape)


def is_turned(node: onnx.NodeProto) -> bool:
    return any(a.name == "transB" and a.i for a in node.attribute)


def extents_of(model: onnx.ModelProto, inputs: list[dict]) -> dict[str, tuple[float, float]]:
    """The least and the largest element of every product's operand over the calls."""
    wanted = sorted({node.input[0] for node in products(model, constants_of(model))} - {value.name for value in model.graph.input})
    seen = copy.deepcopy(model)
    del seen.graph.output[:]
    seen.graph.output.extend(onnx.ValueInfoProto(name=name) for name in wanted)
    run, extents = model_runs.open_bytes(seen.SerializeToString(), 2), {}
    for call in inputs:
        for name, value in {**run(call), **call}.items():
            low, high = extents.get(name, (0.0, 0.0))
            extents[name] = min(low, float(value.min())), max(high, float(value.max()))
    return extents


def weight_values(scheme: str, op_type: str, matrix: np.ndarray) -> np.ndarray:
    matrix = matrix.astype(np.float64)
    if scheme in ("int8", "int8-dynamic"):
        return q.int8_per_channel(matrix).values()
    if scheme == "fp8":
        return q.fp8(matrix, "channel").values()
    if op_type == "Conv":
        return matrix
    return (q.int4_groups_searched(matrix, 32) if scheme == "int4" else q.nf4(matrix, 64)).values()


class Rewriter:
    """Puts the rounding of an operand in front of the nodes that read it, once a value."""

    def __init__(self, scheme: str, extents: dict):
        self.scheme, self.extents = scheme, extents
        self.nodes, self.constants, self.done = [], [], {}  # nodes: the new graph's, in order

    def node(self, operator: str, *inputs: str, **attributes) -> str:
        name = f"rounding_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, list(inputs), [name], name=name, **attributes))
        return name

    def number(self, value: float) -> str:
        name = f"rounding_constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.float32(value), name))
        return name

    def rounded(self, name: str, op_type: str) -> str:
        key = name, op_type == "Conv"
        if key not in self.done:
            maker = {"int8": self.static, "int8-dynamic": self.dynamic, "fp8": self.small_float}.get(self.scheme)
            self.done[key] = maker(name, op_type) if maker else name
        return self.done[key]

    def static(self, x: str, _) -> str:
        coded = q.uint8_per_tensor(np.zeros(1), *self.extents[x])
        scale, zero = self.number(coded.scale), self.number(coded.zero)
        steps = self.node("Add", self.node("Round", self.node("Div", x, scale)), zero)
        kept = self.node("Max", self.node("Min", steps, self.number(255)), self.number(0))
        return self.node("Mul", self.node("Sub", kept, zero), scale)

    def dynamic(self, x: str, op_type: str) -> str:
        over = [1, 2, 3] if op_type == "Conv" else [-1]
        self.constants.append(numpy_helper.from_array(np.int64(over), axes := f"rounding_constant_{len(self.constants)}"))
        extent = self.node("ReduceMax", self.node("Abs", x), axes, keepdims=1)
        scale = self.node("Max", self.node("Div", extent, self.number(127)), self.number(1e-30))
        return self.node("Mul", self.node("Round", self.node("Div", x, scale)), scale)

    def small_float(self, x: str, _) -> str:
        scale = self.number(max(map(abs, self.extents[x])) / q.E4M3_LARGEST)
        small = self.node("Cast", self.node("Div", x, scale), to=TensorProto.FLOAT8E4M3FN, saturate=1)
        return self.node("Mul", self.node("Cast", small, to=TensorProto.FLOAT), scale)


def rewritten(model: onnx.ModelProto, scheme: str, extents: dict) -> onnx.ModelProto:
    result, constants = copy.deepcopy(model), constants_of(model)
    rewriter, names = Rewriter(scheme, extents), {node.output[0] for node in products(model, constants)}
    for node in result.graph.node:
        if node.output[0] in names:
            w = constants[node.input[1]]
            value = uncolumns(node, weight_values(scheme, node.op_type, columns(node, w)), w.shape).astype(np.float32)
            rewriter.constants.append(numpy_helper.from_array(value, name := f"{node.output[0]}.weight.{scheme}"))
            node.input[1] = name
            node.input[0] = rewriter.rounded(node.input[0], node.op_type)
        rewriter.nodes.append(node)
    nodes = [copy.deepcopy(node) for node in rewriter.nodes]
    del result.graph.node[:]
    result.graph.node.extend(nodes)
    result.graph.initializer.extend(rewriter.constants)
    return result


def newer(path: pathlib.Path, opset: int = 19) -> onnx.ModelProto:
    """The model in an opset that has what the rounding needs (ReduceMax with axes as an input, casts to 8-bit floats)."""
    model = onnx.load(path)
    return model if model.opset_import[0].version >= opset else onnx.version_converter.convert_version(model, opset)
