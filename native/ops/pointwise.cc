// 1×1 convolution with stride 1 and without padding: a plain matrix product over the pixels, where that is OpenBLAS's.
#include "convolution.h"
#include "gemm.h"

namespace nodegrad::pointwise {
namespace {

bool serves(const Convolution& s) {
  return s.kh == 1 && s.kw == 1 && s.strideH == 1 && s.strideW == 1 && s.padTop == 0 && s.padLeft == 0 && s.oh == s.h && s.ow == s.w && s.groups == 1;
}

template <class T> Gemm<T> forwardProduct(const Convolution& s, const T* x, const T* w, T* y) {
  Gemm<T> g{};
  g.m = s.pixels();
  g.n = s.k;
  g.k = s.c;
  g.a = x;
  g.aRow = s.c;
  g.aCol = 1;
  g.b = w;
  g.bRow = s.k;
  g.bCol = 1;
  g.c = y;
  g.ldc = s.k;
  return g;
}
template <class T> Gemm<T> inputProduct(const Convolution& s, const T* dy, const T* w, T* dx) {
  Gemm<T> g{};
  g.m = s.pixels();
  g.n = s.c;
  g.k = s.k;
  g.a = dy;
  g.aRow = s.k;
  g.aCol = 1;
  g.b = w;
  g.bRow = 1;
  g.bCol = s.k;
  g.c = dx;
  g.ldc = s.c;
  return g;
}
template <class T> Gemm<T> weightProduct(const Convolution& s, const T* x, const T* dy, T* dw) {
  Gemm<T> g{};
  g.m = s.c;
  g.n = s.k;
  g.k = s.pixels();
  g.a = x;
  g.aRow = 1;
  g.aCol = s.c;
  g.b = dy;
  g.bRow = s.k;
  g.bCol = 1;
  g.c = dw;
  g.ldc = s.k;
  return g;
}

// Workspaces never depend on the epilogue: an old value is what needs most.
template <class T> size_t workspaceOf(Gemm<T> g) {
  g.epilogue.prior = Prior::old;
  return gemmWorkspace(g);
}
template <class T> void run(Gemm<T> g, const Epilogue<T>& epilogue, void* workspace) {
  g.epilogue = epilogue;
  gemm(g, workspace);
}

}  // namespace

template <class T> bool servesForward(const Convolution& s) { return serves(s); }
template <class T> size_t forwardWorkspace(const Convolution& s) { return workspaceOf<T>(forwardProduct<T>(s, nullptr, nullptr, nullptr)); }
template <class T> void forward(const Convolution& s, const T* x, const T* w, T* y, const Epilogue<T>& epilogue, void* workspace) {
  run(forwardProduct(s, x, w, y), epilogue, workspace);
}
template <class T> bool servesInputGradient(const Convolution& s) { return serves(s); }
template <class T> size_t inputGradientWorkspace(const Convolution& s) { return workspaceOf<T>(inputProduct<T>(s, nullptr, nullptr, nullptr)); }
template <class T> void inputGradient(const Convolution& s, const T* dy, const T* w, T* dx, const Epilogue<T>& epilogue, void* workspace) {
  run(inputProduct(s, dy, w, dx), epilogue, workspace);
}
template <class T> bool servesWeightGradient(const Convolution& s) { return serves(s); }
template <class T> size_t weightGradientWorkspace(const Convolution& s) { return workspaceOf<T>(weightProduct<T>(s, nullptr, nullptr, nullptr)); }
template <class T> void weightGradient(const Convolution& s, const T* x, const T* dy, T* dw, Prior prior, void* workspace) {
  Epilogue<T> epilogue;
  epilogue.prior = prior;
  run(weightProduct(s, x, dy, dw), epilogue, workspace);
}

NODEGRAD_CONVOLUTION_INSTANCES(float)
NODEGRAD_CONVOLUTION_INSTANCES(double)

}  // namespace nodegrad::pointwise
