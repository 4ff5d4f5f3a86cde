#!/usr/bin/env python3
"""Ranks with a GPU each, on the GPUs of one machine: are they right, how fast are collectives beside torch.distributed, what does a language model gain, and what happens when a rank dies?
Made by pack.py; needs torch, numpy, NCCL and, for processes, mpirun.

    run.py [--gpus N] [--only checks bandwidth small choice models faults] [--shapes 8B mixtral …] [--ways tp1 tp2 …] [--json FILE] [--markdown FILE]
    run.py --page FILE …          the page of such JSON files, of the same GPUs; of a step, and of a model's way, the last one that has it. A model may have a "note". Nothing is measured

checks     every case of tests/unit/comm/Cases.h, bit by bit, as threads and as processes: all collectives, all types, odd sizes, meshes, calls in flight; over NCCL and peers' memory, and over NCCL alone
bandwidth  over NCCL alone, 1 KiB to 1 GiB of all-reduce, all-gather, reduce-scatter and all-to-all, `jinx-rt bench comm` and dist_peer.py by turns, twice each; the better median of each
small      all-reduces of 1 KiB to 1 MiB over peers' memory, over NCCL, and torch's, likewise
choice     the fit of these times, and what it says of ring and tree, beside what NCCL's log says that it takes
models     decode by TP = 1, 2, … n, of mixtures by experts (EP), too: the same tokens, a step's time at 1, 32 and 256 requests, with collectives beside kernels and without, and without peers' memory (nccl)
faults     a rank is killed, or does not come, in a call of 4 MiB, and in one of 4 KiB: what the others say
"""

import argparse
import glob
import json
import os
import pathlib
import re
import signal
import statistics
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
SMALLEST, LARGEST, FACTOR = 1 << 10, 1 << 30, 4
FEW = 1 << 20  # bytes that all-reduces over peers' memory are measured up to
PROMPT, SHORT, LONG = 1024, 150, 278
STEPS = ["checks", "bandwidth", "small", "choice", "models", "faults"]
SCALE = {"us": 1e-6, "ms": 1e-3, "s": 1.0}


def environment():
    import torch

    beside = pathlib.Path(torch.__file__).parents[1] / "nvidia"
    nvrtc = glob.glob(str(beside / "*/lib/libnvrtc.so.1[23]")) + glob.glob("/usr/local/cuda*/lib64/libnvrtc.so.1[23]")
    # The peer's own library, so that both have the same collectives.
    nccl = glob.glob(str(beside / "nccl/lib/libnccl.so.2"))
    return {**os.environ, "LD_LIBRARY_PATH": f"{HERE / 'lib'}", "JINX_NVRTC": sorted(nvrtc)[0], "NCCL_NVLS_ENABLE": "0", **({"JINX_NCCL": nccl[0]} if nccl else {})}


def mpirun(gpus):
    return ["mpirun", "-np", str(gpus), "--oversubscribe", *(["--allow-run-as-root"] if os.geteuid() == 0 else [])]


def say(command, env, timeout=120):
    done = subprocess.run(list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=env, timeout=timeout, errors="replace")
    return done.returncode, done.stdout


def check(env, gpus):
    found = {}
    threads, processes = [HERE / "jinx_nccl_ranks", f"threads:{gpus}"], mpirun(gpus) + [HERE / "jinx_nccl_ranks", f"mpi:{HERE / 'libjinx_mpi.so'}"]
    for how, command, peer_bytes in (("threads", threads, []), ("mpirun", processes, []), ("threads, NCCL alone", threads, [0])):
        status, text = say(command + ["cuda", "cases", 60000, *peer_bytes], env)
        found[how] = {"right": status == 0 and text.count("cases are right") == gpus, "said": re.findall(r"^rank \d+: .*", text, re.M)}
        print(f"checks, {how}: {'right' if found[how]['right'] else text[-600:]}", flush=True)
    return found


def faults(env, gpus):
    found = {}
    program = [HERE / "jinx_nccl_ranks", f"mpi:{HERE / 'libjinx_mpi.so'}", "cuda"]
    for mode, timeout in (("missing", 2000), ("missing-few", 2000), ("killed", 60000), ("killed-few", 60000)):
        begin = time.monotonic()
        _, text = say(mpirun(gpus) + program + [mode, timeout], env)
        found[mode] = {"seconds": time.monotonic() - begin, "said": re.findall(r"^rank \d+: .*", text, re.M)}
        print(mode, *found[mode]["said"], sep="\n  ", flush=True)
    return found


def measure(env, gpus, collectives, sizes, more):
    """What `jinx-rt bench comm` and dist_peer.py say, one after the other."""
    status, text = say([HERE / "jinx-rt", "bench", "comm", "--communicator", "nccl", "--ranks", gpus, "--device", "cuda", "--dtype", "bf16",
                        "--collective", ",".join(collectives), *sizes, *more, "--json", HERE / "comm.json"], env, 400)
    if status:
        raise SystemExit(f"jinx-rt bench comm fails: {text[-800:]}")
    peer = subprocess.run([sys.executable, HERE / "dist_peer.py", str(gpus), *map(str, sizes), "--collectives", *collectives],
                          capture_output=True, text=True, env={**os.environ, "NCCL_NVLS_ENABLE": "0"}, timeout=400)
    if peer.returncode:
        raise SystemExit(f"dist_peer.py fails: {peer.stderr[-800:]}")
    return json.loads((HERE / "comm.json").read_text()), json.loads(peer.stdout.splitlines()[-1])


def keep_least(times, who, rows, figure="median_us"):
    for row in rows:
        entry = times.setdefault(f"{row['collective']} {row['bytes']}", {})
        if figure in row:
            entry[who] = min(entry.get(who, 1e30), row[figure])


def bandwidth(env, gpus, rounds):
    """By collective and bytes: the better of two medians, of ours and of torch's."""
    times, about = {}, {}
    for _ in range(2):
        ours, theirs = measure(env, gpus, ["all_reduce", "all_gather", "reduce_scatter", "all_to_all"], ["--from", SMALLEST, "--to", LARGEST, "--factor", FACTOR, "--rounds", rounds],
                               ["--peer-bytes", 0, "--write-network", HERE / "network.json"])
        about = {"torch": theirs["torch"], "nccl": theirs["nccl"]}
        keep_least(times, "jinx", ours["times"])
        keep_least(times, "torch", theirs["times"])
    return {"about": about, "times": times, "fits": ours["fits"], "ring_or_tree": ours.get("ring_or_tree", [])}


def small(env, gpus, rounds):
    """All-reduces by bytes, the better of two medians: over peers' memory, over NCCL, torch's."""
    times = {}
    for _ in range(2):
        ours, theirs = measure(env, gpus, ["all_reduce"], ["--from", SMALLEST, "--to", FEW, "--factor", 2, "--rounds", rounds], ["--peer-bytes", FEW])
        keep_least(times, "peers", [row for row in ours["times"] if "by_nccl_median_us" in row])
        keep_least(times, "nccl", ours["times"], "by_nccl_median_us")
        keep_least(times, "torch", theirs["times"])
    return {"carriers": ours["carriers"], "times": times}


def choice(env, gpus):
    """What NCCL takes for an all-reduce, by bytes."""
    log = HERE / "nccl.log"
    for old in HERE.glob("nccl.log*"):
        old.unlink()
    say([HERE / "jinx-rt", "bench", "comm", "--communicator", "nccl", "--ranks", gpus, "--device", "cuda", "--peer-bytes", 0, "--from", SMALLEST, "--to", LARGEST, "--factor", FACTOR, "--rounds", 1, "--warm-up", 0],
        {**env, "NCCL_DEBUG": "INFO", "NCCL_DEBUG_SUBSYS": "TUNING,INIT", "NCCL_DEBUG_FILE": str(log)}, 200)
    taken = {}
    for path in HERE.glob("nccl.log*"):
        for size, algorithm, protocol in re.findall(r"AllReduce: (\d+) Bytes -> Algo (\w+) proto (\w+)", path.read_text(errors="replace")):
            taken[int(size)] = f"{algorithm} {protocol}"
    return {str(size): taken[size] for size in sorted(taken)}


def ways_of(shape, gpus):
    """The splits that the pack has of a shape, for so many GPUs at most: tp2, ep2, tp2-serial, tp2-apart. By ranks."""
    found = [(int(re.fullmatch(r"[a-z]+(\d+)(-serial|-apart)?", path.name)[1]), path.name) for path in (HERE / shape).iterdir() if path.is_dir()]
    return [name for ranks, name in sorted(found) if ranks <= gpus]


def plan_of(shape, way):
    """Arguments for jinx-rt. way: tp1 for one GPU, or a split; with "-nccl" behind it all goes by NCCL."""
    if way == "tp1":
        return [HERE / shape / "m.jxp"]
    folder = way.removesuffix("-nccl")
    return [HERE / shape / folder, "--ranks", re.search(r"\d+", folder)[0], "--communicator", "nccl", *(["--peer-bytes", 0] if way != folder else [])]


def generate(env, plan, requests, pages, more=()):
    (HERE / "batch.jsonl").write_text("".join(json.dumps(request) + "\n" for request in requests))
    done = subprocess.run(list(map(str, [HERE / "jinx-rt", "generate", *plan, "--batch", HERE / "batch.jsonl", "--tokenizer", HERE / "tokenizer.json", "--device", "cuda", "--ignore-end", "--times",
                                         "--context", 4096, "--budget", 2048, "--pages", pages, *more])), capture_output=True, text=True, env=env, timeout=300)
    found = re.search(r"first of output in ([\d.]+) (us|ms|s), then ([\d.]+) tokens/s", done.stderr)
    if not found:
        raise SystemExit(f"jinx-rt fails on {plan}: {done.stderr[-800:]}")
    first, rate = float(found[1]) * SCALE[found[2]], float(found[3])
    count = sum(request["max_tokens"] for request in requests)
    return first + ((count - 1) / rate if rate else 0), [json.loads(line) for line in done.stdout.splitlines()]


def prompt_of(i, length):
    return chr(65 + i % 26) + chr(97 + i // 26) + " a" * (length - 2)


def step_ms(env, plan, batch, repeats):
    """Milliseconds of a decode step at positions 1,174 to 1,302: the difference of two runs, as in ../llm/gpu_run.py."""
    pages, spans = batch * (-(-(PROMPT + LONG) // 16) + 2), []
    for _ in range(repeats if batch < 100 else 1):
        spans.append([generate(env, plan, [{"prompt": prompt_of(i, PROMPT), "max_tokens": count} for i in range(batch)], pages)[0] for count in (SHORT, LONG)])
    return statistics.median((long - short) / (LONG - SHORT) for short, long in spans) * 1e3


def tokens(env, plan):
    """64 requests of 24 tokens with the two likeliest of each place."""
    requests = [{"prompt": prompt_of(i, 20 + i), "max_tokens": 24, "logprobs": 2} for i in range(64)]
    return [[(token, top[0][1] - top[1][1] if len(top) > 1 else 0.0, own[1]) for token, (own, *top) in zip(line["tokens"], line["logprobs"])] for line in generate(env, plan, requests, 1024)[1]]


def compare_tokens(one, many):
    """How far two runs say the same: of each request up to the first token that differs, and how sure one GPU was of that one."""
    equal, differing, drift = 0, [], 0.0
    for a, b in zip(one, many):
        for (token, margin, logprob), (other, _, theirs) in zip(a, b):
            if token != other:
                differing.append(margin)
                break
            equal += 1
            drift = max(drift, abs(logprob - theirs))
    return {"equal": equal, "of": sum(map(len, one)), "requests_that_differ": len(differing), "largest_margin_that_differs": max(differing, default=0.0), "largest_logprob_difference": drift}


def models(env, gpus, names, wanted, batches, repeats):
    """wanted: ways, with -nccl, -serial and -apart; empty: all that the pack has."""
    import shapes

    found = {}
    for name in names:
        shapes.make(HERE / name, name)
        shapes.fill(HERE / name)
        found[name] = {"ms": {}}
        first = None
        for way in ["tp1", *ways_of(name, gpus)]:
            hows = [how for how in [way] + ([f"{way}-nccl"] if way != "tp1" and "-" not in way else []) if not wanted or how in wanted]
            if not hows:
                continue
            generate(env, plan_of(name, way), [{"prompt": prompt_of(0, 8), "max_tokens": 2}], 64)  # kernels are compiled
            said = tokens(env, plan_of(name, way)) if "-" not in way else None
            if first is None:
                first = said
            elif said:
                found[name][f"tokens {way}"] = compare_tokens(first, said)
                print(f"{name} {way}: {found[name][f'tokens {way}']}", flush=True)
            for how in hows:
                for batch in batches if not name.startswith("f32") else batches[:1]:
                    found[name]["ms"][f"{how} {batch}"] = ms = step_ms(env, plan_of(name, how), batch, repeats)
                    print(f"{name} {how}, {batch} requests: {ms:.3f} ms", flush=True)
        (HERE / name / "model.safetensors").unlink()  # the next one's have room
    return found


def bus(collective, size, us, gpus):
    factor = (gpus - 1) / gpus * (2 if collective == "all_reduce" else 1)
    return size * factor / us / 1e3


def bytes_text(size):
    return next(f"{size >> shift} {unit}" for shift, unit in ((30, "GiB"), (20, "MiB"), (10, "KiB"), (0, "B")) if size >> shift)


def together(results):
    """One result of several; each says which version of Jinx it is of."""
    whole = dict(results[-1], version=", ".join(dict.fromkeys(result["version"] for result in results)), models={})
    for result in results:
        whole |= {step: found for step, found in result.items() if step in STEPS and step != "models"}
        for name, entry in result.get("models", {}).items():
            known = whole["models"].setdefault(name, {"ms": {}})
            whole["models"][name] = {**known, **entry, "ms": {**known["ms"], **entry["ms"]}}
    return whole


ABOUT = {"mixtral": " 8 layers of Mixtral's 32.", "f32": " All of it f32.", "f32-mixtral": " All of it f32."}


def decode_lines(name, entry):
    ways = sorted(dict.fromkeys(key.split()[0] for key in entry["ms"]), key=lambda way: way != "tp1")
    lines = [f"## {name}, decode", "", "A step in ms, greedy, random weights, positions 1,174 to 1,302; all of `jinx-rt generate`. serial: `--no-overlap`; apart: `--disable-pass jinx-fuse-sums`; nccl: `--peer-bytes 0`." + ABOUT.get(name, "") + entry.get("note", ""), "",
             "| requests | " + " | ".join(ways) + " | gain |", "|---" * (2 + len(ways)) + "|"]
    for batch in sorted({int(key.split()[1]) for key in entry["ms"]}):
        row = {way: entry["ms"][f"{way} {batch}"] for way in ways}
        split = [ms for way, ms in row.items() if way != "tp1" and not way.endswith("-nccl")]
        lines.append(f"| {batch} | " + " | ".join(f"{ms:.3f}" for ms in row.values()) + (f" | {row['tp1'] / min(split):.2f} |" if split else " | - |"))
    lines.append("")
    for key, said in entry.items():
        if key.startswith("tokens"):
            lines.append(f"- {key}: {said['equal']} of {said['of']} tokens are those of one GPU up to the first that differs; {said['requests_that_differ']} of 64 requests have one, where one GPU "
                         f"preferred its token by at most {said['largest_margin_that_differs']:.4f} (log probability); log probabilities of equal tokens differ by at most {said['largest_logprob_difference']:.4f}")
    return lines + [""]


def page(result):
    gpus = result["gpus"]
    lines = [f"# Ranks with a GPU each: {gpus} x {result['device']}", "", "Written by `tests/bench/multi_gpu/run.py`; do not edit.", "", f"- Jinx {result['version']}; NVLS off (NCCL_NVLS_ENABLE=0)",
             "- `tests/bench/multi_gpu/pack.py DIR`, there `python3 run.py --json … --markdown …`", ""]
    if "checks" in result:
        lines += ["## Right", ""] + [f"- {how}: {'; '.join(entry['said']) if entry['right'] else 'WRONG'}" for how, entry in result["checks"].items()] + [""]
    if "bandwidth" in result:
        about = result["bandwidth"]["about"]
        lines += ["## Collectives", "", f"bf16, beside torch.distributed of torch {about['torch']} (NCCL {about['nccl']}, both), in one run: the better median of two; times are those of the slowest rank, ours by the "
                  "host's clock around enqueued calls and a wait, torch's by events. Small calls of torch are as fast as Python. Bus: GB/s by nccl-tests' definition.", "",
                  "| collective | bytes | us | torch us | bus | torch bus | ratio |", "|---|---|---|---|---|---|---|"]
        for key, entry in result["bandwidth"]["times"].items():
            collective, size = key.split()[0], int(key.split()[1])
            ours, theirs = entry["jinx"], entry["torch"]
            lines.append(f"| {collective} | {bytes_text(size)} | {ours:.1f} | {theirs:.1f} | {bus(collective, size, ours, gpus):.1f} | {bus(collective, size, theirs, gpus):.1f} | {theirs / ours:.2f} |")
        lines += ["", "Fits: " + "; ".join(f"{fit['collective']} α {fit['latency_us']:.1f} us a step, β {fit['bandwidth_gb_s']:.0f} GB/s a link" for fit in result["bandwidth"]["fits"]) + ".", ""]
    if "small" in result:
        lines += ["## Small all-reduces", "", f"bf16, likewise. Rank 0: {result['small']['carriers']}.", "", "| bytes | over peers' memory, us | NCCL us | torch us | NCCL / peers |", "|---|---|---|---|---|"]
        for key, entry in result["small"]["times"].items():
            peers, nccl = entry.get("peers"), entry.get("nccl")
            lines.append(f"| {bytes_text(int(key.split()[1]))} | " + (f"{peers:.1f} | {nccl:.1f} | {entry['torch']:.1f} | {nccl / peers:.2f} |" if peers else f"- | - | {entry['torch']:.1f} | - |"))
        lines.append("")
    if "choice" in result:
        lines += ["What NCCL takes for an all-reduce: " + "; ".join(f"{bytes_text(int(size))} {what}" for size, what in result["choice"].items()) + ".", "",
                  "By the fit a ring is overtaken by a tree at: " + "; ".join(f"{row['ranks']} ranks {row['crossover_bytes'] or 'never'}" for row in result["bandwidth"]["ring_or_tree"]) + ".", ""]
    for name, entry in result.get("models", {}).items():
        lines += decode_lines(name, entry)
    if "faults" in result:
        lines += ["## Faults", ""]
        for mode, entry in result["faults"].items():
            lines += [f"{mode}, {entry['seconds']:.1f} s:", "", "```", *entry["said"], "```", ""]
    return "\n".join(lines).rstrip() + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gpus", type=int, default=0)
    parser.add_argument("--only", nargs="+", choices=STEPS, default=STEPS)
    parser.add_argument("--shapes", nargs="+", default=["8B", "mixtral", "f32", "f32-mixtral"])
    parser.add_argument("--ways", nargs="+", default=[])
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 32, 256])
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--json", type=pathlib.Path)
    parser.add_argument("--markdown", type=pathlib.Path)
    parser.add_argument("--page", type=pathlib.Path, nargs="+")
    options = parser.parse_args()
    if options.page:
        print(page(together([json.loads(path.read_text()) for path in options.page])), end="")
        return
    import torch

    gpus, env = options.gpus or torch.cuda.device_count(), environment()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    result = {"gpus": gpus, "device": torch.cuda.get_device_name(0), "version": (HERE / "version").read_text()}
    work = {"checks": lambda: check(env, gpus), "bandwidth": lambda: bandwidth(env, gpus, options.rounds), "small": lambda: small(env, gpus, options.rounds), "choice": lambda: choice(env, gpus),
            "models": lambda: models(env, gpus, options.shapes, options.ways, options.batches, options.repeats), "faults": lambda: faults(env, gpus)}
    for step in STEPS:
        if step in options.only:
            result[step] = work[step]()
            if options.json:
                options.json.write_text(json.dumps(result, indent=1) + "\n")
    if options.markdown:
        options.markdown.write_text(page(result))
    print(page(result))


if __name__ == "__main__":
    main()
