"""JAX's recurrent nets: `lax.scan` over time, the products of all inputs before it. Weights come as [in, gates · hidden]."""

import os

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jax_training import training, update_of


def rnn(a, h, w):
    h = jnp.tanh(a + h @ w)
    return h, h


def lstm(a, state, w):
    h, c = state
    i, f, g, o = jnp.split(a + h @ w, 4, axis=-1)
    c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
    h = jax.nn.sigmoid(o) * jnp.tanh(c)
    return (h, c), h


def gru(a, h, w):
    (ar, az, an), (ur, uz, un) = jnp.split(a, 3, axis=-1), jnp.split(h @ w, 3, axis=-1)
    z = jax.nn.sigmoid(az + uz)
    n = jnp.tanh(an + jax.nn.sigmoid(ar + ur) * un)
    h = n + z * (h - n)
    return h, h


def sequence(work, folder, variant):
    cell, hidden, classes, inputs = work["cell"], work["hidden"], work["classes"], work["inputs"]
    batches, batch, time = work["batches"], work["batch"], work["time"]
    width = {"rnn": 1, "lstm": 4, "gru": 3}[cell] * hidden
    step_of = {"rnn": rnn, "lstm": lstm, "gru": gru}[cell]
    values, parameters, at = np.fromfile(os.path.join(folder, "weights.bin"), dtype=np.float32), [], 0
    for shape in ((inputs, width), (hidden, width), (hidden, classes), (classes,)):
        size = int(np.prod(shape))
        parameters.append(jnp.array(values[at : at + size].reshape(shape)))
        at += size
    optimizer = optax.sgd(work["lr"])
    # Time first, as scan wants it.
    x = np.fromfile(os.path.join(folder, "inputs.bin"), dtype=np.float32).reshape(batches, batch, time, inputs)
    y = np.fromfile(os.path.join(folder, "targets.bin"), dtype=np.int32).reshape(batches, batch, time)
    x, y = ([jnp.array(one) for one in np.swapaxes(values, 1, 2)] for values in (x, y))
    zeros = jnp.zeros((batch, hidden))
    first = (zeros, zeros) if cell == "lstm" else zeros

    def loss_of(parameters, x, y):
        w_input, w_state, w_head, b_head = parameters
        _, outputs = jax.lax.scan(lambda carry, a: step_of(a, carry, w_state), first, x @ w_input)
        return optax.softmax_cross_entropy_with_integer_labels(outputs @ w_head + b_head, y).mean()

    update = update_of(loss_of, optimizer)
    return training(update, [parameters, optimizer.init(parameters)], x, y, 10)
