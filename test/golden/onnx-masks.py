"""Writes test/golden/onnx-masks.json: attention with masks of padding, as PyTorch's two exporters write it, and what PyTorch makes of an input.

Run with torch, onnx and onnxscript: python onnx-masks.py
"""

import base64
import gzip
import hashlib
import io
import json
import os
import pathlib
import warnings

import onnx
import torch
import torch.nn.functional as F
from torch import nn

T, D, HEADS = 5, 8, 2


class Plain(nn.Module):
    """Attention written out; the mask is 1 for what counts."""

    def __init__(self):
        super().__init__()
        self.qkv = nn.Linear(D, 3 * D)

    def forward(self, x, mask):
        q, k, v = (part.view(-1, T, HEADS, D // HEADS).transpose(1, 2) for part in self.qkv(x).split(D, 2))
        return self.mix(q, k, v, mask[:, None, None, :]).transpose(1, 2).reshape(-1, T, D)


class Product(Plain):
    """scaled_dot_product_attention with truth values."""

    def mix(self, q, k, v, mask):
        return F.scaled_dot_product_attention(q, k, v, attn_mask=mask.bool())


class Causal(Plain):
    """The same, where nobody sees what comes later."""

    def mix(self, q, k, v, mask):
        return F.scaled_dot_product_attention(q, k, v, attn_mask=torch.ones(T, T, dtype=torch.bool).tril() & mask.bool())


class Filled(Plain):
    """masked_fill."""

    def mix(self, q, k, v, mask):
        return (q @ k.transpose(-2, -1) / 2).masked_fill(mask == 0, float("-inf")).softmax(-1) @ v


class Added(Plain):
    """A number far below zero is added, as in BERT."""

    def mix(self, q, k, v, mask):
        return (q @ k.transpose(-2, -1) / 2 + (1.0 - mask.float()) * torch.finfo(torch.float32).min).softmax(-1) @ v


class Layer(nn.Module):
    """MultiheadAttention with key_padding_mask, and with attn_mask beside it."""

    def __init__(self, is_causal):
        super().__init__()
        self.inner = nn.MultiheadAttention(D, HEADS, batch_first=True)
        self.past = nn.Transformer.generate_square_subsequent_mask(T) if is_causal else None

    def forward(self, x, mask):
        return self.inner(x, x, x, key_padding_mask=mask == 0, attn_mask=self.past, need_weights=False)[0]


def exported(model, inputs, exporter):
    out = io.BytesIO()
    names = {"input_names": ["x", "mask"], "output_names": ["output"]}
    if exporter == "dynamo":
        batch = torch.export.Dim("batch")
        program = torch.onnx.export(model, inputs, dynamo=True, dynamic_shapes=({0: batch}, {0: batch}), verbose=False, **names)
        message = program.model_proto
    else:
        torch.onnx.export(model, inputs, out, dynamo=False, opset_version=17, dynamic_axes={"x": {0: "batch"}, "mask": {0: "batch"}}, **names)
        message = onnx.load_from_string(out.getvalue())
    # Where each node comes from takes more room than the nodes.
    for node in message.graph.node:
        node.ClearField("doc_string")
        del node.metadata_props[:]
    del message.graph.value_info[:]
    del message.graph.metadata_props[:]
    del message.metadata_props[:]
    return base64.b64encode(gzip.compress(message.SerializeToString(), 9, mtime=0)).decode()


def main():
    warnings.filterwarnings("ignore")
    torch.manual_seed(1)
    x = torch.randn(3, T, D)
    mask = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 0, 0, 0], [1, 0, 1, 1, 0]])
    rows = []
    models = {"product": Product(), "causal": Causal(), "filled": Filled(), "added": Added(), "layer": Layer(False), "both": Layer(True)}
    for name, model in models.items():
        model.eval()
        output = model(x, mask).detach().flatten().tolist()
        for exporter in ("dynamo", "script"):
            rows.append({"name": f"{name}, {exporter}", "file": exported(model, (x, mask), exporter), "output": output})
    here = pathlib.Path(__file__)
    content = {
        "generatorSha256": hashlib.sha256(here.read_bytes().replace(b"\r\n", b"\n")).hexdigest(),
        "torch": torch.__version__,
        "x": x.flatten().tolist(),
        "mask": mask.flatten().tolist(),
        "rows": rows,
    }
    (here.parent / "onnx-masks.json").write_text(json.dumps(content, separators=(",", ":")) + "\n")
    print(os.path.getsize(here.parent / "onnx-masks.json"))


if __name__ == "__main__":
    main()
