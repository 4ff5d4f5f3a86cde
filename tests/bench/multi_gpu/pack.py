#!/usr/bin/env python3
"""A folder that measures ranks with a GPU each on a machine with several: jinx-rt with what it links and the module of MPI, the cases of collectives, plans without weights, and run.py.

    pack.py DIR [--shapes 8B …] [--tp 2 …]       then, there: python3 DIR/run.py

Under 60 MB. Weights are made there (../llm/shapes.py).
"""

import argparse
import pathlib
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "llm"))
import gpu_pack  # noqa: E402
import shapes  # noqa: E402


def compile_shape(folder, name, splits):
    """One plan for one GPU, and a folder of plans for each number of ranks."""
    jinx, made = gpu_pack.BIN / "jinx", folder / name
    made.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as work:
        model = pathlib.Path(work) / name
        shapes.make(model, name)
        for ranks, how in [(1, ""), *((ranks, how) for ranks in splits for how in ("", "-serial"))]:
            output = model / ("m.jxp" if ranks == 1 else f"tp{ranks}{how}")
            shard = [] if ranks == 1 else ["--shard", f"tp={ranks}", *(["--no-overlap"] if how else [])]
            subprocess.run([jinx, "compile", model, "--target", "cuda:sm_90a", "--external-weights", *shard, "-o", output], check=True)
            (shutil.copy if ranks == 1 else shutil.copytree)(output, made / output.name)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--shapes", nargs="*", default=["8B"])
    parser.add_argument("--tp", nargs="*", type=int, default=[2])
    options = parser.parse_args()
    gpu_pack.pack_runtime(options.folder)
    built = gpu_pack.BIN.parent
    for path in (built / "lib" / "libjinx_mpi.so", built / "tests" / "unit" / "jinx_nccl_ranks"):
        subprocess.run(["strip", "-o", options.folder / path.name, path], check=True)
    for script in (HERE / "run.py", HERE / "dist_peer.py", HERE.parent / "llm" / "shapes.py"):
        shutil.copy(script, options.folder)
    for name in options.shapes:
        compile_shape(options.folder, name, options.tp)


if __name__ == "__main__":
    main()
