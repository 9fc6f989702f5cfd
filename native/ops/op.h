// What a native operation is: one signature for all, `void run(const Call&)`, beside its check and its workspace size.
#pragma once
#include <cstddef>
#include <cstdint>

#include "../kernels/table.h"
#include "dtype.h"

namespace nodegrad {

struct Operand {
  void* data;
  int64_t length;  // elements
  DType dtype;
};

// What an operation does to its result before it stores it, beside its mathematics (oneDNN calls these post-ops). A line of ops.def says
// which of it the operation takes; a call says what it wants in one more integer, the last, which is below zero: −1 − bits. Operands for it
// stand behind the others: outputs (sums, kept) behind the outputs, inputs (bias, residual, y, gamma, beta, factor) behind the inputs.
struct Fused {
  Prior prior = Prior::none;  // bits 0 and 1: the first output's old value, or zero, is added
  Prior sums = Prior::none;   // bits 2 and 3: the same for one more output, the column sums of the second input
  enum class Mask { none, recomputed, kept } mask = Mask::none;  // bits 4 and 5: see batch_norm_gradients
  int32_t map = -1;           // bits 9 to 23: 1 + place of f in this list: f(result), or of f', and then f'(y)·result
  // From bit 24 on: elements from a row of the first output to the next, where rows lie in the columns of a larger matrix; 0: one behind the
  // other. That output is as long as from its first element to its last.
  int64_t row = 0;
  double alpha = 0, beta = 0; // two more reals where there is a map or a divisor: parameters of f, or the divisor
  // Places of the operands, −1 for none. Bits 6, 7, 8: bias, residual, factor.
  int sumsAt = -1, keptAt = -1, bias = -1, residual = -1, y = -1, gamma = -1, betaAt = -1, factor = -1;
};

// Outputs stand before inputs. An output may be an operand that the op updates in place.
struct Call {
  DType dtype;  // what `T` stands for in the op's signature: arithmetic runs in it
  const Operand* operands;
  int32_t operandCount;
  const int64_t* ints;
  int32_t intCount;
  const double* reals;
  int32_t realCount;
  void* workspace = nullptr;  // 64-byte aligned, as large as the op's workspace() says
  int outputs = 0;  // how many operands are outputs
  Fused fused = {};
  DType stored = DType::float32;  // what `U` and `P` stand for; bfloat16 where a `Q` is

  template <class T> T* out(int i) const { return static_cast<T*>(operands[i].data); }
  template <class T> const T* in(int i) const { return static_cast<const T*>(operands[i].data); }
  template <class T> const T* input(int i) const { return in<T>(outputs + i); }
  int64_t length(int i) const { return operands[i].length; }
};

// What is wrong with the contents of an operand. `isIndex`: one of its numbers lies outside of low … high.
struct Refusal {
  const char* what = nullptr;  // null: nothing is wrong
  bool isIndex = false;
  int64_t value = 0, position = 0;  // the number, and its place in the operand
  int64_t low = 0, high = 0;
  const char* place = "position";   // what people call that place
  const char* caller = nullptr;     // the operation under the name that people call it by, where that is another than its own
};

struct OpFunctions {
  void (*run)(const Call&);
  // What is wrong with lengths or dimensions, or nullptr. Reads and writes no contents. Counts and dtypes are already checked.
  const char* (*check)(const Call&);
  size_t (*workspace)(const Call&) = nullptr;  // bytes; none when absent
  // What is wrong with the contents of operand `guarded` (indices out of range); none when absent. Called before every run, while a
  // program calls `check` only once.
  Refusal (*guard)(const Call&) = nullptr;
  int guarded = -1;
  // What went wrong during the run just now, of an operation that depends on others than this process; none when absent.
  Refusal (*outcome)(const Call&) = nullptr;
  // It waits for other processes: a program goes on meanwhile, until something touches its operands. All such operations of a program run in their order.
  bool waits = false;
};

// A line of ops.def. Signature: outputs, ':', inputs, one letter each: T float32 or float64 (all T alike), A any dtype (all A alike),
// X any dtype, I int32, B uint8, D float64. What is stored as T or, where T is float32, as bfloat16: S each by itself, U all alike; and operands
// of a product, which a step in mixed precision narrows: P all of them, Q one of them, and the product rounds the others as it reads them. A
// letter before '*' may repeat. Behind a ';' stands what the operation takes of Fused: p prior,
// s sums, b bias, r residual, f map, g backward of a map, m mask recomputed, k mask kept, d divisor, c columns of a larger matrix. `ints`/`reals`: how many attributes, −1 for "varies".
struct Op {
  const char* name;
  const char* signature;
  int ints, reals;
  OpFunctions functions;
};

// Place of an operation in the list: how an attribute names one.
enum class OpCode : int32_t {
#define OP(name, signature, ints, reals) name,
#include "ops.def"
#undef OP
};

int opCount();
const Op& opAt(int index);

// Fills dtype, outputs and fused, and checks counts and dtypes against the signature, then calls the op's own check. The descriptor and its
// reals no longer count among the attributes then, so a call is checked once. Returns nullptr or what is wrong.
const char* checkCall(const Op&, Call&);

// Calls body.template operator()<float>() or <double>() by the call's T.
template <class F> void byFloat(const Call& call, F&& body) {
  if (call.dtype == DType::float64) body.template operator()<double>();
  else body.template operator()<float>();
}

// Calls body.template operator()<S>() by how the call's U or P are stored.
template <class F> void byStored(const Call& call, F&& body) {
  if (call.stored == DType::bfloat16) body.template operator()<bfloat16>();
  else byFloat(call, body);
}

// Elements of one tile of elementwise work; a multiple of 16, small enough for 16 threads at 256 Ki elements.
constexpr int64_t elementTile = 16384;
constexpr int64_t tilesOf(int64_t n, int64_t tile) { return (n + tile - 1) / tile; }
// Outputs beyond what the last-level cache holds are not read back soon: bypass it.
constexpr int64_t streamingBytes = 24 << 20;

// Which words of the random stream drop an element, and what the others are multiplied by.
struct DropoutScale { uint32_t threshold; double factor; };
inline DropoutScale dropoutScale(double p) {
  // p = 1 drops all: a threshold of 2^32 does not fit, so the factor is 0 too.
  if (p >= 1) return {0xffffffffu, 0};
  return {uint32_t(p * 4294967296.0), 1.0 / (1.0 - p)};
}

// a·b, or −1 when it does not fit or a factor is negative: sizes are never trusted.
inline int64_t checkedProduct(int64_t a, int64_t b) {
  int64_t r;
  return a < 0 || b < 0 || __builtin_mul_overflow(a, b, &r) ? -1 : r;
}

// Elements from the first to the last of `rows` rows of `width`, `row` apart; −1 when there are none, or that does not fit.
inline int64_t lengthInColumns(int64_t rows, int64_t width, int64_t row) {
  const int64_t before = rows < 1 || width < 1 || width > row ? -1 : checkedProduct(rows - 1, row);
  int64_t all;
  return before < 0 || __builtin_add_overflow(before, width, &all) ? -1 : all;
}

// The first index outside of low … high.
inline Refusal refuseOutside(const char* what, const int32_t* index, int64_t count, int64_t low, int64_t high) {
  for (int64_t i = 0; i < count; ++i) {
    const int64_t value = *static_cast<const volatile int32_t*>(index + i);
    if (value < low || value > high) return {what, true, value, i, low, high};
  }
  return {};
}

// An index from memory that another thread may share and change after the check: read once, and never outside of [0, limit).
inline int64_t indexBelow(const int32_t* index, int64_t limit) {
  const int64_t i = *static_cast<const volatile int32_t*>(index);
  return i >= 0 && i < limit ? i : 0;
}

}  // namespace nodegrad
