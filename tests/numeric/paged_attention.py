#!/usr/bin/env python3
"""Do jinx.write_pages and jinx.paged_attention compute what a model with a long memory would? Against float64, step by step.

A schedule of steps writes keys and values of some sequences into pages in no order, and attends to them: prompts in chunks beside single tokens, tokens that
are not written, tokens that see nothing. Pools begin as NaN, so that whatever is read and was never written shows. The oracle keeps
each sequence's keys and values in a list, rounded as the pool rounds them (numpy's and ml_dtypes' conversions), and knows nothing of pages.

To the last bit: each sequence alone, token by token, gives what it gave among others and in chunks.

    paged_attention.py --jinx build/dev/bin/jinx [--target cuda:sm_90a] [--seed N] [CASE…]
    paged_attention.py --jinx … --target cuda:sm_90a --save DIR [CASE…]       plans alone, into DIR
    paged_attention.py --plans DIR --library FILE [--device cuda] [CASE…]     (a machine with a GPU, without a compiler) runs them
    paged_attention.py --self-test
"""

import argparse
import collections
import pathlib
import shutil
import subprocess
import sys
import tempfile

import ml_dtypes
import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "models"))
import jinx_capi

PAGE = 16
DTYPES = {"f32": np.float32, "f16": np.float16, "bf16": ml_dtypes.bfloat16, "i8": np.int8, "f8E4M3FN": ml_dtypes.float8_e4m3fn}
ROUNDOFF = {"f32": 2.0**-24, "f16": 2.0**-11, "bf16": 2.0**-8}
TINY = {"f32": 2.0**-126, "f16": 2.0**-24, "bf16": 2.0**-126}
LARGEST = {"i8": np.float32(127), "f8E4M3FN": np.float32(448)}
LEAST = np.float32(2.0**-100)

# heads of keys, queries that share one, depth of keys and of values; elements of activations and pools; keys that are seen; tokens of a sequence and of a step.
Case = collections.namedtuple("Case", "heads shared depth columns q pool window lengths budget", defaults=["f32", "f32", 0, (40, 3, 70), 24])
CASES = {
    "plain": Case(2, 3, 64, 64),
    "one head": Case(1, 1, 32, 16),
    "odd depths": Case(3, 2, 48, 80),
    "many shared": Case(1, 20, 32, 32, lengths=(37, 5)),
    "long": Case(1, 2, 32, 32, lengths=(700, 257, 256, 1), budget=300),
    "window": Case(2, 2, 32, 32, window=20, lengths=(90, 21, 19)),
    "long window": Case(1, 2, 32, 32, window=300, lengths=(900, 30), budget=200),
    "f16": Case(2, 3, 64, 64, "f16", "f16"),
    "bf16": Case(2, 3, 64, 64, "bf16", "bf16"),
    "bf16 deep": Case(2, 4, 128, 128, "bf16", "bf16", lengths=(150, 70, 3), budget=60),
    "bf16 long": Case(1, 4, 64, 64, "bf16", "bf16", lengths=(1300, 513, 512, 1), budget=300),
    "bf16 all at once": Case(1, 1, 32, 32, "bf16", "bf16", lengths=(2600, 40), budget=900),
    "bf16 window": Case(2, 2, 32, 32, "bf16", "bf16", window=20, lengths=(90, 21, 19)),
    "bf16 long window": Case(1, 2, 32, 32, "bf16", "bf16", window=600, lengths=(1800, 30), budget=400),
    "bf16 many shared": Case(1, 20, 32, 32, "bf16", "bf16", lengths=(37, 5)),
    "f16 odd depth": Case(3, 2, 80, 80, "f16", "f16"),
    "f32 in bf16": Case(2, 3, 64, 64, "f32", "bf16"),
    "f32 in i8": Case(2, 3, 64, 64, "f32", "i8"),
    "f32 in f8": Case(2, 3, 64, 64, "f32", "f8E4M3FN"),
    "bf16 in i8": Case(1, 4, 64, 64, "bf16", "i8", lengths=(300, 17), budget=100),
    "f16 in f8": Case(1, 4, 64, 64, "f16", "f8E4M3FN", lengths=(300, 17), budget=100),
}


def module(case):
    pool = lambda depth: f"tensor<?x{case.heads}x16x{depth}x{case.pool}, #jinx.dims<\"p\", \"{case.heads}\", \"16\", \"{depth}\">>"
    rows = lambda heads, depth: f"tensor<?x{heads}x{depth}x{case.q}, #jinx.dims<\"n\", \"{heads}\", \"{depth}\">>"
    tokens, table = 'tensor<?xi32, #jinx.dims<"n">>', 'tensor<?x?xi32, #jinx.dims<"s", "e">>'
    scales = f"tensor<?x{case.heads}x16xf32, #jinx.dims<\"p\", \"{case.heads}\", \"16\">>"
    keys, values, q, k, v = pool(case.depth), pool(case.columns), rows(case.heads * case.shared, case.depth), rows(case.heads, case.depth), rows(case.heads, case.columns)
    y = rows(case.heads * case.shared, case.columns)
    with_scales = case.pool in LARGEST
    arguments = [("keys", keys), ("values", values), ("q", q), ("k", k), ("v", v), ("slots", tokens), ("table", table), ("sequence", tokens), ("position", tokens)]
    arguments += [("key_scales", scales), ("value_scales", scales)] if with_scales else []

    def write(kind, pool, rows, result):
        if not with_scales:
            return f"%{result} = jinx.write_pages {kind} %{kind}, %{rows}, %slots : {pool}, {dict(k=k, v=v)[rows]}, {tokens} -> {pool}"
        own = f"%{kind[:-1]}_scales"
        return (f"%{result}, %{result}s = jinx.write_pages {kind} %{kind}, %{rows}, %slots scales {own} : {pool}, {dict(k=k, v=v)[rows]}, {tokens} scales {scales}"
                f" -> {pool} scales {scales}")

    beside = ("scales %k1s, %v1s ", f"scales {scales}, {scales} ") if with_scales else ("", "")
    window = f" window {case.window}" if case.window else ""
    names = ", ".join(f'%{name}: {kind} {{jinx.name = "{name}"}}' for name, kind in arguments)
    return f"""func.func @main({names}) -> ({y} {{jinx.name = "y"}}) {{
  {write("keys", keys, "k", "k1")}
  {write("values", values, "v", "v1")}
  %y = jinx.paged_attention %q, %k1, %v1, %table, %sequence, %position {beside[0]}scale 0.17{window} : {q}, {keys}, {values}, {table}, {tokens}, {tokens} {beside[1]}-> {y}
  return %y : {y}
}}
"""


# ---- the oracle ---------------------------------------------------------------------------------------------------------------------


def stored(rows, pool):
    """What a pool keeps of rows [heads, depth]: float64."""
    rows = rows.astype(np.float32)
    if pool not in LARGEST:
        return rows.astype(DTYPES[pool]).astype(np.float64)
    largest = np.abs(rows).max(-1, keepdims=True)
    counts = largest >= LEAST
    scale = np.where(counts, largest / LARGEST[pool], np.float32(0))
    with np.errstate(all="ignore"):
        codes = np.where(counts, rows / np.where(counts, scale, np.float32(1)), np.float32(0))
    codes = np.rint(codes) if pool == "i8" else np.clip(codes, -448, 448).astype(DTYPES[pool])
    return codes.astype(np.float64) * scale.astype(np.float64)


def attend(case, q, keys, values, rounds_weights=False):
    """y [heads, columns] of one token, and how far off it may be. keys [tokens, heads, depth], those it sees.

    `rounds_weights`: tensor cores multiply values with weights of the activations' type, the largest of a part being 1 (sums of weights are of f32)."""
    heads, u = case.heads * case.shared, 2.0**-24
    if len(keys) == 0:
        return np.zeros((heads, case.columns)), np.zeros((heads, case.columns))
    q = q.astype(np.float64)
    k, v = np.repeat(keys, case.shared, 1), np.repeat(values, case.shared, 1)
    x = 0.17 * np.einsum("hd,jhd->hj", q, k)
    size = 0.17 * np.einsum("hd,jhd->hj", np.abs(q), np.abs(k))
    p = np.exp(x - x.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    wrong = u * ((case.depth + 6) * size.max(1) + np.abs(x).max(1) + len(keys) + 40)  # of a weight, relatively
    y, sizes = np.einsum("hj,jhc->hc", p, v), np.einsum("hj,jhc->hc", p, np.abs(v))
    off = sizes * (2 * wrong[:, None] + (len(keys) + 8) * u) + ROUNDOFF[case.q] * np.abs(y) + TINY[case.q]
    if rounds_weights:
        off += ROUNDOFF[case.q] * sizes + TINY[case.q] * np.abs(v).sum(0)
    return y, off


# ---- schedules ----------------------------------------------------------------------------------------------------------------------


class Engine:
    """Pools, tables and a session: steps of tokens go in, rows of y come out."""

    def __init__(self, session, case, generator, pages, sequences, entries):
        self.session, self.case, self.generator = session, case, generator
        self.free = list(generator.permutation(pages))
        self.table = np.full((sequences, entries), pages * 7, np.int32)  # no page: not to be read
        fill = np.nan if case.pool not in LARGEST else 0
        self.pools = {name: np.full((pages, case.heads, PAGE, depth), fill, np.float32).astype(DTYPES[case.pool]) for name, depth in (("keys", case.depth), ("values", case.columns))}
        if case.pool in LARGEST:
            self.pools |= {name: np.full((pages, case.heads, PAGE), np.nan, np.float32) for name in ("key_scales", "value_scales")}

    def step(self, tokens, q, k, v):
        """tokens: [(sequence, position, is written)]."""
        slots = []
        for s, at, is_written in tokens:
            if is_written and at % PAGE == 0:
                self.table[s, at // PAGE] = self.free.pop()
            slots.append(self.table[s, at // PAGE] * PAGE + at % PAGE if is_written else -1)
        inputs = {**self.pools, "q": q, "k": k, "v": v, "slots": np.array(slots, np.int32), "table": self.table,
                  "sequence": np.array([t[0] for t in tokens], np.int32), "position": np.array([t[1] for t in tokens], np.int32)}
        call = self.session.call([np.ascontiguousarray(inputs[port.name]) for port in self.session.inputs])
        call.run()
        return call.output(0)


def plan_steps(case, generator):
    """Steps of (sequence, position, is written): running sequences get a token, new ones chunks, in turns that no rule says; now and then a token that sees nothing."""
    done, steps = [0] * len(case.lengths), []
    while any(d < n for d, n in zip(done, case.lengths)):
        tokens = []
        for s in generator.permutation(len(done)):
            left = case.lengths[s] - done[s]
            count = min(left, case.budget - len(tokens), int(generator.choice([0, 1, 1, 5, 33, case.budget])))
            tokens += [(int(s), done[s] + i, True) for i in range(count)]
            done[s] += count
            if generator.random() < 0.1 and len(tokens) < case.budget:
                tokens.append((int(s), -1, False))
        if tokens:
            steps.append(tokens)
    return steps


def draw(case, generator, sequence, position):
    """A token's q, k and v: the same whatever step it comes in. Some rows are zeros, tiny or large."""
    own = np.random.default_rng([generator, sequence, position + 1])
    size = own.choice([1, 1, 1, 1, 0, 1e-35, 30])
    size = size if case.q != "f16" or size != 1e-35 else 1e-6
    make = lambda heads, depth, size: (own.standard_normal((heads, depth)) * size).astype(DTYPES[case.q])
    return make(case.heads * case.shared, case.depth, 1), make(case.heads, case.depth, min(size, 3)), make(case.heads, case.columns, size)


class Run:
    def __init__(self, options, library):
        self.options, self.library, self.seed = options, library, options.seed
        self.failures, self.count = [], 0

    def rounds_weights(self, case):
        """Plans for sm_90a do where activations and pools are of one type of 16 bits (decision 0036)."""
        on_gpu = self.options.target == "cuda:sm_90a" or (self.options.plans and self.options.device != "cpu")
        return bool(on_gpu) and case.q == case.pool and case.q in ("f16", "bf16")

    def outcome(self, good, text):
        self.count += 1
        if not good:
            self.failures.append(text)

    def judge(self, name, case, folder):
        options, path = self.options, pathlib.Path(folder) / "model.mlir"
        file = f"{name.replace(' ', '_')}.jxp"
        if options.plans:
            return self.judge_session(f"{name} on {options.device}", case, jinx_capi.Session(self.library, pathlib.Path(options.plans) / file, device=options.device))
        path.write_text(module(case))
        target = ["--target", options.target] if options.target else ["--isa", "x86-64,x86-64-v4"]
        done = subprocess.run([options.jinx, "compile", path, *target, "-o", path.with_suffix(".jxp")], capture_output=True, text=True)
        if done.returncode:
            return self.outcome(False, f"{name} does not compile: {done.stderr.strip()}")
        inspected = subprocess.run([options.jinx, "inspect", path.with_suffix(".jxp")], capture_output=True, text=True).stdout
        self.outcome(" host " not in inspected.split("steps (")[-1].split("kernels (")[0], f"{name}: steps on the host\n{inspected}")
        if options.save:
            pathlib.Path(options.save).mkdir(parents=True, exist_ok=True)
            return shutil.copyfile(path.with_suffix(".jxp"), pathlib.Path(options.save) / file)
        for session in [{"device": "emulated"}] if options.target else [{"isa": ""}, {"isa": "x86-64"}, {"threads": 3}]:
            self.judge_session(f"{name} {session}", case, jinx_capi.Session(self.library, path.with_suffix(".jxp"), **session))

    def judge_session(self, name, case, session):
        generator = np.random.default_rng([self.seed, len(name)])
        count = len(case.lengths)
        pages, entries = sum(-(-n // PAGE) for n in case.lengths) + 3, max(-(-n // PAGE) for n in case.lengths) + 1
        engine = Engine(session, case, generator, pages, count, entries)
        history, rows = [([], []) for _ in range(count)], {}
        for tokens in plan_steps(case, generator):
            q, k, v = (np.stack(part) for part in zip(*(draw(case, self.seed, s, at) for s, at, _ in tokens)))
            y = engine.step(tokens, q, k, v)
            for (s, _, is_written), key, value in zip(tokens, k, v):
                if is_written:
                    history[s][0].append(stored(key, case.pool))
                    history[s][1].append(stored(value, case.pool))
            self.judge_rows(name, case, tokens, q, y, history)
            rows |= {(s, at): row for (s, at, is_written), row in zip(tokens, y) if is_written}
        self.judge_alone(name, case, session, generator, rows, pages, entries, [1] if len(rows) < 400 else [1, 1, 3, 50, 200])
        self.judge_damaged(name, case, session, generator, pages, entries)

    def judge_rows(self, name, case, tokens, q, y, history):
        for i, (s, at, _) in enumerate(tokens):
            first = max(0, at + 1 - case.window) if case.window else 0
            keys, values = (np.array(part[first : at + 1]).reshape(-1, case.heads, depth) for part, depth in zip(history[s], (case.depth, case.columns)))
            want, off = attend(case, q[i], keys, values, self.rounds_weights(case))
            near = np.abs(y[i].astype(np.float64) - want) <= off
            self.outcome(near.all(), f"{name}: sequence {s} position {at}: {(~near).sum()} of {near.size} elements, the first is {y[i][~near][:1]}, expected {want[~near][:1]} ± {off[~near][:1]}")

    def judge_alone(self, name, case, session, generator, rows, pages, entries, chunks):
        """Token by token, or in other chunks where there are many, in other pages, with other sequences in the table."""
        for s, length in enumerate(case.lengths):
            engine, at = Engine(session, case, generator, pages, 2, entries), 0
            while at < length:
                step = range(at, min(length, at + int(generator.choice(chunks))))
                q, k, v = (np.stack(part) for part in zip(*(draw(case, self.seed, s, i) for i in step)))
                y = engine.step([(1, i, True) for i in step], q, k, v)
                for row, i in zip(y, step):
                    self.outcome(row.tobytes() == rows[s, i].tobytes(), f"{name}: sequence {s} position {i} is not the same to the last bit alone, in a chunk of {len(step)}")
                at = step.stop

    def judge_damaged(self, name, case, session, generator, pages, entries):
        """A value that is no number reaches who sees it, of its head, and nobody else: a column of floats, a whole row of codes, which have one scale."""
        for bad in [np.nan] if case.pool not in LARGEST else [np.nan, np.inf]:
            engine = Engine(session, case, generator, pages, 1, entries)
            for at in range(5):
                q, k, v = (part[None].copy() for part in draw(case, self.seed, 0, at))
                if at == 3:
                    v[0, case.heads - 1, 1] = bad
                y = engine.step([(0, at, True)], q, k, v)[0].astype(np.float64)
                want = np.zeros(y.shape, bool)
                if at >= 3:
                    want[-case.shared :, slice(None) if case.pool in LARGEST else 1] = True
                self.outcome(np.array_equal(np.isnan(y), want), f"{name}: {bad} at position 3 of head {case.heads - 1}: at {at} {np.isnan(y).sum()} are NaN, expected {want.sum()}")


def self_test():
    """The oracle against sums written out, and a wrong answer of each kind."""
    case = CASES["plain"]
    generator = np.random.default_rng(3)
    q, keys, values = (generator.standard_normal(shape) for shape in ((6, 64), (5, 2, 64), (5, 2, 64)))
    y, off = attend(case, q, keys, values)
    checked = 0
    for h in range(6):
        weights = [np.exp(0.17 * sum(q[h, d] * keys[j, h // 3, d] for d in range(64))) for j in range(5)]
        want = sum(w * values[j, h // 3] for j, w in enumerate(weights)) / sum(weights)
        assert np.abs(y[h] - want).max() < 1e-12, h
        checked += 1
    shifted, _ = attend(case, q, keys[:4], values[:4])
    swapped, _ = attend(case, q, keys[[0, 1, 2, 4, 3]], values)
    for what, wrong in (("a key less", shifted), ("two keys of each other", swapped), ("f16", y.astype(np.float16))):
        assert (np.abs(wrong - y) > off).any(), f"not noticed: {what}"
        checked += 1
    row = np.array([[0.5, -2.0, 1.0, 0.0]])
    assert np.array_equal(np.rint(stored(row, "i8") / (2 / 127)), [[32, -127, 64, 0]])
    assert np.array_equal(stored(row * 1e-40, "i8"), np.zeros((1, 4)))
    print(f"{checked + 2} passed, 0 failed")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jinx", default="build/dev/bin/jinx")
    parser.add_argument("--target", default="")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--save", default="", metavar="DIR")
    parser.add_argument("--plans", default="", metavar="DIR")
    parser.add_argument("--library", default="", metavar="FILE")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--self-test", action="store_true")
    parser.add_argument("cases", nargs="*", metavar="CASE", default=list(CASES))
    arguments = parser.parse_args()
    if arguments.self_test:
        return self_test()
    built = pathlib.Path(arguments.jinx).resolve().parents[1] / "lib" / ("libjinx-emulated.so" if arguments.target else "libjinx.so")
    run = Run(arguments, None if arguments.save else jinx_capi.Library(arguments.library or built))
    for name in arguments.cases:
        with tempfile.TemporaryDirectory() as folder:
            run.judge(name, CASES[name], folder)
    for failure in run.failures[:20]:
        print(failure)
    print(f"{run.count - len(run.failures)} of {run.count} passed")
    return 1 if run.failures or not run.count else 0


if __name__ == "__main__":
    sys.exit(main())
