#!/usr/bin/env bash
# JAX 0.10.2 (jaxlib 0.10.2, CPU): the gradient of x**0.0 at 0 is NaN, of x**0 it is 0, although both are the same constant; the
# denormal 1e-40 gives NaN in float32 too, because its inverse overflows. And the gradient of abs at NaN is -1, a finite number, so a NaN
# in the data leaves no trace in the gradient; at 0 it is 1. Polynomial features and code that takes its exponent from a configuration
# (a float) meet the first. Seen:
#   x**0.0 [nan nan 0.]
#   x**0 [0. 0. 0.]
#   abs [ 1. -1.]
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet jax==0.10.2 jaxlib==0.10.2
JAX_PLATFORMS=cpu "$folder/venv/bin/python" - <<'PY'
import math
import jax
import jax.numpy as jnp

x = jnp.array([0.0, 1e-40, 2.0], dtype=jnp.float32)
broken = jax.grad(lambda x: (x**0.0).sum())(x)
whole = jax.grad(lambda x: (x**0).sum())(x)
slopes = jax.grad(lambda x: jnp.abs(x).sum())(jnp.array([0.0, math.nan], dtype=jnp.float32))
print("x**0.0", broken)
print("x**0", whole)
print("abs", slopes)
same = math.isnan(broken[0]) and math.isnan(broken[1]) and whole.tolist() == [0, 0, 0] and slopes.tolist() == [1, -1]
raise SystemExit(0 if same else "the behaviour has changed")
PY
