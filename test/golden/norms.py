"""Writes norms.json: batch, layer, group and instance norm by PyTorch, in float64 and channels last. Run: python3 norms.py"""
import hashlib
import json
import pathlib

import torch

HERE = pathlib.Path(__file__).parent
F64 = torch.float64


def uniform(generator, shape, low=-2.0, high=2.0):
    return (torch.rand(shape, generator=generator, dtype=F64) * (high - low) + low).to(torch.float32).to(F64)


def first(x):
    """Channels last to channels first."""
    return x.movedim(-1, 1)


def last(x):
    return x.movedim(1, -1)


def stored(x):
    return {"shape": list(x.shape), "values": x.detach().reshape(-1).tolist()}


def weighted(generator, x, forward, parameters):
    """Output for x, and gradients of the sum of the output times a random upstream gradient."""
    x.requires_grad_(True)
    y = forward(x)
    upstream = uniform(generator, y.shape)
    gradients = torch.autograd.grad((y * upstream).sum(), [x, *parameters])
    return {"output": stored(y), "upstream": stored(upstream), "gradients": [stored(g) for g in gradients]}


def batch_case(seed, shape, momentum, affine, eps):
    generator = torch.Generator().manual_seed(seed)
    channels = shape[-1]
    kind = torch.nn.BatchNorm2d if len(shape) == 4 else torch.nn.BatchNorm1d
    layer = kind(channels, eps=eps, momentum=momentum, affine=affine, dtype=F64)
    parameters = []
    if affine:
        with torch.no_grad():
            layer.weight.copy_(uniform(generator, [channels]))
            layer.bias.copy_(uniform(generator, [channels]))
        parameters = [layer.weight, layer.bias]
    steps = []
    for _ in range(3):
        x = uniform(generator, shape)
        step = {"input": stored(x), **weighted(generator, x, lambda x: last(layer(first(x))), parameters)}
        steps.append({**step, "runningMean": layer.running_mean.tolist(), "runningVar": layer.running_var.tolist()})
    layer.eval()
    x = uniform(generator, shape)
    steps.append({"input": stored(x), **weighted(generator, x, lambda x: last(layer(first(x))), parameters)})
    return {
        "shape": shape, "momentum": momentum, "affine": affine, "eps": eps,
        "parameters": [p.tolist() for p in parameters], "batches": int(layer.num_batches_tracked), "steps": steps,
    }


def group_case(seed, kind, shape, groups, affine, eps):
    generator = torch.Generator().manual_seed(seed)
    if kind == "layer":
        layer = torch.nn.LayerNorm(shape[-1], eps=eps, elementwise_affine=affine, dtype=F64)
    elif kind == "group":
        layer = torch.nn.GroupNorm(groups, shape[-1], eps=eps, affine=affine, dtype=F64)
    else:
        layer = torch.nn.InstanceNorm2d(shape[-1], eps=eps, affine=affine, dtype=F64)
    parameters = []
    if affine:
        with torch.no_grad():
            layer.weight.copy_(uniform(generator, [shape[-1]]))
            layer.bias.copy_(uniform(generator, [shape[-1]]))
        parameters = [layer.weight, layer.bias]
    x = uniform(generator, shape)
    forward = layer if kind == "layer" else lambda x: last(layer(first(x)))
    return {
        "kind": kind, "shape": shape, "groups": groups, "affine": affine, "eps": eps,
        "parameters": [p.tolist() for p in parameters], "input": stored(x), **weighted(generator, x, forward, parameters),
    }


def main():
    text = pathlib.Path(__file__).read_bytes().replace(b"\r\n", b"\n")
    content = {
        "generatorSha256": hashlib.sha256(text).hexdigest(),
        "torch": str(torch.__version__),
        "batch": [
            batch_case(1, [4, 1], 0.1, True, 1e-5),
            batch_case(2, [7, 5], 0.3, True, 1e-3),
            batch_case(3, [3, 4, 6], None, True, 1e-5),
            batch_case(4, [2, 3, 4, 3], 0.1, True, 1e-5),
            batch_case(5, [2, 2, 3, 17], None, False, 1e-5),
        ],
        "group": [
            group_case(11, "layer", [3, 5], 1, True, 1e-5),
            group_case(12, "layer", [2, 3, 18], 1, False, 1e-3),
            group_case(13, "group", [2, 2, 3, 6], 3, True, 1e-5),
            group_case(14, "group", [3, 4, 4], 1, True, 1e-5),
            group_case(15, "group", [3, 4], 2, False, 1e-5),
            group_case(16, "instance", [2, 3, 4, 3], 3, False, 1e-5),
            group_case(17, "instance", [2, 3, 2, 17], 17, True, 1e-5),
        ],
    }
    (HERE / "norms.json").write_text(json.dumps(content, separators=(",", ":"), allow_nan=False) + "\n")


if __name__ == "__main__":
    main()
