"""Compare the accuracy of training in full and in mixed precision: same data, seeds and schedule.

    python3 benches/parity_precision.py [--seeds 1 2 3] [--keep DIR] [--quick]      Fashion-MNIST, closed set
    widemargin data glyphs -o glyphs --most 20 --format idx
    python3 benches/parity_precision.py --glyphs glyphs [--seeds 1 2 3] [--epochs 4] [--keep DIR] [--quick]

Trains with `widemargin train` (variable WIDEMARGIN, default target/release/widemargin) once per precision and seed. For glyphs it
uses the data set's own glyphs.toml, which names the unseen classes. Evaluation is in f32 for both. Prints a Markdown table with mean
and standard deviation over the seeds. --keep saves the runs in DIR and does not repeat those it finds there. --quick: one seed, one
epoch. Uses Python's standard library only.
"""

import argparse
import json
import os
import statistics
import subprocess
import tempfile

PRECISIONS = ["full", "mixed"]
PAIRS = [
    ("recall at 1", lambda of: of["retrieval"]["recall_at"]["1"]),
    ("MAP@R", lambda of: of["retrieval"]["map_at_r"]),
    ("TAR at FAR 1e-2", lambda of: of["verification"]["tar_at_far"]["1e-2"]),
    ("EER", lambda of: of["verification"]["eer"]),
]


def train(arguments, precision, seed, out):
    report = os.path.join(out, "report.json")
    if not os.path.exists(report):
        program = os.environ.get("WIDEMARGIN", "target/release/widemargin")
        if arguments.glyphs:
            data = ["--data", arguments.glyphs, "--config", os.path.join(arguments.glyphs, "glyphs.toml")]
        else:
            data = ["--data", "fashion-mnist", "--closed-set"]
        command = [program, "train", *data, "--precision", precision, "--seed", str(seed),
                   "--epochs", str(arguments.epochs), "--out", out]
        subprocess.run(command, check=True, capture_output=True)
    with open(report, encoding="utf-8") as file:
        return json.load(file)["unseen" if arguments.glyphs else "known"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--glyphs", metavar="FOLDER", help="folder made by `widemargin data glyphs`")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--keep", metavar="DIR")
    parser.add_argument("--quick", action="store_true")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.seeds, arguments.epochs = arguments.seeds[:1], 1
    figures = PAIRS if arguments.glyphs else [("accuracy", lambda of: of["accuracy"]), *PAIRS]
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.keep or temporary
        os.makedirs(folder, exist_ok=True)
        found = {precision: [] for precision in PRECISIONS}
        # Seeds in the outer loop, so that an interrupted run has both precisions for the finished seeds.
        for seed in arguments.seeds:
            for precision in PRECISIONS:
                out = os.path.join(folder, f"{precision}-seed-{seed}")
                found[precision].append(train(arguments, precision, seed, out))
    print("| precision | " + " | ".join(title for title, _ in figures) + " |")
    print("|---|" + "--:|" * len(figures))
    for precision in PRECISIONS:
        cells = []
        for _, figure in figures:
            values = [100 * figure(of) for of in found[precision]]
            spread = f" ± {statistics.stdev(values):.2f}" if len(values) > 1 else ""
            cells.append(f"{statistics.mean(values):.2f}{spread} %")
        print(f"| {precision} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
