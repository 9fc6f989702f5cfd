#!/usr/bin/env bash
# PyTorch 2.15.0 (CPU): torch.optim.RMSprop(centered=True) takes the root of mean(g²) − mean(g)², which rounding brings below 0 where the
# gradient stays the same, and the weight is NaN. One weight, gradient 0.1, lr 1e-3, alpha 0.9, float64: step 331. Where the difference rounds to 0
# or a little above instead, the step is g/eps: in float32 the weight is at −17405 after 5000 steps of lr 1e-3. A gradient that stays
# the same is what a clipped or saturated loss gives (L1, hinge, a bias under a linear term). Seen:
#   float64, gradient 0.1: NaN at step 331
#   float32, gradient 0.1: -17405 after 5000 steps
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
def run(dtype):
    w = torch.zeros(1, dtype=dtype, requires_grad=True)
    optimizer = torch.optim.RMSprop([w], lr=1e-3, alpha=0.9, centered=True)
    for step in range(1, 5001):
        w.grad = torch.full_like(w, 0.1)
        optimizer.step()
        if not torch.isfinite(w).all():
            return f"NaN at step {step}"
    return f"{w.item():.0f} after 5000 steps"
found = run(torch.float64)
print("float64, gradient 0.1:", found)
print("float32, gradient 0.1:", run(torch.float32))
if not found.startswith("NaN"):
    print("the behaviour has changed")
    sys.exit(1)
PY
