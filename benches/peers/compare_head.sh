#!/usr/bin/env bash
# Time one step of the class-centre head with widemargin and PyTorch alternately: seconds, memory and ratios.
#
#   benches/peers/compare_head.sh [--quick]
#
# For each size, precision and regime, PyTorch runs as installed and tuned as well as we can (jemalloc preloaded with its pages kept,
# also with torch.compile; the faster of the two counts). Then widemargin runs dense, screened, screened with centres and momentum
# stored in bfloat16, and sampled at a rate of 0.1. The precision `mixed` is bfloat16 autocast in PyTorch and products in bfloat16 in
# our dense and sampled heads; a screened head has no such products, and is the same in both. Every program prints what it computed,
# and different work is not compared. The Markdown table goes to stdout, raw results as JSON lines to the file named on stderr.
# --quick uses the smallest size only.
#
#   SIZES=1000000:128 REGIMES=random benches/peers/compare_head.sh        a million classes, f32 and bfloat16
#
# Environment: PEERS_PYTHON, PEERS_JEMALLOC, WIDEMARGIN as for compare_train.sh; THREADS (2), STEPS (7), DIM (512),
# SIZES ("10000:128 100000:512 1000000:128"), PRECISIONS ("full mixed"), REGIMES ("random trained").
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
target=${CARGO_TARGET_DIR:-$root/target}
python=${PEERS_PYTHON:-$target/peers/venv/bin/python}
threads=${THREADS:-2}
steps=${STEPS:-7}
sizes=${SIZES:-10000:128 100000:512 1000000:128}
precisions=${PRECISIONS:-full mixed}
regimes=${REGIMES:-random trained}
dim=${DIM:-512}
if [ "${1:-}" = --quick ]; then
    sizes=10000:128
fi
"$python" -c 'import torch' || {
    echo "$python has no PyTorch; install $here/requirements.txt or set PEERS_PYTHON" >&2
    exit 2
}
jemalloc=${PEERS_JEMALLOC:-$(find /usr/lib /usr/lib64 /usr/local/lib -name 'libjemalloc.so.2' 2>/dev/null | head -n 1 || true)}
[ -n "$jemalloc" ] || echo "note: libjemalloc.so.2 not found (Debian: libjemalloc2), so PyTorch is tuned with torch.compile only" >&2
ours=${WIDEMARGIN:-}
if [ -z "$ours" ]; then
    (cd "$root" && cargo build --release >&2)
    ours=$target/release/widemargin
fi
raw=$(mktemp "${TMPDIR:-/tmp}/head.XXXXXX")
echo "raw results: $raw" >&2

record() { # NAME SIZE PRECISION REGIME COMMAND...
    local name=$1 size=$2 precision=$3 regime=$4 figures
    shift 4
    echo "$size $precision $regime $name" >&2
    figures=$("$@" 2>/dev/null | tail -n 1) || figures=
    [ -n "$figures" ] || figures=null
    printf '{"name": "%s", "size": "%s", "precision": "%s", "regime": "%s", "figures": %s}\n' \
        "$name" "$size" "$precision" "$regime" "$figures" >>"$raw"
}
tuned() { env ${jemalloc:+LD_PRELOAD="$jemalloc" MALLOC_CONF=dirty_decay_ms:-1,muzzy_decay_ms:-1} "$@"; }

export RAYON_NUM_THREADS=$threads
for size in $sizes; do
    for precision in $precisions; do
        for regime in $regimes; do
            work=(--classes "${size%:*}" --batch "${size#*:}" --dim "$dim" --regime "$regime" --steps "$steps")
            peer=("$python" "$here/head.py" "${work[@]}" --threads "$threads" --precision "$precision")
            mine=("$ours" bench head "${work[@]}" --json)
            run() { record "$1" "$size" "$precision" "$regime" "${@:2}"; }
            run installed "${peer[@]}"
            run jemalloc tuned "${peer[@]}"
            run compiled tuned "${peer[@]}" --compile
            run dense "${mine[@]}" --mode dense --precision "$precision"
            run screened "${mine[@]}" --mode screened
            run screened-bf16 "${mine[@]}" --mode screened --centres bf16 --optimiser-state bf16
            run sampled "${mine[@]}" --mode sampled --precision "$precision"
        done
    done
done
"$python" - "$raw" <<'PY'
import json, sys
# What a run computed. Every run prints these values, and they must be the same on both sides.
WORK = ["classes", "batch", "dim", "scale", "margin", "regime", "threads"]
# Runs that follow the precision of their row; a screened head has none to follow.
PRECISE = ["installed", "jemalloc", "compiled", "dense", "sampled"]
PEERS = ["installed", "jemalloc", "compiled"]
OURS = ["dense", "screened", "screened-bf16", "sampled"]
runs = [json.loads(line) for line in open(sys.argv[1], encoding="utf-8")]
keys = list(dict.fromkeys((run["size"], run["precision"], run["regime"]) for run in runs))
print("| work | PyTorch installed: s, MiB | tuned: s, MiB | " + " | ".join(f"{name}: s, MiB, speed-up over installed, tuned" for name in OURS) + " |")
print("|---|" + "--:|" * (2 + len(OURS)))
for key in keys:
    of = {run["name"]: run["figures"] for run in runs if (run["size"], run["precision"], run["regime"]) == key and run["figures"]}
    work = "C {}, B {}, {}, {}".format(*key[0].split(":"), *key[1:])
    for name, found in of.items():
        first_name, first = next(iter(of.items()))
        for what in WORK + ["precision"] * (name in PRECISE and first_name in PRECISE):
            if what not in found or found[what] != first.get(what):
                sys.exit(f"{work}: different work is not compared: {what} is {found.get(what)} in {name}, but {first.get(what)} in {first_name}")
    best = min((of[name] for name in PEERS if name in of), key=lambda found: found["seconds"], default=None)
    if not (of.get("installed") and best):
        print(f"| {work} | did not run |")
        continue
    mib = lambda found: f"{found['peak_bytes'] / 2**20:.0f}"
    plain = lambda found: f"{found['seconds']:.3f}, {mib(found)}"
    ratios = lambda found: ", ".join(f"{peer['seconds'] / found['seconds']:.1f}" for peer in (of["installed"], best))
    cells = [f"{plain(of[name])}, {ratios(of[name])}" if name in of else "-" for name in OURS]
    print(f"| {work} | {plain(of['installed'])} | {plain(best)} | " + " | ".join(cells) + " |")
PY
