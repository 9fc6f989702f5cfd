"""Writes attention.json: attention, its layer, a transformer's block and root mean square norm by PyTorch, in float64."""
import hashlib
import json
import pathlib

import torch

HERE = pathlib.Path(__file__).parent
F64 = torch.float64
torch.set_num_threads(1)


def uniform(generator, shape, low=-2.0, high=2.0):
    return (torch.rand(shape, generator=generator, dtype=F64) * (high - low) + low).to(torch.float32).to(F64)


def stored(x):
    return {"shape": list(x.shape), "values": x.detach().reshape(-1).tolist()}


def with_gradients(generator, y, leaves):
    upstream = uniform(generator, y.shape)
    gradients = torch.autograd.grad((y * upstream).sum(), leaves)
    return {"output": stored(y), "upstream": stored(upstream), "gradients": [stored(g) for g in gradients]}


def heads_first(x, heads):
    return x.reshape(*x.shape[:2], heads, -1).transpose(1, 2)


def padding(generator, batch, keys):
    """1 for keys that count; the first of each example always does."""
    keep = (torch.rand([batch, keys], generator=generator) > 0.4).to(torch.uint8)
    keep[:, 0] = 1
    return keep


def product_case(seed, batch, queries, keys, heads, depth, causal=False, masked=False, scale=None):
    generator = torch.Generator().manual_seed(seed)
    features = heads * depth
    q, k, v = (uniform(generator, [batch, n, features]).requires_grad_(True) for n in (queries, keys, keys))
    keep = padding(generator, batch, keys) if masked else None
    mask = torch.ones([queries, keys], dtype=torch.bool).tril() if causal else torch.ones([queries, keys], dtype=torch.bool)
    if masked:
        mask = mask & keep.bool()[:, None, None, :]
    y = torch.nn.functional.scaled_dot_product_attention(
        heads_first(q, heads), heads_first(k, heads), heads_first(v, heads), attn_mask=mask, scale=scale)
    y = y.transpose(1, 2).reshape(batch, queries, features)
    return {
        "heads": heads, "causal": causal, "scale": scale, "keep": None if keep is None else stored(keep),
        "inputs": [stored(x) for x in (q, k, v)], **with_gradients(generator, y, [q, k, v]),
    }


def draw_parameters(generator, module):
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(uniform(generator, parameter.shape, -0.7, 0.7))


def layer_case(seed, batch, queries, keys, features, heads, causal=False, masked=False):
    generator = torch.Generator().manual_seed(seed)
    layer = torch.nn.MultiheadAttention(features, heads, batch_first=True, dtype=F64)
    draw_parameters(generator, layer)
    x = uniform(generator, [batch, queries, features]).requires_grad_(True)
    context = x if keys is None else uniform(generator, [batch, keys, features]).requires_grad_(True)
    keep = padding(generator, batch, context.shape[1]) if masked else None
    y, _ = layer(
        x, context, context, need_weights=False,
        key_padding_mask=None if keep is None else keep == 0,
        attn_mask=torch.ones([queries, queries], dtype=torch.bool).triu(1) if causal else None)
    leaves = [x] if keys is None else [x, context]
    return {
        "heads": heads, "causal": causal, "keep": None if keep is None else stored(keep),
        "inputs": [stored(leaf) for leaf in leaves],
        "parameters": {name: stored(parameter) for name, parameter in layer.named_parameters()},
        **with_gradients(generator, y, leaves),
    }


def block_case(seed, batch, positions, features, heads, hidden, causal, norm_first=True):
    generator = torch.Generator().manual_seed(seed)
    block = torch.nn.TransformerEncoderLayer(
        features, heads, hidden, dropout=0.0, activation="relu", batch_first=True, norm_first=norm_first, dtype=F64)
    draw_parameters(generator, block)
    x = uniform(generator, [batch, positions, features]).requires_grad_(True)
    mask = torch.ones([positions, positions], dtype=torch.bool).triu(1) if causal else None
    y = block(x, src_mask=mask)
    return {
        "heads": heads, "hidden": hidden, "causal": causal, "normFirst": norm_first, "inputs": [stored(x)],
        "parameters": {name: stored(parameter) for name, parameter in block.named_parameters()},
        **with_gradients(generator, y, [x]),
    }


def rms_case(seed, shape, affine, eps):
    generator = torch.Generator().manual_seed(seed)
    layer = torch.nn.RMSNorm(shape[-1], eps=eps, elementwise_affine=affine, dtype=F64)
    draw_parameters(generator, layer)
    x = uniform(generator, shape).requires_grad_(True)
    y = layer(x)
    return {
        "eps": eps, "affine": affine, "inputs": [stored(x)], "parameters": {n: stored(p) for n, p in layer.named_parameters()},
        **with_gradients(generator, y, [x, *layer.parameters()]),
    }


def main():
    text = pathlib.Path(__file__).read_bytes().replace(b"\r\n", b"\n")
    content = {
        "generatorSha256": hashlib.sha256(text).hexdigest(),
        "torch": str(torch.__version__),
        "products": [
            product_case(1, 2, 3, 3, 1, 4),
            product_case(2, 2, 4, 7, 2, 3),
            product_case(3, 2, 5, 5, 2, 2, causal=True),
            product_case(4, 3, 4, 6, 2, 1, masked=True),
            product_case(5, 2, 5, 5, 1, 3, causal=True, masked=True, scale=0.5),
            # More keys than a tile has, and more queries than a block.
            product_case(6, 1, 3, 131, 1, 2, masked=True),
            product_case(7, 1, 133, 133, 1, 2, causal=True),
        ],
        "layers": [
            layer_case(11, 2, 4, None, 6, 2),
            layer_case(12, 2, 3, 5, 4, 2, masked=True),
            layer_case(13, 2, 4, None, 6, 3, causal=True, masked=True),
        ],
        "blocks": [
            block_case(21, 2, 5, 6, 2, 9, False), block_case(22, 2, 5, 4, 2, 16, True),
            block_case(23, 2, 4, 6, 3, 7, False, norm_first=False), block_case(24, 2, 5, 4, 2, 8, True, norm_first=False),
        ],
        "rms": [rms_case(31, [3, 5], True, 1e-6), rms_case(32, [2, 3, 18], False, 1e-3), rms_case(33, [2, 300], True, 1e-5)],
    }
    (HERE / "attention.json").write_text(json.dumps(content, separators=(",", ":"), allow_nan=False) + "\n")


if __name__ == "__main__":
    main()
