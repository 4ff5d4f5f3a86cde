"""What does each operator of the graph dialect compute? In float64, by the formula of its page, as plainly as numpy allows.

A reference takes arrays (floats as float64, integers as they are) and attributes, and returns a list of arrays. It knows nothing of
kernels, of ONNX and of the host operators. REFERENCES has one for each operator; tests/numeric/graph_ops.py compares.
"""

import itertools
import math

import numpy as np

erf = np.vectorize(math.erf, otypes=[np.float64])


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


# ---- elementwise -------------------------------------------------------------------------------------------------------------------


def divide(a, b):
    """Integers round towards zero; by zero is 0."""
    if a.dtype.kind == "f":
        return a / b
    a, b = np.broadcast_arrays(a, b)
    exact = [0 if q == 0 else abs(int(p)) // abs(int(q)) * (1 if (p < 0) == (q < 0) else -1) for p, q in zip(a.flat, b.flat)]
    return np.array(exact, object).reshape(a.shape)


def modulo(a, b):
    """Floats: the dividend's sign. Integers: the divisor's sign."""
    if a.dtype.kind == "f":
        return np.fmod(a, b)
    a, b = np.broadcast_arrays(a, b)
    return np.array([int(p) % int(q) for p, q in zip(a.flat, b.flat)], object).reshape(a.shape)


COMPARISONS = {"eq": np.equal, "ne": np.not_equal, "lt": np.less, "le": np.less_equal, "gt": np.greater, "ge": np.greater_equal}


def cast(x, to):
    to = np.dtype(to)
    if to == bool:
        return x != 0
    if x.dtype.kind == "f" and to.kind in "iu":
        return np.array([int(v) for v in x.flat], object).reshape(x.shape)
    return x.astype(to) if to.kind in "iu" else x.astype(np.float64)


# ---- movement ----------------------------------------------------------------------------------------------------------------------


def pad(x, value, low, extents, mode):
    """An element at a time: what lies at i - low, outside by `mode`."""

    def source(i, size):
        if mode == "edge":
            return min(max(i, 0), size - 1)
        if mode == "wrap":
            return i % size
        if mode == "reflect":
            period = max(2 * (size - 1), 1)
            i %= period
            return min(i, period - i)
        return i

    y = np.full(extents, 0 if value is None else value, x.dtype)
    for at in np.ndindex(*extents):
        inner = tuple(source(i - l, size) for i, l, size in zip(at, low, x.shape))
        if all(0 <= i < size for i, size in zip(inner, x.shape)):
            y[at] = x[inner]
    return y


def gather(x, indices, axis):
    return np.take(x, np.where(indices < 0, indices + x.shape[axis], indices), axis)


def strided(x, starts, steps, extents):
    for axis, (start, step, extent) in enumerate(zip(starts, steps, extents)):
        x = np.take(x, start + step * np.arange(extent), axis)
    return x


def coordinate(i, scale, size, out, kind):
    if kind == "asymmetric":
        return i / scale
    if kind == "align_corners":
        return i * (size - 1) / (out - 1) if out > 1 else 0.0
    if kind == "pytorch_half_pixel" and out <= 1:
        return 0.0
    return (i + 0.5) / scale - 0.5


def resize(x, extents, scales, mode, coordinates, rounding="round_prefer_floor"):
    rounders = {"round_prefer_floor": lambda v: math.ceil(v - 0.5), "round_prefer_ceil": lambda v: math.floor(v + 0.5), "floor": math.floor,
                "ceil": math.ceil}
    for axis, (out, scale) in enumerate(zip(extents, scales)):
        size, scale = x.shape[axis], scale or out / x.shape[axis]
        clip = lambda i: min(max(i, 0), size - 1)
        rows = []
        for i in range(out):
            at = coordinate(i, scale, size, out, coordinates)
            if mode == "nearest":
                rows.append(np.take(x, clip(rounders[rounding](at)), axis))
            else:
                low, part = math.floor(at), at - math.floor(at)
                rows.append((1 - part) * np.take(x, clip(low), axis) + part * np.take(x, clip(low + 1), axis))
        x = np.stack(rows, axis) if rows else np.zeros([*x.shape[:axis], 0, *x.shape[axis + 1 :]])
    return x


# ---- indices ------------------------------------------------------------------------------------------------------------------------


def place(index, extent):
    """Where an index points; a negative one counts from the end."""
    return int(index) + extent if index < 0 else int(index)


def clamped(index, extent):
    return min(max(place(index, extent), 0), extent - 1)


def gather_elements(x, indices, axis):
    y = np.zeros(indices.shape, x.dtype)
    for at in np.ndindex(*indices.shape):
        if x.shape[axis]:
            y[at] = x[(*at[:axis], clamped(indices[at], x.shape[axis]), *at[axis + 1 :])]
    return y


def gather_nd(x, indices, batch=0):
    *rows, depth = indices.shape
    y = np.zeros([*rows, *x.shape[batch + depth :]], x.dtype)
    for at in np.ndindex(*rows):
        if 0 not in x.shape[batch : batch + depth]:
            y[at] = x[(*at[:batch], *[clamped(i, x.shape[batch + k]) for k, i in enumerate(indices[at])])]
    return y


COMBINE = {"set": lambda old, new: new, "add": np.add, "mul": np.multiply, "max": np.maximum, "min": np.minimum}


def scatter(kind, x, at, updates):
    """`at` has (position of the update, coordinates in x) in the order in which they are applied."""
    y = np.array(x)
    for source, target in at:
        if all(0 <= i < extent for i, extent in zip(target, x.shape)):
            y[target] = COMBINE[kind](y[target], updates[source])
    return y


def scatter_elements(x, indices, updates, kind, axis):
    at = [(i, (*i[:axis], place(indices[i], x.shape[axis]), *i[axis + 1 :])) for i in np.ndindex(*indices.shape)]
    return scatter(kind, x, at, updates)


def scatter_nd(x, indices, updates, kind):
    at = [(i, tuple(place(c, x.shape[d]) for d, c in enumerate(indices[i]))) for i in np.ndindex(*indices.shape[:-1])]
    return scatter(kind, x, at, updates)


def top_k(x, count, axis, ascending=False):
    """Python's sort is stable: of equal elements the first stays first."""
    rows = np.moveaxis(x, axis, -1)
    values, indices = np.zeros([*rows.shape[:-1], count], x.dtype), np.zeros([*rows.shape[:-1], count], np.int64)
    for at in np.ndindex(*rows.shape[:-1]):
        row = rows[at]
        sign = 1 if ascending else -1
        order = sorted(range(len(row)), key=lambda i: (sign * bool(row[i] != row[i]), 0 if row[i] != row[i] else sign * (int(row[i]) if x.dtype.kind in "iu" else row[i])))
        indices[at] = order[:count]
        values[at] = row[order[:count]]
    return [np.moveaxis(values, -1, axis), np.moveaxis(indices, -1, axis)]


def cumsum(x, axis, exclusive=False, reverse=False):
    x = x if x.dtype.kind == "f" else x.astype(object)
    x = np.flip(x, axis) if reverse else x
    y = np.zeros(x.shape, x.dtype)
    total = np.zeros_like(np.take(y, [0], axis)) if x.shape[axis] else None
    for i in range(x.shape[axis]):
        here = tuple([slice(None)] * axis + [slice(i, i + 1)])
        y[here] = total if exclusive else total + x[here]
        total = total + x[here]
    return np.flip(y, axis) if reverse else y


# ---- reductions and windows --------------------------------------------------------------------------------------------------------


def reduce(x, kind, axes):
    functions = {"sum": np.sum, "prod": np.prod, "max": lambda *a, **k: np.max(*a, **k, initial=-np.inf),
                 "min": lambda *a, **k: np.min(*a, **k, initial=np.inf)}
    if x.dtype.kind in "iu":
        ends = np.iinfo(x.dtype)
        functions["max"] = lambda *a, **k: np.max(*a, **k, initial=ends.min)
        functions["min"] = lambda *a, **k: np.min(*a, **k, initial=ends.max)
    return functions[kind](x, axis=tuple(axes), keepdims=True) if axes else x


def windows(x, kernel, strides, pads, dilations, extents):
    """For every place p of the output, (p, [(k, element of x or None)]) over one image [spatial…]."""
    spatial = len(kernel)
    for p in np.ndindex(*extents):
        inside = []
        for k in np.ndindex(*kernel):
            at = tuple(p[d] * strides[d] + k[d] * dilations[d] - pads[d] for d in range(spatial))
            if all(0 <= at[d] < x.shape[d] for d in range(spatial)):
                inside.append((k, x[at]))
            else:
                inside.append((k, None))
        yield p, inside


def conv_extents(spatial, kernel, strides, pads, dilations):
    n = len(kernel)
    return [(spatial[d] + pads[d] + pads[n + d] - dilations[d] * (kernel[d] - 1) - 1) // strides[d] + 1 for d in range(n)]


def wide(*operands):
    """Bytes as numbers whose sums do not wrap."""
    return [v.astype(np.int64) if v.dtype.kind in "iu" else v for v in operands]


def conv(x, w, strides, pads, dilations, group=1, channels_last=False):
    x, w = wide(x, w)
    if channels_last:
        return np.moveaxis(conv(np.moveaxis(x, -1, 1), w, strides, pads, dilations, group), 1, -1)
    n, (oc, per) = x.shape[0], w.shape[:2]
    kernel = w.shape[2:]
    extents = conv_extents(x.shape[2:], kernel, strides, pads, dilations)
    y = np.zeros([n, oc, *extents])
    for o, c in itertools.product(range(oc), range(per)):
        images = np.moveaxis(x[:, o // (oc // group) * per + c], 0, -1)  # an element is one of each image
        for p, inside in windows(images, kernel, strides, pads, dilations, extents):
            y[(slice(None), o, *p)] += sum(w[(o, c, *k)] * v for k, v in inside if v is not None)
    return y


def depthwise_conv(x, w, strides, pads, dilations):
    filters = np.moveaxis(w, -1, 0)[:, None]
    return conv(x, filters, strides, pads, dilations, group=x.shape[-1], channels_last=True)


def pool(x, kind, kernel, strides, pads, dilations, extents, channels_last=False):
    if channels_last:
        return np.moveaxis(pool(np.moveaxis(x, -1, 1), kind, kernel, strides, pads, dilations, extents), 1, -1)
    y = np.zeros([*x.shape[:2], *extents])
    for at in np.ndindex(*x.shape[:2]):
        for p, inside in windows(x[at], kernel, strides, pads, dilations, extents):
            values = [v for _, v in inside if v is not None]
            count = len(inside) if kind == "average_include_pad" else len(values)
            y[(*at, *p)] = max(values) if kind == "max" else sum(values) / count
    return y


# ---- products ----------------------------------------------------------------------------------------------------------------------


def matmul(a, b, transpose_b=False):
    a, b = wide(a, b)
    return a @ (np.swapaxes(b, -1, -2) if transpose_b else b)


def grouped_matmul(x, w, ends, transpose_w=False):
    """Row by row: the first group that ends behind it."""
    w = np.swapaxes(w, -1, -2) if transpose_w else w
    y = np.zeros([x.shape[0], w.shape[2]])
    for t, row in enumerate(x):
        behind = np.flatnonzero(ends > t)
        if behind.size:
            y[t] = row @ w[behind[0]]
    return y


GATES = {"silu": lambda x: x / (1 + np.exp(-x)), "gelu": lambda x: x * (1 + erf(x / np.sqrt(2))) / 2,
         "gelu_tanh": lambda x: x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))) / 2}  # fmt: skip


def experts(x, chosen, weights, gate, up, down, kind="silu"):
    """A token at a time, an expert at a time; a number that no expert has adds nothing."""
    y = np.zeros([x.shape[0], down.shape[1]])
    for t, (row, numbers) in enumerate(zip(x, chosen)):
        for weight, e in zip(weights[t], numbers):
            if 0 <= e < len(gate):
                y[t] += weight * (down[e] @ (GATES[kind](gate[e] @ row) * (up[e] @ row)))
    return y


def pack(b, transpose=False, interleave=1):
    b = np.swapaxes(b, -1, -2) if transpose else b
    *batch, k, n = b.shape
    panels = -(-n // 16)
    wide = np.concatenate([b, np.zeros([*batch, k, panels * 16 - n], b.dtype)], -1)
    rows = np.swapaxes(wide.reshape(*batch, k, panels, 16), -2, -3).reshape(*batch, panels, k // interleave, interleave, 16)
    return np.swapaxes(rows, -1, -2).reshape(*batch, panels, k // interleave, 16 * interleave)


def unpack(b, n):
    *batch, panels, groups, width = b.shape
    rows = np.swapaxes(b.reshape(*batch, panels, groups, 16, width // 16), -1, -2).reshape(*batch, panels, -1, 16)
    return np.swapaxes(rows, -2, -3).reshape(*batch, -1, panels * 16)[..., :n]


def packed_matmul(a, b, n):
    a, b = wide(a, b)
    return a @ unpack(b, n)[..., : a.shape[-1], :]  # rows that fill up are behind


def packed_grouped_matmul(x, w, ends, n):
    return grouped_matmul(x, unpack(w, n), ends)


def packed_conv(x, w, kernel, strides, pads, dilations, group, oc):
    """w [group, panels, kh*kw*c/group, 16], rows ordered kh, kw, c."""
    per = x.shape[-1] // group
    columns = unpack(w, oc // group).reshape(group, *kernel, per, oc // group)
    filters = np.concatenate([np.transpose(columns[g], (3, 2, 0, 1)) for g in range(group)])
    return conv(x, filters, strides, pads, dilations, group, channels_last=True)


# ---- quantization ------------------------------------------------------------------------------------------------------------------
# Bit by bit: quantization.py. Here the meaning, in float64.


def along_blocks(parameter, sizes, block, axis):
    """A parameter of blocks as one of elements."""
    return np.repeat(parameter, block, axis).take(np.arange(sizes[axis]), axis) if block and np.ndim(parameter) else parameter


def quantize(x, scale, zero, ends, block=0, axis=0):
    scale, zero = (along_blocks(v, x.shape, block, axis) for v in (scale, zero))
    return np.clip(np.rint(x / scale) + zero, *ends)


def dequantize(q, scale, zero=0, offset=0, levels=None, block=0, axis=0):
    scale, zero, offset = (along_blocks(v, q.shape, block, axis) for v in (scale, zero, offset))
    level = q.astype(np.float64) if levels is None else np.asarray(levels, np.float64)[q.astype(np.int64) & 15]
    return (level - zero) * scale + offset


def dequant_matmul(a, codes, scales, group, offsets=0, levels=None):
    """Of what is not packed."""
    return a @ dequantize(codes, scales, 0, offsets, levels, group, 0)


# ---- recurrences -------------------------------------------------------------------------------------------------------------------


def quantized_product(h, r, r_scale):
    """h quantized to 8 bits as DynamicQuantizeLinear does it, over the whole batch."""
    low, high = min(h.min(), 0), max(h.max(), 0)
    scale = np.float32((high - low) / 255)
    if scale == 0:
        return np.zeros([h.shape[0], r.shape[0]])
    zero = np.clip(np.rint(-low / scale), 0, 255)
    q = np.clip(np.rint(h / scale) + zero, 0, 255)
    return (q - zero) @ r.T * float(scale) * r_scale


def lstm(xw, r, h, c, r_scale=None, reverse=False):
    ys = np.zeros([*xw.shape[:2], h.shape[1]])
    for t in range(len(xw))[:: -1 if reverse else 1]:
        product = h @ r.T if r_scale is None else quantized_product(h, r, r_scale)
        i, o, f, g = np.split(xw[t] + product, 4, axis=-1)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        ys[t] = h
    return [ys, h, c]


def gru(xw, r, rb, h, reverse=False, linear_before_reset=False):
    ys = np.zeros([*xw.shape[:2], h.shape[1]])
    (rz, rr, rh), (bz, br, bh) = np.split(r, 3), np.split(rb, 3)
    for t in range(len(xw))[:: -1 if reverse else 1]:
        xz, xr, xh = np.split(xw[t], 3, axis=-1)
        z, reset = sigmoid(xz + h @ rz.T + bz), sigmoid(xr + h @ rr.T + br)
        new = np.tanh(xh + (reset * (h @ rh.T + bh) if linear_before_reset else (reset * h) @ rh.T + bh))
        h = (1 - z) * new + z * h
        ys[t] = h
    return [ys, h]


def attention_grad(q, k, v, dy, lse, delta, scale, causal=False):
    """Row by row: p = softmax of the row, dv += pᵀ dy, ds = p (dy vᵀ - delta), dq = scale ds k, dk += scale dsᵀ q."""
    (batch, heads, rows, _), (_, kv_heads, columns, _) = q.shape, k.shape
    dq, dk, dv = np.zeros(q.shape), np.zeros(k.shape), np.zeros(v.shape)
    for b, h, i in np.ndindex(batch, heads, rows):
        g = h * kv_heads // heads
        seen = slice(0, max(0, min(columns, i + columns - rows + 1)) if causal else columns)
        p = np.exp(scale * k[b, g, seen] @ q[b, h, i] - lse[b, h, i])
        ds = p * (v[b, g, seen] @ dy[b, h, i] - delta[b, h, i])
        dq[b, h, i] = scale * ds @ k[b, g, seen]
        dk[b, g, seen] += scale * np.outer(ds, q[b, h, i])
        dv[b, g, seen] += np.outer(p, dy[b, h, i])
    return [dq, dk, dv]


REFERENCES = {
    "abs": np.abs, "neg": np.negative, "exp": np.exp, "expm1": np.expm1, "log": np.log, "log1p": np.log1p, "sqrt": np.sqrt,
    "rsqrt": lambda x: 1 / np.sqrt(x), "sin": np.sin, "cos": np.cos, "tanh": np.tanh, "atan": np.arctan, "erf": erf, "sigmoid": sigmoid,
    "relu": lambda x: np.where(x < 0, x.dtype.type(0), x), "floor": np.floor, "ceil": np.ceil, "round": np.rint, "not": np.invert,
    "add": np.add, "sub": np.subtract, "mul": np.multiply, "div": divide, "mod": modulo, "max": np.maximum, "min": np.minimum, "pow": np.power,
    "and": np.bitwise_and, "or": np.bitwise_or, "xor": np.bitwise_xor,
    "compare": lambda a, b, predicate: COMPARISONS[predicate](a, b), "select": np.where, "cast": cast,
    "constant": lambda value: value, "sizes": lambda values: np.array(values, np.int64),
    "iota": lambda extents, axis, start=0, step=1: start + step * np.indices(extents)[axis],
    "broadcast": np.broadcast_to, "reshape": np.reshape, "transpose": np.transpose, "concat": lambda *xs, axis: np.concatenate(xs, axis),
    "gather": gather, "gather_elements": gather_elements, "gather_nd": gather_nd, "scatter_elements": scatter_elements,
    "scatter_nd": scatter_nd, "top_k": top_k, "cumsum": cumsum, "slice": strided, "pad": pad, "resize": resize, "reduce": reduce, "pool": pool, "conv": conv,
    "depthwise_conv": depthwise_conv, "matmul": matmul, "grouped_matmul": grouped_matmul, "experts": experts, "pack": pack, "packed_matmul": packed_matmul, "packed_grouped_matmul": packed_grouped_matmul, "packed_conv": packed_conv,
    "quantize": quantize, "dequantize": dequantize, "dequant_matmul": dequant_matmul,
    "lstm": lstm, "gru": gru, "attention_grad": attention_grad,
}
