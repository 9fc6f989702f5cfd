"""Writes test/golden/onnx/*.onnx and onnx.json: small networks as PyTorch's two exporters write them, inputs, and what PyTorch makes of those.

Run with torch, onnx and onnxscript: python onnx_files.py
"""

import json
import os
import warnings

import torch
from torch import nn

here = os.path.dirname(os.path.abspath(__file__))
folder = os.path.join(here, "onnx")


class Residual(nn.Module):
    """A network of torchvision's kind: a stem, a block with a shortcut, a mean, a linear layer."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 3, stride=2, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(8)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        self.conv2 = nn.Conv2d(8, 12, 3, stride=2, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(12)
        self.shortcut = nn.Sequential(nn.Conv2d(8, 12, 1, stride=2, bias=False), nn.BatchNorm2d(12))
        self.fc = nn.Linear(12, 5)

    def forward(self, x):
        x = self.maxpool(torch.relu(self.bn1(self.conv1(x))))
        x = torch.relu(self.bn2(self.conv2(x)) + self.shortcut(x))
        return self.fc(torch.flatten(nn.functional.adaptive_avg_pool2d(x, 1), 1))


class LeNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 4, 5)
        self.conv2 = nn.Conv2d(4, 6, 3)
        self.fc1 = nn.Linear(6 * 2 * 2, 16)
        self.fc2 = nn.Linear(16, 10)

    def forward(self, x):
        x = nn.functional.max_pool2d(torch.tanh(self.conv1(x)), 2)
        x = nn.functional.avg_pool2d(torch.tanh(self.conv2(x)), 2)
        return torch.log_softmax(self.fc2(torch.tanh(self.fc1(x.view(x.shape[0], -1)))), 1)


class Mobile(nn.Module):
    """Depthwise convolutions, groups, clipped and hard activations, an odd padding."""

    def __init__(self):
        super().__init__()
        self.pad = nn.ZeroPad2d((0, 1, 0, 1))
        self.stem = nn.Conv2d(3, 8, 3, stride=2)
        self.depthwise = nn.Conv2d(8, 8, 3, padding=2, dilation=2, groups=8)
        self.norm = nn.BatchNorm2d(8)
        self.point = nn.Conv2d(8, 6, 1, groups=2)
        self.up = nn.ConvTranspose2d(6, 4, 3, stride=2, padding=1, output_padding=1)

    def forward(self, x):
        x = nn.functional.relu6(self.stem(self.pad(x)))
        x = nn.functional.hardswish(self.norm(self.depthwise(x)))
        x = nn.functional.leaky_relu(self.point(x), 0.2)
        return nn.functional.interpolate(torch.sigmoid(self.up(x)), scale_factor=2, mode="nearest").mean((2, 3))


class Words(nn.Module):
    """Indices, a recurrent layer of two directions, its last states."""

    def __init__(self, kind):
        super().__init__()
        self.embedding = nn.Embedding(11, 6)
        self.net = kind(6, 5, num_layers=2, batch_first=True, bidirectional=True)
        self.out = nn.Linear(10, 3)

    def forward(self, index):
        every, _ = self.net(self.embedding(index))
        return self.out(every)


class Attention(nn.Module):
    """What a transformer is made of, by hand: exporters write it as products of four axes."""

    def __init__(self):
        super().__init__()
        self.position = nn.Parameter(torch.randn(7, 8) * 0.1)
        self.norm1 = nn.LayerNorm(8)
        self.qkv = nn.Linear(8, 24)
        self.proj = nn.Linear(8, 8)
        self.norm2 = nn.LayerNorm(8)
        self.mlp = nn.Sequential(nn.Linear(8, 16), nn.GELU(), nn.Linear(16, 8))

    def forward(self, x):
        x = x + self.position
        batch, time, features = x.shape
        q, k, v = self.qkv(self.norm1(x)).view(batch, time, 3, 2, features // 2).permute(2, 0, 3, 1, 4).unbind(0)
        mask = torch.full((time, time), float("-inf")).triu(1)
        weights = torch.softmax(q @ k.transpose(-2, -1) / (features // 2) ** 0.5 + mask, -1)
        x = x + self.proj((weights @ v).transpose(1, 2).reshape(batch, time, features))
        return x + self.mlp(self.norm2(x))


def stir(model):
    generator = torch.Generator().manual_seed(5)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.copy_(torch.randn(module.num_features, generator=generator) * 0.3)
            module.running_var.copy_(torch.rand(module.num_features, generator=generator) + 0.5)
            module.weight.data.copy_(torch.rand(module.num_features, generator=generator) + 0.5)
    return model.eval()


def main():
    warnings.filterwarnings("ignore")
    os.makedirs(folder, exist_ok=True)
    torch.manual_seed(3)
    networks = {
        "residual": (Residual(), torch.randn(2, 3, 20, 18)),
        "lenet": (LeNet(), torch.randn(3, 1, 18, 18)),
        "mobile": (Mobile(), torch.randn(2, 3, 12, 10)),
        "lstm": (Words(nn.LSTM), torch.randint(0, 11, (3, 7))),
        "gru": (Words(nn.GRU), torch.randint(0, 11, (3, 7))),
        "rnn": (Words(nn.RNN), torch.randint(0, 11, (3, 7))),
        "attention": (Attention(), torch.randn(2, 7, 8)),
    }
    rows = []
    exporters = ["dynamo", "script"]
    for name, (model, x) in networks.items():
        stir(model)
        # By the input, or the table that it looks up: exporters fold weights into each other.
        leaf = x.requires_grad_(True) if x.is_floating_point() else model.embedding.weight
        y = model(x)
        (gradient,) = torch.autograd.grad((y**2).sum(), leaf)
        x, y = x.detach(), y.detach()
        for exporter in exporters:
            # Unrolled over time, it has 164 KB.
            if (name, exporter) == ("rnn", "dynamo"):
                continue
            file = f"{name}-{exporter}.onnx"
            path = os.path.join(folder, file)
            try:
                if exporter == "dynamo":
                    shapes = ({0: torch.export.Dim("batch")},)
                    torch.onnx.export(model, (x,), path, dynamo=True, external_data=False, dynamic_shapes=shapes, input_names=["input"], output_names=["output"], verbose=False)
                else:
                    axes = {"input": {0: "batch"}, "output": {0: "batch"}}
                    torch.onnx.export(model, (x,), path, dynamo=False, opset_version=17, dynamic_axes=axes, input_names=["input"], output_names=["output"])
            except Exception as error:
                print(file, "is not exported:", str(error).split("\n")[0][:200])
                continue
            rows.append({"file": file, "shape": list(x.shape), "input": x.flatten().tolist(), "output": y.flatten().tolist(), "outputShape": list(y.shape), "gradient": gradient.flatten().tolist()})
            print(file, os.path.getsize(path))
    with open(os.path.join(here, "onnx.json"), "w") as out:
        json.dump({"torch": torch.__version__, "rows": rows}, out)


if __name__ == "__main__":
    main()
