#!/usr/bin/env python3
"""How fast is Jinx? `./dev bench` comes here.

    ./dev bench [peers] [ARGUMENT…]    named models against onnxruntime and OpenVINO: peers/bench.py
    ./dev bench fusion [ARGUMENT…]     named models fused and unfused: fusion/bench.py
    ./dev bench cost [ARGUMENT…]       compile time, load time and memory of every model, against limits: cost/bench.py
    ./dev bench gemm [ARGUMENT…]       matrix products against the register peak of the core: gemm/bench.py
    ./dev bench int8 [ARGUMENT…]       products and a network of bytes against the register peak, OpenVINO and onnxruntime: int8/bench.py
    ./dev bench weights [ARGUMENT…]    products with weights of 4 and 8 bits against the speed of memory: weights/bench.py
    ./dev bench attention [ARGUMENT…]  attention as one kernel, as three, and onnxruntime's: attention/bench.py
    ./dev bench llm --llama-python …   a language model against llama.cpp: prompts, decoding, eight requests, start: llm/bench.py
    ./dev bench gpu-pack DIR …         a folder that times Jinx on a GPU machine: gpu/pack.py, gpu/run.py
    ./dev bench index [ARGUMENT…]      sorts, scatters, gathers, running sums against the host and onnxruntime: index/bench.py

`./dev bench peers --help` tells the arguments.
"""

import pathlib
import runpy
import sys

HERE = pathlib.Path(__file__).resolve().parent


SCRIPTS = {kind: f"{kind}/bench.py" for kind in ("peers", "cost", "gemm", "int8", "weights", "fusion", "attention", "index", "llm")} | {"gpu-pack": "gpu/pack.py"}


def main() -> None:
    if sys.argv[1:2] == ["--help"] or sys.argv[1:2] == ["-h"]:
        print(__doc__)
        return
    script = HERE / SCRIPTS[sys.argv.pop(1) if sys.argv[1:2] and sys.argv[1] in SCRIPTS else "peers"]
    sys.argv[0] = str(script)
    sys.path.insert(0, str(script.parent))
    runpy.run_path(str(script), run_name="__main__")


if __name__ == "__main__":
    main()
