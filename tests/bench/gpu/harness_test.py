#!/usr/bin/env python3
"""Does the benchmark for GPUs work, and does it catch a wrong result? Tiny cases on the processor, without torch.

    python3 tests/bench/gpu/harness_test.py --jinx … --library … --folder DIR
"""

import argparse
import hashlib
import json
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
PEERS = ("gemm/f32/32x40x48", "rows/softmax/24x64", "transpose/bf16/40x24-10", "model/resnet50-b1", "model/bert-b1")


def expect(condition: bool, what: str, output: str) -> None:
    if not condition:
        raise SystemExit(f"FAILED: {what}\n{output}")
    print(f"ok: {what}")


def run(*arguments: str) -> tuple[int, str]:
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def check_carry(folder: pathlib.Path) -> None:
    sys.path.insert(0, str(HERE))
    import carry
    import networks
    import numpy as np

    weights = networks.Weights().draw((700, 999), 0.3).astype(np.float16).tobytes()
    noise = np.random.default_rng(0).bytes(300_001)
    plans = [b"head" * 16 + weights + noise, b"other head, 64" * 32 + weights + b"x" * 13, b"", b"odd"]
    store = carry.Store(folder / "pieces.test")
    found = [store.put(plan) for plan in plans]
    digests = [hashlib.sha256(plan).hexdigest() for plan in plans]
    same = all(carry.unpack(store.path, where, digest) == plan for where, digest, plan in zip(found, digests, plans))
    expect(same, "plans come back from their pieces", "")
    limit = len(weights) / 8 * 1.6 + len(noise) * 1.01
    expect(store.size < limit, "equal weights of two bits a number are kept once, in two bits", f"{store.size} bytes, expected less than {limit}")
    try:
        carry.unpack(store.path, found[0][::-1], digests[0])
        expect(False, "pieces in another order are noticed", "")
    except ValueError:
        print("ok: pieces in another order are noticed")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--jinx", required=True)
    parser.add_argument("--library", required=True)
    parser.add_argument("--folder", type=pathlib.Path, required=True)
    options = parser.parse_args()
    folder, figures, page = options.folder, options.folder / "figures.json", options.folder / "page.md"
    code, said = run(str(HERE / "pack.py"), str(folder), "--tiny", "--target", "cpu", "--jinx", options.jinx, "--library", options.library)
    expect(code == 0, "the folder is made", said)
    check_carry(folder)
    here = [str(folder / "run.py"), "--device", "cpu", "--seconds", "0.02"]

    code, said = run(*here, "--json", str(figures), "--markdown", str(page))
    expect(code == 0, "what is built is right", said)
    rows = {row["case"]: row for row in json.loads(figures.read_text())["rows"]}
    for case in filter(rows.__contains__, PEERS):
        times = rows[case].get("times", {})
        expect({"jinx", "numpy"} <= times.keys() and times["jinx"]["rested"]["us"] > 0, f"{case} is timed beside a peer", said)
    text = page.read_text()
    expect("## Rows" in text and str(folder) not in text + figures.read_text(), "the page has tables, and no folders", text)

    code, said = run(*here, "--through-host", "--check-only", "--no-peers")
    expect(code == 0 and "attention" in said, "models mean what the references compute", said)

    code, said = run(*here, "--only", "rows", "transpose", "--check-only", "--no-peers", "--plant-fault", "rows/softmax*")
    expect(code == 1 and "WRONG" in said and said.count("FAIL") == 1, "one wrong element is caught, and nothing else", said)
    code, said = run(*here, "--only", "rows", "transpose", "--check-only", "--no-peers", "--plant-fault", "rows/softmax*", "--plant", "beyond")
    expect(code == 1 and "writes outside" in said, "a write beyond an output is caught", said)
    code, said = run(*here, "--only", "rows", "transpose", "--check-only", "--no-peers", "--plant-fault", "rows/softmax*", "--plant", "nothing")
    expect(code == 1 and "not finite" in said, "an output that is not written is caught", said)


if __name__ == "__main__":
    main()
