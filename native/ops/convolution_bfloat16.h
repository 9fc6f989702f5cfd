// Convolutions of bfloat16 operands: matrix products (gemm_bfloat16.h) that read pixels where they lie, as far as those are long enough.
//
// Forward: k runs over (kernel row, kernel column, input channel of the group), padding is zeros. Input gradient: over (kernel row,
// kernel column, output channel of the group) of those taps that an input can be seen by at all: with strides, inputs of different
// remainders have different taps. Weight gradient: over the pixels of all images, one image behind the other. Steps of 32 begin at
// multiples of 32 of that k, across taps, rows and images.
#pragma once
#include "convolution.h"
#include "gemm_bfloat16.h"

namespace nodegrad::bfloat16Convolution {

// A result is float32 where it is `wide`, else bfloat16; `y` stands in place of the epilogue's. A weight gradient is float32.
size_t forwardWorkspace(const Convolution&);
void forward(const Convolution&, const bfloat16* x, const bfloat16* w, void* y, bool wide, const Epilogue<float>&, void* workspace);
size_t inputGradientWorkspace(const Convolution&);
void inputGradient(const Convolution&, const bfloat16* dy, const bfloat16* w, void* dx, bool wide, const Epilogue<float>&, const bfloat16* y, void* workspace);
size_t weightGradientWorkspace(const Convolution&);
void weightGradient(const Convolution&, const bfloat16* x, const bfloat16* dy, float* dw, Prior, void* workspace);

}  // namespace nodegrad::bfloat16Convolution
