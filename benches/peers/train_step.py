#!/usr/bin/env python3
"""Time one training step of the `small-cnn` backbone with AM-Softmax in PyTorch.

This is the peer of `widemargin bench train --backbone small-cnn`: the same layers, loss, optimiser and batch size.

    input [batch, 1, 28, 28]
      conv 3x3  1->32, pad 1, no bias - batch norm - PReLU (one slope per channel)
      conv 3x3 32->32, pad 1, no bias - batch norm - PReLU
      max-pool 2                                                          -> [batch, 32, 14, 14]
      conv 3x3 32->64, pad 1, no bias - batch norm - PReLU
      conv 3x3 64->64, pad 1, no bias - batch norm - PReLU
      max-pool 2 - flatten                                                -> [batch, 3136]
      linear 3136->128 - batch norm without affine                        -> embedding [batch, 128]
    head: -log softmax of s (cos - m [target]),  s = 30, m = 0.35, over 10 centres, rows normalised
    SGD: learning rate 0.1, momentum 0.9, weight decay 5e-4 on matrices and kernels only
         (not on biases, norms or PReLU slopes)

`--backbone` selects another network: `resnet18` to `resnet152` or `iresnet18` to `iresnet200`, as defined in
`crates/model/fixtures/make_embeddings.py`, from [batch, 3, side, side] to an embedding of dimension 128, with the same head and
optimiser.

A step is: forward, loss read back, backward, update, gradients cleared. Pixels are random with a fixed seed and stay in memory;
loading is not measured. `--tuned` uses channels-last tensors, which PyTorch's own guide recommends for convolutions on the CPU. The
caller tunes the allocator (`compare_train.sh` preloads jemalloc).

Prints one JSON object on stdout:
    ms_per_step {median, p10, p90}, samples_per_second (at the median), peak_rss_mib, loss_first, loss_last,
    torch, backbone, side, threads, batch, steps, tuned, preload
"""

import argparse
import json
import os
import resource
import sys
import time
from pathlib import Path


def arguments():
    parser = argparse.ArgumentParser(description="Time one training step in PyTorch.")
    parser.add_argument("--backbone", default="small-cnn", help="the network (default small-cnn)")
    parser.add_argument("--side", type=int, default=112, help="height and width of an image, except for small-cnn (default 112)")
    parser.add_argument("--batch", type=int, default=128, help="batch size (default 128)")
    parser.add_argument("--steps", type=int, default=60, help="timed steps (default 60)")
    parser.add_argument("--warm-up", type=int, default=10, help="steps before timing starts (default 10)")
    parser.add_argument("--threads", type=int, default=2, help="threads for PyTorch (default 2)")
    parser.add_argument("--seed", type=int, default=1, help="seed of pixels, labels and weights (default 1)")
    parser.add_argument("--tuned", action="store_true", help="use channels-last tensors")
    chosen = parser.parse_args()
    if min(chosen.batch - 1, chosen.steps, chosen.warm_up + 1, chosen.threads) < 1:
        parser.error("--batch must be at least 2 (batch norm), --steps and --threads at least 1, --warm-up at least 0")
    if chosen.backbone == "small-cnn":
        chosen.side = 28
    return chosen


def percentile(sorted_values, fraction):
    """The value below which `fraction` of the sorted values lie, interpolated between neighbours."""
    place = fraction * (len(sorted_values) - 1)
    below = int(place)
    above = min(below + 1, len(sorted_values) - 1)
    return sorted_values[below] + (sorted_values[above] - sorted_values[below]) * (place - below)


def build(torch, name, side):
    nn = torch.nn

    def block(inputs, outputs):
        return [
            nn.Conv2d(inputs, outputs, 3, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.PReLU(outputs),
        ]

    class AmSoftmax(nn.Module):
        """Margin softmax over normalised class centres: logits s cos_i, the target's s (cos_y - m)."""

        def __init__(self, classes, dim, scale, margin):
            super().__init__()
            self.centres = nn.Parameter(torch.randn(classes, dim) * 0.01)
            self.scale = scale
            self.margin = margin

        def forward(self, embeddings, labels):
            normalise = nn.functional.normalize
            cosines = nn.functional.linear(normalise(embeddings), normalise(self.centres))
            margins = self.margin * nn.functional.one_hot(labels, cosines.shape[1])
            return nn.functional.cross_entropy(self.scale * (cosines - margins), labels)

    head = AmSoftmax(classes=10, dim=128, scale=30.0, margin=0.35)
    if name != "small-cnn":
        sys.path.insert(0, str(Path(__file__).parents[2] / "crates/model/fixtures"))
        from make_embeddings import NETWORKS

        if name not in NETWORKS:
            sys.exit(f"--backbone: unknown network {name}; use small-cnn, {', '.join(NETWORKS)}")
        return NETWORKS[name](image=(3, side, side), embedding=128), head
    backbone = nn.Sequential(
        *block(1, 32),
        *block(32, 32),
        nn.MaxPool2d(2),
        *block(32, 64),
        *block(64, 64),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(64 * 7 * 7, 128),
        nn.BatchNorm1d(128, affine=False),
    )
    return backbone, head


def main():
    chosen = arguments()
    # Set this before torch loads: the size of the OpenMP pool is fixed at that point.
    os.environ["OMP_NUM_THREADS"] = str(chosen.threads)
    import torch

    torch.set_num_threads(chosen.threads)
    torch.manual_seed(chosen.seed)
    backbone, head = build(torch, chosen.backbone, chosen.side)
    pixels = torch.rand(chosen.batch, 1 if chosen.backbone == "small-cnn" else 3, chosen.side, chosen.side)
    labels = torch.randint(0, 10, (chosen.batch,))
    if chosen.tuned:
        backbone = backbone.to(memory_format=torch.channels_last)
        pixels = pixels.to(memory_format=torch.channels_last)

    parameters = [p for p in [*backbone.parameters(), *head.parameters()] if p.requires_grad]
    optimiser = torch.optim.SGD(
        [
            {"params": [p for p in parameters if p.ndim > 1], "weight_decay": 5e-4},
            {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
        ],
        lr=0.1,
        momentum=0.9,
    )
    backbone.train()

    def step():
        optimiser.zero_grad()
        loss = head(backbone(pixels), labels)
        loss.backward()
        optimiser.step()
        return loss.item()

    losses = [step() for _ in range(chosen.warm_up)]
    milliseconds = []
    for _ in range(chosen.steps):
        start = time.perf_counter()
        losses.append(step())
        milliseconds.append((time.perf_counter() - start) * 1e3)
    if len(losses) >= 20 and not losses[-1] < losses[0]:
        # A network that cannot learn one fixed batch in a few steps is wrong; do not report its time.
        sys.exit(f"the loss did not fall: {losses[0]:.4f} before, {losses[-1]:.4f} after training")

    milliseconds.sort()
    median = percentile(milliseconds, 0.5)
    json.dump(
        {
            "ms_per_step": {
                "median": round(median, 3),
                "p10": round(percentile(milliseconds, 0.1), 3),
                "p90": round(percentile(milliseconds, 0.9), 3),
            },
            "samples_per_second": round(chosen.batch / median * 1e3, 1),
            "peak_rss_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
            "loss_first": round(losses[0], 4),
            "loss_last": round(losses[-1], 4),
            "torch": torch.__version__,
            "backbone": chosen.backbone,
            "side": chosen.side,
            "threads": torch.get_num_threads(),
            "batch": chosen.batch,
            "steps": chosen.steps,
            "tuned": chosen.tuned,
            "preload": os.path.basename(os.environ.get("LD_PRELOAD", "")),
        },
        sys.stdout,
    )
    print()


if __name__ == "__main__":
    main()
