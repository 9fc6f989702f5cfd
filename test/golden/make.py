"""Writes the frozen truth that the tests compare against: values, gradients and trajectories computed by PyTorch.

    pip install torch
    python test/golden/make.py            # rewrites test/golden/*.json
    python test/golden/make.py --check    # recomputes everything and compares with the files; writes nothing

Every file names the torch version and the SHA-256 of this script, so that a stale file shows. Inputs are float32 numbers
(drawn from Python's own seeded generator, one stream per case: adding a case changes no other), results are computed in
float64 from them, so one truth serves both dtypes of the library.

Arrays are {"dtype", "shape", "data"}: little-endian base64, row-major, the library's own layouts (weights are [in, out]).

Tolerances are derived, not chosen. For each output element y_i the file holds
    bound_i = |y_i| + sum_j |dy_i/dx_j| |x_j|
which is how far y_i moves when every input moves by one relative unit; an algorithm that makes r roundings on the way may be
off by r * u * bound_i (u = 2^-24 or 2^-53); r = 0 asks for the correctly rounded result, bit for bit. Gradients are treated as
functions of inputs and upstream gradient in the same way. `extra` adds the terms for derivatives that are computed from a stored,
rounded output (tanh, sigmoid, softmax), `output_extra` those of an intermediate result of another size (log of a rounded sum).
"""

import argparse
import base64
import hashlib
import json
import math
import pathlib
import random
import struct
import sys

import torch

HERE = pathlib.Path(__file__).resolve().parent
torch.set_num_threads(1)
torch.use_deterministic_algorithms(True)
F32, F64 = torch.float32, torch.float64


# ---- arrays ----------------------------------------------------------------------------------------------------------

KINDS = {F32: ("float32", "f"), F64: ("float64", "d"), torch.int32: ("int32", "i"), torch.uint8: ("uint8", "B")}


def array(tensor, dtype=None):
    tensor = tensor.detach().contiguous()
    if dtype is not None:
        tensor = tensor.to(dtype)
    name, code = KINDS[tensor.dtype]
    values = tensor.reshape(-1).tolist()
    packed = struct.pack(f"<{len(values)}{code}", *values)
    return {"dtype": name, "shape": list(tensor.shape), "data": base64.b64encode(packed).decode("ascii")}


def inputs_array(tensor):
    assert torch.equal(tensor.to(F32).to(F64), tensor), "golden inputs must be float32 numbers"
    return array(tensor, F32)


def draw(stream, shape, low=-2.0, high=2.0, away=None):
    """Uniform float32 numbers, as float64; `away` keeps them off the kinks listed there by at least 0.05."""
    source = random.Random(stream)
    count = math.prod(shape)
    values = []
    while len(values) < count:
        value = struct.unpack("<f", struct.pack("<f", source.uniform(low, high)))[0]
        if away is None or all(abs(value - kink) > 0.05 for kink in away):
            values.append(value)
    return torch.tensor(values, dtype=F64).reshape(shape)


def draw_distinct(stream, shape, low=-2.0, high=2.0):
    """As draw, with no two numbers closer than a tenth of the mean spacing: no ties for max and argmax."""
    source = random.Random(stream)
    count = math.prod(shape)
    order = list(range(count))
    source.shuffle(order)
    step = (high - low) / count
    values = [struct.unpack("<f", struct.pack("<f", low + step * (k + source.uniform(0.1, 0.9) * 0.9)))[0] for k in order]
    return torch.tensor(values, dtype=F64).reshape(shape)


# ---- ops -------------------------------------------------------------------------------------------------------------

def weigh(jacobian, argument, output):
    """sum_j |dy_i/dx_j| |x_j|, shaped like the output."""
    rows = jacobian.reshape(output.numel(), argument.numel()).abs()
    return (rows @ argument.reshape(-1).abs()).reshape(output.shape)


def bound_of(function, arguments):
    output = function(*arguments)
    total = output.abs()
    jacobians = torch.autograd.functional.jacobian(function, tuple(arguments), vectorize=False)
    for jacobian, argument in zip(jacobians, arguments):
        total = total + weigh(jacobian, argument, output)
    return total


def upward(tensor):
    """float32, rounded up: a bound may not shrink when it is stored."""
    single = tensor.detach().to(F32)
    low = single.to(F64) < tensor.detach()
    return torch.where(low, torch.nextafter(single, torch.full_like(single, math.inf)), single)


class Ops:
    def __init__(self):
        self.cases = []

    def add(self, op, inputs, function, roundings=(1, 1), attributes=None, constants=(), extra=None, output_extra=0.0, note=""):
        """One case. `inputs` are differentiated; `constants` (indices, masks) are only stored, and follow them in the call."""
        attributes = attributes or {}
        shapes = " ".join(str(list(tensor.shape)).replace(" ", "") for tensor in list(inputs) + list(constants))
        stream = f"{op} {shapes} {json.dumps(attributes, sort_keys=True)} {note}"
        plain = [tensor.detach().clone() for tensor in inputs]
        leaves = [tensor.clone().requires_grad_() for tensor in plain]
        call = lambda *tensors: function(*tensors, *constants)  # noqa: E731
        output = call(*leaves)
        upstream = draw(f"{stream} upstream", tuple(output.shape))
        gradients = torch.autograd.grad(output, leaves, upstream)

        def gradient_of(which):
            def compute(*tensors):
                arguments = [tensor if tensor.requires_grad else tensor.requires_grad_() for tensor in tensors[:-1]]
                result = call(*arguments)
                got = torch.autograd.grad((result * tensors[-1]).sum(), arguments[which], create_graph=True, allow_unused=True)[0]
                return got if got is not None and got.requires_grad else got + 0 * sum(a.sum() for a in arguments)
            return compute

        gradient_bounds = []
        for which, gradient in enumerate(gradients):
            bound = bound_of(gradient_of(which), [*plain, upstream.clone()])
            if extra is not None:
                bound = bound + extra(output.detach(), upstream)
            gradient_bounds.append(upward(bound))
        self.cases.append({
            "name": " ".join(part for part in (op, shapes, json.dumps(attributes, sort_keys=True) if attributes else "", note) if part),
            "op": op,
            "attributes": attributes,
            "inputs": [inputs_array(tensor) for tensor in plain],
            "constants": [inputs_array(c) if c.dtype == F64 else array(c.to(torch.int32) if c.dtype == torch.int64 else c) for c in constants],
            "output": array(output),
            "outputBound": array(upward(bound_of(call, plain) + output_extra)),
            "outputRoundings": roundings[0],
            "upstream": inputs_array(upstream),
            "gradients": [array(gradient) for gradient in gradients],
            "gradientBounds": [array(bound) for bound in gradient_bounds],
            "gradientRoundings": roundings[1],
        })

    def integer(self, op, inputs, output, attributes=None):
        attributes = attributes or {}
        shapes = " ".join(str(list(tensor.shape)).replace(" ", "") for tensor in inputs)
        self.cases.append({
            "name": " ".join(part for part in (op, shapes, json.dumps(attributes, sort_keys=True) if attributes else "") if part),
            "op": op,
            "attributes": attributes,
            "inputs": [inputs_array(tensor) for tensor in inputs],
            "constants": [],
            "output": array(output.to(torch.int32) if output.dtype == torch.int64 else output),
        })


def binary_ops(ops):
    # Ties share the gradient.
    left, right = torch.tensor([1.0, 2.0, -3.0, 0.5], dtype=F64), torch.tensor([1.0, 1.5, -3.0, 4.0], dtype=F64)
    ops.add("minimum", [left, right], torch.minimum, (0, 1), note="ties")
    ops.add("maximum", [left, right], torch.maximum, (0, 1), note="ties")
    # Shapes: equal; row against matrix; column against row (both broadcast); a scalar of rank 0.
    shapes = [((7,), (7,)), ((3, 4), (4,)), ((2, 3, 1), (1, 5)), ((4, 3), ())]
    for left, right in shapes:
        copies = max(math.prod(torch.broadcast_shapes(left, right)) // max(1, math.prod(shape)) for shape in (left, right))
        a, b = draw(f"a{left}{right}", left), draw(f"b{left}{right}", right)
        positive = draw(f"p{left}{right}", right, 0.5, 2.5)
        ops.add("add", [a, b], lambda x, y: x + y, (0, copies))
        ops.add("sub", [a, b], lambda x, y: x - y, (0, copies))
        ops.add("mul", [a, b], lambda x, y: x * y, (0, 1 + copies))
        ops.add("div", [a, positive], lambda x, y: x / y, (0, 4 + copies))
        ops.add("minimum", [a, b], torch.minimum, (0, copies))
        ops.add("maximum", [a, b], torch.maximum, (0, copies))
        base = draw(f"base{left}{right}", left, 0.3, 2.5)
        # exp(y log x) in working precision: the exponent's rounding is multiplied by |y log x| < 2.4 and by 2 ulps of exp and log
        ops.add("pow", [base, b], torch.pow, (16, 24 + copies), extra=None)
        mask = torch.tensor([random.Random(f"m{left}{right}").random() < 0.5 for _ in range(math.prod(torch.broadcast_shapes(left, right)))])
        mask = mask.to(torch.uint8).reshape(torch.broadcast_shapes(left, right))
        ops.add("where", [a, b], lambda x, y, m: torch.where(m.bool(), x, y), (0, copies), constants=[mask])


def unary_ops(ops):
    shapes = [(9,), (3, 5), (2, 3, 4)]
    for shape in shapes:
        x = draw(f"x{shape}", shape, -3, 3)
        off = draw(f"off{shape}", shape, -3, 3, away=[0.0])
        positive = draw(f"pos{shape}", shape, 0.2, 4)
        ops.add("neg", [x], lambda t: -t, (0, 0))
        ops.add("abs", [off], torch.abs, (0, 1))
        ops.add("relu", [off], torch.relu, (0, 1))
        ops.add("sigmoid", [x], torch.sigmoid, (4, 8), extra=lambda y, up: (up * y).abs())
        ops.add("tanh", [x], torch.tanh, (4, 8), extra=lambda y, up: (2 * up * y * y).abs())
        ops.add("exp", [x], torch.exp, (2, 4))
        ops.add("log", [positive], torch.log, (2, 4))
        ops.add("sqrt", [positive], torch.sqrt, (0, 4))
        ops.add("clip", [draw(f"clip{shape}", shape, -3, 3, away=[-1.0, 1.5])], lambda t: torch.clamp(t, -1.0, 1.5), (0, 1),
                {"min": -1.0, "max": 1.5})
        for exponent in (2.0, 3.0, 0.5, -1.0, 2.5):
            base = draw(f"pow{shape}{exponent}", shape, 0.3, 2.5) if exponent % 1 else off
            ops.add("powScalar", [base], lambda t, e=exponent: torch.pow(t, e), (16, 24), {"exponent": exponent})
    # Where the functions bend most or saturate; the extra terms carry the derivative taken from a rounded output.
    far = torch.tensor([-30.0, -10.0, -1.0, -0.125, 0.125, 1.0, 10.0, 30.0], dtype=F64)
    ops.add("sigmoid", [far], torch.sigmoid, (4, 8), extra=lambda y, up: (up * y).abs(), note="far")
    ops.add("tanh", [far], torch.tanh, (4, 8), extra=lambda y, up: (2 * up * y * y).abs(), note="far")
    ops.add("exp", [far], torch.exp, (2, 4), note="far")
    ops.add("relu", [torch.tensor([-1e6, -1.0, 0.0, 1.0, 1e6], dtype=F64)], torch.relu, (0, 1), note="with zero")
    tiny = torch.tensor([2.0**-100, 2.0**-20, 1.0, 2.0**20, 2.0**100], dtype=F64)
    ops.add("log", [tiny], torch.log, (2, 4), note="range")
    ops.add("sqrt", [tiny], torch.sqrt, (0, 4), note="range")


def matmul_ops(ops):
    for m, k, n in ((1, 1, 1), (2, 3, 4), (5, 7, 3), (9, 17, 10)):
        for transpose_a in (False, True):
            for transpose_b in (False, True):
                a = draw(f"ma{m}{k}{n}{transpose_a}", (k, m) if transpose_a else (m, k))
                b = draw(f"mb{m}{k}{n}{transpose_b}", (n, k) if transpose_b else (k, n))
                ops.add("matmul", [a, b], lambda x, y, ta=transpose_a, tb=transpose_b: (x.T if ta else x) @ (y.T if tb else y),
                        (k, max(m, n)), {"transposeA": transpose_a, "transposeB": transpose_b})


def reductions(ops):
    for shape, axes_list in (((6,), (None, [0])), ((4, 5), (None, [0], [1], [-1])), ((2, 3, 4), (None, [0], [1], [2], [0, 2], [1, 2]))):
        x, distinct = draw(f"red{shape}", shape), draw_distinct(f"dist{shape}", shape)
        for axes in axes_list:
            dims = list(range(len(shape))) if axes is None else axes
            count = math.prod(shape[axis] for axis in dims)
            for keep in ((False, True) if len(shape) == 3 and axes in ([1], [0, 2]) else (False,)):
                info = {"axes": axes, "keepDims": keep}
                ops.add("sum", [x], lambda t, k=keep, d=dims: t.sum(dim=d, keepdim=k), (count, 1), info)
                ops.add("mean", [x], lambda t, k=keep, d=dims: t.mean(dim=d, keepdim=k), (count + 2, 2), info)
                ops.add("max", [distinct], lambda t, k=keep, d=dims: t.amax(dim=d, keepdim=k), (0, 1), info)
                ops.add("min", [distinct], lambda t, k=keep, d=dims: t.amin(dim=d, keepdim=k), (0, 1), info)
                for correction in (0, 1):
                    # two passes: the mean (count), the deviation, its square, the sum (count), the division
                    steps = 2 * count + 6
                    ops.add("var", [x], lambda t, k=keep, d=dims, c=correction: t.var(dim=d, keepdim=k, correction=c),
                            (steps, steps), {**info, "correction": correction})
                    ops.add("std", [x], lambda t, k=keep, d=dims, c=correction: t.std(dim=d, keepdim=k, correction=c),
                            (steps + 2, 2 * steps), {**info, "correction": correction})
        for axis in range(len(shape)):
            ops.integer("argmax", [distinct], distinct.argmax(dim=axis), {"axis": axis})
            ops.integer("argmin", [distinct], distinct.argmin(dim=axis), {"axis": axis})


def softmaxes(ops):
    for shape in ((5,), (3, 4), (2, 3, 6)):
        x = draw(f"soft{shape}", shape, -4, 4)
        for axis in range(-1, len(shape) - 1):
            length = shape[axis] + 8
            # dx = y (dy - sum dy y): the difference is rounded relative to its two terms, not to itself
            stored = lambda y, up, d=axis: y * (up.abs() + (up * y).abs().sum(d, keepdim=True))  # noqa: E731
            ops.add("softmax", [x], lambda t, d=axis: torch.softmax(t, d), (length, 2 * length), {"axis": axis}, extra=stored)
            # log of a sum between 1 and n, rounded relative to itself: an absolute error where the logarithm is small
            ops.add("logSoftmax", [x], lambda t, d=axis: torch.log_softmax(t, d), (length, 2 * length), {"axis": axis}, output_extra=1.0)
    large = torch.tensor([[1000.0, 1001.0, 1002.0], [-1000.0, 0.0, 3.0]], dtype=F64)
    ops.add("softmax", [large], lambda t: torch.softmax(t, -1), (11, 22), {"axis": -1}, note="large")
    ops.add("logSoftmax", [large], lambda t: torch.log_softmax(t, -1), (11, 22), {"axis": -1}, output_extra=1.0, note="large")
    for batch, classes in ((1, 2), (3, 3), (4, 10), (8, 5)):
        x = draw(f"ce{batch}{classes}", (batch, classes), -4, 4)
        source = random.Random(f"labels{batch}{classes}")
        labels = torch.tensor([source.randrange(classes) for _ in range(batch)])
        one_hot = torch.nn.functional.one_hot(labels, classes).to(F64)
        steps = (classes + 8 + batch, 2 * classes + 16)
        cross_entropy = torch.nn.functional.cross_entropy
        ops.add("crossEntropy", [x], lambda t, y: cross_entropy(t, y), steps, {"targets": "indices"}, constants=[labels])
        ops.add("crossEntropy", [x], lambda t, y: cross_entropy(t, y), steps, {"targets": "one-hot"}, constants=[one_hot])
        # Soft targets that are exact in float32: multiples of 1/64 that sum to 1.
        rows = []
        for _ in range(batch):
            cuts = sorted(source.randrange(65) for _ in range(classes - 1))
            rows.append([(b - a) / 64 for a, b in zip([0, *cuts], [*cuts, 64])])
        ops.add("crossEntropy", [x], lambda t, y: cross_entropy(t, y), (steps[0] + classes, steps[1]), {"targets": "probabilities"},
                constants=[torch.tensor(rows, dtype=F64)])
        smoothed = lambda t, y: cross_entropy(t, y, label_smoothing=0.125)  # noqa: E731
        more = (steps[0] + classes, steps[1])
        ops.add("crossEntropy", [x], smoothed, more, {"targets": "indices", "labelSmoothing": 0.125}, constants=[labels])
        ops.add("crossEntropy", [x], smoothed, more, {"targets": "probabilities", "labelSmoothing": 0.125},
                constants=[torch.tensor(rows, dtype=F64)])
    # No confident rows here: PyTorch takes log(sum) and loses their tiny loss; course row E22 has the exact one.
    for shape in ((6,), (3, 4), (4, 4, 2)):
        a, b = draw(f"msea{shape}", shape), draw(f"mseb{shape}", shape)
        ops.add("mse", [a, b], lambda x, y: torch.nn.functional.mse_loss(x, y), (math.prod(shape) + 4, 4))


def shaping(ops):
    a, b, c = draw("sha", (2, 3, 4)), draw("shb", (2, 3, 4)), draw("shc", (2, 1, 4))
    matrix = draw("shm", (6, 4))
    for shape in ((6, 4), (24,), (4, 3, 2)):
        ops.add("reshape", [a], lambda t, s=shape: t.reshape(s), (0, 0), {"shape": list(shape)})
    ops.add("transpose", [matrix], lambda t: t.T, (0, 0), {"permutation": [1, 0]})
    for permutation in ((0, 2, 1), (2, 0, 1), (1, 2, 0)):
        ops.add("transpose", [a], lambda t, p=permutation: t.permute(p), (0, 0), {"permutation": list(permutation)})
    for axis in (0, 1, 2):
        ops.add("concat", [a, b], lambda x, y, d=axis: torch.cat([x, y], d), (0, 0), {"axis": axis})
    ops.add("concat", [a, c, b], lambda x, y, z: torch.cat([x, y, z], 1), (0, 0), {"axis": 1})
    for axis in (0, 1, 3):
        ops.add("stack", [a, b], lambda x, y, d=axis: torch.stack([x, y], d), (0, 0), {"axis": axis})
    for sizes, axis in (([2, 4], 0), ([1, 1, 2], 1)):
        for part in range(len(sizes)):
            ops.add("split", [matrix], lambda t, s=sizes, d=axis, p=part: torch.split(t, s, d)[p], (0, 0),
                    {"sizes": sizes, "axis": axis, "part": part})
    ops.add("slice", [matrix], lambda t: t[1:5], (0, 0), {"begin": [1, 0], "end": [5, 4]})
    ops.add("slice", [matrix], lambda t: t[2:4, 1:3], (0, 0), {"begin": [2, 1], "end": [4, 3]})
    ops.add("slice", [a], lambda t: t[0:2, 1:2, 2:4], (0, 0), {"begin": [0, 1, 2], "end": [2, 2, 4]})
    pad = torch.nn.functional.pad
    ops.add("pad", [matrix], lambda t: pad(t, (2, 1, 0, 3)), (0, 0), {"before": [0, 2], "after": [3, 1], "value": 0})
    ops.add("pad", [a], lambda t: pad(t, (0, 1, 2, 0, 1, 1), value=0.5), (0, 0), {"before": [1, 2, 0], "after": [1, 0, 1], "value": 0.5})
    for indices in ([0, 5, 2], [3, 3, 3, 1], [4]):
        ops.add("gather", [matrix], lambda t, i: t[i], (0, len(indices)), constants=[torch.tensor(indices)])
    ops.add("gather", [a], lambda t, i: t[i], (0, 3), constants=[torch.tensor([1, 0, 1])])


# ---- optimizers and schedules ----------------------------------------------------------------------------------------

def optimizers():
    # Element 0 has ordinary gradients, 1 tiny ones (where Adam's eps shows), 2 none, 3 large ones, 4 alternating signs, 5 and 6 drawn.
    start = torch.tensor([1.0, -0.5, 0.75, 2.0, -1.25, 0.0, 3.5], dtype=F64)
    gradients = draw("optimizer gradients", (10, 7))
    gradients[:, 1] = (gradients[:, 1] * 2.0**-27).to(F32).to(F64)
    gradients[:, 2] = 0
    gradients[:, 3] = (gradients[:, 3] * 128).to(F32).to(F64)
    gradients[:, 4] = gradients[:, 4].abs() * torch.tensor([1.0, -1.0] * 5, dtype=F64)
    rates = [0.1, 0.1, 0.05, 0.05, 0.2, 0.025, 0.0125, 0.1, 0.0, 0.01]
    kinds = []
    for name, options in (
        ("SGD", {}),
        ("SGD", {"momentum": 0.9}),
        ("SGD", {"momentum": 0.9, "nesterov": True}),
        ("SGD", {"momentum": 0.9, "dampening": 0.25}),
        ("SGD", {"weightDecay": 0.1}),
        ("SGD", {"momentum": 0.9, "weightDecay": 0.1}),
        ("SGD", {"momentum": 0.9, "nesterov": True, "weightDecay": 0.1}),
        ("Adam", {"betas": [0.9, 0.999], "eps": 1e-8}),
        ("Adam", {"betas": [0.8, 0.95], "eps": 1e-3}),
        ("Adam", {"betas": [0.9, 0.999], "eps": 1e-8, "weightDecay": 0.1}),
        ("AdamW", {"betas": [0.9, 0.999], "eps": 1e-8, "weightDecay": 0.01}),
        ("AdamW", {"betas": [0.8, 0.95], "eps": 1e-3, "weightDecay": 0.25}),
    ):
        python = {("weight_decay" if key == "weightDecay" else key): value for key, value in options.items()}
        if "betas" in python:
            python["betas"] = tuple(python["betas"])
        parameter = torch.nn.Parameter(start.clone())
        optimizer = getattr(torch.optim, name)([parameter], lr=rates[0], **python)
        trajectory = []
        for rate, gradient in zip(rates, gradients):
            optimizer.param_groups[0]["lr"] = rate
            parameter.grad = gradient.clone()
            optimizer.step()
            trajectory.append(parameter.detach().clone())
        kinds.append({"optimizer": name, "options": options, "trajectory": array(torch.stack(trajectory))})
    return {"start": inputs_array(start), "gradients": inputs_array(gradients), "rates": rates, "cases": kinds}


def schedules():
    cases = []
    for name, options, make in (
        ("StepLR", {"stepSize": 10, "gamma": 0.5}, lambda o: torch.optim.lr_scheduler.StepLR(o, 10, 0.5)),
        ("StepLR", {"stepSize": 7, "gamma": 0.1}, lambda o: torch.optim.lr_scheduler.StepLR(o, 7, 0.1)),
        ("ExponentialLR", {"gamma": 0.95}, lambda o: torch.optim.lr_scheduler.ExponentialLR(o, 0.95)),
        ("ExponentialLR", {"gamma": 0.5}, lambda o: torch.optim.lr_scheduler.ExponentialLR(o, 0.5)),
    ):
        parameter = torch.nn.Parameter(torch.zeros(1))
        optimizer = torch.optim.SGD([parameter], lr=0.1)
        schedule = make(optimizer)
        values = []
        for _ in range(30):
            values.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            schedule.step()
        cases.append({"schedule": name, "lr": 0.1, "options": options, "values": values})
    return {"epochs": 30, "cases": cases}


# ---- whole trainings -------------------------------------------------------------------------------------------------

def train(weights, biases, inputs, labels, steps, kind, dtype):
    """Losses of `steps` steps; batch s is inputs[s % len(inputs)]. Weights are [in, out], the loss is the mean cross-entropy."""
    parameters = []
    for weight, bias in zip(weights, biases):
        parameters += [torch.nn.Parameter(weight.to(dtype).clone()), torch.nn.Parameter(bias.to(dtype).clone())]
    make = {"SGD": lambda: torch.optim.SGD(parameters, lr=0.05, momentum=0.9), "Adam": lambda: torch.optim.Adam(parameters, lr=1e-3)}
    optimizer = make[kind]()
    losses = []
    for step in range(steps):
        x = inputs[step % len(inputs)].to(dtype)
        for layer in range(len(weights)):
            x = x @ parameters[2 * layer] + parameters[2 * layer + 1]
            if layer + 1 < len(weights):
                x = torch.relu(x)
        loss = torch.nn.functional.cross_entropy(x, labels[step % len(labels)])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.detach())
    return torch.stack(losses), [parameter.detach() for parameter in parameters]


RUNS = (("SGD", {"lr": 0.05, "momentum": 0.9}), ("Adam", {"lr": 1e-3}))


def runs(weights, biases, inputs, labels, steps, with_parameters):
    result = []
    for kind, options in RUNS:
        for dtype in (F64, F32):
            losses, parameters = train(weights, biases, inputs, labels, steps, kind, dtype)
            entry = {"optimizer": kind, "options": options, "dtype": KINDS[dtype][0], "losses": array(losses)}
            if with_parameters and dtype == F64:
                entry["finalParameters"] = [array(parameter) for parameter in parameters]
            result.append(entry)
    spreads = []
    for index in range(0, len(result), 2):
        exact, single = (torch.tensor(unpack(result[index + k]["losses"])) for k in (0, 1))
        spreads.append(((exact - single).abs() / exact).max().item())
        print(f"  {result[index]['optimizer']:5s} {exact[0]:.4f} -> {exact[-1]:.4f}, torch float32 against float64: {spreads[-1]:.1e} relative")
    assert max(spreads) < 5e-6, "the trajectory amplifies rounding too much to serve as a reference at 1e-4"
    return result


def unpack(entry):
    code = {name: code for name, code in KINDS.values()}[entry["dtype"]]
    raw = base64.b64decode(entry["data"])
    return list(struct.unpack(f"<{len(raw) // struct.calcsize(code)}{code}", raw))


def small_net():
    """20-16-12-5 with ReLU; everything it needs is in the file."""
    sizes = (20, 16, 12, 5)
    weights = [draw(f"small w{k}", (sizes[k], sizes[k + 1]), -(6 / sizes[k]) ** 0.5, (6 / sizes[k]) ** 0.5) for k in range(3)]
    biases = [draw(f"small b{k}", (sizes[k + 1],), -0.1, 0.1) for k in range(3)]
    inputs = draw("small inputs", (100, 8, 20), -1, 1)
    teacher = draw("small teacher", (20, 5))
    labels = (inputs @ teacher).argmax(-1)
    return {
        "sizes": list(sizes),
        "weights": [inputs_array(weight) for weight in weights],
        "biases": [inputs_array(bias) for bias in biases],
        "inputs": inputs_array(inputs),
        "labels": array(labels.to(torch.int32)),
        "steps": 100,
        "runs": runs(weights, biases, list(inputs), list(labels), 100, True),
    }


class Lcg:
    """x <- 1664525 x + 1013904223 mod 2^32; a value is its top 24 bits / 2^24, in [0, 1), exact in float32. Also in helpers/golden.ts."""

    def __init__(self, seed):
        self.state = seed

    def values(self, count):
        result, state = [], self.state
        for _ in range(count):
            state = (1664525 * state + 1013904223) & 0xFFFFFFFF
            result.append((state >> 8) / 16777216)
        self.state = state
        return torch.tensor(result, dtype=F64)


def large_net():
    """784-64-10, batches of 32. Seed 20260101 draws, in this order: inputs [320, 784] (value - 1/2), w1 [784, 64] ((value - 1/2) / 4),
    w2 [64, 10] ((value - 1/2) / 2); biases are zero. The label of a row is the index of the largest of its ten sums over columns
    78 k .. 78 k + 77 (exact in float64 in any order; the first of equal ones). Step s uses rows 32 (s mod 10) .. + 31."""
    lcg = Lcg(20260101)
    inputs = (lcg.values(320 * 784) - 0.5).reshape(320, 784)
    weights = [((lcg.values(784 * 64) - 0.5) / 4).reshape(784, 64), ((lcg.values(64 * 10) - 0.5) / 2).reshape(64, 10)]
    biases = [torch.zeros(64, dtype=F64), torch.zeros(10, dtype=F64)]
    labels = inputs[:, :780].reshape(320, 10, 78).sum(-1).argmax(-1)
    return {
        "sizes": [784, 64, 10],
        "seed": 20260101,
        "batch": 32,
        "rows": 320,
        "firstInputs": inputs.reshape(-1)[:4].tolist(),
        "lastWeight": weights[1].reshape(-1)[-1].item(),
        "labelCounts": torch.bincount(labels, minlength=10).tolist(),
        "steps": 100,
        "runs": runs(weights, biases, list(inputs.reshape(10, 32, 784)), list(labels.reshape(10, 32)), 100, False),
    }


# ---- files -----------------------------------------------------------------------------------------------------------

def header_of(source):
    """What a file says about its origin. Line endings do not count, or a checkout on another system would look stale."""
    digest = hashlib.sha256(pathlib.Path(source).read_bytes().replace(b"\r\n", b"\n")).hexdigest()
    return {"generator": f"test/golden/{pathlib.Path(source).name}", "generatorSha256": digest, "torch": str(torch.__version__)}


def write_file(stem, content, source):
    """For a generator of one family beside this one."""
    names = [case["name"] for case in content["cases"]]
    assert len(names) == len(set(names)), sorted(name for name in names if names.count(name) > 1)
    text = json.dumps({**header_of(source), **content}, separators=(",", ":"), allow_nan=False) + "\n"
    (HERE / f"{stem}.json").write_text(text)
    print(f"{stem}.json: {len(names)} cases, {len(text)} bytes")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--check", action="store_true", help="compare with the stored files, write nothing")
    check = parser.parse_args().check
    header = header_of(__file__)
    ops = Ops()
    for family in (binary_ops, unary_ops, matmul_ops, reductions, softmaxes, shaping):
        family(ops)
    names = [case["name"] for case in ops.cases]
    assert len(names) == len(set(names)), sorted(name for name in names if names.count(name) > 1)
    total, stale = 0, []
    for stem, content in (("ops", {"cases": ops.cases}), ("optimizers", optimizers()), ("schedules", schedules()),
                          ("mlp-small", small_net()), ("mlp-large", large_net())):
        path = HERE / f"{stem}.json"
        text = json.dumps({**header, **content}, separators=(",", ":"), allow_nan=False) + "\n"
        total += len(text)
        if check:
            stored = json.loads(path.read_text())
            keys = set(header)
            if {k: v for k, v in stored.items() if k not in keys} != {k: v for k, v in json.loads(text).items() if k not in keys}:
                stale.append(path.name)
        else:
            path.write_text(text)
            print(f"{path.name}: {len(text)} bytes")
    print(f"{len(ops.cases)} op cases, {total} bytes in all, torch {torch.__version__}")
    assert total <= 1_500_000, "golden files must stay below 1.5 MB"
    if stale:
        sys.exit(f"differ from what this torch computes: {', '.join(stale)}")


if __name__ == "__main__":
    main()
