"""JAX's convolutional networks, NHWC, as plain functions: one jitted step, parameters, running statistics and optimizer state donated."""

import os

import numpy as np
import jax
import jax.numpy as jnp
import optax
from jax import lax

from jax_training import training


def parameters_of(layers, take):
    """A list with an entry for each layer: its parameters, or the lists of its branches."""

    def entry(layer):
        kind = layer["kind"]
        if kind == "conv":
            shape = (layer["kernel"], layer["kernel"], layer["inputs"], layer["outputs"])
            return (take(*shape), take(layer["outputs"])) if layer["bias"] else (take(*shape),)
        if kind == "norm":
            return take(layer["channels"]), take(layer["channels"])
        if kind == "linear":
            return take(layer["inputs"], layer["outputs"]), take(layer["outputs"])
        if kind in ("sum", "concat"):
            return [parameters_of(branch, take) for branch in layer["branches"]]
        return ()

    return [entry(layer) for layer in layers]


def statistics_of(layers):
    """Running means and variances, in the order in which `apply` meets the layers."""
    found = []
    for layer in layers:
        if layer["kind"] == "norm":
            found.append((jnp.zeros(layer["channels"]), jnp.ones(layer["channels"])))
        for branch in layer.get("branches", []):
            found += statistics_of(branch)
    return found


def apply(layers, parameters, x, seen):
    """The layers' result; the mean and variance of each batch normalization are appended to `seen`."""
    for layer, own in zip(layers, parameters):
        kind = layer["kind"]
        if kind == "conv":
            around = [(layer["padding"], layer["padding"])] * 2
            numbers = ("NHWC", "HWIO", "NHWC")
            x = lax.conv_general_dilated(x, own[0], (layer["stride"],) * 2, around, dimension_numbers=numbers)
            x = x + own[1] if layer["bias"] else x
        elif kind == "norm":
            mean = x.mean((0, 1, 2))
            variance = (x * x).mean((0, 1, 2)) - mean * mean
            seen.append((mean, variance * (x.size / x.shape[3] / (x.size / x.shape[3] - 1))))
            x = (x - mean) * (lax.rsqrt(variance + 1e-5) * own[0]) + own[1]
        elif kind == "relu":
            x = jax.nn.relu(x)
        elif kind == "max":
            size, stride, around = layer["size"], layer["stride"], (layer["padding"],) * 2
            window, steps = (1, size, size, 1), (1, stride, stride, 1)
            x = lax.reduce_window(x, -jnp.inf, lax.max, window, steps, ((0, 0), around, around, (0, 0)))
        elif kind == "mean":
            x = x.mean((1, 2))
        elif kind == "flatten":
            x = x.reshape(len(x), -1)
        elif kind == "linear":
            x = x @ own[0] + own[1]
        elif kind == "widen":
            x = jnp.pad(x[:, :: layer["stride"], :: layer["stride"]], ((0, 0),) * 3 + ((layer["before"], layer["after"]),))
        else:
            results = [apply(branch, values, x, seen) for branch, values in zip(layer["branches"], own)]
            x = results[0] + results[1] if kind == "sum" else jnp.concatenate(results, 3)
    return x


def network(work, folder, variant):
    batch, batches, layers = work["batch"], work["batches"], work["layers"]
    values, at = np.fromfile(os.path.join(folder, "weights.bin"), dtype=np.float32), 0

    def take(*shape):
        nonlocal at
        at += int(np.prod(shape))
        return jnp.array(values[at - int(np.prod(shape)) : at].reshape(shape))

    parameters, running = parameters_of(layers, take), statistics_of(layers)
    assert at == len(values), f"the model has {at} parameters, the case {len(values)}"
    images = np.fromfile(os.path.join(folder, "inputs.bin"), dtype=np.float32).reshape(batches, batch, *work["image"])
    targets = np.fromfile(os.path.join(folder, "targets.bin"), dtype=np.int32).reshape(batches, batch)
    inputs, targets = [jnp.array(x) for x in images], [jnp.array(y) for y in targets]
    optimizer = optax.sgd(work["lr"], momentum=work["momentum"])
    state = optimizer.init(parameters)

    def loss_of(parameters, x, y):
        seen = []
        logits = apply(layers, parameters, x, seen)
        return optax.softmax_cross_entropy_with_integer_labels(logits, y).mean(), seen

    def update(parameters, running, state, x, y):
        (loss, seen), gradients = jax.value_and_grad(loss_of, has_aux=True)(parameters, x, y)
        updates, state = optimizer.update(gradients, state, parameters)
        running = jax.tree.map(lambda old, new: 0.9 * old + 0.1 * new, running, seen)
        return optax.apply_updates(parameters, updates), running, state, loss

    return training(update, [parameters, running, state], inputs, targets, work["checks"])
