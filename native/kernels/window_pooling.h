// Pooling over a window of any place and size: the maximum of each channel, and the number of its pixel in the image.

// y = the maximum over rows × columns pixels from x on, in an image of `width` columns and n channels. Of equal numbers the first counts, of
// several NaN the last, as in maxPoolRow.
template <class T>
void windowMax(T* y, int32_t* place, const T* x, int64_t first, int64_t width, int64_t rows, int64_t columns, int64_t n) {
  for (int64_t j = 0; j < n; ++j) y[j] = x[j], place[j] = int32_t(first);
  for (int64_t a = 0; a < rows; ++a)
    for (int64_t b = a == 0 ? 1 : 0; b < columns; ++b) {
      const T* from = x + (a * width + b) * n;
      const int32_t here = int32_t(first + a * width + b);
      for (int64_t j = 0; j < n; ++j) {
        const T v = from[j], best = y[j];
        const bool takes = (v > best) | (v != v);
        y[j] = takes ? v : best;
        place[j] = takes ? here : place[j];
      }
    }
}

// dx += dy where the maximum was taken, for the columns of one row of the window.
template <class T> void windowMaxBackward(T* dx, const T* dy, const int32_t* place, int64_t first, int64_t columns, int64_t n) {
  for (int64_t b = 0; b < columns; ++b)
    for (int64_t j = 0; j < n; ++j) dx[b * n + j] += place[j] == int32_t(first + b) ? dy[j] : T(0);
}

// Windows [begin, end) by `out` steps from 0 to in − 1, each of ⌊α⌋ or ⌈α⌉ pixels with α = (in − 1) / out, and each reaching `overlap` pixels
// into the next. Shuffled: every order of the steps is equally likely. Else step o leads to ⌊α·(o + 1) + u⌋ with one u in [0, 1) for all.
// Takes the words of the stream from `begin` on, one for each step at most.
template <class T>
void fractionalWindows(int32_t* windows, const uint32_t* state, uint64_t begin, int64_t in, int64_t out, int64_t overlap, bool shuffled) {
  const int64_t step = (in - 1) / out, rest = (in - 1) % out;
  const auto word = [&](uint64_t i) -> uint64_t { return philox(state, i / 4).word[i % 4]; };
  const uint64_t u = word(begin) * uint64_t(out);
  int64_t at = 0, longer = rest;
  for (int64_t o = 0; o < out; ++o) {
    windows[2 * o] = int32_t(at);
    if (shuffled) {
      const int64_t more = int64_t(word(begin + uint64_t(o)) * uint64_t(out - o) >> 32) < longer;
      longer -= more;
      at += step + more;
    } else {
      const int64_t part = (o + 1) * rest;
      at = (o + 1) * step + part / out + (((uint64_t(part % out) << 32) + u) >> 32 >= uint64_t(out));
    }
    windows[2 * o + 1] = int32_t(at + overlap);
  }
}
