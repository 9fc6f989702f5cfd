"""Logits of torchvision's models under weights that are a formula: test/models/pytorch.test.ts makes the same weights.

python test/golden/models.py writes models.json beside it. Needs torch and torchvision."""

import hashlib
import json
import pathlib

import numpy
import torch
import torchvision.models as models
from torch import nn


def noise(name, count):
    """Element i: a hash of (name, i), uniform in [-1, 1)."""
    seed = 2166136261
    for byte in name.encode():
        seed = ((seed ^ byte) * 16777619) % 2**32
    x = (numpy.arange(count, dtype=numpy.uint64) * 2654435761 + seed) % 2**32
    x ^= x >> numpy.uint64(16)
    x = (x * 73244475) % 2**32
    x ^= x >> numpy.uint64(16)
    return x.astype(numpy.float64) / 2**31 - 1


def value(name, shape):
    count = int(numpy.prod(shape)) if shape else 1
    u = noise(name, count)
    if name.endswith("running_var"):
        u = 1 + 0.5 * u
    elif len(shape) > 1:
        u = u * numpy.sqrt(6 / (count / shape[0]))
    elif name.endswith("weight"):
        u = 1 + 0.2 * u
    else:
        u = 0.1 * u
    return torch.from_numpy(u.astype(numpy.float32).reshape(shape))


def head(model, layers):
    for index, layer in layers.items():
        model.classifier[index] = layer
    return model


def case(model, size, inputs=None):
    model.eval()
    state = model.state_dict()
    names = {name: list(tensor.shape) for name, tensor in state.items() if not name.endswith("num_batches_tracked")}
    model.load_state_dict({name: value(name, shape) for name, shape in names.items()}, strict=False)
    shape = (2, 3, size, size) if inputs is None else (2, inputs)
    images = torch.from_numpy(noise("images", int(numpy.prod(shape))).astype(numpy.float32).reshape(shape))
    with torch.no_grad():
        logits = model.double()(images.double())
        if hasattr(model, "aux1") and model.aux1 is not None:
            logits = torch.cat([logits, *auxiliary(model, images.double())])
    return {"size": size, "names": list(names), "shapes": list(names.values()), "logits": [[float(f"{x:.9g}") for x in row] for row in logits.flatten(1).tolist()]}


def auxiliary(model, images):
    """What GoogLeNet's auxiliary heads make of images; it runs them in training only."""
    seen = {}
    hooks = [getattr(model, name).register_forward_hook(lambda _m, _i, out, name=name: seen.__setitem__(name, out)) for name in ("inception4a", "inception4d")]
    model(images)
    for hook in hooks:
        hook.remove()
    return model.aux1(seen["inception4a"]), model.aux2(seen["inception4d"])


def small(make, **more):
    return make(weights=None, num_classes=7, **more)


own = nn.Sequential(
    nn.Conv2d(3, 6, 3, stride=2, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.BatchNorm1d(6 * 3 * 3), nn.Linear(54, 10), nn.ReLU(), nn.Linear(10, 7)
)

# Images that are made of the outputs of a Linear: of flattened images, and of a few numbers.
autoencoder = nn.Sequential(
    nn.Flatten(), nn.Linear(3 * 8 * 8, 10), nn.ReLU(), nn.Linear(10, 96), nn.BatchNorm1d(96), nn.ReLU(), nn.Unflatten(1, (6, 4, 4)),
    nn.ConvTranspose2d(6, 5, 4, stride=2, padding=1), nn.ReLU(), nn.Conv2d(5, 3, 3, padding=1),
)
generator = nn.Sequential(nn.Linear(5, 54, bias=False), nn.BatchNorm1d(54), nn.Unflatten(1, (6, 3, 3)), nn.ConvTranspose2d(6, 3, 2, stride=2))

torch.manual_seed(0)
mini = {0: nn.Linear(25088, 16), 3: nn.Linear(16, 16), 6: nn.Linear(16, 7)}
cases = {
    "own": case(own, 12),
    "autoencoder": case(autoencoder, 8),
    "generator": case(generator, 6, 5),
    "alexnet": case(head(small(models.alexnet), {1: nn.Linear(9216, 16), 4: nn.Linear(16, 16), 6: nn.Linear(16, 7)}), 224),
    "vgg11": case(head(small(models.vgg11), dict(mini)), 224),
    "vgg11_bn": case(head(small(models.vgg11_bn), dict(mini)), 64),
    "resnet18": case(small(models.resnet18), 64),
    "resnet50": case(small(models.resnet50), 64),
    "resnext50": case(small(models.resnext50_32x4d), 64),
    "densenet121": case(small(models.densenet121), 64),
    "squeezenet1_0": case(small(models.squeezenet1_0), 64),
    "squeezenet1_1": case(small(models.squeezenet1_1), 64),
    "googlenet": case(small(models.googlenet, aux_logits=False, transform_input=False, init_weights=False), 64),
    "googlenet_aux": case(small(models.googlenet, aux_logits=True, transform_input=False, init_weights=False), 64),
}
here = pathlib.Path(__file__)
script = hashlib.sha256(here.read_bytes()).hexdigest()
here.with_suffix(".json").write_text(json.dumps({"generatorSha256": script, "torch": torch.__version__, "cases": cases}, separators=(",", ":")) + "\n")
