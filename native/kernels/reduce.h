// Reductions in one order for all instruction sets: 64 virtual lanes, then a fixed tree; blocks of 4096, then a tree of blocks.

constexpr int64_t sumBlock = 4096;
constexpr int64_t columnBlock = 256;  // rows that one pass over columns adds in order

// Up to 4096 elements: element i goes to lane i mod 64; lanes are folded by halves.
template <class T> inline T sumLeaf(const T* x, int64_t n) {
  V<T> s0 = zero<T>(), s1 = s0, s2 = s0, s3 = s0;
  int64_t i = 0;
  for (; i + 64 <= n; i += 64) {
    s0 = s0 + load(x + i);
    s1 = s1 + load(x + i + 16);
    s2 = s2 + load(x + i + 32);
    s3 = s3 + load(x + i + 48);
  }
  const auto rest = [&](V<T> s, int64_t at) {
    if (at >= n) return s;
    return s + (n - at >= lanes ? load(x + at) : load(x + at, int(n - at)));
  };
  s0 = rest(s0, i);
  s1 = rest(s1, i + 16);
  s2 = rest(s2, i + 32);
  s3 = rest(s3, i + 48);
  return sumLanes((s0 + s2) + (s1 + s3));
}

// Left half is the larger one; halves are whole blocks.
template <class T> T sum(const T* x, int64_t n) {
  if (n <= sumBlock) return sumLeaf(x, n);
  const int64_t blocks = (n + sumBlock - 1) / sumBlock, left = (blocks + 1) / 2 * sumBlock;
  return sum(x, left) + sum(x + left, n - left);
}

// out[j] = Σ_i x[i·stride + j], rows added in order. At most `columnBlock` rows a call: the op sums blocks by the tree.
template <class T> void sumColumns(T* out, const T* x, int64_t rows, int64_t columns, int64_t stride) {
  int64_t j = 0;
  for (; j + 64 <= columns; j += 64) {
    V<T> s0 = zero<T>(), s1 = s0, s2 = s0, s3 = s0;
    for (int64_t i = 0; i < rows; ++i) {
      const T* p = x + i * stride + j;
      s0 = s0 + load(p);
      s1 = s1 + load(p + 16);
      s2 = s2 + load(p + 32);
      s3 = s3 + load(p + 48);
    }
    store(out + j, s0);
    store(out + j + 16, s1);
    store(out + j + 32, s2);
    store(out + j + 48, s3);
  }
  for (; j < columns; j += lanes) {
    const int m = columns - j < lanes ? int(columns - j) : lanes;
    V<T> s = zero<T>();
    for (int64_t i = 0; i < rows; ++i) s = s + load(x + i * stride + j, m);
    store(out + j, s, m);
  }
}

// Largest (smallest) element and its first index; the first NaN wins over everything.
template <bool Max, class T> inline bool better(T candidate, T best) {
  if (best != best) return false;
  return candidate != candidate || (Max ? candidate > best : candidate < best);
}
template <bool Max, class T> inline T extremeRow(const T* x, int64_t n, int32_t* index) {
  T best = x[0];
  int32_t at = 0;
  int64_t i = 1;
  if (n >= 4 * lanes) {
    // The value first, in vectors; then where it stands.
    V<T> m = load(x);
    for (i = lanes; i + lanes <= n; i += lanes) m = Max ? maximum(m, load(x + i)) : minimum(m, load(x + i));
    T t[lanes];
    store(t, m);
    best = t[0];
    for (int j = 1; j < lanes; ++j) if (better<Max>(t[j], best)) best = t[j];
    for (; i < n; ++i) if (better<Max>(x[i], best)) best = x[i];
    const bool nan = best != best;
    // The bound is for shared memory, which another thread may write meanwhile.
    while (at + 1 < n && (nan ? x[at] == x[at] : x[at] != best)) ++at;
    best = x[at];
  } else {
    for (; i < n; ++i) if (better<Max>(x[i], best)) { best = x[i]; at = int32_t(i); }
  }
  *index = at;
  return best;
}
template <class T> T maxRow(const T* x, int64_t n, int32_t* index) { return extremeRow<true>(x, n, index); }
template <class T> T minRow(const T* x, int64_t n, int32_t* index) { return extremeRow<false>(x, n, index); }

template <bool Max, class T> inline void extremeColumns(T* out, int32_t* index, const T* x, int64_t rows, int64_t columns, int64_t stride) {
  for (int64_t j = 0; j < columns; ++j) { out[j] = x[j]; index[j] = 0; }
  for (int64_t i = 1; i < rows; ++i)
    for (int64_t j = 0; j < columns; ++j)
      if (better<Max>(x[i * stride + j], out[j])) { out[j] = x[i * stride + j]; index[j] = int32_t(i); }
}
template <class T> void maxColumns(T* out, int32_t* index, const T* x, int64_t rows, int64_t columns, int64_t stride) {
  extremeColumns<true>(out, index, x, rows, columns, stride);
}
template <class T> void minColumns(T* out, int32_t* index, const T* x, int64_t rows, int64_t columns, int64_t stride) {
  extremeColumns<false>(out, index, x, rows, columns, stride);
}
