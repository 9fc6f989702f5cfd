"""Writes columns.arrow, batches.arrow and columns.parquet: columns of numbers that become tensors, and some that cannot. Needs pyarrow."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet

here = Path(__file__).parent
rows = 6
plain = {
    "single": pa.array(np.arange(rows) + 0.5, pa.float32()),
    "double": pa.array(np.arange(rows) + 0.25, pa.float64()),
    "label": pa.array(range(rows), pa.int32()),
    "byte": pa.array(range(250, 250 + rows), pa.uint8()),
    "id": pa.array(range(-1, rows - 1), pa.int64()),
    "flag": pa.array([True, False, True, True, False, True]),
    "gap": pa.array([1.0, None, 3, 4, 5, 6], pa.float32()),
    "city": pa.array(["a", "b"] * 3),
    "huge": pa.array([2**31] * rows, pa.int64()),
}
lists = pa.FixedSizeListArray.from_arrays(pa.array(np.arange(rows * 4, dtype=np.float32)), 4)
arrow = pa.table({**plain, "half": pa.array(np.arange(rows, dtype=np.float16)), "small": pa.array(range(-3, 3), pa.int8()), "pixels": lists})
pa.feather.write_feather(arrow, str(here / "columns.arrow"), compression="uncompressed")
pa.feather.write_feather(arrow.select(["single", "label", "flag", "pixels"]), str(here / "batches.arrow"), compression="uncompressed", chunksize=4)
pa.parquet.write_table(pa.table(plain), here / "columns.parquet", compression="snappy", row_group_size=4)
