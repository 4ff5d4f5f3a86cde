#!/usr/bin/env python3
"""A folder that measures language models of known shapes on a machine with a GPU: plans without weights, jinx-rt with what it links, and gpu_run.py.

    gpu_pack.py DIR [8B 1B …]       then, there: python3 DIR/gpu_run.py

Under 40 MB. Weights are made there (shapes.py); a small tokenizer stands in for the models' own, since what the tokens say does not matter.
"""

import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[2]
BIN = ROOT / "build" / "dev" / "bin"
sys.path[:0] = [str(HERE), str(ROOT / "tests" / "models")]
import shapes  # noqa: E402
from packages import data  # noqa: E402

SYSTEM = ("linux-vdso", "ld-linux", "libc.so", "libm.so", "libgcc_s", "libstdc++", "libpthread", "libdl")


def pack_runtime(folder):
    """jinx-rt, what it links, a tokenizer, and which version this is."""
    (folder / "lib").mkdir(parents=True, exist_ok=True)
    subprocess.run(["strip", "-o", folder / "jinx-rt", BIN / "jinx-rt"], check=True)
    linked = subprocess.run(["ldd", BIN / "jinx-rt"], capture_output=True, text=True, check=True).stdout
    for path in re.findall(r"=> (/\S+)", linked):
        if not pathlib.Path(path).name.startswith(SYSTEM):
            shutil.copy(path, folder / "lib")
    shutil.copy(data("minilm.tokenizer.json"), folder / "tokenizer.json")
    (folder / "version").write_text(subprocess.run(["git", "-C", ROOT, "describe", "--always", "--dirty=+"], capture_output=True, text=True).stdout.strip())


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    folder, names = pathlib.Path(sys.argv[1]), sys.argv[2:] or ["1B", "8B"]
    pack_runtime(folder)
    for script in ("gpu_run.py", "shapes.py", "torch_peer.py"):
        shutil.copy(HERE / script, folder)
    for name in names:
        (folder / name).mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory() as made:
            shapes.make(pathlib.Path(made), name)
            subprocess.run([BIN / "jinx", "compile", made, "--target", "cuda:sm_90a", "--external-weights", "-o", f"{made}/m.jxp"], check=True)
            shutil.copy(f"{made}/m.jxp", folder / name)


if __name__ == "__main__":
    main()
