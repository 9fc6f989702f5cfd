// Which algorithm serves a convolution: the first of the list that takes its geometry, where nobody forces one.
#pragma once
#include "convolution.h"

namespace nodegrad {

template <class T> struct ConvolutionAlgorithm {
  const char* name;
  bool exact;  // the order of arithmetic of a matrix product: serves under `direct` too
  bool (*servesForward)(const Convolution&);
  size_t (*forwardWorkspace)(const Convolution&);
  void (*forward)(const Convolution&, const T*, const T*, T*, const Epilogue<T>&, void*);
  bool (*servesInputGradient)(const Convolution&);
  size_t (*inputGradientWorkspace)(const Convolution&);
  void (*inputGradient)(const Convolution&, const T*, const T*, T*, const Epilogue<T>&, void*);
  bool (*servesWeightGradient)(const Convolution&);
  size_t (*weightGradientWorkspace)(const Convolution&);
  void (*weightGradient)(const Convolution&, const T*, const T*, T*, Prior, void*);
};

#define ALGORITHM(name, exact)                                                                                              \
  {#name, exact, name::servesForward<T>, name::forwardWorkspace<T>, name::forward<T>, name::servesInputGradient<T>,          \
   name::inputGradientWorkspace<T>, name::inputGradient<T>, name::servesWeightGradient<T>, name::weightGradientWorkspace<T>, \
   name::weightGradient<T>},

// The last one takes everything.
template <class T>
constexpr ConvolutionAlgorithm<T> convolutionTable[] = {
    ALGORITHM(depthwise, true)
    ALGORITHM(winograd, false)
    ALGORITHM(direct, true)
    ALGORITHM(pointwise, true)
    ALGORITHM(im2col, true)
};
#undef ALGORITHM

}  // namespace nodegrad
