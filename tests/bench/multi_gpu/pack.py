#!/usr/bin/env python3
"""A folder that measures ranks with a GPU each on a machine with several: jinx-rt with what it links and the module of MPI, the cases of collectives, plans without weights, and run.py.

    pack.py DIR [--shapes 8B mixtral …] [--ranks 2 …]       then, there: python3 DIR/run.py

Under 60 MB for two ranks; plans of ranks are much alike, so an archive is a fraction of it. Weights are made there (../llm/shapes.py).
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


# What the first split is compiled without, too: collectives beside kernels, sums that are made by the kernels that read them.
WITHOUT = {"-serial": ["--no-overlap"], "-apart": ["--disable-pass", "jinx-fuse-sums"]}


def axes_of(shape):
    """How it is split; by the first also as WITHOUT says."""
    return ["ep", "tp"] if "num_local_experts" in shape else ["tp"]


def compile_shape(folder, name, counts):
    """One plan for one GPU, and a folder of plans for each split: m.jxp, tp2, tp2-serial, tp2-apart."""
    jinx, made, shape = gpu_pack.BIN / "jinx", folder / name, shapes.SHAPES[name]
    made.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as work:
        model = pathlib.Path(work) / name
        shapes.make(model, name)
        splits = [(axis, ranks, how) for ranks in counts for axis in axes_of(shape) for how in ("", *(WITHOUT if axis == axes_of(shape)[0] else ()))]
        types = ["--activations", "f32", "--kv", "f32"] if shape.get("torch_dtype") == "float32" else []
        for axis, ranks, how in [("", 1, ""), *splits]:
            output = model / (f"{axis}{ranks}{how}" if axis else "m.jxp")
            shard = ["--shard", f"{axis}={ranks}"] if axis else []
            subprocess.run([jinx, "compile", model, "--target", "cuda:sm_90a", "--external-weights", *types, *shard, *WITHOUT.get(how, []), "-o", output], check=True)
            (shutil.copytree if axis else shutil.copy)(output, made / output.name)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--shapes", nargs="*", choices=shapes.SHAPES, default=["8B", "mixtral", "f32", "f32-mixtral"])
    parser.add_argument("--ranks", nargs="*", type=int, default=[2])
    options = parser.parse_args()
    gpu_pack.pack_runtime(options.folder)
    built = gpu_pack.BIN.parent
    for path in (built / "lib" / "libjinx_mpi.so", built / "tests" / "unit" / "jinx_nccl_ranks"):
        subprocess.run(["strip", "-o", options.folder / path.name, path], check=True)
    for script in (HERE / "run.py", HERE / "dist_peer.py", HERE.parent / "llm" / "shapes.py"):
        shutil.copy(script, options.folder)
    for name in options.shapes:
        compile_shape(options.folder, name, options.ranks)


if __name__ == "__main__":
    main()
