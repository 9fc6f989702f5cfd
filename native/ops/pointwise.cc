// 1×1 convolution with stride 1 and without padding: a plain matrix product over the pixels, where that is OpenBLAS's.
#include "convolution.h"
#include "gemm.h"

namespace nodegrad::pointwise {
namespace {

bool serves(const Convolution& s) {
  return s.kh == 1 && s.kw == 1 && s.strideH == 1 && s.strideW == 1 && s.padTop == 0 && s.padLeft == 0 && s.oh == s.h && s.ow == s.w && s.groups == 1;
}

// Pixels are rows: y[pixels, k] = x[pixels, c]·w[c, k], and its two gradients.
template <class T> Gemm<T> forwardProduct(const Convolution& s, const T* x, const T* w, T* y) {
  return {s.pixels(), s.k, s.c, x, s.c, 1, w, s.k, 1, y, s.row, {}};
}
template <class T> Gemm<T> inputProduct(const Convolution& s, const T* dy, const T* w, T* dx) {
  return {s.pixels(), s.c, s.k, dy, s.k, 1, w, 1, s.k, dx, s.c, {}};
}
template <class T> Gemm<T> weightProduct(const Convolution& s, const T* x, const T* dy, T* dw) {
  return {s.c, s.k, s.pixels(), x, 1, s.c, dy, s.k, 1, dw, s.k, {}};
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
