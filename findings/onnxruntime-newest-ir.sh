#!/usr/bin/env bash
# onnx 1.23.2: `helper.make_model` without a version writes IR 14 and opset 28, which the newest onnxruntime-node, 1.30.0, refuses to load: it stops at IR 13.
#
# A file that is made, checked (`onnx.checker.check_model`) and saved with the newest packages of one project does not run in the newest package of
# its own runtime. The way out: `make_model(graph, ir_version=8, opset_imports=[make_opsetid('', 17)])`, the oldest version that has the operators.
#
# Seen, Linux x86-64, Node.js 20.20.2, Python 3.11, onnx 1.23.2, onnxruntime-node 1.30.0 (installed without scripts):
#   default: IR 14, opset 28, refused: Unsupported model IR version: 14, max supported IR version: 13     asked for: IR 8, opset 17, loads
#
# Exit code 0: as described. 1: the behaviour changed. Both packages are installed in a temporary folder (onnxruntime-node: 290 MB).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
if [ -n "${ONNXRUNTIME:-}" ]; then
  ln -s "$ONNXRUNTIME" node_modules
else
  echo '{ "private": true }' >package.json
  npm install --ignore-scripts --no-audit --no-fund --loglevel=error onnxruntime-node@1.30.0 >/dev/null
fi
if [ -z "${PYTHON:-}" ]; then
  python3 -m venv "$folder/venv"
  PYTHON=$folder/venv/bin/python
  "$PYTHON" -m pip install --quiet onnx==1.23.2
fi
"$PYTHON" - <<'PY'
import onnx
from onnx import TensorProto, helper

values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 2]) for name in "xy"]
graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", values[:1], values[1:])
for name, model in {
    "default": helper.make_model(graph),
    "asked for": helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)]),
}.items():
    onnx.checker.check_model(model)
    onnx.save(model, name + ".onnx")
    print(f"{name}: IR {model.ir_version}, opset {model.opset_import[0].version}")
PY
node -e '
const { InferenceSession } = require("onnxruntime-node");
const load = (name) => InferenceSession.create(`${name}.onnx`).then(() => "loads", (error) => `refused: ${/Unsupported model IR.*/.exec(error.message) ?? error.message}`);
(async () => {
  const [first, second] = [await load("default"), await load("asked for")];
  console.log(`default ${first}\nasked for ${second}`);
  process.exit(first.includes("Unsupported model IR version") && second === "loads" ? 0 : 1);
})();
'
