#!/usr/bin/env python3
"""Does a plan that draws tokens (frontends/llm/Draw.h) draw those that its own logits say? Judged in float64, by sorting whole rows.

Small random Llamas with vocabularies of several sizes (whole chunks, a prime number of tokens, fewer than are sorted), some tokens with equal logits, run on the CPU and on
the emulated CUDA device. Each row of logits is drawn from with every filter, alone and together, at many places of the distribution. A draw whose place is nearer to a token's
end than rounding in f32 may be decided either way: such draws are counted. It is asked that nuclei of more than the sorted tokens are called undecided, and no others are; that
rows with a NaN or an infinity are; that greedy rows have the largest logit; and that a row draws the same token alone and among others.

On the emulated device also the whole of `jinx-rt generate`: requests of many kinds in one batch, whose tokens are judged by the logits of their own texts and the random numbers of their seeds.

    draws.py [--jinx build/dev/bin/jinx] [--emulated] [--seed N]
    draws.py --save DIR                                                    plans for CUDA alone, and the tokenizer, into DIR
    draws.py --plans DIR --library FILE --runner FILE [--device cuda]      (a machine with a GPU, without a compiler) runs them
"""

import argparse
import collections
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile

import numpy as np

import jinx_capi
from packages import Missing, data

try:
    import gguf_model
    import huggingface_model as folders
    import tokenizers_check  # whose table names the tokenizer's file
except ImportError as missing:
    print(f"skipped: {missing}; run this with the Python of ./dev setup ($JINX_CACHE/python/bin/python)")
    sys.exit(77)

POISON = 2  # a token that makes all that sees it NaN
SORTED, UNDECIDED, STEP = 64, -1, 2.0**-23
TINY = 1e-36
NEAR = 1e-4  # of the sum of weights: what sums in f32 over a vocabulary, and exponentials of a device, may be off by
Draw = collections.namedtuple("Draw", "temperature k p least u")

# ---- what a draw means -----------------------------------------------------------------------------------------------------------------


def answers(logits, draw, wide=False):
    """The tokens that a draw may give: one, or those on both sides of an end that is too near to call. wide: nuclei of more than the sorted tokens, too, as the host draws."""
    if not np.isfinite(logits.max()):
        return {len(logits)}
    if draw.temperature == 0:
        return {int(logits.argmax())}
    x = logits.astype(np.float64)
    w = np.exp((x - x.max()) / draw.temperature)
    order = np.lexsort((np.arange(len(w)), -x))
    k = draw.k if 0 < draw.k < len(w) else 0
    if not draw.k and draw.p == 1:
        return set().union(*(places(np.where(w >= least, w, 0), range(len(w)), draw.u) for least in around(draw.least)))
    allowed = set()
    for share in around(draw.p):
        for least in around(draw.least):
            allowed |= listed(w, order, k, share, least, draw.u, wide)
    return allowed


def around(x):
    """A share, and what is too near to it to be told from it; the largest weight is 1, so no token has more."""
    return x, x * (1 - NEAR), min(x * (1 + NEAR), 1)


def listed(w, order, k, share, least, u, wide):
    sorted_weights = w[order]
    among = sorted_weights[:k] if k else sorted_weights
    before = np.concatenate([[0], np.cumsum(among)[:-1]])
    kept = (before < share * among.sum()) & (among >= least) & (among > 0)
    if not k and not wide and kept[SORTED:].any():
        return {UNDECIDED}
    return places(np.where(kept, among, 0), order, u)


def places(weights, ids, u):
    """Where the running sum passes u of the whole; neighbors too where it is nearly there, and at the very beginning tokens whose weight may be 0 in f32."""
    found = {int(ids[i]) for i in np.flatnonzero((weights > 0) & (weights < TINY))} if u < TINY else set()
    for at, least in ((u, 0), (u - NEAR, 0), (u + NEAR, 0), (u, TINY)):
        weights = np.where(weights >= least, weights, 0)
        sums = np.cumsum(weights)
        place = int(np.searchsorted(sums, min(max(at, 0), 1 - 1e-12) * sums[-1], side="right"))
        place = min(place, len(sums) - 1)
        while weights[place] == 0:  # behind the last
            place -= 1
        found.add(int(ids[place]))
    return found


def uniform(seed, position):
    """In [0, 1): Philox of 4 words and ten rounds (Salmon et al. 2011, table 2) at (position, 0), key seed; 53 bits of the first two words."""
    words, key, full = [position, 0, 0, 0], [seed, 0], 2**32
    for _ in range(10):
        a, b = 0xD2511F53 * words[0], 0xCD9E8D57 * words[2]
        words = [b // full ^ words[1] ^ key[0], b % full, a // full ^ words[3] ^ key[1], a % full]
        key = [(key[0] + 0x9E3779B9) % full, (key[1] + 0xBB67AE85) % full]
    return (words[0] * full + words[1] >> 11) / 2.0**53


# ---- cases -----------------------------------------------------------------------------------------------------------------------------


def draws_of(random, count):
    """Filters alone and together, at ends of the distribution and inside it."""
    result = []
    for i in range(count):
        temperature = float(random.choice([0.05, 0.3, 0.7, 1, 1, 1.5, 5]))
        k = int(random.choice([0, 0, 0, 1, 2, 20, 63, 64]))
        p = float(random.choice([1, 1, 1e-6, 0.2, 0.5, 0.9, 0.95, 0.999]))
        least = float(random.choice([0, 0, 0, 0.02, 0.1, 0.5, 1]))
        u = float(random.choice([0, 1 - STEP, STEP, -1, -1, -1, -1]))
        u = u if u >= 0 else float(np.floor(random.random() / STEP) * STEP)
        result.append(Draw(temperature if i % 17 else 0, k, p, least, u))
    return result


def make(folder, vocabulary, scale, seed, poison):
    """A Llama of two layers whose logits have about this deviation. Tokens 3 and 4, and 7 and 8, have equal rows. Token `poison` makes what sees it NaN."""
    config = {**folders.llama("llama"), "vocab_size": vocabulary}
    folders.VOCABULARY = vocabulary
    maker = folders.Maker("BF16", seed)
    folders.make_llama(config, maker)
    kind, head = maker.tensors["lm_head.weight"]
    head = head * scale
    head[4], head[8] = head[3], head[7]
    maker.tensors["lm_head.weight"] = (kind, head)
    kind, embedding = maker.tensors["model.embed_tokens.weight"]
    embedding[poison] = np.nan
    folders.write_folder(folder, config, maker.tensors)


class Run:
    def __init__(self, options, folder):
        self.options, self.folder, self.failures = options, pathlib.Path(folder), []
        self.counts = collections.Counter()
        if options.save:
            pathlib.Path(options.save).mkdir(parents=True, exist_ok=True)
        built = pathlib.Path(options.jinx).resolve().parents[1] / "lib" / f"libjinx{'-emulated' if options.device == 'emulated' else ''}.so"
        self.library = None if options.save else jinx_capi.Library(pathlib.Path(options.library or built))

    def session(self, name, vocabulary, scale, seed):
        """A plan of a random model, made now or before."""
        if self.options.plans:
            return jinx_capi.Session(self.library, self.plan(name), device=self.options.device)
        target = ["--draws"] if self.options.device == "cpu" else ["--target", "cuda:sm_90a"]
        with tempfile.TemporaryDirectory() as folder:
            make(pathlib.Path(folder) / name, vocabulary, scale, seed, POISON)
            done = subprocess.run([self.options.jinx, "compile", pathlib.Path(folder) / name, "-o", self.plan(name), *target], capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"{name} does not compile: {done.stderr.strip()}")
        return None if self.options.save else jinx_capi.Session(self.library, self.plan(name), device=self.options.device)

    def plan(self, name):
        return pathlib.Path(self.options.plans or self.options.save or self.folder) / f"{name}.jxp"

    def step(self, session, tokens, draws):
        """One step over first tokens of sequences, each row drawn from by each of its draws. draws: (row, Draw). \\returns logits, best, picked of each draw"""
        count, drawn = len(tokens), [(row, draw) for row, draw in draws if draw.temperature > 0]
        rows = np.arange(count, dtype=np.int32)
        inputs = {"tokens": np.array(tokens, np.int32), "sequence": rows, "position": np.zeros(count, np.int32), "slots": rows * 16, "table": rows[:, None].repeat(16, 1), "rows": rows, "shown.rows": rows}
        listed = [j for j, (_, draw) in enumerate(drawn) if draw.k > 0 or draw.p < 1]
        place = {j: count + j for j in range(len(drawn))} | {j: count + len(drawn) + i for i, j in enumerate(listed)}
        at = iter(range(len(drawn)))
        values = {"draw.choice": [place[next(at)] if draw.temperature > 0 else row for row, draw in draws], "listed.draw": listed}
        for group, members in (("draw", drawn), ("listed", [drawn[j] for j in listed])):
            values[f"{group}.rows"] = [row for row, _ in members]
            for name, get in (("inverse_temperature", lambda d: 1 / d.temperature), ("top_k", lambda d: d.k), ("top_p", lambda d: d.p), ("min_p", lambda d: d.least), ("u", lambda d: d.u)):
                values[f"{group}.{name}"] = [get(draw) for _, draw in members]
        values["draw.min_p"] = [0 if j in listed else draw.least for j, (_, draw) in enumerate(drawn)]
        inputs |= {name: np.array(values[name], kind) for name, kind in gguf_model.DRAWS.items()}
        pool = lambda port: np.zeros((count, folders.KEY_HEADS, 16, folders.DEPTH), port.dtype)
        call = session.call([inputs[p.name] if p.name in inputs else pool(p) for p in session.inputs])
        call.run()
        return [call.output(i) for i in range(3)]

    def case(self, name, vocabulary, scale):
        random = np.random.default_rng(self.options.seed + vocabulary)
        session = self.session(str(vocabulary), vocabulary, scale, self.options.seed + vocabulary)
        if not session:
            return
        tokens = [POISON] + [int(t) for t in random.integers(9, vocabulary, 5)]
        draws = [(int(random.integers(0, len(tokens))), draw) for draw in draws_of(random, 240)]
        logits, best, picked = self.step(session, tokens, draws)
        for row, token in enumerate(best):
            want = vocabulary if row == 0 else int(logits[row].argmax())
            self.judge(name, f"the largest of row {row}", {want}, int(token))
        for (row, draw), token in zip(draws, picked):
            self.judge(name, f"{draw} of row {row}", answers(logits[row], draw), int(token))
        for (row, draw), token in list(zip(draws, picked))[:6]:
            _, _, alone = self.step(session, [tokens[row]], [(0, draw)])
            self.judge(name, f"{draw} of row {row} alone", {int(token)}, int(alone[0]))
        _, _, none = self.step(session, tokens, [])
        self.judge(name, "no draws", {0}, len(none))

    def generate(self):
        """All of it: scheduler, steps before the one in front has ended, rows that the host draws."""
        session = self.session("generate", 512, 2, self.options.seed)
        tokenizer = self.plan("generate").with_name("gpt2.tiktoken")
        if not self.options.plans:
            shutil.copyfile(data("whisper.gpt2.tiktoken"), tokenizer)
        if not session:
            return
        runner, batch = self.options.runner or pathlib.Path(self.options.jinx).parent / "jinx-rt", self.folder / "batch.jsonl"
        for filters in ({}, {"top-k": 8}, {"top-p": 0.9}, {"min-p": 0.2, "top-p": 0.99}):
            # "!" to "~" are the tokens 0 to 93 of GPT-2.
            requests = [{"prompt": chr(33 + prompt), "max_tokens": 7 - prompt % 3, "temperature": t, "seed": 10 + prompt} for prompt, t in ((0, 0), (5, 1), (6, 0.4), (7, 5), (9, 5))]
            requests.append({**requests[1], "logprobs": 1, "max_tokens": 3})  # the host draws it, in steps with others
            batch.write_text("".join(json.dumps(request) + "\n" for request in requests))
            command = [runner, "generate", self.plan("generate"), "--tokenizer", tokenizer, "--device", self.options.device, "--batch", batch, "--ignore-end"]
            done = subprocess.run(list(map(str, command + [part for key, value in filters.items() for part in (f"--{key}", value)])), capture_output=True, text=True)
            if done.returncode:
                raise RuntimeError(f"generate fails: {done.stderr.strip()}")
            for answer in map(json.loads, done.stdout.splitlines()):
                self.judge_text(f"generate {filters}", session, requests[answer["index"]], answer["tokens"], filters)

    def judge_text(self, name, session, request, tokens, filters):
        self.judge(name, f"length of {request}", {request["max_tokens"]}, len(tokens))
        engine, token = gguf_model.Engine(session, "bf16"), ord(request["prompt"]) - 33
        for i, found in enumerate(tokens):
            logits = engine.step([(0, i, token)])[0]
            draw = Draw(request["temperature"], filters.get("top-k", 0), filters.get("top-p", 1), filters.get("min-p", 0), uniform(request["seed"], i + 1))
            self.counts["drawn by the host"] += UNDECIDED in answers(logits, draw)
            self.judge(name, f"token {i} of {request}", answers(logits, draw, wide=True), found)
            token = found

    def judge(self, name, what, allowed, found):
        self.counts["asked"] += 1
        self.counts["too near to call"] += len(allowed) > 1
        self.counts["undecided"] += found == UNDECIDED
        if found not in allowed:
            self.failures.append(f"{name}, {what}: {found}, expected {' or '.join(map(str, sorted(allowed)))}")


CASES = {  # vocabulary, deviation of logits
    "chunks of 256": (512, 2),
    "chunks of 250": (1000, 4),
    "a prime number of tokens": (509, 1),
    "many chunks, nearly even": (4096, 0.3),
    "as many as are sorted": (64, 2),
    "fewer than are sorted": (50, 2),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--jinx", default="build/dev/bin/jinx")
    parser.add_argument("--library", help="default: beside the program")
    parser.add_argument("--emulated", action="store_true", help="the emulated CUDA device")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--save", default="", metavar="DIR")
    parser.add_argument("--plans", default="", metavar="DIR")
    parser.add_argument("--runner", default="", help="jinx-rt; default: beside the program")
    parser.add_argument("--device", default="", help="default: cpu, and cuda with --plans")
    options = parser.parse_args()
    options.device = options.device or ("emulated" if options.emulated or options.save else "cuda" if options.plans else "cpu")
    with tempfile.TemporaryDirectory() as folder:
        run = Run(options, folder)
        for name, (vocabulary, scale) in CASES.items():
            before = len(run.failures)
            run.case(name, vocabulary, scale)
            if not options.save:
                print(f"{name}: {len(run.failures) - before} failed")
        if options.device != "cpu":
            try:
                run.generate()
            except Missing as missing:
                print(f"generate: skipped: {missing}")
    if options.save:
        return 0
    if options.device != "cpu":
        print(f"generate: {run.counts['drawn by the host']} tokens are drawn by the host")
    counts = run.counts
    for failure in run.failures[:20]:
        print(failure)
    # A test that decides nothing, or is never asked about wide nuclei, shows nothing.
    if counts["too near to call"] > counts["asked"] / 20 or not counts["undecided"]:
        run.failures.append("")
        print(f"the cases do not ask what they are for: {dict(counts)}")
    print(f"{counts['asked'] - len(run.failures)} passed, {len(run.failures)} failed; {counts['too near to call']} too near to call, {counts['undecided']} undecided")
    return 1 if run.failures else 0


if __name__ == "__main__":
    sys.exit(main())
