#!/usr/bin/env python3
"""What do ranks that are processes say and do? Runs mpi_ranks under mpirun in each of its modes.

    mpi.py RANKS MODULE MODE PROCESSES     one mode
    mpi.py --list                          their names

Exit status 77 where there is no mpirun.
"""

import os
import re
import shutil
import subprocess
import sys

SKIP = 77
LONG, SHORT = 240_000, 3_000  # milliseconds that a rank waits: where nothing is wrong, and where one never comes

# mode: (a rank's timeout, whether it succeeds, what some rank says; {last} is the last rank)
MODES = {
    "cases": (LONG, True, []),
    "agree": (LONG, True, []),
    "large": (LONG, True, ["took"]),
    "disagree": (LONG, False, [r"call 1 of ranks 0, 1.* is #1 all_reduce sum f32\[4\] of /n1 at rank 0 "
                                r"and #1 all_reduce sum f32\[5\] of /n1 at rank {last}"]),
    "count": (LONG, False, [r"calls differ: rank 0 makes #1 all_reduce sum f32\[4\] of /usual, "
                             r"rank {last} makes #7 all_reduce sum f32\[5\] of /other, as call 1 of ranks 0, 1"]),
    "root": (LONG, False, [r"rank 0 makes #3 broadcast f32\[4\] of /b \(root 0\), rank {last} makes #3 broadcast f32\[4\] of /b \(root 1\)"]),
    "part-sizes": (LONG, False, [r"sends and receives: rank {last} "
                                  r"sends rank 0 3 elements in its #4, which receives 2 in its #4 all_to_all_v f32\[\d+\] of /moe"]),
    "ends": (LONG, False, [r"rank 0 makes #0 send f32\[4\] of /out, rank 1 makes #0 recv f32\[5\] of /in"]),
    "missing": (SHORT, False, [r"#12 all_reduce sum f32\[8\] of /down, ranks 0, .*: rank \d has waited \d+\.\d\d s; "
                                r"rank {last}: has not come; last done #11 all_reduce sum f32\[4\] of /up"]),
    "stopped": (SHORT, False, [r"#12 all_reduce sum f32\[8\] of /down, ranks 0, .*; "
                                r"rank {last}: does not answer: it has gone, or its process is stopped"]),
    "killed": (LONG, False, [r"stopped by signal 15 while it waited in #12 all_reduce sum f32\[8\] of /down, ranks 0, 1"]),
    "gone": (LONG, False, [r"#12 all_reduce sum f32\[8\] of /down, ranks 0, .*: rank {last} has gone and did not come; "
                            r"it last done #11 all_reduce sum f32\[4\] of /up"]),
    "leaves": (LONG, False, [r"rank {last} has gone and has not waited for #1 all_reduce sum f32\[4\] of /x"]),
    "aborts": (LONG, False, [r"rank (?!{last}:)\d: rank {last} has failed: no memory for 12 GiB"]),
    "group-gone": (LONG, False, [r"makeGroup of ranks {last}, \d: rank {last} has gone and did not come"]),
    "group": (SHORT, False, [r"makeGroup of ranks {last}, \d: rank 0 has waited \d+\.\d\d s; rank {last} has not come"]),
}


def mpirun(processes):
    """Its command line: more processes than processors, as root in a container, and no wait that keeps a processor busy."""
    command = ["mpirun", "--oversubscribe", "-np", str(processes), "--mca", "mpi_yield_when_idle", "1", "--mca", "btl_vader_single_copy_mechanism", "none"]
    return command + (["--allow-run-as-root"] if os.geteuid() == 0 else [])


def judge(mode, status, said, last):
    _, succeeds, parts = MODES[mode]
    if (status == 0) != succeeds:
        return f"exit status {status}, expected {'0' if succeeds else 'another than 0'}"
    for part in parts:
        if not re.search(part.replace("{last}", str(last)), said):
            return f"no rank says {part.replace('{last}', str(last))!r}"
    return None


def main():
    if sys.argv[1:] == ["--list"]:
        print(*MODES, sep="\n")
        return 0
    ranks, module, mode, processes = sys.argv[1:]
    if not shutil.which("mpirun"):
        print(f"skipped comm-mpi.{mode}: there is no mpirun; install openmpi-bin")
        return SKIP
    command = mpirun(processes) + [ranks, module, mode, str(MODES[mode][0])]
    job = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
    try:
        said, _ = job.communicate(timeout=300)
    except subprocess.TimeoutExpired:
        job.terminate()  # mpirun ends its ranks
        said, _ = job.communicate()
        print(said, f"{' '.join(command)}: hangs", sep="\n")
        return 1
    wrong = judge(mode, job.returncode, said, int(processes) - 1)
    print(said, wrong or "as expected", sep="\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
