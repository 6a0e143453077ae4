"""Measure how many mislabelled samples `widemargin data suspects` finds.

Flips some training labels of a data set, trains on it, and compares the list of suspects with the flipped samples.

    widemargin data glyphs -o glyphs --classes 300 --unseen 100 --most 20 --format idx
    python3 benches/suspects.py glyphs [--share 0.05] [--epochs 2 4 8] [--seed 1]

For am-softmax and sub-centre and each number of epochs, prints the share of flipped samples among the first n of the list, where n is
a tenth, half and all of the number flipped; and among all samples that are closer to another class: the share that was flipped, and
the share of all flipped samples that this includes. Uses Python's standard library only.
"""

import argparse
import gzip
import json
import os
import random
import shutil
import struct
import subprocess
import tempfile

PROGRAM = os.environ.get("WIDEMARGIN", "target/release/widemargin")


def flip(data, out, share, seed):
    """Copy an IDX set and change a share of its training labels to another known class; return the changed samples and the total."""
    import tomllib

    os.makedirs(out)
    for name in os.listdir(data):
        if os.path.isfile(os.path.join(data, name)):
            shutil.copy(os.path.join(data, name), out)
    with open(os.path.join(data, "glyphs.toml"), "rb") as file:
        unseen = set(tomllib.load(file)["data"]["unseen_classes"])
    with open(os.path.join(data, "classes.txt"), encoding="utf-8") as file:
        names = [line for line in file.read().split("\n") if line]
    known = [at for at, name in enumerate(names) if name not in unseen]
    path = os.path.join(out, "train-labels-idx1-ubyte.gz")
    with gzip.open(path, "rb") as file:
        bytes_ = file.read()
    labels = list(struct.unpack(f">{(len(bytes_) - 8) // 4}i", bytes_[8:]))
    dice = random.Random(seed)
    chosen = dice.sample(range(len(labels)), round(share * len(labels)))
    for at in chosen:
        labels[at] = dice.choice([other for other in known if other != labels[at]])
    with gzip.open(path, "wb") as file:
        file.write(bytes_[:8] + struct.pack(f">{len(labels)}i", *labels))
    return set(chosen), len(labels)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", help="folder made by `widemargin data glyphs --format idx`")
    parser.add_argument("--share", type=float, default=0.05)
    parser.add_argument("--epochs", type=int, nargs="+", default=[2, 4, 8])
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        data = os.path.join(folder, "flipped")
        wrong, samples = flip(chosen.data, data, chosen.share, chosen.seed)
        print(f"{len(wrong)} of {samples} training labels flipped; test labels unchanged\n")
        print("| objective | epochs | flipped among the first tenth | among the first half | among as many as were flipped | closer to another class: flipped share, share of all flipped |")
        print("|---|--:|--:|--:|--:|--:|")
        for objective in ["am-softmax", "sub-centre"]:
            for epochs in chosen.epochs:
                run = os.path.join(folder, f"{objective}-{epochs}")
                train = [PROGRAM, "train", "--data", data, "--config", os.path.join(data, "glyphs.toml"), "--objective", objective,
                         "--epochs", str(epochs), "--out", run]
                subprocess.run(train, check=True, capture_output=True)
                suspects = [PROGRAM, "data", "suspects", "--run", run, "--count", str(samples), "--json"]
                found = json.loads(subprocess.run(suspects, check=True, capture_output=True).stdout)
                # Samples of an IDX set are named PART/INDEX.
                hits = [line["part"] == "train" and int(line["sample"].split("/")[1]) in wrong
                        for line in found["suspects"]]
                cells = [f"{100 * sum(hits[:n]) / n:.0f} %" for n in (len(wrong) // 10, len(wrong) // 2, len(wrong))]
                nearer = hits[: found["nearer_to_another"]]
                cells.append(f"{100 * sum(nearer) / max(len(nearer), 1):.0f} %, {100 * sum(nearer) / len(wrong):.0f} %")
                print(f"| {objective} | {epochs} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
