#!/usr/bin/env python3
"""Trains objectives on the built-in emoji with several seeds and writes tables of their results.

    python3 benches/evidence.py OUT [--program target/release/widemargin] [--seeds 1 2 3 4 5] [--objectives NAME ...] [--at-once N]
                                    [--quick] [--table FILE]

Every run is a folder `OUT/OBJECTIVE-SEED`. A finished run is not repeated and a stopped one is resumed, so the script can be stopped at any time
and run in parts. With `--at-once 2`, two runs share the machine with one thread each, which takes less time on two cores; a run has the same result to
the bit with any number of threads. `--table` writes the table of all finished runs as Markdown, with the mean and standard deviation over the seeds,
and the differences to the first objective, seed by seed, with their 95 % interval (Student's t). `--quick` trains for three epochs.
Uses Python's standard library only.
"""

import argparse
import json
import math
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

# What each is called, and the flags of `train` that make it. The first is the one that the others are compared with.
OBJECTIVES = {
    "am-softmax": ["--objective", "am-softmax"],
    "am-softmax-0.2": ["--objective", "am-softmax", "--margin", "0.2"],
    "softmax": ["--objective", "softmax"],
    "normalized-softmax": ["--objective", "normalized-softmax"],
    "arcface": ["--objective", "arcface"],
    "sub-centre": ["--objective", "sub-centre"],
    "curricularface": ["--objective", "curricularface"],
    "adaface": ["--objective", "adaface"],
    "proxy-anchor": ["--objective", "proxy-anchor"],
    "multi-similarity": ["--objective", "multi-similarity"],
    "triplet-margin": ["--objective", "triplet-margin"],
}

# Of a report: what a column is called, the path of its value, and whether more is better.
MEASURES = [
    ("recall at 1", ("retrieval", "recall_at", "1"), True),
    ("recall at 5", ("retrieval", "recall_at", "5"), True),
    ("mAP", ("mean_average_precision",), True),
    ("MAP@R", ("retrieval", "map_at_r"), True),
    ("EER", ("verification", "eer"), False),
    ("TAR at FAR 1e-2", ("verification", "tar_at_far", "1e-2"), True),
    ("TAR at FAR 1e-3", ("verification", "tar_at_far", "1e-3"), True),
]

# The 0.975 quantile of Student's t by degrees of freedom.
STUDENT = {1: 12.706, 2: 4.303, 3: 3.182, 4: 2.776, 5: 2.571, 6: 2.447, 7: 2.365, 8: 2.306, 9: 2.262}


def train(arguments, name, seed):
    """Trains one run, unless it is finished."""
    folder = Path(arguments.out) / f"{name}-{seed}"
    if (folder / "report.json").exists():
        return
    if folder.exists():
        command = [arguments.program, "train", "--resume", str(folder)]
    else:
        command = [arguments.program, "train", *OBJECTIVES[name], "--seed", str(seed), "--out", str(folder)]
        command += ["--quick"] if arguments.quick else []
    environment = dict(os.environ)
    if arguments.at_once > 1:
        environment["RAYON_NUM_THREADS"] = str(max(1, (os.cpu_count() or 1) // arguments.at_once))
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode:
        sys.exit(f"{' '.join(command)}: status {done.returncode}\n{done.stderr}")
    print(f"{folder}: done", flush=True)


def value(report, path):
    for key in path:
        report = report[key]
    return report


def results(arguments):
    """The measures of each finished run: name -> seed -> list; and those of the untrained model under `untrained`."""
    found = {"untrained": {}}
    for name in OBJECTIVES:
        for folder in sorted(Path(arguments.out).glob(f"{name}-*")):
            seed = folder.name[len(name) + 1 :]
            if not seed.isdigit() or not (folder / "report.json").exists():
                continue
            report = json.loads((folder / "report.json").read_text())
            of = lambda part: [100 * value(part, path) for _, path, _ in MEASURES]
            found.setdefault(name, {})[int(seed)] = of(report["unseen"])
            found["untrained"].setdefault(int(seed), of(report["untrained"]["unseen"]))
    return found


def mean_and_deviation(values):
    mean = sum(values) / len(values)
    return mean, math.sqrt(sum((v - mean) ** 2 for v in values) / (len(values) - 1)) if len(values) > 1 else 0.0


def table(found):
    """The measures, and the paired differences to the first objective."""
    heads = [name for name, _, _ in MEASURES]
    lines = ["| | seeds | " + " | ".join(f"{head}, %" for head in heads) + " |", "|---|--:|" + "--:|" * len(heads)]
    for name, seeds in found.items():
        columns = zip(*seeds.values())
        cells = ["{:.2f} ± {:.2f}".format(*mean_and_deviation(list(column))) for column in columns]
        lines.append(f"| {name} | {len(seeds)} | " + " | ".join(cells) + " |")
    first = next(iter(OBJECTIVES))
    lines += ["", f"Differences to {first}, seed by seed, with their 95 % interval:", ""]
    lines += ["| | seeds | " + " | ".join(heads) + " |", "|---|--:|" + "--:|" * len(heads)]
    for name, seeds in found.items():
        common = sorted(set(seeds) & set(found.get(first, {})))
        if name in (first, "untrained") or len(common) < 2:
            continue
        cells = []
        for at in range(len(heads)):
            mean, deviation = mean_and_deviation([seeds[seed][at] - found[first][seed][at] for seed in common])
            half = STUDENT[len(common) - 1] * deviation / math.sqrt(len(common))
            cells.append(f"{mean:+.2f} ({mean - half:+.2f} to {mean + half:+.2f})")
        lines.append(f"| {name} | {len(common)} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out")
    parser.add_argument("--program", default="target/release/widemargin")
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3, 4, 5])
    parser.add_argument("--objectives", nargs="+", choices=list(OBJECTIVES), default=list(OBJECTIVES))
    parser.add_argument("--at-once", type=int, default=1)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--table")
    arguments = parser.parse_args()
    Path(arguments.out).mkdir(parents=True, exist_ok=True)
    runs = [(name, seed) for seed in arguments.seeds for name in arguments.objectives]
    with ThreadPoolExecutor(arguments.at_once) as pool:
        list(pool.map(lambda run: train(arguments, *run), runs))
    text = table(results(arguments))
    if arguments.table:
        Path(arguments.table).write_text(text)
    print(text)


if __name__ == "__main__":
    main()
