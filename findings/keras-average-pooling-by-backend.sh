#!/usr/bin/env bash
# Keras 3.15: AveragePooling2D(padding='same') gives other numbers on PyTorch than on TensorFlow, JAX and NumPy, where the frame is not as wide on both sides: there a mean is
# over the places of the image alone, and on PyTorch the border is repeated into the frame and counts. So a model that was trained on one backend says something else on
# another, without a word. Windows of 4 over 1, 2, 3, 4, 5 at stride 1, seen:
#   numpy [2, 2.5, 3.5, 4, 4.5], jax the same, torch [1.75, 2.5, 3.5, 4.25, 4.75]
# Needs a Python with keras, scipy and torch, or makes one.
set -euo pipefail
python="${NODEGRAD_BENCH_PYTHON:-}"
if [ -z "$python" ] || ! KERAS_BACKEND=torch "$python" -c 'import keras, scipy' 2> /dev/null; then
  folder=$(mktemp -d)
  trap 'rm -rf "$folder"' EXIT
  python3 -m venv "$folder/venv"
  "$folder/venv/bin/pip" install --quiet keras==3.15.1 scipy==1.17.1 torch==2.15.0
  python="$folder/venv/bin/python"
fi
program=$(cat << 'PY'
import keras, numpy
x = numpy.arange(1, 6, dtype="float32").reshape(1, 1, 5, 1)
y = keras.layers.AveragePooling2D((1, 4), strides=1, padding="same")(x)
print([float(one) for one in keras.ops.convert_to_numpy(y).ravel()])
PY
)
plain=$(KERAS_BACKEND=numpy "$python" -c "$program")
torch=$(KERAS_BACKEND=torch "$python" -c "$program")
echo "numpy $plain, torch $torch"
if [ "$plain" != '[2.0, 2.5, 3.5, 4.0, 4.5]' ] || [ "$torch" != '[1.75, 2.5, 3.5, 4.25, 4.75]' ]; then
  echo 'the behaviour has changed'
  exit 1
fi
