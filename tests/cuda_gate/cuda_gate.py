#!/usr/bin/env python3
"""Does every CUDA kernel of every named model compile for its target as its schedule meant it? Needs no GPU.

Each model is compiled with --target (cuda:sm_90a), and so are the modules of modules/, whose kernels no model has, language models of known shapes without their
weights, and the products for tensor cores that jinx_unit_cuda dumps; each distinct kernel (names and comments aside) goes through NVRTC once. RULES says what is asked of it.

    cuda_gate.py --jinx FILE --gate FILE [--unit FILE] [--json FILE] [ID…]
    cuda_gate.py --jinx FILE --gate FILE --self-test       each rule can fail: it does, on texts made for it

A line a model; then `N passed, N failed`, counting kernels. Exit status: 0, 1 when something failed, 77 without NVRTC or models.
NVRTC: $JINX_NVRTC, else the package nvidia-cuda-nvrtc of this Python, else the system's.
"""

import argparse
import json
import os
import pathlib
import re
import subprocess
import sys
import sysconfig
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
CACHE = pathlib.Path(os.environ.get("JINX_CACHE", pathlib.Path.home() / ".cache/jinx"))
PACKAGES = pathlib.Path(sysconfig.get_paths()["purelib"]) / "nvidia"
MODULES = pathlib.Path(__file__).resolve().parent / "modules"
sys.path.insert(0, str(ROOT / "tests" / "bench" / "llm"))
import shapes  # noqa: E402

# Language models, by their names in shapes.SHAPES.
SHAPES = {"llm-8B": "8B", "llm-1B": "1B"}
PROCESSES = 2
# Bytes of spill stores and loads. ptxas puts one register of a light kernel aside, outside its loops, to fit 32 of them, and with that all
# 2048 threads of a multiprocessor; a kernel on tensor cores may spill nothing.
SPILL_BUDGET = 8
# What is known and not mended: kernel, as "resnet50-thin/k53_packed_matmul", and a part of what is said of it.
KNOWN = {}

# What CUDA C++ writes with two underscores and needs no wrapper.
PLAIN = {"__global__", "__launch_bounds__", "__restrict__", "__cluster_dims__", "__grid_constant__"}


def package_file(pattern: str) -> pathlib.Path | None:
    return next(iter(sorted(PACKAGES.glob(pattern))), None)


def rule_compiles(unit):
    return unit.get("error", "")[:600]


def rule_one_kernel(unit):
    return "" if unit["entries"] == 1 else f"the text has {unit['entries']} kernels, expected 1"


def rule_spills(unit):
    budget = 0 if unit["wgmma"] else SPILL_BUDGET
    return "" if unit["spills"] <= budget else f"{unit['spills']} bytes are spilled, expected at most {budget}"


def rule_advisories(unit):
    return f"ptxas says {', '.join(unit['bad'])}" if unit["bad"] else ""


def rule_tensor_cores(unit):
    if not unit["wgmma"]:
        return ""
    if unit["local"]:
        return f"{unit['local']} accesses of local memory in a kernel whose accumulators must stay in registers"
    if not unit["hgmma"]:
        return "wgmma was meant, and there is no HGMMA, IGMMA or QGMMA instruction"
    seen = unit.get("nvdisasm")
    return "" if seen in (None, unit["hgmma"]) else f"nvdisasm sees {seen} of HGMMA, IGMMA and QGMMA, our count is {unit['hgmma']}"


def rule_wrappers(unit):
    code = re.sub(r"//.*", "", unit["text"])
    bad = {word for word in re.findall(r"\b(?:asm|__\w+)\b", code) if word not in PLAIN}
    return f"{', '.join(sorted(bad))} in the kernel, expected a wrapper of codegen/cuda/device" if bad else ""


def rule_waits(unit):
    """What touches global memory stands behind the wait for the launch before, in the order of the instructions: loads that nothing in the
    kernel overwrites might be moved over it."""
    early = unit.get("early", "")
    return f"{early} stands before the wait for the launch before" if early else ""


RULES = [rule_compiles, rule_one_kernel, rule_spills, rule_advisories, rule_tensor_cores, rule_wrappers, rule_waits]


def problems(unit) -> list[str]:
    found = []
    for rule in RULES:
        if problem := rule(unit):
            found.append(problem)
            if rule is rule_compiles:
                break
    return found


def disassemble(cubin: str) -> str | None:
    tool = package_file("*/bin/nvdisasm")
    return tool and subprocess.run([tool, cubin], capture_output=True, text=True, check=True).stdout


def access_before_wait(sass: str, constants: set[str]) -> str:
    """The first instruction on global memory, where the one that waits for the launch before (ACQBULK) does not stand before it. Loads of `constants`, which
    the text asks for by name (load_…_constant, tma_load_…_constant), may: of plain loads they alone pass the nearest cache by. Bulk loads look alike; which of
    them come early is what the emulator watches."""
    for found in re.findall(r"\b(ACQBULK|(?:LDG|STG|LDGSTS|ATOMG|REDG?|UBLKCP|UTMALDG|UTMASTG)(?:\.\w+)*)\b", sass):
        if found == "ACQBULK":
            return ""
        is_load, is_bulk = found.startswith("LDG.") and ".NA" in found, found.startswith("UTMALDG")
        if not (is_load and "load_" in constants or is_bulk and "tma_load_" in constants):
            return found
    return ""


def environment() -> dict:
    library = package_file("*/lib/libnvrtc.so.*")
    return {**({"JINX_NVRTC": str(library)} if library else {}), **os.environ}


def run_gate(gate: str, files: list[pathlib.Path], work: pathlib.Path) -> list[dict]:
    lines = [work / f"shard{i}.json" for i in range(PROCESSES)]  # files: a pipe that nobody reads yet would hold its process up
    shards = [subprocess.Popen([gate, "--shard", f"{i}/{PROCESSES}", "--cubins", work, *files], stdout=file.open("w"), env=environment())
              for i, file in enumerate(lines)]
    statuses = [shard.wait() for shard in shards]
    if 77 in statuses:
        print("skipped: no NVRTC")
        sys.exit(77)
    if any(statuses):
        sys.exit(f"{gate}: exit {statuses}")
    units = [json.loads(line) for file in lines for line in file.read_text().splitlines()]
    for unit in units:
        waits = "grid_wait_previous();" in unit["text"]
        if "cubin" not in unit or not (unit["wgmma"] or waits) or (sass := disassemble(unit["cubin"])) is None:
            continue
        if unit["wgmma"]:
            unit["nvdisasm"] = len(re.findall(r"\b[HIQ]GMMA\b", sass))
        if waits:
            unit["early"] = access_before_wait(sass, set(re.findall(r"\b((?:tma_)?load_)\w+_constant\(", unit["text"])))
    return units


def compile_shape(jinx: str, target: str, name: str, work: pathlib.Path, plans: dict, failures: dict):
    """A language model of a known shape, whose weights are a sparse file."""
    folder = work / name
    shapes.make(folder, SHAPES[name])
    start = time.perf_counter()
    done = subprocess.run([jinx, "compile", folder, "--target", target, "--external-weights", "-o", folder / f"{name}.jxp"], capture_output=True, text=True)
    if done.returncode:
        failures[name] = done.stderr.strip()[:300]
    else:
        plans[name] = (folder / f"{name}.jxp", time.perf_counter() - start)


def compile_models(jinx: str, target: str, ids: list[str], work: pathlib.Path) -> tuple[dict, dict]:
    """Plans by model, and what went wrong by model."""
    dims = json.loads((ROOT / "tests/models/cases.json").read_text())["dims"]
    plans, failures = {}, {}
    for model in ids:
        if model in SHAPES:
            compile_shape(jinx, target, model, work, plans, failures)
            continue
        module = MODULES / f"{model}.mlir"
        source = module if module.exists() else CACHE / "models" / f"{model}.onnx"
        if not source.exists():
            print(f"skipped {model}: not in the cache, run ./dev models")
            continue
        plan = work / f"{model}.jxp"
        command = [jinx, "compile", source, "--target", target, "-o", plan]
        command += [word for dim in dims.get(model, []) for word in ("--dim", dim)]
        start = time.perf_counter()
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            failures[model] = done.stderr.strip()[:300]
        else:
            plans[model] = (plan, time.perf_counter() - start)
    return plans, failures


def dump_products(unit_tests: str, work: pathlib.Path) -> list[pathlib.Path]:
    """The texts that jinx_unit_cuda makes and no model uses yet: products on tensor cores."""
    folder = work / "products"
    subprocess.run([unit_tests, "--gtest_filter=CudaMatmul.*Text*:CudaMatmul.*Gate"], check=True, stdout=subprocess.DEVNULL,
                   env={**environment(), "JINX_DUMP_CUDA": str(folder)})
    return sorted(folder.glob("wgmma*.cu"))


def table(units: list[dict], plans: dict) -> list[dict]:
    rows = []
    for model, (plan, seconds) in plans.items():
        mine = [unit for unit in units if any(user.split("/")[0] == model for user in unit["users"])]
        compiled = [unit for unit in mine if "error" not in unit]
        rows.append({"model": model, "kernels": sum(user.split("/")[0] == model for unit in mine for user in unit["users"]), "distinct": len(mine),
                     "compile_s": round(seconds, 2), "nvrtc_s": round(sum(unit["ms"] for unit in compiled) / 1000, 1),
                     "max_registers": max((unit.get("registers", 0) for unit in compiled), default=0),
                     "spill_bytes": sum(unit["spills"] for unit in compiled)})
    return rows


def check(args) -> int:
    ids = args.ids or [model["id"] for model in json.loads((ROOT / "tools/models/models.json").read_text())["models"]] + sorted(module.stem for module in MODULES.glob("*.mlir")) + list(SHAPES)
    with tempfile.TemporaryDirectory() as work:
        work = pathlib.Path(work)
        plans, failures = compile_models(args.jinx, args.target, ids, work)
        if not plans and not failures:
            print("skipped: no models in the cache\n0 passed, 0 failed")
            return 77
        files = [plan for plan, _ in plans.values()] + (dump_products(args.unit, work) if args.unit else [])
        start = time.perf_counter()
        units = run_gate(args.gate, files, work)
        elapsed = time.perf_counter() - start
    rows = table(units, plans)
    print(f"{'model':<20} {'kernels':>7} {'distinct':>8} {'compile s':>9} {'NVRTC s':>8} {'registers':>9} {'spills':>6}")
    for row in rows:
        print(f"{row['model']:<20} {row['kernels']:>7} {row['distinct']:>8} {row['compile_s']:>9} {row['nvrtc_s']:>8} {row['max_registers']:>9} {row['spill_bytes']:>6}")
    failed = 0
    for model, message in failures.items():
        failed += 1
        print(f"FAIL {model} does not compile for {args.target}: {message}")
    for unit in units:
        if found := problems(unit):
            known = KNOWN.get(unit["users"][0], "\n") in "; ".join(found)
            failed += not known
            print(f"{'known' if known else 'FAIL'} {unit['users'][0]}: {'; '.join(found)}")
    if args.unit and not any(unit["wgmma"] for unit in units):
        failed += 1
        print("FAIL no kernel for tensor cores came through the gate")
    if args.json:
        kept = [{key: value for key, value in unit.items() if key not in ("text", "cubin")} for unit in units]
        pathlib.Path(args.json).write_text(json.dumps({"models": rows, "kernels": kept}, indent=1))
    kernels = sum(len(unit["users"]) for unit in units)
    disasm = "" if package_file("*/bin/nvdisasm") else "; no nvdisasm here, HGMMA counted by opcode alone"
    print(f"{kernels} kernels, {len(units)} distinct, {sum(unit.get('cached', False) for unit in units)} from the cache, {elapsed:.0f} s{disasm}")
    print(f"{len(units) - failed + len(failures)} passed, {failed} failed")
    return 1 if failed else 0


# ---- texts that break a rule -------------------------------------------------------------------------------------------------------

TITLE = "// jinx 0.1 | broken | sm_90a\n"
SPILLING = "".join(f"  float v{i} = x[i + {i}];\n" for i in range(80)) + "  __syncthreads();\n" + "".join(f"  x[i * {i + 3}] = v{i} * v{(i * 7 + 1) % 80};\n" for i in range(80))
ACCUMULATOR_TOUCHED = r'''
extern "C" __global__ void broken(float* x, unsigned long a, unsigned long b) {
  float d[4] = {x[0], x[1], x[2], x[3]};
  wgmma_m64n8(d, a, b);
  d[0] += x[5];
  wgmma_m64n8(d, a, b);
  finish();
  for (int i = 0; i < 4; ++i) x[threadIdx.x * 4 + i] = d[i];
}
'''
WGMMA = r'''
__device__ void wgmma_m64n8(float (&d)[4], unsigned long a, unsigned long b) {
  asm volatile("wgmma.mma_async.sync.aligned.m64n8k16.f32.bf16.bf16 {%0, %1, %2, %3}, %4, %5, 1, 1, 1, 0, 0;"
               : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3]) : "l"(a), "l"(b));
}
__device__ void finish() { asm volatile("wgmma.commit_group.sync.aligned;\n wgmma.wait_group.sync.aligned 0;" ::: "memory"); }

'''
NAMED = 'asm volatile("ld.global.L1::no_allocate.f32 %0, [%1];" : "=f"(v) : "l"(p) : "memory"); return v; }\n\n'
WAIT = '__device__ __forceinline__ void grid_wait_previous() { asm volatile("griddepcontrol.wait;" ::: "memory"); }\n\n'
BULK = 'asm volatile("cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1, {%2, %2}], [%3];" :: "r"(to), "l"(map), "r"(0), "r"(bar) : "memory"); }\n\n'
BULK_LOAD = 'extern "C" __global__ void broken(const void* map, float* y) { NAME(0, map, 1024); grid_wait_previous(); y[threadIdx.x] = 1; }\n'
BROKEN = {
    "right": ("", TITLE + 'extern "C" __global__ void broken(float* x) { x[threadIdx.x] = 1.0f; }\n'),
    "no such name": ("nothing", TITLE + 'extern "C" __global__ void broken(float* x) { *x = nothing; }\n'),
    "two kernels": ("2 kernels", TITLE + 'extern "C" __global__ void broken(float* x) { *x = 1; }\nextern "C" __global__ void other(float* x) { *x = 2; }\n'),
    "spills": ("spilled", TITLE + 'extern "C" __global__ void __launch_bounds__(1024, 2)\nbroken(float* x) {\n  int i = threadIdx.x;\n' + SPILLING + "}\n"),
    "serialised wgmma": ("ptxas says C7", WGMMA + TITLE + ACCUMULATOR_TOUCHED),
    "assembly": ("asm in the kernel", TITLE + 'extern "C" __global__ void broken(float* x) { asm volatile("membar.gl;"); *x = 1; }\n'),
    "intrinsic": ("__syncwarp in the kernel", TITLE + 'extern "C" __global__ void broken(float* x) { __syncwarp(); *x = 1; }\n'),
    "a wait": ("", WAIT + TITLE + 'extern "C" __global__ void broken(const float* __restrict__ x, float* __restrict__ y) { grid_wait_previous(); y[threadIdx.x] = x[threadIdx.x]; }\n'),
    "a load before the wait": ("stands before the wait for the launch before", WAIT + TITLE + 'extern "C" __global__ void broken(volatile float* x, float* y) { float v = x[threadIdx.x]; grid_wait_previous(); y[threadIdx.x] = v; }\n'),
    "a load past the nearest cache before the wait": ("stands before the wait for the launch before", WAIT + "__device__ float load_any(const float* p) { float v; " + NAMED + TITLE + 'extern "C" __global__ void broken(const float* x, float* y) { float v = 2; while (v > 1) v = load_any(x + int(v)); grid_wait_previous(); y[threadIdx.x] = v; }\n'),
    "a constant before the wait": ("", WAIT + "__device__ float load_one_constant(const float* p) { float v; " + NAMED + TITLE + 'extern "C" __global__ void broken(const float* x, float* y) { float v = 2; while (v > 1) v = load_one_constant(x + int(v)); grid_wait_previous(); y[threadIdx.x] = v; }\n'),
    "a load beside constants before the wait": ("stands before the wait for the launch before", WAIT + "__device__ float load_one_constant(const float* p) { float v; " + NAMED + TITLE + 'extern "C" __global__ void broken(const float* x, volatile float* y) { float v = load_one_constant(x + threadIdx.x), w = y[threadIdx.x]; grid_wait_previous(); y[threadIdx.x] = v + w; }\n'),
    "a bulk constant before the wait": ("", WAIT + "__device__ void tma_load_2d_constant(unsigned to, const void* map, unsigned bar) { " + BULK + TITLE + BULK_LOAD.replace("NAME", "tma_load_2d_constant")),
    "a bulk load before the wait": ("stands before the wait for the launch before", WAIT + "__device__ void tma_load_2d(unsigned to, const void* map, unsigned bar) { " + BULK + TITLE + BULK_LOAD.replace("NAME", "tma_load_2d")),
    "no HGMMA": ("no HGMMA", "__device__ void wgmma_m64n8k16(float* x) { *x += 1; }\n\n" + TITLE + 'extern "C" __global__ void broken(float* x) { wgmma_m64n8k16(x); }\n'),
}


def self_test(args) -> int:
    failed = 0
    for what, (expected, text) in BROKEN.items():
        with tempfile.TemporaryDirectory() as work:
            work = pathlib.Path(work)
            (work / "broken.cu").write_text(text)
            (unit,) = run_gate(args.gate, [work / "broken.cu"], work)
        found = "; ".join(problems(unit))
        good = expected in found if expected else not found
        failed += not good
        print(f"{'ok  ' if good else 'FAIL'} {what}: {found[:160]!r}")
    print(f"{len(BROKEN) - failed} passed, {failed} failed")
    return 1 if failed else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jinx", required=True)
    parser.add_argument("--gate", required=True)
    parser.add_argument("--unit", help="jinx_unit_cuda")
    parser.add_argument("--target", default="cuda:sm_90a")
    parser.add_argument("--json")
    parser.add_argument("--self-test", action="store_true")
    parser.add_argument("ids", nargs="*", metavar="ID")
    args = parser.parse_args()
    return self_test(args) if args.self_test else check(args)


if __name__ == "__main__":
    sys.exit(main())
