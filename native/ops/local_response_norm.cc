// Local response normalization over neighbouring channels: y = x / (k + alpha / size · Σ x²)^beta.
#include "../kernels/table.h"
#include "../runtime/pool.h"
#include "op.h"

namespace nodegrad::ops {
namespace {

struct Neighbours {
  int64_t rows, channels, before, after;
  int64_t scratch() const { return (2 * (before + channels + after) + 15) / 16 * 16; }
};
Neighbours neighboursOf(const Call& c) {
  const int64_t channels = c.ints[1], size = c.ints[2];
  const auto inside = [&](int64_t reach) { return reach < channels ? reach : channels; };
  return {c.ints[0], channels, inside(size / 2), inside((size - 1) / 2)};
}

// body(row, scratch) for every row.
template <class T, class F> void forPixels(const Call& c, const Neighbours& s, F body) {
  const int64_t perTile = elementTile / s.channels + 1;
  parallelFor(tilesOf(s.rows, perTile), [&](int64_t tile, int worker) {
    T* const scratch = static_cast<T*>(c.workspace) + worker * s.scratch();
    for (int64_t row = tile * perTile; row < (tile + 1) * perTile && row < s.rows; ++row) body(row * s.channels, scratch);
  });
}

void run_local_response_norm(const Call& c) {
  if (c.length(0) == 0) return;
  const Neighbours s = neighboursOf(c);
  const double factor = c.reals[0] / double(c.ints[2]);
  byFloat(c, [&]<class T>() {
    forPixels<T>(c, s, [&](int64_t at, T* scratch) {
      kernelsOf<T>().responseNorm(c.out<T>(0) + at, c.in<T>(1) + at, scratch, s.channels, s.before, s.after, T(factor), T(c.reals[1]), T(c.reals[2]));
    });
  });
}
void run_local_response_norm_backward(const Call& c) {
  if (c.length(0) == 0) return;
  const Neighbours s = neighboursOf(c);
  const double factor = c.reals[0] / double(c.ints[2]);
  byFloat(c, [&]<class T>() {
    forPixels<T>(c, s, [&](int64_t at, T* scratch) {
      kernelsOf<T>().responseNormBackward(c.out<T>(0) + at, c.in<T>(1) + at, c.in<T>(2) + at, scratch, s.channels, s.before, s.after, T(factor),
                                          T(c.reals[1]), T(c.reals[2]));
    });
  });
}

const char* checkResponseNorm(const Call& c) {
  if (c.ints[2] < 1) return "malformed dimensions";
  for (int i = 0; i < c.operandCount; ++i)
    if (checkedProduct(c.ints[0], c.ints[1]) != c.length(i)) return "an operand does not have rows × channels elements";
  return nullptr;
}
size_t workspaceOf(const Call& c) {
  return c.length(0) == 0 ? 0 : size_t(threads()) * size_t(neighboursOf(c).scratch() * dtypeSize(c.dtype));
}

}  // namespace

extern const OpFunctions op_local_response_norm = {run_local_response_norm, checkResponseNorm, workspaceOf};
extern const OpFunctions op_local_response_norm_backward = {run_local_response_norm_backward, checkResponseNorm, workspaceOf};

}  // namespace nodegrad::ops
