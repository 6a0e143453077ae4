#!/usr/bin/env bash
# Time every objective with widemargin and pytorch-metric-learning on the same cores: milliseconds and ratios.
#
#   benches/peers/compare_objectives.sh [NAME,NAME,...]        default: all except nt-xent and tuplet-margin
#
# Ours with criterion (crates/head/benches/objectives.rs), theirs with objectives.py, one after the other; medians. The Markdown table
# goes to stdout. nt-xent and tuplet-margin take pytorch-metric-learning a minute per run at this size, so they are measured only
# if named. PEERS_PYTHON as for compare_train.sh.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
target=${CARGO_TARGET_DIR:-$root/target}
python=${PEERS_PYTHON:-$target/peers/venv/bin/python}
threads=${THREADS:-2}
repeats=${REPEATS:-5}
names=${1:-normalized-softmax,am-softmax,cosface,arcface,sphereface,large-margin-softmax,sub-centre,proxy-nca,proxy-anchor,soft-triple,contrastive,triplet-margin,circle,multi-similarity,supcon,lifted-structure,angular,signal-to-noise-ratio-contrastive,intra-pair-variance,fast-ap,ranked-list}
"$python" -c 'import torch, pytorch_metric_learning' || {
    echo "$python has no PyTorch and pytorch-metric-learning; install $here/requirements.txt or set PEERS_PYTHON" >&2
    exit 2
}
(cd "$root" && RAYON_NUM_THREADS=$threads cargo bench -p widemargin-head --bench objectives -- "/(${names//,/|})\$" >&2)
theirs=$("$python" "$here/objectives.py" --threads "$threads" --repeats "$repeats" --only "$names")
"$python" - "$target/criterion" "$theirs" <<'PY'
import json, os, sys
folder, theirs = sys.argv[1], json.loads(sys.argv[2])
print(f"PyTorch {theirs['torch']}, pytorch-metric-learning {theirs['pytorch_metric_learning']}, {theirs['threads']} threads\n")
print("| objective | widemargin, ms | pytorch-metric-learning, ms | speed-up |\n|---|---|---|---|")
for name, peer in theirs["ms"].items():
    for group in ("classes", "pairs"):
        path = os.path.join(folder, group, name, "new", "estimates.json")
        if os.path.exists(path):
            with open(path, encoding="utf-8") as source:
                ours = json.load(source)["median"]["point_estimate"] / 1e6
            print(f"| `{name}` | {ours:.1f} | {peer['median']:.1f} | {peer['median'] / ours:.1f} |")
PY
