#!/usr/bin/env python3
"""Are kernels on bf16 right to the last bit, on every instruction set, and do they call no library?

bf16 has no instructions on most processors: LLVM calls `__truncsfbf2` and its kin, which not every C library has, unless the code
generator expands them. Conversions are compared with the nearest representable value, found here by search and not by rounding
bits; a sum, difference, product or quotient of two bf16 is the f32 result rounded once more, which is exact rounding (24 >= 2*8 + 2).

    bf16.py --jinx build/dev/bin/jinx [--runner jinx-rt] [--threads N]
"""

import argparse
import pathlib
import subprocess
import sys
import tempfile

import numpy as np

ISAS = ["x86-64", "x86-64-v3", "x86-64-v4"]
LENGTHS = [0, 1, 7, 33, 4099]
LIBRARY = [b"__truncsfbf2", b"__truncdfbf2", b"__extendbfsf2", b"__truncxfbf2"]

FINITE = (np.arange(0x7F80, dtype=np.uint32) << 16).view(np.float32).astype(np.float64)  # what is not negative, in order
OVERFLOW = 2.0**128  # where the number after the largest would be


def widen(bits: np.ndarray) -> np.ndarray:
    return (bits.astype(np.uint32) << 16).view(np.float32)


def nearest(x: np.ndarray) -> np.ndarray:
    """Bits of the bf16 nearest to each f64; of two equally near ones the even; NaN is 0x7fc0."""
    steps = np.append(FINITE, OVERFLOW)
    size = np.abs(x)
    low = np.clip(np.searchsorted(steps, size, side="right") - 1, 0, len(FINITE) - 1)
    with np.errstate(invalid="ignore"):
        below, above = size - steps[low], steps[low + 1] - size  # exact: neighbours are within a factor of two, or 0 is one
    up = (above < below) | ((above == below) & (low % 2 == 1))
    bits = (low + up) | (np.signbit(x) << 15)
    return np.where(np.isnan(x), 0x7FC0, bits).astype(np.uint16)


def same(got: np.ndarray, want: np.ndarray) -> np.ndarray:
    """Equal bits, or both NaN."""
    return (got == want) | (np.isnan(widen(got)) & np.isnan(widen(want)))


def samples(generator, count):
    """Doubles of every size, ties between two bf16 and what lies just beside them, and the ends."""
    ties = widen(generator.integers(0, 0x7F7F, count, dtype=np.uint16)).astype(np.float64)
    ties += np.spacing(ties.astype(np.float32)).astype(np.float64) * 2**15
    beside = ties * (1 + generator.choice([0, 2.0**-50, -(2.0**-50), 2.0**-30, -(2.0**-30)], count))
    ends = [np.nan, np.inf, -np.inf, 0.0, -0.0, 1e300, 5e-324, OVERFLOW, FINITE[-1], (FINITE[-1] + OVERFLOW) / 2, FINITE[1] / 2]
    any_bits = generator.integers(0, 2**64, count, dtype=np.uint64).view(np.float64)
    return generator.permutation(np.concatenate([any_bits, beside, -beside, ends]))[:count]


class Checker:
    def __init__(self, jinx, runner, threads):
        self.jinx, self.runner, self.bad, self.count = jinx, runner or jinx, 0, 0
        self.options = ["--threads", threads, "--parallel-work", 0] if threads else []

    def run(self, folder, isa, text, inputs):
        """The outputs of a module at one level, as arrays of bits where they are bf16."""
        module, plan, out = folder / "model.mlir", folder / "model.jxp", folder / "out"
        module.write_text(text)
        self.call(self.jinx, "compile", module, "--isa", isa, "-o", plan)
        code = plan.read_bytes()
        assert b"k0_" in code, "the plan holds no kernel that could be looked at"
        called = [name.decode() for name in LIBRARY if name in code]
        self.expect(not called, f"{isa}: kernels call {called}")
        arguments = []
        for name, value in inputs.items():
            np.save(folder / f"{name}.npy", value)
            arguments += ["--input", f"{name}={folder / name}.npy"]
        self.call(self.runner, "run", plan, "--isa", isa, "--output-dir", out, *self.options, *arguments)
        results = {path.stem: np.load(path) for path in out.glob("*.npy")}
        return {name: v.view(np.uint16) if v.dtype.kind == "V" else v for name, v in results.items()}

    def call(self, *arguments):
        done = subprocess.run([*map(str, arguments)], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-3000:]

    def expect(self, good, what):
        self.count += 1
        if not good:
            self.bad += 1
            print("FAIL", what)

    def equal(self, what, got, want):
        right = same(got, want) if got.dtype == np.uint16 else (got == want) | (np.isnan(got) & np.isnan(want))
        first = "" if right.all() else f": element {np.argmin(right)} is {got[~right][0]}, expected {want[~right][0]}"
        self.expect(got.shape == want.shape and right.all(), f"{what}{first}")


def module(inputs, outputs, lines):
    """A module with inputs and outputs {name: type}."""
    parameters = ", ".join(f'%{name}: {type} {{jinx.name = "{name}"}}' for name, type in inputs.items())
    results = ", ".join(f'{type} {{jinx.name = "{name}"}}' for name, type in outputs.items())
    values, types = ", ".join("%" + name for name in outputs), ", ".join(outputs.values())
    body = "\n  ".join(lines)
    return f"func.func @main({parameters}) -> ({results}) {{\n  {body}\n  return {values} : {types}\n}}\n"


def check_narrowing(checker, folder, isa, n, generator):
    x = samples(generator, n)
    with np.errstate(over="ignore", invalid="ignore"):
        inputs = {"d": x, "s": x.astype(np.float32), "h": x.astype(np.float16)}
    types = {"d": f"tensor<{n}xf64>", "s": f"tensor<{n}xf32>", "h": f"tensor<{n}xf16>"}
    to = f"tensor<{n}xbf16>"
    text = module(types, {"o" + k: to for k in types}, [f"%o{k} = jinx.cast %{k} : {t} -> {to}" for k, t in types.items()])
    outputs = checker.run(folder, isa, text, inputs)
    for name, value in inputs.items():
        checker.equal(f"{isa}: {value.dtype} to bf16, {n} elements", outputs["o" + name], nearest(value.astype(np.float64)))


def check_widening(checker, folder, isa, n, generator):
    bits = generator.integers(0, 2**16, n, dtype=np.uint16)
    wide = {"s": ("f32", np.float32), "d": ("f64", np.float64), "h": ("f16", np.float16)}
    lines = [f"%x = jinx.cast %b : tensor<{n}xf32> -> tensor<{n}xbf16>"]
    lines += [f"%{k} = jinx.cast %x : tensor<{n}xbf16> -> tensor<{n}x{t}>" for k, (t, _) in wide.items()]
    text = module({"b": f"tensor<{n}xf32>"}, {k: f"tensor<{n}x{t}>" for k, (t, _) in wide.items()}, lines)
    outputs = checker.run(folder, isa, text, {"b": widen(bits)})
    for name, (_, dtype) in wide.items():
        with np.errstate(over="ignore", invalid="ignore"):
            checker.equal(f"{isa}: bf16 to {dtype.__name__}, {n} elements", outputs[name], widen(bits).astype(dtype))


def check_arithmetic(checker, folder, isa, n, generator):
    bits = {k: generator.integers(0, 2**16, n, dtype=np.uint16) for k in "ab"}
    narrow = {"add": np.add, "sub": np.subtract, "mul": np.multiply, "div": np.divide, "maximum": np.maximum}
    lines = [f"%{k}n = jinx.cast %{k} : tensor<{n}xf32> -> tensor<{n}xbf16>" for k in "ab"]
    names = {"maximum": "max"}
    lines += [f"%{k} = jinx.{names.get(k, k)} %an, %bn : tensor<{n}xbf16>, tensor<{n}xbf16> -> tensor<{n}xbf16>" for k in narrow]
    text = module({k: f"tensor<{n}xf32>" for k in bits}, {k: f"tensor<{n}xbf16>" for k in narrow}, lines)
    outputs = checker.run(folder, isa, text, {k: widen(v) for k, v in bits.items()})
    for name, function in narrow.items():
        with np.errstate(all="ignore"):
            exact = function(widen(bits["a"]), widen(bits["b"])).astype(np.float64)
        checker.equal(f"{isa}: {name} of bf16, {n} elements", outputs[name], nearest(exact))


def check_movement(checker, folder, isa, n, generator):
    """Strided and gathered tiles: exact copies."""
    bits = generator.integers(0, 0x7F80, (n, 3), dtype=np.uint16)
    rows = generator.integers(0, max(n, 1), n)
    lines = [
        f"%t = jinx.transpose %x, [1, 0] : tensor<{n}x3xbf16> -> tensor<3x{n}xbf16>",
        f"%g = jinx.gather %x, %rows axis 0 : tensor<{n}x3xbf16>, tensor<{n}xi64> -> tensor<{n}x3xbf16>",
    ]
    lines = [f"%x = jinx.cast %b : tensor<{n}x3xf32> -> tensor<{n}x3xbf16>"] + lines
    types = {"b": f"tensor<{n}x3xf32>", "rows": f"tensor<{n}xi64>"}
    text = module(types, {"t": f"tensor<3x{n}xbf16>", "g": f"tensor<{n}x3xbf16>"}, lines)
    outputs = checker.run(folder, isa, text, {"b": widen(bits), "rows": rows})
    checker.equal(f"{isa}: transpose of bf16, {n} rows", outputs["t"], np.ascontiguousarray(bits.T))
    checker.equal(f"{isa}: gather of bf16, {n} rows", outputs["g"], bits[rows])


def check_rows(checker, folder, isa, n, generator):
    """Of unknown width: what a row is reduced to lives from one loop to the next."""
    bits = generator.integers(0, 2**16, (3, n), dtype=np.uint16)
    bits[(bits & 0x7F80) == 0x7F80] = 0x3F80  # finite, so that the greatest is a number
    dims = '#jinx.dims<"n", "w">'
    wide, narrow, one = f"tensor<?x?xf32, {dims}>", f"tensor<?x?xbf16, {dims}>", 'tensor<?x1xbf16, #jinx.dims<"n", "1">>'
    lines = [
        f"%x = jinx.cast %s : {wide} -> {narrow}",
        f"%most = jinx.reduce max, %x axes [1] : {narrow} -> {one}",
        f"%y = jinx.sub %x, %most : {narrow}, {one} -> {narrow}",
    ]
    outputs = checker.run(folder, isa, module({"s": wide}, {"y": narrow}, lines), {"s": widen(bits)})
    with np.errstate(over="ignore", invalid="ignore"):
        exact = widen(bits) - widen(bits).max(1, initial=-np.inf, keepdims=True)
    checker.equal(f"{isa}: bf16 less the greatest of its row, rows of {n}", outputs["y"], nearest(exact.astype(np.float64)))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jinx", default="build/dev/bin/jinx")
    parser.add_argument("--runner", help="what runs the plans (default: jinx)")
    parser.add_argument("--threads", type=int, help="share every launch, however small, between so many")
    arguments = parser.parse_args()
    checker = Checker(arguments.jinx, arguments.runner, arguments.threads)
    generator = np.random.default_rng(11)
    flags = pathlib.Path("/proc/cpuinfo").read_text()
    for isa, needs in zip(ISAS, ["", "avx2", "avx512bw"]):
        if needs not in flags:
            print(f"not run: {isa}, which this processor lacks")
            continue
        for n in LENGTHS:
            for check in (check_narrowing, check_widening, check_arithmetic, check_movement, check_rows):
                with tempfile.TemporaryDirectory() as folder:
                    check(checker, pathlib.Path(folder), isa, n, generator)
    print(f"{checker.count - checker.bad} passed, {checker.bad} failed")
    return 1 if checker.bad else 0


if __name__ == "__main__":
    sys.exit(main())
