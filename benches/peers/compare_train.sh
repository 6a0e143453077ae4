#!/usr/bin/env bash
# Time the same training steps with widemargin and PyTorch alternately; medians and ratios.
#
#   benches/peers/compare_train.sh [ROUNDS [BACKBONE...]]        default 3 rounds of small-cnn
#   benches/peers/compare_train.sh 3 all                         every backbone of the published table
#
# A backbone may have a size: resnet50@112 is resnet50 on images of 112 x 112. Without one it is the backbone's usual size.
#
# Each round runs these programs per backbone, one after the other. The order rotates from round to round, so that a machine that slows
# down or is shared does not favour the first one:
#   widemargin            `widemargin bench train`
#   pytorch               train_step.py, PyTorch as installed
#   pytorch-tuned         train_step.py --tuned: channels-last, and jemalloc preloaded with its pages kept
#   pytorch-tuned-bf16    the same with bf16 autocast
#   pytorch-compiled, pytorch-compiled-bf16    the tuned ones with --compile (torch.compile, which needs a C++ compiler); only if PROGRAMS names them
# All use the same number of threads. Every program prints what it computed (backbone, size, channels, batch, classes, dimension of the
# embedding, number of weights, threads), and medians.py refuses to compare different work. The table goes to stderr, one JSON object to
# stdout.
#
# Environment:
#   PEERS_PYTHON    a Python with the packages of requirements.txt; otherwise the script creates a virtual environment in target/peers/
#   PEERS_JEMALLOC  path of libjemalloc.so.2; otherwise the script searches for it (Debian: package libjemalloc2)
#   PEERS_RUNS      folder for the raw result of every run; default target/peers/runs
#   PROGRAMS        the programs to run, widemargin and at least one other; default the first four
#   WIDEMARGIN      the program to measure; otherwise the script builds it with `cargo build --release`
#   BATCH, STEPS, WARM_UP   default 128, 60, 10; for residual networks 32, 8, 3
#   THREADS         default 2
#   PRECISION       precision of widemargin, full or mixed; default full. The precision of the peers is in their names.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
rounds=${1:-3}
threads=${THREADS:-2}
target=${CARGO_TARGET_DIR:-$root/target}
results=${PEERS_RUNS:-$target/peers/runs}
read -r -a who <<<"${PROGRAMS:-widemargin pytorch pytorch-tuned pytorch-tuned-bf16}"

say() { printf '%s\n' "$*" >&2; }

case $rounds in
'' | *[!0-9]* | 0*) say "rounds: found '$rounds', expected a whole number of at least 1"; exit 2 ;;
esac
shift || true
cases=("$@")
[ ${#cases[@]} -gt 0 ] || cases=(small-cnn)
if [ "${cases[*]}" = all ]; then
    cases=(small-cnn resnet18@112 resnet18@224 resnet50@112 resnet50@224 iresnet18 iresnet50 iresnet100 mlp linear)
fi

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

# The settings of one case, which both sides get.
settings() {
    backbone=${1%@*}
    work=(--backbone "$backbone")
    case $1 in *@*) work+=(--size "${1#*@}") ;; esac
    case $backbone in
    resnet* | iresnet*) work+=(--batch "${BATCH:-32}" --steps "${STEPS:-8}" --warm-up "${WARM_UP:-3}") ;;
    *) work+=(--batch "${BATCH:-128}" --steps "${STEPS:-60}" --warm-up "${WARM_UP:-10}") ;;
    esac
}
peer() { "$python" "$here/train_step.py" "${work[@]}" --threads "$threads" "$@"; }
tuned_peer() {
    local preload=()
    [ -z "$jemalloc" ] || preload=(LD_PRELOAD="$jemalloc" MALLOC_CONF="dirty_decay_ms:-1,muzzy_decay_ms:-1")
    env "${preload[@]}" "$python" "$here/train_step.py" --tuned "${work[@]}" --threads "$threads" "$@"
}
run_widemargin() { RAYON_NUM_THREADS=$threads "$ours" bench train "${work[@]}" --precision "${PRECISION:-full}" --json; }
run_pytorch() { peer; }
run_pytorch-tuned() { tuned_peer; }
run_pytorch-tuned-bf16() { tuned_peer --precision bf16; }
run_pytorch-compiled() { tuned_peer --compile; }
run_pytorch-compiled-bf16() { tuned_peer --compile --precision bf16; }

for name in "${who[@]}"; do
    [ "$(type -t "run_$name")" = function ] || { say "PROGRAMS: unknown program '$name'"; exit 2; }
done

mkdir -p "$results"
rm -f "$results"/*.json
for ((round = 0; round < rounds; round++)); do
    for case in "${cases[@]}"; do
        settings "$case"
        for ((turn = 0; turn < ${#who[@]}; turn++)); do
            name=${who[$(((round + turn) % ${#who[@]}))]}
            say "round $((round + 1)) of $rounds: $case, $name"
            "run_$name" >"$results/$case.$name.$round.json"
        done
    done
done

"$python" "$here/medians.py" "$results" "$rounds" "${cases[@]}"
