#!/usr/bin/env python3
"""What perplexity can each weight-only scheme reach on SmolLM2? Its weights are replaced by what their codes stand for, and onnxruntime runs them.

No code of the product takes part: schemes are those of tests/numeric/quant_reference.py, the text and figures those of perplexity.py. What
the product reaches is judged by these figures. Kinds of weights: the seven linear ones of a layer (smollm2.LINEAR; `linear` is all
of them), `output` (the last product) and `token_embd` (its table, tied to it in the file).

    int8               int8 per channel                     fp8            E4M3, one scale a channel
    int4               symmetric, groups of 32              int4-search    symmetric, 16 levels, the scale searched
    int4-zero          with a zero point                    int4-offset    with an offset: the file's own grid
    nf4                groups of 64                         nf4-double     scales in 8 bits
    int4-gptq, int4-search-gptq, int4-zero-gptq, nf4-gptq: GPTQ decides the codes
    int4-g64, int4-zero-gptq-g128, …: -gN is another group
    int4,attn_v=int8,output=int8: other schemes for some kinds

GPTQ is calibrated on 8,192 tokens of another text (articles of `wikipedia.xml.bz2`), the inputs of every layer taken from the float model.
The first token of a window is in some layers a thousand times as large as the others (ffn_down of layer 28), and what errors it causes
outweighs the rest. So tokens that are longer than the median count as if they were as long as it.

    scheme_perplexity.py [SCHEME…] [--kinds linear,output,token_embd] [--tokens 4096] [--json FILE]     a row a scheme
    scheme_perplexity.py [SCHEME] --sensitivity                                        one kind at a time, then one layer at a time
    scheme_perplexity.py --judge                                                       the test: the bounds in BOUNDS hold
"""

import argparse
import bz2
import functools
import html
import json
import pathlib
import re
import sys
import tempfile

import numpy as np
import onnx

import model_runs
import perplexity
import smollm2
from packages import ROOT, Missing, data

sys.path.insert(0, str(ROOT / "tests" / "numeric"))
import quant_reference as q  # noqa: E402

# Scheme: the largest ratio, over the kinds `linear`. int4 without calibration stays below 1.1 where the values' and the down projections
# have 8 bits, 1.19 where they do not (docs/benchmarks/quantization.md has all figures); the file's own form loses nothing.
BOUNDS = {"int8": 1.005, "int4-offset": 1.0001, "int4-search,attn_v=int8,ffn_down=int8": 1.1}
CALIBRATION_TOKENS, CALIBRATION_WINDOW = 8192, 512
DAMPING = 0.1  # on other text 0.01 lost more in ffn_down (1,536 inputs, 8,192 tokens)
GPTQ = {"int4": q.gptq_int4, "int4-search": q.gptq_int4_searched, "int4-zero": q.gptq_int4_zero, "nf4": q.gptq_nf4}
INPUTS = {"attn_q": "attn_norm", "attn_k": "attn_norm", "attn_v": "attn_norm", "attn_output": "flat", "ffn_gate": "ffn_norm", "ffn_up": "ffn_norm", "ffn_down": "gated"}


# ---- calibration ------------------------------------------------------------------------------------------------------


def calibration_tokens() -> np.ndarray:
    """The bodies of the first articles, without markup."""
    text = bz2.decompress(data("wikipedia.xml.bz2").read_bytes()).decode()
    bodies = re.findall(r"<text[^>]*>(.*?)</text>", text[:1_000_000], re.S)
    text = html.unescape("\n\n".join(body for body in bodies if len(body) > 2000))
    for pattern, instead in ((r"<ref.*?(/>|</ref>)|<!--.*?-->", ""), (r"\{\{[^{}]*\}\}|\{\|.*?\|\}", ""), (r"\[\[(?:[^\[\]|]*\|)?([^\[\]]*)\]\]", r"\1"), (r"\[http\S+ ?|'{2,}|<[^>]*>|={2,}|^[*#:;|!]+", "")):
        text = re.sub(pattern, instead, text, flags=re.S | re.M)
    return np.int64(smollm2.tokenizer().encode(text).ids[:CALIBRATION_TOKENS])


def input_of(name: str) -> str:
    """The value that a weight multiplies."""
    layer, _, kind = name.removesuffix(".weight").rpartition(".")
    return f"{layer}.{INPUTS[kind]}" if layer else "output_norm"


@functools.cache
def grams() -> dict[str, np.ndarray]:
    """x^T x of every linear layer's inputs, by the input's name."""
    model = onnx.load(smollm2.cached(), load_external_data=False)
    names = sorted({f"blk.{layer}.{value}" for layer in range(smollm2.LAYERS) for value in INPUTS.values()} | {"output_norm"})
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    path = smollm2.cached().with_name("with_inputs.onnx")
    path.write_bytes(model.SerializeToString())
    run, sums = model_runs.open_onnx(path, 2), {}
    for ids in perplexity.windows(calibration_tokens(), CALIBRATION_WINDOW):
        outputs = run({"input_ids": ids})
        for name in names:
            x = outputs[name][0]
            length = np.linalg.norm(x, axis=1, keepdims=True)
            x = x * np.minimum(1, np.median(length) / length)
            sums[name] = sums.get(name, 0) + (x.T @ x).astype(np.float64)
    return sums


# ---- schemes ----------------------------------------------------------------------------------------------------------


def fake(scheme: str, name: str, w: np.ndarray, by_gptq: dict) -> np.ndarray:
    """What w [k, n] stands for. by_gptq keeps what GPTQ made: it takes minutes."""
    base, _, size = scheme.rpartition("-g") if re.search(r"-g\d+$", scheme) else (scheme, "", "")
    group = int(size) if size else 64 if base.startswith("nf4") else 32
    if base.endswith("-gptq"):
        if (scheme, name) not in by_gptq:
            by_gptq[scheme, name] = q.gptq(w, grams()[input_of(name)], GPTQ[base.removesuffix("-gptq")], group, DAMPING).astype(np.float32)
        return by_gptq[scheme, name]
    schemes = {
        "int8": q.int8_per_channel,
        "fp8": lambda w: q.fp8(w, "channel"),
        "int4": lambda w: q.int4_groups(w, group),
        "int4-search": lambda w: q.int4_groups_searched(w, group),
        "int4-zero": lambda w: q.int4_groups_zero(w, group),
        "int4-offset": lambda w: q.int4_groups_offset(w, group),
        "nf4": lambda w: q.nf4(w, group),
        "nf4-double": lambda w: q.nf4(w, group, double=256),
    }
    if base not in schemes:
        raise SystemExit(f"error: no scheme {scheme}: expected one of {', '.join(schemes)}, or one of {', '.join(GPTQ)} and -gptq")
    return schemes[base](w.astype(np.float64)).values()


def kind_of(name: str) -> str:
    return name.removesuffix(".weight").rpartition(".")[2]


def quantized(weights: dict, scheme_of, by_gptq: dict) -> dict:
    """scheme_of(name): None for what stays. The table [rows, k] is quantized as the product that reads it turned."""
    result = {}
    for name, value in weights.items():
        scheme = scheme_of(name) if value.ndim == 2 else None
        turned = kind_of(name) == "token_embd"
        if scheme:
            value = fake(scheme, name, value.T if turned else value, by_gptq).astype(np.float32)
            value = value.T if turned else value
        result[name] = value
    return result


class Scorer:
    def __init__(self, tokens: int):
        self.text = perplexity.Text(model_runs.open_onnx(smollm2.cached(), 2), perplexity.text_tokens(tokens))
        self.weights, self.by_gptq, self.results = smollm2.weights(), {}, {"float": self.text.float_summary()}
        print(f"{perplexity.HEADER}\n{perplexity.row('float', self.results['float'])}", flush=True)

    def score(self, label: str, scheme_of) -> dict[str, float]:
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "model.onnx"
            smollm2.write(path, quantized(self.weights, scheme_of, self.by_gptq))
            self.results[label] = self.text.score(model_runs.open_onnx(path, 2))
        print(perplexity.row(label, self.results[label]), flush=True)
        return self.results[label]


def sensitivity(scorer: Scorer, scheme: str) -> None:
    for kind in (*smollm2.LINEAR, "output", "token_embd"):
        scorer.score(f"{scheme}, only {kind}", lambda name, kind=kind: scheme if kind_of(name) == kind else None)
    for layer in range(smollm2.LAYERS):
        scorer.score(f"{scheme}, only layer {layer}", lambda name, layer=layer: scheme if name.startswith(f"blk.{layer}.") else None)


def plan_of(words: str, kinds: list[str]):
    """SCHEME,KIND=SCHEME,… to a function from a weight's name to its scheme."""
    scheme, *others = words.split(",")
    special = dict(other.split("=") for other in others)
    return lambda name: special.get(kind_of(name), scheme if kind_of(name) in kinds else None)


def judge(scorer: Scorer) -> int:
    failed = 0
    for words, bound in BOUNDS.items():
        ratio = scorer.score(words, plan_of(words, list(smollm2.LINEAR)))["ratio"]
        failed += ratio > bound
        print("ok  " if ratio <= bound else "FAIL", f"{words}: ratio {ratio:.4f}, at most {bound}")
    print(f"{len(BOUNDS) - failed} passed, {failed} failed")
    return failed > 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("schemes", nargs="*", metavar="SCHEME")
    parser.add_argument("--kinds", default="linear")
    parser.add_argument("--sensitivity", action="store_true")
    parser.add_argument("--judge", action="store_true")
    parser.add_argument("--tokens", type=int, default=perplexity.TOKENS)
    parser.add_argument("--json", type=pathlib.Path)
    options = parser.parse_args()
    try:
        scorer = Scorer(options.tokens)
        if options.judge:
            return judge(scorer)
    except Missing as missing:
        print(f"skipped: {missing}\n0 passed, 0 failed")
        return 77
    kinds = options.kinds.replace("linear", ",".join(smollm2.LINEAR)).split(",")
    for scheme in options.schemes:
        if options.sensitivity:
            sensitivity(scorer, scheme)
        else:
            scorer.score(scheme if options.kinds == "linear" else f"{scheme} ({options.kinds})", plan_of(scheme, kinds))
    if options.json:
        options.json.write_text(json.dumps(scorer.results, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
