#!/usr/bin/env python3
"""Are real models on several ranks what they are on one? `jinx compile --shard`, then all ranks as threads of one process, beside the plan of one rank.

- MiniLM-L6 by the built-in rules: 2, 3 and 4 ranks share its 12 heads; 3 have two layers each, through which a sentence goes behind the other; 2 and 3
  share the tokens, and keys and values go round.
- A network of convolutions (ocr-cls) by a file of rules: the channels of every convolution that the ranks divide.

    sharded.py --jinx FILE [--ranks 2 3 4]

One line a model and mesh; the last line says `N passed, N failed`. Exit status 77 when nothing could be run.
"""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import onnx

import known_answers
import minilm
from model_runs import call

TOLERANCE = 1e-4  # of the root mean square: sums are made in another order


def run(jinx, model, inputs, folder, *flags):
    folder.mkdir()
    arguments = []
    for name, value in inputs.items():
        np.save(folder / f"in.{name}.npy", value)
        arguments += ["--input", f"{name}={folder / f'in.{name}.npy'}"]
    call(jinx, "run", model, *arguments, "--output-dir", folder / "out", *flags)
    return {path.stem: np.load(path) for path in (folder / "out").iterdir()}


def difference(got, want):
    """The largest, by the root mean square of what is wanted."""
    worst = 0.0
    for name, value in want.items():
        if got[name].shape != value.shape or not np.isfinite(got[name]).all():
            return float("inf")
        worst = max(worst, float(np.abs(got[name].astype(np.float64) - value).max() / np.sqrt(np.mean(np.square(value, dtype=np.float64)))))
    return worst


def convolution_rules(path, ranks):
    """Channels of every convolution's result that the ranks divide: propagation brings its weight along."""
    graph = onnx.load(path).graph
    channels = {tensor.name: tensor.dims[0] for tensor in graph.initializer if len(tensor.dims) == 4}
    channels |= {node.output[0]: a.t.dims[0] for node in graph.node if node.op_type == "Constant" for a in node.attribute if len(a.t.dims) == 4}
    names = [node.name for node in graph.node if node.op_type == "Conv" and node.name and channels.get(node.input[1], 1) % ranks == 0]
    return {"mesh": [["tp", ranks]], "rules": [{"values": name, "dims": ["", "tp", "", ""]} for name in names]}


def cases(ranks_list):
    """(name, model, inputs, [(ranks, what --shard is), …])"""
    try:
        sentence = minilm.encode(["A man is playing a guitar.", "It is so sunny outside!"])
        yield "minilm-l6", minilm.cached(), sentence, [(ranks, f"tp={ranks}") for ranks in ranks_list] + [(3, "pp=3,micro=2"), (2, "cp=2"), (3, "cp=3")]
    except (OSError, ImportError, subprocess.CalledProcessError) as error:
        print(f"skipped minilm-l6: {error}")
    path = known_answers.CACHE / "models" / "ocr-cls.onnx"
    if not path.is_file():
        print(f"skipped ocr-cls: there is no {path}: run ./dev models ocr-cls")
        return
    inputs = {onnx.load(path).graph.input[0].name: np.random.default_rng(1).standard_normal((2, 3, 48, 192), dtype=np.float32)}
    yield "ocr-cls", path, inputs, [(ranks, convolution_rules(path, ranks)) for ranks in ranks_list]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jinx", type=pathlib.Path, required=True)
    parser.add_argument("--ranks", type=int, nargs="+", default=[2, 3, 4])
    options = parser.parse_args()
    passed = failed = 0
    for name, model, inputs, shards in cases(options.ranks):
        with tempfile.TemporaryDirectory() as temporary:
            folder = pathlib.Path(temporary)
            want = run(options.jinx, model, inputs, folder / "one")
            for at, (ranks, shard) in enumerate(shards):
                if isinstance(shard, dict):
                    if not shard["rules"]:
                        print(f"skipped {name} on {ranks} ranks: no convolution has channels for them")
                        continue
                    (folder / f"{at}.json").write_text(json.dumps(shard))
                    shard = folder / f"{at}.json"
                try:
                    call(options.jinx, "compile", model, "--shard", shard, "-o", folder / f"plans{at}")
                    worst = difference(run(options.jinx, folder / f"plans{at}", inputs, folder / f"run{at}", "--ranks", str(ranks)), want)
                    text, is_good = f"off by {worst:.2g} of {TOLERANCE}", worst <= TOLERANCE
                except RuntimeError as error:
                    text, is_good = str(error), False
                print(f"{'ok    ' if is_good else 'FAILED'} {name} on {ranks} ranks{f' ({shard})' if isinstance(shard, str) else ''}: {text}")
                passed, failed = passed + is_good, failed + (not is_good)
    print(f"{passed} passed, {failed} failed")
    return 77 if passed + failed == 0 else failed > 0


if __name__ == "__main__":
    sys.exit(main())
