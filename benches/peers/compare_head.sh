#!/usr/bin/env bash
# Time one step of the class-centre head with widemargin and PyTorch alternately: seconds, memory and ratios.
#
#   benches/peers/compare_head.sh [--quick]
#
# For each size and regime, PyTorch runs as installed and tuned as well as we can (jemalloc preloaded with its pages kept, also with
# torch.compile; the faster of the two counts). Then widemargin runs dense, screened, and sampled at a rate of 0.1. The Markdown
# table goes to stdout, raw results as JSON lines to the file named on stderr. --quick uses the smallest size only.
#
# Environment: PEERS_PYTHON, PEERS_JEMALLOC, WIDEMARGIN as for compare_train.sh; THREADS (2), STEPS (7),
# SIZES ("10000:128 100000:512 1000000:128"), REGIMES ("random trained").
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
target=${CARGO_TARGET_DIR:-$root/target}
python=${PEERS_PYTHON:-$target/peers/venv/bin/python}
threads=${THREADS:-2}
steps=${STEPS:-7}
sizes=${SIZES:-10000:128 100000:512 1000000:128}
regimes=${REGIMES:-random trained}
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

record() { # NAME CLASSES BATCH REGIME COMMAND...
    local name=$1 classes=$2 batch=$3 regime=$4 figures
    shift 4
    echo "$classes:$batch $regime $name" >&2
    figures=$("$@" 2>/dev/null | tail -n 1) || figures=
    [ -n "$figures" ] || figures=null
    printf '{"name": "%s", "classes": %s, "batch": %s, "regime": "%s", "figures": %s}\n' \
        "$name" "$classes" "$batch" "$regime" "$figures" >>"$raw"
}
tuned() { env ${jemalloc:+LD_PRELOAD="$jemalloc" MALLOC_CONF=dirty_decay_ms:-1,muzzy_decay_ms:-1} "$@"; }

export RAYON_NUM_THREADS=$threads
for size in $sizes; do
    classes=${size%:*} batch=${size#*:}
    for regime in $regimes; do
        peer=("$python" "$here/head.py" --classes "$classes" --batch "$batch" --regime "$regime" --threads "$threads" --steps "$steps")
        mine=("$ours" bench head --classes "$classes" --batch "$batch" --regime "$regime" --steps "$steps" --json)
        record installed "$classes" "$batch" "$regime" "${peer[@]}"
        record jemalloc "$classes" "$batch" "$regime" tuned "${peer[@]}"
        record compiled "$classes" "$batch" "$regime" tuned "${peer[@]}" --compile
        record dense "$classes" "$batch" "$regime" "${mine[@]}" --mode dense
        record screened "$classes" "$batch" "$regime" "${mine[@]}" --mode screened
        record sampled "$classes" "$batch" "$regime" "${mine[@]}" --mode sampled
    done
done
"$python" - "$raw" <<'PY'
import json, sys
runs = [json.loads(line) for line in open(sys.argv[1], encoding="utf-8")]
print("| work | PyTorch, s: installed, tuned | MiB | dense, s | MiB | screened, s | MiB | sampled 0.1, s | dense: speed-up over installed, tuned | screened: speed-up over installed, tuned |")
print("|---|---|---|---|---|---|---|---|---|---|")
keys = list(dict.fromkeys((run["classes"], run["batch"], run["regime"]) for run in runs))
for key in keys:
    of = {run["name"]: run["figures"] for run in runs if (run["classes"], run["batch"], run["regime"]) == key}
    best = min((of[name] for name in ("installed", "jemalloc", "compiled") if of.get(name)), key=lambda found: found["seconds"], default=None)
    if not (of.get("installed") and best):
        print(f"| C {key[0]}, B {key[1]}, {key[2]} | did not run |")
        continue
    mib = lambda found: f"{found['peak_bytes'] / 2**20:.0f}" if found else "-"
    seconds = lambda found: f"{found['seconds']:.3f}" if found else "-"
    ratio = lambda found: f"{of['installed']['seconds'] / found['seconds']:.1f}, {best['seconds'] / found['seconds']:.1f}" if found else "-"
    print(f"| C {key[0]}, B {key[1]}, {key[2]} | {seconds(of['installed'])}, {seconds(best)} | {mib(of['installed'])}, {mib(best)} "
          f"| {seconds(of['dense'])} | {mib(of['dense'])} | {seconds(of['screened'])} | {mib(of['screened'])} | {seconds(of['sampled'])} "
          f"| {ratio(of['dense'])} | {ratio(of['screened'])} |")
PY
