// AArch64's FZ takes a result for zero that is below the smallest normal number before it is rounded; the definition of products of bfloat16, as
// MXCSR's FTZ, one that is below it after. They differ where a result rounds up to that number. So a block in which anything was flushed is computed once
// more, number by number.

#if defined(__aarch64__)

// A link of a chain. Of what FZ makes zero, the definition keeps what rounds to 2^-126. In double, a product of two numbers of bfloat16 is exact, and so is
// the sum wherever it is near that border.
inline float linkAfterRounding(float x, float y, float sum) {
  const float result = __builtin_fmaf(x, y, sum);
  if (result != 0) return result;  // NaN too
  const double exact = double(x) * double(y) + double(sum), size = exact < 0 ? -exact : exact;
  return size < 0x1.ffffffp-127 ? result : exact < 0 ? -0x1p-126f : 0x1p-126f;
}

// c = (c, or +0) + a·b by the definition itself. Rows of A are numbers of type S, B is [16 · steps][width] words.
template <class S>
__attribute__((noinline)) void multiplyAfterRounding(int64_t rows, int64_t width, int64_t steps, const Bfloat16Rows& a, const void* b, float* c, int64_t cRow,
                                                     bool onward) {
  const auto wordAt = [b](int64_t at) {
    uint32_t word;
    __builtin_memcpy(&word, static_cast<const char*>(b) + 4 * at, 4);
    return word;
  };
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t j = 0; j < width; ++j) {
      float sum = onward ? c[i * cRow + j] : 0.0f;
      for (int64_t step = 0; step < steps; ++step) {
        float chains[2] = {0, 0};
        for (int k = 0; k < bfloat16Step; ++k) {
          const int64_t at = a.halves[2 * step + k / wordsOfStep];
          const S* const row = reinterpret_cast<const S*>(at < 0 ? noNumbers : a.data + at + i * a.row);
          const uint32_t word = wordAt((step * wordsOfStep + k / 2) * width + j), upper = k % 2 ? word & 0xffff0000u : word << 16;
          chains[k % 2] = linkAfterRounding(float(row[k % wordsOfStep]), __builtin_bit_cast(float, upper), chains[k % 2]);
        }
        sum = sum + (chains[0] + chains[1]);
      }
      c[i * cRow + j] = sum;
    }
}

// FPSR keeps in a flag whether a result was flushed. In this process nobody else reads it.
inline uint64_t exceptionFlags() {
  uint64_t flags;
  __asm__ volatile("mrs %0, fpsr" : "=r"(flags) : : "memory");
  return flags;
}
inline void setExceptionFlags(uint64_t flags) { __asm__ volatile("msr fpsr, %0" : : "r"(flags) : "memory"); }

using MultiplyBlocks = void (*)(int64_t, int64_t, int64_t, const Bfloat16Rows&, const void*, float*, int64_t, bool);
template <class S, int ROWS>
inline void afterRounding(MultiplyBlocks multiply, int64_t rows, int64_t width, int64_t steps, const Bfloat16Rows& a, const void* b, float* c, int64_t cRow,
                          bool onward) {
  constexpr uint64_t underflow = 1 << 3;
  float before[ROWS * bfloat16Panel];
  for (int64_t i = 0; onward && i < rows; ++i) __builtin_memcpy(before + i * width, c + i * cRow, size_t(width) * 4);
  if (const uint64_t flags = exceptionFlags(); flags & underflow) setExceptionFlags(flags & ~underflow);
  multiply(rows, width, steps, a, b, c, cRow, onward);
  if ((exceptionFlags() & underflow) == 0) return;
  for (int64_t i = 0; onward && i < rows; ++i) __builtin_memcpy(c + i * cRow, before + i * width, size_t(width) * 4);
  multiplyAfterRounding<S>(rows, width, steps, a, b, c, cRow, onward);
}

#endif
