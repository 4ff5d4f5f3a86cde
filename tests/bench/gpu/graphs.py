"""How is the model of a case written? As ONNX where an exporter would write it so, as native IR where sizes call for it."""

import pathlib

from cases import Case

ONNX_TYPES = {"bf16": 16, "f16": 10, "f32": 1, "i8": 3, "u8": 2, "i32": 6, "i64": 7}
NATIVE_TYPES = {"f8": "f8E4M3FN"}


def write(case: Case, folder: pathlib.Path) -> pathlib.Path:
    """The model's file."""
    made = MAKERS[case.kind](case)
    stem = file_stem(case)
    if case.kind in ("model", "codes"):
        path = folder / f"{stem}.onnx"
        path.write_bytes(made.SerializeToString())
        return path
    if isinstance(made, str):
        path = folder / f"{stem}.mlir"
        path.write_text(made)
        return path
    path = folder / f"{stem}.onnx"
    save_onnx(case, made, path)
    return path


def file_stem(case: Case) -> str:
    return "".join(c if c.isalnum() or c in "-.+" else "_" for c in case.name)


def onnx_model(case: Case, nodes: list, constants: list = ()):
    from onnx import helper

    def info(operand):
        symbols = case.options.get("symbols", {})
        return helper.make_tensor_value_info(operand.name, ONNX_TYPES[operand.dtype], [symbols.get(extent, extent) for extent in operand.shape])

    graph = helper.make_graph([helper.make_node(op, list(inputs), [output], **attributes) for op, inputs, output, attributes in nodes],
                              case.kind, [info(o) for o in case.inputs], [info(o) for o in case.outputs], list(constants))
    sets = [helper.make_opsetid("", 23), *([helper.make_opsetid("com.microsoft", 1)] if constants else [])]
    return helper.make_model(graph, opset_imports=sets, ir_version=10)


def save_onnx(case: Case, nodes: list, path: pathlib.Path) -> None:
    from onnx import save

    save(onnx_model(case, nodes), path)


def tensor(shape, dtype: str) -> str:
    return f"tensor<{''.join(f'{d}x' for d in shape)}{NATIVE_TYPES.get(dtype, dtype)}>"


def function(case: Case, body: list[str]) -> str:
    def named(operands, prefix):
        return ", ".join(f'{prefix.format(o.name)}{tensor(o.shape, o.dtype)} {{jinx.name = "{o.name}"}}' for o in operands)

    values, types = (", ".join(parts) for parts in zip(*((f"%{o.name}", tensor(o.shape, o.dtype)) for o in case.outputs)))
    lines = "\n".join(f"  {line}" for line in [*body, f"return {values} : {types}"])
    return f"func.func @main({named(case.inputs, '%{}: ')}) -> ({named(case.outputs, '')}) {{\n{lines}\n}}\n"


def gemm(case: Case) -> str:
    x, w = (tensor(o.shape, o.dtype) for o in case.inputs[:2])
    y = tensor(case.outputs[0].shape, case.outputs[0].dtype)
    if case.inputs[0].dtype == "f8":
        sums, scalar = tensor(case.outputs[0].shape, "f32"), tensor((), "f32")
        return function(case, [
            f"%sums = jinx.matmul %x, %w transpose_b fast_sums : {x}, {w} -> {sums}",
            f"%less = jinx.mul %sums, %x_scale : {sums}, {scalar} -> {sums}",
            f"%scaled = jinx.mul %less, %w_scale : {sums}, {scalar} -> {sums}",
            f"%y = jinx.cast %scaled : {sums} -> {y}",
        ])  # fmt: skip
    return function(case, [f"%y = jinx.matmul %x, %w transpose_b : {x}, {w} -> {y}"])


def gemm_blocks(case: Case) -> str:
    """Scales of weights are repeated along columns, as jinx-quantize writes them."""
    (m, k), (n, _) = case.inputs[0].shape, case.inputs[1].shape
    block, (bands, count) = case.options["block"], case.inputs[3].shape
    x, w, xs, ws = (tensor(o.shape, o.dtype) for o in case.inputs)
    wide, weights, y = tensor((m, k), "bf16"), tensor((n, k), "bf16"), tensor((m, n), "bf16")
    apart, spread, joined, cut = (tensor(s, "f32") for s in ((bands, 1, count), (bands, block, count), (bands * block, count), (n, count)))
    lines = [f"%apart = jinx.reshape %w_scale : {ws} -> {apart}", f"%spread = jinx.broadcast %apart : {apart} -> {spread}", f"%joined = jinx.reshape %spread : {spread} -> {joined}"]
    if bands * block != n:
        lines.append(f'%cut = jinx.slice %joined starts ["0", "0"] steps [1, 1] : {joined} -> {cut}')
    return function(case, [
        *lines,
        f"%a = jinx.dequantize %x, %x_scale block {block} along 1 : {x}, {xs} -> {wide}",
        f"%b = jinx.dequantize %w, {'%joined' if bands * block == n else '%cut'} block {block} along 1 : {w}, {cut} -> {weights}",
        f"%y = jinx.matmul %a, %b transpose_b : {wide}, {weights} -> {y}",
    ])  # fmt: skip


def grouped(case: Case) -> str:
    x, w, ends = (tensor(o.shape, o.dtype) for o in case.inputs)
    return function(case, [f"%y = jinx.grouped_matmul %x, %w transpose_w, %ends : {x}, {w}, {ends} -> {tensor(case.outputs[0].shape, case.outputs[0].dtype)}"])


def softmax_of(scores: str, shape, dtype: str, to: str) -> list[str]:
    """Lines for the softmax of the last dimension of `scores` as %`to`."""
    full, one, last = tensor(shape, dtype), tensor((*shape[:-1], 1), dtype), len(shape) - 1
    return [
        f"%max = jinx.reduce max, {scores} axes [{last}] : {full} -> {one}",
        f"%less = jinx.sub {scores}, %max : {full}, {one} -> {full}",
        f"%exp = jinx.exp %less : {full} -> {full}",
        f"%sum = jinx.reduce sum, %exp axes [{last}] : {full} -> {one}",
        f"%{to} = jinx.div %exp, %sum : {full}, {one} -> {full}",
    ]


def attention_body(q: str, k: str, v: str, q_shape, kv_shape, dtype: str, causal: bool, y: str) -> list[str]:
    """Lines for y = softmax(q·kᵀ/√d + mask)·v, with all values of the one type, as an importer writes it."""
    lead, (rows, depth), columns = q_shape[:-2], q_shape[-2:], kv_shape[-2]
    shape = (*lead, rows, columns)
    qt, kt, st = tensor(q_shape, dtype), tensor(kv_shape, dtype), tensor(shape, dtype)
    scalar = tensor((), dtype)
    lines = [
        f"%scale = jinx.constant dense<{depth ** -0.5:.9e}> : {scalar}",
        f"%products = jinx.matmul {q}, {k} transpose_b : {qt}, {kt} -> {st}",
        f"%scores = jinx.mul %products, %scale : {st}, {scalar} -> {st}",
    ]
    scores = "%scores"
    if causal:
        at_row, at_column, see = f"tensor<{rows}x1xi64>", f"tensor<1x{columns}xi64>", f"tensor<{rows}x{columns}xi1>"
        infinity = {"bf16": "0xFF80", "f16": "0xFC00", "f32": "0xFF800000"}[dtype]
        lines += [
            f"%hidden = jinx.constant dense<{infinity}> : {scalar}",
            f"%row = jinx.iota axis 0 : {at_row}",
            f"%column = jinx.iota axis 1 : {at_column}",
            f"%ahead = jinx.compare lt, %row, %column : {at_row}, {at_column} -> {see}",
            f"%masked = jinx.select %ahead, %hidden, %scores : {see}, {scalar}, {st} -> {st}",
        ]
        scores = "%masked"
    lines += softmax_of(scores, shape, dtype, "weights")
    return [*lines, f"{y} = jinx.matmul %weights, {v} : {st}, {kt} -> {tensor((*lead, rows, kv_shape[-1]), dtype)}"]


def attention(case: Case) -> str:
    q, k, _ = case.inputs
    return function(case, attention_body("%q", "%k", "%v", q.shape, k.shape, q.dtype, case.options["causal"], "%y"))


def attention_grad(case: Case) -> str:
    """delta is the graph's: sums of dy*y in f32."""
    q, lse = case.inputs[0], case.inputs[-1]
    half, wide, rows, one = tensor(q.shape, q.dtype), tensor(q.shape, "f32"), tensor(lse.shape, "f32"), tensor((*lse.shape, 1), "f32")
    causal = " causal" if case.options["causal"] else ""
    return function(case, [
        f"%wide = jinx.cast %y : {half} -> {wide}",
        f"%gradient = jinx.cast %dy : {half} -> {wide}",
        f"%products = jinx.mul %wide, %gradient : {wide}, {wide} -> {wide}",
        f"%sums = jinx.reduce sum, %products axes [3] : {wide} -> {one}",
        f"%delta = jinx.reshape %sums : {one} -> {rows}",
        f"%dq, %dk, %dv = jinx.attention_grad %q, %k, %v, %dy, %lse, %delta scale {q.shape[-1] ** -0.5:.9e}{causal} : "
        f"({', '.join([half] * 4 + [rows] * 2)}) -> ({half}, {half}, {half})",
    ])  # fmt: skip


def decode(case: Case) -> str:
    """The query heads that share keys are rows of one product: they lie beside each other."""
    q, k, _ = case.inputs
    batch, heads, _, depth = q.shape
    kv_heads = k.shape[1]
    grouped = (batch, kv_heads, heads // kv_heads, depth)
    plain, together = tensor(q.shape, q.dtype), tensor(grouped, q.dtype)
    body = [f"%grouped = jinx.reshape %q : {plain} -> {together}"]
    body += attention_body("%grouped", "%k", "%v", grouped, k.shape, q.dtype, False, "%together")
    return function(case, [*body, f"%y = jinx.reshape %together : {together} -> {plain}"])


def paged(case: Case) -> str:
    types = {o.name: tensor(o.shape, o.dtype) for o in case.inputs}
    scales = "scales %key_scales, %value_scales ", f"scales {types.get('key_scales')}, {types.get('value_scales')} "
    beside = scales if "key_scales" in types else ("", "")
    plain = ("q", "keys", "values", "table", "sequence", "position")
    return function(case, [f"%y = jinx.paged_attention {', '.join('%' + name for name in plain)} {beside[0]}scale {case.inputs[0].shape[-1] ** -0.5:.9e} : "
                           f"{', '.join(types[name] for name in plain)} {beside[1]}-> {types['q']}"])  # fmt: skip


def model(case: Case):
    import networks

    return networks.onnx_model(case.options["network"], case.options["sizes"], case.options["dtype"], *case.inputs, *case.outputs)


def codes_model(case: Case):
    import codes
    from onnx import helper

    constants = []

    def initializer(name: str, array, dtype: str) -> str:
        raw = (array.astype("<f4").view("<u4") >> 16).astype("<u2") if dtype == "bf16" else array
        constants.append(helper.make_tensor(name, ONNX_TYPES[dtype], array.shape, raw.tobytes(), raw=True))
        return name

    nodes = codes.nodes(case, initializer)
    return onnx_model(case, nodes, constants)


def sum_of_rows(case: Case, of: str = "%x", before: tuple = ()) -> str:
    """Over all dimensions but the last; 16-bit floats are added in f32."""
    x, y = case.inputs[0], case.outputs[0]
    axes = ", ".join(map(str, range(len(x.shape) - 1)))
    wide, narrow = tensor(x.shape, "f32"), tensor(y.shape, "f32")
    cast = [f"%wide = jinx.cast {of} : {tensor(x.shape, x.dtype)} -> {wide}"] if x.dtype != "f32" else []
    back = f"%y = jinx.cast %sum : {narrow} -> {tensor(y.shape, y.dtype)}"
    total = f"jinx.reduce sum, {'%wide' if cast else of} axes [{axes}] : {wide} -> {narrow}"
    return function(case, [*before, *cast, *([f"%sum = {total}", back] if cast else [f"%y = {total}"])])


def sum_of_products(case: Case) -> str:
    t = tensor(case.inputs[0].shape, case.inputs[0].dtype)
    return sum_of_rows(case, "%product", (f"%product = jinx.mul %x, %d : {t}, {t} -> {t}",))


MAKERS = {
    "model": model,
    "gemm": gemm,
    "gemm-blocks": gemm_blocks,
    "grouped": grouped,
    "codes": codes_model,
    "gemm-gelu": lambda case: [("Gemm", "xwb", "t", {"transB": 1}), ("Gelu", "t", "y", {"approximate": "tanh"})],
    "attention": attention,
    "attention-grad": attention_grad,
    "decode": decode,
    "paged": paged,
    "softmax": lambda case: [("Softmax", "x", "y", {"axis": -1})],
    "layernorm": lambda case: [("Add", "xr", "t", {}), ("LayerNormalization", "tgb", "y", {"axis": -1, "epsilon": 1e-5})],
    "rmsnorm": lambda case: [("RMSNormalization", "xg", "y", {"axis": -1, "epsilon": 1e-5})],
    "gelu-chain": lambda case: [("Gelu", "x", "t", {}), ("Mul", "tr", "u", {}), ("Add", "ub", "y", {})],
    "sum": sum_of_rows,
    "sum-of-products": sum_of_products,
    "transpose": lambda case: [("Transpose", "x", "y", {"perm": list(case.options["order"])})],
}
