#!/usr/bin/env python3
"""What do ranks with a device each, as processes, say and do? Runs nccl_ranks under mpirun in each of its modes, with emulated devices.

    mpi.py RANKS MODULE

JINX_NCCL names the library that carries collectives. Exit status 77 where there is no mpirun.
"""

import pathlib
import re
import shutil
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "comm"))
from mpi import SKIP, mpirun  # noqa: E402

# mode: (milliseconds that a call may take, whether it succeeds, what some rank says)
MODES = {
    "cases": (60_000, True, [r"rank 0: 13 cases are right.*; all by NCCL: rank 0: emulated devices reach each other's memory within one process only", r"rank 1: 13 cases are right"]),
    "missing": (1_000, False, [r"#12 all_reduce sum f32\[1048576\] of /down, ranks 0, 1: rank 0 has waited 1\.\d\d s; "
                               r"rank 1: has made 1 of 2 calls; last done #11 all_reduce sum f32\[1048576\] of /up"]),
    "killed": (60_000, False, [r"rank 0: stopped by signal 15; rank 0 .*#12 all_reduce sum f32\[1048576\] of /down, ranks 0, 1"]),
}


def main():
    ranks, module = sys.argv[1:]
    if not shutil.which("mpirun"):
        print("skipped nccl-mpi: there is no mpirun; install openmpi-bin")
        return SKIP
    failed = 0
    for mode, (timeout, succeeds, parts) in MODES.items():
        done = subprocess.run(mpirun(2) + [ranks, f"mpi:{module}", "emulated", mode, str(timeout)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", timeout=90)
        wrong = [part for part in parts if not re.search(part, done.stdout)]
        if (done.returncode == 0) != succeeds or wrong:
            failed += 1
            print(f"{mode}: exit status {done.returncode}; not said: {wrong}\n{done.stdout}")
    print(f"{len(MODES) - failed} of {len(MODES)} modes are as expected")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
