"""Writes houses.parquet and houses.arrow: columns of every kind that we read, with nulls. Needs pyarrow."""

from pathlib import Path

import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet

here = Path(__file__).parent
houses = pa.table(
    {
        "rooms": pa.array([3, None, 5, 2], pa.int32()),
        "area": pa.array([70.5, 90.25, None, 40.0], pa.float64()),
        "id": pa.array([1, 2, 3, 4], pa.int64()),
        "city": pa.array(["Ulm", "Bonn", None, "Ulm"]),
        "kind": pa.array(["a", "b", "a", None]).dictionary_encode(),
        "new": pa.array([True, None, False, True]),
        "sold": pa.array([0, 86400000, None, 2], pa.timestamp("ms")),
        "half": pa.array([1.5, None, 2, 3], pa.float32()),
        "price": pa.array([100.0, 200.0, 300.0, 400.0]),
        "tags": pa.array([["x"], None, [], ["y", "z"]]),
    }
)
pa.parquet.write_table(houses, here / "houses.parquet", compression="snappy", row_group_size=3)
pa.feather.write_feather(houses, str(here / "houses.arrow"), compression="uncompressed")
