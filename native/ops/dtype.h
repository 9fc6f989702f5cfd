// Element types: what they are called, how large they are in memory, and code that is written once for all of them.
#pragma once
#include <cstdint>

#include "../kernels/bfloat16.h"

namespace nodegrad {

enum class DType : int32_t {
#define DTYPE(name, storage, compute, array) name,
#include "dtypes.def"
#undef DTYPE
};

constexpr int dtypeCount = 0
#define DTYPE(name, storage, compute, array) +1
#include "dtypes.def"
#undef DTYPE
    ;

// Calls body.template operator()<S>() with the type S of an element in memory.
template <class F> constexpr auto byStorage(DType d, F&& body) {
  switch (d) {
#define DTYPE(name, storage, compute, array) \
  case DType::name: return body.template operator()<storage>();
#include "dtypes.def"
#undef DTYPE
  }
  __builtin_unreachable();
}

constexpr int64_t dtypeSize(DType d) {
  return byStorage(d, []<class S>() { return int64_t(sizeof(S)); });
}

constexpr const char* dtypeName(DType d) {
  switch (d) {
#define DTYPE(name, storage, compute, array) \
  case DType::name: return #name;
#include "dtypes.def"
#undef DTYPE
  }
  __builtin_unreachable();
}

// Whether its elements are real numbers and not integers.
constexpr bool isReal(DType d) {
  return byStorage(d, []<class S>() { return S(0.5) != S(0); });
}

// Whether arithmetic runs in the type that is stored, and is that of real numbers: what `T` in a signature takes.
constexpr bool isFloat(DType d) { return d == DType::float32 || d == DType::float64; }

}  // namespace nodegrad
