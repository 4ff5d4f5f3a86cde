"""What is timed on a GPU? The table, read where the plans are made (pack.py) and where they run (run.py).

A case says how its model is made (`graphs`, by name), what goes in, what the answer is in float64 (`references`), which peers there are
(`peers`), and how many operations and bytes the problem needs at least: each input read and each output written once.
"""

import dataclasses
import math

UNIT = {"bf16": 2.0**-9, "f16": 2.0**-11, "f32": 2.0**-24, "i32": 0.0, "f8": 2.0**-4}  # relative error of rounding once
BYTES = {"bf16": 2, "f16": 2, "f32": 4, "i32": 4, "i8": 1, "f8": 1, "i64": 8}


@dataclasses.dataclass
class Operand:
    name: str
    dtype: str
    shape: tuple
    scale: float = 1.0  # of the normal distribution it is drawn from
    high: int = 0  # i64: drawn below this instead
    made: str = ""  # not drawn: made of the inputs before it, by references.MADE

    @property
    def size_bytes(self) -> int:
        return math.prod(self.shape) * BYTES[self.dtype]


@dataclasses.dataclass
class Case:
    name: str  # "gemm/bf16/4096x4096x4096"
    kind: str  # which graph, reference and peers
    inputs: list[Operand]
    outputs: list[Operand]
    flops: float = 0
    options: dict = dataclasses.field(default_factory=dict)
    roundings: int = 1  # to the output's type, on the way to a result: what the tolerance allows
    variants: tuple = ("jinx",)  # beside it "no fusion"
    sets: int = 4  # of inputs, used in turn: the L2 has 50 MB
    peak: float = 1.0  # how many times the rms of the whole that of a part may be, and its roundings with it

    @property
    def group(self) -> str:
        return self.name.split("/")[0]

    @property
    def size_bytes(self) -> int:
        return sum(operand.size_bytes for operand in self.inputs + self.outputs) + self.options.get("weight_bytes", 0)

    @property
    def tolerance(self) -> dict:
        """Of ‖got − want‖ / ‖want‖, and of each element: |got − want| <= relative·|want| + absolute·rms(its row of want). All 0: exact.

        A row (last dimension) has one scale: what rounds on the way to an element is of the size of the row's elements, also where the
        element itself is small because its terms cancel. Rows differ: a causal row that sees 4 keys has elements 60 times as large as one
        that sees 16,384. Gradients cancel by rows, down to 0 where a row sees one key: their scale is that of all, at its `peak`.
        """
        if self.roundings == 0:
            return {"norm": 0.0, "relative": 0.0, "absolute": 0.0}
        unit = UNIT[self.outputs[0].dtype]
        depth = self.options.get("depth", 1)  # terms of a sum: matters where the sum has the output's own precision
        drift = 2.0**-24 * math.sqrt(depth) * 8
        if self.options.get("fast_sums"):  # each instruction, 32 terms, cuts what is added up to 14 bits; measured: half of this
            drift = 2.0**-12 * math.sqrt(depth / 32)
        return {
            "norm": (1 + self.roundings) * unit + drift,
            "relative": (2 + 2 * self.roundings) * unit + drift,
            "absolute": self.peak * (4 * self.roundings * unit + 16 * drift),
        }


# Shapes of the bf16 products, M, N, K: X[M, K]·W[N, K]ᵀ.
PRODUCTS = (
    (8192, 8192, 8192), (4096, 4096, 4096), (2048, 2048, 2048), (4096, 14336, 4096), (512, 4096, 4096), (128, 4096, 4096),
    (64, 4096, 4096), (16, 4096, 4096), (1, 4096, 4096), (64, 14336, 4096), (1, 14336, 4096), (1000, 1032, 520),
)  # fmt: skip
TINY_PRODUCTS = ((32, 40, 48), (200, 136, 72), (129, 264, 520), (16, 128, 256), (1, 128, 256))
EPILOGUES = ((4096, 4096, 4096), (512, 4096, 4096), (128, 4096, 4096))
HALVES = ((4096, 4096, 4096), (128, 4096, 4096))
BYTE_PRODUCTS = ((8192, 8192, 8192), (4096, 4096, 4096), (128, 4096, 4096))
BLOCK_PRODUCTS = ((8192, 8192, 8192), (4096, 4096, 4096), (4096, 7168, 2048), (128, 4096, 4096), (16, 4096, 4096))
TINY_BLOCK_PRODUCTS = ((130, 200, 272), (16, 136, 400))
# Attention: head dimension, length, batch, heads.
ATTENTION = (
    (64, 512, 32, 32), (64, 2048, 8, 32), (64, 4096, 4, 32), (64, 16384, 1, 32),
    (128, 512, 32, 16), (128, 2048, 8, 16), (128, 4096, 4, 16), (128, 16384, 1, 16),
)  # fmt: skip
DECODE = ((1, 8192), (64, 4096), (16, 16384))  # batch, context; 32 query heads on 8 heads of 128
# Attention to pages: sequences, their tokens in the step, keys that the last one sees, depth of a head, pool.
PAGED = (
    (1, 1, 4096, 128, "bf16"), (1, 1, 32768, 128, "bf16"), (32, 1, 4096, 128, "bf16"), (256, 1, 4096, 128, "bf16"), (1, 2048, 2048, 128, "bf16"),
    (1, 512, 8704, 128, "bf16"), (1, 1, 4096, 64, "bf16"), (32, 1, 4096, 64, "bf16"), (1, 512, 8704, 64, "bf16"), (32, 1, 4096, 128, "i8"),
)  # fmt: skip
TINY_PAGED = ((2, 1, 48, 64, "bf16"), (1, 40, 80, 32, "bf16"), (3, 1, 64, 32, "i8"))
ROWS = (16384, 4096)
# Products of groups: tokens, experts a token, experts, K, N. Prompts of Mixtral 8x7B (its up projection), a step of DeepSeek-V2-Lite for 64 sequences,
# and of one expert a token.
GROUPED = ((4096, 2, 8, 4096, 14336), (64, 6, 64, 2048, 1408), (64, 1, 64, 2048, 1408))
# Products with codes of few bits: kind, rows, N, K, group. A decoder's up and down projections.
CODES = tuple((kind, rows, *shape, group) for kind, group, counts in (("w4", 128, (1, 16, 32, 64)), ("w4", 32, (1, 16)), ("nf4", 64, (1, 16)), ("w8", 128, (1, 16)))
              for rows in counts for shape in ((14336, 4096), (4096, 14336)))  # fmt: skip
TINY_CODES = (("w4", 5, 112, 256, 32), ("w4", 33, 48, 128, 128), ("nf4", 1, 80, 192, 64), ("w8", 9, 64, 128, 64))
TINY_GROUPED = ((60, 2, 3, 64, 80), (8, 2, 5, 72, 48))


def product(kind: str, dtype: str, m: int, n: int, k: int) -> Case:
    result = {"i8": "i32", "f8": "bf16"}.get(dtype, dtype)
    inputs = [Operand("x", dtype, (m, k)), Operand("w", dtype, (n, k))]
    if dtype == "f8":  # a scale for each tensor, known when the product runs
        inputs += [Operand("x_scale", "f32", ()), Operand("w_scale", "f32", ())]
    if kind == "gemm-gelu":
        inputs.append(Operand("b", dtype, (n,)))
        inputs[1].scale = 1 / math.sqrt(k)  # so that GELU is not all of one side
    case = Case(f"{kind}/{dtype}/{m}x{n}x{k}", kind, inputs, [Operand("y", result, (m, n))], flops=2.0 * m * n * k)
    case.options["depth"] = k
    if dtype == "i8":
        case.roundings = 0
    if dtype == "f8":  # as the peer does; jinx.matmul without it sums apart what the tensor core rounds
        case.options["fast_sums"] = True
    if kind == "gemm-gelu":
        case.roundings, case.variants = 8, ("jinx", "no fusion")
    return case


def blocks(m: int, n: int, k: int, block: int = 128) -> Case:
    """8-bit floats with a scale for each 1 x 128 of activations and 128 x 128 of weights, all known when the product runs."""
    count = -(-k // block)
    inputs = [Operand("x", "f8", (m, k)), Operand("w", "f8", (n, k)), Operand("x_scale", "f32", (m, count)), Operand("w_scale", "f32", (-(-n // block), count))]
    case = Case(f"gemm-blocks/f8/{m}x{n}x{k}", "gemm-blocks", inputs, [Operand("y", "bf16", (m, n))], flops=2.0 * m * n * k)
    case.options = {"depth": k, "block": block, "fast_sums": True}  # within a block sums are the tensor core's
    return case


def grouped(tokens: int, chosen: int, experts: int, k: int, n: int) -> Case:
    """Tokens sorted by expert: each group's rows times its own weights. Those of an expert that nobody chose need not be read: bytes are what is
    expected of random choices."""
    rows = tokens * chosen
    inputs = [Operand("x", "bf16", (rows, k)), Operand("w", "bf16", (experts, n, k)), Operand("ends", "i32", (experts,), made="ends")]
    case = Case(f"grouped/bf16/{tokens} tokens, {chosen} of {experts}, {k}x{n}", "grouped", inputs, [Operand("y", "bf16", (rows, n))], flops=2.0 * rows * k * n)
    idle = (1 - 1 / experts) ** rows  # of the experts: each row draws one
    case.options = {"depth": k, "weight_bytes": -round(idle * inputs[1].size_bytes)}
    return case


def codes(kind: str, rows: int, n: int, k: int, group: int, layers: int) -> Case:
    """Products of one x with several weights of few bits: codes are constants of the plan, and those of one layer would stay in the second-level cache."""
    bits, levels = {"w4": (4, False), "nf4": (4, True), "w8": (8, False)}[kind]
    case = Case(f"codes/{kind} groups of {group}/{rows}x{n}x{k}", "codes", [Operand("x", "bf16", (rows, k))], [Operand(f"y{i}", "bf16", (rows, n)) for i in range(layers)],
                flops=2.0 * layers * rows * n * k, sets=2)  # fmt: skip
    case.options = {"n": n, "k": k, "bits": bits, "levels": levels, "group": group, "depth": k, "weight_bytes": layers * n * (k * bits // 8 + k // group * 2)}
    return case


def attention(dtype: str, depth: int, length: int, batch: int, heads: int, causal: bool) -> Case:
    shape = (batch, heads, length, depth)
    mask = "causal" if causal else "full"
    case = Case(f"attention/{dtype}/hd{depth}-s{length}-b{batch}-h{heads}-{mask}", "attention", [Operand(n, dtype, shape) for n in "qkv"],
                [Operand("y", dtype, shape)], flops=4.0 * batch * heads * length * length * depth / (2 if causal else 1))
    case.options = {"causal": causal, "depth": depth + length}  # terms of a score, and of an element
    case.roundings = 5  # scores, scaled, less the maximum, weights, result: as many as the operators of the model
    return case


def attention_grad(depth: int, length: int, batch: int, heads: int, causal: bool) -> Case:
    """The backward pass alone: what the forward pass leaves, y and the logarithms of the sums, is there."""
    case = attention("bf16", depth, length, batch, heads, causal)
    shape = case.inputs[0].shape
    case.name, case.kind = case.name.replace("attention/bf16/", "attention-grad/"), "attention-grad"
    case.inputs += [Operand("dy", "bf16", shape), Operand("y", "bf16", shape, made="attention"), Operand("lse", "f32", shape[:3], made="log-sum-exp")]
    case.outputs = [Operand(name, "bf16", shape) for name in ("dq", "dk", "dv")]
    case.flops *= 2.5  # five products, as everyone counts; Jinx makes seven
    if causal:  # a row is a mean of as many as it sees: the first are the largest
        case.peak = math.sqrt(length / math.log(length))
    return case


def decode(batch: int, context: int, heads: int = 32, kv_heads: int = 8, depth: int = 128) -> Case:
    q, kv = (batch, heads, 1, depth), (batch, kv_heads, context, depth)
    case = Case(f"decode/bf16/b{batch}-c{context}", "decode", [Operand("q", "bf16", q), Operand("k", "bf16", kv), Operand("v", "bf16", kv)],
                [Operand("y", "bf16", q)], flops=4.0 * batch * heads * context * depth)
    case.options["depth"] = depth + context
    case.roundings = 5
    return case


def paged(batch: int, new: int, context: int, depth: int, pool: str, heads: int = 32, kv_heads: int = 8, page: int = 16) -> Case:
    """The last `new` tokens of each sequence attend to its keys, which lie in pages in no order."""
    tokens, pages = batch * new, batch * context // page
    q, kept = (tokens, heads, depth), (pages, kv_heads, page, depth)
    inputs = [Operand("q", "bf16", q), Operand("keys", pool, kept), Operand("values", pool, kept), Operand("table", "i32", (batch, context // page), made="pages"),
              Operand("sequence", "i32", (tokens,), made="sequences"), Operand("position", "i32", (tokens,), made="positions")]  # fmt: skip
    if pool == "i8":
        inputs += [Operand(name, "f32", (pages, kv_heads, page), 0.02) for name in ("key_scales", "value_scales")]
    case = Case(f"paged/{pool}/hd{depth}-b{batch}-n{new}-c{context}", "paged", inputs, [Operand("y", "bf16", q)], flops=4.0 * batch * heads * depth * (new * context - new * (new - 1) // 2))
    case.options = {"depth": depth + context, "new": new}
    case.roundings = 3  # weights, and the result
    if batch * context > 1 << 18:
        case.sets = 1
    return case


def rows(rows: int, columns: int) -> list[Case]:
    x, r = Operand("x", "bf16", (rows, columns)), Operand("r", "bf16", (rows, columns))
    g, b, y = Operand("g", "bf16", (columns,)), Operand("b", "bf16", (columns,)), Operand("y", "bf16", (rows, columns))
    both = ("jinx", "no fusion")
    size = f"{rows}x{columns}"
    return [
        Case(f"rows/softmax/{size}", "softmax", [x], [y], roundings=4, variants=both),
        Case(f"rows/layernorm+residual/{size}", "layernorm", [x, r, g, b], [y], roundings=4, variants=both),
        Case(f"rows/rmsnorm/{size}", "rmsnorm", [x, g], [y], roundings=2, variants=both),
        Case(f"rows/gelu(x)*r+b/{size}", "gelu-chain", [x, r, b], [y], roundings=7, variants=both),
    ]


def rows_of_any_size(count: int, columns: int) -> list[Case]:
    """The same, compiled without knowing either size."""
    made = [case for case in rows(count, columns) if case.kind in ("softmax", "rmsnorm")]
    for case in made:
        case.name = case.name.replace("rows/", "rows-of-any-size/")
        case.options["symbols"] = {count: "n", columns: "w"}
        case.variants = ("jinx",)
    return made


def sums(tiny: bool) -> list[Case]:
    """Results for each column: of all rows, of a product, of a batch of images."""
    size = "40x24" if tiny else "16384x4096"
    plain, images = ((40, 24), (2, 5, 6, 8)) if tiny else ((16384, 4096), (64, 56, 56, 256))
    made = []
    for dtype in ("f32", "bf16"):
        made.append(Case(f"sums/rows/{dtype}/{size}", "sum", [Operand("x", dtype, plain)], [Operand("y", dtype, (1, plain[1]))]))
    # Of a normalisation's scale: the sum of dy * x over the batch.
    made.append(Case(f"sums/gradient of a scale/bf16/{size}", "sum-of-products", [Operand("x", "bf16", plain), Operand("d", "bf16", plain)],
                     [Operand("y", "bf16", (1, plain[1]))], roundings=2))
    made.append(Case(f"sums/channels/bf16/{'x'.join(map(str, images))}", "sum", [Operand("x", "bf16", images)], [Operand("y", "bf16", (1, 1, 1, images[-1]))]))
    for case in made:
        case.options["depth"] = math.prod(case.inputs[0].shape[:-1])
    return made


# Shape, order: a matrix, heads apart and together, keys turned in their batch, channels last.
TRANSPOSES = (
    ((8192, 8192), (1, 0)), ((8, 2048, 32, 64), (0, 2, 1, 3)), ((8, 2048, 16, 128), (0, 2, 1, 3)), ((64, 1024, 1024), (0, 2, 1)),
    ((64, 256, 56, 56), (0, 2, 3, 1)),
)  # fmt: skip
TINY_TRANSPOSES = (((40, 24), (1, 0)), ((2, 5, 3, 8), (0, 2, 1, 3)), ((3, 24, 40), (0, 2, 1)), ((2, 8, 5, 6), (0, 2, 3, 1)))


def transposes(tiny: bool) -> list[Case]:
    made = []
    for shape, order in TINY_TRANSPOSES if tiny else TRANSPOSES:
        name = f"transpose/bf16/{'x'.join(map(str, shape))}-{''.join(map(str, order))}"
        case = Case(name, "transpose", [Operand("x", "bf16", shape)], [Operand("y", "bf16", tuple(shape[i] for i in order))], roundings=0)
        case.options = {"order": order}
        made.append(case)
    return made


MODELS = (("resnet50", 1), ("resnet50", 64), ("bert", 1), ("bert", 64))
TINY = {
    "resnet50": {"image": 32, "width": 8, "blocks": (1, 1, 1, 1), "classes": 10},
    "bert": {"tokens": 8, "hidden": 32, "layers": 2, "heads": 2, "inner": 64, "words": 50},
}


def model(network: str, batch: int, tiny: bool, dtype: str = "f16") -> Case:
    """Weights are constants of the plan, as in a deployment: what a compiler does with them beforehand is part of it."""
    import networks

    sizes = TINY[network] if tiny else {}
    image, tokens, hidden = sizes.get("image", 224), sizes.get("tokens", 128), sizes.get("hidden", 768)
    if network == "resnet50":
        given, result = Operand("x", dtype, (batch, image, image, 3)), Operand("y", dtype, (batch, sizes.get("classes", 1000)))
    else:
        given = Operand("ids", "i64", (batch, tokens), high=sizes.get("words", 30522))
        result = Operand("y", dtype, (batch, tokens, hidden))
    counter = networks.Counter()
    networks.NETWORKS[network](counter, given.shape, **sizes)
    case = Case(f"model/{network}-b{batch}{'' if dtype == 'f16' else '-' + dtype}", "model", [given], [result], flops=counter.flops)
    case.options = {"network": network, "sizes": sizes, "dtype": dtype, "weight_bytes": counter.parameters * BYTES[dtype], "depth": 10000}
    case.roundings = 24  # some a layer, which partly cancel
    return case


def table(tiny: bool = False) -> list[Case]:
    """All cases; `tiny`: the same with sizes that a processor computes in no time."""

    def small(*sizes):
        return tuple(min(size, 32 + 8 * i) if tiny else size for i, size in enumerate(sizes))

    made = [product("gemm", "bf16", *s) for s in (TINY_PRODUCTS if tiny else PRODUCTS)]
    made += [product("gemm", "f16", *small(*s)) for s in HALVES]
    made += [product("gemm", "f32", *small(2048, 2048, 2048))]
    made += [product("gemm-gelu", "bf16", *small(*s)) for s in EPILOGUES]
    made += [product("gemm-gelu", "f16", *small(*EPILOGUES[0])), product("gemm-gelu", "f32", *small(1024, 1024, 1024))]
    made += [product("gemm", dtype, *small(*s)) for dtype in ("f8", "i8") for s in BYTE_PRODUCTS]
    made += [blocks(*s) for s in (TINY_BLOCK_PRODUCTS if tiny else BLOCK_PRODUCTS)]
    made += [grouped(*sizes) for sizes in (TINY_GROUPED if tiny else GROUPED)]
    made += [codes(*sizes, layers=2 if tiny else 4) for sizes in (TINY_CODES if tiny else CODES)]
    for depth, length, batch, heads in ATTENTION:
        sizes = (depth, 64, 2, 2) if tiny else (depth, length, batch, heads)
        made += [attention("bf16", *sizes, causal) for causal in (False, True)]
    made += [attention("f32", *((64, 64, 2, 2) if tiny else (64, 1024, 4, 16)), False)]
    for depth, length, batch, heads in ATTENTION[1:4] + ATTENTION[5:]:
        made += [attention_grad(*((depth, 64, 2, 2) if tiny else (depth, length, batch, heads)), causal) for causal in (False, True)]
    made += [paged(*sizes, 8, 2) for sizes in TINY_PAGED] if tiny else [paged(*sizes) for sizes in PAGED]
    made += [decode(2, 96, 8, 2) if tiny else decode(batch, context) for batch, context in DECODE]
    made += rows(*((24, 64) if tiny else ROWS)) + rows_of_any_size(*((24, 64) if tiny else ROWS)) + sums(tiny) + transposes(tiny)
    made += [model(network, min(batch, 2) if tiny else batch, tiny) for network, batch in MODELS]
    if tiny:  # what also the processor has kernels for
        made += [model(network, 1, tiny, "f32") for network in TINY]
    return list({case.name: case for case in made}.values())  # tiny sizes coincide
