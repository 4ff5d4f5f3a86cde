#!/usr/bin/env python3
"""Times of torch.distributed's collectives over NCCL on the GPUs of this machine, one process each: JSON to standard output.

    dist_peer.py GPUS --from BYTES --to BYTES [--factor 4] [--rounds 20] [--dtype bf16] [--collectives all_reduce …]

Sizes are those of nccl-tests and of `jinx bench comm`: the whole that a rank has before or afterwards. A round is a barrier and then calls one behind the other; its time is the slowest
rank's between two events of the device around them, for one call. All four collectives write into tensors that are there already.
"""

import argparse
import json
import os
import statistics

import torch
import torch.distributed as dist
import torch.multiprocessing as mp

COLLECTIVES = ("all_reduce", "all_gather", "reduce_scatter", "all_to_all")
DTYPES = {"f32": torch.float32, "bf16": torch.bfloat16, "f16": torch.float16}


def calls_of(size):
    """As `jinx bench comm` has them."""
    return max(1, min(16, (64 << 10) // size))


def measure(name, size, options, rank, ranks):
    dtype = DTYPES[options.dtype]
    whole = torch.ones(size // dtype.itemsize, dtype=dtype, device="cuda")
    part = torch.ones(len(whole) // ranks, dtype=dtype, device="cuda")
    other = torch.empty_like(whole)
    run = {"all_reduce": lambda: dist.all_reduce(whole), "all_gather": lambda: dist.all_gather_into_tensor(other[: len(part) * ranks], part),
           "reduce_scatter": lambda: dist.reduce_scatter_tensor(part, whole[: len(part) * ranks]), "all_to_all": lambda: dist.all_to_all_single(other, whole)}[name]
    begin, end, calls, times = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True), calls_of(size), []
    for turn in range(3 + options.rounds):
        dist.barrier()
        torch.cuda.synchronize()
        begin.record()
        for _ in range(calls):
            run()
        end.record()
        end.synchronize()
        slowest = torch.tensor([begin.elapsed_time(end) / calls], device="cuda")
        dist.all_reduce(slowest, op=dist.ReduceOp.MAX)
        if turn >= 3:
            times.append(slowest.item() * 1e-3)
    whole.fill_(1)
    return {"collective": name, "bytes": size, "median_us": statistics.median(times) * 1e6, "min_us": min(times) * 1e6}


def rank_main(rank, options):
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(options.port), RANK=str(rank), WORLD_SIZE=str(options.gpus))
    torch.cuda.set_device(rank)
    dist.init_process_group("nccl", device_id=torch.device("cuda", rank))
    found, size = [], options.smallest
    while size <= options.largest:
        found += [measure(name, size, options, rank, options.gpus) for name in options.collectives]
        size *= options.factor
    if rank == 0:
        print(json.dumps({"torch": torch.__version__, "nccl": ".".join(map(str, torch.cuda.nccl.version())), "times": found}))
    dist.destroy_process_group()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("gpus", type=int)
    parser.add_argument("--from", dest="smallest", type=int, required=True)
    parser.add_argument("--to", dest="largest", type=int, required=True)
    parser.add_argument("--factor", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--dtype", choices=DTYPES, default="bf16")
    parser.add_argument("--collectives", nargs="+", choices=COLLECTIVES, default=COLLECTIVES)
    parser.add_argument("--port", type=int, default=29531)
    options = parser.parse_args()
    mp.spawn(rank_main, args=(options,), nprocs=options.gpus)


if __name__ == "__main__":
    main()
