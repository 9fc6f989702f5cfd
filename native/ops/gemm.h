// Matrix product: C[m,n] (+)= op(A)[m,k]·op(B)[k,n]. Placeholder until the real driver lands.
#pragma once
#include <cstddef>
#include <cstdint>
namespace nodegrad {
template <class T> struct Gemm {
  int64_t m, n, k;
  const T* a; int64_t aRow, aCol;
  const T* b; int64_t bRow, bCol;
  T* c; int64_t ldc;
  bool accumulate = false;
  const T* bias = nullptr;
  bool relu = false;
};
template <class T> size_t gemmWorkspace(const Gemm<T>&) { return 0; }
template <class T> void gemm(const Gemm<T>& g, void*) {
  for (int64_t i = 0; i < g.m; ++i)
    for (int64_t j = 0; j < g.n; ++j) {
      T s = 0;
      for (int64_t p = 0; p < g.k; ++p) s = T(__builtin_fma(g.a[i * g.aRow + p * g.aCol], g.b[p * g.bRow + j * g.bCol], s));
      g.c[i * g.ldc + j] = s + (g.bias ? g.bias[j] : T(0));
    }
}
}  // namespace nodegrad
