#!/usr/bin/env bash
# PyTorch 2.15.0 (CPU): torch.optim.SGD(momentum=…, nesterov=True, foreach=True) adds momentum·velocity to the gradients themselves, so p.grad is
# another tensor after step() than before. The plain and the fused form leave it alone. Who steps again without a new backward pass, accumulates, or
# logs the norm of gradients after the step gets other numbers. Gradient 0.5, momentum 0.9, two steps. Seen:
#   foreach: 0.5 became 2.21
#   plain: 0.5 stayed
#   fused: 0.5 stayed
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
def after(**how):
    p = torch.nn.Parameter(torch.ones(3))
    p.grad = torch.full((3,), 0.5)
    optimizer = torch.optim.SGD([p], lr=0.1, momentum=0.9, nesterov=True, **how)
    optimizer.step()
    optimizer.step()
    return p.grad[0].item()
found = {"foreach": after(foreach=True), "plain": after(foreach=False), "fused": after(fused=True)}
for name, value in found.items():
    print(f"{name}:", "0.5 stayed" if value == 0.5 else f"0.5 became {value:.3g}")
if found["foreach"] == 0.5 or found["plain"] != 0.5 or found["fused"] != 0.5:
    print("the behaviour has changed")
    sys.exit(1)
PY
