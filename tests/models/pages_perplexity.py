#!/usr/bin/env python3
"""How much worse does SmolLM2 read when its keys and values, or its activations, have fewer bits? Perplexity and KL as in perplexity.py, the same text and windows.

Models are plans of the GGUF file, compiled with each type of pages and with activations of --activation-bits beside the codes of weights; a window is one step of 1,024 tokens into pages that were never used. The float model is
smollm2.py's, in onnxruntime, so pages of f32 say what the rest of the plan does. Exit status 1 when a type is above its bound.

    pages_perplexity.py [--jinx build/dev/bin/jinx] [--tokens 4096] [--activation-bits 24] [TYPE…]
"""

import argparse
import pathlib
import sys
import tempfile

import ml_dtypes
import numpy as np

import jinx_capi
import model_runs
import perplexity
import smollm2
from packages import Missing, data

PAGE = 16
TYPES = {"f32": np.float32, "f16": np.float16, "bf16": ml_dtypes.bfloat16, "i8": np.int8, "f8": ml_dtypes.float8_e4m3fn}
#        ratio of perplexities, mean KL in nats; with activations of 8 bits, what is asked of them
ROUNDED = (1.02, 1e-2)
BOUNDS = {"f32": (1.0001, 1e-6), "f16": (1.0002, 1e-5), "bf16": (1.001, 1e-4), "i8": (1.005, 1e-3), "f8": (1.02, 1e-2)}


def step(session, kind):
    """ids [1, n] -> logits [1, n, vocabulary], by one step over fresh pages."""
    heads, depth = int(session.metadata["llm.key_heads"]), int(session.metadata["llm.depth"])

    def run(inputs):
        ids = np.int32(inputs["input_ids"][0])
        count, pages = len(ids), -(-len(ids) // PAGE)
        order = np.random.default_rng(1).permutation(pages).astype(np.int32)
        place = np.arange(count, dtype=np.int32)
        values = {"tokens": ids, "sequence": np.zeros(count, np.int32), "position": place, "slots": order[place // PAGE] * PAGE + place % PAGE, "table": order[None], "rows": place}
        for port in session.inputs:
            if port.name.startswith(("keys.", "values.")):
                values[port.name] = np.zeros((pages, heads, PAGE, depth), TYPES[kind])
            elif "_scales." in port.name:
                values[port.name] = np.zeros((pages, heads, PAGE), np.float32)
        return {"logits": session.run(values)["logits"][None]}

    return run


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jinx", type=pathlib.Path, default=jinx_capi.ROOT / "build" / "dev" / "bin" / "jinx")
    parser.add_argument("--tokens", type=int, default=perplexity.TOKENS)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--activation-bits", type=int, choices=(8, 16, 24, 32), default=24)
    parser.add_argument("types", nargs="*", metavar="TYPE", default=list(TYPES))
    options = parser.parse_args()
    try:
        model, reference = data("smollm2.gguf"), model_runs.open_onnx(smollm2.cached(), options.threads)
        text = perplexity.Text(reference, perplexity.text_tokens(options.tokens))
    except (Missing, ImportError) as missing:
        print(f"skipped: {missing}")
        return 77
    library, checks = jinx_capi.Library(model_runs.library_beside(options.jinx)), []
    print(perplexity.HEADER)
    with tempfile.TemporaryDirectory() as folder:
        for kind in options.types:
            plan = pathlib.Path(folder) / f"{kind}.jxp"
            model_runs.call(options.jinx, "compile", model, "--kv", kind, "--activation-bits", options.activation_bits, "-o", plan)
            got = text.score(step(jinx_capi.Session(library, plan, threads=options.threads), kind))
            print(perplexity.row(f"pages of {kind}, activations of {options.activation_bits} bits", got), flush=True)
            ratio, kl = BOUNDS[kind] if options.activation_bits > 16 else ROUNDED
            checks.append((f"{kind}: ratio {got['ratio']:.5f} of at most {ratio}, KL {got['kl']:.1e} of at most {kl:.0e}", got["ratio"] <= ratio and got["kl"] <= kl))
    return perplexity.report(checks)


if __name__ == "__main__":
    sys.exit(main())
