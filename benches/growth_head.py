"""Measure time and memory of one step of the class-centre head as the number of classes grows.

    python3 benches/growth_head.py [--quick] [--svg docs/src/images/head-growth.svg]

Runs `widemargin bench head` (variable WIDEMARGIN, default target/release/widemargin; RAYON_NUM_THREADS 2) with batch size 128 and
512 dimensions: dense and screened with f32 centres at 10^4, 10^5 and 10^6 classes, and screened with bfloat16 centres at 10^6 and
5 x 10^6 (17 GiB). Prints a Markdown table and writes an SVG figure. --quick stops at 10^5. Uses Python's standard library only.
"""

import argparse
import json
import math
import os
import subprocess

SERIES = [
    ("dense", "f32", "dense", "#4477aa"),
    ("screened", "f32", "screened", "#ee6677"),
    ("screened", "bf16", "screened, bfloat16 centres", "#228833"),
]


def measure(mode, centres, classes, steps):
    program = os.environ.get("WIDEMARGIN", "target/release/widemargin")
    command = [program, "bench", "head", "--classes", str(classes), "--batch", "128", "--dim", "512", "--mode", mode,
               "--centres", centres, "--steps", str(steps), "--json"]
    environment = {"RAYON_NUM_THREADS": "2", **os.environ}
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout)


def panel(left, title, unit, points, value):
    """One chart with logarithmic axes."""
    width, height, top = 330, 250, 46
    found = [value(figures) for of_series in points.values() for _, figures in of_series]
    classes = [count for of_series in points.values() for count, _ in of_series]
    low, high = math.floor(math.log10(min(found))), math.ceil(math.log10(max(found)))
    first, last = math.log10(min(classes)), math.log10(max(classes))
    across = lambda count: left + (math.log10(count) - first) / max(last - first, 1e-9) * width
    up = lambda figure: top + height - (math.log10(figure) - low) / max(high - low, 1) * height
    out = [f'<text x="{left}" y="{top - 20}" font-weight="bold">{title}</text>']
    for power in range(low, high + 1):
        y = up(10**power)
        out.append(f'<line x1="{left}" y1="{y:.1f}" x2="{left + width}" y2="{y:.1f}" stroke="#ddd"/>')
        out.append(f'<text x="{left - 6}" y="{y + 4:.1f}" text-anchor="end">{unit(10**power)}</text>')
    for count in sorted(set(classes)):
        power = math.log10(count)
        label = f"10^{power:.0f}" if power == int(power) else f"{count / 10**int(power):.0f} x 10^{int(power)}"
        out.append(f'<text x="{across(count):.1f}" y="{top + height + 18}" text-anchor="middle">{label}</text>')
    out.append(f'<text x="{left + width / 2}" y="{top + height + 38}" text-anchor="middle">classes</text>')
    for mode, centres, _, colour in SERIES:
        of_series = points.get((mode, centres), [])
        line = " ".join(f"{across(count):.1f},{up(value(figures)):.1f}" for count, figures in of_series)
        out.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>')
        out += [f'<circle cx="{across(count):.1f}" cy="{up(value(figures)):.1f}" r="3.5" fill="{colour}"/>'
                for count, figures in of_series]
    return out


def figure(points):
    plain = lambda number: f"{number:g}"
    out = ['<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 840 380" font-family="sans-serif" font-size="12" fill="#222">',
           '<rect width="840" height="380" fill="white"/>']
    out += panel(60, "seconds per step", plain, points, lambda figures: figures["seconds"])
    out += panel(480, "peak memory, MiB", plain, points, lambda figures: figures["peak_bytes"] / 2**20)
    for at, (_, _, name, colour) in enumerate(SERIES):
        out.append(f'<circle cx="{70 + 250 * at}" cy="362" r="4" fill="{colour}"/>')
        out.append(f'<text x="{80 + 250 * at}" y="366">{name}</text>')
    return "\n".join(out + ["</svg>", ""])


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--quick", action="store_true", help="stop at 10^5 classes")
    arguments.add_argument("--svg", help="write the figure to this file")
    arguments = arguments.parse_args()
    sizes = {("dense", "f32"): [10**4, 10**5, 10**6], ("screened", "f32"): [10**4, 10**5, 10**6],
             ("screened", "bf16"): [10**6, 5 * 10**6]}
    points = {}
    print("| classes | mode | centres | seconds per step | microseconds per class | MiB | bytes per class |")
    print("|---|---|---|---|---|---|---|")
    for (mode, centres), counts in sizes.items():
        for classes in counts:
            if arguments.quick and classes > 10**5:
                continue
            figures = measure(mode, centres, classes, 3 if classes > 10**5 else 7)
            points.setdefault((mode, centres), []).append((classes, figures))
            seconds, peak = figures["seconds"], figures["peak_bytes"]
            print(f"| {classes:,} | {mode} | {centres} | {seconds:.4f} | {1e6 * seconds / classes:.2f} "
                  f"| {peak / 2**20:.0f} | {peak / classes:.0f} |", flush=True)
    if arguments.svg:
        # A plain write is enough: the next run writes the figure again.
        with open(arguments.svg, "w", encoding="utf-8") as out:
            out.write(figure(points))


if __name__ == "__main__":
    main()
