#!/usr/bin/env python3
"""Trains on the built-in emoji, again and again, and writes tables of the results.

    python3 benches/evidence.py EXPERIMENT RESULTS [--program target/release/widemargin] [--work DIR] [--seeds 1 2 3] [--only NAME ...]
                                [--at-once N] [--quick] [--table FILE] [--page FILE] [--figure FILE]

Experiments:

    objectives     losses with and without a margin, by the default settings of `widemargin train`
    chain          the members of the derivation from the sum of hinges to AM-Softmax, with their curves on validation classes
    scale-margin   AM-Softmax with a grid of scales and margins, on validation classes

Each finished run is a line of JSON in the file RESULTS and is not repeated, and a stopped run is resumed, so the script can be stopped at any time and
run in parts. With `--at-once 2`, two runs share the machine with one thread each, which takes less time on two cores; a run has the same result to the
bit with any number of threads. `--table` writes the experiment's tables as Markdown from all lines of RESULTS, `--page` the curves of the chain as JSON
for `widemargin explain`, `--figure` the grid as an SVG figure. `--seeds` without a number trains nothing and only writes them. `--quick` trains for one
epoch on 2,000 drawings. The results behind tables of the book are in benches/results/emoji.jsonl, to which seeds can be added. Uses Python's standard library only.
"""

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

# Of a report: what a column is called, and the path of its value.
MEASURES = [
    ("recall at 1", ("retrieval", "recall_at", "1")),
    ("recall at 5", ("retrieval", "recall_at", "5")),
    ("mAP", ("mean_average_precision",)),
    ("MAP@R", ("retrieval", "map_at_r")),
    ("EER", ("verification", "eer")),
    ("TAR at FAR 1e-2", ("verification", "tar_at_far", "1e-2")),
    ("TAR at FAR 1e-3", ("verification", "tar_at_far", "1e-3")),
]
CURVE = ["--epochs", "12", "--evaluate-every", "1", "--keep", "last"]
LAST = ["--epochs", "12", "--evaluate-every", "12", "--keep", "last"]


def run(objective, **parameters):
    """What is particular to a run: an objective and its parameters; `learning_rate` is the optimiser's."""
    return {"objective": objective, **parameters}


def configuration(run):
    """A run as a configuration of `train`."""
    parameters = "".join(f"{key} = {value}\n" for key, value in run.items() if key not in ("objective", "learning_rate"))
    rate = f"[optimiser]\nlearning_rate = {run['learning_rate']}\n" if "learning_rate" in run else ""
    return f'[objective]\nname = "{run["objective"]}"\n{parameters}{rate}'


# Of each experiment: its runs, the flags of all, and the usual seeds. The first run is the one that the others of `objectives` are compared with.
OBJECTIVES = {
    "am-softmax": run("am-softmax"),
    "am-softmax-0.2": run("am-softmax", margin=0.2),
    "softmax": run("softmax"),
    "normalized-softmax": run("normalized-softmax"),
    "arcface": run("arcface"),
    "sub-centre": run("sub-centre"),
    "curricularface": run("curricularface"),
    "adaface": run("adaface"),
    "proxy-anchor": run("proxy-anchor"),
    "multi-similarity": run("multi-similarity"),
    "triplet-margin": run("triplet-margin"),
}
# In the order of the derivation. The gradients of the sums of hinges are hundreds of times as large as the others, so they are also trained with a
# thousandth of the learning rate.
CHAIN = {
    "hinge-sum": run("hinge-sum"),
    "hinge-sum-slow": run("hinge-sum", learning_rate=0.0001),
    "hinge-sum-margin-slow": run("hinge-sum-margin", margin=1, learning_rate=0.0001),
    "hinge-max": run("hinge-max", margin=1),
    "lse-hinge": run("lse-hinge"),
    "softmax": run("softmax"),
    "tempered-cold": run("tempered-softmax", temperature=0.05),
    "tempered-hot": run("tempered-softmax", temperature=20),
    "normalized-2": run("normalized-softmax", scale=2),
    "normalized-20": run("normalized-softmax", scale=20),
    "normalized-200": run("normalized-softmax", scale=200),
    "am-softmax": run("am-softmax", scale=20, margin=0.35),
}
SCALES, MARGINS = [8, 16, 20, 32, 64], [0, 0.2, 0.35, 0.5]
GRID = {f"{s}-{m}": run("am-softmax", scale=s, margin=m) for s in SCALES for m in MARGINS}
EXPERIMENTS = {
    "objectives": (OBJECTIVES, [], [1, 2, 3, 4, 5]),
    "chain": (CHAIN, CURVE, [1, 2, 3]),
    "scale-margin": (GRID, LAST, [1]),
}

# The 0.975 quantile of Student's t by degrees of freedom.
STUDENT = {1: 12.706, 2: 4.303, 3: 3.182, 4: 2.776, 5: 2.571, 6: 2.447, 7: 2.365, 8: 2.306, 9: 2.262}


def lines(path):
    """The finished runs in a file."""
    return [json.loads(line) for line in path.read_text().splitlines() if line] if path.exists() else []


def train(arguments, name, seed):
    """Trains one run, unless it is finished, and appends its line."""
    runs, common, _ = EXPERIMENTS[arguments.experiment]
    if any((line["experiment"], line["name"], line["seed"]) == (arguments.experiment, name, seed) for line in lines(arguments.results)):
        return
    folder = Path(arguments.work) / f"{arguments.experiment}-{seed}-{name}"
    if folder.exists() and not (folder / "report.json").exists():
        command = [arguments.program, "train", "--resume", str(folder)]
    else:
        chosen = ["--quick", "--epochs", "1", *(["--evaluate-every", "1"] if common else [])] if arguments.quick else common
        config = folder.parent / f"{folder.name}.toml"
        config.write_text(configuration(runs[name]) + ("[training]\nlimit = 2000\n" if arguments.quick else ""))
        command = [arguments.program, "train", "--config", str(config), *chosen, "--seed", str(seed), "--out", str(folder)]
    environment = dict(os.environ)
    if arguments.at_once > 1:
        environment["RAYON_NUM_THREADS"] = str(max(1, (os.cpu_count() or 1) // arguments.at_once))
    if not (folder / "report.json").exists():
        done = subprocess.run(command, capture_output=True, text=True, env=environment)
        if done.returncode:
            sys.exit(f"{' '.join(command)}: status {done.returncode}\n{done.stderr}")
    version = subprocess.run([arguments.program, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    line = {"experiment": arguments.experiment, "name": name, "seed": seed, "version": version, **outcome(folder)}
    with arguments.results.open("a") as file:
        file.write(json.dumps(line) + "\n")
    print(f"{folder}: done", flush=True)


def outcome(folder):
    """What is kept of a run: measures in percent, and its curves, one value per epoch."""
    report = json.loads((folder / "report.json").read_text())
    found = {"unseen": measured(report["unseen"]), "untrained": measured(report["untrained"]["unseen"])}
    steps = lines(folder / "metrics.jsonl")
    for key, of in (("loss", statistics.mean), ("accuracy", statistics.mean), ("gradient_norm", statistics.median)):
        if steps[0][key] is None:
            continue  # objectives on pairs classify nothing
        epochs = {}
        for step in steps:
            epochs.setdefault(step["epoch"], []).append(step[key])
        found[key] = [float(f"{of(values):.4g}") for values in epochs.values()]
    if report.get("validation"):
        for key in ("recall_at_1", "map_at_r"):
            found[key] = [round(100 * each[key], 2) for each in report["validation"]["history"]]
    return found


def measured(part):
    found = {}
    for name, path in MEASURES:
        value = part
        for key in path:
            value = value[key]
        found[name] = round(100 * value, 3)
    return found


def mean_and_deviation(values):
    return statistics.mean(values), statistics.stdev(values) if len(values) > 1 else 0.0


def spread(values, digits=2):
    mean, deviation = mean_and_deviation(values)
    return f"{mean:.{digits}f} ± {deviation:.{digits}f}" if len(values) > 1 else f"{mean:.{digits}f}"


def row(cells):
    return "| " + " | ".join(cells) + " |"


def heading(names):
    """The first two lines of a table whose first column is words."""
    return [row(["", *names]), "|---|" + "--:|" * len(names)]


def grouped(found):
    """The lines of each run, by seed: name -> seed -> line."""
    groups = {}
    for line in found:
        groups.setdefault(line["name"], {})[line["seed"]] = line
    return groups


def objectives_table(groups):
    """The measures of each objective, and the paired differences to the first."""
    heads = [name for name, _ in MEASURES]
    table = heading(["seeds", *(f"{head}, %" for head in heads)])
    untrained = {seed: line["untrained"] for seeds in groups.values() for seed, line in seeds.items()}
    by_name = {"untrained": untrained}
    by_name |= {name: {seed: line["unseen"] for seed, line in groups[name].items()} for name in OBJECTIVES if name in groups}
    for name, seeds in by_name.items():
        table.append(row([name, str(len(seeds)), *(spread([values[head] for values in seeds.values()]) for head in heads)]))
    first = next(iter(OBJECTIVES))
    table += ["", f"Differences to {first}, seed by seed, with their 95 % interval:", "", *heading(["seeds", *heads])]
    for name, seeds in by_name.items():
        shared = sorted(set(seeds) & set(by_name.get(first, {})))
        if name in (first, "untrained") or len(shared) < 2:
            continue
        cells = []
        for head in heads:
            mean, deviation = mean_and_deviation([seeds[seed][head] - by_name[first][seed][head] for seed in shared])
            half = STUDENT[len(shared) - 1] * deviation / math.sqrt(len(shared))
            cells.append(f"{mean:+.2f} ({mean - half:+.2f} to {mean + half:+.2f})")
        table.append(row([name, str(len(shared)), *cells]))
    return table


def chain_table(groups):
    """Of each member of the chain: its gradients, how fast it learns, and what comes out."""
    table = heading(
        ["seeds", "gradient norm, epoch 1", "right in training, %"]
        + [f"validation recall at 1, epoch {epoch}, %" for epoch in ("1", "3", "last")]
        + ["recall at 1, %", "MAP@R, %", "TAR at FAR 1e-3, %"]
    )
    for name in CHAIN:
        seeds = list(groups.get(name, {}).values())
        if seeds:
            recall = [[line["recall_at_1"][min(at, len(line["recall_at_1"]) - 1)] for line in seeds] for at in (0, 2, 10**9)]
            cells = [f"{statistics.mean(line['gradient_norm'][0] for line in seeds):.3g}"]
            cells += [spread([100 * line["accuracy"][-1] for line in seeds], 1), *(spread(values, 1) for values in recall)]
            cells += [spread([line["unseen"][head] for line in seeds], 1) for head in ("recall at 1", "MAP@R", "TAR at FAR 1e-3")]
            table.append(row([name, str(len(seeds)), *cells]))
    untrained = [line["untrained"] for seeds in groups.values() for line in seeds.values()]
    if untrained:
        cells = [spread([values[head] for values in untrained], 1) for head in ("recall at 1", "MAP@R", "TAR at FAR 1e-3")]
        table.append(row(["untrained", "", "", "", "", "", "", *cells]))
    return table


def at_the_end(groups, key):
    """A measure on validation classes after the last epoch, by the name of the run: the mean over the seeds."""
    return {name: statistics.mean(line[key][-1] for line in seeds.values()) for name, seeds in groups.items()}


def grid_table(groups):
    """Recall at 1 and MAP@R on validation classes for each scale and margin; the best is bold."""
    table = []
    for title, key in (("Recall at 1", "recall_at_1"), ("MAP@R", "map_at_r")):
        value = at_the_end(groups, key)
        table += [f"{title} on validation classes, %:", "", *heading([f"m = {margin}" for margin in MARGINS])]
        for scale in SCALES:
            cells = [value.get(f"{scale}-{margin}") for margin in MARGINS]
            shown = ["" if cell is None else f"**{cell:.1f}**" if cell == max(value.values()) else f"{cell:.1f}" for cell in cells]
            table.append(row([f"s = {scale}", *shown]))
        table.append("")
    return table


def heat_map(groups):
    """The grid as an SVG figure: a square for each scale and margin, the darker the better, with its value."""
    cell, left, top, gap = 58, 64, 58, 40
    width, height = len(MARGINS) * cell, len(SCALES) * cell
    whole = 2 * (left + width) + gap
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {whole} {top + height + 44}" font-family="system-ui, sans-serif" font-size="14">',
        "<title>AM-Softmax on emoji: scale and margin</title>",
        f'<rect width="{whole}" height="{top + height + 44}" fill="#fff"/>',
    ]
    for nth, (title, key) in enumerate((("Recall at 1, %", "recall_at_1"), ("MAP@R, %", "map_at_r"))):
        value = at_the_end(groups, key)
        low, high = min(value.values()), max(value.values())
        start = left + nth * (left + width + gap)
        text = lambda x, y, words, more="": parts.append(f'<text x="{x}" y="{y}" text-anchor="middle" {more}>{words}</text>')
        text(start + width / 2, 24, title, 'font-weight="600"')
        text(start + width / 2, top + height + 36, "margin m")
        text(start - 46, top + height / 2, "scale s", f'transform="rotate(-90 {start - 46} {top + height / 2})"')
        for column, margin in enumerate(MARGINS):
            text(start + (column + 0.5) * cell, top + height + 18, margin)
        for row_of, scale in enumerate(SCALES):
            text(start - 18, top + (row_of + 0.5) * cell + 5, scale)
            for column, margin in enumerate(MARGINS):
                found = value.get(f"{scale}-{margin}")
                if found is None:
                    continue
                # From nearly white to dark blue; the square makes the best ones easier to tell apart.
                share = ((found - low) / max(high - low, 1e-9)) ** 2
                colour = "#" + "".join(f"{round(light + share * (dark - light)):02x}" for light, dark in ((239, 11), (244, 61), (250, 122)))
                x, y = start + column * cell, top + row_of * cell
                edge = ' stroke="#c2410c" stroke-width="3"' if found == high else ""
                parts.append(f'<rect x="{x + 1}" y="{y + 1}" width="{cell - 2}" height="{cell - 2}" fill="{colour}"{edge}/>')
                text(x + cell / 2, y + cell / 2 + 5, f"{found:.1f}", f'fill="{"#fff" if share > 0.6 else "#111"}"')
    return "\n".join([*parts, "</svg>"]) + "\n"


TABLES = {"objectives": objectives_table, "chain": chain_table, "scale-margin": grid_table}


def page(groups):
    """The curves of the chain for the page of `explain`: means over the seeds."""
    runs = []
    for name in CHAIN:
        seeds = list(groups.get(name, {}).values())
        if not seeds:
            continue
        curve = lambda key, digits: [round(statistics.mean(values), digits) for values in zip(*(line[key] for line in seeds))]
        runs.append(
            {
                "name": name,
                **CHAIN[name],
                "seeds": len(seeds),
                "recall": curve("recall_at_1", 1),
                "gradient": [float(f"{value:.3g}") for value in curve("gradient_norm", 6)],
                "accuracy": [round(100 * value, 1) for value in curve("accuracy", 5)],
                "unseen": round(statistics.mean(line["unseen"]["recall at 1"] for line in seeds), 1),
            }
        )
    every = [line for seeds in groups.values() for line in seeds.values()]
    return {
        "version": every[0]["version"].split()[-1],
        "command": "python3 benches/evidence.py chain RESULTS --page chain.json",
        "untrained": round(statistics.mean(line["untrained"]["recall at 1"] for line in every), 1),
        "runs": runs,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("experiment", choices=EXPERIMENTS)
    parser.add_argument("results", type=Path)
    parser.add_argument("--program", default="target/release/widemargin")
    parser.add_argument("--work", default="runs/evidence", help="folder for the runs")
    parser.add_argument("--seeds", nargs="*", type=int)
    parser.add_argument("--only", nargs="+", metavar="NAME")
    parser.add_argument("--at-once", type=int, default=1)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--table", type=Path)
    parser.add_argument("--page", type=Path)
    parser.add_argument("--figure", type=Path)
    arguments = parser.parse_args()
    known, _, usual = EXPERIMENTS[arguments.experiment]
    names = arguments.only or list(known)
    if unknown := [name for name in names if name not in known]:
        parser.error(f"--only: found {', '.join(unknown)}, expected some of {', '.join(known)}")
    if arguments.page and arguments.experiment != "chain":
        parser.error("--page: only the chain has curves")
    if arguments.figure and arguments.experiment != "scale-margin":
        parser.error("--figure: only scale-margin is a grid")
    Path(arguments.work).mkdir(parents=True, exist_ok=True)
    seeds = usual if arguments.seeds is None else arguments.seeds
    with ThreadPoolExecutor(arguments.at_once) as pool:
        list(pool.map(lambda each: train(arguments, *each), [(name, seed) for seed in seeds for name in names]))
    groups = grouped(line for line in lines(arguments.results) if line["experiment"] == arguments.experiment)
    text = "\n".join(TABLES[arguments.experiment](groups)).strip() + "\n"
    if arguments.table:
        arguments.table.write_text(text)
    if arguments.page:
        arguments.page.write_text(json.dumps(page(groups), indent=1) + "\n")
    if arguments.figure:
        arguments.figure.write_text(heat_map(groups))
    print(text)


if __name__ == "__main__":
    main()
