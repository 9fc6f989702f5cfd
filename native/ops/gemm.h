// Matrix products for all ops: our own micro-kernels or the system's OpenBLAS, over the thread pool.
//
// Arithmetic of our own (the same bits for every instruction set, thread count, transposition, tile, and for a row alone or in
// any batch): each output has one accumulator that starts from zero and takes k in order with FMA. Where k > 4096 it is cut into
// blocks of 2048 (the last one shorter), and the blocks' sums are added by a tree of neighbours: 0+1, 2+3, …, then the pairs of
// those, and so on; an odd one at the end of a level moves up unchanged. Then the epilogue: see native/kernels/table.h.
#pragma once
#include <cstddef>
#include <cstdint>

#include "../kernels/table.h"

namespace nodegrad {

constexpr int64_t sumBlock = 2048, unblocked = 4096;  // steps of k: see above

template <class T> struct Gemm {  // C[m, n] = epilogue(op(A)[m, k] · op(B)[k, n])
  int64_t m, n, k;
  const T* a; int64_t aRow, aCol;  // element strides; one of the two is 1
  const T* b; int64_t bRow, bCol;
  T* c; int64_t ldc;
  Epilogue<T> epilogue;
  // Where there is one: sums[n] = (prior +) the column sums of B, in the order of the op `sum`, computed beside the product. bCol is 1.
  T* sums = nullptr;
  Prior sumsPrior = Prior::none;
};

// Rows that are added in order; longer columns are cut into blocks, whose sums a tree adds.
constexpr int64_t columnBlock = 256;

// Bytes of workspace for the thread count and the choice in force; neither may change before gemm is called.
template <class T> size_t gemmWorkspace(const Gemm<T>&);
template <class T> void gemm(const Gemm<T>&, void* workspace);

enum class GemmChoice { automatic, openblas, own };
void setGemmChoice(GemmChoice);
GemmChoice gemmChoice();   // at first NODEGRAD_GEMM=auto|openblas|own
// Only our own product, and every choice between algorithms from one table for all instruction sets.
void setReproducible(bool);
bool reproducible();
// While one lives, gemmChoice() and reproducible() do not change for this thread: workspaces are sized by them, and they may be set at
// any moment, also from another environment.
class PinnedGemm {
 public:
  PinnedGemm();
  ~PinnedGemm();
};
// "own" or "openblas": which serves C[·, n] = A·B over k. Never depends on the batch m.
template <class T> const char* gemmChosen(int64_t n, int64_t k);

}  // namespace nodegrad
