"""Logits of transformers' and timm's models under weights that are a formula: test/models/foreign-names.test.ts makes the same weights.

python test/golden/foreign-names.py writes foreign-names.json beside it. Needs torch, torchvision, transformers and timm."""

import hashlib
import json
import pathlib
import sys

import timm
import torch
import transformers
from timm.models.vgg import VGG

here = pathlib.Path(__file__).parent
sys.path.insert(0, str(here))
from models import noise, value  # noqa: E402


def case(model, size):
    model.eval()
    names = {name: list(tensor.shape) for name, tensor in model.state_dict().items() if not name.endswith("num_batches_tracked")}
    model.load_state_dict({name: value(name, shape) for name, shape in names.items()}, strict=False)
    images = torch.from_numpy(noise("images", 2 * 3 * size * size).astype("float32").reshape(2, 3, size, size))
    with torch.no_grad():
        output = model.double()(images.double())
    logits = output if isinstance(output, torch.Tensor) else output.logits
    return {"size": size, "names": list(names), "shapes": list(names.values()), "logits": [[float(f"{x:.9g}") for x in row] for row in logits.tolist()]}


def resnet(layer_type, depths, sizes):
    config = transformers.ResNetConfig(embedding_size=16, hidden_sizes=sizes, depths=depths, layer_type=layer_type, num_labels=5)
    return transformers.ResNetForImageClassification(config)


small_vgg = VGG(cfg=[2, "M", 4, "M", 8, 8, "M", 16, 16, "M", 16, 16, "M"], num_classes=5, mlp_ratio=1 / 64)
content = {
    "generatorSha256": hashlib.sha256(pathlib.Path(__file__).read_bytes().replace(b"\r\n", b"\n")).hexdigest(),
    "transformers": transformers.__version__,
    "timm": timm.__version__,
    "cases": {
        "transformers, basic": case(resnet("basic", [2, 1, 1], [16, 32, 64]), 64),
        "transformers, bottleneck": case(resnet("bottleneck", [1, 2, 1, 1], [64, 128, 256, 512]), 64),
        "timm, vgg11": case(small_vgg, 64),
    },
    # These have torchvision's names, and its shapes.
    "same": {
        name: [[key, list(tensor.shape)] for key, tensor in timm.create_model(name, pretrained=False).state_dict().items()]
        for name in ["resnet18", "resnet50"]
    },
}
(here / "foreign-names.json").write_text(json.dumps(content, separators=(",", ":")) + "\n")
