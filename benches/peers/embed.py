#!/usr/bin/env python3
"""Time the inference of an ONNX file in ONNX Runtime, the peer of `widemargin bench embed`.

    embed.py --onnx FILE [--batch 32] [--steps 20] [--warm-up 3] [--threads 2]

The file is the one that `widemargin bench embed --onnx FILE` writes: the same weights, with normalisation and scaling to length one. The input
is the same too: value `i` is `i * 7919 mod 251`. Prints one JSON object with the keys of `bench embed --json`.
"""

import argparse
import json
import resource
import sys
import time

import numpy
import onnxruntime


def main():
    parser = argparse.ArgumentParser(description="Time inference in ONNX Runtime.")
    parser.add_argument("--onnx", required=True, help="the ONNX file")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--warm-up", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    if min(args.batch, args.steps, args.threads) < 1:
        sys.exit("--batch, --steps and --threads: expected at least 1")

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = args.threads
    options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(args.onnx, options, providers=["CPUExecutionProvider"])
    described = session.get_inputs()[0]
    shape = [args.batch, *described.shape[1:]]
    values = (numpy.arange(numpy.prod(shape), dtype=numpy.int64) * 7919 % 251).astype(numpy.float32).reshape(shape)

    def embed():
        return session.run(None, {described.name: values})[0]

    first = embed()
    for _ in range(1, args.warm_up):
        embed()
    seconds = []
    for _ in range(args.steps):
        start = time.perf_counter()
        embed()
        seconds.append(time.perf_counter() - start)
    seconds.sort()
    median, p10, p90 = (1e3 * seconds[round((len(seconds) - 1) * share)] for share in (0.5, 0.1, 0.9))
    print(
        json.dumps(
            {
                "ms_per_batch": {"median": median, "p10": p10, "p90": p90},
                "samples_per_second": args.batch / median * 1e3,
                "peak_rss_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
                "batch": args.batch,
                "first": [float(value) for value in first[0][:8]],
                "threads": args.threads,
                "onnxruntime": onnxruntime.__version__,
            }
        )
    )


if __name__ == "__main__":
    main()
