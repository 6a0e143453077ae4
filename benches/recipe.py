"""Compare the settings that `widemargin train --data DIR` chooses with a small sweep around them, on several data sets.

    python3 benches/recipe_sets.py sets                       makes sets/icons, sets/photos, ... from packages
    python3 benches/recipe.py --keep runs sets/icons sets/photos table.npy [--only size epochs] [--seeds 1] [--quick]

Each set is trained with the default settings and with each of the changes below, one at a time. Prints a Markdown table: recall at 1 on
unseen classes of the untrained model, of the default, and of the best change, and the default's share of the best. --keep saves the runs
and does not repeat those it finds. The program is that of the variable WIDEMARGIN (default target/release/widemargin). --quick: one epoch.
Uses Python's standard library only (3.11 or later).
"""

import argparse
import json
import os
import statistics
import subprocess
import tomllib

PROGRAM = os.environ.get("WIDEMARGIN", "target/release/widemargin")


def changes(default):
    """The sweep: name, and flags or lines of a configuration, from the configuration that the recipe chose."""
    data, epochs = default["data"], default["training"]["epochs"]
    side, rate, batch = data["height"], default["optimiser"]["learning_rate"], default["sampler"]["batch"]
    shift = default["augment"]["pad_and_crop"]
    margin = default["objective"].get("margin")
    found = {
        "epochs / 2": ["--epochs", max(1, epochs // 2)],
        "epochs x 2": ["--epochs", 2 * epochs],
        "learning rate / 2": ["--learning-rate", rate / 2],
        "learning rate x 2": ["--learning-rate", rate * 2],
        "batch / 2": ["--batch", max(2, batch // 2), "--epochs", max(1, epochs // 2)],
    }
    if margin is not None:
        found["margin / 2"] = ["--margin", margin / 2]
        found["margin x 1.5"] = ["--margin", 1.5 * margin]
    if os.path.isdir(data["path"]):
        found["size x 3/4"] = ["--size", side * 3 // 4]
        found["size x 4/3"] = ["--size", side * 4 // 3]
        found["shifts only"] = ["[augment]", "flip = false", f"pad_and_crop = {shift}"]
        found["resized crops"] = ["[augment]", "flip = false", "resized_crop = [0.5, 1.0]", "brightness = 0.3", "contrast = 0.3",
                                  "saturation = 0.3"]
    return found


def train(data, out, flags, seed):
    report = os.path.join(out, "report.json")
    if not os.path.exists(report):
        if flags and flags[0] == "[augment]":
            with open(out + ".toml", "w", encoding="utf-8") as file:
                file.write("\n".join(flags) + "\n")
            flags = ["--config", out + ".toml"]
        command = [PROGRAM, "train", "--data", data, "--out", out, "--seed", seed, *flags]
        subprocess.run([str(part) for part in command], check=True, capture_output=True)
    with open(report, encoding="utf-8") as file:
        found = json.load(file)
    recall = found["unseen"]["retrieval"]["recall_at"]["1"]
    untrained = found["untrained"]["unseen"]["retrieval"]["recall_at"]["1"]
    return recall, untrained, found["seconds"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="+")
    parser.add_argument("--keep", metavar="DIR", required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    parser.add_argument("--only", nargs="+", help="first words of the changes to try, such as size epochs")
    parser.add_argument("--quick", action="store_true")
    arguments = parser.parse_args()
    print("| data | training images | size | untrained | default | best of the sweep | default / best | minutes |")
    print("|---|---|---|---|---|---|---|---|")
    for data in arguments.data:
        name = os.path.basename(os.path.normpath(data))
        keep = os.path.join(arguments.keep, name)
        os.makedirs(keep, exist_ok=True)
        quick = ["--epochs", 1] if arguments.quick else []
        means, seconds, untrained = {}, [], []
        for seed in arguments.seeds:
            out = os.path.join(keep, f"default-{seed}")
            recall, before, took = train(data, out, quick, seed)
            means.setdefault("default", []).append(recall)
            untrained.append(before)
            seconds.append(took)
            with open(os.path.join(out, "config.toml"), "rb") as file:
                default = tomllib.load(file)
            for title, flags in changes(default).items():
                if arguments.only and not any(title.startswith(word) for word in arguments.only):
                    continue
                place = os.path.join(keep, title.replace("/", "by").replace(" ", "-") + f"-{seed}")
                means.setdefault(title, []).append(train(data, place, flags + quick, seed)[0])
        mean = {title: statistics.mean(values) for title, values in means.items()}
        best = max(mean, key=mean.get)
        d = default["data"]
        with open(os.path.join(keep, f"default-{arguments.seeds[0]}", "split.csv"), encoding="utf-8") as file:
            images = sum(1 for line in file if line.rstrip().endswith(",train"))
        size = f"{d['height']} x {d['width']} x {d['channels']}" if os.path.isdir(d["path"]) else "vectors"
        percent = lambda value: f"{100 * value:.1f} %"
        print(f"| {name} | {images} | {size} | {percent(statistics.mean(untrained))} | "
              f"{percent(mean['default'])} | {percent(mean[best])} ({best}) | {mean['default'] / mean[best]:.3f} | "
              f"{statistics.mean(seconds) / 60:.1f} |", flush=True)


if __name__ == "__main__":
    main()
