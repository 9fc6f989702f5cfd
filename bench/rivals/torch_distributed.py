"""PyTorch's torch.distributed on Gloo, for ../distributed.ts: sums over the group, or training steps under DistributedDataParallel, timed.

    python torch_distributed.py WORK    (JSON: rank, size, threads, port, kind, count, repeats, compile)
"""

import json
import os
import sys
import time

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from torch_accuracy import resnet20


class Basic(nn.Module):
    def __init__(self, before, channels, stride):
        super().__init__()
        self.first = nn.Conv2d(before, channels, 3, stride, 1, bias=False)
        self.second = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        self.norms = nn.ModuleList([nn.BatchNorm2d(channels), nn.BatchNorm2d(channels)])
        changes = stride != 1 or before != channels
        self.shortcut = nn.Sequential(nn.Conv2d(before, channels, 1, stride, bias=False), nn.BatchNorm2d(channels)) if changes else nn.Identity()

    def forward(self, x):
        y = F.relu(self.norms[0](self.first(x)))
        return F.relu(self.norms[1](self.second(y)) + self.shortcut(x))


def resnet18():
    layers, before = [nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d(3, 2, 1)], 64
    for channels in (64, 128, 256, 512):
        for index in range(2):
            layers.append(Basic(before, channels, 2 if index == 0 and channels > 64 else 1))
            before = channels
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 10))


def sums(count, repeats):
    x = torch.full((count,), 1e-3)
    times = []
    for _ in range(repeats):
        dist.barrier()
        start = time.perf_counter()
        dist.all_reduce(x)
        times.append((time.perf_counter() - start) * 1e3)
    return times


def steps(work):
    torch.manual_seed(1)
    side, model = (32, resnet20()) if work["kind"] == "resnet20" else (64, resnet18())
    model = model.to(memory_format=torch.channels_last)
    if work["size"] > 1:
        model = DistributedDataParallel(model)
    if work["compile"]:
        model = torch.compile(model)
    optimizer = torch.optim.SGD(model.parameters(), 0.01, momentum=0.9)
    own = work["count"] // work["size"]  # DistributedDataParallel: each process has a batch of its own
    batches = [torch.randn(own, 3, side, side).to(memory_format=torch.channels_last) for _ in range(8)]
    classes = torch.arange(own) % 10
    times = []
    for _ in range(1 + work["repeats"]):
        start = time.perf_counter()
        for x in batches:
            optimizer.zero_grad()
            F.cross_entropy(model(x), classes).backward()
            optimizer.step()
        times.append((time.perf_counter() - start) / len(batches) * 1e3)
    return times[1:]


def main():
    work = json.loads(sys.argv[1])
    torch.set_num_threads(work["threads"])
    if work["size"] > 1:
        os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(work["port"]))
        dist.init_process_group("gloo", rank=work["rank"], world_size=work["size"])
    times = sums(work["count"], work["repeats"]) if work["kind"] == "sum" else steps(work)
    if work["rank"] == 0:
        print(json.dumps(times), flush=True)
    if work["size"] > 1:
        dist.barrier()
        dist.destroy_process_group()
    os._exit(0)  # what is left of the group may abort at exit


main()
