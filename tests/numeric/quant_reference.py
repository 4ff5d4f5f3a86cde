"""What does each quantization scheme mean? Every one written once from its definition, in float64 NumPy; shares no code with the product.

Words. A *code* is the small integer that is stored, a *level* what it stands for before scaling (the code itself, or an entry of a table),
a *scale* the size of a step. A scale belongs to a *region*: a tensor, a slice along an axis, or `block` neighbours along an axis (the last
block of an axis may be short). What is stored stands for

    (level(code) - zero) * scale + offset

`Coded` holds that with one scale, zero and offset an element's region; `.values()` is the formula, `.error(x)` how far it is from x. A weight of
a product x @ w is [k, n] here: channels are columns, groups are neighbours along k.

    int8 per channel   symmetric: scale = max|w| / 127 of a column, codes -127 … 127
    int8 dynamic       the same of rows of x (tokens), at run time; x @ w is a product of integers times both scales
    int4 groups        symmetric: scale = max|w| / 7 of a group. With a zero point: scale = (max - min) / 15 of a range that holds 0,
                       zero = round(-min / scale), codes 0 … 15.
                       With an offset: value = code * scale + min, scale = (max - min) / 15. Searched: codes -8 … 7, and the scale, of
                       either sign, that loses least of 18 from 0.7 max|w| / 8 to max|w| / 7, the symmetric one
    NF4                levels: Dettmers et al. 2023 (QLoRA), appendix E; scale = max|w| of a group of 64. Double quantization (section 3):
                       the scales less their mean, 256 at a time, become 8-bit codes themselves
    FP8 E4M3           scale = max|w| / 448 of a tensor, a column or a tile of 128 x 128; rounded to nearest even, saturating
    GPTQ               Frantar et al. 2023: rows of w are quantized in order of k, and each one's error is spread over the rows to come
    SmoothQuant        Xiao et al. 2023, equation 4: columns of x are divided, rows of w multiplied, by max|x|^a / max|w|^(1 - a)

A region of zeros has scale 1 (any would do). Ties round to even; NaN and infinities are not quantized.
"""

import dataclasses

import numpy as np

# Dettmers et al. 2023, appendix E.
NF4_LEVELS = np.array([
    -1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635, -0.18477343022823334, -0.09105003625154495, 0.0,
    0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224, 0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1.0,
])  # fmt: skip
E4M3_LARGEST = 448.0


@dataclasses.dataclass
class Coded:
    """codes of x's shape; scale, zero and offset spread to x's shape; levels: a table, or None where the code is the level."""

    codes: np.ndarray
    scale: np.ndarray
    zero: np.ndarray | float = 0.0
    levels: np.ndarray | None = None
    offset: np.ndarray | float = 0.0

    def values(self) -> np.ndarray:
        level = self.codes if self.levels is None else self.levels[self.codes]
        return (level - self.zero) * self.scale + self.offset

    def error(self, x: np.ndarray) -> float:
        """Root mean square of the difference, relative to x's."""
        return float(np.sqrt(np.mean((self.values() - x) ** 2) / np.mean(x**2)))


# ---- regions ----------------------------------------------------------------------------------------------------------


def over_blocks(x: np.ndarray, reduce, axis: int, block: int) -> np.ndarray:
    """reduce(values, axis) of each block along the axis, spread back to x's shape."""
    x = np.moveaxis(x, axis, 0)
    parts = [np.broadcast_to(reduce(x[start : start + block], 0), x[start : start + block].shape) for start in range(0, len(x), block)]
    return np.moveaxis(np.concatenate(parts), 0, axis)


def over_slices(x: np.ndarray, reduce, axis: int) -> np.ndarray:
    """reduce(values, axes) of each slice x[.., i, ..] of the axis."""
    axes = tuple(k for k in range(x.ndim) if k != axis % x.ndim)
    return np.broadcast_to(np.expand_dims(reduce(x, axes), axes), x.shape)


def over_tiles(x: np.ndarray, reduce, tile: int) -> np.ndarray:
    """reduce of each tile x tile piece of a matrix."""
    result = np.empty_like(x)
    for i in range(0, x.shape[0], tile):
        for j in range(0, x.shape[1], tile):
            result[i : i + tile, j : j + tile] = reduce(x[i : i + tile, j : j + tile], (0, 1))
    return result


def largest(x: np.ndarray, axes) -> np.ndarray:
    return np.max(np.abs(x), axis=axes)


def step(extent: np.ndarray, count: float) -> np.ndarray:
    return np.where(extent == 0, 1.0, extent / count)


# ---- schemes ----------------------------------------------------------------------------------------------------------


def symmetric(x: np.ndarray, extent: np.ndarray, limit: int) -> Coded:
    scale = step(extent, limit)
    return Coded(np.clip(np.rint(x / scale), -limit, limit).astype(np.int8), scale)


def with_zero_point(x: np.ndarray, low: np.ndarray, high: np.ndarray, limit: int) -> Coded:
    low, high = np.minimum(low, 0), np.maximum(high, 0)
    scale = step(high - low, limit)
    zero = np.rint(-low / scale)
    return Coded(np.clip(np.rint(x / scale) + zero, 0, limit).astype(np.uint8), scale, zero)


def int8_per_channel(w: np.ndarray, axis: int = -1) -> Coded:
    return symmetric(w, over_slices(w, largest, axis), 127)


def int8_per_tensor(x: np.ndarray, extent: float | None = None) -> Coded:
    """extent: the largest magnitude that calibration saw; what is beyond saturates."""
    return symmetric(x, np.broadcast_to(largest(x, None) if extent is None else extent, x.shape), 127)


def uint8_per_tensor(x: np.ndarray, low: float, high: float) -> Coded:
    return with_zero_point(x, np.float64(low), np.float64(high), 255)


def int8_per_token(x: np.ndarray) -> Coded:
    """One scale a row of the last dimension."""
    return symmetric(x, np.broadcast_to(largest(x, (-1,))[..., None], x.shape), 127)


def int8_dynamic_product(x: np.ndarray, w: np.ndarray) -> np.ndarray:
    """x [.., m, k] per token times w [k, n] per channel: integers, then both scales."""
    rows, columns = int8_per_token(x), int8_per_channel(w)
    return (rows.codes.astype(np.int64) @ columns.codes.astype(np.int64)) * rows.scale[..., :1] * columns.scale[:1]


def int4_groups(w: np.ndarray, group: int = 32, axis: int = 0) -> Coded:
    return symmetric(w, over_blocks(w, largest, axis, group), 7)


def int4_groups_zero(w: np.ndarray, group: int = 32, axis: int = 0) -> Coded:
    return with_zero_point(w, over_blocks(w, np.min, axis, group), over_blocks(w, np.max, axis, group), 15)


def int4_groups_offset(w: np.ndarray, group: int = 32, axis: int = 0) -> Coded:
    """The form of GGUF's Q4_1."""
    low = over_blocks(w, np.min, axis, group)
    scale = step(over_blocks(w, np.max, axis, group) - low, 15)
    return Coded(np.clip(np.rint((w - low) / scale), 0, 15).astype(np.uint8), scale, offset=low)


def int4_groups_searched(w: np.ndarray, group: int = 32, axis: int = 0) -> Coded:
    """All candidates of all groups at once; the sum of squares of a group decides, the earlier one at equality."""
    extent, best = step(over_blocks(w, largest, axis, group), 8), None
    for factor in np.linspace(0.7, 8 / 7, 18):
        for scale in (extent * factor, -extent * factor):
            codes = np.clip(np.rint(w / scale), -8, 7)
            loss = over_blocks((codes * scale - w) ** 2, np.sum, axis, group)
            if best is None:
                best = [codes, scale, loss]
            else:
                best = [np.where(loss < best[2], new, old) for new, old in zip((codes, scale, loss), best)]
    return Coded(best[0].astype(np.int8), best[1])


def nearest_level(x: np.ndarray, levels: np.ndarray) -> np.ndarray:
    return np.searchsorted((levels[1:] + levels[:-1]) / 2, x).astype(np.uint8)


def double_quantized(scales: np.ndarray, group: int = 256) -> np.ndarray:
    """What scales (in the order in which they are stored) are after they become 8-bit codes, less their mean."""
    mean = scales.mean()
    centred = (scales - mean).reshape(-1)
    return (symmetric(centred, over_blocks(centred, largest, 0, group), 127).values() + mean).reshape(scales.shape)


def nf4(w: np.ndarray, group: int = 64, axis: int = 0, double: int = 0) -> Coded:
    """double: so many scales share an 8-bit code's scale; 0: scales stay as they are. Stored scales follow each other along k, column by column.

    Codes are chosen by the exact scales, as in QLoRA; what is stored for the scale only decides what they stand for.
    """
    scale = step(over_blocks(w, largest, axis, group), 1)
    codes = nearest_level(w / scale, NF4_LEVELS)
    if double:
        along = np.moveaxis(scale, axis, -1)
        stored = double_quantized(along[..., ::group], double)
        scale = np.moveaxis(np.repeat(stored, group, axis=-1)[..., : w.shape[axis]], -1, axis)
    return Coded(codes, scale, levels=NF4_LEVELS)


def to_e4m3(x: np.ndarray) -> np.ndarray:
    """Nearest E4M3 number: 4 significant bits from 2^-6 on, below it steps of 2^-9; at most 448."""
    exponent = np.maximum(np.frexp(np.where(x == 0, 1, x))[1] - 1, -6)
    quantum = np.ldexp(1.0, exponent - 3)
    return np.clip(np.rint(x / quantum) * quantum, -E4M3_LARGEST, E4M3_LARGEST)


def fp8(w: np.ndarray, region: str = "tensor", axis: int = -1, tile: int = 128) -> Coded:
    """region: tensor, channel (slices of the axis) or tile. The codes are the rounded numbers themselves."""
    extent = {
        "tensor": lambda: np.broadcast_to(largest(w, None), w.shape),
        "channel": lambda: over_slices(w, largest, axis),
        "tile": lambda: over_tiles(w, largest, tile),
    }[region]()
    scale = step(extent, E4M3_LARGEST)
    return Coded(to_e4m3(w / scale), scale)


# ---- GPTQ -------------------------------------------------------------------------------------------------------------


def gptq(w: np.ndarray, gram: np.ndarray, quantize_group, group: int, damping: float = 0.01, ordered: bool = False) -> np.ndarray:
    """What w [k, n] stands for after GPTQ. gram: x^T x [k, k] of calibration inputs; quantize_group(rows): a function that fixes
    scales (and zeros) for a group's rows as they are then and returns `fake(row index in group, row)`.

    With U the upper Cholesky factor of (gram + damping)^-1, row i becomes q, and row j > i changes by -(w_i - q) U_ij / U_ii.
    Rows are taken in order of k, or (ordered) of falling diagonal, with groups formed in that order. A k that no input
    ever uses (zero diagonal) has weight 0.
    """
    w, gram = np.array(w, np.float64), np.array(gram, np.float64)
    dead = np.diag(gram) == 0
    gram[dead, dead], w[dead] = 1, 0
    gram[np.diag_indices_from(gram)] += damping * np.mean(np.diag(gram))
    order = np.argsort(-np.diag(gram), kind="stable") if ordered else np.arange(len(w))
    w, gram = w[order], gram[np.ix_(order, order)]
    upper = np.linalg.cholesky(np.linalg.inv(gram)).T
    result = np.empty_like(w)
    for start in range(0, len(w), group):
        stop = min(start + group, len(w))
        fake, errors = quantize_group(w[start:stop]), np.empty_like(w[start:stop])
        for i in range(start, stop):
            result[i] = fake(i - start, w[i])
            errors[i - start] = (w[i] - result[i]) / upper[i, i]
            w[i + 1 : stop] -= np.outer(upper[i, i + 1 : stop], errors[i - start])
        w[stop:] -= upper[start:stop, stop:].T @ errors
    back = np.empty_like(result)
    back[order] = result
    return back


def gptq_int4(rows: np.ndarray):
    scale = step(largest(rows, 0), 7)
    return lambda _, row: np.clip(np.rint(row / scale), -7, 7) * scale


def gptq_int4_zero(rows: np.ndarray):
    coded = int4_groups_zero(rows, len(rows))
    scale, zero = coded.scale[0], coded.zero[0]
    return lambda _, row: (np.clip(np.rint(row / scale) + zero, 0, 15) - zero) * scale


def gptq_int4_searched(rows: np.ndarray):
    scale = int4_groups_searched(rows, len(rows)).scale[0]
    return lambda _, row: np.clip(np.rint(row / scale), -8, 7) * scale


def gptq_nf4(rows: np.ndarray):
    scale = step(largest(rows, 0), 1)
    return lambda _, row: NF4_LEVELS[nearest_level(row / scale, NF4_LEVELS)] * scale


# ---- SmoothQuant ------------------------------------------------------------------------------------------------------


def smoothing(x_extent: np.ndarray, weights: list[np.ndarray], alpha: float = 0.5) -> np.ndarray:
    """Factors [k]: x is divided by them, every weight [k, n] that reads x is multiplied. x_extent: max|x| of each column."""
    w_extent = np.max([largest(w, 1) for w in weights], axis=0)
    factors = x_extent**alpha / np.where(w_extent == 0, 1, w_extent) ** (1 - alpha)
    return np.where((x_extent == 0) | (w_extent == 0), 1.0, factors)
