"""What is the right answer? Each kind of case in float64, on arrays of torch or of numpy, and how far a result is from it."""

import math

import numpy as np


class NumpyMath:
    """The few operators that the two libraries spell differently."""

    exp, tanh, sqrt, stack = staticmethod(np.exp), staticmethod(np.tanh), staticmethod(np.sqrt), staticmethod(np.stack)
    join = staticmethod(np.concatenate)
    erf = staticmethod(np.vectorize(math.erf, otypes=[np.float64]))

    @staticmethod
    def wide(x):
        return x.astype(np.float64)

    @staticmethod
    def maximum(x):
        return x.max(axis=-1, keepdims=True)

    @staticmethod
    def total(x):
        return x.sum(axis=-1, keepdims=True)

    @staticmethod
    def columns(x):
        return x.sum(axis=tuple(range(x.ndim - 1)), keepdims=True)

    @staticmethod
    def columns_of(parts):
        return np.concatenate(parts, axis=-1)

    @staticmethod
    def permute(x, order):
        return x.transpose(order)

    @staticmethod
    def hide_ahead(scores):
        return np.where(np.tril(np.ones(scores.shape, dtype=bool)), scores, -np.inf)

    @staticmethod
    def isfinite(x):
        return np.isfinite(x)

    @staticmethod
    def numbers(values, like):
        return values

    log = staticmethod(np.log)


class TorchMath:
    def __init__(self, torch):
        self.torch = torch
        self.exp, self.tanh, self.sqrt, self.erf, self.stack = torch.exp, torch.tanh, torch.sqrt, torch.erf, torch.stack
        self.isfinite, self.log, self.join = torch.isfinite, torch.log, torch.cat

    def wide(self, x):
        return x.to(self.torch.float64)

    def numbers(self, values, like):
        return self.torch.as_tensor(values, device=like.device)

    def maximum(self, x):
        return x.amax(-1, keepdim=True)

    def total(self, x):
        return x.sum(-1, keepdim=True)

    def columns(self, x):
        return x.sum(tuple(range(x.ndim - 1)), keepdim=True)

    def columns_of(self, parts):
        return self.torch.cat(parts, -1)

    def permute(self, x, order):
        return x.permute(order)

    def hide_ahead(self, scores):
        seen = self.torch.ones(scores.shape, dtype=self.torch.bool, device=scores.device).tril()
        return scores.masked_fill(~seen, -math.inf)


def gemm(o, case, x, w, *scales):
    y = o.wide(x) @ o.permute(o.wide(w), (1, 0))
    for scale in scales:
        y = y * o.wide(scale)
    return y


def gemm_blocks(o, case, x, w, x_scale, w_scale):
    """Block by block of k: its product, times the scale of each row and of each band of columns."""
    block, (n, k) = case.options["block"], w.shape
    y = 0
    for b in range(x_scale.shape[1]):
        part = slice(b * block, min(k, (b + 1) * block))
        bands = [o.wide(x[:, part]) @ o.permute(o.wide(w[begin : begin + block, part]), (1, 0)) * o.wide(w_scale[i, b]) for i, begin in enumerate(range(0, n, block))]
        y = y + o.columns_of(bands) * o.wide(x_scale[:, b : b + 1])
    return y


def ends_of_groups(o, case, x, w):
    """Where each expert's rows end, when every row has drawn an expert."""
    experts = w.shape[0]
    return o.numbers(np.cumsum(np.random.default_rng(x.shape[0]).multinomial(x.shape[0], np.full(experts, 1 / experts))), x)


def grouped(o, case, x, w, ends):
    parts, begin = [], 0
    for group, end in enumerate(ends.tolist()):
        parts.append(o.wide(x[begin:end]) @ o.permute(o.wide(w[group]), (1, 0)))
        begin = end
    return o.join(parts)


def with_codes(o, case, x):
    import codes

    return [o.wide(x) @ o.permute(o.wide(o.numbers(codes.matrix(case.options, layer), x)), (1, 0)) for layer in range(len(case.outputs))]


def gelu_tanh(o, x):
    return 0.5 * x * (1 + o.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x * x * x)))


def gelu_erf(o, x):
    return 0.5 * x * (1 + o.erf(x / math.sqrt(2)))


def softmax_rows(o, x):
    e = o.exp(x - o.maximum(x))
    return e / o.total(e)


def scores_of(o, q, k, causal: bool):
    scores = o.wide(q) @ o.permute(o.wide(k), (1, 0)) / math.sqrt(q.shape[-1])
    return o.hide_ahead(scores) if causal else scores


def attend(o, q, k, v, causal: bool):
    return softmax_rows(o, scores_of(o, q, k, causal)) @ o.wide(v)


def attention(o, case, q, k, v):
    """Head by head: the scores of one are large enough."""
    causal, share = case.options.get("causal", False), q.shape[1] // k.shape[1]
    return o.stack([o.stack([attend(o, q[b, h], k[b, h // share], v[b, h // share], causal) for h in range(q.shape[1])]) for b in range(q.shape[0])])


def by_head(o, function, *operands):
    """function of each head's matrices, put together again."""
    batch, heads = operands[0].shape[:2]
    return o.stack([o.stack([function(*(x[b, h] for x in operands)) for h in range(heads)]) for b in range(batch)])


def log_sum_exp(o, case, q, k, *_):
    def of_head(q, k):
        scores = scores_of(o, q, k, case.options["causal"])
        most = o.maximum(scores)
        return (most + o.log(o.total(o.exp(scores - most))))[..., 0]

    return by_head(o, of_head, q, k)


def attention_grad(o, case, q, k, v, dy, *_):
    """From the weights themselves: what the forward pass left, rounded, is no part of the answer."""

    def of_head(q, k, v, dy):
        p, dy = softmax_rows(o, scores_of(o, q, k, case.options["causal"])), o.wide(dy)
        dp = dy @ o.permute(o.wide(v), (1, 0))
        ds = p * (dp - o.total(p * dp)) / math.sqrt(q.shape[-1])
        return o.stack([ds @ o.wide(k), o.permute(ds, (1, 0)) @ o.wide(q), o.permute(p, (1, 0)) @ dy])

    gradients = by_head(o, of_head, q, k, v, dy)
    return [gradients[:, :, i] for i in range(3)]


def pages_of_sequences(o, case, q, *_):
    """Every page once, in no order."""
    batch, entries = case.inputs[3].shape
    return o.numbers(np.random.default_rng(batch).permutation(batch * entries).reshape(batch, entries), q)


def sequences_of_tokens(o, case, q, *_):
    return o.numbers(np.arange(q.shape[0]) // case.options["new"], q)


def positions_of_tokens(o, case, q, keys, values, table, *_):
    new = case.options["new"]
    return o.numbers(table.shape[1] * keys.shape[2] - new + np.arange(q.shape[0]) % new, q)


def rows_of_pages(o, pool, scales, pages):
    """Of a sequence, [heads, keys, depth]."""
    rows = o.wide(pool[pages]) if scales is None else o.wide(pool[pages]) * o.wide(scales[pages])[..., None]
    heads, depth = rows.shape[1], rows.shape[3]
    return o.permute(rows, (1, 0, 2, 3)).reshape(heads, -1, depth)


def paged(o, case, q, keys, values, table, sequence, position, *scales):
    """Sequence by sequence; heads of queries that share keys are neighbours."""
    new, share, parts = case.options["new"], q.shape[1] // keys.shape[1], []
    for s in range(table.shape[0]):
        tokens, pages = slice(s * new, (s + 1) * new), table[s].tolist()
        k, v = (rows_of_pages(o, pool, scale, pages) for pool, scale in zip((keys, values), scales or (None, None)))
        hidden = np.where(np.arange(k.shape[1])[None] <= np.array(position[tokens].tolist())[:, None], 0.0, -np.inf)
        at = o.permute(o.wide(q[tokens]), (1, 0, 2))
        heads = [softmax_rows(o, at[h] @ o.permute(k[h // share], (1, 0)) / math.sqrt(q.shape[-1]) + o.numbers(hidden, q)) @ v[h // share] for h in range(q.shape[1])]
        parts.append(o.permute(o.stack(heads), (1, 0, 2)))
    return o.join(parts)


def layernorm(o, case, x, r, g, b):
    t = o.wide(x) + o.wide(r)
    centred = t - o.total(t) / t.shape[-1]
    return centred / o.sqrt(o.total(centred * centred) / t.shape[-1] + 1e-5) * o.wide(g) + o.wide(b)


def rmsnorm(o, case, x, g):
    t = o.wide(x)
    return t / o.sqrt(o.total(t * t) / t.shape[-1] + 1e-5) * o.wide(g)


REFERENCES = {
    "gemm": gemm,
    "gemm-blocks": gemm_blocks,
    "grouped": grouped,
    "codes": with_codes,
    "gemm-gelu": lambda o, case, x, w, b: gelu_tanh(o, gemm(o, case, x, w) + o.wide(b)),
    "attention": attention,
    "attention-grad": attention_grad,
    "decode": attention,
    "paged": paged,
    "softmax": lambda o, case, x: softmax_rows(o, o.wide(x)),
    "layernorm": layernorm,
    "rmsnorm": rmsnorm,
    "gelu-chain": lambda o, case, x, r, b: gelu_erf(o, o.wide(x)) * o.wide(r) + o.wide(b),
    "sum": lambda o, case, x: o.columns(o.wide(x)),
    "sum-of-products": lambda o, case, x, d: o.columns(o.wide(x) * o.wide(d)),
    "transpose": lambda o, case, x: o.permute(o.wide(x), case.options["order"]),
}


def model(o, case, x):
    """The network with the same weights: in float64 by numpy, in float32 by torch, a few of the batch at a time."""
    import networks

    network, sizes, dtype = case.options["network"], case.options["sizes"], case.options["dtype"]
    if not hasattr(o, "torch"):
        return networks.NETWORKS[network](networks.Numpy(dtype), o.wide(x) if x.dtype.kind == "f" else x, **sizes)
    torch = o.torch
    rounded = {"f16": torch.float16, "f32": torch.float32}[dtype]
    module = networks.torch_module(torch, network, sizes, networks.collected(network, tuple(x.shape), sizes), rounded, torch.float32, x.device)
    with torch.no_grad():
        parts = [module(part.float() if part.is_floating_point() else part) for part in x.split(8)]
    return o.wide(torch.cat(parts))


REFERENCES["model"] = model


# Inputs that are no random numbers, from those before them.
MADE = {"pages": pages_of_sequences, "sequences": sequences_of_tokens, "positions": positions_of_tokens, "ends": ends_of_groups, "attention": lambda o, case, q, k, v, *_: attention(o, case, q, k, v), "log-sum-exp": log_sum_exp}


def compare(o, case, got, want) -> dict:
    """Errors of a result, and `ok`; of several results the worst. An element that is not finite is wrong: the answers are."""
    if isinstance(want, list):
        verdicts = [compare(o, case, g, w) for g, w in zip(got, want, strict=True)]
        return {"ok": all(v["ok"] for v in verdicts), "finite": all(v["finite"] for v in verdicts),
                "norm": max(v["norm"] for v in verdicts), "worst": max(v["worst"] for v in verdicts)}  # fmt: skip
    got = o.wide(got[0] if isinstance(got, list) else got).reshape(want.shape)
    tolerance = case.tolerance
    rms = float((want * want).mean()) ** 0.5
    scale = rms if case.peak != 1 else o.sqrt(o.total(want * want) / want.shape[-1])
    finite = bool(o.isfinite(got).all())
    difference = abs(got - want)
    norm = float((difference * difference).mean()) ** 0.5 / rms if rms else float(difference.max())
    worst = float((difference / (tolerance["relative"] * abs(want) + tolerance["absolute"] * scale + 1e-300)).max())
    return {
        "ok": finite and norm <= tolerance["norm"] and worst <= 1,
        "finite": finite,
        "norm": norm,
        "worst": worst,  # of an element, over what it may be off
    }
