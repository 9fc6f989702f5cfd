"""JAX's transformer over characters. Weights come as [in, out], in the order of bench/cases/transformers.ts."""

import os

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jax_training import training, update_of


def norm(x, scale, shift):
    centred = x - x.mean(-1, keepdims=True)
    return centred * jax.lax.rsqrt((centred * centred).mean(-1, keepdims=True) + 1e-5) * scale + shift


def block(x, parameters, heads):
    (s1, b1), (wq, bq), (wk, bk), (wv, bv), (wo, bo), (s2, b2), (wu, bu), (wd, bd) = parameters
    batch, time, features = x.shape
    h = norm(x, s1, b1)
    q, k, v = ((h @ w + b).reshape(batch, time, heads, -1) for w, b in ((wq, bq), (wk, bk), (wv, bv)))
    y = jax.nn.dot_product_attention(q, k, v, is_causal=True).reshape(batch, time, features)
    x = x + y @ wo + bo
    return x + jax.nn.relu(norm(x, s2, b2) @ wu + bu) @ wd + bd


def read_parameters(work, folder):
    values, at = np.fromfile(os.path.join(folder, "weights.bin"), dtype=np.float32), 0
    features = work["features"]

    def take(*shape):
        nonlocal at
        size = int(np.prod(shape))
        at += size
        return jnp.array(values[at - size : at].reshape(shape))

    def pair(inputs, outputs=None):
        return (take(inputs), take(inputs)) if outputs is None else (take(inputs, outputs), take(outputs))

    parameters = {"characters": take(work["characters"], features), "positions": take(work["time"], features), "blocks": []}
    for _ in range(work["layers"]):
        first = pair(features)
        products = [pair(features, features) for _ in range(4)]
        second = pair(features)
        parameters["blocks"].append([first, *products, second, pair(features, 4 * features), pair(4 * features, features)])
    parameters["norm"], parameters["head"] = pair(features), pair(features, work["characters"])
    assert at == len(values)
    return parameters


def transformer(work, folder, variant):
    batches, batch, time = work["batches"], work["batch"], work["time"]
    parameters = read_parameters(work, folder)
    optimizer = optax.sgd(work["lr"])
    x, y = (
        [jnp.array(one) for one in np.fromfile(os.path.join(folder, name), dtype=np.int32).reshape(batches, batch, time)]
        for name in ("inputs.bin", "targets.bin")
    )

    def loss_of(parameters, x, y):
        h = parameters["characters"][x] + parameters["positions"]
        for one in parameters["blocks"]:
            h = block(h, one, work["heads"])
        weight, bias = parameters["head"]
        return optax.softmax_cross_entropy_with_integer_labels(norm(h, *parameters["norm"]) @ weight + bias, y).mean()

    update = update_of(loss_of, optimizer)
    return training(update, [parameters, optimizer.init(parameters)], x, y, 10)
