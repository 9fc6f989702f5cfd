// Bilinear interpolation of one row of pixels.

// An index from memory that another thread may change: read once, and never outside of [0, limit).
INLINE int64_t columnAt(const int32_t* column, int64_t limit) {
  const int64_t at = *static_cast<const volatile int32_t*>(column);
  return at >= 0 && at < limit ? at : 0;
}

// y = a·(c·x[top, left] + d·x[top, right]) + b·(c·x[bottom, left] + d·x[bottom, right])
template <class T>
void interpolateRow(T* y, const T* top, const T* bottom, T topWeight, T bottomWeight, const int32_t* columns, const T* weights, int64_t out, int64_t in, int64_t channels) {
  const V<T> a = set1(topWeight), b = set1(bottomWeight);
  for (int64_t o = 0; o < out; ++o, y += channels) {
    const int64_t left = columnAt(columns + 2 * o, in) * channels, right = columnAt(columns + 2 * o + 1, in) * channels;
    const V<T> c = set1(weights[2 * o]), d = set1(weights[2 * o + 1]);
    eachVector(channels, [&](int64_t j, auto m) FORMULA {
      const V<T> above = c * load(top + left + j, m) + d * load(top + right + j, m);
      const V<T> below = c * load(bottom + left + j, m) + d * load(bottom + right + j, m);
      store(y + j, a * above + b * below, m);
    });
  }
}

// dx += dy by the weights of one of its two rows, in the order of dy.
template <class T>
void interpolateRowBackward(T* dx, const T* dy, T rowWeight, const int32_t* columns, const T* weights, int64_t out, int64_t in, int64_t channels) {
  for (int64_t o = 0; o < out; ++o, dy += channels)
    for (int side = 0; side < 2; ++side) {
      T* to = dx + columnAt(columns + 2 * o + side, in) * channels;
      const V<T> weight = set1(rowWeight * weights[2 * o + side]);
      eachVector(channels, [&](int64_t j, auto m) FORMULA { store(to + j, load(to + j, m) + weight * load(dy + j, m), m); });
    }
}
