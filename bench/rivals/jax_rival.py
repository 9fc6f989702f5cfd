"""JAX as a contestant: `jit`, donated buffers, optax. XLA takes its thread count from the CPUs that the runner holds it on."""

import os

import numpy as np
import jax
import jax.numpy as jnp
import optax

import jax_images
import jax_sequences
import jax_transformer
from jax_training import training, update_of
from protocol import Skip, Work, serve


def read(folder, name, shape, dtype=np.float32):
    return np.fromfile(os.path.join(folder, name), dtype=dtype).reshape(shape)


def transformation(kind, lr):
    return optax.adam(lr) if kind == "adam" else optax.sgd(lr)


def sample(values):
    """Twenty numbers from all over a result, for the comparison with other contestants."""
    return np.asarray(values).flatten()[:: values.size // 20][:20].tolist()


def updates(optimizer, weights, gradient):
    """What checks and what runs updates by one and the same gradient."""
    state = optimizer.init(weights)

    def update(weights, state, gradient):
        changes, state = optimizer.update(gradient, state, weights)
        return optax.apply_updates(weights, changes), state

    update = jax.jit(update, donate_argnums=(0, 1))

    def run(steps):
        nonlocal weights, state
        for _ in range(steps):
            weights, state = update(weights, state, gradient)
        jax.block_until_ready(weights)

    def check():
        run(3)
        return sample(weights)

    return check, run


def perceptron(work, folder):
    """Parameters, optimizer state and one step of training, not yet jitted."""
    layers = work["layers"]
    values = np.fromfile(os.path.join(folder, "weights.bin"), dtype=np.float32)
    parameters, at = [], 0
    for inputs, outputs in zip(layers, layers[1:]):
        weight = values[at : at + inputs * outputs].reshape(inputs, outputs)
        bias = values[at + inputs * outputs : at + (inputs + 1) * outputs]
        parameters.append((jnp.array(weight), jnp.array(bias)))
        at += (inputs + 1) * outputs
    optimizer = transformation(work["optimizer"]["kind"], work["optimizer"]["lr"])

    def loss_of(parameters, x, y):
        for weight, bias in parameters[:-1]:
            x = jax.nn.relu(x @ weight + bias)
        weight, bias = parameters[-1]
        return optax.softmax_cross_entropy_with_integer_labels(x @ weight + bias, y).mean()

    return parameters, optimizer.init(parameters), update_of(loss_of, optimizer)


def mlp(work, folder, variant):
    batch, batches = work["batch"], work["batches"]
    parameters, state, update = perceptron(work, folder)
    inputs = [jnp.array(x) for x in read(folder, "inputs.bin", (batches, batch, work["layers"][0]))]
    targets = [jnp.array(y) for y in read(folder, "targets.bin", (batches, batch), np.int32)]
    return training(update, [parameters, state], inputs, targets, 20)


def epochs(work, folder, variant):
    batch, batches = work["batch"], work["batches"]
    parameters, state, update = perceptron(work, folder)
    inputs = jnp.array(read(folder, "inputs.bin", (batches, batch, work["layers"][0])))
    targets = jnp.array(read(folder, "targets.bin", (batches, batch), np.int32))
    if variant == "scan":

        def epoch(parameters, state, inputs, targets):
            def body(carry, pair):
                parameters, state, loss = update(*carry, *pair)
                return (parameters, state), loss

            (parameters, state), losses = jax.lax.scan(body, (parameters, state), (inputs, targets))
            return parameters, state, losses.mean()

        epoch = jax.jit(epoch, donate_argnums=(0, 1))
    else:
        inputs, targets = list(inputs), list(targets)

        def add(parameters, state, total, x, y):
            parameters, state, loss = update(parameters, state, x, y)
            return parameters, state, total + loss

        add = jax.jit(add, donate_argnums=(0, 1, 2))

        def epoch(parameters, state, inputs, targets):
            total = jnp.zeros(())
            for x, y in zip(inputs, targets):
                parameters, state, total = add(parameters, state, total, x, y)
            return parameters, state, total / batches

    def one():
        nonlocal parameters, state
        parameters, state, loss = epoch(parameters, state, inputs, targets)
        loss = loss.item()
        jax.block_until_ready(parameters)
        return loss

    def run(count):
        for _ in range(count):
            one()

    return (lambda: [one()]), run


def gemm(work, folder, variant):
    m, n, k, sets = work["m"], work["n"], work["k"], work["sets"]
    transpose_a, transpose_b = work["transposeA"], work["transposeB"]
    a = [jnp.array(value) for value in read(folder, "a.bin", (sets, k, m) if transpose_a else (sets, m, k))]
    b = [jnp.array(value) for value in read(folder, "b.bin", (sets, n, k) if transpose_b else (sets, k, n))]
    product = jax.jit(lambda a, b: jnp.matmul(a.T if transpose_a else a, b.T if transpose_b else b))
    position, c = 0, None

    def run(steps):
        nonlocal position, c
        for _ in range(steps):
            c = product(a[position], b[position])
            position = (position + 1) % sets
        jax.block_until_ready(c)

    def check():
        run(1)
        return sample(c)

    return check, run


def memory(work, folder, variant):
    shape, operation = (work["rows"], work["columns"]), work["operation"]
    a = jnp.array(read(folder, "a.bin", shape))
    if operation != "bias-relu":
        return updates(transformation(operation, work["lr"]), a, jnp.array(read(folder, "b.bin", shape)))
    b = jnp.array(read(folder, "b.bin", (work["columns"],)))
    result = jnp.zeros(shape)
    # A donated argument of the result's shape is the kept memory; XLA leaves out the argument itself.
    into = jax.jit(lambda x, bias, out: jnp.maximum(x + bias, 0), donate_argnums=(2,), keep_unused=True)
    fresh = jax.jit(lambda x, bias: jnp.maximum(x + bias, 0))

    def run(steps):
        nonlocal result
        for _ in range(steps):
            if work["fresh"]:
                result = None
                result = fresh(a, b)
            else:
                result = into(a, b, result)
        jax.block_until_ready(result)

    def check():
        run(3)
        return sample(result)

    return check, run


def tiny(work, folder, variant):
    x, y = (jnp.array(read(folder, name, (work["size"],))) for name in ("a.bin", "b.bin"))
    add, relu = jax.jit(lambda x, y: x + y), jax.jit(jax.nn.relu)

    def run(steps):
        if work["operation"] == "add":
            for _ in range(steps):
                result = add(x, y)
        else:
            for _ in range(steps):
                result = relu(x)
        return jax.block_until_ready(result)

    return (lambda: np.asarray(run(1))[:20].tolist()), run


def activation(work, folder, variant):
    x = [jnp.array(one) for one in read(folder, "x.bin", (work["sets"], work["elements"]))]
    y = [jnp.zeros_like(one) for one in x]
    known = {"tanh": jnp.tanh, "gelu": lambda x: jax.nn.gelu(x, approximate=False), "gelu_tanh": jax.nn.gelu, "softsign": jax.nn.soft_sign}
    f = known.get(work["name"]) or getattr(jax.nn, work["name"])
    into = jax.jit(lambda x, out: f(x), donate_argnums=(1,), keep_unused=True)
    position = 0

    def run(steps):
        nonlocal position
        for _ in range(steps):
            y[position] = into(x[position], y[position])
            position = (position + 1) % len(x)
        jax.block_until_ready(y)

    def check():
        run(1)
        return sample(y[0])

    return check, run


def update(work, folder, variant):
    weights, gradient = (jnp.array(read(folder, name, (work["elements"],))) for name in ("a.bin", "b.bin"))
    optimizer = getattr(optax, work["optimizer"].lower())(work["options"]["lr"], weight_decay=0)
    return updates(optimizer, weights, gradient)


def prepare(setup):
    if hasattr(os, "sched_getaffinity") and len(os.sched_getaffinity(0)) != setup["threads"]:
        raise Skip(f"would run on {len(os.sched_getaffinity(0))} CPUs (needs taskset)")
    jax.config.update("jax_default_matmul_precision", "highest")
    kinds = {"mlp": mlp, "epoch": epochs, "gemm": gemm, "memory": memory, "tiny": tiny, "activation": activation, "network": jax_images.network}
    kinds["sequence"] = jax_sequences.sequence
    kinds |= {"transformer": jax_transformer.transformer, "update": update}
    work = setup["work"]
    if work["kind"] not in kinds:
        raise Skip(f"no {work['kind']} here")
    check, run = kinds[work["kind"]](work, setup["folder"], setup["variant"])
    return Work(check, run, {"jax": jax.__version__, "optax": optax.__version__})


serve(prepare)
