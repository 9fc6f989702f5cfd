// What a native operation is: one signature for all, `void run(const Call&)`, beside its check and its workspace size.
#pragma once
#include <cstddef>
#include <cstdint>

#include "dtype.h"

namespace nodegrad {

struct Operand {
  void* data;
  int64_t length;  // elements
  DType dtype;
};

// Outputs stand before inputs. An output may be an operand that the op updates in place.
struct Call {
  DType dtype;  // what `T` stands for in the op's signature
  const Operand* operands;
  int32_t operandCount;
  const int64_t* ints;
  int32_t intCount;
  const double* reals;
  int32_t realCount;
  void* workspace;  // 64-byte aligned, as large as the op's workspace() says

  template <class T> T* out(int i) const { return static_cast<T*>(operands[i].data); }
  template <class T> const T* in(int i) const { return static_cast<const T*>(operands[i].data); }
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
};

// A line of ops.def. Signature: outputs, ':', inputs, one letter each: T float32 or float64 (all T alike), A any dtype (all A alike),
// X any dtype, I int32, B uint8, D float64; a letter before '*' may repeat. `ints`/`reals`: how many attributes, −1 for "varies".
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

// Fills `dtype` from the operands and checks counts and dtypes against the signature, then calls the op's own check.
// Returns nullptr or what is wrong.
const char* checkCall(const Op&, Call&);

// Calls body.template operator()<float>() or <double>() by the call's T.
template <class F> void byFloat(const Call& call, F&& body) {
  if (call.dtype == DType::float64) body.template operator()<double>();
  else body.template operator()<float>();
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
