#!/usr/bin/env python3
"""How many times faster is a tree than a ring? A picture of what jinx_bench_comm_model --json says.

    plot.py FILE.json -o PICTURE.svg

A line for each number of nodes; above 1 the tree is faster, below it the ring. Plain SVG, so that nothing is needed to make it.
"""

import argparse
import json
import math
import pathlib

WIDTH, HEIGHT = 820, 460
LEFT, RIGHT, TOP, BOTTOM = 132, 38, 44, 56
FIRST, LAST = 10, 34  # powers of two: 1 KiB to 16 GiB
LEAST, MOST = -1, 5.3  # log2 of the ratio
INK, MUTED = "#1f2933", "#616e7c"


def x_of(size):
    return LEFT + (math.log2(size) - FIRST) / (LAST - FIRST) * (WIDTH - LEFT - RIGHT)


def y_of(ratio):
    return HEIGHT - BOTTOM - (math.log2(ratio) - LEAST) / (MOST - LEAST) * (HEIGHT - TOP - BOTTOM)


def colour(place, count):
    """From light to dark blue: few nodes to many."""
    light, dark = (120, 180, 225), (8, 48, 107)
    part = place / max(1, count - 1)
    return "#" + "".join(f"{round(a + (b - a) * part):02x}" for a, b in zip(light, dark))


def size_text(power):
    return f"{2 ** (power % 10)} {['B', 'KiB', 'MiB', 'GiB'][power // 10]}"


def text(x, y, what, anchor="middle", fill=MUTED, size=13, extra=""):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{fill}" font-size="{size}" {extra}>{what}</text>'


def picture(figures):
    right, bottom, one = WIDTH - RIGHT, HEIGHT - BOTTOM, y_of(1)
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="Helvetica, Arial, sans-serif">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        text(LEFT, 26, f"all_reduce over whole nodes of {figures['network']}: time of a ring over time of a tree", "start", INK, 15),
        f'<rect x="{LEFT}" y="{TOP}" width="{right - LEFT}" height="{one - TOP:.1f}" fill="#f4f7fb"/>',
        f'<rect x="{LEFT}" y="{one:.1f}" width="{right - LEFT}" height="{bottom - one:.1f}" fill="#fdf3e7"/>',
    ]
    for power in range(FIRST, LAST + 1, 4):
        x = x_of(2**power)
        out.append(f'<line x1="{x:.1f}" y1="{TOP}" x2="{x:.1f}" y2="{bottom}" stroke="#d9e2ec"/>')
        out.append(text(x, bottom + 20, size_text(power)))
    for power in range(math.ceil(LEAST), math.floor(MOST) + 1):
        y = y_of(2**power)
        out.append(f'<line x1="{LEFT}" y1="{y:.1f}" x2="{right}" y2="{y:.1f}" stroke="{INK if power == 0 else "#d9e2ec"}"/>')
        out.append(text(right + 4, y + 4, f"{2**power:g}", "start"))
    out.append(text((LEFT + right) / 2, HEIGHT - 12, "bytes of the buffer"))
    out.append(text(right - 8, TOP + 18, "the tree is faster", "end", INK))
    out.append(text(LEFT + 8, bottom - 10, "the ring is faster", "start", INK))
    lines = figures["lines"]
    for place, line in enumerate(lines):
        ratios = [ring / tree for ring, tree in zip(line["ring"], line["tree"])]
        points = " ".join(f"{x_of(size):.1f},{y_of(ratio):.1f}" for size, ratio in zip(line["bytes"], ratios))
        shade = colour(place, len(lines))
        out.append(f'<polyline points="{points}" fill="none" stroke="{shade}" stroke-width="2.2" stroke-linejoin="round"/>')
        name = f"{line['nodes']} node{'s' if line['nodes'] > 1 else ''}"
        out.append(text(LEFT - 8, y_of(ratios[0]) + 4, name, "end", shade, 13, 'font-weight="bold"'))
    return "\n".join([*out, "</svg>", ""])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("figures", type=pathlib.Path)
    parser.add_argument("-o", "--output", type=pathlib.Path, required=True)
    arguments = parser.parse_args()
    arguments.output.write_text(picture(json.loads(arguments.figures.read_text())))


if __name__ == "__main__":
    main()
