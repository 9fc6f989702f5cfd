"""Writes losses.json beside make.py: losses and their gradients by PyTorch in float64, from float64 numbers.

    python test/golden/losses.py

Each case names the function of the library, its inputs (differentiated), its targets and its options; the tests hold them at a relative
1e-9. No input lies on a corner (a tie, an error of exactly delta, a margin that is just met), where libraries differ.
"""

import json
import random

import torch
import torch.nn.functional as F

from make import array, write_file

F64 = torch.float64


def numbers(stream, *shape, low=-3.0, high=3.0):
    source = random.Random(stream)
    count = 1
    for side in shape:
        count *= side
    return torch.tensor([source.uniform(low, high) for _ in range(count)], dtype=F64).reshape(shape)


def labels(stream, rows, classes):
    source = random.Random(stream)
    return torch.tensor([source.randrange(classes) for _ in range(rows)])


def signs(stream, *shape):
    return torch.where(numbers(stream, *shape) > 0, 1.0, -1.0).to(F64)


def rows_of_probabilities(stream, rows, classes):
    return torch.softmax(numbers(stream, rows, classes), -1)


cases = []


def add(function, inputs, call, target=None, differentiates_target=False, **options):
    leaves = [one.clone().requires_grad_() for one in inputs]
    wanted = target
    if differentiates_target:
        wanted = target.clone().requires_grad_()
    value = call(*leaves, *([] if wanted is None else [wanted]))
    upstream = numbers(f"{function} {len(cases)} upstream", *value.shape)
    all_leaves = leaves + ([wanted] if differentiates_target else [])
    gradients = torch.autograd.grad((value * upstream).sum(), all_leaves)
    cases.append({
        "name": f"{len(cases)} {function} {json.dumps(options)}",
        "function": function,
        "options": options,
        "inputs": [array(one) for one in inputs],
        "target": None if target is None else array(target.to(torch.int32) if target.dtype == torch.int64 else target),
        "targetIsDifferentiated": differentiates_target,
        "value": array(value),
        "upstream": array(upstream),
        "gradients": [array(one) for one in gradients],
    })


def regressions(reduction):
    x, y = numbers("x", 3, 4), numbers("y", 3, 4)
    for name, call in (
        ("mseLoss", lambda a, b: F.mse_loss(a, b, reduction=reduction)),
        ("l1Loss", lambda a, b: F.l1_loss(a, b, reduction=reduction)),
    ):
        add(name, [x], call, y, True, reduction=reduction)
    for delta in (0.5, 1.0, 2.5):
        add("huberLoss", [x], lambda a, b, d=delta: F.huber_loss(a, b, reduction=reduction, delta=d), y, True, reduction=reduction, delta=delta)
        add("smoothL1Loss", [x], lambda a, b, d=delta: F.smooth_l1_loss(a, b, reduction=reduction, beta=d), y, True, reduction=reduction, beta=delta)


def binaries(reduction):
    x, t, p = numbers("bx", 4, 3, low=-12, high=12), numbers("bt", 4, 3, low=0.02, high=0.98), numbers("bp", 4, 3, low=0.02, high=0.98)
    add("binaryCrossEntropy", [x], lambda a, b: F.binary_cross_entropy_with_logits(a, b, reduction=reduction), t, True, reduction=reduction)
    weighted = lambda a, b: F.binary_cross_entropy_with_logits(a, b, reduction=reduction, pos_weight=torch.tensor(2.5, dtype=F64))  # noqa: E731
    add("binaryCrossEntropy", [x], weighted, t, True, reduction=reduction, positiveWeight=2.5)
    add("binaryCrossEntropy", [p], lambda a, b: F.binary_cross_entropy(a, b, reduction=reduction), t, False, reduction=reduction, fromLogits=False)
    # PyTorch has a soft margin and a hinge of embeddings, and no plain binary hinge: this is its formula.
    reduce = {"mean": torch.mean, "sum": torch.sum, "none": lambda v: v}[reduction]
    for squared in (False, True):
        hinge = lambda a, b, k=2 if squared else 1: reduce(torch.clamp(1 - a * b, min=0) ** k)  # noqa: E731
        add("hingeLoss", [x], hinge, signs("bs", 4, 3), False, reduction=reduction, squared=squared)


def classes(reduction):
    x, y = numbers("cx", 6, 4), labels("cy", 6, 4)
    weights = [0.5, 1.0, 2.0, 0.25]
    w = torch.tensor(weights, dtype=F64)
    ignored = y.clone()
    ignored[1], ignored[4] = -1, -1
    soft = rows_of_probabilities("cs", 6, 4)
    for smoothing in (0.0, 0.125):
        for class_weights in (None, weights):
            options = {"reduction": reduction, "labelSmoothing": smoothing}
            if class_weights is not None:
                options["classWeights"] = class_weights
            table = None if class_weights is None else w
            call = lambda a, b, s=smoothing, v=table: F.cross_entropy(a, b, v, reduction=reduction, label_smoothing=s)  # noqa: E731
            add("crossEntropy", [x], call, y, False, **options)
            add("crossEntropy", [x], call, soft, False, **options)
            call = lambda a, b, s=smoothing, v=table: F.cross_entropy(a, b, v, ignore_index=-1, reduction=reduction, label_smoothing=s)  # noqa: E731
            add("crossEntropy", [x], call, ignored, False, ignoreIndex=-1, **options)
    logs = torch.log_softmax(x, -1)
    add("nllLoss", [logs], lambda a, b: F.nll_loss(a, b, reduction=reduction), y, False, reduction=reduction)
    add("nllLoss", [logs], lambda a, b: F.nll_loss(a, b, w, ignore_index=-1, reduction=reduction), ignored, False, reduction=reduction,
        ignoreIndex=-1, classWeights=weights)
    # A sum over the wrong classes: PyTorch's mean over them, times their number.
    for p, squared in ((1, False), (2, True)):
        for margin in (1.0, 0.75):
            hinge = lambda a, b, k=p, m=margin: F.multi_margin_loss(a, b, k, m, reduction=reduction) * 4  # noqa: E731
            add("multiclassHingeLoss", [x], hinge, y, False, reduction=reduction, squared=squared, margin=margin)
    kl = "batchmean" if reduction == "mean" else reduction
    if reduction == "none":
        add("klDivergence", [logs], lambda a, b: F.kl_div(a, b, reduction="none").sum(-1), soft, True, reduction=reduction)
    else:
        add("klDivergence", [logs], lambda a, b: F.kl_div(a, b, reduction=kl), soft, True, reduction=reduction)


def embeddings(reduction):
    a, b, c = numbers("ea", 4, 3), numbers("eb", 4, 3), numbers("ec", 4, 3)
    for margin in (0.0, 0.25):
        call = lambda x, y, t, m=margin: F.cosine_embedding_loss(x, y, t, m, reduction=reduction)  # noqa: E731
        add("cosineEmbeddingLoss", [a, b], call, signs("et", 4), False, reduction=reduction, margin=margin)
    for margin in (1.0, 4.0):
        call = lambda x, y, z, m=margin: F.triplet_margin_loss(x, y, z, m, reduction=reduction)  # noqa: E731
        add("tripletLoss", [a, b, c], call, reduction=reduction, margin=margin)


def main():
    for reduction in ("mean", "sum", "none"):
        regressions(reduction)
        binaries(reduction)
        classes(reduction)
        embeddings(reduction)
    write_file("losses", {"cases": cases}, __file__)


if __name__ == "__main__":
    main()
