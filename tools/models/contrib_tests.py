#!/usr/bin/env python3
"""What does onnxruntime answer for operators of com.microsoft? Writes cases in the format of ONNX's node tests.

ONNX has no node tests for them, so the oracle is the library that defines them, without graph optimisations, on random operands with a
fixed seed. Each case is written thrice: `NAME` with all operands as inputs of fixed sizes; `NAME_sizes` with named sizes, but for the last
axis, and with parameters (weights, scales, zero points) as initializers, as models have them; `NAME_symbols` with all operands as inputs
and every size named.

Tolerances follow from the arithmetic. With u = 2^-24: a sum of k products with sum |a||b| = m is off by at most (k + 2) u m, in either
library, in any order. A function of the C library is good for 4 u. Integers are exact: quantized operands are far from ties but for
chance, and the seed is fixed. A tolerance that is more names its reason.

The folder is $JINX_CACHE/contrib-tests; it is made anew when this file or onnxruntime changed. Needs `./dev setup`'s Python.
"""

import hashlib
import json
import os
import pathlib
import shutil

import numpy as np
import onnx
import onnxruntime
from onnx import helper, numpy_helper

CACHE = pathlib.Path(os.environ.get("JINX_CACHE") or pathlib.Path.home() / ".cache" / "jinx")
FOLDER = CACHE / "contrib-tests"
DOMAIN = "com.microsoft"
U = 2.0**-24


class Param:
    """An operand that models have as an initializer."""

    def __init__(self, value):
        self.value = np.asarray(value)


class Cases:
    def __init__(self, folder):
        self.folder, self.names = folder, []

    def add(self, name, op, operands, outputs=1, atol=0.0, rtol=4 * U, attributes=None, domain=DOMAIN, symbols=True):
        """Operands are arrays, Params, or None for omitted ones; `outputs` is a count, or a list of which are wanted. `symbols` is false
        for operators that onnxruntime does not take without sizes."""
        wanted = [True] * outputs if isinstance(outputs, int) else outputs
        for suffix in ("", "_sizes", "_symbols")[: 3 if symbols else 2]:
            model, feeds = self.model(op, operands, wanted, attributes or {}, domain, suffix)
            options = onnxruntime.SessionOptions()
            options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
            options.intra_op_num_threads = 1
            options.log_severity_level = 3
            session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
            results = session.run(None, feeds)
            assert all(np.isfinite(r).all() for r in results if r.dtype.kind == "f"), f"{name}: not finite"
            self.write(f"contrib_{name}{suffix}", model, feeds, results, atol, rtol)

    def model(self, op, operands, wanted, attributes, domain, variant):
        inputs, initializers, names, feeds = [], [], [], {}
        for i, operand in enumerate(operands):
            if operand is None:
                names.append("")
                continue
            value = operand.value if isinstance(operand, Param) else np.asarray(operand)
            names.append(f"i{i}")
            if variant == "_sizes" and isinstance(operand, Param):
                initializers.append(numpy_helper.from_array(value, f"i{i}"))
                continue
            dims = [f"n{size}" for size in value.shape] if variant else list(value.shape)
            if variant == "_sizes" and value.ndim:
                dims[-1] = value.shape[-1]
            inputs.append(helper.make_tensor_value_info(f"i{i}", helper.np_dtype_to_tensor_dtype(value.dtype), dims))
            feeds[f"i{i}"] = value
        outputs = [f"o{i}" if want else "" for i, want in enumerate(wanted)]
        node = helper.make_node(op, names, outputs, name="node", domain=domain, **attributes)
        infos = [onnx.ValueInfoProto(name=name) for name in outputs if name]
        graph = helper.make_graph([node], "contrib", inputs, infos, initializers)
        opsets = [helper.make_opsetid("", 20), helper.make_opsetid(DOMAIN, 1)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=10), feeds

    def write(self, name, model, feeds, results, atol, rtol):
        for info, result in zip(model.graph.output, results):
            declared = helper.make_tensor_value_info(info.name, helper.np_dtype_to_tensor_dtype(result.dtype), [None] * result.ndim)
            info.CopyFrom(declared)
        folder = self.folder / name
        data = folder / "test_data_set_0"
        data.mkdir(parents=True)
        (folder / "model.onnx").write_bytes(model.SerializeToString(deterministic=True))
        (folder / "tolerance.json").write_text(json.dumps({"rtol": rtol, "atol": atol}) + "\n")
        for stem, values in (("input", feeds.values()), ("output", results)):
            for i, value in enumerate(values):
                (data / f"{stem}_{i}.pb").write_bytes(numpy_helper.from_array(value).SerializeToString())
        self.names.append(name)


# ---- operands and errors -----------------------------------------------------------------------------------------------------------

G = np.random.default_rng(2024)


def normal(*shape):
    return G.standard_normal(shape).astype(np.float32)


def positive(*shape):
    return G.uniform(0.5, 1.5, shape).astype(np.float32)


def integers(dtype, *shape):
    info = np.iinfo(dtype)
    return G.integers(info.min, info.max + 1, shape).astype(dtype)


def scalar(value, dtype=np.float32):
    return np.array(value, dtype)


def product_error(a, b):
    """Of a @ b, both sides together."""
    k = a.shape[-1]
    return 2 * (k + 2) * U * float((np.abs(a).astype(np.float64) @ np.abs(b).astype(np.float64)).max())


def attention_error(q, k, v, size, scale, keys, extra=0.0):
    """Of softmax(scale q k') v with heads of `size`, both sides together. Logits that are off by d change weights by the factor exp(2 d),
    and sum |q||k| is at most |q||k|. `extra` is the error of elements of q, k and v themselves, relative to their lengths."""
    longest = lambda t: float(np.linalg.norm(t.reshape(-1, size), axis=1).max())
    logits = longest(q) * longest(k) * scale * ((size + 2) * U + 2 * extra)
    return 2 * float(np.abs(v).max()) * (2 * logits + 8 * U + (keys + 2) * U + extra)


# ---- cases by family ---------------------------------------------------------------------------------------------------------------


def activations(c):
    x, bias = 3 * normal(2, 3, 33), normal(33)
    # Half of x times 1 + erf or tanh, which is good for 4 u: absolute, since the sum cancels.
    error = 8 * U * float(np.abs(x).max() + np.abs(bias).max())
    c.add("gelu", "Gelu", [x], atol=error)
    c.add("bias_gelu", "BiasGelu", [x, Param(bias)], atol=error)
    c.add("fast_gelu", "FastGelu", [x], atol=error)
    c.add("fast_gelu_bias", "FastGelu", [x, Param(bias)], atol=error)
    c.add("quick_gelu", "QuickGelu", [x], rtol=32 * U, atol=error)
    c.add("quick_gelu_alpha", "QuickGelu", [x], attributes={"alpha": 1.0}, rtol=32 * U, atol=error)


def norms(c):
    for n in (33, 64):
        x, skip, gamma, beta, bias = normal(2, 5, n), normal(2, 5, n), positive(n), normal(n), normal(n)
        y = 4 * (n + 8) * U * np.sqrt(n)  # a normalized row has no element above sqrt(n)
        p = [Param(v) for v in (gamma, beta, bias)]
        c.add(f"skip_layer_norm_{n}", "SkipLayerNormalization", [x, skip, *p[:2]], atol=y, attributes={"epsilon": 1e-5})
        c.add(f"skip_layer_norm_bias_sum_{n}", "SkipLayerNormalization", [x, skip, *p], [True, False, False, True], atol=y)
        c.add(f"skip_layer_norm_no_beta_{n}", "SkipLayerNormalization", [x, skip, p[0]], atol=y)
        c.add(f"skip_rms_norm_{n}", "SkipSimplifiedLayerNormalization", [x, skip, p[0]], atol=y, attributes={"epsilon": 1e-6})
        c.add(f"skip_rms_norm_bias_sum_{n}", "SkipSimplifiedLayerNormalization", [x, skip, p[0], p[2]], [True, False, False, True], atol=y)
        c.add(f"rms_norm_{n}", "SimplifiedLayerNormalization", [x, p[0]], atol=y, attributes={"axis": -1, "epsilon": 1e-5}, domain="")
    ids = [G.integers(0, size, (2, 6)).astype(np.int32) for size in (17, 3)]
    tables = [Param(normal(size, 32)) for size in (17, 9, 3)]
    scale, mask = [Param(positive(32)), Param(normal(32))], (G.random((2, 6)) < 0.7).astype(np.int32)
    mask[:, 0] = 1
    y = 4 * (32 + 8) * U * np.sqrt(32)
    c.add("embed_layer_norm", "EmbedLayerNormalization", [*ids, *tables, *scale], 2, atol=y, symbols=False)
    c.add("embed_layer_norm_mask_sum", "EmbedLayerNormalization", [*ids, *tables, *scale, np.sort(mask)[:, ::-1].copy()], 3, atol=y, symbols=False)
    c.add("embed_layer_norm_no_segments", "EmbedLayerNormalization", [ids[0], None, *tables[:2], None, *scale], 2, atol=y, symbols=False)


def products(c):
    for name, (m, k, n) in {"odd": (3, 7, 5), "wide": (4, 64, 33), "row": (1, 128, 16)}.items():
        a, b, bias = normal(2, m, k), normal(k, n), normal(n)
        error = product_error(a, b)
        c.add(f"fused_matmul_{name}", "FusedMatMul", [a, Param(b)], atol=0.5 * error, attributes={"alpha": 0.5})
        c.add(f"fused_matmul_trans_b_{name}", "FusedMatMul", [a, Param(b.T.copy())], atol=error, attributes={"transB": 1})
        c.add(f"fused_matmul_trans_a_{name}", "FusedMatMul", [a.swapaxes(1, 2).copy(), Param(b)], atol=error, attributes={"transA": 1})
        c.add(f"transpose_matmul_{name}", "TransposeMatMul", [a, Param(b.T.copy())], atol=error, attributes={"transB": 1})
        for activation in ("Relu", "LeakyRelu", "Tanh", "Sigmoid"):
            attributes = {"activation": activation, "transB": 1, "alpha": 1.5, "beta": 0.5}
            if activation == "LeakyRelu":
                attributes["activation_alpha"] = 0.2
            c.add(f"fused_gemm_{activation}_{name}".lower(), "FusedGemm", [a[0], Param(b.T.copy()), Param(bias)], atol=2 * error + 8 * U,
                  attributes=attributes)
    x, w = normal(2, 4, 9, 9), normal(6, 4, 3, 3)
    error = 2 * (36 + 2) * U * float(np.abs(x).max() * np.abs(w).reshape(6, -1).sum(1).max())
    parameters = {"LeakyRelu": [0.1], "Clip": [-0.5, 0.75], "HardSigmoid": [0.3, 0.4]}
    for activation in ("Relu", "Sigmoid", "Tanh", "LeakyRelu", "Clip", "HardSigmoid"):
        attributes = {"activation": activation, "kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}
        if activation in parameters:
            attributes["activation_params"] = parameters[activation]
        c.add(f"fused_conv_{activation}".lower(), "FusedConv", [x, Param(w), Param(normal(6))], atol=error + 8 * U, attributes=attributes)
    c.add("fused_conv_sum", "FusedConv", [x, Param(w), Param(normal(6)), normal(2, 6, 9, 9)], atol=error + 8 * U,
          attributes={"activation": "Relu", "pads": [1, 1, 1, 1]})
    c.add("fused_conv_strided", "FusedConv", [x, Param(w)], atol=error, attributes={"activation": "Relu", "strides": [2, 2]})


def quantized_products(c):
    for name, (m, k, n) in {"odd": (3, 7, 5), "wide": (4, 64, 33)}.items():
        scale_a, bias = scalar(0.02), Param(normal(n))
        for b_type in (np.uint8, np.int8):
            a, b = integers(np.uint8, m, k), integers(b_type, k, n)
            zero_a, zero_b = scalar(119, np.uint8), Param(scalar(7, b_type))
            tag = f"{name}_{np.dtype(b_type).name}"
            # Integer sums are exact; scaling rounds a few times, and the bias cancels.
            error = 8 * U * 0.02 * 0.01 * k * 255 * 255
            operands = [a, Param(b), scale_a, Param(scalar(0.01)), zero_a, zero_b]
            c.add(f"matmul_integer_to_float_{tag}", "MatMulIntegerToFloat", operands, atol=error)
            c.add(f"matmul_integer_to_float_bias_{tag}", "MatMulIntegerToFloat", [*operands, bias], atol=error)
            per_column = [a, Param(b), scale_a, Param(positive(n) / 100), zero_a, Param(np.full(n, 7, b_type))]
            c.add(f"matmul_integer_to_float_columns_{tag}", "MatMulIntegerToFloat", per_column, atol=1.5 * error)
            x = normal(m, k)
            error = 8 * U * 0.01 * k * 255 * float(np.ptp(np.append(x, 0)))
            operands = [x, Param(b), Param(scalar(0.01)), zero_b]
            c.add(f"dynamic_quantize_matmul_{tag}", "DynamicQuantizeMatMul", operands, atol=error)
            c.add(f"dynamic_quantize_matmul_bias_{tag}", "DynamicQuantizeMatMul", [*operands, bias], atol=error)
    for bits, k, block in ((4, 64, 16), (4, 80, 32), (8, 64, 32)):
        n, m, blocks = 9, 3, -(-k // block)
        a = normal(m, k)
        packed, scales = integers(np.uint8, n, blocks, block * bits // 8), positive(n * blocks) / 8
        largest = 2**bits * 1.5 / 8
        error = 2 * (k + 4) * U * float(np.abs(a).sum(-1).max()) * largest
        attributes = {"K": k, "N": n, "bits": bits, "block_size": block}
        tag = f"{bits}bits_k{k}"
        c.add(f"matmul_nbits_{tag}", "MatMulNBits", [a, Param(packed), Param(scales)], atol=error, attributes=attributes)
        zeros = integers(np.uint8, n * -(-blocks * bits // 8))
        c.add(f"matmul_nbits_zeros_{tag}", "MatMulNBits", [a, Param(packed), Param(scales), Param(zeros)], atol=error, attributes=attributes)
    for kind in (0, 1):  # FP4, NF4
        k, n, block = 64, 8, 16
        a, packed, largest = normal(3, k), integers(np.uint8, k * n // 2), positive(k * n // block)
        c.add(f"matmul_bnb4_{('fp4', 'nf4')[kind]}", "MatMulBnb4", [a, Param(packed), Param(largest)],
              atol=2 * (k + 4) * U * float(np.abs(a).sum(-1).max()) * 1.5, attributes={"K": k, "N": n, "block_size": block, "quant_type": kind})


def quantized_elements(c):
    for dtype in (np.uint8, np.int8):
        tag = np.dtype(dtype).name
        zero = lambda value: Param(scalar(value if dtype == np.uint8 else value - 128, dtype))
        scale = lambda value: Param(scalar(value))
        a, b = integers(dtype, 2, 5, 33), integers(dtype, 2, 5, 33)
        for op, out in (("QLinearAdd", 0.075), ("QLinearMul", 0.06)):
            name = op[7:].lower()
            ab = lambda other: [a, scale(0.031), zero(120), other, scale(0.043), zero(135), scale(out), zero(128)]
            c.add(f"qlinear_{name}_{tag}", op, ab(b))
            c.add(f"qlinear_{name}_spread_{tag}", op, ab(Param(b[0, 0])))
        c.add(f"qlinear_sigmoid_{tag}", "QLinearSigmoid", [a, scale(0.047), zero(128), scale(0.0039), zero(0)])
        c.add(f"qlinear_leaky_relu_{tag}", "QLinearLeakyRelu", [a, scale(0.047), zero(128), scale(0.031), zero(60)], attributes={"alpha": 0.13})
        image = integers(dtype, 2, 3, 7, 5)
        pool = lambda value: [value, scale(0.031), zero(120), scale(0.0043), zero(128)]
        c.add(f"qlinear_global_average_pool_{tag}", "QLinearGlobalAveragePool", pool(image))
        c.add(f"qlinear_global_average_pool_last_{tag}", "QLinearGlobalAveragePool", pool(image.transpose(0, 2, 3, 1).copy()),
              attributes={"channels_last": 1})
        parts = [a, scale(0.031), zero(120), b, scale(0.043), zero(135)]
        c.add(f"qlinear_concat_{tag}", "QLinearConcat", [scale(0.043), zero(128), *parts], attributes={"axis": 1})
    for dtype in (np.uint8, np.int8, np.uint16, np.int16):
        tag, x = np.dtype(dtype).name, 4 * normal(3, 4, 7)
        step = 8.0 / np.iinfo(dtype).max
        zero = np.full(4, 3, dtype)
        c.add(f"quantize_{tag}", "QuantizeLinear", [x, Param(scalar(step)), Param(zero[0])])
        c.add(f"quantize_axis_{tag}", "QuantizeLinear", [x, Param(positive(4) * np.float32(step)), Param(zero)], attributes={"axis": 1})
        q = integers(dtype, 3, 4, 7)
        c.add(f"dequantize_{tag}", "DequantizeLinear", [q, Param(scalar(step)), Param(zero[0])])
        c.add(f"dequantize_axis_{tag}", "DequantizeLinear", [q, Param(positive(4)), Param(zero)], attributes={"axis": 1})


def recurrence(c):
    steps, batch, size, hidden = 5, 2, 8, 6
    for direction, dirs in (("forward", 1), ("bidirectional", 2)):
        for dtype in (np.uint8, np.int8):
            x = normal(steps, batch, size)
            w, r = integers(dtype, dirs, size, 4 * hidden), integers(dtype, dirs, hidden, 4 * hidden)
            bias = normal(dirs, 8 * hidden)
            zero = Param(np.full(dirs, 128 if dtype == np.uint8 else 0, dtype))
            scale = Param(positive(dirs) / 300)
            # The gates are good for a few u of their operands, which grows by at most the factor 4 (of the logistic functions' slopes
            # times the weights) a step.
            error = 8 * U * float(np.abs(bias).max() * 2 + np.abs(x).max() * size / 2) * 4**2
            operands = [x, Param(w), Param(r), Param(bias), None, None, None, None, scale, zero, scale, zero]
            name = f"dynamic_quantize_lstm_{direction}_{np.dtype(dtype).name}"
            attributes = {"hidden_size": hidden, "direction": direction}
            c.add(name, "DynamicQuantizeLSTM", operands, 3, atol=error, attributes=attributes)
            state = [normal(dirs, batch, hidden) / 2 for _ in range(2)]
            operands[4:7] = [np.array([steps, 3], np.int32), *state]
            c.add(f"{name}_states", "DynamicQuantizeLSTM", operands, 3, atol=error, attributes=attributes)


def attention(c):
    batch, length, heads, size = 2, 5, 3, 8
    width, scale = heads * size, 8**-0.5
    q, k, v = normal(batch, length, width), normal(batch, length, width), normal(batch, length, width)
    memory, past = [normal(batch, 7, width) for _ in range(2)], [normal(batch, heads, 4, size) for _ in range(2)]
    bias, mask = normal(3 * width) / 2, np.ones((batch, length), np.int32)
    mask[1, 3:] = 0
    biased = [t + bias[i * width : (i + 1) * width] for i, t in enumerate((q, k, v))]
    every = lambda *tensors: np.concatenate([t.reshape(-1, size) for t in tensors])
    error = attention_error(every(q, biased[0]), every(k, biased[1], memory[0], past[0]), every(v, biased[2], memory[1], past[1]), size, scale, 9)

    def mha(name, operands, outputs=1, **attributes):
        c.add(f"multi_head_attention_{name}", "MultiHeadAttention", operands, outputs, atol=error, attributes={"num_heads": heads, **attributes})

    mha("plain", [q, k, v])
    mha("scale", [q, k, v], scale=0.25)
    mha("causal", [q, k, v], unidirectional=1)
    mha("bias", [q, k, v, Param(bias)])
    mha("padding", [q, k, v, None, mask])
    mha("attention_bias", [q, k, v, None, None, normal(batch, heads, length, length)])
    mha("past", [q, k, v, None, None, None, *past], 3)
    mha("cross", [q, *memory])

    x, weights, bias = normal(batch, length, 16), normal(16, 3 * width) / 4, normal(3 * width) / 4
    parts = np.split(x @ weights + bias, 3, axis=-1)
    extra = product_error(x, weights)  # heads are longer than 1
    error = attention_error(parts[0], every(parts[1], past[0]), every(parts[2], past[1]), size, scale, 9, extra)
    operands = [x, Param(weights), Param(bias)]

    def own(name, operands, outputs=1, **attributes):
        c.add(f"attention_{name}", "Attention", operands, outputs, atol=error, attributes={"num_heads": heads, **attributes})

    own("plain", operands)
    own("mask", [*operands, mask])
    own("lengths", [*operands, np.array([5, 3], np.int32)])
    own("causal", operands, unidirectional=1)
    own("past", [*operands, None, np.stack(past)], 2)

    # Integer products are exact; scaling and the bias round thrice.
    bytes_x, bytes_w = integers(np.uint8, batch, length, 16), integers(np.uint8, 16, 3 * width)
    parts = np.split((bytes_x.astype(float) - 128) @ (bytes_w.astype(float) - 127) * 0.00005 + bias, 3, axis=-1)
    error = attention_error(*parts, size, scale, length, 8 * U)
    quantized = [bytes_x, Param(bytes_w), Param(bias), Param(scalar(0.01)), Param(scalar(0.005)), None, Param(scalar(128, np.uint8)),
                 Param(scalar(127, np.uint8))]
    c.add("qattention", "QAttention", quantized, atol=error, attributes={"num_heads": heads})
    quantized[5] = mask
    c.add("qattention_mask", "QAttention", quantized, atol=error, attributes={"num_heads": heads})


def rotary_tables(rows, size):
    angles = np.outer(np.arange(rows), 10000.0 ** (-np.arange(0, size, 2) / size))
    return np.cos(angles).astype(np.float32), np.sin(angles).astype(np.float32)


def grouped_attention(c):
    batch, length, heads, groups, size = 2, 4, 4, 2, 16  # onnxruntime wants a multiple of 16
    cos, sin = (Param(t) for t in rotary_tables(16, size))
    q, k, v = normal(batch, length, heads * size), normal(batch, length, groups * size), normal(batch, length, groups * size)
    past = [normal(batch, groups, 6, size) for _ in range(2)]
    keys, values = (np.concatenate([t.reshape(-1, size), old.reshape(-1, size)]) for t, old in zip((k, v), past))
    error = attention_error(q, keys, values, size, size**-0.5, 7, 4 * U)  # a rotation is good for 4 u
    total = lambda n: Param(scalar(n, np.int32))
    lengths = lambda *n: np.array(n, np.int32) - 1
    gqa = lambda name, operands, **attributes: c.add(f"group_query_attention_{name}", "GroupQueryAttention", operands, 3, atol=error,
                                                   attributes={"num_heads": heads, "kv_num_heads": groups, **attributes})
    prompt = [q, k, v, None, None, lengths(length, length), total(length)]
    gqa("prompt", prompt)
    gqa("prompt_scale", prompt, scale=0.2)
    gqa("prompt_padded", [q, k, v, None, None, lengths(length, length - 1), total(length)])
    gqa("prompt_rotary", [*prompt, cos, sin], do_rotary=1)
    gqa("prompt_rotary_interleaved", [*prompt, cos, sin], do_rotary=1, rotary_interleaved=1)
    gqa("prompt_window", prompt, local_window_size=2)
    gqa("prompt_softcap", prompt, softcap=2.0)
    gqa("prompt_packed", [np.concatenate([q, k, v], -1), None, None, None, None, lengths(length, length), total(length)])
    step = [q[:, :1].copy(), k[:, :1].copy(), v[:, :1].copy(), *past, lengths(7, 7), total(7)]
    gqa("step", step)
    gqa("step_rotary", [*step, cos, sin], do_rotary=1)
    gqa("step_window", step, local_window_size=3)

    x = normal(batch, 5, heads * size)
    ids = np.tile(np.arange(3, 8), (batch, 1)).astype(np.int64)
    rotary = lambda name, operands, **attributes: c.add(f"rotary_embedding_{name}", "RotaryEmbedding", operands,
                                                      atol=8 * U * float(np.abs(x).max()), attributes=attributes)
    rotary("offset", [x, np.array([2], np.int64), cos, sin])
    rotary("positions", [x, ids, cos, sin])
    rotary("interleaved", [x, ids, cos, sin], interleaved=1)
    rotary("heads", [normal(batch, heads, 5, size), ids, cos, sin])
    half = [Param(t) for t in rotary_tables(16, size // 2)]
    rotary("partial", [x, ids, *half], rotary_embedding_dim=size // 2, num_heads=heads)


def states(c):
    x, w, bias, past = normal(2, 6, 9), normal(6, 1, 4), normal(6), normal(2, 6, 3)
    error = 2 * (4 + 3) * U * float((np.abs(x).max() + np.abs(past).max()) * np.abs(w).sum(-1).max()) + 8 * U
    c.add("causal_conv", "CausalConvWithState", [x, Param(w)], 2, atol=error)
    c.add("causal_conv_silu", "CausalConvWithState", [x, Param(w), Param(bias), past], 2, atol=2 * error, attributes={"activation": "silu"})
    q, k, v = (normal(2, 5, 2 * 4) / 2 for _ in range(3))
    # A step adds k v', and the delta rule shrinks what is there: lengths grow by at most 1 a step here.
    error = 2 * (5 + 4 + 4) * U * 5 * float(np.abs(q).max() * np.abs(k).max() * np.abs(v).max()) * 4
    attributes = {"q_num_heads": 2, "kv_num_heads": 2, "scale": 0.5}
    c.add("linear_attention", "LinearAttention", [q, k, v], 2, atol=error, attributes={**attributes, "update_rule": "linear"})
    c.add("linear_attention_past", "LinearAttention", [q, k, v, normal(2, 2, 4, 4)], 2, atol=2 * error, attributes={**attributes, "update_rule": "linear"})


FAMILIES = [activations, norms, products, quantized_products, quantized_elements, recurrence, attention, grouped_attention, states]


def stamp_text():
    source = pathlib.Path(__file__).read_bytes()
    return f"onnxruntime {onnxruntime.__version__}, numpy {np.__version__}, {hashlib.sha256(source).hexdigest()}\n"


def ensure() -> pathlib.Path:
    """The folder of cases, made when it is not there or stale."""
    stamp = FOLDER / "jinx.stamp"
    if stamp.is_file() and stamp.read_text() == stamp_text():
        return FOLDER
    fresh = FOLDER.with_name(f"{FOLDER.name}.{os.getpid()}")
    cases = Cases(fresh)
    for family in FAMILIES:
        family(cases)
    (fresh / "jinx.stamp").write_text(stamp_text())
    shutil.rmtree(FOLDER, ignore_errors=True)
    fresh.rename(FOLDER)
    return FOLDER


if __name__ == "__main__":
    print(f"com.microsoft cases: {sum(1 for _ in ensure().glob('*/model.onnx'))} in {FOLDER}")
