"""Writes optimizer-runs.json: 500 steps of PyTorch's optimizers in float64, every 50th, and values of its schedules.

The problem has six parameters: g = A·w − b + noise, with A, b and the noise from the generator of make.py (seed 7): A is the identity times
0.5 plus C·Cᵀ/6, C and b are 36 and 6 values minus 0.5, and each step draws six values, minus 0.5, times 0.2. Start: w = (1, −1, 2, −2, 0.5, 0).

    python test/golden/optimizers.py
"""
import hashlib
import json
import pathlib
import warnings

import torch

warnings.filterwarnings("ignore")
torch.set_default_dtype(torch.float64)
here = pathlib.Path(__file__)


class Lcg:
    def __init__(self, seed):
        self.state = seed

    def next(self):
        self.state = (1664525 * self.state + 1013904223) % 2**32
        return (self.state >> 8) / 16777216

    def take(self, n):
        return torch.tensor([self.next() - 0.5 for _ in range(n)])


PYTHON = {"weightDecay": "weight_decay", "initialAccumulator": "initial_accumulator_value", "centred": "centered",
          "momentumDecay": "momentum_decay", "decoupledDecay": "decoupled_weight_decay", "alpha": "alpha"}


def run(name, options, more=None):
    lcg = Lcg(7)
    c = lcg.take(36).reshape(6, 6)
    a = 0.5 * torch.eye(6) + c @ c.T / 6
    b = lcg.take(6)
    w = torch.tensor([1.0, -1, 2, -2, 0.5, 0], requires_grad=True)
    kind = getattr(torch.optim, name)
    python = {PYTHON.get(key, key): tuple(value) if isinstance(value, list) else value for key, value in options.items()}
    optimizer = kind([w], **python, **(more or {}))
    points = []
    for step in range(500):
        w.grad = (a @ w.detach() - b + 0.2 * lcg.take(6))
        optimizer.step()
        if step % 50 == 49:
            points.append(w.detach().tolist())
    return {"optimizer": name, "options": options, "points": points}


runs = [
    run("SGD", {"lr": 0.02}),
    run("SGD", {"lr": 0.02, "momentum": 0.9, "dampening": 0.1, "weightDecay": 0.01}),
    run("SGD", {"lr": 0.02, "momentum": 0.9, "nesterov": True}),
    run("Adagrad", {"lr": 0.05, "eps": 1e-10}),
    run("Adagrad", {"lr": 0.05, "eps": 1e-7, "initialAccumulator": 0.1, "weightDecay": 0.01}),
    run("Adadelta", {"lr": 1.0}),
    run("Adadelta", {"lr": 0.5, "rho": 0.95, "eps": 1e-7, "weightDecay": 0.01}),
    run("RMSprop", {"lr": 0.01}),
    run("RMSprop", {"lr": 0.01, "alpha": 0.9, "momentum": 0.8, "centred": True, "weightDecay": 0.01}),
    run("Adam", {"lr": 0.01}),
    run("Adam", {"lr": 0.01, "betas": [0.8, 0.95], "amsgrad": True, "weightDecay": 0.01}),
    run("AdamW", {"lr": 0.01, "weightDecay": 0.1}),
    run("Adamax", {"lr": 0.01}),
    run("Adamax", {"lr": 0.01, "betas": [0.8, 0.95], "weightDecay": 0.01}),
    run("NAdam", {"lr": 0.01}),
    run("NAdam", {"lr": 0.01, "momentumDecay": 0.01, "weightDecay": 0.05, "decoupledDecay": True}),
    run("RAdam", {"lr": 0.01}),
    run("RAdam", {"lr": 0.01, "betas": [0.8, 0.95], "weightDecay": 0.05, "decoupledDecay": True}),
]


def second(history=100, steps=4, **more):
    """The convex problem of the course, by L-BFGS with strong Wolfe: f = ½wᵀAw − bᵀw + Σw⁴/4."""
    lcg = Lcg(7)
    c = lcg.take(36).reshape(6, 6)
    a = 0.5 * torch.eye(6) + c @ c.T / 6
    b = lcg.take(6)
    w = torch.tensor([1.0, -1, 2, -2, 0.5, 0], requires_grad=True)
    optimizer = torch.optim.LBFGS([w], history_size=history, **more)
    losses, points, calls = [], [], 0

    def closure():
        nonlocal calls
        calls += 1
        optimizer.zero_grad()
        loss = 0.5 * w @ a @ w - b @ w + (w**4).sum() / 4
        loss.backward()
        return loss

    for _ in range(steps):
        losses.append(optimizer.step(closure).item())
        points.append(w.detach().tolist())
    return {"options": {"history": history, **{"maxIterations": more.get("max_iter", 20)}, "lineSearch": more.get("line_search_fn")},
            "losses": losses, "points": points, "calls": calls}


lbfgs = [second(), second(line_search_fn="strong_wolfe", max_iter=3), second(history=3, line_search_fn="strong_wolfe", max_iter=4, steps=3)]


def schedule(name, make, count, lr=0.1, momentum=None):
    w = torch.zeros(1, requires_grad=True)
    optimizer = torch.optim.SGD([w], lr=lr, momentum=momentum or 0)
    one = make(optimizer)
    values, momenta = [], []
    for _ in range(count):
        values.append(optimizer.param_groups[0]["lr"])
        momenta.append(optimizer.param_groups[0]["momentum"])
        optimizer.step()
        one.step()
    return {"name": name, "values": values, **({"momenta": momenta} if momentum else {})}


lrs = torch.optim.lr_scheduler


def plateau(scores, **options):
    w = torch.zeros(1, requires_grad=True)
    optimizer = torch.optim.SGD([w], lr=0.1)
    one = lrs.ReduceLROnPlateau(optimizer, **options)
    values = []
    for score in scores:
        values.append(optimizer.param_groups[0]["lr"])
        one.step(score)
    return {"name": "ReduceLROnPlateau", "values": values, "scores": scores}


scores = [1.0, 0.9, 0.9, 0.9, 0.9, 0.85, 0.86, 0.87, 0.88, 0.89, 0.9, 0.8, 0.8, 0.8, 0.8, 0.8, 0.8, 0.8]
schedules = [
    schedule("CosineAnnealingLR", lambda o: lrs.CosineAnnealingLR(o, T_max=12, eta_min=0.01), 13),
    schedule("CosineAnnealingWarmRestarts", lambda o: lrs.CosineAnnealingWarmRestarts(o, T_0=4, T_mult=2, eta_min=0.001), 20),
    schedule("OneCycleLR", lambda o: lrs.OneCycleLR(o, max_lr=0.5, total_steps=20), 20, momentum=0.9),
    schedule("OneCycleLR linear", lambda o: lrs.OneCycleLR(o, max_lr=0.5, total_steps=20, anneal_strategy="linear"), 20, momentum=0.9),
    schedule("CyclicLR", lambda o: lrs.CyclicLR(o, base_lr=0.001, max_lr=0.1, step_size_up=4, step_size_down=6, mode="triangular2"), 25),
    schedule("LinearLR", lambda o: lrs.LinearLR(o, start_factor=0.25, total_iters=5), 9),
    schedule("SequentialLR", lambda o: lrs.SequentialLR(
        o, [lrs.LinearLR(o, start_factor=0.25, total_iters=5), lrs.StepLR(o, 3, 0.5)], milestones=[5]), 16),
    plateau(scores, patience=2, factor=0.5),
    plateau(scores, patience=1, factor=0.1, cooldown=2, min_lr=1e-3),
]

result = {
    "generator": "test/golden/optimizers.py",
    "generatorSha256": hashlib.sha256(here.read_bytes()).hexdigest(),
    "torch": torch.__version__,
    "runs": runs,
    "lbfgs": lbfgs,
    "schedules": schedules,
}
(here.parent / "optimizer-runs.json").write_text(json.dumps(result, separators=(",", ":")) + "\n")
