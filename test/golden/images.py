"""Writes images.json beside make.py, in its form: operations on images beside convolution and pooling with a kernel, channels last.

    python test/golden/images.py
"""

import torch

from make import Ops, draw, write_file
from pooling import last

functional = torch.nn.functional


def responses(ops):
    for shape, size, alpha, beta, k in (
        ((1, 2, 3, 7), 5, 1e-4, 0.75, 1.0),
        ((2, 1, 2, 9), 5, 5e-4, 0.75, 2.0),
        ((1, 2, 2, 6), 4, 0.8, 0.75, 0.5),
        ((1, 2, 2, 5), 3, 1.5, 0.6, 1.0),
        ((1, 1, 2, 3), 7, 0.5, 1.25, 1.5),
    ):
        x = draw(f"response {shape}", shape, -3, 3)
        normalize = lambda t, s=size, a=alpha, b=beta, c=k: functional.local_response_norm(t, s, a, b, c)  # noqa: E731
        # the sum, then a power as square roots or exp and log, a division; once more for the gradient's sum
        ops.add("localResponseNorm", [x], last(normalize), (size + 16, 2 * size + 40), {"size": size, "alpha": alpha, "beta": beta, "k": k})


def main():
    ops = Ops()
    responses(ops)
    write_file("images", {"cases": ops.cases}, __file__)


if __name__ == "__main__":
    main()
