#!/usr/bin/env python3
"""Time forward and backward of every objective in pytorch-metric-learning.

This is the peer of `cargo bench --bench objectives`: the same sizes, the same names, random embeddings of the same shape. It times
what a training step spends on the loss: value, gradient of the embeddings and gradient of the class centres or proxies, without an
optimiser.

  class objectives   batch 512, dimension 512, 10,000 class centres
  pair objectives    batch 512, dimension 512, 128 classes with 4 samples each (or --samples-per-class)

Prints one JSON object: {"torch", "pytorch_metric_learning", "threads", "ms": {name: {median, p10, p90}}}.
"""

import argparse
import json
import sys
import time


def arguments():
    parser = argparse.ArgumentParser(description="Time the objectives of pytorch-metric-learning.")
    parser.add_argument("--batch", type=int, default=512)
    parser.add_argument("--dim", type=int, default=512)
    parser.add_argument("--classes", type=int, default=10_000)
    parser.add_argument("--samples-per-class", type=int, default=4, help="for the pair objectives (default 4)")
    parser.add_argument("--repeats", type=int, default=9, help="timed runs per objective (default 9)")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--only", default="", help="comma-separated names (default: all)")
    return parser.parse_args()


def objectives(losses, classes, dim):
    """For each name in `widemargin_objective`: whether it has class centres, and a function that creates the loss."""
    return {
        "normalized-softmax": (True, lambda: losses.NormalizedSoftmaxLoss(classes, dim, temperature=1 / 30)),
        "am-softmax": (True, lambda: losses.CosFaceLoss(classes, dim, margin=0.35, scale=30)),
        "cosface": (True, lambda: losses.CosFaceLoss(classes, dim, margin=0.35, scale=64)),
        "arcface": (True, lambda: losses.ArcFaceLoss(classes, dim, margin=28.6, scale=64)),
        "sphereface": (True, lambda: losses.SphereFaceLoss(classes, dim, margin=4, scale=1)),
        "large-margin-softmax": (True, lambda: losses.LargeMarginSoftmaxLoss(classes, dim, margin=4, scale=1)),
        "sub-centre": (True, lambda: losses.SubCenterArcFaceLoss(num_classes=classes, embedding_size=dim, margin=28.6, scale=64, sub_centers=3)),
        "proxy-nca": (True, lambda: losses.ProxyNCALoss(classes, dim)),
        "proxy-anchor": (True, lambda: losses.ProxyAnchorLoss(classes, dim)),
        "soft-triple": (True, lambda: losses.SoftTripleLoss(num_classes=classes, embedding_size=dim, centers_per_class=2)),
        "contrastive": (False, lambda: losses.ContrastiveLoss()),
        "triplet-margin": (False, lambda: losses.TripletMarginLoss()),
        "circle": (False, lambda: losses.CircleLoss()),
        "multi-similarity": (False, lambda: losses.MultiSimilarityLoss()),
        "nt-xent": (False, lambda: losses.NTXentLoss()),
        "supcon": (False, lambda: losses.SupConLoss()),
        "lifted-structure": (False, lambda: losses.GeneralizedLiftedStructureLoss()),
        "angular": (False, lambda: losses.AngularLoss()),
        "signal-to-noise-ratio-contrastive": (
            False,
            lambda: losses.SignalToNoiseRatioContrastiveLoss(pos_margin=0, neg_margin=1),
        ),
        "tuplet-margin": (False, lambda: losses.TupletMarginLoss()),
        "intra-pair-variance": (False, lambda: losses.IntraPairVarianceLoss()),
        "fast-ap": (False, lambda: losses.FastAPLoss()),
        "ranked-list": (
            False,
            lambda: losses.RankedListLoss(margin=0.4, Tn=10, imbalance=0.5, alpha=None, Tp=0),
        ),
    }


def main():
    chosen = arguments()
    import torch
    import pytorch_metric_learning
    from pytorch_metric_learning import losses

    torch.set_num_threads(chosen.threads)
    known = objectives(losses, chosen.classes, chosen.dim)
    chosen_names = [name for name in chosen.only.split(",") if name] or list(known)
    for name in chosen_names:
        if name not in known:
            sys.exit(f"unknown objective {name}; use one of {', '.join(known)}")

    milliseconds = {}
    for name in chosen_names:
        torch.manual_seed(1)
        has_centres, make = known[name]
        loss = make()
        embeddings = torch.randn(chosen.batch, chosen.dim, requires_grad=True)
        if has_centres:
            labels = torch.randint(0, chosen.classes, (chosen.batch,))
        else:
            labels = torch.arange(chosen.batch) // chosen.samples_per_class
        times = []
        for repeat in range(chosen.repeats + 1):
            embeddings.grad = None
            for parameter in loss.parameters():
                parameter.grad = None
            start = time.perf_counter()
            value = loss(embeddings, labels)
            value.backward()
            times.append(1e3 * (time.perf_counter() - start))
        # The first run allocates the buffers.
        times = sorted(times[1:])
        pick = lambda share: round(times[round(share * (len(times) - 1))], 3)
        milliseconds[name] = {"median": pick(0.5), "p10": pick(0.1), "p90": pick(0.9)}
        print(f"{name}: {pick(0.5)} ms", file=sys.stderr)

    print(
        json.dumps(
            {
                "torch": torch.__version__,
                "pytorch_metric_learning": pytorch_metric_learning.__version__,
                "threads": chosen.threads,
                "batch": chosen.batch,
                "dim": chosen.dim,
                "classes": chosen.classes,
                "ms": milliseconds,
            }
        )
    )


if __name__ == "__main__":
    main()
