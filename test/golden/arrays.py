"""Writes arrays.json: files of NumPy as it saves them, and the numbers in them as the tensors that we read. Needs numpy."""

import base64
import hashlib
import io
import json
from pathlib import Path

import numpy as np
from numpy.lib import format as npy

here = Path(__file__).parent
base = np.arange(-6, 6).reshape(3, 4)


def encode(data: bytes) -> str:
    return base64.b64encode(data).decode()


def case(title: str, array: np.ndarray, dtype: str, version=None) -> dict:
    file = io.BytesIO()
    npy.write_array(file, array, version=version)
    wanted = np.ascontiguousarray(array).astype(dtype).reshape(array.shape)
    return {
        "title": title,
        "file": encode(file.getvalue()),
        "array": {"dtype": wanted.dtype.name, "shape": list(array.shape), "data": encode(wanted.tobytes())},
    }


halves = np.array([0.0, -0.0, 1.5, 2.0**-24, -(2.0**-15), 65504, np.inf, -np.inf], "<f2")
kinds = {"f4": "float32", "f8": "float64", "i1": "int32", "i2": "int32", "i4": "int32", "i8": "int32"}
unsigned = {"u1": "uint8", "u2": "int32", "u4": "int32", "u8": "int32", "b1": "uint8"}
cases = [case(f"{order}{kind}", base.astype(order + kind), to) for order in "<>" for kind, to in kinds.items()]
cases += [case(f"{order}{kind}", np.abs(base).astype(order + kind), to) for order in "<>" for kind, to in unsigned.items()]
cases += [
    case("halves", halves, "float32"),
    case("halves in big order", halves.astype(">f2"), "float32"),
    case("columns first", np.asfortranarray(base.astype("<f4")), "float32"),
    case("three axes, the first running fastest", np.asfortranarray(np.arange(24).reshape(2, 3, 4).astype(">i2")), "int32"),
    case("a scalar", np.array(2.5), "float64"),
    case("nothing", np.zeros((0, 3), "<f4"), "float32"),
    case("one axis", np.arange(5, dtype="<i8"), "int32"),
    case("version 2", base.astype("<f4"), "float32", version=(2, 0)),
    case("version 3", base.astype("<f4"), "float32", version=(3, 0)),
]


def archive(save) -> str:
    file = io.BytesIO()
    save(file, x=base.astype("<f4"), y=np.arange(300, dtype="<i8"))
    return encode(file.getvalue())


refused = {
    "objects": np.array([{"a": 1}], dtype=object),
    "texts": np.array(["a"]),
    "complex numbers": np.array([1j]),
    "dates": np.array(["2020-01-01"], "<M8[D]"),
    "fields": np.array([(1, 2.0)], dtype=[("a", "<i4"), ("b", "<f4")]),
    "large integers": np.array([1, 2**31]),
    "large unsigned integers": np.array([2**64 - 1], "<u8"),
}


def saved(array: np.ndarray) -> str:
    file = io.BytesIO()
    np.save(file, array)
    return encode(file.getvalue())


json.dump(
    {
        "generatorSha256": hashlib.sha256(Path(__file__).read_bytes().replace(b"\r\n", b"\n")).hexdigest(),
        "numpy": np.__version__,
        "cases": cases,
        "stored": archive(np.savez),
        "compressed": archive(np.savez_compressed),
        "refused": {title: saved(array) for title, array in refused.items()},
    },
    (here / "arrays.json").open("w"),
    indent=1,
)
