#!/usr/bin/env bash
# Time the same training step with widemargin and PyTorch alternately; medians and ratios.
#
#   benches/peers/compare_train.sh [ROUNDS]        default 3 rounds
#
# Each round runs three programs, one after the other. The order rotates from round to round, so that a machine that slows down
# or is shared does not favour the first one:
#   widemargin      `widemargin bench train --backbone small-cnn`
#   pytorch         train_step.py, PyTorch as installed
#   pytorch-tuned   train_step.py --tuned: channels-last, and jemalloc preloaded with its pages kept
# All use the same number of threads. The table goes to stderr, one JSON object to stdout.
#
# Environment:
#   PEERS_PYTHON    a Python with the packages of requirements.txt; otherwise the script creates a virtual environment in target/peers/
#   PEERS_JEMALLOC  path of libjemalloc.so.2; otherwise the script searches for it (Debian: package libjemalloc2)
#   PEERS_RUNS      folder for the raw result of every run; default target/peers/runs
#   WIDEMARGIN      the program to measure; otherwise the script builds it with `cargo build --release`
#   BATCH, STEPS, THREADS   default 128, 60, 2
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
rounds=${1:-3}
batch=${BATCH:-128}
steps=${STEPS:-60}
threads=${THREADS:-2}
target=${CARGO_TARGET_DIR:-$root/target}
results=${PEERS_RUNS:-$target/peers/runs}

say() { printf '%s\n' "$*" >&2; }

case $rounds in
'' | *[!0-9]* | 0*) say "rounds: found '$rounds', expected a whole number of at least 1"; exit 2 ;;
esac

python=${PEERS_PYTHON:-}
if [ -z "$python" ]; then
    python=$target/peers/venv/bin/python
    if ! "$python" -c 'import torch' 2>/dev/null; then
        say "creating a virtual environment in $target/peers/venv (PyTorch is several gigabytes; set PEERS_PYTHON to use your own)"
        python3 -m venv "$target/peers/venv"
        "$python" -m pip install --quiet -r "$here/requirements.txt"
    fi
fi
expected=$(sed -n 's/^torch==//p' "$here/requirements.txt")
found=$("$python" -c 'import torch; print(torch.__version__.split("+")[0])') || {
    say "$python cannot import torch; install $here/requirements.txt"
    exit 2
}
[ "$found" = "$expected" ] || say "note: this is PyTorch $found; requirements.txt has $expected"

jemalloc=${PEERS_JEMALLOC:-}
if [ -z "$jemalloc" ]; then
    jemalloc=$(find /usr/lib /usr/lib64 /usr/local/lib /opt/homebrew/lib -name 'libjemalloc.so.2' 2>/dev/null | head -n 1 || true)
fi
if [ -z "$jemalloc" ]; then
    say "note: libjemalloc.so.2 not found (Debian: libjemalloc2), so PyTorch is tuned with channels-last tensors only"
fi

ours=${WIDEMARGIN:-}
if [ -z "$ours" ]; then
    say "building widemargin"
    (cd "$root" && cargo build --release --locked -p widemargin-cli >&2)
    ours=$target/release/widemargin
fi

run_widemargin() {
    RAYON_NUM_THREADS=$threads "$ours" bench train --backbone small-cnn --batch "$batch" --steps "$steps" --json
}
run_pytorch() {
    "$python" "$here/train_step.py" --batch "$batch" --steps "$steps" --threads "$threads"
}
run_pytorch-tuned() {
    local preload=()
    [ -z "$jemalloc" ] || preload=(LD_PRELOAD="$jemalloc" MALLOC_CONF="dirty_decay_ms:-1,muzzy_decay_ms:-1")
    env "${preload[@]}" "$python" "$here/train_step.py" --tuned --batch "$batch" --steps "$steps" --threads "$threads"
}

mkdir -p "$results"
rm -f "$results"/*.json
who=(widemargin pytorch pytorch-tuned)
for ((round = 0; round < rounds; round++)); do
    for ((turn = 0; turn < 3; turn++)); do
        name=${who[$(((round + turn) % 3))]}
        say "round $((round + 1)) of $rounds: $name"
        "run_$name" >"$results/$name.$round.json"
    done
done

"$python" "$here/medians.py" "$results" "$rounds"
