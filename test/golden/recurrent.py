"""Writes recurrent.json: RNN, LSTM and GRU by PyTorch in float64, with sequences of different length and gradients by all that goes in."""
import hashlib
import json
import pathlib

import torch

HERE = pathlib.Path(__file__).parent
F64 = torch.float64
BATCH, TIME, IN, HIDDEN = 3, 4, 2, 3


def uniform(generator, shape, low=-1.0, high=1.0):
    return (torch.rand(shape, generator=generator, dtype=F64) * (high - low) + low).to(torch.float32).to(F64)


def stored(x):
    return {"shape": list(x.shape), "values": x.detach().reshape(-1).tolist()}


def case(seed, kind, lengths, **options):
    """A module of torch.nn on random input from random states: outputs, and gradients of their sum with random upstream gradients."""
    generator = torch.Generator().manual_seed(seed)
    net = getattr(torch.nn, kind)(IN, HIDDEN, batch_first=True, dtype=F64, **options)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.copy_(uniform(generator, parameter.shape))
    cells = net.num_layers * (2 if net.bidirectional else 1)
    sizes = [net.proj_size or HIDDEN, HIDDEN] if kind == "LSTM" else [HIDDEN]
    x = uniform(generator, [BATCH, TIME, IN]).requires_grad_(True)
    first = [uniform(generator, [cells, BATCH, size]).requires_grad_(True) for size in sizes]
    given = tuple(first) if kind == "LSTM" else first[0]
    if lengths is None:
        output, last = net(x, given)
    else:
        packed = torch.nn.utils.rnn.pack_padded_sequence(x, torch.tensor(lengths), batch_first=True, enforce_sorted=False)
        output, last = net(packed, given)
        output, _ = torch.nn.utils.rnn.pad_packed_sequence(output, batch_first=True, total_length=TIME)
    last = list(last) if kind == "LSTM" else [last]
    upstreams = [uniform(generator, y.shape) for y in [output, *last]]
    loss = sum((y * u).sum() for y, u in zip([output, *last], upstreams))
    names = [name for name, _ in net.named_parameters()]
    gradients = torch.autograd.grad(loss, [x, *first, *net.parameters()])
    return {
        "kind": kind, "options": options, "lengths": lengths, "input": stored(x), "first": [stored(s) for s in first],
        "parameters": {name: stored(p) for name, p in net.named_parameters()},
        "output": stored(output), "last": [stored(s) for s in last], "upstreams": [stored(u) for u in upstreams],
        "gradients": [stored(g) for g in gradients[: 1 + len(first)]],
        "parameterGradients": {name: stored(g) for name, g in zip(names, gradients[1 + len(first):])},
    }


def original_gru(seed):
    """The GRU of Cho et al. 2014, its reset before the product, written out; weights as nodegrad keeps them: [in, gates], order r, z, n."""
    generator = torch.Generator().manual_seed(seed)
    w, r, b = (uniform(generator, s).requires_grad_(True) for s in ([IN, 3 * HIDDEN], [HIDDEN, 3 * HIDDEN], [3 * HIDDEN]))
    x = uniform(generator, [BATCH, TIME, IN]).requires_grad_(True)
    first = uniform(generator, [BATCH, HIDDEN]).requires_grad_(True)
    h, outputs = first, []
    for t in range(TIME):
        a = x[:, t] @ w + b
        gates = torch.sigmoid(a[:, : 2 * HIDDEN] + h @ r[:, : 2 * HIDDEN])
        reset, keep = gates[:, :HIDDEN], gates[:, HIDDEN:]
        candidate = torch.tanh(a[:, 2 * HIDDEN:] + (reset * h) @ r[:, 2 * HIDDEN:])
        h = (1 - keep) * candidate + keep * h
        outputs.append(h)
    output = torch.stack(outputs, 1)
    upstreams = [uniform(generator, output.shape), uniform(generator, h.shape)]
    loss = (output * upstreams[0]).sum() + (h * upstreams[1]).sum()
    gradients = torch.autograd.grad(loss, [x, first, w, r, b])
    return {
        "input": stored(x), "first": stored(first), "parameters": [stored(p) for p in (w, r, b)], "output": stored(output),
        "upstreams": [stored(u) for u in upstreams], "gradients": [stored(g) for g in gradients],
    }


def main():
    text = pathlib.Path(__file__).read_bytes().replace(b"\r\n", b"\n")
    content = {
        "generatorSha256": hashlib.sha256(text).hexdigest(),
        "torch": str(torch.__version__),
        "cases": [
            case(1, "RNN", None),
            case(2, "RNN", [4, 1, 3], nonlinearity="relu", num_layers=2, bidirectional=True),
            case(3, "LSTM", None, num_layers=2),
            case(4, "LSTM", [2, 4, 1], bidirectional=True),
            case(5, "LSTM", [4, 3, 2], proj_size=2),
            case(6, "LSTM", None, proj_size=2, bias=False, num_layers=2),
            case(7, "GRU", None),
            case(8, "GRU", [1, 2, 4], num_layers=2, bidirectional=True),
            case(9, "GRU", None, bias=False),
        ],
        "originalGru": original_gru(10),
    }
    (HERE / "recurrent.json").write_text(json.dumps(content, separators=(",", ":"), allow_nan=False) + "\n")


if __name__ == "__main__":
    main()
