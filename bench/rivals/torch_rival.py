"""PyTorch as a contestant. Variants: `eager` (fused optimizer), `foreach`, `compile` (torch.compile and the fused optimizer); for images
`eager` (channels first), `channels_last` and `compile_channels_last`."""

import os

import numpy as np
import torch
import torch.nn.functional as F

import torch_images
import torch_sequences
import torch_transformer
from torch_training import step_of, training
from protocol import Skip, Work, serve


def read(folder, name, shape, dtype=np.float32):
    return torch.from_numpy(np.fromfile(os.path.join(folder, name), dtype=dtype).reshape(shape))


def optimizer_of(parameters, kind, lr, variant):
    how = {"foreach": True} if variant == "foreach" else {"fused": True}
    return (torch.optim.Adam if kind == "adam" else torch.optim.SGD)(parameters, lr=lr, **how)


def perceptron(work, folder, variant):
    """The batches, and one step of training on one of them."""
    layers, batch, batches = work["layers"], work["batch"], work["batches"]
    values = np.fromfile(os.path.join(folder, "weights.bin"), dtype=np.float32)
    modules, at = [], 0
    for index, (inputs, outputs) in enumerate(zip(layers, layers[1:])):
        linear = torch.nn.Linear(inputs, outputs)
        weight = torch.from_numpy(values[at : at + inputs * outputs].reshape(inputs, outputs).T.copy())
        bias = torch.from_numpy(values[at + inputs * outputs : at + (inputs + 1) * outputs].copy())
        at += (inputs + 1) * outputs
        with torch.no_grad():
            linear.weight.copy_(weight)
            linear.bias.copy_(bias)
        modules += [linear] if index == 0 else [torch.nn.ReLU(), linear]
    model = torch.nn.Sequential(*modules)
    optimizer = optimizer_of(model.parameters(), work["optimizer"]["kind"], work["optimizer"]["lr"], variant)
    inputs = list(read(folder, "inputs.bin", (batches, batch, layers[0])))
    targets = list(read(folder, "targets.bin", (batches, batch), np.int32).long())

    def loss_of(x, y):
        return F.cross_entropy(model(x), y)

    return inputs, targets, step_of(loss_of, optimizer, variant == "compile", work.get("precision"))


def mlp(work, folder, variant):
    inputs, targets, step = perceptron(work, folder, variant)
    return training(step, inputs, targets, 20)


def epochs(work, folder, variant):
    inputs, targets, step = perceptron(work, folder, variant)

    def one():
        return torch.stack([step(x, y).detach() for x, y in zip(inputs, targets)]).mean().item()

    def run(count):
        for _ in range(count):
            one()

    return (lambda: [one()]), run


def gemm(work, folder, variant):
    m, n, k, sets = work["m"], work["n"], work["k"], work["sets"]
    a = list(read(folder, "a.bin", (sets, k, m) if work["transposeA"] else (sets, m, k)))
    b = list(read(folder, "b.bin", (sets, n, k) if work["transposeB"] else (sets, k, n)))
    a = [value.T for value in a] if work["transposeA"] else a
    b = [value.T for value in b] if work["transposeB"] else b
    dtype = getattr(torch, work["dtype"])
    a, b = [value.to(dtype) for value in a], [value.to(dtype) for value in b]
    c = torch.empty(m, n, dtype=dtype)
    position = 0

    def run(steps):
        nonlocal position
        for _ in range(steps):
            torch.mm(a[position], b[position], out=c)
            position = (position + 1) % sets

    def check():
        run(1)
        return c.float().flatten()[:: m * n // 20][:20].tolist()

    return check, run


def memory(work, folder, variant):
    shape, operation = (work["rows"], work["columns"]), work["operation"]
    a = read(folder, "a.bin", shape)
    if operation == "bias-relu":
        b = read(folder, "b.bin", (work["columns"],))
        kept = torch.zeros(shape)
        result = kept

        def fresh(x, bias):
            return torch.relu_(x + bias)

        def into(x, bias, out):
            torch.add(x, bias, out=out)
            torch.relu_(out)

        if variant == "compile":
            fresh = torch.compile(lambda x, bias: torch.relu(x + bias), dynamic=False)
            into = torch.compile(lambda x, bias, out: out.copy_(torch.relu(x + bias)), dynamic=False)

        def run(steps):
            nonlocal result
            for _ in range(steps):
                if work["fresh"]:
                    result = None
                    result = fresh(a, b)
                else:
                    into(a, b, kept)
    else:
        result = torch.nn.Parameter(a)
        result.grad = read(folder, "b.bin", shape)
        optimizer = optimizer_of([result], operation, work["lr"], variant)

        def run(steps):
            for _ in range(steps):
                optimizer.step()

    def check():
        run(3)
        return result.detach().flatten()[:: a.numel() // 20][:20].tolist()

    return check, torch.no_grad()(run)


def tiny(work, folder, variant):
    x, y = read(folder, "a.bin", (work["size"],)), read(folder, "b.bin", (work["size"],))
    if work["operation"] == "add":

        def run(steps):
            for _ in range(steps):
                result = x + y
            return result
    else:

        def run(steps):
            for _ in range(steps):
                result = torch.relu(x)
            return result

    return (lambda: run(1)[:20].tolist()), run


# Those that PyTorch has under another name, or only as several operations.
ACTIVATIONS = {
    "swish": torch.ops.aten.silu.out,
    "hard_sigmoid": torch.ops.aten.hardsigmoid.out,
    "hard_swish": torch.ops.aten.hardswish.out,
    "gelu_tanh": lambda x, out: torch.ops.aten.gelu.out(x, approximate="tanh", out=out),
    "softsign": lambda x, out: torch.div(x, x.abs() + 1, out=out),
}


def activation(work, folder, variant):
    x = list(read(folder, "x.bin", (work["sets"], work["elements"])))
    y = [torch.empty_like(one) for one in x]
    call = ACTIVATIONS.get(work["name"]) or getattr(torch.ops.aten, work["name"]).out
    position = 0

    @torch.no_grad()
    def run(steps):
        nonlocal position
        for _ in range(steps):
            call(x[position], out=y[position])
            position = (position + 1) % len(x)

    def check():
        run(1)
        return y[0][:: y[0].numel() // 20][:20].tolist()

    return check, run


def update(work, folder, variant):
    weights = torch.nn.Parameter(read(folder, "a.bin", (work["elements"],)))
    weights.grad = read(folder, "b.bin", (work["elements"],))
    options = {"centered" if name == "centred" else name: value for name, value in work["options"].items()}
    how = {"foreach": True} if variant == "foreach" else {"fused": True}
    optimizer = getattr(torch.optim, work["optimizer"])([weights], **options, **how)

    def run(steps):
        for _ in range(steps):
            optimizer.step()

    def check():
        run(3)
        return weights.detach()[:: weights.numel() // 20][:20].tolist()

    return check, run


def prepare(setup):
    torch.set_num_threads(setup["threads"])
    torch.set_float32_matmul_precision("highest")
    kinds = {"mlp": mlp, "epoch": epochs, "gemm": gemm, "memory": memory, "tiny": tiny, "activation": activation, "update": update}
    kinds["sequence"] = torch_sequences.sequence
    kinds["transformer"] = torch_transformer.transformer
    kinds |= {kind: getattr(torch_images, kind) for kind in ("network", "convolution", "normalization")}
    work = setup["work"]
    if work["kind"] not in kinds:
        raise Skip(f"no {work['kind']} here")
    if torch.get_num_threads() != setup["threads"]:
        raise Skip(f"runs with {torch.get_num_threads()} threads")
    check, run = kinds[work["kind"]](work, setup["folder"], setup["variant"])
    return Work(check, run, {"torch": torch.__version__})


serve(prepare)
