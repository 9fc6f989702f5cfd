"""Training steps in PyTorch, in turn over the batches: what every net is timed with."""

import torch


def step_of(loss_of, optimizer, compiled, precision=None):
    """One step by `loss_of(x, y)`, with `precision` "bfloat16" under autocast."""
    if precision == "bfloat16":
        wide = loss_of

        def loss_of(x, y):
            with torch.autocast("cpu", dtype=torch.bfloat16):
                return wide(x, y)

    if compiled:
        loss_of = torch.compile(loss_of, dynamic=False)

    def step(x, y):
        optimizer.zero_grad(set_to_none=True)
        loss = loss_of(x, y)
        loss.backward()
        optimizer.step()
        return loss

    return step


def training(step, inputs, targets, checks):
    """What checks and what runs such steps."""
    position = 0

    def advance():
        nonlocal position
        loss = step(inputs[position], targets[position])
        position = (position + 1) % len(inputs)
        return loss

    def run(steps):
        for _ in range(steps):
            loss = advance()
        loss.item()

    return (lambda: [advance().item() for _ in range(checks)]), run
