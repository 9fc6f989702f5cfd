// Two-dimensional convolutions: their geometry, and the algorithms that compute their three directions.
//
// Layout: x [n, h, w, c], y [n, oh, ow, k], weights [kh, kw, c / groups, k]: output channels of group g are [g·k/groups, (g+1)·k/groups).
// y[n, i, j, o] = Σ_{a, b, q} x[n, i·strideH − padTop + a·dilationH, j·strideW − padLeft + b·dilationW, q]·w[a, b, q, o], where x is zero
// outside. Padding below and to the right is whatever oh and ow ask for.
//
// The order of arithmetic of im2col and direct algorithms is that of a matrix product (gemm.h) whose k runs over (a, b, q), for the
// input gradient over (a, b, o). A forward and an input gradient give an example alone the bits that it has in any batch; a weight
// gradient adds over pixels in an order that the geometry fixes. Winograd algorithms have an order of their own, see winograd.h.
#pragma once
#include <cstddef>
#include <cstdint>

#include "../kernels/table.h"
#include "op.h"

namespace nodegrad {

// What may compute a convolution: the table decides; everything but Winograd; im2col for all.
enum class ConvolutionChoice : int64_t { automatic, direct, im2col };

struct Convolution {
  int64_t n, h, w, c, oh, ow, k, kh, kw, strideH, strideW, padTop, padLeft, dilationH, dilationW, groups;
  ConvolutionChoice choice;
  int64_t row;  // of y in a forward: elements from a pixel to the next; k, or more where y is columns of a larger matrix

  int64_t inputs() const { return c / groups; }   // channels of a group
  int64_t outputs() const { return k / groups; }
  int64_t taps() const { return kh * kw; }
  int64_t pixels() const { return n * oh * ow; }
};
constexpr int convolutionInts = 17;  // the fields above, in their order, but row
inline Convolution convolutionOf(const int64_t* i) {
  return {i[0], i[1], i[2], i[3], i[4], i[5], i[6], i[7], i[8], i[9], i[10], i[11], i[12], i[13], i[14], i[15], ConvolutionChoice(i[16]), i[6]};
}
// What is wrong with the geometry by itself, or nullptr.
const char* checkConvolution(const Convolution&);

// An algorithm is a namespace with these nine functions for float and double; `serves…` say which geometries it takes. They look at
// everything but n. Of the epilogue, `y` and what it masks have rows of all channels. A
// forward leaves `row` elements from a pixel of y to the next, all but depthwise, which knows no larger matrix. `prior` of a weight gradient:
// see Prior.
// Workspaces are sized for the thread count in force, serve every epilogue, and say nothing about what lies in them before.
#define NODEGRAD_CONVOLUTION_ALGORITHM(name)                                                                                     \
  namespace name {                                                                                                               \
  template <class T> bool servesForward(const Convolution&);                                                                     \
  template <class T> size_t forwardWorkspace(const Convolution&);                                                                \
  template <class T> void forward(const Convolution&, const T* x, const T* w, T* y, const Epilogue<T>&, void* workspace);         \
  template <class T> bool servesInputGradient(const Convolution&);                                                               \
  template <class T> size_t inputGradientWorkspace(const Convolution&);                                                          \
  template <class T> void inputGradient(const Convolution&, const T* dy, const T* w, T* dx, const Epilogue<T>&, void* workspace); \
  template <class T> bool servesWeightGradient(const Convolution&);                                                              \
  template <class T> size_t weightGradientWorkspace(const Convolution&);                                                         \
  template <class T> void weightGradient(const Convolution&, const T* x, const T* dy, T* dw, Prior, void* workspace);            \
  }
NODEGRAD_CONVOLUTION_ALGORITHM(im2col)     // every geometry; the oracle
NODEGRAD_CONVOLUTION_ALGORITHM(pointwise)  // 1×1, as a matrix product
NODEGRAD_CONVOLUTION_ALGORITHM(depthwise)  // a group for each channel
NODEGRAD_CONVOLUTION_ALGORITHM(winograd)   // 3×3 with stride 1
NODEGRAD_CONVOLUTION_ALGORITHM(direct)     // rows of pixels as they lie, phases of strided input gradients
#undef NODEGRAD_CONVOLUTION_ALGORITHM

// At the end of an algorithm's file, inside its namespace.
#define NODEGRAD_CONVOLUTION_INSTANCES(T)                                                                 \
  template bool servesForward<T>(const Convolution&);                                                     \
  template size_t forwardWorkspace<T>(const Convolution&);                                                \
  template void forward<T>(const Convolution&, const T*, const T*, T*, const Epilogue<T>&, void*);         \
  template bool servesInputGradient<T>(const Convolution&);                                               \
  template size_t inputGradientWorkspace<T>(const Convolution&);                                          \
  template void inputGradient<T>(const Convolution&, const T*, const T*, T*, const Epilogue<T>&, void*);   \
  template bool servesWeightGradient<T>(const Convolution&);                                              \
  template size_t weightGradientWorkspace<T>(const Convolution&);                                         \
  template void weightGradient<T>(const Convolution&, const T*, const T*, T*, Prior, void*);

enum class ConvolutionDirection { forward, inputGradient, weightGradient };
// Name of the algorithm that serves; never depends on n.
template <class T> const char* convolutionChosen(const Convolution&, ConvolutionDirection);

}  // namespace nodegrad
