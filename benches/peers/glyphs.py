#!/usr/bin/env python3
"""Compare six objectives with PyTorch on characters drawn with fonts, evaluated on unseen characters.

    widemargin data glyphs -o glyphs --most 20 --format idx
    python3 benches/peers/glyphs.py glyphs --results glyphs.jsonl [--objectives arcface triplet] [--sides widemargin pytorch]
                                           [--seeds 1 2 3] [--epochs 4] [--work DIR] [--tuned | --as-installed]
    python3 benches/peers/glyphs.py --table --results glyphs.jsonl
    python3 benches/peers/glyphs.py --quick          a trial with 60 characters that keeps nothing

Trains each objective with `widemargin train` and, with the same recipe, in PyTorch with pytorch-metric-learning. Both are evaluated
with `widemargin eval` on their embeddings of the unseen characters. Each result is appended to --results when it is ready, and
results that are already there are not repeated, so the script can be stopped at any time and run in parts.

The variable WIDEMARGIN names the program (default target/release/widemargin). Only the PyTorch side needs PyTorch:
requirements.txt. PyTorch is tuned unless --as-installed is given: channels-last images, and jemalloc if the caller preloads it:

    LD_PRELOAD=/usr/lib/x86_64-linux-gnu/libjemalloc.so.2 MALLOC_CONF=dirty_decay_ms:-1,muzzy_decay_ms:-1 python3 benches/peers/glyphs.py ...

The same on both sides: images, their mean and deviation; the network and the distributions of its initial weights; objective,
scale, margin and margin warm-up over two epochs; class centres of length one at the start; SGD with momentum 0.9, weight decay
5e-4 on matrices, kernels and centres; peak learning rate 0.1 with half an epoch of warm-up and a cosine schedule to 0; batch size
128, an incomplete last batch is dropped, shifts by up to two pixels; for triplets 32 classes with 4 images each. Different: the
random numbers, and therefore initial weights, order and shifts. The time is that of the loop over all steps: reading, shifting,
forward, backward, update; without start-up and evaluation.
"""

import argparse
import gzip
import json
import os
import statistics
import struct
import sys
import tempfile
import tomllib
import zlib

import fit
from fit import program

# The configuration of `widemargin train` for each objective; the PyTorch side reads its parameters, too.
OBJECTIVES = {
    "softmax": '[objective]\nname = "softmax"\n',
    "normalised softmax": '[objective]\nname = "normalized-softmax"\nscale = 30.0\n',
    "AM-Softmax": '[objective]\nname = "am-softmax"\nscale = 30.0\nmargin = 0.35\n',
    "ArcFace": '[objective]\nname = "arcface"\nscale = 64.0\nmargin = 0.5\n',
    "sub-centre ArcFace": '[objective]\nname = "sub-centre"\nscale = 64.0\nmargin = 0.5\nsub_centres = 3\n',
    "triplet": '[objective]\nname = "triplet-margin"\nmargin = 0.2\n[sampler]\nname = "class-balanced"\n'
    "classes_per_batch = 32\nsamples_per_class = 4\n",
}
SHORT = {name.lower().replace(" ", "-"): name for name in OBJECTIVES} | {"sub-centre": "sub-centre ArcFace"}
SIDES = ["widemargin", "pytorch"]
SHIFT = 2


def idx(folder, name):
    """Shape and values of an IDX file: bytes, or integers if they have four bytes."""
    path = os.path.join(folder, name)
    opened = open(path, "rb") if os.path.exists(path) else gzip.open(path + ".gz", "rb")
    with opened as file:
        data = file.read()
    kind, dimensions = data[2], data[3]
    shape = struct.unpack(f">{dimensions}I", data[4 : 4 + 4 * dimensions])
    values = data[4 + 4 * dimensions :]
    return shape, values if kind == 8 else struct.unpack(f">{len(values) // 4}i", values)


def unseen_classes(data):
    """Names of the unseen classes in glyphs.toml."""
    with open(os.path.join(data, "glyphs.toml"), "rb") as file:
        return tomllib.load(file)["data"]["unseen_classes"]


def png(pixels, height, width):
    """Encode a grey PNG."""

    def chunk(name, content):
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    rows = b"".join(b"\0" + pixels[at * width : (at + 1) * width] for at in range(height))
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows, 1)) + chunk(b"IEND", b"")


def write_unseen(data, folder):
    """Write the test images of unseen classes as files, one folder per class, for `widemargin embed`."""
    with open(os.path.join(data, "classes.txt"), encoding="utf-8") as file:
        names = file.read().split("\n")
    unseen = set(unseen_classes(data))
    (count, height, width), pixels = idx(data, "t10k-images-idx3-ubyte")
    _, labels = idx(data, "t10k-labels-idx1-ubyte")
    for at in range(count):
        name = names[labels[at]]
        if name in unseen:
            os.makedirs(os.path.join(folder, name), exist_ok=True)
            image = png(pixels[at * height * width : (at + 1) * height * width], height, width)
            with open(os.path.join(folder, name, f"{at:06}.png"), "wb") as file:
                file.write(image)


def evaluate(embeddings, labels):
    """Results of `widemargin eval` on a file of embeddings."""
    found = json.loads(program("eval", "retrieval", embeddings, "--labels", labels, "--json"))["retrieval"]
    pairs = json.loads(program("eval", "verification", embeddings, "--labels", labels, "--far", "1e-3", "--json"))
    return {
        "recall_at_1": found["recall_at"]["1"],
        "map_at_r": found["map_at_r"],
        "tar_at_far_1e-3": pairs["tar_at_far"][0]["tar"],
        "eer": pairs["verification"]["eer"],
    }


def train_widemargin(name, chosen, seed, work):
    run = os.path.join(work, f"{name}-{seed}")
    config = run + ".toml"
    with open(os.path.join(chosen.data, "glyphs.toml"), encoding="utf-8") as file:
        text = file.read()
    with open(config, "w", encoding="utf-8") as file:
        file.write(text + "\n" + OBJECTIVES[name])
    if os.path.exists(run) and not os.path.exists(os.path.join(run, "report.json")):
        program("train", "--resume", run)
    elif not os.path.exists(run):
        program("train", "--data", chosen.data, "--config", config, "--seed", seed, "--epochs", chosen.epochs, "--out", run)
    with open(os.path.join(run, "report.json"), encoding="utf-8") as file:
        report = json.load(file)
    files = os.path.join(work, "unseen")
    if not os.path.isdir(files):
        write_unseen(chosen.data, files + ".new")
        os.rename(files + ".new", files)
    with tempfile.TemporaryDirectory(dir=work) as temporary:
        out = os.path.join(temporary, "unseen.npy")
        program("embed", "--model", run, files, "-o", out)
        figures = evaluate(out, os.path.join(temporary, "unseen.names.csv"))
    version = program("--version").split()[-1]
    return {"seconds": report["seconds"], "version": f"widemargin {version}", **figures}


def train_pytorch(name, chosen, seed, work):
    os.environ.setdefault("OMP_NUM_THREADS", str(chosen.threads))
    import numpy
    import torch

    torch.set_num_threads(chosen.threads)
    torch.manual_seed(seed)
    with open(os.path.join(chosen.data, "classes.txt"), encoding="utf-8") as file:
        names = file.read().split("\n")
    unseen = set(unseen_classes(chosen.data))
    known = {at: number for number, at in enumerate(at for at, n in enumerate(names) if n and n not in unseen)}
    (_, height, width), pixels = idx(chosen.data, "train-images-idx3-ubyte")
    _, labels = idx(chosen.data, "train-labels-idx1-ubyte")
    pixels = torch.from_numpy(numpy.frombuffer(pixels, numpy.uint8).reshape(-1, 1, height, width).copy())
    labels = torch.tensor([known[label] for label in labels])
    mean, deviation = pixels.float().div(255).mean(), pixels.float().div(255).std(unbiased=False)
    padded = torch.nn.functional.pad(pixels, [SHIFT] * 4)
    settings = fit.Settings(
        channels=1, size=height, embedding=128, epochs=chosen.epochs, batch=128, classes_per_batch=32, samples_per_class=4,
        learning_rate=0.1, momentum=0.9, weight_decay=5e-4, warm_up_epochs=0.5, margin_warm_up_epochs=2.0,
    )  # fmt: skip
    layout = torch.contiguous_format if chosen.as_installed else torch.channels_last
    network = fit.backbone(torch, settings).to(memory_format=layout).train()
    loss, margin = fit.criterion(torch, tomllib.loads(OBJECTIVES[name])["objective"], len(known), settings.embedding)
    generator = torch.Generator().manual_seed(seed)
    rows, columns = torch.arange(height)[None, :, None], torch.arange(width)[None, None, :]

    def images(chosen_rows):
        down, right = torch.randint(0, 2 * SHIFT + 1, (2, len(chosen_rows), 1, 1), generator=generator)
        shifted = padded[chosen_rows[:, None, None], 0, rows + down, columns + right]
        return ((shifted.float() / 255 - mean) / deviation)[:, None].contiguous(memory_format=layout)

    seconds = fit.fit(torch, network, loss, margin, labels, images, settings, name == "triplet", generator)
    (_, height, width), pixels = idx(chosen.data, "t10k-images-idx3-ubyte")
    _, labels = idx(chosen.data, "t10k-labels-idx1-ubyte")
    pixels = torch.from_numpy(numpy.frombuffer(pixels, numpy.uint8).reshape(-1, 1, height, width).copy())
    kept = [at for at, label in enumerate(labels) if label not in known]
    network.eval()
    with torch.no_grad():
        found = [network((pixels[kept[at : at + 512]].float() / 255 - mean) / deviation) for at in range(0, len(kept), 512)]
    with tempfile.TemporaryDirectory(dir=work) as temporary:
        files = [os.path.join(temporary, "unseen.npy"), os.path.join(temporary, "labels.npy")]
        numpy.save(files[0], torch.cat(found).numpy())
        numpy.save(files[1], numpy.array([labels[at] for at in kept], numpy.int64))
        figures = evaluate(*files)
    version = fit.versions(torch, "as installed" if chosen.as_installed else "channels-last")
    return {"seconds": seconds, "version": version, **figures}


def results(path):
    """The results in a file; a truncated line is ignored."""
    found = []
    if path and os.path.exists(path):
        with open(path, encoding="utf-8") as file:
            for line in file:
                try:
                    found.append(json.loads(line))
                except json.JSONDecodeError:
                    print(f"{path}: ignored a truncated line", file=sys.stderr)
    return found


def table(found):
    """Print a Markdown table with one row per objective and side: mean and deviation over the seeds."""
    figures = [("recall_at_1", "recall at 1"), ("tar_at_far_1e-3", "TAR at FAR 1e-3"), ("map_at_r", "MAP@R"), ("eer", "EER")]
    print("| objective | | " + " | ".join(title for _, title in figures) + " | seconds |")
    print("|---|---|" + "--:|" * (len(figures) + 1))
    for name in OBJECTIVES:
        for side in SIDES:
            lines = [line for line in found if (line["objective"], line["side"]) == (name, side)]
            if not lines:
                continue
            cells = []
            for key, _ in figures:
                values = [100 * line[key] for line in lines]
                spread = f" ± {statistics.stdev(values):.2f}" if len(values) > 1 else ""
                cells.append(f"{statistics.mean(values):.2f}{spread} %")
            cells.append(f"{statistics.mean(line['seconds'] for line in lines):.0f}")
            print(f"| {name} | {side} | " + " | ".join(cells) + " |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="?", help="folder made by `widemargin data glyphs --format idx`")
    parser.add_argument("--results", metavar="FILE", help="append results to this file, as JSON lines")
    parser.add_argument("--objectives", nargs="+", choices=SHORT, default=[name.lower().replace(" ", "-") for name in OBJECTIVES])
    parser.add_argument("--sides", nargs="+", choices=SIDES, default=SIDES)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--threads", type=int, default=2, help="threads for PyTorch")
    parser.add_argument("--work", metavar="DIR", help="folder for runs and images [default: a temporary one]")
    tuning = parser.add_mutually_exclusive_group()
    tuning.add_argument("--tuned", action="store_true", help="channels-last; the default")
    tuning.add_argument("--as-installed", action="store_true")
    parser.add_argument("--table", action="store_true", help="only print the results in --results")
    parser.add_argument("--quick", action="store_true")
    chosen = parser.parse_args()
    if chosen.table:
        if not chosen.results:
            parser.error("--table requires --results")
        return table(results(chosen.results))
    if not chosen.quick and not (chosen.data and chosen.results):
        parser.error("give a folder of glyphs and --results, or --quick")
    with tempfile.TemporaryDirectory() as temporary:
        work = chosen.work or temporary
        os.makedirs(work, exist_ok=True)
        if chosen.quick:
            chosen.data, chosen.seeds, chosen.epochs = os.path.join(temporary, "glyphs"), chosen.seeds[:1], 3
            chosen.results = os.path.join(temporary, "results.jsonl")
            small = ["--classes", 60, "--unseen", 20, "--least", 4, "--most", 20]
            program("data", "glyphs", "-o", chosen.data, "--format", "idx", *small)
        for seed in chosen.seeds:
            for short in chosen.objectives:
                name = SHORT[short]
                for side in chosen.sides:
                    key = {"objective": name, "side": side, "seed": seed, "epochs": chosen.epochs}
                    if any(all(line.get(k) == v for k, v in key.items()) for line in results(chosen.results)):
                        continue
                    train = train_widemargin if side == "widemargin" else train_pytorch
                    line = {**key, **train(name, chosen, seed, work)}
                    print(json.dumps(line), file=sys.stderr)
                    with open(chosen.results, "a", encoding="utf-8") as file:
                        file.write(json.dumps(line) + "\n")
        table(results(chosen.results))


if __name__ == "__main__":
    main()
