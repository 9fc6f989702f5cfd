#!/usr/bin/env bash
# PyTorch 2.15.0 (CPU): under torch.autocast('cpu', dtype=torch.bfloat16) recurrent layers keep their state, and make their gates, in bfloat16,
# so that slow changes stop. An LSTM whose cell gains 0.0005 in each of 2,000 steps ends at 0.25, from where on 0.0005 is less than half of the
# last digit. A GRU whose update gate is sigmoid(7) = 0.9991 never moves: the gate is rounded to 1. The GRU gives float32 all the same, where RNN
# and LSTM give bfloat16, so its dtype does not tell. Seen:
#   LSTM: float32 1.000, autocast 0.250 (torch.bfloat16)
#   GRU: float32 0.419, autocast 0.000 (torch.float32)
set -euo pipefail
python="${NODEGRAD_BENCH_PYTHON:-python3}"
if ! "$python" -c 'import torch' 2> /dev/null; then
  folder=$(mktemp -d)
  trap 'rm -rf "$folder"' EXIT
  python3 -m venv "$folder/venv"
  "$folder/venv/bin/pip" install --quiet torch==2.15.0
  python="$folder/venv/bin/python"
fi
"$python" - <<'PY'
import sys, torch

def last(layer, biases, isMixed):
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.zero_()
        layer.bias_ih_l0.copy_(torch.tensor(biases))
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=isMixed):
            output, state = layer(torch.zeros(1, 2000, 1))
    cell = state[1] if isinstance(state, tuple) else state
    return cell.item(), output.dtype

found = {}
for layer, biases in ((torch.nn.LSTM(1, 1, batch_first=True), [30.0, 30.0, 0.0005, 30.0]), (torch.nn.GRU(1, 1, batch_first=True), [0.0, 7.0, 0.5493])):
    name = type(layer).__name__
    found[name] = (last(layer, biases, False)[0], *last(layer, biases, True))
    print(f"{name}: float32 {found[name][0]:.3f}, autocast {found[name][1]:.3f} ({found[name][2]})")
isSame = found["LSTM"][1] == 0.25 and found["GRU"][1] == 0 and found["GRU"][2] == torch.float32 and found["LSTM"][2] == torch.bfloat16
if not isSame:
    print("the behaviour has changed")
    sys.exit(1)
PY
