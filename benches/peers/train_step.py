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

`--backbone` selects another network, with the input that is usual for it (`--size`, `--channels` set another one):

    resnet18 to resnet152       [batch, 3, 224, 224]    as defined in crates/model/fixtures/make_embeddings.py
    iresnet18 to iresnet200     [batch, 3, 112, 112]    the same
    mlp                         [batch, 512]            linear 512->512 - batch norm - PReLU - linear 512->128 - batch norm without affine
    linear                      [batch, 512]            linear 512->128

The embedding has dimension 128; head and optimiser are the same.

A step is: forward, loss read back, backward, update, gradients cleared. Pixels are random with a fixed seed and stay in memory;
loading is not measured. `--tuned` uses channels-last tensors, which PyTorch's own guide recommends for convolutions on the CPU. The
caller tunes the allocator (`compare_train.sh` preloads jemalloc). `--precision bf16` runs forward pass and loss under
`torch.autocast("cpu", dtype=torch.bfloat16)`. `--compile` runs both through `torch.compile`, which needs a C++ compiler; compiling is
part of the warm-up, not of the times.

Prints one JSON object on stdout:
    ms_per_step {median, p10, p90}, samples_per_second (at the median), peak_rss_mib, loss_first, loss_last,
    backbone, size, channels, batch, classes, embedding, weights (trained values of the backbone), threads,
    torch, steps, precision, tuned, compiled, preload
"""

import argparse
import json
import os
import resource
import sys
import time
from pathlib import Path

CLASSES = 10
EMBEDDING = 128


def arguments():
    parser = argparse.ArgumentParser(description="Time one training step in PyTorch.")
    parser.add_argument("--backbone", default="small-cnn", help="the network (default small-cnn)")
    parser.add_argument("--size", metavar="H[xW]", help="height and width of an image, or 1xWIDTH (default: usual for the network)")
    parser.add_argument("--channels", type=int, help="channels of an image (default: usual for the network)")
    parser.add_argument("--batch", type=int, default=128, help="batch size (default 128)")
    parser.add_argument("--steps", type=int, default=60, help="timed steps (default 60)")
    parser.add_argument("--warm-up", type=int, default=10, help="steps before timing starts (default 10)")
    parser.add_argument("--threads", type=int, default=2, help="threads for PyTorch (default 2)")
    parser.add_argument("--seed", type=int, default=1, help="seed of pixels, labels and weights (default 1)")
    parser.add_argument("--tuned", action="store_true", help="use channels-last tensors")
    parser.add_argument("--precision", choices=["f32", "bf16"], default="f32", help="f32, or bf16 autocast (default f32)")
    parser.add_argument("--compile", action="store_true", help="compile forward pass, backward pass and loss with torch.compile")
    chosen = parser.parse_args()
    if chosen.compile and chosen.warm_up < 2:
        parser.error("--compile needs --warm-up of at least 2: the first steps compile")
    if min(chosen.batch - 1, chosen.steps, chosen.warm_up + 1, chosen.threads) < 1:
        parser.error("--batch must be at least 2 (batch norm), --steps and --threads at least 1, --warm-up at least 0")
    channels, size = usual_input(chosen.backbone)
    if chosen.size:
        sides = chosen.size.split("x")
        if len(sides) > 2 or not all(side.isdecimal() and int(side) > 0 for side in sides):
            parser.error(f"--size: found {chosen.size}, expected a height, or a height and a width, such as 112 or 112x96")
        size = [int(sides[0]), int(sides[-1])]
    chosen.size = size
    chosen.channels = chosen.channels or channels
    return chosen


def usual_input(backbone):
    """Channels and size, as `BackboneName::usual_input` in `crates/model`."""
    if backbone == "small-cnn":
        return 1, [28, 28]
    if backbone in ("mlp", "linear"):
        return 1, [1, 512]
    return 3, [112, 112] if backbone.startswith("iresnet") else [224, 224]


def percentile(sorted_values, fraction):
    """The value below which `fraction` of the sorted values lie, interpolated between neighbours."""
    place = fraction * (len(sorted_values) - 1)
    below = int(place)
    above = min(below + 1, len(sorted_values) - 1)
    return sorted_values[below] + (sorted_values[above] - sorted_values[below]) * (place - below)


def build(torch, name, channels, size):
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

    head = AmSoftmax(classes=CLASSES, dim=EMBEDDING, scale=30.0, margin=0.35)
    values = channels * size[0] * size[1]
    if name == "linear":
        return nn.Sequential(nn.Flatten(), nn.Linear(values, EMBEDDING)), head
    if name == "mlp":
        hidden = [nn.Flatten(), nn.Linear(values, 512), nn.BatchNorm1d(512), nn.PReLU(512)]
        return nn.Sequential(*hidden, nn.Linear(512, EMBEDDING), nn.BatchNorm1d(EMBEDDING, affine=False)), head
    if name != "small-cnn":
        sys.path.insert(0, str(Path(__file__).parents[2] / "crates/model/fixtures"))
        from make_embeddings import NETWORKS

        if name not in NETWORKS:
            sys.exit(f"--backbone: unknown network {name}; use small-cnn, mlp, linear, {', '.join(NETWORKS)}")
        return NETWORKS[name](image=(channels, *size), embedding=EMBEDDING), head
    backbone = nn.Sequential(
        *block(channels, 32),
        *block(32, 32),
        nn.MaxPool2d(2),
        *block(32, 64),
        *block(64, 64),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(64 * (size[0] // 4) * (size[1] // 4), EMBEDDING),
        nn.BatchNorm1d(EMBEDDING, affine=False),
    )
    return backbone, head


def main():
    chosen = arguments()
    # Set this before torch loads: the size of the OpenMP pool is fixed at that point.
    os.environ["OMP_NUM_THREADS"] = str(chosen.threads)
    import torch

    torch.set_num_threads(chosen.threads)
    torch.manual_seed(chosen.seed)
    backbone, head = build(torch, chosen.backbone, chosen.channels, chosen.size)
    pixels = torch.rand(chosen.batch, chosen.channels, *chosen.size)
    labels = torch.randint(0, CLASSES, (chosen.batch,))
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

    def loss_of(pixels, labels):
        return head(backbone(pixels), labels)

    forward = torch.compile(loss_of) if chosen.compile else loss_of

    def step():
        optimiser.zero_grad()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=chosen.precision == "bf16"):
            loss = forward(pixels, labels)
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
            "size": chosen.size,
            "channels": chosen.channels,
            "classes": CLASSES,
            "embedding": EMBEDDING,
            "weights": sum(p.numel() for p in backbone.parameters() if p.requires_grad),
            "precision": chosen.precision,
            "threads": torch.get_num_threads(),
            "batch": chosen.batch,
            "steps": chosen.steps,
            "tuned": chosen.tuned,
            "compiled": chosen.compile,
            "preload": os.path.basename(os.environ.get("LD_PRELOAD", "")),
        },
        sys.stdout,
    )
    print()


if __name__ == "__main__":
    main()
