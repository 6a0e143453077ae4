#!/usr/bin/env python3
"""The same evaluation with other tools; `eval.sh` calls it.

    eval_peers.py make FOLDER ROWS DIM SCORES         write rows.npy, labels.npy, genuine.npy, impostor.npy
    eval_peers.py faiss ROWS.npy K                    IndexFlatIP, every row against all
    eval_peers.py calculator ROWS.npy LABELS.npy      pytorch-metric-learning's AccuracyCalculator with matrix products
    eval_peers.py sklearn GENUINE.npy IMPOSTOR.npy    roc_curve and roc_auc_score

Versions: numpy==2.4.6 faiss-cpu==1.15.1 scikit-learn==1.9.1 torch==2.13.0 pytorch-metric-learning==2.9.0. Prints one JSON object:
the time in seconds without reading files, the peak memory of the process, and values to compare with the other tools. The number of
threads is THREADS (default 2).
"""

import json
import os
import resource
import sys
import time

import numpy

THREADS = int(os.environ.get("THREADS", "2"))


def make(folder, rows, dim, scores):
    random = numpy.random.default_rng(1)
    labels = numpy.arange(rows) // 10
    centres = random.standard_normal((rows // 10 + 1, dim), dtype=numpy.float32)
    data = centres[labels] + 2.5 * random.standard_normal((rows, dim), dtype=numpy.float32)
    data /= numpy.linalg.norm(data, axis=1, keepdims=True)
    numpy.save(f"{folder}/rows.npy", data)
    numpy.save(f"{folder}/labels.npy", labels)
    genuine = numpy.clip(random.normal(0.4, 0.15, size=scores // 100), -1, 1).astype(numpy.float32)
    impostor = numpy.clip(random.normal(0.0, 0.08, size=scores - len(genuine)), -1, 1).astype(numpy.float32)
    numpy.save(f"{folder}/genuine.npy", genuine[:, None])
    numpy.save(f"{folder}/impostor.npy", impostor[:, None])


def report(seconds, figures):
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(json.dumps({"seconds": round(seconds, 3), "peak_rss_mib": peak, "figures": figures}))


def faiss(path, k):
    import faiss

    faiss.omp_set_num_threads(THREADS)
    rows = numpy.load(path)
    start = time.perf_counter()
    index = faiss.IndexFlatIP(rows.shape[1])
    index.add(rows)
    cosines, _ = index.search(rows, int(k))
    report(time.perf_counter() - start, [float(cosines[:, -1].mean(dtype=numpy.float64))])


def calculator(path, labels):
    import torch
    from pytorch_metric_learning.distances import CosineSimilarity
    from pytorch_metric_learning.utils.accuracy_calculator import AccuracyCalculator
    from pytorch_metric_learning.utils.inference import CustomKNN

    torch.set_num_threads(THREADS)
    rows, labels = torch.tensor(numpy.load(path)), torch.tensor(numpy.load(labels))
    names = ("precision_at_1", "r_precision", "mean_average_precision_at_r")
    start = time.perf_counter()
    calculator = AccuracyCalculator(
        include=names,
        k="max_bin_count",
        knn_func=CustomKNN(CosineSimilarity(), batch_size=256),
        device=torch.device("cpu"),
    )
    found = calculator.get_accuracy(rows, labels)
    report(time.perf_counter() - start, [float(found[name]) for name in names])


def sklearn(genuine, impostor):
    from sklearn.metrics import roc_auc_score, roc_curve

    genuine, impostor = numpy.load(genuine)[:, 0], numpy.load(impostor)[:, 0]
    start = time.perf_counter()
    scores = numpy.concatenate([genuine, impostor])
    truth = numpy.arange(len(scores)) < len(genuine)
    far, tar, _ = roc_curve(truth, scores)
    auc = roc_auc_score(truth, scores)
    figures = [float(auc)] + [float(tar[far <= limit].max()) for limit in (1e-3, 1e-6)]
    report(time.perf_counter() - start, figures)


def main():
    task, *arguments = sys.argv[1:]
    if task == "make":
        folder, *sizes = arguments
        make(folder, *map(int, sizes))
    else:
        {"faiss": faiss, "calculator": calculator, "sklearn": sklearn}[task](*arguments)


if __name__ == "__main__":
    main()
