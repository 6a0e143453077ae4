"""Time one step of a margin-softmax head in PyTorch: normalised features and centres, margin, cross-entropy, SGD with momentum.

The same work as `widemargin bench head`: input features, output the gradient of the features and updated class centres. Prints one
JSON object: median seconds per step, peak resident bytes, what was computed, versions. `--compile` runs the step through
torch.compile. `--precision mixed` computes the product of features and centres under bfloat16 autocast; weights, loss and optimiser
stay in f32. With `--regime trained`, features have a cosine of 0.7 to the centre of their class; with `random`, their directions are
random.
"""
import argparse, json, resource, statistics, sys, time
import torch

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--classes", type=int, required=True)
parser.add_argument("--batch", type=int, required=True)
parser.add_argument("--dim", type=int, default=512)
parser.add_argument("--scale", type=float, default=64.0)
parser.add_argument("--margin", type=float, default=0.35)
parser.add_argument("--regime", choices=["random", "trained"], default="random")
parser.add_argument("--steps", type=int, default=7)
parser.add_argument("--threads", type=int, default=2)
parser.add_argument("--precision", choices=["full", "mixed"], default="full")
parser.add_argument("--compile", action="store_true")
options = parser.parse_args()
torch.set_num_threads(options.threads)
torch.manual_seed(0)
B, C, D = options.batch, options.classes, options.dim
functional = torch.nn.functional
centres = torch.nn.Parameter(functional.normalize(torch.randn(C, D)))
optimiser = torch.optim.SGD([centres], lr=0.1, momentum=0.9, weight_decay=5e-4)


def loss_of(features, centres, labels):
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=options.precision == "mixed"):
        cosines = functional.linear(functional.normalize(features), functional.normalize(centres))
    cosines = cosines.float()
    rows = torch.arange(cosines.shape[0])
    cosines = cosines.index_put((rows, labels), cosines[rows, labels] - options.margin)
    return functional.cross_entropy(options.scale * cosines, labels)


loss_function = torch.compile(loss_of) if options.compile else loss_of


def batch():
    labels = torch.randint(0, C, (B,))
    features = functional.normalize(torch.randn(B, D))
    if options.regime == "trained":
        features = 0.7 * functional.normalize(centres.detach()[labels]) + (1 - 0.7**2) ** 0.5 * features
    return features.requires_grad_(), labels


seconds, loss = [], None
for step in range(options.steps + 2):
    features, labels = batch()
    start = time.perf_counter()
    loss = loss_function(features, centres, labels)
    loss.backward()
    optimiser.step()
    optimiser.zero_grad(set_to_none=True)
    elapsed = time.perf_counter() - start
    if step >= 2:  # the first two compile and allocate
        seconds.append(elapsed)
print(json.dumps({
    "seconds": statistics.median(seconds), "fastest": min(seconds), "slowest": max(seconds),
    "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    "classes": C, "batch": B, "dim": D, "scale": options.scale, "margin": options.margin, "regime": options.regime,
    "precision": options.precision, "compiled": options.compile,
    "loss": loss.item(), "torch": torch.__version__, "threads": options.threads,
}))
