"""PyTorch's convolutional networks and single layers. Images come as [N, H, W, C], weights as [kernel, kernel, in, out]."""

import os

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from torch_training import step_of, training


def values_of(folder, name):
    return torch.from_numpy(np.fromfile(os.path.join(folder, name), dtype=np.float32))


def images(values, shape, channels_last):
    """[…, H, W, C] in memory as [N, C, H, W] in the contestant's order of memory, one tensor for each entry of the first axis."""
    listed = [image.permute(0, 3, 1, 2) for image in values.reshape(shape)]
    return listed if channels_last else [image.contiguous() for image in listed]


class Mean(nn.Module):
    def forward(self, x):
        return F.adaptive_avg_pool2d(x, 1).flatten(1)


class Widen(nn.Module):
    def __init__(self, stride, before, after):
        super().__init__()
        self.stride, self.before, self.after = stride, before, after

    def forward(self, x):
        return F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, self.before, self.after))


class Branches(nn.Module):
    def __init__(self, join, branches):
        super().__init__()
        self.join, self.branches = join, nn.ModuleList(branches)

    def forward(self, x):
        if self.join == "concat":
            return torch.cat([branch(x) for branch in self.branches], 1)
        total, shortcut = (branch(x) for branch in self.branches)
        total += shortcut
        return total


def build(layers, take):
    """The layers as a module; `take(*shape)` gives the next parameter of the file."""

    def module(layer):
        kind = layer["kind"]
        if kind == "conv":
            inputs, outputs, kernel = layer["inputs"], layer["outputs"], layer["kernel"]
            made = nn.Conv2d(inputs, outputs, kernel, layer["stride"], layer["padding"], bias=layer["bias"])
            made.weight.data.copy_(take(kernel, kernel, inputs, outputs).permute(3, 2, 0, 1))
            if layer["bias"]:
                made.bias.data.copy_(take(outputs))
            return made
        if kind == "norm":
            made = nn.BatchNorm2d(layer["channels"])
            made.weight.data.copy_(take(layer["channels"]))
            made.bias.data.copy_(take(layer["channels"]))
            return made
        if kind == "linear":
            inputs, outputs, pixels = layer["inputs"], layer["outputs"], layer["pixels"]
            made = nn.Linear(inputs, outputs)
            weight = take(pixels, inputs // pixels, outputs).permute(2, 1, 0)  # rows by channel, then by pixel
            made.weight.data.copy_(weight.reshape(outputs, inputs))
            made.bias.data.copy_(take(outputs))
            return made
        if kind == "relu":
            return nn.ReLU(inplace=True)
        if kind == "max":
            return nn.MaxPool2d(layer["size"], layer["stride"], layer["padding"])
        if kind == "mean":
            return Mean()
        if kind == "flatten":
            return nn.Flatten()
        if kind == "widen":
            return Widen(layer["stride"], layer["before"], layer["after"])
        return Branches(kind, [build(branch, take) for branch in layer["branches"]])

    return nn.Sequential(*[module(layer) for layer in layers])


def model_of(work, folder):
    values, at = values_of(folder, "weights.bin"), 0

    def take(*shape):
        nonlocal at
        size = int(np.prod(shape))
        at += size
        return values[at - size : at].reshape(shape)

    model = build(work["layers"], take)
    assert at == len(values), f"the model has {at} parameters, the case {len(values)}"
    return model


def network(work, folder, variant):
    batch, batches = work["batch"], work["batches"]
    model = model_of(work, folder)
    channels_last = variant != "eager"
    if channels_last:
        model = model.to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(model.parameters(), lr=work["lr"], momentum=work["momentum"], fused=True)
    inputs = images(values_of(folder, "inputs.bin"), (batches, batch, *work["image"]), channels_last)
    targets = np.fromfile(os.path.join(folder, "targets.bin"), dtype=np.int32).reshape(batches, batch)

    def loss_of(x, y):
        return F.cross_entropy(model(x), y)

    step = step_of(loss_of, optimizer, variant == "compile_channels_last", work.get("precision"))
    return training(step, inputs, torch.from_numpy(targets).long(), work["checks"])


def picked(result):
    """Twenty values spread over a result in the order of the files."""
    flat = result.detach().flatten()
    return flat[:: max(1, len(flat) // 20)][:20].tolist()


def rotating(sets, one):
    position, result = 0, None

    def run(steps):
        nonlocal position, result
        for _ in range(steps):
            result = one(position)
            position = (position + 1) % sets
        return result

    return run


def convolution(work, folder, variant):
    n, sets, direction, groups, kernel = (work[name] for name in ("n", "sets", "direction", "groups", "kernel"))
    inputs, outputs = work["inputs"], work["outputs"]
    channels_last = variant == "channels_last"
    layout = torch.channels_last if channels_last else torch.contiguous_format
    shape = (sets, n, work["size"], work["size"], inputs)
    stride, padding, one = [work["stride"]] * 2, [work["padding"]] * 2, [1, 1]
    if direction != "dx":
        x = images(values_of(folder, "x.bin"), shape, channels_last)
    else:
        x = [torch.empty(n, inputs, work["size"], work["size"]).to(memory_format=layout)] * sets
    if direction != "forward":
        dy = images(values_of(folder, "dy.bin"), (sets, n, work["out"], work["out"], outputs), channels_last)
    if direction != "dw":
        stored = values_of(folder, "w.bin").reshape(sets, kernel, kernel, inputs // groups, outputs)
        w = [weight.permute(3, 2, 0, 1).contiguous(memory_format=layout) for weight in stored]
    else:
        w = [torch.empty(outputs, inputs // groups, kernel, kernel).to(memory_format=layout)] * sets

    def forward(at):
        return F.conv2d(x[at], w[at], None, stride, padding, 1, groups)

    def backward(at):
        mask = [direction == "dx", direction == "dw", False]
        results = torch.ops.aten.convolution_backward(dy[at], x[at], w[at], None, stride, padding, one, False, [0, 0], groups, mask)
        return results[0 if direction == "dx" else 1]

    run = torch.no_grad()(rotating(sets, forward if direction == "forward" else backward))
    order = (2, 3, 1, 0) if direction == "dw" else (0, 2, 3, 1)
    return (lambda: picked(run(1).permute(order))), run


def normalization(work, folder, variant):
    n, size, channels, sets = work["n"], work["size"], work["channels"], work["sets"]
    shape, channels_last = (sets, n, size, size, channels), variant != "eager"
    x = images(values_of(folder, "x.bin"), shape, channels_last)
    scale, shift = values_of(folder, "scale.bin").reshape(2, channels)

    def normalize(x, scale, shift):
        return F.relu(F.batch_norm(x, None, None, scale, shift, training=True, eps=1e-5))

    if variant == "compile_channels_last":
        # The gradient is asked for again and again.
        from torch._functorch import config

        config.donated_buffer = False
        normalize = torch.compile(normalize, dynamic=False)
    if work["direction"] == "forward":
        run = torch.no_grad()(rotating(sets, lambda at: normalize(x[at], scale, shift)))
    else:
        dy = images(values_of(folder, "dy.bin"), shape, channels_last)
        leaves = [[value.requires_grad_() for value in (x[at], scale, shift)] for at in range(sets)]
        y = [normalize(*leaf) for leaf in leaves]
        run = rotating(sets, lambda at: torch.autograd.grad(y[at], leaves[at], dy[at], retain_graph=True)[0])
    return (lambda: picked(run(1).permute(0, 2, 3, 1))), run
