"""Train a linear projection with AM-Softmax on a table of vectors for one epoch, with widemargin and PyTorch in alternation.

    python vectors.py --widemargin target/release/widemargin [--rows 1000000] [--rounds 3]

If the table (`.npy`, rows x dim, f32) and its labels are not in --folder, the script generates them from a seed. Both sides train on
four fifths of the rows, in random order, with the same batch size, by SGD with momentum, on --threads threads. PyTorch holds the
whole table in memory and selects each batch by index, which is its fastest simple way; widemargin reads rows from the file. The
medians go to stdout as JSON: samples per second over the steps, and peak resident bytes.
"""

import argparse
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import time


def make_table(folder, rows, dim, classes):
    import numpy

    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"vectors-{rows}x{dim}.npy"
    labels = folder / f"labels-{rows}-{classes}.npy"
    if path.exists() and labels.exists():
        return path, labels
    random = numpy.random.default_rng(0)
    centres = random.standard_normal((classes, dim), dtype="f4")
    label = random.integers(0, classes, rows)
    table = numpy.lib.format.open_memmap(path, "w+", "f4", (rows, dim))
    for start in range(0, rows, 65536):
        part = label[start : start + 65536]
        table[start : start + 65536] = centres[part] + 2 * random.standard_normal((len(part), dim), dtype="f4")
    table.flush()
    numpy.save(labels, label)
    return path, labels


def pytorch(options):
    import numpy
    import torch
    from torch.nn import functional

    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    table = torch.from_numpy(numpy.load(options.table))
    labels = torch.from_numpy(numpy.load(options.labels))
    table /= table.square().mean().sqrt()
    projection = torch.nn.Linear(options.dim, options.embedding)
    centres = torch.nn.Parameter(torch.randn(options.classes, options.embedding))
    optimiser = torch.optim.SGD([*projection.parameters(), centres], lr=0.1, momentum=0.9, weight_decay=5e-4)
    order = torch.randperm(options.rows)[: options.rows * 4 // 5]
    steps = len(order) // options.batch
    start = time.perf_counter()
    for step in range(steps):
        batch = order[step * options.batch : (step + 1) * options.batch]
        label = labels[batch]
        embedding = functional.normalize(projection(table[batch]))
        cosine = functional.linear(embedding, functional.normalize(centres))
        cosine[torch.arange(len(batch)), label] -= 0.35
        loss = functional.cross_entropy(30 * cosine, label)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
    seconds = time.perf_counter() - start
    print(json.dumps({"samples_per_second": steps * options.batch / seconds, "loss": loss.item()}))


def measured(command, environment):
    """Run a command; return its output and its peak memory."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    out, problems = process.stdout.read(), process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        sys.exit(f"{' '.join(map(str, command))}\n{problems}")
    return out, usage.ru_maxrss * 1024


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--widemargin", type=pathlib.Path)
    parser.add_argument("--folder", type=pathlib.Path, default=pathlib.Path("target/peers/vectors"))
    for name, value in [("rows", 1_000_000), ("dim", 512), ("classes", 10_000), ("embedding", 128), ("batch", 1024)]:
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--table", help=argparse.SUPPRESS)
    parser.add_argument("--labels", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.table:
        return pytorch(options)
    if not options.widemargin:
        parser.error("give the program with --widemargin, for example target/release/widemargin")
    table, labels = make_table(options.folder, options.rows, options.dim, options.classes)
    run = options.folder / "run"
    sizes = ["rows", "dim", "classes", "embedding", "batch", "threads"]
    same = [text for name in sizes for text in (f"--{name}", str(getattr(options, name)))]
    commands = {
        "widemargin": [options.widemargin, "train", "--data", table, "--labels", labels, "--epochs", "1", "--unseen", "2"]
        + ["--embedding", str(options.embedding), "--batch", str(options.batch), "--scale", "30", "--margin", "0.35"]
        + ["--learning-rate", "0.1", "--out", run],
        "pytorch": [sys.executable, __file__, "--table", table, "--labels", labels, *same],
    }
    environment = {**os.environ, "RAYON_NUM_THREADS": str(options.threads)}
    found = {name: [] for name in commands}
    for turn in range(options.rounds):
        for name in list(commands)[:: 1 if turn % 2 == 0 else -1]:
            shutil.rmtree(run, ignore_errors=True)
            out, peak = measured(commands[name], environment)
            result = json.loads((run / "report.json").read_text() if name == "widemargin" else out)
            found[name].append((result["samples_per_second"], peak))
            print(f"round {turn + 1}: {name}: {found[name][-1]}", file=sys.stderr)
    medians = {
        name: {"samples_per_second": statistics.median(r[0] for r in runs), "peak_bytes": statistics.median(r[1] for r in runs)}
        for name, runs in found.items()
    }
    medians["table_bytes"] = table.stat().st_size
    print(json.dumps(medians, indent=1))


if __name__ == "__main__":
    main()
