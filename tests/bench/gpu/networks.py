"""ResNet-50 and BERT-base, each written once: as an ONNX model, as torch's calls, as numpy's, and as counts of operations and weights.

A network is a function of a backend `o`, its input and its sizes. `o.weight(shape, scale)` gives the next weight; its numbers are drawn
from four values (two bits), by seed, so that plans with constants can travel to a GPU machine in little space (carry.py). All contenders
get the same. Batch normalization is folded into the convolutions before them, as exporters do; the image comes channels last.
"""

import math

import numpy as np

EPSILON = 1e-12
LEVELS = np.array([-1.5104, -0.4528, 0.4528, 1.5104])  # of a normal distribution at two bits a number


def resnet50(o, x, image=224, width=64, blocks=(3, 4, 6, 3), classes=1000):
    """torchvision's resnet50: bottlenecks, stride on the 3x3 convolution. x: [n, image, image, 3]."""
    x = o.channels_first(x)
    x = o.relu(o.conv(x, 3, width, 7, 2))
    x = o.max_pool(x)
    channels = width
    for stage, count in enumerate(blocks):
        inner, outer = width * 2**stage, 4 * width * 2**stage
        for block in range(count):
            stride = 2 if block == 0 and stage > 0 else 1
            y = o.relu(o.conv(x, channels, inner, 1, 1))
            y = o.relu(o.conv(y, inner, inner, 3, stride))
            y = o.conv(y, inner, outer, 1, 1, gain=0.5)
            if block == 0:
                x = o.conv(x, channels, outer, 1, stride)
            x = o.relu(o.add(x, y))
            channels = outer
    return o.linear(o.flat_mean(x), channels, classes)


def bert(o, ids, tokens=128, hidden=768, layers=12, heads=12, inner=3072, words=30522, positions=512):
    """BERT's embeddings and encoder, of one segment and without padding: no mask. ids: [n, tokens]."""
    x = o.embed(ids, words, hidden)
    x = o.add(x, o.weight((tokens, hidden)))  # of `positions`, the first ones
    x = o.add(x, o.weight((hidden,)))
    x = o.layer_norm(x, hidden)
    for _ in range(layers):
        q, k, v = (o.linear(x, hidden, hidden) for _ in range(3))
        x = o.layer_norm(o.add(x, o.linear(o.attention(q, k, v, heads, hidden // heads), hidden, hidden)), hidden)
        x = o.layer_norm(o.add(x, o.linear(o.gelu(o.linear(x, hidden, inner)), inner, hidden)), hidden)
    return x


NETWORKS = {"resnet50": resnet50, "bert": bert}


class Weights:
    """The numbers, in the order in which a network asks for them."""

    def __init__(self, seed: int = 7):
        self.bits = np.random.PCG64(seed)  # raw output: the same in every numpy

    def draw(self, shape, scale: float, levels=LEVELS) -> np.ndarray:
        count = math.prod(shape)
        raw = self.bits.random_raw((count + 31) // 32)
        two = (raw[:, None] >> np.arange(0, 64, 2, dtype=np.uint64)) & np.uint64(3)
        return (levels[two.reshape(-1)[:count].astype(np.intp)] * scale).astype(np.float32).reshape(shape)


class Backend:
    """What networks are written in: weights in their order, and the composed operators."""

    def __init__(self, seed: int = 7):
        self.weights = Weights(seed)

    def constant(self, array, role: str):
        """A weight as the backend's value. Roles: "conv", "linear" ([inputs, outputs]), "table", "other"."""
        raise NotImplementedError

    def weight(self, shape, scale: float = 1.0, role: str = "other"):
        return self.constant(self.weights.draw(shape, scale), role)

    def conv(self, x, channels, filters, kernel, stride, gain=1.0):
        scale = gain * math.sqrt(2.0 / (channels * kernel * kernel))
        w, b = self.weight((filters, channels, kernel, kernel), scale, "conv"), self.weight((filters,), 0.1)
        return self.convolution(x, w, b, stride, kernel // 2)

    def linear(self, x, inputs, outputs):
        w, b = self.weight((inputs, outputs), 1 / math.sqrt(inputs), "linear"), self.weight((outputs,), 0.1)
        return self.product(x, w, b)

    def layer_norm(self, x, hidden):
        gain, shift = self.constant(1 + self.weights.draw((hidden,), 0.2), "other"), self.weight((hidden,), 0.1)
        return self.normalize(x, gain, shift)

    def embed(self, ids, words, hidden):
        """The largest weight has one bit a number."""
        return self.lookup(self.constant(self.weights.draw((words, hidden), 1.0, np.array([-1.0, 1.0, -1.0, 1.0])), "table"), ids)


class Counter(Backend):
    """Values are shapes: how many operations in products, and how many weights? With `collect` also the weights themselves, with roles."""

    def __init__(self, collect: bool = False):
        super().__init__()
        self.flops, self.parameters, self.collect, self.collected = 0, 0, collect, []

    def weight(self, shape, scale=1.0, role="other"):
        if self.collect:
            return super().weight(shape, scale, role)
        self.parameters += math.prod(shape)
        return tuple(shape)

    def constant(self, array, role):
        self.parameters += array.size
        if self.collect:
            self.collected.append((role, array))
        return array.shape

    def lookup(self, table, ids):
        return (*ids, table[1])

    def normalize(self, x, gain, shift):
        return x

    def channels_first(self, x):
        return (x[0], x[3], x[1], x[2])

    def convolution(self, x, w, b, stride, pad):
        out = tuple((d + 2 * pad - w[2]) // stride + 1 for d in x[2:])
        self.flops += 2 * x[0] * math.prod(out) * math.prod(w)
        return (x[0], w[0], *out)

    def max_pool(self, x):
        return (*x[:2], *((d + 2 - 3) // 2 + 1 for d in x[2:]))

    def flat_mean(self, x):
        return x[:2]

    def product(self, x, w, b):
        self.flops += 2 * math.prod(x) * w[1]
        return (*x[:-1], w[1])

    def attention(self, q, k, v, heads, depth):
        self.flops += 4 * math.prod(q) * k[1]
        return q

    def relu(self, x):
        return x

    gelu = relu

    def add(self, x, y):
        return x


class Onnx(Backend):
    """Values are names; `nodes` and `initializers` grow."""

    def __init__(self, dtype: str):
        super().__init__()
        self.dtype = {"f16": np.float16, "f32": np.float32}[dtype]
        self.nodes, self.initializers = [], []

    def constant(self, array, role):
        return self.put(array.astype(self.dtype))

    def put(self, array):
        from onnx import numpy_helper

        self.initializers.append(numpy_helper.from_array(array, f"w{len(self.initializers)}"))
        return self.initializers[-1].name

    def node(self, op, *inputs, **attributes):
        from onnx import helper

        name = f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, list(inputs), [name], name=f"{op}{len(self.nodes)}", **attributes))
        return name

    def channels_first(self, x):
        return self.node("Transpose", x, perm=[0, 3, 1, 2])

    def convolution(self, x, w, b, stride, pad):
        return self.node("Conv", x, w, b, strides=[stride, stride], pads=[pad] * 4)

    def max_pool(self, x):
        return self.node("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4)

    def flat_mean(self, x):
        return self.node("Flatten", self.node("GlobalAveragePool", x), axis=1)

    def product(self, x, w, b):
        return self.node("Add", self.node("MatMul", x, w), b)

    def relu(self, x):
        return self.node("Relu", x)

    def gelu(self, x):
        return self.node("Gelu", x)

    def add(self, x, y):
        return self.node("Add", x, y)

    def lookup(self, table, ids):
        return self.node("Gather", table, ids, axis=0)

    def normalize(self, x, gain, shift):
        return self.node("LayerNormalization", x, gain, shift, axis=-1, epsilon=EPSILON)

    def attention(self, q, k, v, heads, depth):
        shape, back = self.put(np.array([0, 0, heads, depth])), self.put(np.array([0, 0, heads * depth]))
        q, v = (self.node("Transpose", self.node("Reshape", t, shape), perm=[0, 2, 1, 3]) for t in (q, v))
        k = self.node("Transpose", self.node("Reshape", k, shape), perm=[0, 2, 3, 1])
        scores = self.node("Mul", self.node("MatMul", q, k), self.put(np.array(depth**-0.5, dtype=self.dtype)))
        mixed = self.node("MatMul", self.node("Softmax", scores, axis=-1), v)
        return self.node("Reshape", self.node("Transpose", mixed, perm=[0, 2, 1, 3]), back)


class Numpy(Backend):
    """In float64; the weights are rounded to the model's type before."""

    def __init__(self, dtype: str):
        super().__init__()
        self.dtype = {"f16": np.float16, "f32": np.float32}[dtype]

    def constant(self, array, role):
        return array.astype(self.dtype).astype(np.float64)

    def channels_first(self, x):
        return x.transpose(0, 3, 1, 2)

    @staticmethod
    def windows(x, kernel, stride, pad, value):
        padded = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)), constant_values=value)
        return np.lib.stride_tricks.sliding_window_view(padded, (kernel, kernel), (2, 3))[:, :, ::stride, ::stride]

    def convolution(self, x, w, b, stride, pad):
        return np.einsum("nchwij,ocij->nohw", self.windows(x, w.shape[2], stride, pad, 0), w, optimize=True) + b[:, None, None]

    def max_pool(self, x):
        return self.windows(x, 3, 2, 1, -np.inf).max((-1, -2))

    def flat_mean(self, x):
        return x.mean((2, 3))

    def product(self, x, w, b):
        return x @ w + b

    def relu(self, x):
        return np.maximum(x, 0)

    def gelu(self, x):
        return 0.5 * x * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))

    def add(self, x, y):
        return x + y

    def lookup(self, table, ids):
        return table[ids]

    def normalize(self, x, gain, shift):
        centred = x - x.mean(-1, keepdims=True)
        return centred / np.sqrt((centred * centred).mean(-1, keepdims=True) + EPSILON) * gain + shift

    def attention(self, q, k, v, heads, depth):
        n, tokens, _ = q.shape
        q, k, v = (t.reshape(n, tokens, heads, depth).transpose(0, 2, 1, 3) for t in (q, k, v))
        scores = q @ k.transpose(0, 1, 3, 2) / math.sqrt(depth)
        e = np.exp(scores - scores.max(-1, keepdims=True))
        return (e / e.sum(-1, keepdims=True) @ v).transpose(0, 2, 1, 3).reshape(n, tokens, heads * depth)


class TorchCalls(Backend):
    """torch's calls, on weights that are there already."""

    def __init__(self, torch, parameters):
        self.f, self.parameters, self.at = torch.nn.functional, parameters, -1

    def next(self):
        self.at += 1
        return self.parameters[self.at]

    def weight(self, shape, scale=1.0, role="other"):
        return self.next()

    def linear(self, x, inputs, outputs):
        w, b = self.next(), self.next()
        return self.f.linear(x, w, b)

    def layer_norm(self, x, hidden):
        gain, shift = self.next(), self.next()
        return self.f.layer_norm(x, (hidden,), gain, shift, EPSILON)

    def embed(self, ids, words, hidden):
        return self.f.embedding(ids, self.next())

    def channels_first(self, x):
        return x.permute(0, 3, 1, 2)

    def convolution(self, x, w, b, stride, pad):
        return self.f.conv2d(x, w, b, stride, pad)

    def max_pool(self, x):
        return self.f.max_pool2d(x, 3, 2, 1)

    def flat_mean(self, x):
        return x.mean((2, 3))

    def relu(self, x):
        return self.f.relu(x)

    def gelu(self, x):
        return self.f.gelu(x)

    def add(self, x, y):
        return x + y

    def attention(self, q, k, v, heads, depth):
        n, tokens, hidden = q.shape
        q, k, v = (t.view(n, tokens, heads, depth).transpose(1, 2) for t in (q, k, v))
        return self.f.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(n, tokens, hidden)


def collected(network: str, shape, sizes: dict) -> list:
    counter = Counter(collect=True)
    NETWORKS[network](counter, shape, **sizes)
    return counter.collected


def torch_module(torch, network: str, sizes: dict, weights: list, rounded, compute, device: str):
    """The network as a module; weights lie as torch's own modules have them, convolutions channels last."""

    def place(role, array):
        w = torch.from_numpy(array).to(rounded).to(compute).to(device)
        if role == "linear":
            return w.t().contiguous()
        return w.to(memory_format=torch.channels_last) if role == "conv" else w

    class Network(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.weights = torch.nn.ParameterList([torch.nn.Parameter(place(*w), requires_grad=False) for w in weights])

        def forward(self, x):
            return NETWORKS[network](TorchCalls(torch, self.weights), x, **sizes)

    return Network().eval()


def onnx_model(network: str, sizes: dict, dtype: str, given, result):
    """\param given, result  operands of the case"""
    from onnx import helper

    backend = Onnx(dtype)
    types = {"f16": 10, "f32": 1, "i64": 7}
    last = NETWORKS[network](backend, given.name, **sizes)
    backend.nodes[-1].output[0] = result.name
    assert last != given.name
    ends = [helper.make_tensor_value_info(o.name, types[o.dtype], o.shape) for o in (given, result)]
    graph = helper.make_graph(backend.nodes, network, ends[:1], ends[1:], backend.initializers)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
