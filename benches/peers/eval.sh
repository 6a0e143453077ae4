#!/usr/bin/env bash
# Time the same evaluation with widemargin and with faiss, pytorch-metric-learning and scikit-learn.
#
#   benches/peers/eval.sh [ROWS] [DIM] [SCORES]      default 100000 512 100000000
#
# Prints one line per tool: time, peak memory, and values that show that the tools agree. Processes run one after the other with
# THREADS threads (default 2).
#
# Environment:
#   PEERS_PYTHON   a Python with the versions listed in eval_peers.py
#   TIMINGS        the program to measure; otherwise the script builds the example `timings` in release mode
#   ONLY           a word such as `search`: run only the lines that contain it
#   SETS           instruction sets to run widemargin with, such as "avx2 avx512 amx"; default: the fastest of this processor. The peers
#                  run once, with what they choose.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
rows=${1:-100000}
dim=${2:-512}
scores=${3:-100000000}
export THREADS=${THREADS:-2}
export RAYON_NUM_THREADS=$THREADS OMP_NUM_THREADS=$THREADS
python=${PEERS_PYTHON:-python3}
timings=${TIMINGS:-}
if [ -z "$timings" ]; then
    (cd "$root" && cargo build --release --locked -p widemargin-eval --example timings >&2)
    timings=${CARGO_TARGET_DIR:-$root/target}/release/examples/timings
fi
data=$(mktemp -d)
trap 'rm -rf "$data"' EXIT
"$python" "$here/eval_peers.py" make "$data" "$rows" "$dim" "$scores"

run() {
    local name=$1
    shift
    case $name in *"${ONLY:-}"*) ;; *) return ;; esac
    printf '%-32s %s\n' "$name" "$("$@")"
}
peer() { "$python" "$here/eval_peers.py" "$@"; }

ours() {
    local name=$1 set
    shift
    for set in ${SETS:-fastest}; do
        WIDEMARGIN_INSTRUCTION_SET=${set/fastest/} run "$name widemargin ($set)" "$timings" "$@"
    done
}

ours search search "$data/rows.npy" 10
run 'search faiss-cpu IndexFlatIP' peer faiss "$data/rows.npy" 10
ours retrieval retrieval "$data/rows.npy" "$data/labels.npy"
run 'retrieval AccuracyCalculator' peer calculator "$data/rows.npy" "$data/labels.npy"
ours scores scores "$data/genuine.npy" "$data/impostor.npy"
run 'scores scikit-learn' peer sklearn "$data/genuine.npy" "$data/impostor.npy"
ours streaming streaming "$data/rows.npy" "$data/labels.npy"
