"""Named models on a real GPU: plans for CUDA through jinx-rt alone, against what onnxruntime answered, and their times.

    tests/device/models.sh DIR                    (any machine) writes jinx-rt, plans and cases into DIR
    python3 tests/device/models.py DIR [--json FILE] [--time] [ID…]     (GPU machine with the driver and NVRTC)

Each case runs three times: from the second on as recorded graphs. |got - expected| <= 1e-4 + 1e-3 |expected| with the same NaN and infinities; integers are equal; quantized models may differ by a
quantization step (cases.json). Exit code 1 if an answer is wrong or a run fails.
"""
import argparse, json, os, pathlib, subprocess, sys, tempfile, time

import numpy as np


def libraries(folder):
    """jinx-rt's own libraries, and NVRTC where a Python package or the toolkit has it."""
    found = sorted([*pathlib.Path("/usr/local").glob("cuda*/lib64/libnvrtc.so.1[23]"), *pathlib.Path(sys.prefix).glob("lib/python3*/site-packages/nvidia/*/lib/libnvrtc.so.1[23]")])
    env = {**os.environ, "LD_LIBRARY_PATH": f"{folder}/lib:{os.environ.get('LD_LIBRARY_PATH', '')}"}
    if found and "JINX_NVRTC" not in env:
        env["JINX_NVRTC"] = str(found[-1])
    return env


def compare(got, want, step):
    if got.dtype != want.dtype or got.shape != want.shape:
        return f"{got.dtype}{got.shape}, expected {want.dtype}{want.shape}"
    if want.dtype.kind != "f":
        return "" if np.array_equal(got, want) else f"{int((got != want).sum())} of {want.size} differ"
    finite = np.isfinite(want)
    if not np.array_equal(np.isfinite(got), finite):
        return "other NaN or infinities"
    error = np.abs(got[finite].astype(np.float64) - want[finite]) / (max(1e-4, step) + 1e-3 * np.abs(want[finite]))
    worst = error.max(initial=0)
    return "" if worst <= 1 else f"worst {worst:.3g} times the tolerance, {int((error > 1).sum())} of {want.size}"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("ids", nargs="*")
    parser.add_argument("--json")
    parser.add_argument("--time", action="store_true")
    args = parser.parse_args()
    env, failed, rows = libraries(args.folder.resolve()), 0, []
    steps = json.loads((args.folder / "cases.json").read_text())["quantisation_steps"]
    binary = str(args.folder.resolve() / "jinx-rt")
    env["JINX_CACHE"] = tempfile.mkdtemp()
    for plan in sorted(args.folder.glob("plans/*.jxp")):
        if args.ids and plan.stem not in args.ids:
            continue
        for case in sorted((args.folder / "oracle" / plan.stem).glob("*/case.json")):
            said = json.loads(case.read_text())
            inputs = [x for name, i in said["inputs"].items() for x in ("--input", f"{name}={case.parent / 'inputs' / i['file']}")]
            with tempfile.TemporaryDirectory() as out:
                started = time.perf_counter()
                done = subprocess.run([binary, "run", str(plan), "--device", "cuda", "--repeat", "3", *inputs, "--output-dir", out], env=env, capture_output=True, text=True, timeout=300)
                seconds = time.perf_counter() - started
                problems = []
                if done.returncode:
                    problems.append(f"exit {done.returncode}: {done.stderr.strip()[-400:]}")
                else:
                    for name, o in said["outputs"].items():
                        files = {f.stem: f for f in pathlib.Path(out).glob("*.npy")}
                        path = pathlib.Path(out) / o["file"]
                        if not path.exists():
                            problems.append(f"no {o['file']} among {sorted(files)}")
                            continue
                        bad = compare(np.load(path), np.load(case.parent / "outputs" / o["file"]), steps.get(plan.stem, {}).get(name, {}).get("largest", 0))
                        problems += [f"{name}: {bad}"] if bad else []
            row = {"model": plan.stem, "case": case.parent.name, "ok": not problems, "problems": problems, "run_s": round(seconds, 3)}
            if args.time and not problems and case.parent.name == "time":
                bench = subprocess.run([binary, "bench", str(plan), "--device", "cuda", *inputs, "--json", "/tmp/bench.json"], env=env, capture_output=True, text=True, timeout=300)
                if bench.returncode == 0:
                    b = json.load(open("/tmp/bench.json"))
                    row |= {k: b[k] for k in ("median_ms", "p10_ms", "p90_ms", "load_ms") if k in b}
                else:
                    row["bench"] = bench.stderr.strip()[-300:]
            failed += bool(problems)
            rows.append(row)
            print(("ok   " if not problems else "FAIL ") + f"{plan.stem}/{case.parent.name}  {seconds:.2f} s" + (f"  median {row['median_ms']:.3f} ms, load {row['load_ms']:.0f} ms" if "median_ms" in row else "") +
                  "".join("\n       " + p for p in problems) + ("\n       " + row["bench"] if "bench" in row else ""), flush=True)
    if args.json:
        json.dump({"rows": rows, "failed": failed}, open(args.json, "w"), indent=1)
    print(f"{len(rows) - failed} passed, {failed} failed")
    return 1 if failed or not rows else 0


sys.exit(main())
