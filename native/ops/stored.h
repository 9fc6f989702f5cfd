// Operands that are stored as T or as bfloat16, each by itself: elementwise operations widen them to T block by block, compute there, and
// round once when a block is stored. A block and its neighbours stay in the first-level cache.
#pragma once
#include <cstring>

#include "../kernels/table.h"
#include "op.h"

namespace nodegrad::ops {

constexpr int64_t storedBlock = 2048;

// Whether any operand from `first` on is bfloat16.
inline bool anyNarrow(const Call& c, int first = 0) {
  for (int i = first; i < c.operandCount; ++i)
    if (c.operands[i].dtype == DType::bfloat16) return true;
  return false;
}

// Kernels that read and write what is stored as S.
template <class S> const auto& storedKernels() {
  if constexpr (sizeof(S) == 2) return kernels().bf16;
  else return kernelsOf<S>();
}

// Elements [at, at + n) as T: where they lie, or widened to `scratch`.
template <class T> const T* widened(const Operand& o, int64_t at, int64_t n, T* scratch) {
  if (o.dtype != DType::bfloat16) return static_cast<const T*>(o.data) + at;
  if constexpr (sizeof(T) == 4) kernels().bf16.widen(scratch, static_cast<const bfloat16*>(o.data) + at, n);
  return scratch;
}

template <class T> void store(const Operand& o, int64_t at, int64_t n, const T* from) {
  if (o.dtype != DType::bfloat16) std::memcpy(static_cast<T*>(o.data) + at, from, size_t(n) * sizeof(T));
  else if constexpr (sizeof(T) == 4) kernels().bf16.narrow(static_cast<bfloat16*>(o.data) + at, from, n);
}

// Where a block of results is computed, and how it gets to its place.
template <class T> struct Result {
  const Operand& o;
  T* scratch;
  T* at(int64_t i) const { return o.dtype == DType::bfloat16 ? scratch : static_cast<T*>(o.data) + i; }
  void done(int64_t i, int64_t n) const {
    if (o.dtype == DType::bfloat16) store(o, i, n, scratch);
  }
};

// `body(at, n)` for the blocks of [begin, begin + n).
template <class F> void forBlocks(int64_t begin, int64_t n, F body) {
  for (int64_t end = begin + n; begin < end; begin += storedBlock) body(begin, end - begin < storedBlock ? end - begin : storedBlock);
}

}  // namespace nodegrad::ops
