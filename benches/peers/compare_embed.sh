#!/usr/bin/env bash
# Time the same inference with widemargin and ONNX Runtime alternately; medians and ratios.
#
#   benches/peers/compare_embed.sh [ROUNDS [BACKBONE[@SIZE]...]]     default 3 rounds of every backbone of the published table
#
# In each round both programs embed the same batch with the same random weights, one after the other; the order changes from round to round.
# The script refuses to compare runs whose first embedding differs by more than 1e-3, or 3e-2 in mixed precision. A ratio is samples per second of widemargin over those of ONNX Runtime.
#
# Environment:
#   PEERS_PYTHON   a Python with onnxruntime and numpy (versions in .ci/requirements.txt); otherwise an environment in target/peers/
#   PEERS_RUNS     folder for the raw result of every run; default target/peers/embed
#   WIDEMARGIN     the program to measure; otherwise the script builds it with `cargo build --release`
#   THREADS        default 2
#   PRECISION      precision of widemargin, full or mixed; default full. ONNX Runtime computes in f32 in both cases.
#   BATCH, STEPS, WARM_UP   default 32, 10, 2 for residual networks; 32, 300, 50 for the others
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
rounds=${1:-3}
shift || true
target=${CARGO_TARGET_DIR:-$root/target}
results=${PEERS_RUNS:-$target/peers/embed}
threads=${THREADS:-2}
precision=${PRECISION:-full}

case $rounds in
'' | *[!0-9]* | 0*) echo "rounds: found '$rounds', expected a whole number of at least 1" >&2; exit 2 ;;
esac
cases=("$@")
if [ ${#cases[@]} -eq 0 ]; then
    cases=(small-cnn resnet18@112 resnet18@224 resnet50@112 resnet50@224 iresnet18 iresnet50 iresnet100 mlp linear)
fi

python=${PEERS_PYTHON:-}
if [ -z "$python" ]; then
    python=$target/peers/venv-embed/bin/python
    if ! "$python" -c 'import onnxruntime, numpy' 2>/dev/null; then
        python3 -m venv "$target/peers/venv-embed"
        "$python" -m pip install --quiet -r "$root/.ci/requirements.txt"
    fi
fi
ours=${WIDEMARGIN:-}
if [ -z "$ours" ]; then
    (cd "$root" && cargo build --release --locked -p widemargin-cli >&2)
    ours=$target/release/widemargin
fi

mkdir -p "$results"
rm -f "$results"/*.json "$results"/*.onnx
for case in "${cases[@]}"; do
    of_backbone=(--backbone "${case%@*}")
    case $case in *@*) of_backbone+=(--size "${case#*@}") ;; esac
    case $case in
    resnet* | iresnet*) work=(--batch "${BATCH:-32}" --steps "${STEPS:-10}" --warm-up "${WARM_UP:-2}") ;;
    *) work=(--batch "${BATCH:-32}" --steps "${STEPS:-300}" --warm-up "${WARM_UP:-50}") ;;
    esac
    file=$results/$case.onnx
    "$ours" bench embed "${of_backbone[@]}" --batch 1 --steps 1 --onnx "$file" >&2
    for ((round = 0; round < rounds; round++)); do
        order=(widemargin onnxruntime)
        [ $((round % 2)) -eq 0 ] || order=(onnxruntime widemargin)
        for name in "${order[@]}"; do
            echo "round $((round + 1)) of $rounds: $case, $name" >&2
            if [ "$name" = widemargin ]; then
                RAYON_NUM_THREADS=$threads "$ours" bench embed "${of_backbone[@]}" "${work[@]}" --precision "$precision" --json
            else
                "$python" "$here/embed.py" --onnx "$file" "${work[@]}" --threads "$threads"
            fi >"$results/$case.$name.$round.json"
        done
    done
    rm "$file"
done

"$python" - "$results" "$rounds" "$precision" "${cases[@]}" <<'END'
import json, statistics, sys

folder, rounds, precision, cases = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4:]
bound = 3e-2 if precision == "mixed" else 1e-3
print("| backbone | widemargin, samples/s | ONNX Runtime | ratio (smallest, largest round) | peak memory, MiB |")
print("|---|---|---|---|---|")
for case in cases:
    runs = {
        name: [json.load(open(f"{folder}/{case}.{name}.{round}.json", encoding="utf-8")) for round in range(rounds)]
        for name in ("widemargin", "onnxruntime")
    }
    first = runs["onnxruntime"][0]["first"]
    for name, of in runs.items():
        for run in of:
            if max(abs(a - b) for a, b in zip(run["first"], first)) > bound:
                sys.exit(f"{case}: the embeddings differ: {run['first']} in {name}, {first} in onnxruntime")
    rates = {name: [run["samples_per_second"] for run in of] for name, of in runs.items()}
    each = [a / b for a, b in zip(rates["widemargin"], rates["onnxruntime"])]
    ours, peer = (statistics.median(rates[name]) for name in ("widemargin", "onnxruntime"))
    memory = [max(run["peak_rss_mib"] for run in runs[name]) for name in ("widemargin", "onnxruntime")]
    print(f"| {case} | {ours:.1f} | {peer:.1f} | **{ours / peer:.2f}** ({min(each):.2f}, {max(each):.2f}) | {memory[0]:.0f} / {memory[1]:.0f} |")
END
