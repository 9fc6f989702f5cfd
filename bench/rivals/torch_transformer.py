"""PyTorch's transformer over characters, with its fused attention. Weights come as [in, out], in the order of bench/cases/transformers.ts."""

import os

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from torch_training import step_of, training


class Block(nn.Module):
    def __init__(self, features, heads):
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(features), nn.LayerNorm(features)
        self.qkv, self.out = nn.Linear(features, 3 * features), nn.Linear(features, features)
        self.up, self.down = nn.Linear(features, 4 * features), nn.Linear(4 * features, features)

    def forward(self, x):
        batch, time, features = x.shape
        q, k, v = self.qkv(self.norm1(x)).reshape(batch, time, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.out(y.transpose(1, 2).reshape(batch, time, features))
        return x + self.down(F.relu(self.up(self.norm2(x))))


class Net(nn.Module):
    def __init__(self, work):
        super().__init__()
        features = work["features"]
        self.characters, self.positions = nn.Embedding(work["characters"], features), nn.Embedding(work["time"], features)
        self.blocks = nn.ModuleList([Block(features, work["heads"]) for _ in range(work["layers"])])
        self.norm, self.head = nn.LayerNorm(features), nn.Linear(features, work["characters"])

    def forward(self, x):
        x = self.characters(x) + self.positions.weight
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x))


def fill(net, work, values):
    features, at = work["features"], 0

    def take(*shape):
        nonlocal at
        size = int(np.prod(shape))
        at += size
        return values[at - size : at].reshape(shape)

    def norm(layer):
        layer.weight.copy_(take(features))
        layer.bias.copy_(take(features))

    def linear(weight, bias):
        weight.copy_(take(weight.shape[1], weight.shape[0]).T)
        bias.copy_(take(bias.shape[0]))

    net.characters.weight.copy_(take(work["characters"], features))
    net.positions.weight.copy_(take(work["time"], features))
    for block in net.blocks:
        norm(block.norm1)
        for part in range(3):
            rows = slice(part * features, (part + 1) * features)
            linear(block.qkv.weight[rows], block.qkv.bias[rows])
        linear(block.out.weight, block.out.bias)
        norm(block.norm2)
        linear(block.up.weight, block.up.bias)
        linear(block.down.weight, block.down.bias)
    norm(net.norm)
    linear(net.head.weight, net.head.bias)
    assert at == len(values)


def transformer(work, folder, variant):
    batches, batch, time = work["batches"], work["batch"], work["time"]
    net = Net(work)
    with torch.no_grad():
        fill(net, work, torch.from_numpy(np.fromfile(os.path.join(folder, "weights.bin"), dtype=np.float32)))

    def read(name, *shape):
        return list(torch.from_numpy(np.fromfile(os.path.join(folder, name), dtype=np.int32).reshape(batches, *shape)).long())

    x, y = read("inputs.bin", batch, time), read("targets.bin", batch * time)
    optimizer = torch.optim.SGD(net.parameters(), lr=work["lr"], fused=True)

    def loss_of(x, y):
        return F.cross_entropy(net(x).flatten(0, 1), y)

    return training(step_of(loss_of, optimizer, variant == "compile"), x, y, 10)
