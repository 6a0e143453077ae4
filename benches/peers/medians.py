#!/usr/bin/env python3
"""Print medians and ratios of the runs that `compare_train.sh` saved in a folder. Uses Python's standard library only.

    medians.py FOLDER ROUNDS CASE...        reads FOLDER/<case>.<name>.<round>.json; a case is BACKBONE or BACKBONE@SIZE

A ratio is samples per second of widemargin over samples per second of the peer: above 1, widemargin is faster. It is computed from
the medians over all rounds, and printed with the smallest and largest ratio of a single round, so that a noisy machine is visible.
Runs that computed different work are not compared: it is an error if two of them differ in one of the values in `WORK`.
The table goes to stderr, the JSON object to stdout.
"""

import json
import math
import os
import platform
import statistics
import sys

OURS = "widemargin"
PEERS = ["pytorch", "pytorch-tuned", "pytorch-tuned-bf16", "pytorch-compiled", "pytorch-compiled-bf16"]

# What a run computed. Every run prints these values, and they must be the same on both sides.
WORK = ["backbone", "size", "channels", "batch", "classes", "embedding", "weights", "threads"]


def load(folder, case, name, rounds):
    """The runs of one program, or None if it was not measured."""
    paths = [os.path.join(folder, f"{case}.{name}.{index}.json") for index in range(rounds)]
    if not any(os.path.exists(path) for path in paths):
        return None
    runs = []
    for path in paths:
        with open(path, encoding="utf-8") as source:
            try:
                runs.append(json.load(source))
            except json.JSONDecodeError as error:
                sys.exit(f"{path}: expected one JSON object ({error})")
    return runs


def check_same_work(case, runs):
    """Exit unless all runs computed the same."""
    first_name, first = next((name, of[0]) for name, of in runs.items())
    for name, of in runs.items():
        for index, run in enumerate(of):
            for what in WORK:
                if what not in run:
                    sys.exit(f"{case}.{name}.{index}.json: no '{what}'; expected all of {', '.join(WORK)}")
                if run[what] != first[what]:
                    sys.exit(
                        f"{case}: different work is not compared: {what} is {run[what]} in {name} (round {index + 1}), "
                        f"but {first[what]} in {first_name}; run both sides with the same settings"
                    )
            if run["backbone"] != case.split("@")[0]:
                sys.exit(f"{case}.{name}.{index}.json: a run of {run['backbone']}")


def milliseconds(run):
    """`ms_per_step` is a number or an object with `median`."""
    value = run["ms_per_step"]
    return float(value["median"] if isinstance(value, dict) else value)


def processor():
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            for line in lines:
                if line.startswith("model name"):
                    return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def report_of(folder, case, rounds):
    """Medians and ratios of one backbone; prints its table."""
    runs = {name: load(folder, case, name, rounds) for name in [OURS, *PEERS]}
    runs = {name: of for name, of in runs.items() if of}
    if OURS not in runs or len(runs) < 2:
        sys.exit(f"{folder}: found runs of {', '.join(runs) or 'no program'} for {case}, expected {OURS} and a peer")
    check_same_work(case, runs)
    ours = [run["samples_per_second"] for run in runs[OURS]]
    rows, ratios = {}, {}
    for name, of in runs.items():
        rates = [run["samples_per_second"] for run in of]
        rows[name] = {
            "ms_per_step": round(statistics.median(milliseconds(run) for run in of), 3),
            "samples_per_second": round(statistics.median(rates), 1),
            "peak_rss_mib": round(max(run["peak_rss_mib"] for run in of), 1),
            "precision": of[0]["precision"],
        }
        if name != OURS:
            single = [mine / run["samples_per_second"] for mine, run in zip(ours, of)]
            ratios[name] = {
                "ratio": round(statistics.median(ours) / statistics.median(rates), 3),
                "smallest": round(min(single), 3),
                "largest": round(max(single), 3),
            }
    work = {what: runs[OURS][0][what] for what in WORK}
    size = " x ".join(str(side) for side in [work["channels"], *work["size"]])
    title = f"{case}, batch {work['batch']} of {size}, {work['weights']} weights, {work['threads']} threads"
    print(f"\n{title}", file=sys.stderr)
    print(f"{'':<20}{'ms per step':>12}{'samples/s':>12}{'peak MiB':>12}   widemargin is", file=sys.stderr)
    for name, row in rows.items():
        against = ""
        if name in ratios:
            ratio = ratios[name]
            against = f"   {ratio['ratio']:.2f} x ({ratio['smallest']:.2f} to {ratio['largest']:.2f})"
        numbers = f"{row['ms_per_step']:>12.1f}{row['samples_per_second']:>12.1f}{row['peak_rss_mib']:>12.0f}"
        print(f"{name:<20}{numbers}{against}", file=sys.stderr)
    peer = next(of[0] for name, of in runs.items() if name != OURS)
    tuned = runs.get("pytorch-tuned", [peer])[0]
    return {
        **work,
        "steps": {OURS: runs[OURS][0]["steps"], "peers": peer["steps"]},
        "instruction_set": runs[OURS][0]["instruction_set"],
        "torch": peer["torch"],
        "preload": tuned["preload"],
        "medians": rows,
        "ratios": ratios,
    }


def main():
    if len(sys.argv) < 4:
        sys.exit("usage: medians.py FOLDER ROUNDS CASE...")
    folder, rounds, cases = sys.argv[1], int(sys.argv[2]), sys.argv[3:]
    reports = {case: report_of(folder, case, rounds) for case in cases}
    summary = {}
    for name in PEERS:
        found = {case: of["ratios"][name]["ratio"] for case, of in reports.items() if name in of["ratios"]}
        if found:
            worst = min(found, key=found.get)
            mean = math.exp(statistics.fmean(math.log(ratio) for ratio in found.values()))
            summary[name] = {"geometric_mean": round(mean, 3), "worst": found[worst], "worst_backbone": worst}
    if len(reports) > 1:
        print("\nwidemargin against each peer over all backbones", file=sys.stderr)
        for name, of in summary.items():
            line = f"geometric mean {of['geometric_mean']:.2f} x, worst {of['worst']:.2f} x ({of['worst_backbone']})"
            print(f"{name:<20}{line}", file=sys.stderr)
    report = {
        "rounds": rounds,
        "processor": processor(),
        "cores": os.cpu_count(),
        "summary": summary,
        "backbones": reports,
    }
    json.dump(report, sys.stdout, indent=2)
    print()


if __name__ == "__main__":
    main()
