"""Writes optax-runs.json: 500 steps of optax's optimizers in float64, every 50th, on the problem of optimizers.py.

    python test/golden/optax.py
"""
import hashlib
import json
import pathlib
import sys

here = pathlib.Path(__file__)
sys.path.remove(str(here.parent))  # this file has the library's name

import jax
import numpy as np
import optax

jax.config.update("jax_enable_x64", True)


class Lcg:
    def __init__(self, seed):
        self.state = seed

    def next(self):
        self.state = (1664525 * self.state + 1013904223) % 2**32
        return (self.state >> 8) / 16777216

    def take(self, n):
        return np.array([self.next() - 0.5 for _ in range(n)])


def run(name, options, transformation):
    """`options` are nodegrad's for the same form."""
    lcg = Lcg(7)
    c = lcg.take(36).reshape(6, 6)
    a = 0.5 * np.eye(6) + c @ c.T / 6
    b = lcg.take(6)
    w = np.array([1.0, -1, 2, -2, 0.5, 0])
    state = transformation.init(w)
    update = jax.jit(transformation.update)
    points = []
    for step in range(500):
        updates, state = update(a @ w - b + 0.2 * lcg.take(6), state, w)
        w = np.asarray(optax.apply_updates(w, updates))
        if step % 50 == 49:
            points.append(w.tolist())
    return {"optimizer": name, "options": options, "points": points}


runs = [
    run("SGD", {"lr": 0.02, "momentum": 0.9}, optax.sgd(0.02, momentum=0.9)),
    run("SGD", {"lr": 0.02, "momentum": 0.9, "nesterov": True}, optax.sgd(0.02, momentum=0.9, nesterov=True)),
    run("Adagrad", {"lr": 0.05, "eps": 1e-7, "epsInside": True, "initialAccumulator": 0.1}, optax.adagrad(0.05)),
    run("Adadelta", {"lr": 0.5}, optax.adadelta(0.5)),
    run("RMSprop", {"lr": 0.01, "alpha": 0.9, "eps": 1e-8, "epsInside": True}, optax.rmsprop(0.01)),
    run("Adam", {"lr": 0.01}, optax.adam(0.01)),
    run("AdamW", {"lr": 0.01, "weightDecay": 0.1}, optax.adamw(0.01, weight_decay=0.1)),
    run("Lion", {"lr": 0.001, "weightDecay": 0.001}, optax.lion(0.001)),
    run("Lion", {"lr": 0.001, "betas": [0.8, 0.95], "weightDecay": 0.1}, optax.lion(0.001, b1=0.8, b2=0.95, weight_decay=0.1)),
]

result = {
    "generator": "test/golden/optax.py",
    "generatorSha256": hashlib.sha256(here.read_bytes()).hexdigest(),
    "optax": optax.__version__,
    "runs": runs,
}
(here.parent / "optax-runs.json").write_text(json.dumps(result, separators=(",", ":")) + "\n")
