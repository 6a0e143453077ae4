#!/bin/sh
# Reproduces the tables of docs/src/benchmarks/emoji.md and glyphs.md, and the curves that `widemargin explain` shows.
#
#   benches/evidence.sh [OUT] [PART ...]       parts: objectives chain scale-margin peers glyphs [default: all]
#   QUICK=1 benches/evidence.sh OUT            a trial of the parts that need only the program, in a few minutes
#
# OUT (default runs/evidence) gets the runs, the results as JSON lines, and the tables as Markdown. What is finished is not repeated, so the script can be
# stopped at any time, and run part by part. All of it takes half a day to a day on two cores. Paths are relative to the repository. The parts peers and glyphs need the packages of
# benches/peers/requirements.txt, and glyphs needs fonts (docs/src/guide/glyphs.md).
#
# WIDEMARGIN names the program (default target/release/widemargin), PYTHON the interpreter for the peers (default python3).
set -eu

cd "$(dirname "$0")/.."
export WIDEMARGIN="${WIDEMARGIN:-target/release/widemargin}"
python="${PYTHON:-python3}"
out="${1:-runs/evidence}"
[ $# -gt 0 ] && shift
mkdir -p "$out"
# Two runs share two cores: less time in total, and the same results.
cores="$(nproc)"

evidence() {
    part="$1"
    shift
    python3 benches/evidence.py "$part" "$out/$part.jsonl" --program "$WIDEMARGIN" --work "$out/runs" --at-once "$cores" --table "$out/$part.md" "$@"
}

if [ -n "${QUICK:-}" ]; then
    evidence objectives --quick --seeds 1 2 --only am-softmax triplet-margin
    evidence chain --quick --seeds 1 --only hinge-max softmax am-softmax --page "$out/chain.json"
    evidence scale-margin --quick --seeds 1 --only 8-0 64-0.5 --figure "$out/scale-margin.svg"
    exit
fi
for part in ${*:-objectives chain scale-margin peers glyphs}; do
    case "$part" in
    objectives) evidence objectives ;;
    scale-margin) evidence scale-margin --figure "$out/scale-margin.svg" ;;
    chain) evidence chain --page "$out/chain.json" ;;
    peers) "$python" benches/peers/emoji.py "$out/peers.jsonl" --work "$out/peers" ;;
    glyphs)
        [ -d "$out/glyphs" ] || "$WIDEMARGIN" data glyphs -o "$out/glyphs" --most 20 --format idx
        "$python" benches/peers/glyphs.py "$out/glyphs" --results "$out/glyphs.jsonl" --seeds 1 2 3 --work "$out/glyph-runs"
        ;;
    *)
        echo "$0: found the part '$part', expected objectives, chain, scale-margin, peers or glyphs" >&2
        exit 2
        ;;
    esac
done
