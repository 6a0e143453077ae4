#!/usr/bin/env python3
"""Compare objectives with PyTorch on the built-in emoji, evaluated on unseen emoji across vendors.

    python3 benches/peers/emoji.py RESULTS [--objectives am-softmax arcface ...] [--seeds 1 2 3] [--epochs N] [--work DIR] [--threads N]
    python3 benches/peers/emoji.py RESULTS --seeds           only print the table of the results in the file

For each objective and seed, `widemargin train` makes a run, and PyTorch with pytorch-metric-learning trains by the run's own `config.toml` and
`split.csv` on the PNG files of `widemargin data emoji`. Both are evaluated with `widemargin eval all --across-cameras` on their embeddings of the unseen
emoji. Each result is a line of JSON in RESULTS and is not repeated. The variable WIDEMARGIN names the program (default target/release/widemargin).
Packages: requirements.txt. PyTorch uses channels-last images, and jemalloc if the caller preloads it.

The same on both sides: drawings, split, network, distributions of initial weights, objective and its parameters, batch, optimiser, schedules, epochs,
and the distributions of the changes to the images: shift, scale, rotation, brightness, contrast, saturation, hue, grey, in the order and by the
definitions of torchvision. Different: the random numbers, PyTorch's images are not rounded to bytes between the changes, and its hue is turned in YIQ.
"""

import argparse
import csv
import json
import math
import os
import statistics
import sys
import tomllib
from pathlib import Path

import fit
from fit import program

OBJECTIVES = ["am-softmax", "softmax", "normalized-softmax", "arcface", "sub-centre", "proxy-anchor", "multi-similarity", "triplet-margin"]
# Of the output of `eval all`: what a column is called, and its value.
MEASURES = {
    "recall at 1": lambda found: found["retrieval"]["retrieval"]["recall_at"]["1"],
    "MAP@R": lambda found: found["retrieval"]["retrieval"]["map_at_r"],
    "EER": lambda found: found["verification"]["verification"]["eer"],
    "TAR at FAR 1e-3": lambda found: next(row["tar"] for row in found["verification"]["tar_at_far"] if row["far"] == 1e-3),
}


def evaluate(embeddings, run):
    found = json.loads(program("eval", "all", embeddings, "--split", run / "split.csv", "--part", "test", "--across-cameras", "--json"))
    return {name: round(100 * value(found), 3) for name, value in MEASURES.items()}


def manifest(folder):
    with open(folder / "emoji.csv", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def train_widemargin(name, seed, chosen):
    run = chosen.work / f"{name}-{seed}"
    if run.exists() and not (run / "report.json").exists():
        program("train", "--resume", run)
    elif not run.exists():
        epochs = ["--epochs", chosen.epochs] if chosen.epochs else []
        program("train", "--objective", name, "--seed", seed, *epochs, "--out", run)
    out = run.with_suffix(".npy")
    program("embed", "--model", run, chosen.work / "emoji" / "emoji.csv", "--out", out)
    report = json.loads((run / "report.json").read_text())
    return {"seconds": round(report["seconds"]), "version": program("--version").strip(), **evaluate(out, run)}


def changes(torch, augment, side):
    """The changes to a batch of images `[n, 3, side, side]` with values from 0 to 1, as `[augment]` sets them."""
    functional = torch.nn.functional
    shift, (least, most), angle = augment["pad_and_crop"], augment["scale"], math.radians(augment["rotate"])
    lightness = torch.tensor([0.299, 0.587, 0.114])[None, :, None, None]
    to_yiq = torch.tensor([[0.299, 0.587, 0.114], [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]])
    to_rgb = torch.linalg.inv(to_yiq)

    def between(low, high, count):
        return low + (high - low) * torch.rand(count)

    def grey_of(images):
        return (images * lightness).sum(1, keepdim=True)

    def factor(strength, count):
        return between(1 - strength, 1 + strength, count)[:, None, None, None]

    def changed(images):
        count = len(images)
        scale, turn = between(least, most, count), between(-angle, angle, count)
        moved = torch.randint(-shift, shift + 1, (count, 2)) * 2.0 / side
        cosine, sine = torch.cos(turn) / scale, torch.sin(turn) / scale
        rows = [torch.stack([cosine, sine, -moved[:, 0]], 1), torch.stack([-sine, cosine, -moved[:, 1]], 1)]
        grid = functional.affine_grid(torch.stack(rows, 1), images.shape, align_corners=False)
        images = functional.grid_sample(images, grid, padding_mode="border", align_corners=False)
        images = (images * factor(augment["brightness"], count)).clamp(0, 1)
        mean, contrast = grey_of(images).mean((2, 3), keepdim=True), factor(augment["contrast"], count)
        images = (contrast * images + (1 - contrast) * mean).clamp(0, 1)
        grey, saturation = grey_of(images), factor(augment["saturation"], count)
        images = (saturation * images + (1 - saturation) * grey).clamp(0, 1)
        hue = 2 * math.pi * between(-augment["hue"], augment["hue"], count)
        turned = torch.zeros(count, 3, 3)
        turned[:, 0, 0] = 1
        turned[:, 1, 1] = turned[:, 2, 2] = torch.cos(hue)
        turned[:, 2, 1] = torch.sin(hue)
        turned[:, 1, 2] = -turned[:, 2, 1]
        images = torch.einsum("nij,njhw->nihw", to_rgb @ turned @ to_yiq, images).clamp(0, 1)
        plain = (torch.rand(count) < augment["grey"])[:, None, None, None]
        return torch.where(plain, grey_of(images).expand_as(images), images)

    return changed


def train_pytorch(name, seed, chosen):
    os.environ.setdefault("OMP_NUM_THREADS", str(chosen.threads))
    import numpy
    import torch
    from PIL import Image

    torch.set_num_threads(chosen.threads)
    torch.manual_seed(seed)
    run, folder = chosen.work / f"{name}-{seed}", chosen.work / "emoji"
    config = tomllib.loads((run / "config.toml").read_text())
    drawings = manifest(folder)
    with open(run / "split.csv", encoding="utf-8", newline="") as file:
        rows = csv.DictReader(line for line in file if not line.startswith("#"))
        training = {row["sample"] for row in rows if row["part"] == "train"}
    pixels = numpy.stack([numpy.asarray(Image.open(folder / one["path"]).convert("RGB")) for one in drawings])
    pixels = torch.from_numpy(pixels.transpose(0, 3, 1, 2).copy())
    own = [at for at, one in enumerate(drawings) if one["path"] in training]
    classes = {label: number for number, label in enumerate(sorted({drawings[at]["label"] for at in own}))}
    labels = torch.tensor([classes[drawings[at]["label"]] for at in own])
    known = pixels[own]
    mean = known.float().div(255).mean((0, 2, 3), keepdim=True)
    deviation = known.float().div(255).std((0, 2, 3), keepdim=True, unbiased=False)
    sampler, optimiser, schedule = config["sampler"], config["optimiser"], config["schedule"]
    settings = fit.Settings(
        channels=3, size=config["data"]["height"], embedding=config["model"]["embedding"], epochs=config["training"]["epochs"],
        batch=sampler["batch"], classes_per_batch=sampler["classes_per_batch"], samples_per_class=sampler["samples_per_class"],
        learning_rate=optimiser["learning_rate"], momentum=optimiser["momentum"], weight_decay=optimiser["weight_decay"],
        warm_up_epochs=schedule["warm_up_epochs"], margin_warm_up_epochs=schedule["margin_warm_up_epochs"],
    )  # fmt: skip
    network = fit.backbone(torch, settings).to(memory_format=torch.channels_last).train()
    loss, margin = fit.criterion(torch, config["objective"], len(classes), settings.embedding)
    changed = changes(torch, config["augment"], settings.size)

    def images(rows):
        return ((changed(known[rows].float() / 255) - mean) / deviation).contiguous(memory_format=torch.channels_last)

    generator = torch.Generator().manual_seed(seed)
    balanced = sampler["name"] == "class-balanced"
    seconds = fit.fit(torch, network, loss, margin, labels, images, settings, balanced, generator)
    network.eval()
    with torch.no_grad():
        found = [network((pixels[at : at + 512].float() / 255 - mean) / deviation) for at in range(0, len(pixels), 512)]
    out = chosen.work / f"{name}-{seed}-pytorch.npy"
    numpy.save(out, torch.cat(found).numpy())
    with open(out.with_suffix(".names.csv"), "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerows([("id", "label", "camera"), *((one["path"], one["label"], one["camera"]) for one in drawings)])
    return {"seconds": round(seconds), "version": fit.versions(torch, "channels-last"), **evaluate(out, run)}


SIDES = {"widemargin": train_widemargin, "pytorch": train_pytorch}


def table(lines):
    print("| | | seeds | " + " | ".join(f"{name}, %" for name in MEASURES) + " | seconds |")
    print("|---|---|--:|" + "--:|" * (len(MEASURES) + 1))
    for name in OBJECTIVES:
        for side in SIDES:
            own = [line for line in lines if (line["objective"], line["side"]) == (name, side)]
            cells = []
            for measure in MEASURES:
                values = [line[measure] for line in own]
                if values:
                    cells.append(f"{statistics.mean(values):.2f}" + (f" ± {statistics.stdev(values):.2f}" if len(values) > 1 else ""))
            if own:
                seconds = statistics.mean(line["seconds"] for line in own)
                print(f"| {name} | {side} | {len(own)} | " + " | ".join(cells) + f" | {seconds:.0f} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path)
    parser.add_argument("--objectives", nargs="+", choices=OBJECTIVES, default=OBJECTIVES)
    parser.add_argument("--seeds", nargs="*", type=int, default=[1, 2, 3])
    parser.add_argument("--epochs", type=int, help="instead of those of the recipe")
    parser.add_argument("--threads", type=int, default=2, help="threads for PyTorch")
    parser.add_argument("--work", type=Path, default=Path("runs/emoji-peers"), help="folder for runs, drawings and embeddings")
    chosen = parser.parse_args()
    chosen.work.mkdir(parents=True, exist_ok=True)
    finished = lambda: [json.loads(line) for line in chosen.results.read_text().splitlines()] if chosen.results.exists() else []
    for seed in chosen.seeds:
        for name in chosen.objectives:
            for side, train in SIDES.items():
                key = {"objective": name, "side": side, "seed": seed, "epochs": chosen.epochs}
                if any(all(line.get(part) == value for part, value in key.items()) for line in finished()):
                    continue
                if not (chosen.work / "emoji" / "emoji.csv").exists():
                    program("data", "emoji", "-o", chosen.work / "emoji")
                line = {**key, **train(name, seed, chosen)}
                print(json.dumps(line), file=sys.stderr)
                with chosen.results.open("a") as file:
                    file.write(json.dumps(line) + "\n")
    table(finished())


if __name__ == "__main__":
    main()
