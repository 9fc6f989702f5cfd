"""Writes recurrent-keras.json: outputs of Keras's SimpleRNN, LSTM and GRU with their `get_weights()`, whole and masked, in float32."""
import hashlib
import json
import os
import pathlib

os.environ.setdefault("KERAS_BACKEND", "jax")
import keras
import numpy as np

HERE = pathlib.Path(__file__).parent
LENGTHS = [4, 2, 3]


def stored(x):
    return {"shape": list(x.shape), "values": np.asarray(x, dtype=np.float64).reshape(-1).tolist()}


def case(random, x, kind, layer):
    layer.build(x.shape)
    layer.set_weights([random.uniform(-1, 1, w.shape).astype(np.float32) for w in layer.get_weights()])
    mask = np.arange(x.shape[1])[None, :] < np.array(LENGTHS)[:, None]
    return {"kind": kind, "weights": [stored(w) for w in layer.get_weights()], "output": stored(layer(x)), "masked": stored(layer(x, mask=mask))}


def main():
    random = np.random.default_rng(1)
    x = random.uniform(-1, 1, (3, 4, 2)).astype(np.float32)
    layers, sequences = keras.layers, {"return_sequences": True}
    content = {
        "generatorSha256": hashlib.sha256(pathlib.Path(__file__).read_bytes().replace(b"\r\n", b"\n")).hexdigest(),
        "keras": keras.__version__,
        "input": stored(x),
        "lengths": LENGTHS,
        "cases": [
            case(random, x, "SimpleRNN", layers.SimpleRNN(3, **sequences)),
            case(random, x, "LSTM", layers.LSTM(3, **sequences)),
            case(random, x, "GRU", layers.GRU(3, **sequences)),
            case(random, x, "GRU, reset before", layers.GRU(3, reset_after=False, **sequences)),
            case(random, x, "Bidirectional GRU", layers.Bidirectional(layers.GRU(3, **sequences))),
        ],
    }
    (HERE / "recurrent-keras.json").write_text(json.dumps(content, separators=(",", ":"), allow_nan=False) + "\n")


if __name__ == "__main__":
    main()
