#!/usr/bin/env python3
"""Check the output of a training run: `report.json` has all values, each in a range that a working program reaches even in a
quick run, and `report.html` is self-contained. Uses Python's standard library only.

    check_report.py RUN_FOLDER

Prints the values and exits 0, or prints every problem and exits 1. The ranges are far below the results of a full run: they detect a
program that learns nothing or measures wrongly, not one that became slightly worse.
"""

import json
import math
import re
import sys
from pathlib import Path

# Key path in report.json, smallest and largest allowed value.
RANGES = [
    (("unseen", "verification", "pairs"), 1, math.inf),
    (("unseen", "verification", "auc"), 0.75, 1.0),
    (("unseen", "verification", "eer"), 0.0, 0.35),
    (("unseen", "verification", "eer_threshold"), -1.0, 1.0),
    (("unseen", "verification", "tar_at_far", "1e-1"), 0.2, 1.0),
    (("unseen", "verification", "tar_at_far", "1e-2"), 0.0, 1.0),
    (("unseen", "verification", "tar_at_far", "1e-3"), 0.0, 1.0),
    (("unseen", "retrieval", "recall_at", "1"), 0.6, 1.0),
    (("unseen", "retrieval", "recall_at", "5"), 0.6, 1.0),
    (("unseen", "retrieval", "recall_at", "10"), 0.6, 1.0),
    (("unseen", "retrieval", "map_at_r"), 0.2, 1.0),
    (("unseen", "retrieval", "r_precision"), 0.2, 1.0),
    (("known", "accuracy"), 0.6, 1.0),
    (("seconds",), 0.001, 3600.0),
    (("samples_per_second",), 1.0, math.inf),
    (("seed",), 0, math.inf),
]

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


def check_numbers(report):
    complaints = []
    for path, smallest, largest in RANGES:
        value = look_up(report, path)
        name = ".".join(path)
        if value is None:
            complaints.append(f"{name}: expected a number, found none")
        elif not smallest <= value <= largest:
            complaints.append(f"{name}: {value} is outside {smallest} to {largest}")
        else:
            print(f"{name:<40} {value:.6g}")
    for smaller, larger in ORDERED:
        low, high = look_up(report, smaller), look_up(report, larger)
        if low is not None and high is not None and low > high + 1e-9:
            complaints.append(f"{'.'.join(smaller)} {low} is above {'.'.join(larger)} {high}")
    device = report.get("device")
    if not isinstance(device, str) or not device:
        complaints.append(f"device: expected a name, found {device!r}")
    return complaints


def check_page(page):
    complaints = []
    if "<svg" not in page:
        complaints.append("report.html: no figure (no <svg>)")
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
