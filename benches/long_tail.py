"""Compare margins by count and samplers on a long-tailed data set.

Removes training images of a glyph set so that class r of C keeps 16^(1 - r/(C-1)) of them (1 to 16), trains with each option,
and evaluates on the test images of all known classes and on the unseen classes.

    widemargin data glyphs -o glyphs --classes 300 --unseen 100 --most 20 --format idx
    python3 benches/long_tail.py glyphs [--seeds 1 2 3] [--epochs 24]

Prints a Markdown table with mean and standard deviation over the seeds. Uses Python's standard library only.
"""

import argparse
import gzip
import json
import os
import random
import shutil
import statistics
import struct
import subprocess
import tempfile

PROGRAM = os.environ.get("WIDEMARGIN", "target/release/widemargin")
SETTINGS = [
    ("shuffled, one margin", []),
    ("margins by count", ["--margin-by-count"]),
    ("classes by square root of frequency", ["--sampler", "by-frequency", "--sampling-power", "0.5"]),
    ("classes uniformly", ["--sampler", "by-frequency", "--sampling-power", "0"]),
    ("margins by count, square root of frequency", ["--margin-by-count", "--sampler", "by-frequency", "--sampling-power", "0.5"]),
]
FIGURES = [
    ("accuracy on known classes", lambda report: report["known"]["accuracy"]),
    ("recall at 1, unseen", lambda report: report["unseen"]["retrieval"]["recall_at"]["1"]),
    ("MAP@R, unseen", lambda report: report["unseen"]["retrieval"]["map_at_r"]),
    ("EER, unseen", lambda report: report["unseen"]["verification"]["eer"]),
]


def tail(data, out):
    """Copy an IDX set, with a long tail; return the number of images kept, of images and of classes."""
    os.makedirs(out)
    for name in os.listdir(data):
        if os.path.isfile(os.path.join(data, name)):
            shutil.copy(os.path.join(data, name), out)
    with gzip.open(os.path.join(data, "train-labels-idx1-ubyte.gz"), "rb") as file:
        labels = file.read()[8:]
    labels = struct.unpack(f">{len(labels) // 4}i", labels)
    classes = sorted(set(labels))
    random.Random(1).shuffle(classes)
    left = {c: max(1, round(16 ** (1 - r / (len(classes) - 1)))) for r, c in enumerate(classes)}
    kept = []
    for at, label in enumerate(labels):
        if left[label] > 0:
            left[label] -= 1
            kept.append(at)
    with gzip.open(os.path.join(data, "train-images-idx3-ubyte.gz"), "rb") as file:
        pixels = file.read()
    height, width = struct.unpack(">2I", pixels[8:16])
    size = height * width
    with gzip.open(os.path.join(out, "train-images-idx3-ubyte.gz"), "wb") as file:
        file.write(pixels[:4] + struct.pack(">3I", len(kept), height, width))
        for at in kept:
            file.write(pixels[16 + at * size : 16 + (at + 1) * size])
    with gzip.open(os.path.join(out, "train-labels-idx1-ubyte.gz"), "wb") as file:
        file.write(bytes([0, 0, 12, 1]) + struct.pack(f">I{len(kept)}i", len(kept), *(labels[at] for at in kept)))
    return len(kept), len(labels), len(classes)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", help="folder made by `widemargin data glyphs --format idx`")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--epochs", type=int, default=24)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        data = os.path.join(folder, "tail")
        kept, all_, classes = tail(chosen.data, data)
        print(f"{kept} of {all_} training images of {classes} classes\n")
        print("| | " + " | ".join(name for name, _ in FIGURES) + " |")
        print("|---|" + "--:|" * len(FIGURES))
        for number, (name, flags) in enumerate(SETTINGS):
            reports = []
            for seed in chosen.seeds:
                run = os.path.join(folder, f"{number}-{seed}")
                train = [PROGRAM, "train", "--data", data, "--config", os.path.join(data, "glyphs.toml"), "--seed", str(seed),
                         "--epochs", str(chosen.epochs), "--out", run, *flags]
                subprocess.run(train, check=True, capture_output=True)
                with open(os.path.join(run, "report.json"), encoding="utf-8") as file:
                    reports.append(json.load(file))
            cells = []
            for _, figure in FIGURES:
                values = [100 * figure(report) for report in reports]
                spread = f" ± {statistics.stdev(values):.2f}" if len(values) > 1 else ""
                cells.append(f"{statistics.mean(values):.2f}{spread} %")
            print(f"| {name} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
