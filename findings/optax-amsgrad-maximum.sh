#!/usr/bin/env bash
# optax 0.2.8: amsgrad keeps the largest *corrected* second moment, max(v / (1 - b2^t)); PyTorch 2.15 and Keras 3 keep the largest v and correct that. A
# corrected v is largest in the first steps, where it is the mean of few gradients, and optax never forgets it: after one gradient of 10 followed by
# ones, its tenth step is a third of PyTorch's. A run that is moved from one to the other needs another learning rate. Seen, lr 0.1:
#   step 10: optax -0.01535, largest v behind the correction -0.01535, before it (PyTorch's form) -0.04660
set -euo pipefail
python="${NODEGRAD_BENCH_PYTHON:-python3}"
if ! "$python" -c 'import optax' 2> /dev/null; then
  folder=$(mktemp -d)
  trap 'rm -rf "$folder"' EXIT
  python3 -m venv "$folder/venv"
  "$folder/venv/bin/pip" install --quiet optax==0.2.8 jax==0.10.2
  python="$folder/venv/bin/python"
fi
"$python" - <<'PY'
import sys, jax, numpy as np, optax
jax.config.update("jax_enable_x64", True)
gradients = [10.0] + [1.0] * 9

def by_optax():
    rule = optax.amsgrad(0.1)
    weight = np.zeros(1)
    state = rule.init(weight)
    for gradient in gradients:
        update, state = rule.update(np.array([gradient]), state, weight)
    return float(update[0])

def by_formula(corrected):
    m = v = largest = 0.0
    for t, gradient in enumerate(gradients, 1):
        m, v = 0.9 * m + 0.1 * gradient, 0.999 * v + 0.001 * gradient**2
        correction = 1 - 0.999**t
        largest = max(largest, v / correction if corrected else v)
        below = largest if corrected else largest / correction
        step = -0.1 * m / (1 - 0.9**t) / (below**0.5 + 1e-8)
    return step

seen, behind, before = by_optax(), by_formula(True), by_formula(False)
print(f"step 10: optax {seen:.5f}, largest v behind the correction {behind:.5f}, before it (PyTorch's form) {before:.5f}")
if abs(seen - behind) > 1e-9 or abs(seen / before - 0.3295) > 1e-3:
    print("the behaviour has changed")
    sys.exit(1)
PY
