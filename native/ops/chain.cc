// Several elementwise operations in one pass over memory: each block of the output stays in the first-level cache while one kernel
// after the other works on it. The kernels are those of the single operations, and so are the bits.
//
// y[n]; inputs: x[n], then the other operands. ints: columns of a row, then for each step: operation (place in the list), side
// (0: f(v), f(v, other); 1: f(other, v)), operand of `other` (0: none), its row stride and its column stride (0 or 1).
// reals: two for each step: the parameters of a map, the probability of dropout.
#include "../kernels/table.h"
#include "../runtime/pool.h"
#include "fused.h"
#include "op.h"
#include "stored.h"

namespace nodegrad::ops {
namespace {

constexpr int stepInts = 5, stepReals = 2;
constexpr int64_t stateWords = 6;

struct Step {
  OpCode op;
  bool swapped;
  int64_t operand, rowStride, columnStride;
  double alpha, beta;
};

int64_t stepCount(const Call& c) { return (c.intCount - 1) / stepInts; }
Step stepOf(const Call& c, int64_t i) {
  const int64_t* p = c.ints + 1 + i * stepInts;
  return {OpCode(p[0]), p[1] != 0, p[2], p[3], p[4], c.reals[i * stepReals], c.reals[i * stepReals + 1]};
}

template <class T> using BinaryKernel = void (*)(T* c, const T* a, int aStep, const T* b, int bStep, int64_t n, bool streaming);
template <class T> BinaryKernel<T> binaryKernel(OpCode op) {
  const Kernels<T>& k = kernelsOf<T>();
  switch (op) {
    case OpCode::add: return k.add;
    case OpCode::sub: return k.sub;
    case OpCode::mul: return k.mul;
    case OpCode::div: return k.div;
    case OpCode::minimum: return k.minimumOf;
    case OpCode::maximum: return k.maximumOf;
    case OpCode::prelu: return k.prelu;
    case OpCode::prelu_slope: return k.preluSlope;
    default: return nullptr;
  }
}

// v[n] = step(v or x, other) for elements from `at`. `scratch` has room for a block of the other operand.
template <class T> void apply(const Call& c, const Step& s, T* v, const T* x, int64_t at, int64_t n, T* scratch) {
  const Kernels<T>& k = kernelsOf<T>();
  if (MapKernel<T> map = mapKernel<T>(int64_t(s.op))) return map(v, x, n, false, T(s.alpha), T(s.beta));
  if (MapBackwardKernel<T> map = mapBackwardKernel<T>(int64_t(s.op))) {
    const T* other = widened(c.operands[s.operand], at, n, scratch);
    return s.swapped ? map(v, other, x, n, false, T(s.alpha), T(s.beta)) : map(v, x, other, n, false, T(s.alpha), T(s.beta));
  }
  if (BinaryKernel<T> binary = binaryKernel<T>(s.op)) {
    const Operand& other = c.operands[s.operand];
    const int step = int(s.columnStride);
    const auto part = [&](int64_t j, int64_t count, const T* o) {
      if (s.swapped) binary(v + j, o, step, x + j, 1, count, false);
      else binary(v + j, x + j, 1, o, step, count, false);
    };
    const int64_t columns = c.ints[0];
    if (s.rowStride == columns && step == 1) return part(0, n, widened(other, at, n, scratch));
    if (s.rowStride == 0 && step == 0) return part(0, n, widened(other, 0, 1, scratch));
    for (int64_t j = 0; j < n;) {
      const int64_t row = (at + j) / columns, column = (at + j) % columns, count = columns - column < n - j ? columns - column : n - j;
      part(j, count, widened(other, row * s.rowStride + column * step, step ? count : 1, scratch));
      j += count;
    }
    return;
  }
  const DropoutScale scale = dropoutScale(s.alpha);
  k.dropout(v, x, static_cast<const uint32_t*>(c.operands[s.operand].data), uint64_t(at), n, scale.threshold, T(scale.factor));
}

void run_elementwise_chain(const Call& c) {
  const int64_t steps = stepCount(c);
  byFloat(c, [&]<class T>() {
    parallelFor(tilesOf(c.length(0), elementTile), [&](int64_t tile, int) {
      const int64_t end = tile * elementTile + elementTile < c.length(0) ? tile * elementTile + elementTile : c.length(0);
      alignas(64) T parts[2][storedBlock];
      const Result<T> result{c.operands[0], parts[0]};
      forBlocks(tile * elementTile, end - tile * elementTile, [&](int64_t at, int64_t n) {
        T* const v = result.at(at);
        for (int64_t i = 0; i < steps; ++i) apply<T>(c, stepOf(c, i), v, i == 0 ? widened(c.operands[1], at, n, v) : v, at, n, parts[1]);
        result.done(at, n);
      });
    });
  });
}

const char* checkElementwiseChain(const Call& c) {
  const int64_t n = c.length(0), steps = stepCount(c);
  if (c.intCount < 1 + stepInts || c.intCount != 1 + steps * stepInts || c.realCount != steps * stepReals) return "malformed steps";
  const int64_t columns = c.ints[0];
  if (columns < 1 || n % columns != 0) return "the rows do not fit the output";
  if (c.operandCount < 2 || c.length(1) != n) return "the input does not fit the output";
  for (int64_t i = 0; i < steps; ++i) {
    const Step s = stepOf(c, i);
    if (mapKernel<float>(int64_t(s.op))) continue;
    if (s.operand < 2 || s.operand >= c.operandCount) return "a step names an operand that was not given";
    const Operand& other = c.operands[s.operand];
    if (s.op == OpCode::dropout) {
      if (other.dtype != DType::int32 || other.length != stateWords) return "the random state must have 6 words";
      if (!(s.alpha >= 0 && s.alpha <= 1)) return "the dropout probability must be from 0 to 1";
      continue;
    }
    if (other.dtype != c.dtype && (other.dtype != DType::bfloat16 || c.dtype != DType::float32)) return "operands of different dtypes";
    if (binaryKernel<float>(s.op)) {
      if ((s.columnStride != 0 && s.columnStride != 1) || s.rowStride < 0 || (s.rowStride > 1 && s.rowStride != columns)) return "malformed strides";
      if (n > 0 && (n / columns - 1) * s.rowStride + (columns - 1) * s.columnStride >= other.length) return "an operand is too short for its strides";
    } else if (mapBackwardKernel<float>(int64_t(s.op))) {
      if (other.length != n) return "operands of different lengths";
    } else {
      return "an operation that cannot stand in a chain";
    }
  }
  return nullptr;
}

}  // namespace

extern const OpFunctions op_elementwise_chain = {run_elementwise_chain, checkElementwiseChain};

}  // namespace nodegrad::ops
