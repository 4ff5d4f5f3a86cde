"""Where do contenders run? On a GPU through torch, or, so that this folder can be tested without one, on the processor through numpy.

A machine makes operands, tells their addresses, and times functions. `Gpu` records several calls in one CUDA graph and puts it between
two events; Jinx's calls are enqueued on the stream that torch records, so all contenders are measured alike.
"""

import functools
import math
import subprocess
import time

import numpy as np
import references

CAPI_NAMES = {"bf16": "bfloat16", "f16": "float16", "f32": "float32", "i8": "int8", "i32": "int32", "i64": "int64", "f8": "float8_e4m3fn"}
GUARD = 4096  # bytes before and behind an output that must stay as they are
GUARD_BYTE = 0xA5


def in_order(calls) -> None:
    for call in calls:
        call()


def inputs_of(machine, case) -> list:
    """Drawn, or made of those before."""
    inputs = []
    for operand in case.inputs:
        made = references.MADE[operand.made](machine.math, case, *inputs) if operand.made else None
        inputs.append(machine.draw(operand) if made is None else machine.rounded(operand, made))
    return inputs


class Torch:
    """Operands as torch's tensors; where they lie, and how time passes there, is for the classes below."""

    place = "cpu"

    def __init__(self):
        import torch

        self.torch = torch
        self.math = references.TorchMath(torch)
        self.types = {"bf16": torch.bfloat16, "f16": torch.float16, "f32": torch.float32, "i8": torch.int8, "i32": torch.int32,
                      "i64": torch.int64, "f8": torch.float8_e4m3fn}  # fmt: skip
        self.generator = torch.Generator(self.place)

    def seed(self, seed: int) -> None:
        self.generator.manual_seed(seed)

    def draw(self, operand):
        torch, kind, where = self.torch, self.types[operand.dtype], {"device": self.place, "generator": self.generator}
        if operand.high:
            return torch.randint(0, operand.high, operand.shape, dtype=kind, **where)
        if operand.dtype == "i8":
            return torch.randint(-100, 100, operand.shape, dtype=kind, **where)
        return torch.randn(operand.shape, dtype=torch.float32, **where).mul_(operand.scale).to(kind)

    def rounded(self, operand, values):
        return values.to(self.types[operand.dtype]).contiguous()

    def output(self, operand):
        """Room for a result between two guards."""
        torch = self.torch
        block = torch.full((2 * GUARD + -(-operand.size_bytes // 512) * 512,), GUARD_BYTE, dtype=torch.uint8, device=self.place)
        inner = block[GUARD : GUARD + operand.size_bytes].view(self.types[operand.dtype]).view(operand.shape)
        inner.guarded = block
        return inner

    def poison(self, x) -> None:
        x.view(-1).view(self.torch.uint8).fill_(0xFF)  # NaN in every float, -1 in integers

    def guards_hold(self, x) -> bool:
        block, size = x.guarded, x.numel() * x.element_size()
        return bool((block[:GUARD] == GUARD_BYTE).all()) and bool((block[GUARD + size :] == GUARD_BYTE).all())

    def write_beyond(self, x) -> None:
        x.guarded[GUARD + x.numel() * x.element_size()] = 0

    def record(self, calls):
        for _ in range(3):
            in_order(calls)
        return lambda: in_order(calls)

    def address(self, x) -> int:
        return x.data_ptr()

    def spoil(self, x) -> None:
        """Makes one element wrong."""
        flat = x.view(-1)
        at = flat.numel() // 2
        flat[at] = flat[at] + 3 if x.dtype in (self.torch.int32, self.torch.int64) else -4 * flat[at] - 1


class Gpu(Torch):
    place = "cuda"

    def __init__(self):
        super().__init__()
        torch = self.torch
        # Peers at their best: torch's defaults for bf16 and f16, and f32 as f32, which is what Jinx's plans say.
        torch.backends.cuda.matmul.allow_tf32 = False
        torch.backends.cudnn.allow_tf32 = False
        torch.backends.cudnn.benchmark = True

    def describe(self) -> dict:
        torch = self.torch
        properties = torch.cuda.get_device_properties(0)
        asked = subprocess.run(["nvidia-smi", "--query-gpu=driver_version,clocks.max.sm,clocks.max.mem,power.limit", "--format=csv,noheader", "-i", "0"],
                               capture_output=True, text=True)  # fmt: skip
        driver, sm, memory, power = ([part.strip() for part in asked.stdout.split(",")] + ["?"] * 4)[:4]
        return {
            "card": properties.name, "multiprocessors": properties.multi_processor_count, "memory_gib": round(properties.total_memory / 2**30, 1),
            "driver": driver, "max_sm_clock": sm, "max_memory_clock": memory, "power_limit": power,
            "torch": torch.__version__, "cuda": torch.version.cuda, "cudnn": str(torch.backends.cudnn.version()),
            "bf16_reduced_precision_reduction": str(torch.backends.cuda.matmul.allow_bf16_reduced_precision_reduction),
            "f16_reduced_precision_reduction": str(torch.backends.cuda.matmul.allow_fp16_reduced_precision_reduction),
        }  # fmt: skip

    def stream(self) -> int:
        return self.torch.cuda.current_stream().cuda_stream

    def synchronize(self) -> None:
        self.torch.cuda.synchronize()

    def alive(self) -> bool:
        """False once a kernel has broken the context: nothing runs in this process any more."""
        try:
            self.torch.cuda.synchronize()
            return True
        except Exception:  # noqa: BLE001
            return False

    def release(self) -> None:
        self.torch.cuda.empty_cache()

    def record(self, calls):
        """What runs `calls` in order, as one graph; those that record themselves are called."""
        torch = self.torch
        if not all(getattr(call, "recorded", True) for call in calls):
            return super().record(calls)
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for call in calls:
                call()
        torch.cuda.current_stream().wait_stream(side)
        torch.cuda.synchronize()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            for call in calls:
                call()
        torch.cuda.synchronize()
        return graph.replay

    def time(self, run, before: int = 0) -> float:
        """Milliseconds of `run`, right after `before` runs of itself."""
        torch = self.torch
        start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        for _ in range(before):
            run()
        start.record()
        run()
        end.record()
        end.synchronize()
        return start.elapsed_time(end)

    def clock_during(self, run, count: int) -> int | None:
        """MHz of the multiprocessors in the midst of `count` runs; None where nothing tells."""
        for _ in range(count):
            run()
        time.sleep(0.03)
        try:
            return int(self.torch.cuda.clock_rate())
        except Exception:  # noqa: BLE001
            return None
        finally:
            self.torch.cuda.synchronize()

    def copy_bandwidth(self) -> float:
        """Bytes a second, read and written, of a copy of 2 GiB on the card."""
        torch = self.torch
        x, y = (torch.empty(2**31, dtype=torch.uint8, device="cuda") for _ in range(2))
        copy = functools.partial(y.copy_, x.random_(0, 255))
        for _ in range(3):
            copy()
        times = sorted(self.time(copy) for _ in range(15))
        del copy, x, y
        self.release()
        return 2 * 2**31 / (times[len(times) // 2] * 1e-3)

    def copies(self):
        """Four copies of 128 MiB, and the bytes that one reads and writes."""
        torch, size = self.torch, 2**27
        pairs = [tuple(torch.zeros(size, dtype=torch.uint8, device="cuda") for _ in range(2)) for _ in range(4)]
        return [functools.partial(y.copy_, x) for x, y in pairs], 2 * size


class Processor:
    """How time passes on the processor: there is nothing to record, and no stream."""

    def stream(self) -> None:
        return None

    def synchronize(self) -> None:
        pass

    def alive(self) -> bool:
        return True

    def release(self) -> None:
        pass

    def record(self, calls):
        in_order(calls)
        return lambda: in_order(calls)

    def time(self, run, before: int = 0) -> float:
        for _ in range(before):
            run()
        start = time.perf_counter()
        run()
        return (time.perf_counter() - start) * 1e3

    def clock_during(self, run, count: int) -> None:
        return None

    def copy_bandwidth(self) -> float:
        x = np.zeros(2**24, dtype=np.uint8)
        return 2 * 2**24 / (min(self.time(lambda: x.copy()) for _ in range(5)) * 1e-3)

    def copies(self):
        x = np.zeros(2**20, dtype=np.uint8)
        return [x.copy] * 4, 2 * x.size

    def describe(self) -> dict:
        return {"card": "the processor", "torch": self.torch.__version__ if hasattr(self, "torch") else "none: numpy", "driver": "none"}


class TorchHost(Processor, Torch):
    """torch on the processor: tests what is said to torch."""


class Host(Processor):
    """numpy on the processor."""

    def __init__(self):
        self.math = references.NumpyMath()
        self.generator = np.random.default_rng(0)

    def type_of(self, dtype: str) -> np.dtype:
        name = CAPI_NAMES[dtype]
        if hasattr(np, name):
            return np.dtype(name)
        import ml_dtypes

        return np.dtype(getattr(ml_dtypes, name))

    def seed(self, seed: int) -> None:
        self.generator = np.random.default_rng(seed)

    def empty(self, shape, dtype: str, guard: int = 0) -> np.ndarray:
        kind = self.type_of(dtype)
        size = math.prod(shape) * kind.itemsize
        block = np.full(size + 2 * guard + 64, GUARD_BYTE, dtype=np.uint8)
        start = -block.ctypes.data % 64 + guard
        return block[start : start + size].view(kind).reshape(shape)

    def draw(self, operand):
        x = self.empty(operand.shape, operand.dtype)
        if operand.high:
            x[...] = self.generator.integers(0, operand.high, operand.shape)
        elif operand.dtype == "i8":
            x[...] = self.generator.integers(-100, 100, operand.shape)
        else:
            x[...] = (self.generator.standard_normal(operand.shape, dtype=np.float32) * np.float32(operand.scale)).astype(x.dtype)
        return x

    def rounded(self, operand, values):
        x = self.empty(operand.shape, operand.dtype)
        x[...] = values.astype(x.dtype)
        return x

    def output(self, operand):
        return self.empty(operand.shape, operand.dtype, guard=GUARD)

    def poison(self, x) -> None:
        x.view(np.uint8)[...] = 0xFF

    @staticmethod
    def guards(x) -> tuple[np.ndarray, np.ndarray]:
        """The bytes before and behind."""
        block = x
        while block.base is not None:
            block = block.base
        start = x.ctypes.data - block.ctypes.data
        return block[start - GUARD : start], block[start + x.nbytes : start + x.nbytes + GUARD]

    def guards_hold(self, x) -> bool:
        return all(bool((guard == GUARD_BYTE).all()) for guard in self.guards(x))

    def write_beyond(self, x) -> None:
        self.guards(x)[1][0] = 0

    def address(self, x) -> int:
        return x.ctypes.data

    def spoil(self, x) -> None:
        flat = x.reshape(-1)
        at = flat.size // 2
        flat[at] = flat[at] + 3 if x.dtype.kind == "i" else -4 * float(flat[at]) - 1
