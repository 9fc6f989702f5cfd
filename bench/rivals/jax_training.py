"""Training steps in JAX, in turn over the batches: what every net is timed with."""

import jax
import optax


def update_of(loss_of, optimizer):
    """One step, not yet jitted, by `loss_of(parameters, x, y)`."""

    def update(parameters, state, x, y):
        loss, gradients = jax.value_and_grad(loss_of)(parameters, x, y)
        updates, state = optimizer.update(gradients, state, parameters)
        return optax.apply_updates(parameters, updates), state, loss

    return update


def training(update, kept, inputs, targets, checks):
    """What checks and what runs `*kept, loss = update(*kept, x, y)`. What is kept is donated; the parameters come first."""
    update = jax.jit(update, donate_argnums=tuple(range(len(kept))))
    position = 0

    def step():
        nonlocal kept, position
        *kept, loss = update(*kept, inputs[position], targets[position])
        position = (position + 1) % len(inputs)
        return loss

    def run(steps):
        for _ in range(steps):
            loss = step()
        loss.item()
        jax.block_until_ready(kept[0])

    return (lambda: [step().item() for _ in range(checks)]), run
