"""Models of Keras with what architectures are made of, as .keras files with an input and what they make of it. Needs keras, torch and h5py.

python test/golden/keras-graphs.py writes keras-graphs.json beside it."""

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

random = np.random.default_rng(7)
x = lambda *shape: random.uniform(-1, 1, shape).astype(np.float32)  # noqa: E731


def stack(shape, *layers, **options):
    return keras.Sequential([keras.Input(shape), *layers], **options)


def operations():
    given = keras.Input((6, 8))
    seen = L.MultiHeadAttention(2, 4)(given, given, use_causal_mask=True)
    base = stack((6, 8), L.Dense(4), L.LayerNormalization(center=False), name="base")
    one, other = base(seen, training=False), base(given)
    y = L.Activation("hard_sigmoid")(keras.ops.relu(1.0 - (one + other * 2.0)))
    y = L.Permute((2, 1))(L.Concatenate(axis=1)([y, one]))
    y = L.TimeDistributed(L.Dense(3))(L.Reshape((2, 24))(y))
    return keras.Model(given, L.Dense(2, activation=L.LeakyReLU())(L.Flatten()(y)))


def images():
    given = keras.Input((5, 5, 3))
    y = L.Cropping2D(((1, 2), (0, 1)))(L.UpSampling2D(2, interpolation="bilinear")(L.ZeroPadding2D(((1, 0), (2, 1)))(given)))
    y = L.DepthwiseConv2D(3, depth_multiplier=2, activation="swish")(y)
    y = L.SeparableConv2D(4, 3, padding="same", activation="relu")(y)
    y = L.Conv2D(4, 3, groups=2, dilation_rate=2)(L.GroupNormalization(2)(y))
    y = L.Multiply()([L.Average()([y, y]), L.GlobalMaxPooling2D(keepdims=True)(y)])
    y = L.SpatialDropout2D(0.2)(L.UpSampling2D((2, 1))(L.Rescaling(2.0, offset=-1)(y)))
    return keras.Model(given, L.RMSNormalization()(L.GlobalAveragePooling2D()(y)))


def windows():
    return stack(
        (9, 8, 2),
        L.Conv2D(3, 4, strides=2, padding="same", activation="gelu"),
        L.MaxPooling2D(2, strides=2, padding="same"),
        L.Conv2DTranspose(2, 5, strides=2, padding="same"),
        L.Conv2DTranspose(2, 2, strides=3),
        L.BatchNormalization(scale=False, trainable=False),
        L.AveragePooling2D(3, strides=1, padding="same"),
        L.MaxPooling2D(3),
        L.Flatten(),
        L.Dropout(0.5, noise_shape=(None, 1)),
        L.Dense(3, activation="softmax"),
    )


def sequences():
    return stack(
        (6,),
        L.Embedding(10, 4),
        L.LSTM(5, return_sequences=True),
        L.Bidirectional(L.GRU(4, return_sequences=True, reset_after=False)),
        L.SimpleRNN(4, activation="relu", return_sequences=True),
        L.Bidirectional(L.LSTM(3)),
        L.Dense(2, activation="sigmoid"),
    )


def table():
    scale = L.Normalization()
    scale.adapt(x(50, 3) * 3 + 1)
    return stack((3,), scale, L.Dense(4), L.LeakyReLU(), L.Dense(4, activation="selu"), L.ELU(), L.ReLU(6.0), L.Dense(3), L.Softmax())


def several():
    left, right = keras.Input((4,), name="left"), keras.Input((4,), name="right")
    shared = L.Dense(3, activation="tanh", name="shared")
    y = L.Subtract()([shared(left), shared(right)])
    return keras.Model([left, right], [L.Dense(2, name="one")(y), L.Maximum(name="other")([y, L.Minimum()([y, shared(left)])])])


def case(make, *inputs):
    model = make()
    for variable in model.variables:
        if variable.dtype == "float32" and "normalization/" not in variable.path:
            low = 0.5 if "variance" in variable.path else -0.5
            variable.assign(random.uniform(low, low + 1, variable.shape))
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "model.keras")
        model.save(path)
        file = base64.b64encode(gzip.compress(pathlib.Path(path).read_bytes(), 9, mtime=0)).decode()
    outputs = model.predict(list(inputs) if len(inputs) > 1 else inputs[0], verbose=0)
    outputs = outputs if isinstance(outputs, list) else [outputs]
    return {"file": file, "inputs": [one.tolist() for one in inputs], "outputs": [np.asarray(one).tolist() for one in outputs]}


content = {
    "generatorSha256": hashlib.sha256(pathlib.Path(__file__).read_bytes().replace(b"\r\n", b"\n")).hexdigest(),
    "keras": keras.__version__,
    "cases": {
        "operations": case(operations, x(3, 6, 8)),
        "images": case(images, x(2, 5, 5, 3)),
        "windows": case(windows, x(2, 9, 8, 2)),
        "sequences": case(sequences, random.integers(0, 10, (3, 6)).astype(np.int32)),
        "table": case(table, x(5, 3)),
        "several": case(several, x(3, 4), x(3, 4)),
    },
}
(pathlib.Path(__file__).parent / "keras-graphs.json").write_text(json.dumps(content, separators=(",", ":")) + "\n")
