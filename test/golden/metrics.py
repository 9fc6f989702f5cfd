"""Writes metrics.json beside make.py: metrics of scikit-learn in float64, and tests of SciPy for comparing models.

    pip install scikit-learn scipy
    python test/golden/metrics.py

Each case holds predictions and targets, and the value of each metric by the name of its class, with options behind a space. The tests give the
same rows in batches and hold the values at a relative 1e-9. Scores are rounded to halves where ties are wanted.
"""

import json
import random

import numpy as np
import scipy.stats
import sklearn
import sklearn.metrics as m
import torch

from make import array, write_file

cases = []


def key(name, **options):
    return name + (f" {json.dumps(options)}" if options else "")


def normals(stream, *shape, step=None):
    source = random.Random(stream)
    values = np.array([source.gauss(0, 1.5) for _ in range(int(np.prod(shape)))]).reshape(shape)
    return values if step is None else np.round(values / step) * step


def packed(values):
    kind = torch.int32 if values.dtype.kind == "i" else torch.float64
    return array(torch.tensor(values.tolist(), dtype=kind).reshape(values.shape))


def add(name, prediction, target, values, **more):
    entries = {label: float(value) for label, value in values.items()}
    cases.append({"name": name, "prediction": packed(prediction), "target": packed(target), "values": entries, **more})


def of_labels(wanted, said, averages):
    values = {
        key("ConfusionMatrix"): m.accuracy_score(wanted, said),
        key("BalancedAccuracy"): m.balanced_accuracy_score(wanted, said),
        key("MatthewsCorrelation"): m.matthews_corrcoef(wanted, said),
    }
    for weights in (None, "linear", "quadratic"):
        values[key("CohensKappa", weights=weights or "none")] = m.cohen_kappa_score(wanted, said, weights=weights)
    for average in averages:
        for name, function in (("Precision", m.precision_score), ("Recall", m.recall_score), ("F1", m.f1_score)):
            values[key(name, average=average)] = function(wanted, said, average=average, zero_division=0)
    return values


def calibration(probabilities, wanted, bins):
    """The formula of Guo et al. (2017), bins closed above."""
    confidence, said = probabilities.max(1), probabilities.argmax(1)
    total = 0.0
    for i in range(bins):
        inside = (confidence > i / bins) & (confidence <= (i + 1) / bins)
        if inside.any():
            total += inside.mean() * abs((said[inside] == wanted[inside]).mean() - confidence[inside].mean())
    return total


def several_classes(name, rows, classes, step=None, most=None):
    scores = normals(name, rows, classes, step=step)
    source = random.Random(name + " labels")
    wanted = np.array([source.randrange(most or classes) for _ in range(rows)])
    if most is None:
        wanted[: classes] = np.arange(classes)
    # Ties go to the first class here, and to the last one in scikit-learn's own top-k: scores that tie are left out of it.
    scores[np.arange(rows), wanted] += 0.5
    probabilities = np.exp(scores - scores.max(1, keepdims=True))
    probabilities /= probabilities.sum(1, keepdims=True)
    said = scores.argmax(1)
    values = of_labels(wanted, said, ("macro", "micro", "weighted"))
    values[key("LogLoss")] = m.log_loss(wanted, probabilities, labels=list(range(classes)))
    for bins in (15, 4):
        values[key("CalibrationError", bins=bins)] = calibration(probabilities, wanted, bins)
    if step is None:
        for k in (1, 2, 3):
            values[key("TopKAccuracy", k=k)] = m.top_k_accuracy_score(wanted, scores, k=k, labels=list(range(classes)))
    if most is None:
        one_hot = np.eye(classes)[wanted]
        for average in ("macro", "weighted"):
            values[key("RocAuc", average=average)] = m.roc_auc_score(wanted, probabilities, multi_class="ovr", average=average)
            values[key("AveragePrecision", average=average)] = m.average_precision_score(one_hot, probabilities, average=average)
    add(name, scores, wanted.astype(np.int32), values)


def two_classes(name, rows, step=None):
    scores = normals(name, rows, step=step)
    source = random.Random(name + " labels")
    wanted = np.array([int(source.random() < 1 / (1 + np.exp(-score))) for score in scores])
    probability = 1 / (1 + np.exp(-scores))
    said = (scores > 0).astype(int)
    values = of_labels(wanted, said, ("macro", "micro", "weighted", "binary"))
    values[key("BinaryAccuracy")] = m.accuracy_score(wanted, said)
    values[key("BinaryAccuracy", threshold=0.75)] = m.accuracy_score(wanted, (probability > 0.75).astype(int))
    values[key("LogLoss")] = m.log_loss(wanted, probability)
    values[key("RocAuc")] = m.roc_auc_score(wanted, scores)
    values[key("AveragePrecision")] = m.average_precision_score(wanted, scores)
    add(name, scores, wanted.astype(np.float64), values)
    add(f"{name}, probabilities", probability, wanted.astype(np.float64), {
        key("LogLoss", fromLogits=False): values["LogLoss"],
        key("RocAuc", fromLogits=False): values["RocAuc"],
        key("BinaryAccuracy", fromLogits=False): values["BinaryAccuracy"],
        key("F1", fromLogits=False, average="binary"): values['F1 {"average": "binary"}'],
    })


def numbers(name, rows, outputs, offset=0.0):
    wanted = normals(name, rows, outputs) + offset
    given = wanted + 0.5 * normals(name + " errors", rows, outputs)
    add(name, given, wanted, {
        key("MeanAbsoluteError"): m.mean_absolute_error(wanted, given),
        key("RootMeanSquaredError"): m.root_mean_squared_error(wanted, given),
        key("R2"): m.r2_score(wanted, given),
    })


def statistics():
    source = random.Random("statistics")
    student = []
    for degrees in (1, 2, 3, 4, 5, 9, 10, 29, 99):
        for t in (0.0, 0.3, 1.0, 2.5, 8.0):
            student.append({"degrees": degrees, "t": t, "p": float(2 * scipy.stats.t.sf(t, degrees))})
    quantiles = [
        {"degrees": degrees, "confidence": confidence, "t": float(scipy.stats.t.ppf((1 + confidence) / 2, degrees))}
        for degrees in (1, 2, 4, 9, 49, 500) for confidence in (0.5, 0.9, 0.95, 0.999)
    ]
    signs = []
    for _ in range(12):
        one, other = source.randrange(0, 60), source.randrange(0, 60)
        signs.append({"one": one, "other": other, "p": float(scipy.stats.binomtest(one, one + other).pvalue) if one + other else 1.0})
    return {"student": student, "quantiles": quantiles, "signs": signs}


def main():
    several_classes("three classes", 60, 3)
    several_classes("six classes", 90, 6)
    several_classes("six classes with ties", 90, 6, step=0.5)
    several_classes("five classes, two of which never occur", 40, 5, most=3)
    two_classes("yes or no", 80)
    two_classes("yes or no with ties", 80, step=0.5)
    numbers("one number", 50, 1)
    numbers("three numbers", 50, 3)
    numbers("far from zero", 50, 1, offset=1e6)
    write_file("metrics", {"sklearn": sklearn.__version__, "cases": cases, "statistics": statistics()}, __file__)


if __name__ == "__main__":
    main()
