"""Compare the accuracy of the head modes: same data, seeds and schedule, evaluated on unseen classes.

    widemargin data glyphs -o glyphs --most 20 --format idx
    python3 benches/parity_head.py glyphs [--seeds 1 2 3] [--epochs 4] [--heads NAME...] [--keep DIR] [--quick]

Trains with `widemargin train` (variable WIDEMARGIN, default target/release/widemargin) once per mode and seed, with the data set's
own glyphs.toml, which names the unseen classes. Prints a Markdown table with mean and standard deviation over the seeds. --keep
saves the runs in DIR and does not repeat those it finds there. --heads selects rows of the table by name, such as dense and
'screened, error 0.1'. --quick: one seed, one epoch. Uses Python's standard library only.
"""

import argparse
import json
import os
import statistics
import subprocess
import tempfile

MODES = [
    ("dense", 'mode = "dense"'),
    ("screened", 'mode = "screened"'),
    ("screened, error 0.05", 'mode = "screened"\nscreened_error = 0.05'),
    ("screened, error 0.1", 'mode = "screened"\nscreened_error = 0.1'),
    ("screened, bf16", 'mode = "screened"\ncentres = "bf16"\noptimiser_state = "bf16"'),
    ("sampled, rate 0.5", 'mode = "sampled"\nrate = 0.5'),
    ("sampled, rate 0.1", 'mode = "sampled"\nrate = 0.1'),
]
FIGURES = [
    ("recall at 1", lambda unseen: unseen["retrieval"]["recall_at"]["1"]),
    ("MAP@R", lambda unseen: unseen["retrieval"]["map_at_r"]),
    ("TAR at FAR 1e-2", lambda unseen: unseen["verification"]["tar_at_far"]["1e-2"]),
    ("TAR at FAR 1e-3", lambda unseen: unseen["verification"]["tar_at_far"]["1e-3"]),
    ("EER", lambda unseen: unseen["verification"]["eer"]),
]


def train(data, head, seed, epochs, out):
    report = os.path.join(out, "report.json")
    if not os.path.exists(report):
        with open(os.path.join(data, "glyphs.toml"), encoding="utf-8") as file:
            text = file.read()
        with tempfile.NamedTemporaryFile("w", suffix=".toml", encoding="utf-8") as config:
            config.write(f"{text}\n[head]\n{head}\n")
            config.flush()
            program = os.environ.get("WIDEMARGIN", "target/release/widemargin")
            command = [program, "train", "--data", data, "--config", config.name, "--seed", str(seed),
                       "--epochs", str(epochs), "--out", out]
            subprocess.run(command, check=True, capture_output=True)
    with open(report, encoding="utf-8") as file:
        return json.load(file)["unseen"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", help="folder made by `widemargin data glyphs`")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--heads", nargs="+", choices=[name for name, _ in MODES], default=[name for name, _ in MODES])
    parser.add_argument("--keep", metavar="DIR")
    parser.add_argument("--quick", action="store_true")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.seeds, arguments.epochs = arguments.seeds[:1], 1
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.keep or temporary
        os.makedirs(folder, exist_ok=True)
        heads = [(name, head) for name, head in MODES if name in arguments.heads]
        found = {name: [] for name, _ in heads}
        # Seeds in the outer loop, so that an interrupted run has all modes for the finished seeds.
        for seed in arguments.seeds:
            for name, head in heads:
                out = os.path.join(folder, f"{name.replace(', rate ', '-').replace(', ', '-').replace(' ', '-')}-seed-{seed}")
                found[name].append(train(arguments.data, head, seed, arguments.epochs, out))
    print("| head | " + " | ".join(title for title, _ in FIGURES) + " |")
    print("|---|" + "--:|" * len(FIGURES))
    for name, _ in heads:
        cells = []
        for _, figure in FIGURES:
            values = [100 * figure(unseen) for unseen in found[name]]
            spread = f" ± {statistics.stdev(values):.2f}" if len(values) > 1 else ""
            cells.append(f"{statistics.mean(values):.2f}{spread} %")
        print(f"| {name} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
