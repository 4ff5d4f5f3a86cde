"""Which weights of 4 and 8 bits do the cases of products with codes have? The same wherever they are asked for: in the model, the answer and the peers.

Codes are constants of a plan, and a plan must travel. So both codes and scales are drawn for a few hundred rows and repeated, with periods that share no
factor but 16: no two rows of a matrix are equal before the 4352nd, and pieces of a plan (carry.py) are. Layers begin at other rows.
"""

import numpy as np

CODE_ROWS, SCALE_ROWS, LAYER_STEP = 256, 272, 64
ZERO = {4: 8, 8: 128}  # what a code of so many bits that stands for a number has for 0
NF4 = (-1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635, -0.18477343022823334, -0.09105003625154495, 0.0,
       0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224, 0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1.0)  # fmt: skip


def bytes_of(seed: int, count: int) -> np.ndarray:
    """Raw output of a generator: the same in every numpy."""
    return np.random.PCG64(seed).random_raw((count + 7) // 8).astype("<u8").view(np.uint8)[:count]


def weights(options: dict, layer: int) -> tuple[np.ndarray, np.ndarray]:
    """Codes [n, k] as uint8, and scales [n, k / group], one of four numbers that bf16 holds."""
    n, k, bits, groups = options["n"], options["k"], options["bits"], options["k"] // options["group"]
    codes = bytes_of(11, CODE_ROWS * k).reshape(CODE_ROWS, k) & (2**bits - 1)
    unit = 2.0 ** -round(np.log2(k) / 2 + (0 if options["levels"] else bits - 2))  # results are about 1
    scales = (1 + (bytes_of(12, SCALE_ROWS * groups).reshape(SCALE_ROWS, groups) & 3) / 4) * unit
    rows = np.arange(n) + LAYER_STEP * layer
    return codes[rows % CODE_ROWS], scales[rows % SCALE_ROWS].astype(np.float32)


def values(options: dict, codes):
    """What codes stand for; weights of a table are rounded to bf16, as the kernels' are."""
    if not options["levels"]:
        return codes.astype(np.float32) - ZERO[options["bits"]]
    bits = np.array(NF4, dtype=np.float32).view(np.uint32)
    return ((bits + 0x7FFF + (bits >> 16 & 1)) & np.uint32(0xFFFF0000)).view(np.float32)[codes]


def matrix(options: dict, layer: int) -> np.ndarray:
    """The weights [n, k] as f32."""
    codes, scales = weights(options, layer)
    n, k, group = options["n"], options["k"], options["group"]
    return (values(options, codes).reshape(n, k // group, group) * scales[..., None]).reshape(n, k)


def nodes(case, initializer) -> list:
    """ONNX nodes, one for each layer. `initializer(name, array, dtype)` keeps a constant and gives its name."""
    o, made = case.options, []
    for layer, y in enumerate(case.outputs):
        codes, scales = weights(o, layer)
        sizes = {"K": o["k"], "N": o["n"], "block_size": o["group"], "domain": "com.microsoft"}
        if o["levels"]:  # the high half of a byte comes first
            kind, sizes = "MatMulBnb4", {**sizes, "quant_type": 1}
            packed = (codes[:, ::2] << 4 | codes[:, 1::2]).reshape(-1)
        else:  # the low half does
            kind, sizes = "MatMulNBits", {**sizes, "bits": o["bits"]}
            packed = codes if o["bits"] == 8 else codes[:, ::2] | codes[:, 1::2] << 4
            packed = packed.reshape(o["n"], o["k"] // o["group"], -1)
        inputs = ("x", initializer(f"codes{layer}", packed, "u8"), initializer(f"scales{layer}", scales.reshape(-1), case.inputs[0].dtype))
        made.append((kind, inputs, y.name, sizes))
    return made
