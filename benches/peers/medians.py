#!/usr/bin/env python3
"""Print medians and ratios of the runs that `compare_train.sh` saved in a folder. Uses Python's standard library only.

    medians.py FOLDER ROUNDS        reads FOLDER/<name>.<round>.json

A ratio is samples per second of widemargin over samples per second of the peer: above 1, widemargin is faster. It is computed from
the medians over all rounds, and printed with the smallest and largest ratio of a single round, so that a noisy machine is visible.
The table goes to stderr, the JSON object to stdout.
"""

import json
import os
import platform
import statistics
import sys

PEERS = ["pytorch", "pytorch-tuned"]
NAMES = ["widemargin", *PEERS]


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


def main():
    folder, rounds = sys.argv[1], int(sys.argv[2])
    runs = {}
    for name in NAMES:
        runs[name] = []
        for index in range(rounds):
            path = os.path.join(folder, f"{name}.{index}.json")
            with open(path, encoding="utf-8") as source:
                try:
                    runs[name].append(json.load(source))
                except json.JSONDecodeError as error:
                    sys.exit(f"{path}: expected one JSON object ({error})")

    ours = [run["samples_per_second"] for run in runs["widemargin"]]
    rows = {}
    for name in NAMES:
        rates = [run["samples_per_second"] for run in runs[name]]
        rows[name] = {
            "ms_per_step": round(statistics.median(milliseconds(run) for run in runs[name]), 3),
            "samples_per_second": round(statistics.median(rates), 1),
        }
        memory = [run["peak_rss_mib"] for run in runs[name] if "peak_rss_mib" in run]
        if memory:
            rows[name]["peak_rss_mib"] = round(max(memory), 1)
    ratios = {}
    for name in PEERS:
        single = [mine / run["samples_per_second"] for mine, run in zip(ours, runs[name])]
        ratios[name] = {
            "ratio": round(rows["widemargin"]["samples_per_second"] / rows[name]["samples_per_second"], 3),
            "smallest": round(min(single), 3),
            "largest": round(max(single), 3),
        }

    print(f"{'':<16}{'ms per step':>12}{'samples/s':>12}{'peak MiB':>12}   widemargin is", file=sys.stderr)
    for name in NAMES:
        row = rows[name]
        against = ""
        if name in ratios:
            ratio = ratios[name]
            against = f"   {ratio['ratio']:.2f} x ({ratio['smallest']:.2f} to {ratio['largest']:.2f})"
        memory = f"{row['peak_rss_mib']:.0f}" if "peak_rss_mib" in row else "-"
        line = f"{name:<16}{row['ms_per_step']:>12.1f}{row['samples_per_second']:>12.0f}{memory:>12}{against}"
        print(line, file=sys.stderr)

    peer = runs["pytorch-tuned"][0]
    report = {
        "rounds": rounds,
        "batch": peer["batch"],
        "steps": peer["steps"],
        "threads": peer["threads"],
        "torch": peer["torch"],
        "preload": peer["preload"],
        "processor": processor(),
        "cores": os.cpu_count(),
        "medians": rows,
        "ratios": ratios,
    }
    json.dump(report, sys.stdout, indent=2)
    print()


if __name__ == "__main__":
    main()
