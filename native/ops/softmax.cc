// Softmax, log-softmax and cross-entropy over rows, and of single logits.
#include "../kernels/table.h"
#include "../runtime/pool.h"
#include "op.h"

namespace nodegrad::ops {
namespace {

// The place of a row's largest number is an int32.
constexpr const char* tooLong = "rows of 2^31 numbers or more";

const char* checkRows(const Call& c) {
  if (c.ints[1] > INT32_MAX) return tooLong;
  const int64_t n = checkedProduct(c.ints[0], c.ints[1]);
  for (int i = 0; i < c.operandCount; ++i)
    if (c.length(i) != n) return "operands do not have rows × columns elements";
  return nullptr;
}

template <class F> void forRows(const Call& c, F body) {
  const int64_t rows = c.ints[0], columns = c.ints[1];
  if (columns == 0) return;
  const int64_t perTile = 2048 / columns + 1;
  parallelFor(tilesOf(rows, perTile), [&](int64_t tile, int) {
    for (int64_t r = tile * perTile; r < (tile + 1) * perTile && r < rows; ++r) body(r, r * columns);
  });
}

#define ROWS(op, kernel) \
  void run_##op(const Call& c) { \
    byFloat(c, [&]<class T>() { \
      forRows(c, [&](int64_t, int64_t at) { kernelsOf<T>().kernel(c.out<T>(0) + at, c.in<T>(1) + at, c.ints[1]); }); \
    }); \
  }
#define ROWS_BACKWARD(op, kernel) \
  void run_##op(const Call& c) { \
    byFloat(c, [&]<class T>() { \
      forRows(c, [&](int64_t, int64_t at) { kernelsOf<T>().kernel(c.out<T>(0) + at, c.in<T>(1) + at, c.in<T>(2) + at, c.ints[1]); }); \
    }); \
  }

ROWS(softmax, softmaxRow)
ROWS_BACKWARD(softmax_backward, softmaxRowBackward)
ROWS(log_softmax, logSoftmaxRow)
ROWS_BACKWARD(log_softmax_backward, logSoftmaxRowBackward)

// losses[rows], difference[rows, columns] = softmax − target; logits[rows, columns], and labels[rows] or a row of target probabilities for each.
// With a factor[rows] and a divisor: the loss Σ losses / divisor, and factor·difference, its gradient by the logits; the losses go to the workspace.
template <bool dense> void crossEntropy(const Call& c) {
  byFloat(c, [&]<class T>() {
    const auto& k = kernelsOf<T>();
    const T* const factor = c.fused.factor < 0 ? nullptr : c.in<T>(c.fused.factor);
    T* const losses = factor ? static_cast<T*>(c.workspace) : c.out<T>(0);
    const T smoothing = T(c.reals[0]);
    forRows(c, [&](int64_t r, int64_t at) {
      T* const difference = c.out<T>(1) + at;
      if constexpr (dense) {
        losses[r] = k.crossEntropyDenseRow(difference, c.in<T>(2) + at, c.in<T>(3) + at, c.ints[1], smoothing);
      } else {
        losses[r] = k.crossEntropyRow(difference, c.in<T>(2) + at, c.ints[1], indexBelow(c.in<int32_t>(3) + r, c.ints[1]), smoothing);
      }
      if (factor) k.mul(difference, difference, 1, factor + r, 0, c.ints[1], false);
    });
    if (factor) *c.out<T>(0) = k.sum(losses, c.ints[0]) / T(c.fused.alpha);
  });
}
void run_cross_entropy(const Call& c) { crossEntropy<false>(c); }
void run_cross_entropy_dense(const Call& c) { crossEntropy<true>(c); }
template <bool dense> const char* checkCrossEntropy(const Call& c) {
  const int64_t n = checkedProduct(c.ints[0], c.ints[1]);
  if (c.ints[1] < 1) return "cross-entropy needs at least one class";
  if (c.ints[1] > INT32_MAX) return tooLong;
  if (c.length(0) != (c.fused.factor < 0 ? c.ints[0] : 1) || c.length(1) != n || c.length(2) != n || c.length(3) != (dense ? n : c.ints[0]) ||
      (c.fused.factor >= 0 && c.length(c.fused.factor) != c.ints[0]))
    return "rows and classes do not fit the operands";
  return nullptr;
}
size_t crossEntropyWorkspace(const Call& c) { return c.fused.factor < 0 ? 0 : size_t(c.ints[0]) * size_t(dtypeSize(c.dtype)); }
Refusal guardCrossEntropy(const Call& c) {
  Refusal refusal = refuseOutside("class index", c.in<int32_t>(3), c.ints[0], 0, c.ints[1] - 1);
  refusal.caller = "crossEntropy";
  refusal.place = "row";
  return refusal;
}

// dx[rows, columns] = dy[rows]·difference[rows, columns]
void run_cross_entropy_backward(const Call& c) {
  byFloat(c, [&]<class T>() {
    forRows(c, [&](int64_t r, int64_t at) {
      kernelsOf<T>().mul(c.out<T>(0) + at, c.in<T>(2) + at, 1, c.in<T>(1) + r, 0, c.ints[1], false);
    });
  });
}
const char* checkCrossEntropyBackward(const Call& c) {
  const int64_t n = checkedProduct(c.ints[0], c.ints[1]);
  if (c.length(0) != n || c.length(1) != c.ints[0] || c.length(2) != n) return "rows and classes do not fit the operands";
  return nullptr;
}

// y[rows] = x[rows, index[rows]]
void run_pick(const Call& c) {
  byFloat(c, [&]<class T>() {
    const int32_t* index = c.in<int32_t>(2);
    parallelFor(tilesOf(c.ints[0], elementTile), [&](int64_t tile, int) {
      for (int64_t r = tile * elementTile; r < (tile + 1) * elementTile && r < c.ints[0]; ++r)
        c.out<T>(0)[r] = c.in<T>(1)[r * c.ints[1] + indexBelow(index + r, c.ints[1])];
    });
  });
}
const char* checkPickAt(const Call& c, int table, int rows) {
  if (c.ints[1] < 1) return "a row needs at least one column";
  if (c.length(table) != checkedProduct(c.ints[0], c.ints[1]) || c.length(rows) != c.ints[0] || c.length(2) != c.ints[0])
    return "rows and columns do not fit the operands";
  return nullptr;
}
const char* checkPick(const Call& c) { return checkPickAt(c, 1, 0); }
Refusal guardPick(const Call& c) {
  Refusal refusal = refuseOutside("index", c.in<int32_t>(2), c.ints[0], 0, c.ints[1] - 1);
  refusal.place = "row";
  return refusal;
}
// dx[rows, columns]: dy[rows] at index[rows], else 0
void run_pick_backward(const Call& c) {
  byFloat(c, [&]<class T>() {
    const int32_t* index = c.in<int32_t>(2);
    forRows(c, [&](int64_t r, int64_t at) {
      T* const dx = c.out<T>(0) + at;
      kernelsOf<T>().fill(dx, T(0), c.ints[1]);
      dx[indexBelow(index + r, c.ints[1])] = c.in<T>(1)[r];
    });
  });
}
const char* checkPickBackward(const Call& c) { return checkPickAt(c, 0, 1); }

// losses and their derivatives by the logits: both from logits and targets, element by element
void run_binary_cross_entropy(const Call& c) {
  const int64_t n = c.length(0);
  byFloat(c, [&]<class T>() {
    parallelFor(tilesOf(n, elementTile / 4), [&](int64_t tile, int) {
      const int64_t at = tile * (elementTile / 4), count = n - at < elementTile / 4 ? n - at : elementTile / 4;
      kernelsOf<T>().binaryCrossEntropy(c.out<T>(0) + at, c.out<T>(1) + at, c.in<T>(2) + at, c.in<T>(3) + at, count, T(c.reals[0]));
    });
  });
}
const char* checkBinaryCrossEntropy(const Call& c) {
  for (int i = 1; i < 4; ++i)
    if (c.length(i) != c.length(0)) return "operands differ in length";
  return nullptr;
}

}  // namespace

extern const OpFunctions op_softmax = {run_softmax, checkRows};
extern const OpFunctions op_softmax_backward = {run_softmax_backward, checkRows};
extern const OpFunctions op_log_softmax = {run_log_softmax, checkRows};
extern const OpFunctions op_log_softmax_backward = {run_log_softmax_backward, checkRows};
extern const OpFunctions op_cross_entropy = {run_cross_entropy, checkCrossEntropy<false>, crossEntropyWorkspace, guardCrossEntropy, 3};
extern const OpFunctions op_cross_entropy_dense = {run_cross_entropy_dense, checkCrossEntropy<true>, crossEntropyWorkspace};
extern const OpFunctions op_cross_entropy_backward = {run_cross_entropy_backward, checkCrossEntropyBackward};
extern const OpFunctions op_pick = {run_pick, checkPick, nullptr, guardPick, 2};
extern const OpFunctions op_pick_backward = {run_pick_backward, checkPickBackward, nullptr, guardPick, 2};
extern const OpFunctions op_binary_cross_entropy = {run_binary_cross_entropy, checkBinaryCrossEntropy};

}  // namespace nodegrad::ops
