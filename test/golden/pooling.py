"""Writes pooling.json beside make.py, in its form: pooling of images by PyTorch, with axes turned to channels last.

    python test/golden/pooling.py
"""

import torch

from make import Ops, draw, draw_distinct, write_file

NCHW, NHWC = (0, 3, 1, 2), (0, 2, 3, 1)
functional = torch.nn.functional


def last(function):
    """A function of NCHW images as one of NHWC images."""
    return lambda x: function(x.permute(NCHW)).permute(NHWC)


def poolings(ops):
    for shape, kernel, stride, padding, dilation, ceil in (
        ((2, 4, 6, 3), (2, 2), (2, 2), (0, 0), (1, 1), False),
        ((1, 5, 7, 2), (2, 2), (2, 2), (0, 0), (1, 1), True),
        ((1, 7, 6, 2), (3, 3), (2, 2), (1, 1), (1, 1), False),
        ((1, 6, 7, 2), (3, 3), (2, 2), (0, 0), (1, 1), True),
        ((1, 4, 5, 2), (3, 3), (1, 1), (1, 1), (1, 1), False),
        ((1, 4, 4, 2), (2, 2), (2, 2), (1, 1), (1, 1), True),
        ((2, 5, 4, 1), (3, 2), (1, 3), (1, 0), (1, 1), True),
        ((1, 8, 7, 2), (3, 2), (2, 1), (1, 1), (2, 3), False),
        ((1, 6, 6, 1), (2, 2), (3, 3), (0, 0), (1, 1), True),
    ):
        attributes = {"kernel": list(kernel), "stride": list(stride), "padding": list(padding), "ceilMode": ceil}
        x = draw_distinct(f"pool {shape} {attributes} {dilation}", shape)
        largest = lambda t: functional.max_pool2d(t, kernel, stride, padding, dilation, ceil)  # noqa: E731
        overlaps = -(-kernel[0] // stride[0]) * -(-kernel[1] // stride[1])
        ops.add("maxPool2d", [x], last(largest), (0, overlaps), {**attributes, "dilation": list(dilation)})
        if dilation != (1, 1):
            continue
        for counts, divisor in ((True, None), (False, None), (True, 5)):
            mean = lambda t, c=counts, d=divisor: functional.avg_pool2d(t, kernel, stride, padding, ceil, c, d)  # noqa: E731
            more = {"countIncludePad": counts, **({} if divisor is None else {"divisorOverride": divisor})}
            ops.add("avgPool2d", [x], last(mean), (kernel[0] * kernel[1], overlaps + 1), {**attributes, **more})
    for shape, out in (((2, 5, 4, 2), (2, 3)), ((1, 3, 2, 3), (5, 4)), ((1, 7, 7, 2), (1, 1)), ((1, 4, 4, 1), (2, 2))):
        x = draw_distinct(f"adaptive {shape} {out}", shape)
        mean = lambda t, o=out: functional.adaptive_avg_pool2d(t, o)  # noqa: E731
        ops.add("adaptiveAvgPool2d", [x], last(mean), (shape[1] * shape[2], out[0] * out[1] + 1), {"out": list(out)})


def main():
    ops = Ops()
    poolings(ops)
    write_file("pooling", {"cases": ops.cases}, __file__)


if __name__ == "__main__":
    main()
