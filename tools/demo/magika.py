#!/usr/bin/env python3
"""Which kind of file is this? Magika's features in, `jinx run`, the label out.

The features are Magika's own: the first 1,024 bytes after leading white space and the last 1,024
before trailing white space, padded with 256.
"""

import argparse
import json
import pathlib
import subprocess
import tempfile
import time

import numpy as np


def features(content: bytes, config: dict) -> np.ndarray:
    """The model's input: int32 [1, beg_size + end_size]."""
    block, pad = config["block_size"], config["padding_token"]
    begin = list(content[:block].lstrip()[: config["beg_size"]])
    end = list(content[-block:].rstrip()[-config["end_size"] :])
    begin += [pad] * (config["beg_size"] - len(begin))
    end = [pad] * (config["end_size"] - len(end)) + end
    return np.array([begin + end], dtype=np.int32)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("plan")
    parser.add_argument("config", type=pathlib.Path)
    parser.add_argument("file", type=pathlib.Path)
    parser.add_argument("--jinx", required=True, help="the jinx program")
    options = parser.parse_args()

    config = json.loads(options.config.read_text())
    with tempfile.TemporaryDirectory() as folder:
        np.save(f"{folder}/bytes.npy", features(options.file.read_bytes(), config))
        start = time.perf_counter()
        subprocess.run(
            [options.jinx, "run", options.plan, "--input", f"bytes={folder}/bytes.npy", "--output-dir", folder],
            check=True,
        )
        elapsed = time.perf_counter() - start
        scores = np.load(f"{folder}/target_label.npy")[0]

    labels = config["target_labels_space"]
    for index in np.argsort(scores)[::-1][:3]:
        print(f"{scores[index]:8.4f}  {labels[index]}")
    print(f"{options.file}: {labels[int(np.argmax(scores))]} ({elapsed * 1e3:.0f} ms, process start and load included)")


if __name__ == "__main__":
    main()
