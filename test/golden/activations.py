"""Writes activations.json beside make.py: values and slopes of activation functions by PyTorch, in float64, at points off every corner.

    python test/golden/activations.py
"""

import torch

from make import F64, array, draw, write_file

functional = torch.nn.functional
KINKS = (-3.0, -1.0, 0.0, 1.0, 3.0, 6.0)

FUNCTIONS = [
    ("relu", None, torch.relu),
    ("sigmoid", None, torch.sigmoid),
    ("tanh", None, torch.tanh),
    ("leakyRelu", None, functional.leaky_relu),
    ("leakyRelu", {"negativeSlope": 0.3}, lambda x: functional.leaky_relu(x, 0.3)),
    ("relu6", None, functional.relu6),
    ("hardTanh", None, functional.hardtanh),
    ("hardSigmoid", None, functional.hardsigmoid),
    ("hardSwish", None, functional.hardswish),
    ("elu", None, functional.elu),
    ("elu", {"alpha": 0.5}, lambda x: functional.elu(x, 0.5)),
    ("selu", None, functional.selu),
    ("celu", {"alpha": 2.0}, lambda x: functional.celu(x, 2.0)),
    ("gelu", None, functional.gelu),
    ("gelu", {"approximate": "tanh"}, lambda x: functional.gelu(x, approximate="tanh")),
    ("swish", None, functional.silu),
    ("mish", None, functional.mish),
    ("softplus", None, functional.softplus),
    ("softplus", {"beta": 2.5}, lambda x: functional.softplus(x, 2.5)),
    ("softsign", None, functional.softsign),
]


def cases():
    # PyTorch keeps constants of two slopes in float32, in float64 too (findings/torch-float64-slopes-in-float32.sh): celu gets an exact 1/alpha.
    # gelu as 1 + erf and the tanh form as 1 + tanh lose their digits in the far tail: points from -4.5 on are good to 1e-9 there.
    x = torch.cat([draw("activations", (40,), -4.5, 8.0, KINKS), draw("activations near zero", (8,), -1e-3, 1e-3)])
    for name, options, function in FUNCTIONS:
        leaf = x.clone().requires_grad_()
        y = function(leaf)
        (slope,) = torch.autograd.grad(y.sum(), leaf)
        yield {"name": f"{name} {options}", "fn": name, "options": options, "x": array(x), "y": array(y), "slope": array(slope)}
    for shape in ((1,), (3,)):
        inputs, alpha = draw("prelu", (8, 3), -4, 4, (0.0,)).requires_grad_(), draw(f"prelu {shape}", shape, 0.1, 2).requires_grad_()
        y = functional.prelu(inputs, alpha)
        dx, dalpha = torch.autograd.grad(y.sum(), (inputs, alpha))
        yield {"name": f"prelu {shape}", "fn": "prelu", "options": None, "x": array(inputs), "alpha": array(alpha), "y": array(y), "slope": array(dx), "slopeOfAlpha": array(dalpha)}


def main():
    torch.set_default_dtype(F64)
    write_file("activations", {"cases": list(cases())}, __file__)


if __name__ == "__main__":
    main()
