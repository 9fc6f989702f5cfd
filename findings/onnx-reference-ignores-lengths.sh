#!/usr/bin/env bash
# onnx 1.23.2: the reference evaluator ignores `sequence_lens` of RNN, LSTM and GRU: it runs every example to the end of the batch.
#
# The fourth input of these operators says how many steps each example has; behind them the outputs are zeros, and the last state is that of the example's own
# last step. `onnx.reference.ReferenceEvaluator` takes the input and computes as if it were not there, without a word. Who checks an exporter by it alone takes wrong
# files for right ones, and right ones for wrong. onnxruntime does as the specification says.
#
# Seen, Linux x86-64, Python 3.11, onnx 1.23.2, an LSTM over 4 steps, lengths 4 and 1: the largest output of the second example behind its end is not 0, and its last state
# is that of step 4.
#
# Exit code 0: as described. 1: the behaviour changed. The package is installed in a temporary folder.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
if [ -z "${PYTHON:-}" ]; then
  python3 -m venv "$folder/venv"
  PYTHON=$folder/venv/bin/python
  "$PYTHON" -m pip install --quiet onnx==1.23.2
fi
"$PYTHON" - <<'PY'
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

rng = np.random.default_rng(0)
shapes = {"W": (1, 12, 2), "R": (1, 12, 3), "B": (1, 24)}
weights = [helper.make_tensor(name, TensorProto.FLOAT, shape, rng.standard_normal(shape).ravel()) for name, shape in shapes.items()]
inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, [4, 2, 2]), helper.make_tensor_value_info("lengths", TensorProto.INT32, [2])]
outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in ("y", "h")]
node = helper.make_node("LSTM", ["x", "W", "R", "B", "lengths"], ["y", "h"], hidden_size=3)
graph = helper.make_graph([node], "g", inputs, outputs, weights)
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
x = rng.standard_normal((4, 2, 2)).astype(np.float32)
y, h = ReferenceEvaluator(model).run(None, {"x": x, "lengths": np.array([4, 1], np.int32)})
behind = float(np.abs(y[1:, 0, 1]).max())
same = bool(np.array_equal(h[0, 1], y[3, 0, 1]))
print(f"onnx {onnx.__version__}: largest output behind the end of the second example {behind:.3f}; its last state is that of step 4: {same}")
sys.exit(0 if behind > 0 and same else 1)
PY
