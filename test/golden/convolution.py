"""Makes convolution.json: convolutions and transposed convolutions by PyTorch, in the layouts of nodegrad."""
import torch
import torch.nn.functional as F

from make import Ops, draw, write_file


def nchw(x):
    return x.permute(0, 3, 1, 2)


def nhwc(x):
    return x.permute(0, 2, 3, 1)


def conv2d(ops, image, kernel, channels, bias=True, stride=(1, 1), padding=((0, 0), (0, 0)), dilation=(1, 1), groups=1):
    """image [n, h, w], channels [in, out]; padding [[top, bottom], [left, right]]"""
    (n, h, w), (c, k) = image, channels
    info = {"stride": list(stride), "padding": [list(side) for side in padding], "dilation": list(dilation), "groups": groups}
    stream = f"conv {image} {kernel} {channels} {info}"
    x = draw(stream + " x", (n, h, w, c))
    weight = draw(stream + " w", (*kernel, c // groups, k))
    b = [draw(stream + " b", (k,))] if bias else []
    (top, bottom), (left, right) = padding

    def function(x, weight, *bias):
        padded = F.pad(nchw(x), (left, right, top, bottom))
        return nhwc(F.conv2d(padded, weight.permute(3, 2, 0, 1), bias[0] if bias else None, stride, 0, dilation, groups))

    products = kernel[0] * kernel[1] * max(c, k) // groups + 1
    ops.add("conv2d", [x, weight, *b], function, (products, max(products, n * h * w)), info)


def conv_transpose2d(ops, image, kernel, channels, stride=(1, 1), padding=(0, 0), output_padding=(0, 0), dilation=(1, 1), groups=1):
    (n, h, w), (c, k) = image, channels
    info = {"stride": list(stride), "padding": list(padding), "outputPadding": list(output_padding), "dilation": list(dilation), "groups": groups}
    stream = f"transposed {image} {kernel} {channels} {info}"
    x = draw(stream + " x", (n, h, w, c))
    weight = draw(stream + " w", (*kernel, k // groups, c))
    b = draw(stream + " b", (k,))

    def function(x, weight, bias):
        return nhwc(F.conv_transpose2d(nchw(x), weight.permute(3, 2, 0, 1), bias, stride, padding, output_padding, groups, dilation))

    products = kernel[0] * kernel[1] * max(c, k) // groups + 1
    ops.add("convTranspose2d", [x, weight, b], function, (products, max(products, n * (h * stride[0] + 4) * (w * stride[1] + 4))), info)


def main():
    ops = Ops()
    conv2d(ops, (1, 1, 1), (1, 1), (1, 1))
    conv2d(ops, (2, 3, 4), (1, 1), (3, 2), bias=False)
    conv2d(ops, (1, 5, 5), (3, 3), (2, 3))
    conv2d(ops, (2, 4, 5), (3, 3), (2, 2), bias=False, padding=((1, 1), (1, 1)))
    conv2d(ops, (1, 7, 6), (3, 3), (3, 2), stride=(2, 2), padding=((1, 1), (1, 1)))
    conv2d(ops, (1, 7, 6), (2, 3), (2, 2), stride=(2, 1), padding=((0, 1), (2, 0)))
    conv2d(ops, (1, 7, 7), (3, 3), (1, 2), dilation=(2, 2), padding=((1, 2), (0, 1)))
    conv2d(ops, (1, 6, 5), (3, 2), (2, 1), stride=(3, 2), dilation=(1, 2), padding=((2, 2), (1, 1)))
    conv2d(ops, (1, 4, 4), (3, 3), (4, 4), groups=2, padding=((1, 1), (1, 1)))
    conv2d(ops, (1, 4, 5), (3, 3), (3, 6), groups=3, stride=(2, 2), padding=((1, 1), (1, 1)))
    conv2d(ops, (1, 5, 4), (3, 3), (4, 4), bias=False, groups=4, padding=((1, 1), (1, 1)))
    conv2d(ops, (1, 9, 9), (7, 7), (1, 2), stride=(2, 2), padding=((3, 3), (3, 3)))
    conv_transpose2d(ops, (1, 1, 1), (1, 1), (1, 1))
    conv_transpose2d(ops, (1, 3, 4), (3, 3), (2, 3))
    conv_transpose2d(ops, (1, 3, 3), (4, 4), (2, 2), stride=(2, 2), padding=(1, 1))
    conv_transpose2d(ops, (1, 3, 2), (3, 2), (2, 1), stride=(2, 3), padding=(1, 0), output_padding=(1, 2))
    conv_transpose2d(ops, (1, 3, 3), (3, 3), (4, 2), groups=2, dilation=(2, 1), stride=(1, 2), padding=(1, 1))
    write_file("convolution", {"cases": ops.cases}, __file__)


if __name__ == "__main__":
    main()
