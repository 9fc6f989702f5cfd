"""Small models of Keras, in each format that it writes, with an input and what they make of it. Needs keras, torch and h5py.

python test/golden/keras-models.py writes keras-models.json beside it."""

import base64
import gzip
import hashlib
import json
import os
import pathlib
import tempfile

os.environ["KERAS_BACKEND"] = "torch"
import keras  # noqa: E402
import numpy as np  # noqa: E402
from keras import layers as L  # noqa: E402

random = np.random.default_rng(5)


def convolutional():
    return keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            L.Conv2D(4, 3, padding="same", use_bias=False, name="first"),
            L.BatchNormalization(),
            L.ReLU(),
            L.DepthwiseConv2D(3, depth_multiplier=2),
            L.SeparableConv2D(5, 3, padding="same"),
            L.Conv2D(6, 3, groups=1, activation="relu"),
            L.GroupNormalization(3),
            L.Conv2DTranspose(4, 2, strides=2),
            L.Flatten(),
            L.Dense(6, activation="relu"),
            L.Dropout(0.5),
            L.Dense(3),
        ]
    )


def plain():
    return keras.Sequential([keras.Input((5,)), L.Dense(7, activation="tanh"), L.BatchNormalization(epsilon=1e-5), L.Dense(4), L.Dense(2, use_bias=False)])


def recurrent():
    return keras.Sequential(
        [
            keras.Input((6,)),
            L.Embedding(10, 4),
            L.Bidirectional(L.GRU(5, return_sequences=True)),
            L.SimpleRNN(4, return_sequences=True),
            L.LSTM(3, return_sequences=True),
            L.LayerNormalization(),
            L.Dense(2),
        ]
    )


def functional():
    tokens = keras.Input((6, 8))
    x = L.MultiHeadAttention(2, 4)(tokens, tokens)
    x = L.LayerNormalization(epsilon=1e-5)(x)
    x = L.TimeDistributed(L.Dense(3))(x)
    x = keras.Sequential([keras.Input((6, 3)), L.Dense(4), L.Dense(2)])(x)
    return keras.Model(tokens, L.Dense(5)(x))


def case(make, inputs, formats):
    model = make()
    for variable in model.variables:
        if variable.dtype == "float32":
            low = 0.5 if "variance" in variable.path else -0.5
            variable.assign(random.uniform(low, low + 1, variable.shape))
    files = {}
    with tempfile.TemporaryDirectory() as folder:
        for ending in formats:
            path = os.path.join(folder, "model" + ending)
            model.save_weights(path) if ending == ".weights.h5" else model.save(path)
            files[ending] = base64.b64encode(gzip.compress(pathlib.Path(path).read_bytes(), 9, mtime=0)).decode()
    outputs = np.asarray(model.predict(inputs, verbose=0))
    return {"files": files, "inputs": inputs.tolist(), "outputs": outputs.tolist()}


x = lambda *shape: random.uniform(-1, 1, shape).astype(np.float32)  # noqa: E731
content = {
    "generatorSha256": hashlib.sha256(pathlib.Path(__file__).read_bytes().replace(b"\r\n", b"\n")).hexdigest(),
    "keras": keras.__version__,
    "cases": {
        "convolutional": case(convolutional, x(2, 8, 8, 3), [".keras", ".h5", ".weights.h5"]),
        "plain": case(plain, x(3, 5), [".keras", ".h5", ".weights.h5"]),
        "recurrent": case(recurrent, random.integers(0, 10, (2, 6)).astype(np.int32), [".keras", ".h5", ".weights.h5"]),
        "functional": case(functional, x(2, 6, 8), [".keras", ".h5", ".weights.h5"]),
    },
}
(pathlib.Path(__file__).parent / "keras-models.json").write_text(json.dumps(content, separators=(",", ":")) + "\n")
