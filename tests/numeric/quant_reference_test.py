#!/usr/bin/env python3
"""Do the references of quantization mean what the papers and formats say? Each is judged by something that it was not written from.

    codes            brute force over all levels; the error of a region is at most half a step; saturation; regions of zeros; short blocks
    NF4              its levels are quantiles of the normal distribution, as section 3 of the paper constructs them
    E4M3             ml_dtypes, bit for bit; scales
    double           the difference is below half a step of the scales' codes
    GGUF             the gguf package: random bytes of every type, and what it encodes
    GPTQ             equations 2 and 3 of the paper (OBQ with explicit inverses), one row at a time; and it loses less than rounding
    SmoothQuant      the product stays; outliers leave x

    quant_reference_test.py
"""

import statistics
import sys

import ml_dtypes
import numpy as np

import gguf_reference
import quant_reference as q


class Judge:
    def __init__(self):
        self.passed = self.failed = 0

    def outcome(self, good, text: str) -> None:
        self.passed, self.failed = self.passed + bool(good), self.failed + (not good)
        if not good:
            print("FAIL", text)


def regions_of(x, region):
    """Index arrays of each region, the slow way."""
    index = np.arange(x.size).reshape(x.shape)
    kind, *rest = region
    if kind == "blocks":
        block, lines = rest[0], index.T
        return [line[s : s + block] for line in lines for s in range(0, len(line), block)]
    if kind == "columns":
        return list(index.T)
    if kind == "rows":
        return list(index)
    if kind == "tiles":
        t = rest[0]
        return [index[i : i + t, j : j + t].ravel() for i in range(0, x.shape[0], t) for j in range(0, x.shape[1], t)]
    return [index.ravel()]


def check_codes(judge: Judge, name: str, coded: q.Coded, x: np.ndarray, region, levels: np.ndarray, extent_level: float) -> None:
    """In each region: one scale, by which the largest magnitude is extent_level; each value is the nearest that any level stands for."""
    values, scale = coded.values().ravel(), np.broadcast_to(coded.scale, x.shape).ravel()
    flat = x.ravel()
    for index in regions_of(x, region):
        s, part = scale[index][0], flat[index]
        top = np.max(np.abs(part))
        good = np.all(scale[index] == s) and (np.isclose(s * extent_level, top, rtol=1e-12) if top else np.all(values[index] == 0))
        best = np.min(np.abs(part[:, None] - levels * s), axis=1)
        good = good and np.allclose(np.abs(part - values[index]), best, rtol=0, atol=1e-12 * max(top, 1))
        if not good:
            return judge.outcome(False, f"{name}: region {index[:4]}… of {x.shape}")
    judge.outcome(True, name)


def matrices():
    for seed, shape in enumerate([(64, 5), (70, 3), (33, 40), (1, 1), (300, 2)]):
        w = np.random.default_rng(seed).standard_normal(shape) * 10.0 ** np.random.default_rng(seed).integers(-3, 3)
        w[: shape[0] // 2, 0] = 0
        yield w


def check_schemes(judge: Judge) -> None:
    whole = np.arange(-127, 128)
    e4m3 = np.arange(256, dtype=np.uint8).view(ml_dtypes.float8_e4m3fn).astype(np.float64)
    e4m3 = e4m3[np.isfinite(e4m3)]
    for w in matrices():
        check_codes(judge, "int8 per channel", q.int8_per_channel(w), w, ("columns",), whole, 127)
        check_codes(judge, "int8 per tensor", q.int8_per_tensor(w), w, ("all",), whole, 127)
        check_codes(judge, "int8 per token", q.int8_per_token(w), w, ("rows",), whole, 127)
        check_codes(judge, "FP8 per tensor", q.fp8(w), w, ("all",), e4m3, 448)
        check_codes(judge, "FP8 per channel", q.fp8(w, "channel"), w, ("columns",), e4m3, 448)
        check_codes(judge, "FP8 per tile", q.fp8(w, "tile", tile=32), w, ("tiles", 32), e4m3, 448)
        for group in (32, 64):
            check_codes(judge, f"int4 by {group}", q.int4_groups(w, group), w, ("blocks", group), np.arange(-7, 8), 7)
            check_codes(judge, f"NF4 by {group}", q.nf4(w, group), w, ("blocks", group), q.NF4_LEVELS, 1)
            check_zero_points(judge, w, group)
            check_offsets_and_search(judge, w, group)


def check_zero_points(judge: Judge, w: np.ndarray, group: int) -> None:
    coded, flat = q.int4_groups_zero(w, group), w.ravel()
    scale, zero, codes, values = (np.broadcast_to(a, w.shape).ravel() for a in (coded.scale, coded.zero, coded.codes, coded.values()))
    for index in regions_of(w, ("blocks", group)):
        low, high, s = min(flat[index].min(), 0), max(flat[index].max(), 0), scale[index][0]
        good = np.all(scale[index] == s) and np.all(zero[index] == zero[index][0]) and 0 <= zero[index][0] <= 15
        good = good and (low == high or np.isclose(s * 15, high - low)) and codes[index].max() <= 15
        # The whole number nearest to where 0 lies in the range, and the nearest of the 16 values that it allows; 0 is one of them.
        good = good and abs(zero[index][0] + low / s) <= 0.5 + 1e-9 and np.all(values[index][flat[index] == 0] == 0)
        best = np.min(np.abs(flat[index][:, None] - (np.arange(16) - zero[index][0]) * s), axis=1)
        good = good and np.allclose(np.abs(values[index] - flat[index]), best, rtol=0, atol=1e-12 * max(high - low, 1))
        if not good:
            return judge.outcome(False, f"int4 with zero point by {group}: region {index[:4]}…")
    judge.outcome(True, "int4 with zero point")


def check_offsets_and_search(judge: Judge, w: np.ndarray, group: int) -> None:
    offset, searched, plain, flat = q.int4_groups_offset(w, group), q.int4_groups_searched(w, group), q.int4_groups(w, group), w.ravel()
    values, kept = offset.values().ravel(), searched.values().ravel()
    for index in regions_of(w, ("blocks", group)):
        part, grid = flat[index], np.linspace(flat[index].min(), flat[index].max(), 16)
        best = np.min(np.abs(part[:, None] - grid), axis=1)
        judge.outcome(np.allclose(np.abs(values[index] - part), best, rtol=0, atol=1e-12 * np.abs(part).max()), "int4 with an offset")
        s = searched.scale.ravel()[index]
        best = np.min(np.abs(part[:, None] - np.arange(-8, 8) * s[0]), axis=1)
        good = np.all(s == s[0]) and np.allclose(np.abs(kept[index] - part), best, rtol=0, atol=1e-12 * np.abs(part).max())
        loss = [np.sum((v.ravel()[index] - part) ** 2) for v in (kept, plain.values())]
        judge.outcome(good and loss[0] <= loss[1] + 1e-24 * np.sum(part**2), f"int4 searched: {loss}")
    grid = offset.values()
    judge.outcome(np.allclose(q.int4_groups_offset(grid, group).values(), grid, rtol=0, atol=1e-12 * np.abs(grid).max()), "an offset finds its grid again")


def check_saturation(judge: Judge) -> None:
    x = np.array([[-3.0, 0.2, 1.0, 9.0]])
    judge.outcome(np.allclose(q.int8_per_tensor(x, 1.0).values()[0, [0, 2, 3]], [-1, 1, 1]), "int8 beyond the calibrated range")
    coded = q.uint8_per_tensor(x, -0.5, 2.0)
    judge.outcome(coded.codes.min() == 0 and coded.codes.max() == 255 and coded.zero == 51, "uint8 beyond the calibrated range")
    products = np.random.default_rng(3)
    a, b = products.standard_normal((2, 3, 70)), products.standard_normal((70, 9))
    apart = q.int8_per_token(a).values() @ q.int8_per_channel(b).values()
    judge.outcome(np.allclose(q.int8_dynamic_product(a, b), apart, rtol=1e-12, atol=1e-12), "int8 dynamic product")


def check_nf4_levels(judge: Judge) -> None:
    """Section 3: 8 quantiles of the positive half and 8 of the negative one, 0 shared, ends at 1/2 (1/32 + 1/30) from 0 and 1."""
    quantile, offset = np.vectorize(statistics.NormalDist().inv_cdf), 1 - (1 / 32 + 1 / 30) / 2
    positive, negative = quantile(np.linspace(offset, 0.5, 9))[:-1], -quantile(np.linspace(offset, 0.5, 8))[:-1]
    levels = np.sort(np.concatenate([positive, [0], negative]))
    judge.outcome(np.allclose(levels / levels.max(), q.NF4_LEVELS, atol=2e-6), f"NF4 levels: {levels / levels.max()}")


def check_e4m3(judge: Judge) -> None:
    every = np.arange(2**16, dtype=np.uint16).view(np.float16).astype(np.float64)
    every = every[np.isfinite(every)]
    with np.errstate(over="ignore"):
        want = np.clip(every, -448, 448).astype(ml_dtypes.float8_e4m3fn).astype(np.float64)
    judge.outcome(np.array_equal(q.to_e4m3(every), want), "E4M3 of every f16")


def check_double(judge: Judge) -> None:
    w = np.random.default_rng(5).standard_normal((64 * 11, 60))
    plain, double = q.nf4(w), q.nf4(w, double=256)
    stored = np.moveaxis(plain.scale, 0, -1)[:, ::64].reshape(-1)
    half_step = np.abs(stored - stored.mean()).max() / 127 / 2
    difference = np.abs(plain.scale - double.scale).max()
    judge.outcome(np.array_equal(plain.codes, double.codes) and 0 < difference <= half_step * (1 + 1e-9), f"double quantization: {difference}, at most {half_step}")


def check_gguf(judge: Judge) -> None:
    try:
        import gguf
    except ImportError:
        print("skipped: the GGUF decoders, no gguf package")
        return
    generator = np.random.default_rng(9)
    for kind, size in gguf_reference.BYTES.items():
        of = gguf.GGMLQuantizationType[kind]
        data = generator.integers(0, 256, (50, 4 * size), dtype=np.uint8)
        scales = generator.standard_normal((200, 2)).astype("<f2").view(np.uint8)
        for k, at in enumerate(gguf_reference.HALVES[kind]):
            data.reshape(200, size)[:, at : at + 2] = scales[:, 2 * k : 2 * k + 2]
        want = gguf.quants.dequantize(data, of).astype(np.float64)
        got = gguf_reference.decode(kind, data)
        judge.outcome(got.shape == want.shape and np.allclose(got, want, rtol=1e-6, atol=1e-5), f"GGUF {kind}")
        if kind in ("Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1"):
            x = generator.standard_normal((6, 128)).astype(np.float32)
            error = np.abs(gguf_reference.decode(kind, gguf.quants.quantize(x, of)) - x).max()
            judge.outcome(error < {"8": 0.02, "4": 0.5, "5": 0.25}[kind[1]], f"GGUF {kind} of what the package encodes: {error}")


def obq(w: np.ndarray, gram: np.ndarray, group: int, damping: float) -> np.ndarray:
    """One output at a time; F is what is not quantized yet. Equation 2: delta = -(w_i - q) / Hinv_ii * Hinv_:i over F."""
    gram = gram + damping * np.mean(np.diag(gram)) * np.eye(len(gram))
    result = np.array(w)
    scales = None
    for i in range(len(w)):
        if i % group == 0:
            scales = np.abs(result[i : i + group]).max(0) / 7
        inverse = np.linalg.inv(gram[i:, i:])
        fixed = np.clip(np.rint(result[i] / scales), -7, 7) * scales
        result[i + 1 :] -= np.outer(inverse[1:, 0] / inverse[0, 0], result[i] - fixed)
        result[i] = fixed
    return result


def check_gptq(judge: Judge) -> None:
    for seed in range(3):
        generator = np.random.default_rng(seed)
        x = generator.standard_normal((400, 48)) @ (generator.standard_normal((48, 48)) * generator.uniform(0.1, 2, 48))
        w, gram = generator.standard_normal((48, 20)), x.T @ x
        got, want = q.gptq(w, gram, q.gptq_int4, 16), obq(w, gram, 16, 0.01)
        judge.outcome(np.allclose(got, want, atol=1e-8), f"GPTQ by its definition, seed {seed}: {np.abs(got - want).max()}")
        loss = [np.linalg.norm(x @ (v - w)) for v in (got, q.gptq(w, gram, q.gptq_int4, 16, ordered=True), q.int4_groups(w, 16).values())]
        judge.outcome(loss[0] < loss[2] and loss[1] < loss[2], f"GPTQ loses less than rounding: {loss}")
        gram[:, 5] = gram[5] = 0
        judge.outcome(np.all(q.gptq(w, gram, q.gptq_int4_zero, 16)[5] == 0), "GPTQ of an input that is never used")
    none = np.eye(48)
    judge.outcome(np.allclose(q.gptq(w, none, q.gptq_int4, 16), q.int4_groups(w, 16).values()), "GPTQ without correlations is rounding")
    judge.outcome(np.allclose(q.gptq(w, none, q.gptq_nf4, 16), q.nf4(w, 16).values()), "GPTQ with NF4 without correlations is rounding")
    judge.outcome(np.allclose(q.gptq(w, none, q.gptq_int4_zero, 16), q.int4_groups_zero(w, 16).values()), "the same with zero points")
    judge.outcome(np.allclose(q.gptq(w, none, q.gptq_int4_searched, 16), q.int4_groups_searched(w, 16).values()), "the same with searched scales")


def check_smoothing(judge: Judge) -> None:
    generator = np.random.default_rng(2)
    x, w = generator.standard_normal((64, 32)), generator.standard_normal((32, 8))
    x[:, 3] *= 100
    s = q.smoothing(np.abs(x).max(0), [w, w[:, :2] * 3])
    judge.outcome(np.allclose((x / s) @ (s[:, None] * w), x @ w), "SmoothQuant keeps the product")
    both = np.abs(x / s).max(0) / np.abs(s[:, None] * np.concatenate([w, w[:, :2] * 3], 1)).max(1)
    judge.outcome(np.allclose(both, 1), "with alpha 1/2 the extents of x and w are equal")

    def error(a, b):
        return np.linalg.norm(q.int8_per_tensor(a).values() @ q.int8_per_channel(b).values() - x @ w)

    judge.outcome(error(x / s, s[:, None] * w) < error(x, w) / 2, "SmoothQuant halves the error of an outlier column at least")


def main() -> int:
    judge = Judge()
    for check in (check_schemes, check_saturation, check_nf4_levels, check_e4m3, check_double, check_gguf, check_gptq, check_smoothing):
        check(judge)
    print(f"{judge.passed} passed, {judge.failed} failed")
    return judge.failed > 0


if __name__ == "__main__":
    sys.exit(main())
