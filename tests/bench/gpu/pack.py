#!/usr/bin/env python3
"""What does a GPU machine without the compiler need to time Jinx? One folder: plans, the runtime with its libraries, these scripts.

    ./dev bench gpu-pack DIR [--only PATTERN…] [--tiny] [--target cpu]

Models are written here (graphs.py) and compiled; weights are inputs, drawn where the plans run. A case that the compiler refuses stays in
the table with what it said.
"""

import argparse
import fnmatch
import hashlib
import json
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[2]
sys.path.insert(0, str(HERE))

import carry  # noqa: E402
import cases  # noqa: E402
import graphs  # noqa: E402

LARGE = 1 << 20  # bytes of a plan that travels in pieces
FLAGS = {"jinx": [], "no fusion": ["--no-fusion"]}
OWN = re.compile(r"lib(protobuf|z|stdc\+\+|gcc_s|abs\w*)[.-]")  # what a machine may lack; the C library is its own


def compile_case(options, case, sources: pathlib.Path, store: carry.Store) -> dict:
    """Plans by variant: path, or what the compiler said instead."""
    model, plans = graphs.write(case, sources), {}
    for name in case.variants:
        path = options.folder / "plans" / f"{graphs.file_stem(case)}{'' if name == 'jinx' else '.' + name.replace(' ', '-')}.jxp"
        command = [str(options.jinx), "compile", str(model), "--target", options.target, *FLAGS[name], "-o", str(path)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            said = (done.stderr or done.stdout).strip().replace(f"{sources}/", "")
            plans[name] = {"refused": said.splitlines()[0][:300] if said else f"exit code {done.returncode}"}
        else:
            plans[name] = {"path": f"plans/{path.name}", "bytes": path.stat().st_size}
            if path.stat().st_size > LARGE:  # has a network's weights
                plan = path.read_bytes()
                plans[name] |= {"sha256": hashlib.sha256(plan).hexdigest(), "pieces": store.put(plan)}
                path.unlink()
    return {"plans": plans}


def copy_runtime(options) -> None:
    """libjinx.so and jinx-rt without symbols, and the libraries that they need and a machine may lack."""
    (options.folder / "lib").mkdir(exist_ok=True)
    for source, target in ((options.library, options.folder / "lib" / "libjinx.so"), (options.runtime, options.folder / "jinx-rt")):
        if not source.is_file():
            continue
        shutil.copyfile(source, target)
        target.chmod(0o755)
        subprocess.run(["strip", str(target)], check=True)
        listed = subprocess.run(["ldd", str(source)], capture_output=True, text=True, check=True).stdout
        for name, path in re.findall(r"(\S+) => (\S+)", listed):
            if OWN.match(name):
                shutil.copyfile(path, options.folder / "lib" / name)


def copy_scripts(folder: pathlib.Path) -> None:
    for script in ("run.py", "carry.py", "cases.py", "codes.py", "machines.py", "networks.py", "peers.py", "references.py", "report.py", "timing.py"):
        shutil.copyfile(HERE / script, folder / script)
    shutil.copyfile(ROOT / "tests" / "models" / "jinx_capi.py", folder / "jinx_capi.py")


def version(options) -> str:
    jinx = subprocess.run([str(options.jinx), "--version"], capture_output=True, text=True).stdout.strip().splitlines()
    git = subprocess.run(["git", "-C", str(ROOT), "describe", "--always", "--dirty=+", "--abbrev=7"], capture_output=True, text=True)
    return f"{jinx[0].removeprefix('jinx ') if jinx else '?'} ({git.stdout.strip() or 'not committed'})"


def parse() -> argparse.Namespace:
    build = ROOT / "build" / "dev"
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--only", nargs="+", metavar="PATTERN")
    parser.add_argument("--tiny", action="store_true", help="small sizes, to test the harness")
    parser.add_argument("--target", default="cuda:sm_90a")
    parser.add_argument("--jinx", type=pathlib.Path, default=build / "bin" / "jinx")
    parser.add_argument("--runtime", type=pathlib.Path, default=build / "bin" / "jinx-rt")
    parser.add_argument("--library", type=pathlib.Path, default=build / "lib" / "libjinx.so")
    return parser.parse_args()


def main() -> None:
    options = parse()
    for path in (options.jinx, options.library):
        if not path.is_file():
            raise SystemExit(f"error: there is no {path}: run ./dev build")
    shutil.rmtree(options.folder / "plans", ignore_errors=True)
    (options.folder / "plans").mkdir(parents=True)
    patterns = [p if any(c in p for c in "*?[") else f"*{p}*" for p in options.only or ["*"]]
    command = ["./dev", "bench", "gpu-pack", "DIR", *(["--tiny"] if options.tiny else []), *(["--only", *options.only] if options.only else [])]
    manifest = {"command": shlex.join(command), "jinx": version(options), "target": options.target, "tiny": options.tiny, "cases": {}}
    store = carry.Store(options.folder / "pieces.bin")
    with tempfile.TemporaryDirectory() as sources:
        for case in cases.table(options.tiny):
            # References know pages as rows, which is how they lie on CUDA; a processor has them as panels of products.
            if case.kind == "paged" and not options.target.startswith("cuda"):
                continue
            if any(fnmatch.fnmatch(case.name, p) for p in patterns):
                manifest["cases"][case.name] = compile_case(options, case, pathlib.Path(sources), store)
    copy_runtime(options)
    copy_scripts(options.folder)
    (options.folder / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n")
    refused = {n: next(iter(c["plans"].values())).get("refused") for n, c in manifest["cases"].items()}
    for name, why in refused.items():
        if why:
            print(f"refused: {name}: {why}")
    size = sum(f.stat().st_size for f in options.folder.rglob("*") if f.is_file())
    print(f"{len(refused)} cases, {sum(map(bool, refused.values()))} refused, {size / 2**20:.1f} MiB in {os.path.relpath(options.folder)}")


if __name__ == "__main__":
    main()
