// Rows of images on their way into a batch: bytes become numbers, sampled where a map of coordinates says, recoloured, normalized.
// Coordinates are in pixels, the centre of the first at 0; NaN lies outside of every image.

// y = x
template <class T> void widenBytes(T* y, const uint8_t* x, int64_t n) {
  for (int64_t i = 0; i < n; ++i) y[i] = T(x[i]);
}

// y = (y − mean)·scale
template <class T> void normalizeRow(T* y, const T* mean, const T* scale, int64_t n) {
  for (int64_t i = 0; i < n; ++i) y[i] = (y[i] - mean[i]) * scale[i];
}

// The same from bytes.
template <class T> void normalizeBytes(T* y, const uint8_t* x, const T* mean, const T* scale, int64_t n) {
  for (int64_t i = 0; i < n; ++i) y[i] = (T(x[i]) - mean[i]) * scale[i];
}

// Each pixel v (one channel or three) becomes M·v + o, at least 0 and at most 255; m: the rows of M, each with its o behind it.
template <class T> void recolourRow(T* y, const T* m, int64_t pixels, int64_t channels) {
  const auto clamp = [](T v) { return v < T(0) ? T(0) : v > T(255) ? T(255) : v; };
  if (channels == 1) {
    for (int64_t i = 0; i < pixels; ++i) y[i] = clamp(m[0] * y[i] + m[3]);
    return;
  }
  for (int64_t i = 0; i < pixels; ++i) {
    const T r = y[3 * i], g = y[3 * i + 1], b = y[3 * i + 2];
    y[3 * i] = clamp(m[0] * r + m[1] * g + m[2] * b + m[3]);
    y[3 * i + 1] = clamp(m[4] * r + m[5] * g + m[6] * b + m[7]);
    y[3 * i + 2] = clamp(m[8] * r + m[9] * g + m[10] * b + m[11]);
  }
}

// (x, y) ← A·((x, y) − c) + t; m: the rows of A, then c, then t.
template <class T> void moveCoordinates(T* x, T* y, const T* m, int64_t n) {
  for (int64_t i = 0; i < n; ++i) {
    const T dx = x[i] - m[4], dy = y[i] - m[5];
    x[i] = m[0] * dx + m[1] * dy + m[6];
    y[i] = m[2] * dx + m[3] * dy + m[7];
  }
}

// p ← c + (1 + k·|p − c|²)·(p − c); m: k, then c.
template <class T> void bendCoordinates(T* x, T* y, const T* m, int64_t n) {
  for (int64_t i = 0; i < n; ++i) {
    const T dx = x[i] - m[1], dy = y[i] - m[2], factor = T(1) + m[0] * (dx * dx + dy * dy);
    x[i] = m[1] + factor * dx;
    y[i] = m[2] + factor * dy;
  }
}

// What lies beyond the first or the last pixel comes back from there: −1 is 1.
template <class T> void reflectCoordinates(T* p, T last, int64_t n) {
  const T period = T(2) * last;
  for (int64_t i = 0; i < n; ++i) {
    const T away = p[i] < T(0) ? -p[i] : p[i];
    const bool countable = away < T(1 << 20);  // farther away nothing can be told apart
    const T turns = period > T(0) && countable ? T(int32_t(away / period)) : T(0);
    const T within = away - turns * period;
    p[i] = !countable ? T(__builtin_nan("")) : period > T(0) ? (within > last ? period - within : within) : T(0);
  }
}

// What lies half a pixel and more beyond the first or the last one is outside.
template <class T> void boundCoordinates(T* p, T last, int64_t n) {
  for (int64_t i = 0; i < n; ++i) p[i] = p[i] >= T(-0.5) && p[i] <= last + T(0.5) ? p[i] : T(__builtin_nan(""));
}

// Bilinear samples of an image [height, width, channels]; outside of it lies `fill` [channels].
template <class T>
void sampleRow(T* out, const uint8_t* image, int64_t height, int64_t width, int64_t channels, const T* x, const T* y, const T* fill, int64_t n) {
  for (int64_t i = 0; i < n; ++i, out += channels) {
    if (!(x[i] > T(-1) && x[i] < T(width) && y[i] > T(-1) && y[i] < T(height))) {
      for (int64_t c = 0; c < channels; ++c) out[c] = fill[c];
      continue;
    }
    const int64_t left = int64_t(x[i] + T(1)) - 1, top = int64_t(y[i] + T(1)) - 1;
    const T right = x[i] - T(left), down = y[i] - T(top);
    const bool hasLeft = left >= 0, hasRight = left + 1 < width, hasTop = top >= 0, hasBottom = top + 1 < height;
    const uint8_t* at = image + (top * width + left) * channels;
    for (int64_t c = 0; c < channels; ++c) {
      const T a = hasTop && hasLeft ? T(at[c]) : fill[c], b = hasTop && hasRight ? T(at[channels + c]) : fill[c];
      const T d = hasBottom && hasLeft ? T(at[width * channels + c]) : fill[c];
      const T e = hasBottom && hasRight ? T(at[(width + 1) * channels + c]) : fill[c];
      const T above = a + right * (b - a), below = d + right * (e - d);
      out[c] = above + down * (below - above);
    }
  }
}
