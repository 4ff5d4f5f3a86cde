#!/usr/bin/env python3
"""How are handwritten digits told apart, by models small enough to train in a test? A perceptron and a convolutional network, trained here.

`mnist_5k.csv.gz`: 5,000 pictures of 28 x 28 from MNIST. Of each digit 400 train and 100 are held out. Training is NumPy in a fixed order from
fixed seeds (Adam, batches of 50), so that it needs no framework; sums may differ in their last bits from one machine to another, and the
models are kept in the cache with their training pictures and the held-out ones.

    mlp   x [n, 784]         MatMul 128, Add, Relu, MatMul 10, Add                            -> scores [n, 10]
    cnn   x [n, 1, 28, 28]   Conv 5x5 / 2 to 8, Relu, Conv 3x3 / 2 to 16, Relu, Gemm 10        -> scores [n, 10]

    digits.py           makes what is missing and prints how many of the held-out pictures each model tells right
"""

import gzip
import os

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from packages import CACHE, data

FORMAT = 1  # raise it when models or training change
EPOCHS, BATCH, RATE = 8, 50, 2e-3
FOLDER = CACHE / "made" / f"digits-{FORMAT}"


def pictures() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """(training pictures, labels, held-out pictures, labels); pictures f32 [n, 784] from 0 to 1."""
    table = np.loadtxt(gzip.open(data("mnist_5k.csv.gz")), delimiter=",", dtype=np.float32)
    x, labels = table[:, :-1] / 255, table[:, -1].astype(np.int64)
    order = np.random.default_rng(0).permutation(len(x))
    x, labels = x[order], labels[order]
    held = np.zeros(len(x), bool)
    for digit in range(10):
        held[np.flatnonzero(labels == digit)[:100]] = True
    return x[~held], labels[~held], x[held], labels[held]


# ---- layers: forward keeps what backward needs ------------------------------------------------------------------------


class Linear:
    def __init__(self, generator, inputs: int, outputs: int):
        self.w = (generator.standard_normal((inputs, outputs)) * np.sqrt(2 / inputs)).astype(np.float32)
        self.b = np.zeros(outputs, np.float32)

    def forward(self, x):
        self.x = x
        return x @ self.w + self.b

    def backward(self, dy):
        self.dw, self.db = self.x.reshape(-1, len(self.w)).T @ dy.reshape(-1, len(self.b)), dy.reshape(-1, len(self.b)).sum(0)
        return dy @ self.w.T


class Conv(Linear):
    """A linear layer on windows: [n, c, h, w] to [n, outputs, h / 2, w / 2]. w is [c * size * size, outputs]."""

    def __init__(self, generator, channels: int, outputs: int, size: int):
        super().__init__(generator, channels * size * size, outputs)
        self.channels, self.size = channels, size

    def forward(self, x):
        self.shape, pad = x.shape, self.size // 2
        padded = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
        windows = np.lib.stride_tricks.sliding_window_view(padded, (self.size, self.size), (2, 3))[:, :, ::2, ::2]
        n, _, height, width = windows.shape[:4]
        return super().forward(windows.transpose(0, 2, 3, 1, 4, 5).reshape(n, height, width, -1)).transpose(0, 3, 1, 2)

    def backward(self, dy):
        d = super().backward(dy.transpose(0, 2, 3, 1)).reshape(*dy.shape[:1], *dy.shape[2:], self.channels, self.size, self.size)
        n, c, height, width = self.shape
        pad = self.size // 2
        dx = np.zeros((n, c, height + 2 * pad, width + 2 * pad), np.float32)
        for i in range(self.size):
            for j in range(self.size):
                dx[:, :, i : i + 2 * dy.shape[2] : 2, j : j + 2 * dy.shape[3] : 2] += d[..., i, j].transpose(0, 3, 1, 2)
        return dx[:, :, pad : pad + height, pad : pad + width]


class Relu:
    def forward(self, x):
        self.kept = x > 0
        return x * self.kept

    def backward(self, dy):
        return dy * self.kept


class Flatten:
    def forward(self, x):
        self.shape = x.shape
        return x.reshape(len(x), -1)

    def backward(self, dy):
        return dy.reshape(self.shape)


def make(kind: str) -> list:
    generator = np.random.default_rng(1)
    if kind == "mlp":
        return [Linear(generator, 784, 128), Relu(), Linear(generator, 128, 10)]
    return [Conv(generator, 1, 8, 5), Relu(), Conv(generator, 8, 16, 3), Relu(), Flatten(), Linear(generator, 784, 10)]


def shaped(kind: str, x: np.ndarray) -> np.ndarray:
    return x if kind == "mlp" else x.reshape(-1, 1, 28, 28)


def forward(layers: list, x: np.ndarray) -> np.ndarray:
    for layer in layers:
        x = layer.forward(x)
    return x


def train(layers: list, x: np.ndarray, labels: np.ndarray) -> None:
    generator, moments, count = np.random.default_rng(2), {}, 0
    weighted = [layer for layer in layers if isinstance(layer, Linear)]
    for _ in range(EPOCHS):
        order = generator.permutation(len(x))
        for start in range(0, len(x), BATCH):
            batch, count = order[start : start + BATCH], count + 1
            scores = forward(layers, x[batch])
            p = np.exp(scores - scores.max(1, keepdims=True))
            p /= p.sum(1, keepdims=True)
            p[np.arange(len(batch)), labels[batch]] -= 1
            gradient = p / len(batch)
            for layer in reversed(layers):
                gradient = layer.backward(gradient)
            for layer in weighted:
                adam(layer, "w", layer.dw, moments, count)
                adam(layer, "b", layer.db, moments, count)


def adam(layer, name: str, gradient: np.ndarray, moments: dict, count: int) -> None:
    first, second = moments.get((id(layer), name), (0, 0))
    first, second = 0.9 * first + 0.1 * gradient, 0.999 * second + 0.001 * gradient**2
    moments[id(layer), name] = first, second
    step = RATE * (first / (1 - 0.9**count)) / (np.sqrt(second / (1 - 0.999**count)) + 1e-8)
    setattr(layer, name, (getattr(layer, name) - step).astype(np.float32))


# ---- files ------------------------------------------------------------------------------------------------------------


def to_onnx(kind: str, layers: list) -> onnx.ModelProto:
    nodes, constants, value = [], [], "x"

    def add(operator, inputs, **attributes):
        nonlocal value
        out = "scores" if layer is layers[-1] and operator in ("Add", "Gemm") else f"{operator.lower()}{len(nodes)}"
        nodes.append(helper.make_node(operator, [value, *inputs], [out], name=out, **attributes))
        value = out

    def constant(name, array):
        constants.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    for index, layer in enumerate(layers):
        if isinstance(layer, Conv):
            w = constant(f"w{index}", layer.w.T.reshape(-1, layer.channels, layer.size, layer.size))
            add("Conv", [w, constant(f"b{index}", layer.b)], strides=[2, 2], pads=[layer.size // 2] * 4)
        elif isinstance(layer, Linear) and kind == "cnn":
            add("Gemm", [constant(f"w{index}", layer.w.T), constant(f"b{index}", layer.b)], transB=1)
        elif isinstance(layer, Linear):
            add("MatMul", [constant(f"w{index}", layer.w)])
            add("Add", [constant(f"b{index}", layer.b)])
        else:
            add(type(layer).__name__, [])
    shape = ["n", 784] if kind == "mlp" else ["n", 1, 28, 28]
    inputs, outputs = (helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in (("x", shape), ("scores", ["n", 10])))
    graph = helper.make_graph(nodes, f"digits-{kind}", [inputs], [outputs], constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9, producer_name="digits.py")


def cached():
    """FOLDER with mlp.onnx, cnn.onnx and pictures.npz (x, labels: held out; training: pictures to calibrate on), made if need be."""
    if not FOLDER.is_dir():
        fresh = FOLDER.with_name(f"{FOLDER.name}.{os.getpid()}")
        fresh.mkdir(parents=True)
        x, labels, held, held_labels = pictures()
        np.savez(fresh / "pictures.npz", x=held, labels=held_labels, training=x[:200])
        for kind in ("mlp", "cnn"):
            layers = make(kind)
            train(layers, shaped(kind, x), labels)
            (fresh / f"{kind}.onnx").write_bytes(to_onnx(kind, layers).SerializeToString())
            np.save(fresh / f"{kind}.scores.npy", forward(layers, shaped(kind, held)))
        fresh.rename(FOLDER)
    return FOLDER


def main() -> None:
    import model_runs

    folder = cached()
    held = np.load(folder / "pictures.npz")
    for kind in ("mlp", "cnn"):
        scores = model_runs.open_onnx(folder / f"{kind}.onnx", 2)({"x": shaped(kind, held["x"])})["scores"]
        difference = np.abs(scores - np.load(folder / f"{kind}.scores.npy")).max()
        print(f"{kind}: {np.mean(scores.argmax(1) == held['labels']):.1%} of {len(scores)}, {difference:.1e} from the trained layers")


if __name__ == "__main__":
    main()
