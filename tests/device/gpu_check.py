"""The last of the four test layers: generated CUDA text on a real GPU, against float64, and timed beside torch.

    tests/device/dump.sh DIR                         (any machine) writes DIR/<name>.cu and .json, with the data of models' launches
    python3 tests/device/gpu_check.py DIR [--time] [--json FILE] [--markdown FILE]   (GPU machine with torch, NVRTC and the driver)

Kernels of the unit tests are checked against float64 on problems made here. Launches of models bring their operands, and what the
emulator made of them: floats must agree within 1e-4 + 1e-3 |expected|, integers exactly. Exit code 1 if a result is wrong. Needs nothing
of Jinx but the dumped files.
"""
import argparse, ctypes, glob, json, math, os, re, statistics, sys, time

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel


def load(*names):
    for name in names:
        for path in [name] + sorted(glob.glob(name)):
            try:
                return ctypes.CDLL(path)
            except OSError:
                pass
    raise SystemExit(f"cannot load any of {names}")


SITE = os.path.dirname(os.path.dirname(torch.__file__))
rtc = load("libnvrtc.so.13", "libnvrtc.so.12", f"{SITE}/nvidia/*/lib/libnvrtc.so.1[23]", "/usr/local/cuda*/lib64/libnvrtc.so")
cu = load("libcuda.so.1")


def ok(rc, what):
    if rc:
        text = ctypes.c_char_p()
        cu.cuGetErrorString(rc, ctypes.byref(text))
        raise RuntimeError(f"{what}: {rc} {text.value}")


def nvrtc(text, name):
    prog, size = ctypes.c_void_p(), ctypes.c_size_t()
    options = [b"--gpu-architecture=sm_90a", b"--std=c++17", b"--ptxas-options=-v", b"--diag-suppress=177", b"--no-cache"]
    assert rtc.nvrtcCreateProgram(ctypes.byref(prog), text.encode(), name.encode(), 0, None, None) == 0
    start = time.perf_counter()
    rc = rtc.nvrtcCompileProgram(prog, len(options), (ctypes.c_char_p * len(options))(*options))
    ms = (time.perf_counter() - start) * 1e3
    rtc.nvrtcGetProgramLogSize(prog, ctypes.byref(size))
    log = ctypes.create_string_buffer(size.value)
    rtc.nvrtcGetProgramLog(prog, log)
    assert rc == 0, log.value.decode()
    rtc.nvrtcGetCUBINSize(prog, ctypes.byref(size))
    cubin = ctypes.create_string_buffer(size.value)
    rtc.nvrtcGetCUBIN(prog, cubin)
    return cubin.raw, log.value.decode(), ms


def formula(text, sizes):
    text = re.sub(r"\bfloordiv\b", "//", str(text))
    return int(eval(text, {"min": min, "max": max}, {f"a{i}": v for i, v in enumerate(sizes)}))


class LaunchAttribute(ctypes.Structure):
    _fields_ = [("id", ctypes.c_uint), ("pad", ctypes.c_uint), ("value", ctypes.c_uint * 16)]


class LaunchConfig(ctypes.Structure):
    _fields_ = [(x, ctypes.c_uint) for x in ("gx", "gy", "gz", "bx", "by", "bz", "smem")] + [
        ("stream", ctypes.c_void_p), ("attrs", ctypes.POINTER(LaunchAttribute)), ("num_attrs", ctypes.c_uint)]


class Kernel:
    def __init__(self, folder, name):
        self.meta = json.load(open(f"{folder}/{name}.json"))
        cubin, log, self.ms = nvrtc(open(f"{folder}/{name}.cu").read(), name + ".cu")
        self.registers = re.search(r"Used (\d+) registers", log).group(1)
        module, self.fn = ctypes.c_void_p(), ctypes.c_void_p()
        ok(cu.cuModuleLoadData(ctypes.byref(module), cubin), "cuModuleLoadData")
        ok(cu.cuModuleGetFunction(ctypes.byref(self.fn), module, self.meta["kernel"].encode()), "cuModuleGetFunction")

    def bind(self, buffers, sizes):
        """A launch with everything frozen, as a captured graph would freeze it."""
        keep, pointers = [], []
        for t in buffers:
            keep.append(ctypes.c_void_p(t.data_ptr()))
        for s in sizes:
            keep.append(ctypes.c_long(s))
        pointers = [ctypes.addressof(x) for x in keep]
        for m in self.meta["maps"]:
            t = buffers[m["buffer"]]
            rank = len(m["dims"])
            raw = ctypes.create_string_buffer(192)
            at = (ctypes.addressof(raw) + 63) & ~63
            dims = (ctypes.c_uint64 * rank)(*[formula(d, sizes) for d in m["dims"]])
            strides = (ctypes.c_uint64 * max(1, rank - 1))(*[formula(d, sizes) for d in m["strides"]])
            box, ones = (ctypes.c_uint32 * rank)(*m["box"]), (ctypes.c_uint32 * rank)(*[1] * rank)
            swizzle = {0: 0, 32: 1, 64: 2, 128: 3}[m["swizzle"]]
            kind = {torch.bfloat16: 9, torch.float16: 6, torch.float32: 7, torch.int32: 3}.get(t.dtype, 0)  # 8 bits, of any kind: bytes
            ok(cu.cuTensorMapEncodeTiled(ctypes.c_void_p(at), kind, rank, ctypes.c_void_p(t.data_ptr()), dims, strides, box, ones, 0, swizzle, 3, 0),
               "cuTensorMapEncodeTiled")
            keep.append(raw)
            pointers.append(at)
        shared = formula(self.meta["shared"], sizes)
        ok(cu.cuFuncSetAttribute(self.fn, 8, shared), "MAX_DYNAMIC_SHARED_SIZE_BYTES")
        grid = formula(self.meta["grid"], sizes)
        params = (ctypes.c_void_p * len(pointers))(*pointers)

        def launch():
            config = LaunchConfig(grid, 1, 1, self.meta["threads"], 1, 1, shared, torch.cuda.current_stream().cuda_stream, None, 0)
            ok(cu.cuLaunchKernelEx(ctypes.byref(config), self.fn, params, None), "cuLaunchKernelEx")
            return keep

        return launch


def timed(contenders, rounds=25, launches=8):
    """Medians in microseconds; contenders take turns, rested, several launches a CUDA graph."""
    graphs = {}
    for name, fn in contenders.items():
        for _ in range(3):
            fn()
        torch.cuda.synchronize()
        g = torch.cuda.CUDAGraph()
        with torch.cuda.graph(g):
            for _ in range(launches):
                fn()
        graphs[name] = g
    times = {name: [] for name in graphs}
    for r in range(rounds):
        for name in sorted(graphs, key=lambda n: hash((n, r))):
            time.sleep(0.01)
            a, b = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
            a.record()
            graphs[name].replay()
            b.record()
            b.synchronize()
            times[name].append(a.elapsed_time(b) * 1e3 / launches)
    return {name: statistics.median(t) for name, t in times.items()}


failures = 0
rows = []  # of the table: a launch or problem each
current = None  # kernel and name under check


def note(kernel, name, problem, error, good, **more):
    rows.append({"kernel": name, "problem": problem, "ok": bool(good), "error": error, "registers": int(kernel.registers), "nvrtc_ms": round(kernel.ms), **more})


def check(what, got, want, tolerance):
    global failures
    k, name = current
    error = ((got.double() - want).abs() / (1 + want.abs())).max().item()
    good = error <= tolerance and not math.isnan(error)
    failures += not good
    note(k, name, what, error, good)
    print(f"  {'ok  ' if good else 'FAIL'} {what}: error {error:.2e}", flush=True)


def check_wgmma(k, name, args):
    hole, residual = "bias_relu" in name, "residual" in name

    def more(m, n):
        """What the epilogue reads: a bias, or a tensor as wide as the result."""
        return 8 * torch.randn(m, n, device="cuda", dtype=torch.bfloat16) if residual else torch.randn(n, device="cuda")

    for m, n, kk in [(1, 8, 8), (200, 136, 72), (1000, 1032, 520), (777, 264, 200), (2048, 2048, 2048)]:
        a = torch.randn(m, kk, device="cuda", dtype=torch.bfloat16)
        b = torch.randn(n, kk, device="cuda", dtype=torch.bfloat16)
        bias = more(m, n)
        d = torch.full((m + 1, n), float("nan"), device="cuda", dtype=torch.bfloat16)
        launch = k.bind([a, b, bias, d], [m, n, kk])
        launch()
        torch.cuda.synchronize()
        want = a.double() @ b.double().T + (bias.double() if residual else 0)
        if hole:
            want = (want + bias.double()).relu()
        check(f"{m}x{n}x{kk}", d[:m], want, 8e-3)
        assert d[m].isnan().all(), "wrote past the last row"
        first = d.clone()
        launch()
        torch.cuda.synchronize()
        assert torch.equal(first[:m], d[:m]), "two launches differ"
    if args.time:
        for m, n, kk in [(8192, 8192, 8192), (4096, 4096, 4096), (2048, 2048, 2048), (4096, 14336, 4096), (512, 4096, 4096), (128, 4096, 4096)]:
            a = torch.randn(m, kk, device="cuda", dtype=torch.bfloat16)
            b = torch.randn(n, kk, device="cuda", dtype=torch.bfloat16)
            bias = more(m, n)
            d = torch.empty(m, n, device="cuda", dtype=torch.bfloat16)
            t = timed({"jinx": k.bind([a, b, bias, d], [m, n, kk]), "torch": lambda: torch.mm(a, b.T, out=d)})
            flops = 2 * m * n * kk / 1e6
            print(f"  {m}x{n}x{kk}: {t['jinx']:.1f} us {flops / t['jinx']:.0f} TFLOP/s; torch.mm {flops / t['torch']:.0f}; "
                  f"ratio {t['torch'] / t['jinx']:.3f}", flush=True)


def check_narrow(k, name, args):
    of_bytes, promotes = "i8" in name, "promotes" in name

    def problem(m, n, kk):
        if of_bytes:
            a, b = (torch.randint(-128, 128, (rows, kk), device="cuda", dtype=torch.int8) for rows in (m, n))
            return a, b, torch.full((m + 1, n), 0x55555555, device="cuda", dtype=torch.int32)
        a, b = (torch.randn(rows, kk, device="cuda").to(torch.float8_e4m3fn) for rows in (m, n))
        return a, b, torch.full((m + 1, n), float("nan"), device="cuda", dtype=torch.bfloat16)

    for m, n, kk in [(1, 8, 16), (200, 136, 80), (1000, 1032, 528), (777, 264, 208), (2048, 2048, 8192)]:
        a, b, d = problem(m, n, kk)
        launch = k.bind([a, b, d], [m, n, kk])
        launch()
        torch.cuda.synchronize()
        want = a.double() @ b.double().T
        norm = ((d[:m].double() - want).norm() / want.norm()).item()
        scale = 1 if of_bytes else want.square().mean().sqrt()
        # Each instruction, 32 of k, cuts a sum to 14 bits, towards zero; bf16 rounds once.
        check(f"{m}x{n}x{kk} (norm {norm:.2e})", d[:m].double() / scale, want / scale, 0 if of_bytes else 2e-2 if promotes else 2e-2 + 2.0**-13 * kk / 32)
        assert (d[m] == 0x55555555).all() if of_bytes else d[m].isnan().all(), "wrote past the last row"
        first = d.clone()
        launch()
        torch.cuda.synchronize()
        assert torch.equal(first[:m], d[:m]), "two launches differ"
    if args.time:
        one = torch.ones((), device="cuda")
        for m, n, kk in [(8192, 8192, 8192), (4096, 4096, 4096), (128, 4096, 4096)]:
            a, b, d = problem(m, n, kk)
            y = d[:m]
            peer = (lambda: torch._int_mm(a, b.T, out=y)) if of_bytes else (lambda: torch._scaled_mm(a, b.T, scale_a=one, scale_b=one, out_dtype=torch.bfloat16, use_fast_accum=not promotes))
            peer()
            want = a[:256].double() @ b.double().T
            off = ((peer()[:256].double() - want).norm() / want.norm()).item()
            t = timed({"jinx": k.bind([a, b, d], [m, n, kk]), "torch": peer}, rounds=9, launches=4 if m > 4096 else 8)
            ours = ((y[:256].double() - want).norm() / want.norm()).item()
            flops = 2 * m * n * kk / 1e6
            print(f"  {m}x{n}x{kk}: {t['jinx']:.1f} us {flops / t['jinx']:.0f} TOP/s, norm {ours:.2e}; torch {flops / t['torch']:.0f}, norm {off:.2e}; "
                  f"ratio {t['torch'] / t['jinx']:.3f}", flush=True)


def check_floats(k, name, args):
    """f32 on tensor cores: errors are parts of the sum of the sizes of what is added up."""
    one = name.startswith("tf32")

    def error(got, a, b):
        want, size = a.double() @ b.double().T, a.double().abs() @ b.double().abs().T
        return ((got.double() - want).abs() / size).max().item(), ((got.double() - want).norm() / want.norm()).item()

    for m, n, kk in [(1, 8, 4), (200, 136, 72), (1000, 1032, 520), (777, 264, 200), (512, 512, 8192)]:
        a, b = torch.randn(m, kk, device="cuda"), torch.randn(n, kk, device="cuda")
        d = torch.full((m + 1, n), float("nan"), device="cuda")
        launch = k.bind([a, b, d], [m, n, kk])
        launch()
        torch.cuda.synchronize()
        worst, norm = error(d[:m], a, b)
        check(f"{m}x{n}x{kk} (norm {norm:.1e})", torch.tensor([worst]), torch.zeros(1), 2.0**-9 if one else 2.0**-19)
        assert d[m].isnan().all(), "wrote past the last row"
        first = d.clone()
        launch()
        torch.cuda.synchronize()
        assert torch.equal(first[:m], d[:m]), "two launches differ"
    if args.time:
        for m, n, kk in [(4096, 4096, 4096), (2048, 2048, 2048), (1024, 1024, 1024)]:
            a, b, d = torch.randn(m, kk, device="cuda"), torch.randn(n, kk, device="cuda"), torch.empty(m, n, device="cuda")
            torch.backends.cuda.matmul.allow_tf32 = one
            y = torch.empty(m, n, device="cuda")
            t = timed({"jinx": k.bind([a, b, d], [m, n, kk]), "torch": lambda: torch.mm(a, b.T, out=y)}, rounds=9, launches=4)
            flops, norms = 2 * m * n * kk / 1e6, [error(x[:256], a[:256], b)[1] for x in (d, y)]
            print(f"  {m}x{n}x{kk}: {t['jinx']:.1f} us {flops / t['jinx']:.0f} TFLOP/s, norm {norms[0]:.1e}; torch.mm {'TF32' if one else 'f32'} {flops / t['torch']:.0f}, "
                  f"norm {norms[1]:.1e}; ratio {t['torch'] / t['jinx']:.3f}", flush=True)
        torch.backends.cuda.matmul.allow_tf32 = False


def check_simt(k, name, args):
    def problem(m, n, kk):
        a, b, bias = (torch.randn(*s, device="cuda") for s in ((m, kk), (kk, n), (n,)))
        panels = -(-n // 16)
        packed = torch.zeros(kk, panels * 16, device="cuda")
        packed[:, :n] = b
        packed = packed.view(kk, panels, 16).permute(1, 0, 2).contiguous()
        return a, b, bias, packed, torch.full((m, n), float("nan"), device="cuda")

    for m, n, kk in [(1, 1, 1), (65, 33, 17), (1000, 1032, 520), (130, 200, 3)]:
        a, b, bias, packed, y = problem(m, n, kk)
        k.bind([a, packed, bias, y], [m, n, kk, kk, 1])()
        torch.cuda.synchronize()
        check(f"{m}x{n}x{kk}", y, (a.double() @ b.double() + bias.double()).relu(), 1e-4)
    if args.time:
        torch.backends.cuda.matmul.allow_tf32 = False
        for m, n, kk in [(4096, 4096, 4096), (1024, 1024, 1024), (256, 4096, 1024)]:
            a, b, bias, packed, y = problem(m, n, kk)
            t = timed({"jinx": k.bind([a, packed, bias, y], [m, n, kk, kk, 1]), "torch": lambda: torch.mm(a, b, out=y)}, rounds=11, launches=3)
            flops = 2 * m * n * kk / 1e6
            print(f"  {m}x{n}x{kk}: {t['jinx']:.1f} us {flops / t['jinx']:.1f} TFLOP/s; torch.mm f32 {flops / t['torch']:.1f}; "
                  f"ratio {t['torch'] / t['jinx']:.3f}", flush=True)


def attention_reference(q, k, v, causal, hole, extra):
    """float64, head by head; rows that see nothing give 0 and -inf."""
    out, lse = torch.empty(q.shape, device="cuda", dtype=torch.float64), torch.empty(q.shape[:3], device="cuda", dtype=torch.float64)
    group = q.shape[1] // k.shape[1]
    rows, columns = q.shape[2], k.shape[2]
    hidden = torch.ones(rows, columns, device="cuda", dtype=torch.bool).triu(columns - rows + 1) if causal else None
    for b in range(q.shape[0]):
        for h in range(q.shape[1]):
            x = q[b, h].double() @ k[b, h // group].double().T / math.sqrt(q.shape[3])
            if hole == "softcap":
                x = 2 * torch.tanh(x / 2)
            if hole == "bias":
                x = x + extra[h]
            if causal:
                x = x.masked_fill(hidden, -math.inf)
            lse[b, h] = torch.logsumexp(x, 1)
            out[b, h] = torch.softmax(x, 1).nan_to_num(0) @ v[b, h // group].double()
    return out, lse


def with_backend(backend, q, k, v, causal):
    def run():
        with sdpa_kernel(backend):
            torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=causal)

    return run


def check_attention(k, name, args):
    causal, dim, hole = "causal" in name, int(re.search(r"hd(\d+)", name).group(1)), next((h for h in ("softcap", "bias") if h in name), "")
    has_lse = not hole

    def problem(batch, heads, rows, columns):
        q = torch.randn(batch, heads, rows, dim, device="cuda", dtype=torch.bfloat16)
        kv = [torch.randn(batch, heads, columns, dim, device="cuda", dtype=torch.bfloat16) for _ in range(2)]
        extra = torch.randn(heads, rows, columns, device="cuda") if hole == "bias" else torch.zeros(4, device="cuda")
        o = torch.full((batch * heads * rows + 1, dim), float("nan"), device="cuda", dtype=torch.bfloat16)
        return q, *kv, extra, o, torch.full((batch, heads, rows), float("nan"), device="cuda")

    for shape in [(1, 1, 1, 1), (1, 2, 129, 129), (2, 3, 1000, 1000), (1, 2, 777, 1537), (1, 2, 1537, 777), (2, 16, 2048, 2048)]:
        batch, heads, rows, columns = shape
        q, key, value, extra, o, lse = operands = problem(*shape)
        launch = k.bind(list(operands), list(shape))
        launch()
        torch.cuda.synchronize()
        want, want_lse = attention_reference(q, key, value, causal, hole, extra)
        what = "x".join(map(str, shape))
        check(what, o[:-1].view(q.shape), want, 6e-3)
        assert o[-1].isnan().all(), "wrote past the last row"
        if has_lse:
            seen = want_lse.isfinite()
            assert torch.equal(lse.isfinite(), seen) and (lse[~seen] == -math.inf).all(), "log-sum-exp of rows that see nothing"
            check(what + " log-sum-exp", lse.masked_fill(~seen, 0), want_lse.masked_fill(~seen, 0), 1e-4)
        first = o.clone()
        launch()
        torch.cuda.synchronize()
        assert torch.equal(first[:-1], o[:-1]), "two launches differ"
    if args.time and dim <= 128:
        for batch, heads, rows in [(8, 16, 2048), (4, 16, 4096), (1, 16, 16384), (8, 16, 1000)]:
            if hole == "bias" and rows > 4096:
                continue
            operands = q, key, value, extra, o, lse = problem(batch, heads, rows, rows)
            contenders = {"jinx": k.bind(list(operands), [batch, heads, rows, rows])}
            if not hole:
                contenders |= {b.name.split("_")[0].lower(): with_backend(b, q, key, value, causal) for b in (SDPBackend.CUDNN_ATTENTION, SDPBackend.FLASH_ATTENTION)}
            t = timed(contenders, rounds=15, launches=4)
            flops = 4 * batch * heads * rows * rows * dim / (2 if causal else 1) / 1e6
            note(k, name, f"{batch}x{heads}x{rows} time", 0.0, True, us=round(t["jinx"], 1), tflops=round(flops / t["jinx"]))
            print(f"  {batch}x{heads}x{rows}: {t['jinx']:.1f} us {flops / t['jinx']:.0f} TFLOP/s" +
                  "".join(f"; torch's {x} {flops / t[x]:.0f}, ratio {t[x] / t['jinx']:.3f}" for x in t if x != "jinx"), flush=True)


def check_parts(k, name, args):
    """Keys in parts and their merge, two kernels of one problem; `k` is the first."""
    causal, dim, part = "causal" in name, int(re.search(r"hd(\d+)", name).group(1)), int(re.search(r"parts(\d+)", name).group(1))
    merge = Kernel(args.folder, name + "_merge")

    def problem(batch, heads, rows, columns):
        q = torch.randn(batch, heads, rows, dim, device="cuda", dtype=torch.bfloat16)
        key, value = (torch.randn(batch, heads, columns, dim, device="cuda", dtype=torch.bfloat16) for _ in range(2))
        places = [batch, heads, rows, -(-columns // part)]
        out, lse = torch.full([*places, dim], float("nan"), device="cuda"), torch.full(places, float("nan"), device="cuda")
        o = torch.full((batch * heads * rows + 1, dim), float("nan"), device="cuda", dtype=torch.bfloat16)
        hole = torch.zeros(4, device="cuda")
        launches = k.bind([q, key, value, hole, out, lse], [batch, heads, rows, columns]), merge.bind([out, lse, o], places)
        return q, key, value, o, lambda kept=(hole, out, lse): [launch() for launch in launches]  # launches have addresses, not tensors

    for shape in [(1, 1, 1, 1), (1, 2, 16, 1025), (2, 3, 64, 5000), (3, 2, 4, 20000), (1, 2, 70, 700)]:
        q, key, value, o, launch = problem(*shape)
        launch()
        torch.cuda.synchronize()
        check("x".join(map(str, shape)), o[:-1].view(q.shape), attention_reference(q, key, value, causal, "", None)[0], 6e-3)
        assert o[-1].isnan().all(), "wrote past the last row"
        first = o.clone()
        launch()
        torch.cuda.synchronize()
        assert torch.equal(first[:-1], o[:-1]), "two launches differ"
    if args.time and not causal:
        for batch, columns in [(1, 8192), (64, 4096), (16, 16384)]:
            us = timed({"jinx": problem(batch, 8, 4, columns)[4]}, rounds=15, launches=4)["jinx"]
            moved = 4 * batch * 8 * columns * dim
            note(k, name, f"{batch}x8x4x{columns} time", 0.0, True, us=round(us, 1), gb_per_s=round(moved / us / 1e3))
            print(f"  {batch}x8x4x{columns}: {us:.1f} us {moved / us / 1e6:.2f} TB/s", flush=True)


def attention_grad_reference(q, k, v, dy, causal):
    """float64, head by head: gradients of q, k and v; lse and delta of a row that sees nothing are +inf and 0."""
    group, (rows, columns) = q.shape[1] // k.shape[1], (q.shape[2], k.shape[2])
    dq, dk, dv = (torch.zeros(x.shape, device="cuda", dtype=torch.float64) for x in (q, k, v))
    lse, delta = (torch.zeros(q.shape[:3], device="cuda", dtype=torch.float64) for _ in range(2))
    hidden = torch.ones(rows, columns, device="cuda", dtype=torch.bool).triu(columns - rows + 1) if causal else None
    scale = 1 / math.sqrt(q.shape[3])
    for b in range(q.shape[0]):
        for h in range(q.shape[1]):
            g, dyh = h // group, dy[b, h].double()
            x = q[b, h].double() @ k[b, g].double().T * scale
            if causal:
                x = x.masked_fill(hidden, -math.inf)
            lse[b, h] = torch.logsumexp(x, 1)
            p = torch.softmax(x, 1).nan_to_num(0)
            dp = dyh @ v[b, g].double().T
            delta[b, h] = (p * dp).sum(1)
            ds = p * (dp - delta[b, h, :, None])
            dq[b, h], dk[b, g], dv[b, g] = scale * ds @ k[b, g].double(), dk[b, g] + scale * ds.T @ q[b, h].double(), dv[b, g] + p.T @ dyh
    return dq, dk, dv, lse.masked_fill(lse == -math.inf, math.inf), delta


def check_attention_grad(k, name, args):
    causal, of_keys, dim = "causal" in name, "_keys_" in name, int(re.search(r"hd(\d+)", name).group(1))
    group = int((re.search(r"group(\d+)", name) or ["", "1"])[1])

    def problem(batch, heads, rows, columns):
        q, dy = (torch.randn(batch, heads, rows, dim, device="cuda", dtype=torch.bfloat16) for _ in range(2))
        key, value = (torch.randn(batch, heads // group, columns, dim, device="cuda", dtype=torch.bfloat16) for _ in range(2))
        results = [torch.full((x.numel() // dim + 1, dim), float("nan"), device="cuda", dtype=torch.bfloat16) for x in ((key, value) if of_keys else (q,))]
        padded = (rows + 127) // 128 * 128
        lse, delta = torch.full((batch, heads, padded), math.inf, device="cuda"), torch.zeros(batch, heads, padded, device="cuda")
        return [q, key, value, dy, lse, delta, *results]

    for shape in [(1, group, 1, 1), (1, 2 * group, 129, 129), (2, group, 1000, 1000), (1, group, 777, 1537), (1, group, 1537, 777), (2, 4, 2048, 2048)]:
        operands = q, key, value, dy, lse, delta, *results = problem(*shape)
        dq, dk, dv, lse[:, :, : shape[2]], delta[:, :, : shape[2]] = attention_grad_reference(q, key, value, dy, causal)
        launch = k.bind(operands, list(shape))
        launch()
        torch.cuda.synchronize()
        for what, got, want in zip(("dk", "dv") if of_keys else ("dq",), results, (dk, dv) if of_keys else (dq,)):
            check("x".join(map(str, shape)) + " " + what, got[:-1].view(want.shape), want, 1.5e-2)
            assert got[-1].isnan().all(), "wrote past the last row"
        first = [x.clone() for x in results]
        launch()
        torch.cuda.synchronize()
        assert all(torch.equal(x[:-1], y[:-1]) for x, y in zip(first, results)), "two launches differ"
    if args.time:
        for batch, heads, rows in [(8, 16, 2048), (4, 16, 4096), (1, 16, 16384)]:
            operands = problem(batch, heads, rows, rows)
            operands[4].fill_(math.log(rows) + 0.5)
            us = timed({"jinx": k.bind(operands, [batch, heads, rows, rows])}, rounds=11, launches=4)["jinx"]
            flops = (8 if of_keys else 6) * batch * heads * rows * rows * dim / (2 if causal else 1) / 1e6
            note(k, name, f"{batch}x{heads}x{rows} time", 0.0, True, us=round(us, 1), tflops=round(flops / us))
            print(f"  {batch}x{heads}x{rows}: {us:.1f} us, {flops / us:.0f} TFLOP/s of its own products", flush=True)


def check_scale_relu(k, name, args):
    for n in (1, 1023, 5000, 1 << 26):
        x, s, y = torch.randn(n, device="cuda"), torch.tensor([1.5], device="cuda"), torch.empty(n, device="cuda")
        launch = k.bind([x, s, y], [n])
        launch()
        torch.cuda.synchronize()
        check(f"{n}", y, (x * s).relu().double(), 0)
    if args.time:
        t = timed({"jinx": launch, "copy": lambda: y.copy_(x)})
        print(f"  {n} elements: {8 * n / t['jinx'] / 1e6:.2f} TB/s; copy {8 * n / t['copy'] / 1e6:.2f}", flush=True)


def check_softmax(k, name, args):
    for rows, n in ((5, 1), (3, 77), (100, 256), (7, 700), (8192, 4096)):
        x, y = torch.randn(rows, n, device="cuda") * 3, torch.empty(rows, n, device="cuda")
        launch = k.bind([x, y], [rows, n])
        launch()
        torch.cuda.synchronize()
        check(f"{rows}x{n}", y, torch.softmax(x.double(), 1), 1e-6)
    if args.time:
        t = timed({"jinx": launch, "torch": lambda: torch.softmax(x, 1), "copy": lambda: y.copy_(x)})
        print(f"  {rows}x{n}: {8 * rows * n / t['jinx'] / 1e6:.2f} TB/s; torch {8 * rows * n / t['torch'] / 1e6:.2f}; "
              f"copy {8 * rows * n / t['copy'] / 1e6:.2f}", flush=True)


DTYPES = {"float": torch.float32, "double": torch.float64, "bf16": torch.bfloat16, "f16": torch.float16, "i8": torch.int8, "u8": torch.uint8,
          "i16": torch.int16, "u16": torch.int16, "i32": torch.int32, "u32": torch.int32, "i64": torch.int64, "u64": torch.int64}


def check_launch(k, name, args):
    """A model's launch: operands as the emulator had them, results as it left them."""
    global failures
    stem = f"{args.folder}/{name}"
    text = open(stem + ".cu").read()
    signature = text[text.rindex('extern "C" __global__'):]
    types = re.findall(r"(\w+)\* (?:__restrict__ )?\w+", signature[: signature.index("{")])
    tensors = []
    for i, b in enumerate(k.meta["buffers"]):
        if b["same_as"] != i:
            tensors.append(tensors[b["same_as"]])
            continue
        data = bytearray(open(f"{stem}.{i}.in", "rb").read())
        data += bytes(-len(data) % 16 + 16)
        tensors.append(torch.frombuffer(data, dtype=torch.uint8).cuda())
    launch = k.bind(tensors, k.meta["sizes"])
    launch()
    torch.cuda.synchronize()
    worst, good, moved = 0.0, True, 0
    for i, b in enumerate(k.meta["buffers"]):
        moved += b["read"] + b["written"] if b["same_as"] == i else 0
        if not b["written"] or b["same_as"] != i:
            continue
        dtype = DTYPES[types[i]]
        want = torch.frombuffer(bytearray(open(f"{stem}.{i}.out", "rb").read()), dtype=dtype).cuda()
        got = tensors[i][: b["written"]].view(dtype)
        if dtype.is_floating_point:
            same = (got == want) | (got.isnan() & want.isnan())
            error = torch.where(same, 0.0, (got.double() - want.double()).abs() / (1e-4 + 1e-3 * want.double().abs())).max().item()
            worst = max(worst, error) if not math.isnan(error) else math.inf
        elif not torch.equal(got, want):
            worst = math.inf
    good = worst <= 1
    failures += not good
    more = {}
    if args.time:
        us = timed({"jinx": launch}, rounds=9)["jinx"]
        more = {"us": round(us, 2), "bytes": moved, "gb_per_s": round(moved / us / 1e3, 1)}
    note(k, name, "as in the model", worst, good, **more)
    print(f"  {'ok  ' if good else 'FAIL'} error {worst:.3f} of the tolerance" + (f", {more['us']} us, {more['gb_per_s']} GB/s" if more else ""), flush=True)


def table():
    lines = [f"{torch.cuda.get_device_name()}, torch {torch.__version__}", "", "| kernel | problem | result | error | registers | NVRTC ms | us | GB/s |", "|---|---|---|---|---|---|---|---|"]
    for r in rows:
        lines.append(f"| {r['kernel']} | {r['problem']} | {'ok' if r['ok'] else '**wrong**'} | {r['error']:.2e} | {r['registers']} | {r['nvrtc_ms']} | {r.get('us', '')} | {r.get('gb_per_s', '')} |")
    return "\n".join(lines) + "\n"


def main():
    global current, failures
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    parser.add_argument("--time", action="store_true")
    parser.add_argument("--only", default="")
    parser.add_argument("--json")
    parser.add_argument("--markdown")
    args = parser.parse_args()
    torch.manual_seed(0)
    torch.zeros(1, device="cuda")
    print(torch.cuda.get_device_name(), "torch", torch.__version__, flush=True)
    for path in sorted(glob.glob(f"{args.folder}/**/*.cu", recursive=True)):
        name = os.path.relpath(path, args.folder)[:-3]
        if re.fullmatch(r"attention.*_parts\d+_merge", name):
            continue  # with its parts
        family = check_launch if "/" in name else check_parts if re.fullmatch(r"attention.*_parts\d+", name) else next((f for p, f in (("attention_grad", check_attention_grad), ("attention", check_attention), ("narrow", check_narrow), ("wgmma", check_wgmma), ("simt", check_simt), ("f32_", check_floats), ("tf32_", check_floats), ("scale_relu", check_scale_relu), ("softmax", check_softmax))
                       if name.startswith(p)), None)
        if family is None or not re.search(args.only, name):
            continue
        kernel = Kernel(args.folder, name)
        print(f"{name}: {kernel.registers} registers, NVRTC {kernel.ms:.0f} ms", flush=True)
        current = kernel, name
        try:
            family(kernel, name, args)
        except Exception as error:
            failures += 1
            note(kernel, name, str(error)[:80], math.inf, False)
            print("  FAIL", error, flush=True)
            if "illegal" in str(error) or "launch failure" in str(error):
                break
    if args.json:
        json.dump({"gpu": torch.cuda.get_device_name(), "torch": torch.__version__, "failures": failures, "rows": rows}, open(args.json, "w"), indent=1)
    if args.markdown:
        open(args.markdown, "w").write(table())
    print(f"{len(rows)} checked, {failures} failures")
    sys.exit(1 if failures else 0)


main()
