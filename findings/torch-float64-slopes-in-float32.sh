#!/usr/bin/env bash
# PyTorch 2.15.0 (CPU): the gradients of hardsigmoid and of celu have only the precision of float32 where everything is float64. The kernels
# keep a constant in float: 1/6 in the one, 1/alpha in the other (so alpha 1 or 2 is exact, 1.7 is not). Values are right in all digits,
# and torch.autograd.gradcheck passes, because its tolerance is wider than the error. Golden gradients at 1e-9 come out 1e-8 off. Seen:
#   hardsigmoid′(0.5) = 0.1666666716337204, off by 3.0e-08 of its size
#   celu′(−1; 1.7)    = 0.5553063665883347, off by 1.2e-08 of its size
# PYTHON names a Python with torch; default python3.
set -euo pipefail
"${PYTHON:-python3}" - <<'PY'
import math, sys
import torch

def slope(f, at):
    x = torch.tensor([at], dtype=torch.float64, requires_grad=True)
    f(x).sum().backward()
    return x.grad.item()

functional = torch.nn.functional
cases = {
    "hardsigmoid′(0.5)": (slope(functional.hardsigmoid, 0.5), 1 / 6),
    "celu′(−1; 1.7)": (slope(lambda x: functional.celu(x, 1.7), -1.0), math.exp(-1 / 1.7)),
}
print(torch.__version__)
for name, (found, exact) in cases.items():
    print(f"{name:17} = {found!r}, off by {abs(found / exact - 1):.1e} of its size")
if not all(1e-9 < abs(found / exact - 1) < 1e-6 for found, exact in cases.values()):
    print("the behaviour has changed")
    sys.exit(1)
PY
