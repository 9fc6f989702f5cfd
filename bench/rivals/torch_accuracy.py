"""PyTorch's ResNet-20 on CIFAR-10, by the recipe of ../accuracy.ts and on the same JPEGs: what the data gives, whoever trains.

    python bench/rivals/torch_accuracy.py FOLDER [--seed 1] [--epochs 20] [--precision bfloat16] [--device cpu] [--checkpoint FILE] [--output FILE]

FOLDER has train.tar.gz and test.tar.gz, one folder a class. Needs torch, numpy and Pillow.
"""

import argparse
import io
import json
import os
import tarfile
import time

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import nn

BATCH, LR, MOMENTUM, DECAY, STD = 128, 0.1, 0.9, 5e-4, 0.25


def images_of(path):
    """Bytes [N, 32, 32, 3] and classes, in the order of names."""
    with tarfile.open(path) as archive:
        files = sorted((one for one in archive if one.isfile()), key=lambda one: one.name)
        names = sorted({one.name.split("/")[-2] for one in files})
        pixels = [np.asarray(Image.open(io.BytesIO(archive.extractfile(one).read())).convert("RGB")) for one in files]
    classes = [names.index(one.name.split("/")[-2]) for one in files]
    return torch.from_numpy(np.stack(pixels)), torch.tensor(classes)


class Block(nn.Module):
    def __init__(self, before, channels, stride):
        super().__init__()
        self.stride, self.more = stride, channels - before
        self.first = nn.Conv2d(before, channels, 3, stride, 1, bias=False)
        self.second = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        self.norms = nn.ModuleList([nn.BatchNorm2d(channels), nn.BatchNorm2d(channels)])

    def forward(self, x):
        y = F.relu(self.norms[0](self.first(x)))
        y = self.norms[1](self.second(y))
        # The shortcut without parameters: every stride-th pixel, new channels are zeros.
        x = F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, self.more // 2, self.more - self.more // 2))
        return F.relu(x + y)


def resnet20():
    layers, before = [nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU()], 16
    for channels in (16, 32, 64):
        for index in range(3):
            layers.append(Block(before, channels, 2 if index == 0 and channels > 16 else 1))
            before = channels
    model = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        elif isinstance(module, nn.Linear):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            nn.init.zeros_(module.bias)
    return model


def crops_and_flips(x, random):
    """Each image padded by 4 and cut to its size again, half of them mirrored. x: [N, C, 32, 32], the mean is 0."""
    count, channels, height, width = x.shape
    padded = F.pad(x, (4, 4, 4, 4))
    top, left = (torch.randint(0, 9, (count, 1), generator=random).to(x.device) for _ in range(2))
    mirrored = (torch.rand((count, 1), generator=random) < 0.5).to(x.device)
    rows = top + torch.arange(height, device=x.device)
    across = torch.arange(width, device=x.device)
    columns = left + torch.where(mirrored, width - 1 - across, across)
    batch = torch.arange(count, device=x.device)[:, None, None]
    return padded.permute(0, 2, 3, 1)[batch, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


def main():
    options = argparse.ArgumentParser()
    options.add_argument("folder")
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--epochs", type=int, default=20)
    options.add_argument("--precision", choices=["float32", "bfloat16"], default="float32")
    options.add_argument("--device", default="cpu")
    options.add_argument("--checkpoint")
    options.add_argument("--output", help="accuracies and losses by epoch, as JSON")
    options.add_argument("--images", type=int, default=10000, help="of each set, for a first try")
    given = options.parse_args()
    device = torch.device(given.device)
    torch.backends.cudnn.allow_tf32 = False  # float32 is float32, on a graphics processor too

    (train, train_classes), (test, test_classes) = (images_of(os.path.join(given.folder, f"{part}.tar.gz")) for part in ("train", "test"))
    random = torch.Generator().manual_seed(given.seed)
    if given.images < len(test):
        few = [torch.randperm(len(one), generator=random)[: given.images] for one in (train, test)]
        train, train_classes, test, test_classes = train[few[0]], train_classes[few[0]], test[few[1]], test_classes[few[1]]
    mean = train.double().mean((0, 1, 2)) / 255

    def normalized(pixels):
        return ((pixels.float() / 255 - mean.float()) / STD).permute(0, 3, 1, 2).to(device, memory_format=torch.channels_last)

    x, y = normalized(train), train_classes.to(device)
    test_x, test_y = normalized(test), test_classes.to(device)

    torch.manual_seed(given.seed)
    model = resnet20().to(device, memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(model.parameters(), LR, momentum=MOMENTUM, nesterov=True, weight_decay=DECAY)
    epoch_steps = -(-len(x) // BATCH)
    rest = max(1, given.epochs * epoch_steps - epoch_steps)
    rate = torch.optim.lr_scheduler.LambdaLR(
        optimizer,
        lambda t: t / epoch_steps if t < epoch_steps else 0.5 * (1 + np.cos(np.pi * (t - epoch_steps) / rest)),
    )
    mixed = torch.autocast(device.type, torch.bfloat16, enabled=given.precision == "bfloat16")
    parts = {"model": model, "optimizer": optimizer, "rate": rate}
    first = 0
    if given.checkpoint and os.path.exists(given.checkpoint):
        kept = torch.load(given.checkpoint, map_location=device, weights_only=False)
        for name, part in parts.items():
            part.load_state_dict(kept[name])
        first = kept["epoch"]
        random.set_state(kept["random"].cpu())

    label = f"PyTorch {torch.__version__} ({device.type}), seed {given.seed}, {given.precision}"
    begin = time.process_time()
    history = []
    for epoch in range(first, given.epochs):
        model.train()
        total = torch.zeros((), device=device)
        for chosen in torch.randperm(len(x), generator=random).split(BATCH):
            chosen = chosen.to(device)
            with mixed:
                loss = F.cross_entropy(model(crops_and_flips(x[chosen], random)), y[chosen])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            rate.step()
            total += loss.detach() * len(chosen)
        model.eval()
        with torch.no_grad():
            right = sum((model(part).argmax(1) == classes).sum() for part, classes in zip(test_x.split(500), test_y.split(500)))
        history.append({"epoch": epoch + 1, "loss": total.item() / len(x), "accuracy": right.item() / len(test_x)})
        print(f"{label}: epoch {epoch + 1}, loss {history[-1]['loss']:.4f}, {100 * history[-1]['accuracy']:.2f} % of test data", flush=True)
        if given.output:
            with open(given.output, "w") as file:
                json.dump({"run": label, "epochs": history}, file)
        if given.checkpoint:
            torch.save({**{name: part.state_dict() for name, part in parts.items()}, "epoch": epoch + 1, "random": random.get_state()}, given.checkpoint)
    print(f"{label}, {given.epochs} epochs: {time.process_time() - begin:.0f} s of CPU", flush=True)


if __name__ == "__main__":
    main()
