"""What glyphs.py and emoji.py share: running the program, and training in PyTorch by the recipe of `widemargin train`.

The same as in `widemargin train`: network and distributions of its initial weights, class centres of length one at the start, SGD with momentum and weight decay on
matrices, kernels and centres only, learning rate with a linear warm-up and a cosine schedule to 0, margin warm-up, an incomplete last batch dropped.
"""

import math
import os
import subprocess
import sys
import time
from dataclasses import dataclass


PROGRAM = os.environ.get("WIDEMARGIN", "target/release/widemargin")


def program(*arguments):
    """Standard output of `widemargin`, run without the allocator that is preloaded for PyTorch."""
    own = {name: value for name, value in os.environ.items() if name not in ("LD_PRELOAD", "MALLOC_CONF")}
    done = subprocess.run([PROGRAM, *map(str, arguments)], capture_output=True, text=True, check=False, env=own)
    if done.returncode != 0:
        sys.exit(f"{PROGRAM} {' '.join(map(str, arguments))}\n{done.stderr}")
    return done.stdout


@dataclass
class Settings:
    """What a run of `widemargin train` calls by the same names; `channels` and `size` are those of an image."""

    channels: int
    size: int
    embedding: int
    epochs: int
    batch: int
    classes_per_batch: int
    samples_per_class: int
    learning_rate: float
    momentum: float
    weight_decay: float
    warm_up_epochs: float
    margin_warm_up_epochs: float


def backbone(torch, settings):
    """`small-cnn`, as in train_step.py, with the distributions of widemargin's initial weights."""
    nn = torch.nn

    def block(inputs, outputs):
        kernel = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
        nn.init.normal_(kernel.weight, std=math.sqrt(2.0 / (9 * inputs)))
        return [kernel, nn.BatchNorm2d(outputs), nn.PReLU(outputs)]

    features = 64 * (settings.size // 4) ** 2
    last = nn.Linear(features, settings.embedding)
    nn.init.normal_(last.weight, std=math.sqrt(1.0 / features))
    nn.init.zeros_(last.bias)
    return nn.Sequential(
        *block(settings.channels, 32), *block(32, 32), nn.MaxPool2d(2), *block(32, 64), *block(64, 64), nn.MaxPool2d(2),
        nn.Flatten(), last, nn.BatchNorm1d(settings.embedding, affine=False),
    )  # fmt: skip


def criterion(torch, objective, classes, embedding):
    """The loss of a table `[objective]` as a module, and its full margin if it is one that a warm-up raises."""
    from pytorch_metric_learning import losses

    name, scale, margin = objective["name"], objective.get("scale"), objective.get("margin")
    sizes = {"num_classes": classes, "embedding_size": embedding}
    if name == "softmax":

        class Softmax(torch.nn.Module):
            """Plain softmax over dot products, which pytorch-metric-learning does not have."""

            def __init__(self):
                super().__init__()
                self.W = torch.nn.Parameter(torch.randn(embedding, classes) / math.sqrt(embedding))

            def forward(self, embeddings, labels):
                return torch.nn.functional.cross_entropy(embeddings @ self.W, labels)

        return Softmax(), None
    if name == "triplet-margin":
        return losses.TripletMarginLoss(**({} if margin is None else {"margin": margin})), None
    if name == "multi-similarity":
        return losses.MultiSimilarityLoss(), None
    if name == "proxy-anchor":
        return losses.ProxyAnchorLoss(**sizes), None
    if name == "normalized-softmax":
        loss, margin = losses.NormalizedSoftmaxLoss(temperature=1 / scale, **sizes), None
    elif name == "am-softmax":
        loss = losses.CosFaceLoss(margin=margin, scale=scale, **sizes)
    elif name == "arcface":
        loss = losses.ArcFaceLoss(margin=math.degrees(margin), scale=scale, **sizes)
    elif name == "sub-centre":
        loss = losses.SubCenterArcFaceLoss(margin=math.degrees(margin), scale=scale, sub_centers=objective.get("sub_centres", 3), **sizes)
    else:
        raise ValueError(f"{name} has no peer")
    with torch.no_grad():
        loss.W.copy_(torch.nn.functional.normalize(torch.randn(loss.W.shape), dim=0))
    return loss, margin


def batches(torch, labels, settings, balanced, generator):
    """The batches of one epoch, as indices: shuffled, or balanced. Balanced ones cycle through classes and their samples in random order."""
    size = settings.batch
    if not balanced:
        order = torch.randperm(len(labels), generator=generator)
        return [order[at : at + size] for at in range(0, len(labels) - size + 1, size)]
    size = settings.classes_per_batch * settings.samples_per_class
    of_class = {}
    for at, label in enumerate(labels.tolist()):
        of_class.setdefault(label, []).append(at)
    decks, classes, found = {}, [], []

    def shuffled(values):
        return [values[at] for at in torch.randperm(len(values), generator=generator).tolist()]

    for _ in range(max(len(labels) // size, 1)):
        batch, taken = [], set()
        while len(taken) < min(settings.classes_per_batch, len(of_class)):
            if not classes:
                fresh = shuffled(list(of_class))
                classes = [c for c in fresh if c in taken] + [c for c in fresh if c not in taken]
            label = classes.pop()
            taken.add(label)
            for _ in range(settings.samples_per_class):
                if not decks.get(label):
                    decks[label] = shuffled(of_class[label])
                batch.append(decks[label].pop())
        found.append(torch.tensor(batch))
    return found


def fit(torch, network, loss, margin, labels, images, settings, balanced, generator):
    """Trains `network` and `loss` in place and returns the seconds. `images(rows)` are the network's inputs for these samples, changed at random."""
    parameters = [*network.parameters(), *loss.parameters()]
    optimiser = torch.optim.SGD(
        [
            {"params": [p for p in parameters if p.ndim > 1], "weight_decay": settings.weight_decay},
            {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
        ],
        lr=settings.learning_rate,
        momentum=settings.momentum,
    )
    each = len(batches(torch, labels, settings, balanced, torch.Generator()))
    steps, step, start = each * settings.epochs, 0, time.perf_counter()
    warm_up = min(settings.warm_up_epochs * each, steps)
    margin_warm_up = settings.margin_warm_up_epochs * each
    for _ in range(settings.epochs):
        for rows in batches(torch, labels, settings, balanced, generator):
            if step < math.floor(warm_up):
                share = (step + 1) / warm_up
            else:
                share = 0.5 * (1 + math.cos(math.pi * min((step - warm_up) / max(steps - warm_up, 1), 1)))
            for group in optimiser.param_groups:
                group["lr"] = settings.learning_rate * share
            if margin is not None:
                loss.margin = margin * min(step / margin_warm_up, 1) if margin_warm_up > 0 else margin
            optimiser.zero_grad()
            value = loss(network(images(rows)), labels[rows])
            value.backward()
            optimiser.step()
            if not math.isfinite(value.item()):
                sys.exit(f"the loss of step {step + 1} is {value.item()}")
            step += 1
    return time.perf_counter() - start


def versions(torch, layout):
    """The peer in words: its versions and how it was tuned."""
    import pytorch_metric_learning

    tuned = layout + (f", {os.path.basename(os.environ['LD_PRELOAD'])}" if os.environ.get("LD_PRELOAD") else "")
    return f"PyTorch {torch.__version__.split('+')[0]} ({tuned}), pytorch-metric-learning {pytorch_metric_learning.__version__}"
