"""Writes images.json beside make.py, in its form: operations on images beside convolution and pooling with a kernel, channels last.

    python test/golden/images.py
"""

import torch

from make import Ops, draw, draw_distinct, write_file
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


def adaptive_maxima(ops):
    for shape, out in (((2, 5, 4, 2), (2, 3)), ((1, 3, 2, 3), (5, 4)), ((1, 7, 7, 2), (1, 1)), ((1, 6, 5, 1), (3, 2))):
        x = draw_distinct(f"adaptive maximum {shape} {out}", shape)
        largest = lambda t, o=out: functional.adaptive_max_pool2d(t, o)  # noqa: E731
        ops.add("adaptiveMaxPool2d", [x], last(largest), (0, out[0] * out[1]), {"out": list(out)})


def frames(ops):
    for shape, frame in (((2, 3, 4, 2), ((1, 2), (2, 1))), ((1, 2, 5, 3), ((0, 1), (4, 0)))):
        x = draw(f"frame {shape}", shape)
        (top, bottom), (left, right) = frame
        for mode, value in (("constant", 0.0), ("constant", -1.5), ("reflect", 0.0), ("replicate", 0.0)):
            around = lambda t, m=mode, v=value: functional.pad(t, (left, right, top, bottom), m, v if m == "constant" else None)  # noqa: E731
            ops.add("pad2d", [x], last(around), (0, 16), {"frame": [list(f) for f in frame], "mode": mode, "value": value})


def sizes(ops):
    for shape, out in (((2, 3, 4, 2), (6, 8)), ((1, 4, 5, 1), (7, 3)), ((1, 3, 2, 3), (1, 5)), ((1, 1, 1, 2), (3, 2))):
        x = draw(f"size {shape}", shape)
        for mode, corners in (("nearest", False), ("bilinear", False), ("bilinear", True)):
            align = {} if mode == "nearest" else {"align_corners": corners}
            resize = lambda t, o=out, m=mode, a=align: functional.interpolate(t, o, mode=m, **a)  # noqa: E731
            # a weight, its product with another, four products and their sum
            roundings = (0, 16) if mode == "nearest" else (12, 40)
            ops.add("upsample2d", [x], last(resize), roundings, {"out": list(out), "mode": mode, "alignCorners": corners})


def main():
    ops = Ops()
    responses(ops)
    adaptive_maxima(ops)
    frames(ops)
    sizes(ops)
    write_file("images", {"cases": ops.cases}, __file__)


if __name__ == "__main__":
    main()
