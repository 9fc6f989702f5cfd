// Work on images that is cut by rows.
#pragma once
#include "../runtime/pool.h"
#include "op.h"

namespace nodegrad::ops {

// body(image, row) for `rows` rows of each image, a tile being rows of about elementTile elements.
template <class F> void forRows(int64_t images, int64_t rows, int64_t rowElements, F body) {
  const int64_t total = images * rows, perTile = elementTile / (rowElements + 1) + 1;
  parallelFor(tilesOf(total, perTile), [&](int64_t tile, int) {
    for (int64_t r = tile * perTile; r < (tile + 1) * perTile && r < total; ++r) body(r / rows, r % rows);
  });
}

}  // namespace nodegrad::ops
