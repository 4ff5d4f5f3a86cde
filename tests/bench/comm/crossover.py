#!/usr/bin/env python3
"""From which size on does a ring beat trees, forced one after the other in Open MPI? Measures; jinx_bench_comm_crossover judges.

    crossover.py measure PROGRAM -o FILE.json [--ranks 2 3 4 8] [--runs 5] [--seconds 0.02] [--from 1024] [--to 1048576] [--real-time] [--copies cma]
    crossover.py plot FILE.json -o PICTURE.svg        FILE: what jinx_bench_comm_crossover --json wrote

PROGRAM is jinx_bench_comm_allreduce_mpi. Each run is one mpirun of one algorithm over all sizes; algorithms take turns, so that what
disturbs the machine disturbs all. A point is the least of the runs' medians: what else runs only ever adds time. Ranks are bound to
processors by turns, and yield while they wait, since there may be more of them than processors. Where other programs run, a rank that
yields gives them milliseconds: --real-time (chrt, which needs rights) puts ranks in front of them. Open MPI allocates what it adds into
in each call; malloc is told to keep such memory, since pages that come and go cost more than the bytes. --copies none sends large messages
through shared memory in pieces, cma (Open MPI's own choice) copies them from process to process.
"""

import argparse
import json
import math
import os
import pathlib
import subprocess

# What forces them: OMPI_MCA_coll_tuned_…; names as in runtime/comm/model.
ALGORITHMS = {
    "ring": {"allreduce_algorithm": 4},
    "recursive doubling": {"allreduce_algorithm": 3},
    "binomial tree": {"allreduce_algorithm": 2, "reduce_algorithm": 5, "bcast_algorithm": 6},  # a reduce, then a broadcast
}
MPIRUN = ["mpirun", "--oversubscribe", "--map-by", "core", "--bind-to", "core:overload-allowed", "--mca", "mpi_yield_when_idle", "1"]

KEEP_MEMORY = {"MALLOC_MMAP_THRESHOLD_": str(1 << 30), "MALLOC_TRIM_THRESHOLD_": str(1 << 30)}


def sizes_between(least, most):
    """Two for each power of two."""
    sizes = [size for power in range(2, 40) for size in (1 << power, 3 << (power - 1))]
    return [size for size in sizes if least <= size <= most]


def run(arguments, ranks, algorithm, sizes):
    """[{bytes, median, tenth}] of one mpirun."""
    forced = {f"OMPI_MCA_coll_tuned_{name}": str(value) for name, value in ALGORITHMS[algorithm].items()}
    environment = {**os.environ, **KEEP_MEMORY, "OMPI_MCA_coll_tuned_use_dynamic_rules": "1", **forced}
    root = ["--allow-run-as-root"] if os.geteuid() == 0 else []
    first = ["chrt", "-r", "1"] if arguments.real_time else []
    copies = ["--mca", "btl_vader_single_copy_mechanism", arguments.copies]
    command = [*MPIRUN, *copies, *root, "-np", str(ranks), *first, arguments.program, "--seconds", str(arguments.seconds), "--bytes", *map(str, sizes)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600)
    if done.returncode != 0:
        raise SystemExit(f"error: {' '.join(command)} ended with {done.returncode}\n{done.stdout}{done.stderr}")
    return json.loads(done.stdout)


def measure(arguments):
    sizes = sizes_between(arguments.least, arguments.most)
    curves = []
    for ranks in arguments.ranks:
        runs = {algorithm: [] for algorithm in ALGORITHMS}
        for number in range(arguments.runs):
            for algorithm in ALGORITHMS:
                runs[algorithm].append(run(arguments, ranks, algorithm, sizes))
            print(f"{ranks} ranks, run {number + 1} of {arguments.runs}", flush=True)
        for algorithm, points in runs.items():
            medians = [[round(run[i]["median"], 10) for run in points] for i in range(len(sizes))]
            curves.append({"ranks": ranks, "algorithm": algorithm, "bytes": sizes, "seconds": [min(m) for m in medians], "medians": medians})
    version = subprocess.run(["mpirun", "--version"], capture_output=True, text=True).stdout.split("\n")[0]
    figures = {"mpi": version, "copies": arguments.copies, "processors": len(os.sched_getaffinity(0)), "runs": arguments.runs, "curves": curves}
    arguments.output.write_text(json.dumps(figures) + "\n")


# ---- the picture ----

WIDTH, PANEL, GAP, LEFT, RIGHT, TOP, BOTTOM = 860, 250, 74, 70, 20, 76, 76
COLOURS = {"ring": "#c2410c", "recursive doubling": "#1d4ed8", "binomial tree": "#0f766e"}
EAGER = 4096  # of crossover.cpp
INK, MUTED, GRID = "#1f2933", "#616e7c", "#e4e9ef"


def text(x, y, what, anchor="middle", fill=MUTED, size=13, extra=""):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{fill}" font-size="{size}" {extra}>{what}</text>'


def size_text(size):
    return f"{size >> 20} MiB" if size >= 1 << 20 else f"{size >> 10} KiB"


class Panel:
    """The curves of one number of ranks, over logarithms."""

    def __init__(self, left, top, width, group):
        self.left, self.top, self.width, self.group = left, top, width, group
        points = [(b, s) for curve in group["curves"] for b, s in zip(curve["bytes"], curve["seconds"])]
        self.bytes = [math.log2(f(b for b, _ in points)) for f in (min, max)]
        self.seconds = [math.log10(f(s for _, s in points) * factor) for f, factor in ((min, 0.8), (max, 1.25))]

    def x(self, size):
        return self.left + (math.log2(size) - self.bytes[0]) / (self.bytes[1] - self.bytes[0]) * self.width

    def y(self, seconds):
        return self.top + PANEL - (math.log10(seconds) - self.seconds[0]) / (self.seconds[1] - self.seconds[0]) * PANEL

    def inside(self, seconds):
        return self.seconds[0] <= math.log10(seconds) <= self.seconds[1]

    def grid(self):
        out = [text(self.left, self.top - 10, f"{self.group['ranks']} ranks", "start", INK, 14, 'font-weight="bold"')]
        for power in range(math.ceil(self.bytes[0]), math.floor(self.bytes[1]) + 1, 2):
            x = self.x(1 << power)
            out.append(f'<line x1="{x:.1f}" y1="{self.top}" x2="{x:.1f}" y2="{self.top + PANEL}" stroke="{GRID}"/>')
            out.append(text(x, self.top + PANEL + 18, size_text(1 << power), size=11))
        for power in range(-7, 2):
            for digit in (1, 2, 5):
                seconds = digit * 10.0**power
                if self.inside(seconds):
                    y = self.y(seconds)
                    out.append(f'<line x1="{self.left}" y1="{y:.1f}" x2="{self.left + self.width}" y2="{y:.1f}" stroke="{GRID}"/>')
                    name = f"{seconds * 1e3:g} ms" if seconds >= 0.9e-3 else f"{seconds * 1e6:.0f} us"
                    out.append(text(self.left - 6, y + 4, name, "end", size=11))
        return out

    def curve(self, curve):
        colour, out = COLOURS[curve["algorithm"]], []
        line = [(size, curve["latency"] + size / curve["bandwidth"]) for size in curve["bytes"]]
        points = " ".join(f"{self.x(size):.1f},{self.y(seconds):.1f}" for size, seconds in line if self.inside(seconds))
        out.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.4" stroke-dasharray="5 4"/>')
        for size, seconds, fitted in zip(curve["bytes"], curve["seconds"], curve["fitted"]):
            fill = colour if fitted else "white"
            pale = ' opacity="0.3"' if size < EAGER * self.group["ranks"] else ""
            out.append(f'<circle cx="{self.x(size):.1f}" cy="{self.y(seconds):.1f}" r="3.2" fill="{fill}" stroke="{colour}" stroke-width="1.4"{pale}/>')
        return out

    def crossings(self):
        out = []
        for check in self.group["checks"]:
            colour = COLOURS[check["tree"]]
            for size, dash, name in ((check["predicted"], "5 4", "predicted"), (check["measured"], "", "measured")):
                if size and self.bytes[0] <= math.log2(size) <= self.bytes[1]:
                    x = self.x(size)
                    out.append(f'<line x1="{x:.1f}" y1="{self.top}" x2="{x:.1f}" y2="{self.top + PANEL}" stroke="{colour}" '
                               f'stroke-width="1.6" stroke-dasharray="{dash}"><title>{name}, {check["tree"]}</title></line>')  # fmt: skip
        return out


def picture(figures):
    groups = figures["groups"]
    height = TOP + math.ceil(len(groups) / 2) * (PANEL + GAP) - GAP + BOTTOM
    width = (WIDTH - 2 * LEFT - 2 * RIGHT) / 2
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="Helvetica, Arial, sans-serif">',
        f'<rect width="{WIDTH}" height="{height}" fill="white"/>',
        text(16, 24, "MPI_Allreduce by forced algorithms: time over bytes", "start", INK, 15),
        text(16, height - 14, "filled: fitted; hollow: not; pale: messages below 4 KiB. Dashed: the fits, and where they cross; "
             "upright: where the hollow points do", "start", size=12),
    ]
    for place, (name, colour) in enumerate(COLOURS.items()):
        out.append(f'<circle cx="{22 + place * 160}" cy="42" r="4" fill="{colour}"/>')
        out.append(text(32 + place * 160, 46, name, "start", colour, 13))
    for place, group in enumerate(groups):
        panel = Panel(LEFT + place % 2 * (width + LEFT + RIGHT), TOP + place // 2 * (PANEL + GAP) + 8, width, group)
        out += panel.grid() + panel.crossings()
        for curve in group["curves"]:
            out += panel.curve(curve)
    return "\n".join([*out, "</svg>", ""])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    measuring = commands.add_parser("measure")
    measuring.add_argument("program")
    measuring.add_argument("--ranks", type=int, nargs="+", default=[2, 3, 4, 8])
    measuring.add_argument("--runs", type=int, default=5)
    measuring.add_argument("--seconds", type=float, default=0.02, help="of rounds, for each size and run")
    measuring.add_argument("--real-time", action="store_true")
    measuring.add_argument("--copies", choices=["cma", "none"], default="cma")
    measuring.add_argument("--from", dest="least", type=int, default=1 << 10)
    measuring.add_argument("--to", dest="most", type=int, default=1 << 20)
    plotting = commands.add_parser("plot")
    plotting.add_argument("figures", type=pathlib.Path)
    for command in (measuring, plotting):
        command.add_argument("-o", "--output", type=pathlib.Path, required=True)
    arguments = parser.parse_args()
    if arguments.command == "measure":
        measure(arguments)
    else:
        arguments.output.write_text(picture(json.loads(arguments.figures.read_text())))


if __name__ == "__main__":
    main()
