#!/usr/bin/env python3
"""Does `jinx quantize` choose the codes and scales that it says it does?

Models are made here, quantized, and run. With the identity as input a weight-only product gives the weights that the codes stand for; the oracle is
numpy, from docs/spec/quantization.md: which numbers there may be, and that no others are nearer. int4's scales are searched for, so they are
compared with a search of a hundred. int8 and fp8 are computed whole in numpy, from ranges found there; GPTQ is written there once more, as the
paper has it.

    quantize_model.py --jinx build/dev/bin/jinx
    quantize_model.py --self-test
"""

import argparse
import json
import pathlib
import re
import subprocess
import sys
import tempfile

import ml_dtypes
import numpy as np

from programs import command_of

NF4 = np.float32([-1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635, -0.18477343022823334, -0.09105003625154495, 0.0,
                  0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224, 0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1.0])
f4 = np.float32


def constant(name, value):
    shape = "x".join(map(str, value.shape))
    return f'%{name} = jinx.constant dense<"0x{value.astype(f4).tobytes().hex()}"> : tensor<{shape}xf32>'


def mlp(weights, transposed):
    """x·w0, a relu, ·w1 …; one symbolic size."""
    widths = [weights[0].shape[0], *(w.shape[1] for w in weights)]
    kind = lambda width: f'tensor<?x{width}xf32, #jinx.dims<"n", "{width}">>'
    lines, last = [], "%x"
    for i, w in enumerate(weights):
        stored = np.ascontiguousarray(w.T) if transposed[i] else w
        lines.append(constant(f"w{i}", stored))
        shape = "x".join(map(str, stored.shape))
        lines.append(f'%p{i} = jinx.matmul {last}, %w{i}{" transpose_b" if transposed[i] else ""} : {kind(widths[i])}, tensor<{shape}xf32> -> {kind(widths[i + 1])} loc("fc{i}")')
        last = f"%p{i}"
        if i + 1 < len(weights):
            lines.append(f"%r{i} = jinx.relu %p{i} : {kind(widths[i + 1])} -> {kind(widths[i + 1])}")
            last = f"%r{i}"
    body = "\n  ".join(lines)
    return (f'module attributes {{jinx.symbols = [{{name = "n"}}]}} {{\nfunc.func @main(%x: {kind(widths[0])} {{jinx.name = "x"}}) -> ({kind(widths[-1])} {{jinx.name = "y"}}) {{\n'
            f"  {body}\n  return {last} : {kind(widths[-1])}\n}}\n}}\n")


def groups(k, group):
    return [slice(b, min(k, b + group)) for b in range(0, k, group)]


# ---- What codes may stand for: w [k, n], decoded weights `got` of the same shape ----


def nearest(w, levels):
    """Each weight its nearest level; levels [l, …] broadcast against w [k, n]."""
    return np.take_along_axis(levels, np.abs(w[None] - levels).argmin(0)[None], 0)[0]


def judge_int8(w, got, group):
    problems = []
    for g in groups(len(w), group or len(w)):
        scale = (np.abs(w[g]).max(0) / f4(127)).astype(f4)
        scale[scale == 0] = 1
        want = np.clip(np.rint(w[g].astype(np.float64) / scale), -127, 127).astype(f4) * scale
        near = np.abs(got[g] - want) <= 1e-6 * np.abs(w[g]).max()
        tie = np.abs(np.abs(w[g] / scale - np.floor(w[g] / scale)) - 0.5) < 1e-4  # either neighbour is as near
        if not (near | tie).all():
            problems.append(f"{(~(near | tie)).sum()} of {near.size} weights of rows {g} are not their nearest code")
    return problems


def weighted_error(w, got):
    """Of groups [k, n]; large weights count more: sqrt(w^2 + mean of w^2) times."""
    return (np.sqrt(w**2 + (w**2).mean(0)) * (got - w) ** 2).sum(0)


def search(w, levels):
    """The least weighted error of each group [k, n] with scales around those that give its largest weight the first level or the last."""
    extremes = np.take_along_axis(w, np.abs(w).argmax(0)[None], 0)[0]
    scales = np.concatenate([extremes / end * np.linspace(0.6, 1.05, 50)[:, None] for end in (levels[0], levels[-1])])
    scales[scales == 0] = 1
    middles = (levels[1:] + levels[:-1]) / 2
    return np.min([weighted_error(w, levels[np.searchsorted(middles, w / scale)] * scale) for scale in scales], axis=0)


def judge_nf4(w, got, group, exact=1e-6):
    """`exact`: how near a level's number must be: MLIR's text has seven digits of it. Scales that are tried lie 4 % apart: a group may miss a tenth."""
    problems = []
    for g in groups(len(w), group):
        error, least = weighted_error(w[g], got[g]), search(w[g], NF4)
        if not (error <= 1.15 * least + 1e-12).all():
            problems.append(f"rows {g}: squared errors are {(error / np.maximum(least, 1e-30)).max():.3f} of what a search finds")
        bad = [n for n in range(w.shape[1]) if not on_table(got[g, n], exact)]
        if bad:
            problems.append(f"rows {g}, columns {bad[:5]}: not levels of one scale")
    return problems


def on_table(column, exact):
    """Whether the numbers are scale * levels, for a scale of either sign that f16 holds."""
    extreme = column[np.abs(column).argmax()]
    if extreme == 0:
        return True
    for level in NF4[np.abs(NF4) > 0.3]:
        scale = f4(np.float16(extreme / level))
        if (np.abs(column[None] - NF4[:, None] * scale).min(0) <= exact * np.abs(scale)).all():
            return True
    return False


def on_lattice(column, lowest, highest):
    """Whether the numbers are scale * integers from lowest to highest, for a scale that f16 holds."""
    extreme = column[np.abs(column).argmax()]
    if extreme == 0:
        return True
    for code in [c for c in range(lowest, highest + 1) if c]:
        scale = f4(np.float16(extreme / code))
        q = np.rint(column / scale)
        if q.min() >= lowest and q.max() <= highest and (np.abs(q * scale - column) <= 1e-6 * np.abs(extreme)).all():
            return True
    return False


def judge_int4(w, got, group):
    problems = []
    for g in groups(len(w), group):
        error, least = weighted_error(w[g], got[g]), search(w[g], np.arange(-8, 8, dtype=f4))
        if not (error <= 1.05 * least + 1e-12).all():
            problems.append(f"rows {g}: squared errors are {(error / np.maximum(least, 1e-30)).max():.3f} of what a search finds")
        bad = [n for n in range(w.shape[1]) if not on_lattice(got[g, n], -8, 7)]
        if bad:
            problems.append(f"rows {g}, columns {bad[:5]}: not sixteen evenly spaced numbers")
    return problems


def judge_int4_asymmetric(w, got, group):
    problems = []
    for g in groups(len(w), group):
        low, high = w[g].min(0), w[g].max(0)
        scale, offset = ((high - low) / f4(15)).astype(np.float16).astype(f4), low.astype(np.float16).astype(f4)
        levels = np.arange(16, dtype=f4)[:, None, None] * scale + offset
        if not (np.abs(got[g][None] - levels).min(0) <= 1e-6 * scale).all():
            problems.append(f"rows {g} hold numbers that are no level")
        if not (np.abs(got[g] - w[g]) <= np.abs(w[g][None] - levels).min(0) + 1e-6 * scale).all():
            problems.append(f"rows {g} hold weights that another level is nearer to")
    return problems


# ---- Products of codes ----


def bytes_of(x, low, high):
    low, high = min(low, 0), max(high, 0)
    scale = f4((high - low) / 255) if high > low else f4(1)
    zero = np.clip(np.rint(-low / scale), 0, 255)
    q = np.clip(np.rint(x.astype(f4) / scale).astype(np.float64) + zero, 0, 255)
    return (q - zero) * scale


def rows_of(x):
    scale = np.maximum((np.abs(x).max(-1, keepdims=True) * f4(1 / 127)).astype(f4), np.finfo(f4).tiny)
    return np.clip(np.rint(x.astype(f4) / scale), -128, 127).astype(np.float64) * scale


def float8_of(x, most):
    scale = f4(most / 448) if most > 0 else f4(1)
    return np.clip(x.astype(f4) / scale, -448, 448).astype(ml_dtypes.float8_e4m3fn).astype(np.float64) * scale


def int8_weights(w):
    scale = np.abs(w).max(0) / f4(127)
    return np.clip(np.rint(w / scale), -127, 127).astype(np.float64) * scale


def float8_weights(w):
    scale = (np.abs(w).max(0) / f4(448)).astype(f4)
    return (w / scale).astype(ml_dtypes.float8_e4m3fn).astype(np.float64) * scale


def float8_in_blocks(x):
    """A scale for each row and 128 of the last dimension."""
    result = np.empty(x.shape)
    for g in groups(x.shape[-1], 128):
        scale = np.maximum((np.abs(x[..., g]).max(-1, keepdims=True) * f4(1 / 448)).astype(f4), np.finfo(f4).tiny)
        result[..., g] = (x[..., g].astype(f4) / scale).astype(ml_dtypes.float8_e4m3fn).astype(np.float64) * scale
    return result


def float8_in_squares(w):
    """A scale for each 128 x 128."""
    result = np.empty(w.shape)
    for rows in groups(w.shape[0], 128):
        for columns in groups(w.shape[1], 128):
            scale = f4(np.abs(w[rows, columns]).max() / f4(448))
            result[rows, columns] = (w[rows, columns] / scale).astype(ml_dtypes.float8_e4m3fn).astype(np.float64) * scale
    return result


def forward(x, weights, activation, coded):
    """The layers in float64; `activation` gets a layer's number."""
    for i, w in enumerate(weights):
        x = activation(i, np.asarray(x, f4)) @ coded(w)
        if i + 1 < len(weights):
            x = np.maximum(x, 0)
    return x


def inputs_of_layers(x, weights):
    values = []
    for i, w in enumerate(weights):
        values.append(x)
        x = x @ w.astype(np.float64)
        x = np.maximum(x, 0)
    return values


def gptq(w, x, group):
    """Frantar et al. 2023, algorithm 1, with activation order; scales of `int8` columns or groups of the weights as they are."""
    k = len(w)
    h = x.astype(np.float64).T @ x.astype(np.float64)
    order = np.argsort(-np.diag(h), kind="stable")
    h = h[order][:, order] + 0.01 * np.diag(h).mean() * np.eye(k)
    u = np.linalg.cholesky(np.linalg.inv(h)).T  # upper
    scales = np.repeat([np.abs(w[g]).max(0) / f4(127) for g in groups(k, group)], [g.stop - g.start for g in groups(k, group)], 0)
    left, result = w[order].astype(np.float64), np.zeros(w.shape)
    for i in range(k):
        s = scales[order[i]]
        result[order[i]] = np.clip(np.rint(left[i] / s), -127, 127) * s
        error = (left[i] - result[order[i]]) / u[i, i]
        left[i:] -= np.outer(u[i, i:], error)
    return result


class Run:
    def __init__(self, jinx, seed):
        self.jinx, self.seed, self.passed, self.failed = jinx, seed, 0, 0

    def outcome(self, good, problem=""):
        self.passed, self.failed = self.passed + bool(good), self.failed + (not good)
        if not good:
            print("FAIL", problem)
        return good

    def call(self, name, *arguments):
        done = subprocess.run(command_of(self.jinx, *arguments), capture_output=True, text=True)
        return self.outcome(done.returncode == 0, f"{name}: {' '.join(map(str, arguments))}: {done.stderr.strip()[-1500:]}")

    def quantized(self, name, folder, weights, transposed, x, *options, ending="mlirbc"):
        """The quantized model's y for x, and its report."""
        folder.mkdir()
        (folder / "model.mlir").write_text(mlp(weights, transposed))
        np.save(folder / "x.npy", x.astype(f4))
        out = folder / f"quantized.{ending}"
        exact = ["--activation-bits", 32]  # the weights that codes stand for come out of a product: it shall round nothing
        if not self.call(name, "quantize", folder / "model.mlir", "-o", out, "--report", folder / "report.json", *exact, *options):
            return None, None
        if ending != "jxp":
            self.call(name, "compile", out, "-o", folder / "quantized.jxp", *exact)
        if not self.call(name, "run", folder / "quantized.jxp", "--input", f"x={folder / 'x.npy'}", "--output-dir", folder):
            return None, None
        return np.load(folder / "y.npy"), json.loads((folder / "report.json").read_text())


def weight_cases(run, generator, folder):
    judges = {"int8-weights": judge_int8, "nf4": judge_nf4, "int4": judge_int4}
    shapes = [(64, 24, None), (96, 17, None), (64, 5, 16), (200, 3, None), (128, 33, 128)]
    for scheme, judge in judges.items():
        for number, (k, n, group) in enumerate(shapes):
            for transposed in (False, True):
                w = (generator.standard_normal((k, n)) * np.exp(generator.uniform(-6, 2, n))).astype(f4)
                w[:, 0] = 0  # a column of zeros
                w[0, 1] = 40 * np.abs(w[:, 1]).max()  # an outlier
                name = f"{scheme}, k={k} n={n} group={group} transposed={transposed}, seed {run.seed}"
                options = ["--scheme", scheme, *(["--group", group] if group else []), "--min-weights", 0]
                got, report = run.quantized(name, folder / f"{scheme}-{number}-{transposed}", [w], [transposed], np.eye(k), *options, ending=["mlirbc", "mlir", "jxp"][number % 3])
                if got is None:
                    continue
                usual = {"int8-weights": None, "nf4": 32, "int4": 32}[scheme]
                problems = judge(w, got, group or usual, *([1e-6] if scheme == "nf4" and number % 3 == 1 else []))
                run.outcome(not problems, f"{name}: {'; '.join(problems)}")
                snr = 10 * np.log10((w.astype(np.float64) ** 2).sum() / ((w.astype(np.float64) - got) ** 2).sum())
                run.outcome(abs(report["layers"][0]["weights_snr_db"] - snr) < 1e-2, f"{name}: the report says {report['layers'][0]['weights_snr_db']} dB, it is {snr}")
    w = (generator.standard_normal((64, 9)) + 0.7).astype(f4)
    got, _ = run.quantized("int4 asymmetric", folder / "asymmetric", [w], [False], np.eye(64), "--scheme", "int4", "--asymmetric")
    if got is not None:
        problems = judge_int4_asymmetric(w, got, 32)
        run.outcome(not problems, f"int4 asymmetric: {'; '.join(problems)}")


def scales_of(got, group):
    """Of int4 weights [k, n] without a shared factor: the scale of each group, row after row of [n, k / group]."""
    scales = np.zeros((got.shape[1], got.shape[0] // group))
    for n, g in np.ndindex(*scales.shape):
        values = got[g * group : (g + 1) * group, n].astype(np.float64)
        scales[n, g] = next((s for s in np.abs(values).max() / np.arange(1, 9) if np.abs(values / s - np.rint(values / s)).max() < 1e-5), np.nan)
    return scales.ravel().astype(f4)


def constants(text, kind):
    """Constants of an element type, in the order of a module's text."""
    found = []
    for data, shape in re.findall(rf"jinx.constant dense<([^>]*)> : tensor<((?:\d+x)*){kind}>", text):
        sizes = [int(d) for d in shape.split("x") if d]
        dtype = {"i8": np.int8, "f32": f4}[kind]
        values = np.frombuffer(bytes.fromhex(data.strip('"')[2:]), dtype) if data.startswith('"') else np.array(re.findall(r"[-+.\deE]+", data), np.float64).astype(dtype)
        found.append(values.reshape(sizes) if values.size > 1 else np.full(sizes, values[0]))
    return found


def double_cases(run, generator, folder):
    """Double quantization: scales are what their codes stand for, which use all of their range; codes are the nearest beside those scales."""
    for k, n, transposed in ((256, 80, True), (128, 24, False)):
        w = (generator.standard_normal((k, n)) + 0.1).astype(f4)
        name = f"int4 double quantized, k={k} n={n}"
        got, report = run.quantized(name, folder / f"double-{k}", [w], [transposed], np.eye(k), "--scheme", "int4", "--bits", 4, "--min-weights", 0, "--double-quantize", ending="mlir")
        if got is None:
            continue
        text = (folder / f"double-{k}" / "quantized.mlir").read_text()
        (codes,), (units, mean) = constants(text, "i8"), sorted(constants(text, "f32"), key=lambda v: -v.ndim)
        said = ((codes * np.repeat(units, 256)[: len(codes)]).astype(f4) + mean).astype(np.float16).astype(f4)
        scales = scales_of(got, 32)
        run.outcome((np.abs(said) == scales).all() and (said > 0).all(), f"{name}: {(said != scales).sum()} of {len(scales)} scales are not what their codes stand for")
        tight = all(np.abs(codes[i : i + 256]).max() == 127 for i in range(0, len(codes), 256))
        run.outcome(tight and len(codes) == k * n // 32 and abs(said.mean() - mean) < units.max(), f"{name}: units and mean are not those of the scales")
        apart = np.repeat(said.reshape(n, -1).T, 32, 0)
        nearest = np.clip(np.rint(w / apart), -8, 7) * apart
        run.outcome(np.abs(got - nearest).max() < 1e-6 * np.abs(w).max(), f"{name}: codes are not the nearest")
        bits = 4 + 8 / 32 + 32 * (np.ceil(len(codes) / 256) + 1) / w.size
        run.outcome(abs(report["layers"][0]["weight_bytes_after"] * 8 / w.size - bits) < 1e-3, f"{name}: the report says {report['layers'][0]}, expected {bits} bits a weight")


def activation_cases(run, generator, folder):
    for seed in range(3):
        weights = [(generator.standard_normal(s) / np.sqrt(s[0])).astype(f4) for s in ((48, 40), (40, 33), (33, 16))]
        x = generator.standard_normal((6, 48)).astype(f4)
        samples = generator.standard_normal((20, 5, 48)).astype(f4)
        data = folder / f"data{seed}.npz"
        (np.savez if seed % 2 else np.savez_compressed)(data, x=samples)
        inputs = inputs_of_layers(samples.reshape(-1, 48).astype(np.float64), weights)
        ranges = [(v.min(), v.max()) for v in inputs]
        schemes = {
            "int8": (lambda i, v: bytes_of(v, *ranges[i]), int8_weights),
            "int8-dynamic": (lambda i, v: rows_of(v), int8_weights),
            "fp8": (lambda i, v: float8_of(v, max(map(abs, ranges[i]))), float8_weights),
        }
        for scheme, (activation, coded) in schemes.items():
            name = f"{scheme}, seed {run.seed}.{seed}"
            got, report = run.quantized(name, folder / f"{scheme}{seed}", weights, [False, True, False], x, "--scheme", scheme, "--calibrate", data)
            if got is None:
                continue
            want = forward(x, weights, activation, coded)
            exact = forward(x, weights, lambda i, v: v.astype(np.float64), lambda w: w.astype(np.float64))
            # A quotient that rounding to f32 puts on the other side of a tie moves one code: a little of the step, not of the result.
            off, noise = np.abs(got - want).max(), np.abs(want - exact).max()
            run.outcome(off <= max(1e-4 * np.abs(want).max(), 0.12 * noise), f"{name}: off by {off}, quantization itself by {noise}")
            all_samples = samples.reshape(-1, 48)
            a = forward(all_samples, weights, activation, coded)
            b = forward(all_samples, weights, lambda i, v: v.astype(np.float64), lambda w: w.astype(np.float64))
            snr = 10 * np.log10((b**2).sum() / ((a - b) ** 2).sum())
            run.outcome(abs(report["outputs"][0]["snr_db"] - snr) < 0.3, f"{name}: the report says {report['outputs'][0]['snr_db']} dB, it is {snr}")


def block_cases(run, generator, folder):
    """fp8-block, of which the last blocks are short; a row of weights that are all 0 shares its neighbours' scale."""
    for seed in range(2):
        weights = [(generator.standard_normal(s) * np.exp(generator.uniform(-3, 3, s)) / np.sqrt(s[0])).astype(f4) for s in ((300, 200), (200, 150), (150, 64))]
        weights[0][:, 7] = 0
        x = (generator.standard_normal((6, 300)) * np.exp(generator.uniform(-3, 3, 300))).astype(f4)
        x[2, :128] = 0
        name = f"fp8-block, seed {run.seed}.{seed}"
        got, _ = run.quantized(name, folder / f"fp8-block{seed}", weights, [False, True, False], x, "--scheme", "fp8-block")
        if got is None:
            continue
        want = forward(x, weights, lambda i, v: float8_in_blocks(v), float8_in_squares)
        exact = forward(x, weights, lambda i, v: v.astype(np.float64), lambda w: w.astype(np.float64))
        # As above: a code may fall on the other side of a tie.
        off, noise = np.abs(got - want).max(), np.abs(want - exact).max()
        run.outcome(off <= max(1e-4 * np.abs(want).max(), 0.12 * noise), f"{name}: off by {off}, quantization itself by {noise}")


def gptq_cases(run, generator, folder):
    mixing = generator.standard_normal((64, 64)) * np.exp(generator.uniform(-2, 1, 64))
    samples = (generator.standard_normal((30, 8, 64)) @ mixing).astype(f4)
    np.savez(folder / "gptq.npz", x=samples)
    flat = samples.reshape(-1, 64).astype(np.float64)
    w = generator.standard_normal((64, 19)).astype(f4)
    error = lambda v: ((flat @ (v.astype(np.float64) - w)) ** 2).sum()
    for scheme, group in (("int8-weights", 64), ("int8-weights", 16), ("int4", 32)):
        name, options = f"gptq {scheme} group {group}, seed {run.seed}", ["--scheme", scheme, "--group", group]
        got, _ = run.quantized(name, folder / f"gptq-{scheme}-{group}", [w], [False], np.eye(64), *options, "--gptq", "--calibrate", folder / "gptq.npz")
        plain, _ = run.quantized(name, folder / f"plain-{scheme}-{group}", [w], [False], np.eye(64), *options)
        if got is None or plain is None:
            continue
        run.outcome(error(got) < 0.6 * error(plain), f"{name}: squared error of outputs {error(got)}, of rounding to nearest {error(plain)}")
        if scheme == "int8-weights":
            want = gptq(w, flat, group)
            equal = np.abs(got - want) <= 1e-5 * np.abs(w).max()
            run.outcome(equal.mean() > 0.99 and error(got) < 1.02 * error(want), f"{name}: {(~equal).sum()} of {equal.size} codes are not the paper's, error {error(got)} and {error(want)}")


def range_of(folder):
    """What the codes of the first activation cover, from the module's text."""
    text = (folder / "quantized.mlir").read_text()
    scale = f4(re.search(r"constant dense<([-0-9.e+]+)> : tensor<f32>", text, re.I)[1])
    zero = float(re.search(r"constant dense<(\d+)> : tensor<ui8>", text)[1])
    return -zero * scale, (255 - zero) * scale


def squared_error(x, low, high):
    """Of clipping to a range and rounding to 255 steps of it, on the values themselves."""
    step = (high - low) / 255
    return ((np.clip(np.rint((x - low) / step), 0, 255) * step + low - x) ** 2).sum()


def method_cases(run, generator, folder):
    normal = generator.standard_normal((40, 10, 64))
    tails = normal * np.exp(1.2 * np.abs(generator.standard_normal(normal.shape)))  # rare large values
    growing = normal * np.exp(np.linspace(-6, 3, 40))[:, None, None]  # later samples are larger: the histogram grows again and again
    positive = np.abs(tails)
    for kind, values in {"normal": normal, "tails": tails, "growing": growing, "positive": positive}.items():
        x = values.astype(f4)
        np.savez(folder / f"{kind}.npz", x=x)
        least, most, width = min(x.min(), 0), max(x.max(), 0), 2 * 2 * np.abs(x).max() / 2048
        found = {}
        for method in ("min-max", "percentile", "entropy", "mse"):
            name = f"{method} of {kind} values, seed {run.seed}"
            at = folder / f"{kind}-{method}"
            got, _ = run.quantized(name, at, [np.eye(64, 8, dtype=f4)], [False], np.eye(64), "--scheme", "int8", "--method", method, "--calibrate", folder / f"{kind}.npz", ending="mlir")
            if got is not None:
                found[method] = range_of(at)
                low, high = found[method]
                step = (high - low) / 255  # ends lie where the zero point is a code
                run.outcome(low >= least - step and high <= most + step and high > low, f"{name}: covers {low} to {high}, values are {least} to {most}")
        if len(found) < 4:
            continue
        close = lambda method, low, high, slack: run.outcome(abs(found[method][0] - low) <= slack and abs(found[method][1] - high) <= slack,
                                                             f"{method} of {kind} values, seed {run.seed}: covers {found[method]}, expected {low} to {high} within {slack}")
        step = (most - least) / 255
        close("min-max", least, most, step)
        cut, ascending = int(0.00005 * x.size), np.sort(x.ravel())
        close("percentile", min(0, ascending[cut]), ascending[-1 - cut], 2 * width + step)
        best = min(squared_error(x.astype(np.float64), least * f, most * f) for f in np.linspace(0.1, 1, 181))
        run.outcome(squared_error(x.astype(np.float64), *found["mse"]) <= 1.06 * best, f"mse of {kind} values, seed {run.seed}: {squared_error(x.astype(np.float64), *found['mse'])}, a search finds {best}")
        if kind == "tails":
            run.outcome(found["entropy"][1] < 0.8 * most, f"entropy of {kind} values, seed {run.seed}: cuts nothing off: {found['entropy']} of {most}")


def self_test():
    """The judges see what is wrong."""
    generator = np.random.default_rng(1)
    w = generator.standard_normal((64, 6)).astype(f4)
    scale = np.abs(w).max(0) / f4(127)
    right = np.clip(np.rint(w / scale), -127, 127) * scale
    moved = right.copy()
    moved[3, 2] += scale[2]
    scaled = [[nearest(w[g], NF4[:, None, None] * (f * np.abs(w[g]).max(0)).astype(np.float16).astype(f4)) for f in (*np.linspace(0.6, 1.05, 46), *-np.linspace(0.6, 1.05, 46))] for g in groups(64, 32)]
    errors = [[weighted_error(w[g], t) for t in trials] for g, trials in zip(groups(64, 32), scaled)]
    levels = np.concatenate([np.take_along_axis(np.array(trials), np.argmin(e, 0)[None, None], 0)[0] for trials, e in zip(scaled, errors)])
    other = levels.copy()
    other[5, 1] = 0.5 * other[5, 1] + 0.01
    x = generator.standard_normal((200, 64)) @ generator.standard_normal((64, 64))
    checks = {
        "int8": not judge_int8(w, right, None) and judge_int8(w, moved, None),
        "nf4": not judge_nf4(w, levels, 32) and judge_nf4(w, other, 32) and judge_nf4(w, levels[::-1].copy(), 32),
        "int4": judge_int4(w, np.zeros_like(w), 32) and judge_int4(w, w, 32),
        "a lattice": on_lattice(f4([-8, 7, 1]) * f4(0.5), -8, 7) and not on_lattice(f4([-8, 7, 1.3]), -8, 7) and not on_lattice(f4([9, -8, 1]), -8, 7),
        "bytes": bytes_of(f4([-1, 2, 9]), -1, 2).round(5).tolist() == [-1, 2, 2],
        "gptq": ((x @ (gptq(w, x, 64) - w)) ** 2).sum() < 0.8 * ((x @ (right - w)) ** 2).sum(),
    }
    for name, good in checks.items():
        if not good:
            print("FAIL", name)
    return 0 if all(checks.values()) else 1


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jinx")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--self-test", action="store_true")
    args = parser.parse_args()
    if args.self_test:
        return self_test()
    run = Run(args.jinx, args.seed)
    generator = np.random.default_rng(args.seed)
    with tempfile.TemporaryDirectory() as folder:
        for cases in (weight_cases, double_cases, activation_cases, block_cases, method_cases, gptq_cases):
            cases(run, generator, pathlib.Path(folder))
    print(f"{run.passed} passed, {run.failed} failed (seed {args.seed})")
    return 1 if run.failed or not run.passed else 0


if __name__ == "__main__":
    sys.exit(main())
