// The system's OpenBLAS, opened at run time: any flavour (pthread, OpenMP, serial), one thread, one tile per call.
#pragma once
#include <string>

namespace nodegrad {

enum class BlasTranspose : int { no = 111, yes = 112 };

struct Blas {
  // cblas_?gemm with int sizes: order, transposes, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc.
  template <class T>
  using Product = void (*)(int, int, int, int, int, int, T, const T*, int, const T*, int, T, T*, int);
  Product<float> sgemm = nullptr;
  Product<double> dgemm = nullptr;
  void (*setThreads)(int) = nullptr;
  // A single-threaded build keeps its buffers without locks: two threads in it at once corrupt each other's results.
  bool serial = false;
  std::string path;     // of the library, as the loader resolved it
  std::string config;   // what openblas_get_config says
  std::string core;     // the kernel family it chose
  std::string warning;  // not empty where the CPU has more than that family uses
  std::string reason;   // why there is none
  bool available() const { return sgemm && dgemm; }
};

// Opens the library on the first call of the process: NODEGRAD_OPENBLAS (a path; then only that one), else the system's.
const Blas& blas();
bool blasOpened();  // without opening it

// Row-major C = op(A) · op(B) on this thread alone. Threads may call it together; in a serial build they take turns.
template <class T>
void blasProduct(bool transposeA, bool transposeB, int m, int n, int k, const T* a, int lda, const T* b, int ldb, T* c, int ldc);

}  // namespace nodegrad
