"""Who else computes a case? Contenders by name; each is made for one set of inputs and gives a function that returns its result.

On a GPU these are torch's: eager calls (cuBLAS, cuDNN, FlashAttention), and torch.compile in its default mode; all are recorded in graphs
like Jinx's calls. Models also get mode="reduce-overhead", which records graphs of its own, and is called as it is. `contenders` takes the
machine, so that the harness also runs where there is no torch: there numpy is the only peer.
"""

import functools


def contenders(machine, case, sets: list) -> dict:
    """name -> one function for each set of operands (inputs, outputs)."""
    if not hasattr(machine, "torch"):
        return {"numpy": [functools.partial(numpy_peer, machine, case, inputs) for inputs, _ in sets]}
    makers = TORCH[case.kind](machine.torch, case)
    return {name: [make(inputs, outputs) for inputs, outputs in sets] for name, make in makers.items()}


def numpy_peer(machine, case, inputs):
    import references

    return references.REFERENCES[case.kind](machine.math, case, *inputs)


def calls(function, *, compiled=None):
    """A maker for a plain function of the inputs."""
    return lambda inputs, outputs: functools.partial(compiled or function, *inputs)


def compile(torch, function):
    """torch.compile, default mode, for these very shapes; a failure at the first call is the contender's."""
    torch._dynamo.reset()
    return torch.compile(function, dynamic=False, fullgraph=True)


def gemm(torch, case):
    if case.inputs[0].dtype == "f8":

        def scaled(inputs, outputs):
            x, w, x_scale, w_scale = inputs
            return functools.partial(torch._scaled_mm, x, w.t(), scale_a=x_scale, scale_b=w_scale, out_dtype=torch.bfloat16,
                                     use_fast_accum=True, out=outputs[0])  # fmt: skip

        return {"cuBLAS": scaled}
    if case.inputs[0].dtype == "i8":
        return {"cuBLAS": lambda inputs, outputs: functools.partial(torch._int_mm, inputs[0], inputs[1].t(), out=outputs[0])}
    return {"cuBLAS": lambda inputs, outputs: functools.partial(torch.mm, inputs[0], inputs[1].t(), out=outputs[0])}


def gemm_blocks(torch, case):
    """Scales of rows lie with their columns together, as torch wants them: that is done before."""

    def scaled(inputs, outputs):
        x, w, x_scale, w_scale = inputs
        return functools.partial(torch._scaled_mm, x, w.t(), scale_a=x_scale.t().contiguous().t(), scale_b=w_scale.t(), out_dtype=torch.bfloat16)

    return {"_scaled_mm": scaled}


def grouped(torch, case):
    """One call for all groups; and a product for each, of sizes that the host knows, which a model's router would have to tell it."""

    def together(inputs, outputs):
        x, w, ends = inputs
        return functools.partial(torch._grouped_mm, x, w.transpose(1, 2), offs=ends)

    def loop(inputs, outputs):
        x, w, ends = inputs
        bounds = [0, *ends.tolist()]
        parts = [(x[begin:end], w[group].t(), outputs[0][begin:end]) for group, (begin, end) in enumerate(zip(bounds, bounds[1:])) if end > begin]

        def run():
            for rows, weights, y in parts:
                torch.mm(rows, weights, out=y)
            return outputs[0]

        return run

    return {**({"grouped_mm": together} if hasattr(torch, "_grouped_mm") else {}), "loop of mm": loop}


def with_codes(torch, case):
    """cuBLAS with the weights as bf16; torch's own product of int4 where it has one. Weights are made once, for all sets."""
    import codes

    o, layers, where = case.options, range(len(case.outputs)), "cuda" if torch.cuda.is_available() else "cpu"
    dense = [torch.from_numpy(codes.matrix(o, layer)).to(where, torch.bfloat16).t() for layer in layers]

    def plain(inputs, outputs):
        def run():
            for w, y in zip(dense, outputs):
                torch.mm(inputs[0], w, out=y)
            return outputs

        return run

    if o["bits"] != 4 or o["levels"] or o["k"] % 1024 or where == "cpu":
        return {"cuBLAS": plain}
    packed = []
    for layer in layers:
        q, scales = (torch.from_numpy(part).to(where) for part in codes.weights(o, layer))
        columns = scales.t().to(torch.bfloat16)
        packed.append((torch._convert_weight_to_int4pack((q[:, ::2] << 4 | q[:, 1::2]).contiguous(), 8), torch.stack([columns, torch.zeros_like(columns)], -1).contiguous()))

    def int4(inputs, outputs):
        return lambda: [torch._weight_int4pack_mm(inputs[0], w, o["group"], scales) for w, scales in packed]

    return {"cuBLAS": plain, "int4pack": int4}


def gemm_gelu(torch, case):
    functional = torch.nn.functional

    def plain(x, w, b):
        return functional.gelu(functional.linear(x, w, b), approximate="tanh")

    makers = {"torch.compile": calls(compile(torch, plain)), "eager": calls(plain)}
    if case.inputs[0].dtype != "f32":
        def fused(x, w, b):
            return torch._addmm_activation(b, x, w.t(), use_gelu=True)

        makers = {"cuBLASLt": calls(fused), **makers}
    return makers


def sdpa(torch, case):
    from torch.nn.attention import SDPBackend, sdpa_kernel

    causal, gqa = case.options.get("causal", False), case.inputs[0].shape[1] != case.inputs[1].shape[1]

    def forced(backend):
        def attend(q, k, v):
            with sdpa_kernel(backend):
                return torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=causal, enable_gqa=gqa)

        return calls(attend)

    backends = {"cuDNN": SDPBackend.CUDNN_ATTENTION, "flash": SDPBackend.FLASH_ATTENTION}
    if case.inputs[0].dtype == "f32":
        backends = {"memory-efficient": SDPBackend.EFFICIENT_ATTENTION}
    return {name: forced(backend) for name, backend in backends.items()}


def sdpa_of_pages(torch, case):
    """On keys and values that lie in rows, of the activations' type: what a model without pages would call."""
    from torch.nn.attention import SDPBackend, sdpa_kernel
    from torch.nn.attention.bias import causal_lower_right

    new = case.options["new"]

    def forced(backend):
        def make(inputs, outputs):
            q, keys, values, table, _, _, *scales = inputs
            batch, heads, depth = table.shape[0], keys.shape[1], keys.shape[3]

            def rows(pool, scale):
                pool = pool if scale is None else pool.float() * scale[..., None]
                return pool[table.long()].to(q.dtype).permute(0, 2, 1, 3, 4).reshape(batch, heads, -1, depth).contiguous()

            k, v = (rows(pool, scale) for pool, scale in zip((keys, values), scales or (None, None)))
            queries = q.view(batch, new, -1, depth).transpose(1, 2).contiguous()
            mask = {} if new == 1 else {"is_causal": True} if new == k.shape[2] else {"attn_mask": causal_lower_right(new, k.shape[2])}

            def attend():
                with sdpa_kernel(backend):
                    y = torch.nn.functional.scaled_dot_product_attention(queries, k, v, enable_gqa=True, **mask)
                return y.transpose(1, 2)

            return attend

        return make

    return {"flash, rows": forced(SDPBackend.FLASH_ATTENTION), "cuDNN, rows": forced(SDPBackend.CUDNN_ATTENTION)}


def sdpa_backward(torch, case):
    """The backward pass alone, by its own operator, on what torch's forward pass of the same kind has left."""
    aten, causal = torch.ops.aten, case.options["causal"]

    def cudnn(inputs, outputs):
        q, k, v, dy, *_ = inputs
        y, lse, sum_q, sum_k, most_q, most_k, seed, offset, _ = aten._scaled_dot_product_cudnn_attention(q, k, v, None, True, 0.0, causal, False)
        return functools.partial(aten._scaled_dot_product_cudnn_attention_backward, dy, q, k, v, y, lse, seed, offset, None, sum_q, sum_k, most_q, most_k, 0.0, causal)

    def flash(inputs, outputs):
        q, k, v, dy, *_ = inputs
        y, lse, sum_q, sum_k, most_q, most_k, seed, offset, _ = aten._scaled_dot_product_flash_attention(q, k, v, 0.0, causal, False)
        return functools.partial(aten._scaled_dot_product_flash_attention_backward, dy, q, k, v, y, lse, sum_q, sum_k, most_q, most_k, 0.0, causal, seed, offset)

    return {"cuDNN": cudnn, "flash": flash}


def pointwise(function):
    def make(torch, case):
        bound = functools.partial(function, torch, case)

        def plain(*inputs):
            return bound(*inputs)

        return {"torch.compile": calls(compile(torch, plain)), "eager": calls(plain)}

    return make


def layernorm(torch, case, x, r, g, b):
    return torch.nn.functional.layer_norm(x + r, (x.shape[-1],), g, b, 1e-5)


def columns(x):
    return x.sum(tuple(range(x.ndim - 1)), keepdim=True)


def transpose(torch, case):
    order = case.options["order"]

    def plain(x):
        return x.permute(order).contiguous()

    return {"torch.compile": calls(compile(torch, plain)), "eager": lambda inputs, outputs: functools.partial(outputs[0].copy_, inputs[0].permute(order))}


def model(torch, case):
    import networks

    network, sizes, operand = case.options["network"], case.options["sizes"], case.inputs[0]
    kind = {"f16": torch.float16, "f32": torch.float32}[case.options["dtype"]]
    device = "cuda" if torch.cuda.is_available() else "cpu"
    weights = networks.collected(network, operand.shape, sizes)
    module = networks.torch_module(torch, network, sizes, weights, kind, kind, device)
    torch._dynamo.reset()

    def bind(function, recorded=True):
        def make(inputs, outputs):
            def run():
                with torch.no_grad():
                    return function(*inputs)

            run.recorded = recorded
            return run

        return make

    return {
        "torch.compile": bind(torch.compile(module, dynamic=False, fullgraph=True)),
        "reduce-overhead": bind(torch.compile(module, dynamic=False, fullgraph=True, mode="reduce-overhead"), recorded=False),
        "eager": bind(module),
    }


TORCH = {
    "model": model,
    "gemm": gemm,
    "gemm-blocks": gemm_blocks,
    "grouped": grouped,
    "codes": with_codes,
    "gemm-gelu": gemm_gelu,
    "attention": sdpa,
    "attention-grad": sdpa_backward,
    "decode": sdpa,
    "paged": sdpa_of_pages,
    "softmax": pointwise(lambda torch, case, x: torch.softmax(x, -1)),
    "layernorm": pointwise(layernorm),
    "rmsnorm": pointwise(lambda torch, case, x, g: torch.nn.functional.rms_norm(x, (x.shape[-1],), g, 1e-5)),
    "gelu-chain": pointwise(lambda torch, case, x, r, b: torch.nn.functional.gelu(x) * r + b),
    "sum": pointwise(lambda torch, case, x: columns(x)),
    "sum-of-products": pointwise(lambda torch, case, x, d: columns(x * d)),
    "transpose": transpose,
}
