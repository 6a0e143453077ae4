#!/usr/bin/env python3
"""Check the output of a training run: `report.json` has all values, each in its range; training gained as much over the untrained
model as a working program gains even in a quick run; and `report.html` has all sections and is self-contained. Uses Python's standard library only.

    check_report.py RUN_FOLDER

Prints the values and exits 0, or prints every problem and exits 1. A model with random weights already reaches a good part of the
absolute values, so these prove little. The gain is far below that of a full run, so that this check detects a program that learns
nothing or measures wrongly, not one that became slightly worse.
"""

import json
import math
import re
import sys
from pathlib import Path

# Measures of a model, by their key path in report.json and in its `untrained`, with the smallest and largest possible value.
MEASURES = [
    (("unseen", "verification", "auc"), 0.0, 1.0),
    (("unseen", "verification", "eer"), 0.0, 1.0),
    (("unseen", "verification", "tar_at_far", "1e-1"), 0.0, 1.0),
    (("unseen", "verification", "tar_at_far", "1e-2"), 0.0, 1.0),
    (("unseen", "verification", "tar_at_far", "1e-3"), 0.0, 1.0),
    (("unseen", "retrieval", "recall_at", "1"), 0.0, 1.0),
    (("unseen", "retrieval", "recall_at", "5"), 0.0, 1.0),
    (("unseen", "retrieval", "recall_at", "10"), 0.0, 1.0),
    (("unseen", "retrieval", "map_at_r"), 0.0, 1.0),
    (("unseen", "retrieval", "r_precision"), 0.0, 1.0),
    (("unseen", "mean_average_precision"), 0.0, 1.0),
]

# Other values: key path, smallest and largest allowed value.
RANGES = [
    # 1,072 classes: chance is 0.001. The untrained model has no class centres, so it has no accuracy to gain from.
    (("known", "accuracy"), 0.3, 1.0),
    (("unseen", "verification", "pairs"), 1, math.inf),
    (("unseen", "verification", "eer_threshold"), -1.0, 1.0),
    (("seconds",), 0.001, 3600.0),
    (("samples_per_second",), 1.0, math.inf),
    (("seed",), 0, math.inf),
]

# What training must gain over the untrained model: about half of what this short run gains. Other instruction sets give other bits.
LEAST_GAIN = [
    (("unseen", "verification", "auc"), 0.06),
    (("unseen", "verification", "eer"), 0.06),
    (("unseen", "retrieval", "recall_at", "1"), 0.07),
    (("unseen", "retrieval", "map_at_r"), 0.07),
]

# Measures of which less is better.
LOWER_IS_BETTER = {("unseen", "verification", "eer")}

# Pairs (smaller, larger) whose order holds by definition.
ORDERED = [
    (("unseen", "verification", "tar_at_far", "1e-3"), ("unseen", "verification", "tar_at_far", "1e-2")),
    (("unseen", "verification", "tar_at_far", "1e-2"), ("unseen", "verification", "tar_at_far", "1e-1")),
    (("unseen", "retrieval", "recall_at", "1"), ("unseen", "retrieval", "recall_at", "5")),
    (("unseen", "retrieval", "recall_at", "5"), ("unseen", "retrieval", "recall_at", "10")),
    (("unseen", "retrieval", "map_at_r"), ("unseen", "retrieval", "r_precision")),
]


def look_up(report, path):
    """The number at `path`, or None if there is none. Booleans and NaN do not count as numbers."""
    value = report
    for key in path:
        if not isinstance(value, dict) or key not in value:
            return None
        value = value[key]
    if isinstance(value, bool) or not isinstance(value, (int, float)) or math.isnan(value):
        return None
    return value


def check_range(report, path, smallest, largest):
    value = look_up(report, path)
    name = ".".join(path)
    if value is None:
        return [f"{name}: expected a number, found none"]
    if not smallest <= value <= largest:
        return [f"{name}: {value} is outside {smallest} to {largest}"]
    print(f"{name:<50} {value:.6g}")
    return []


def check_gain(report):
    """The gain is the difference to the untrained model, and large enough."""
    complaints = []
    for path, _, _ in MEASURES:
        trained, untrained, gain = (look_up(report, (*part, *path)) for part in ((), ("untrained",), ("gain",)))
        if None in (trained, untrained, gain):
            complaints.append(f"gain.{'.'.join(path)}: expected numbers, found {trained}, {untrained} and {gain}")
            continue
        sign = -1 if path in LOWER_IS_BETTER else 1
        if abs(gain - sign * (trained - untrained)) > 1e-9:
            complaints.append(f"gain.{'.'.join(path)}: {gain} is not the difference of {trained} and {untrained}")
    for path, least in LEAST_GAIN:
        complaints += check_range(report, ("gain", *path), least, 1.0)
    return complaints


def check_numbers(report):
    complaints = []
    for part in ((), ("untrained",)):
        for path, smallest, largest in MEASURES:
            complaints += check_range(report, (*part, *path), smallest, largest)
        for smaller, larger in ORDERED:
            low, high = look_up(report, (*part, *smaller)), look_up(report, (*part, *larger))
            if low is not None and high is not None and low > high + 1e-9:
                complaints.append(f"{'.'.join(smaller)} {low} is above {'.'.join(larger)} {high}")
    for path, smallest, largest in RANGES:
        complaints += check_range(report, path, smallest, largest)
    complaints += check_gain(report)
    for path, interval in [
        (("unseen", "verification", "eer"), ("verification", "eer")),
        (("unseen", "retrieval", "map_at_r"), ("retrieval", "map_at_r")),
        (("unseen", "retrieval", "recall_at", "1"), ("retrieval", "recall_at", "1")),
    ]:
        value = look_up(report, path)
        low, high = (look_up(report, ("intervals", *interval, end)) for end in ("low", "high"))
        if None in (value, low, high) or not low < value < high:
            complaints.append(f"intervals.{'.'.join(interval)}: {low} to {high} does not contain {value}")
    warnings = report.get("warnings")
    if not isinstance(warnings, list) or not all(isinstance(warning, str) for warning in warnings):
        complaints.append(f"warnings: expected a list of sentences, found {warnings!r}")
    device = report.get("device")
    if not isinstance(device, str) or not device:
        complaints.append(f"device: expected a name, found {device!r}")
    return complaints


# The sections of the page, in order, and what each must contain.
SECTIONS = [
    ("results", ">untrained</th>"),
    ("training", "<title>Loss</title>"),
    ("verification", "<title>ROC curve</title>"),
    ("retrieval", "<title>Retrieval</title>"),
    ("confusions", "Worst impostor pairs"),
    ("neighbours", "Hardest queries"),
    ("embeddings", "Map: t-SNE"),
    ("configuration", "training.seed"),
    ("glossary", "EER, equal error rate"),
]

MOST_BYTES = 5_000_000


def check_page(page):
    complaints = []
    parts = re.split(r'<section id="(\w+)"', page)
    found = parts[1::2]
    expected = [name for name, _ in SECTIONS]
    if found != expected:
        complaints.append(f"report.html: the sections are {', '.join(found)}; expected {', '.join(expected)}")
    for name, content in SECTIONS:
        if content not in dict(zip(found, parts[2::2])).get(name, ""):
            complaints.append(f"report.html: section {name}: {content!r} is missing")
    if len(page) > MOST_BYTES:
        complaints.append(f"report.html: {len(page)} characters, expected at most {MOST_BYTES}")
    stored = re.findall(r'<symbol id="(s\d+)"', page)
    shown = set(re.findall(r'<use href="#(s\d+)"', page))
    if len(stored) != len(set(stored)) or page.count("data:image/") != len(stored):
        complaints.append(f"report.html: {page.count('data:image/')} images for {len(set(stored))} samples; each must be stored once")
    if not shown or not shown <= set(stored):
        complaints.append(f"report.html: {len(shown)} images are shown, of which {len(shown - set(stored))} are not stored")
    outside = re.findall(r"""(?:<link\b|<script\b[^>]*\bsrc\s*=|\bsrc\s*=\s*["']https?:|url\(\s*["']?https?:)[^>]{0,60}""", page)
    if outside:
        complaints.append(f"report.html: not self-contained: {outside[0]}")
    return complaints


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    folder = Path(sys.argv[1])
    try:
        report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
        page = (folder / "report.html").read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        sys.exit(f"{folder}: {error}")
    if not isinstance(report, dict):
        sys.exit(f"{folder / 'report.json'}: expected a JSON object")
    complaints = check_numbers(report) + check_page(page)
    for complaint in complaints:
        print(complaint, file=sys.stderr)
    sys.exit(1 if complaints else 0)


if __name__ == "__main__":
    main()
