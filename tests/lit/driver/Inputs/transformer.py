"""A transformer like BERT as an ONNX model, with random weights: two layers of attention and a feed-forward part.

    transformer.py FILE.onnx [--heads N] [--depth N] [--hidden N]
"""

import argparse

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

parser = argparse.ArgumentParser()
parser.add_argument("file")
parser.add_argument("--heads", type=int, default=4)
parser.add_argument("--depth", type=int, default=8)
parser.add_argument("--hidden", type=int, default=64)
args = parser.parse_args()
WIDTH = args.heads * args.depth
random = np.random.default_rng(7)
nodes, weights = [], []


def weight(name, *shape):
    weights.append(numpy_helper.from_array((random.standard_normal(shape) * shape[0] ** -0.5).astype(np.float32), name))
    return name


def constant(name, values, dtype):
    weights.append(numpy_helper.from_array(np.array(values, dtype), name))
    return name


def node(kind, name, inputs, **attributes):
    nodes.append(helper.make_node(kind, inputs, [name], name=name, **attributes))
    return name


def linear(name, x, rows, columns):
    y = node("MatMul", f"{name}/MatMul", [x, weight(f"{name}.weight", rows, columns)])
    return node("Add", f"{name}/Add", [weight(f"{name}.bias", columns), y])


def heads(name, x, order):
    return node("Transpose", f"{name}/Heads", [node("Reshape", f"{name}/Reshape", [x, "split"])], perm=order)


def norm(name, x):
    return node("LayerNormalization", name, [x, constant(f"{name}.scale", np.ones(WIDTH), np.float32), constant(f"{name}.shift", np.zeros(WIDTH), np.float32)], axis=-1)


constant("split", [0, 0, args.heads, args.depth], np.int64)
constant("join", [0, 0, WIDTH], np.int64)
constant("half", 0.5, np.float32), constant("one", 1, np.float32), constant("root", 2**-0.5, np.float32), constant("scale", args.depth**-0.5, np.float32)
x = "x"
for layer in range(2):
    at = f"layer.{layer}"
    q, k, v = (heads(f"{at}.{part}", linear(f"{at}.{part}", x, WIDTH, WIDTH), [0, 2, 3, 1] if part == "k" else [0, 2, 1, 3]) for part in "qkv")
    scores = node("Mul", f"{at}/scale", [node("MatMul", f"{at}/scores", [q, k]), "scale"])
    y = node("MatMul", f"{at}/attention", [node("Softmax", f"{at}/softmax", [scores], axis=-1), v])
    y = node("Reshape", f"{at}/join", [node("Transpose", f"{at}/back", [y], perm=[0, 2, 1, 3]), "join"])
    x = norm(f"{at}.norm1", node("Add", f"{at}/add1", [linear(f"{at}.o", y, WIDTH, WIDTH), x]))
    h = linear(f"{at}.up", x, WIDTH, args.hidden)
    e = node("Add", f"{at}/erf1", [node("Erf", f"{at}/erf", [node("Mul", f"{at}/erf0", [h, "root"])]), "one"])
    h = node("Mul", f"{at}/gelu", [node("Mul", f"{at}/half", [h, "half"]), e])
    x = norm(f"{at}.norm2", node("Add", f"{at}/add2", [linear(f"{at}.down", h, args.hidden, WIDTH), x]))
nodes.append(helper.make_node("Identity", [x], ["y"], name="end"))
shape = ["batch", "seq", WIDTH]
graph = helper.make_graph(nodes, "transformer", [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)], [helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)], weights)
onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), args.file)
