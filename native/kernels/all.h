// Every kernel header and the maps of the list, and the table they fill. Included inside the namespace of one instruction set.
#include "vec.h"
#include "math.h"
#include "elementwise.h"
// GCC mixes the instructions of neighbouring vectors in maps: one vector alone keeps the processor waiting for its results.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC push_options
#pragma GCC optimize("schedule-insns", "sched-pressure")
#endif
#define MAP(op, kernel, parameters, formula) UNARY(kernel, formula)
#define MAP_BACKWARD(op, kernel, parameters, value, formula) BACKWARD_FROM(value, kernel, formula)
#include "maps.def"
#undef MAP
#undef MAP_BACKWARD
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC pop_options
#endif
#include "reduce.h"
#include "statistics.h"
#include "softmax.h"
#include "attention.h"
#include "batch_norm.h"
#include "optimizers.h"
#include "random.h"
#include "augment.h"
#include "pooling.h"
#include "window_pooling.h"
#include "resample.h"
#include "local_response_norm.h"
#include "recurrent.h"
#include "transpose.h"
#include "gemm.h"
#include "pack_bfloat16.h"
#include "underflow.h"
#include "gemm_bfloat16.h"
#include "convolution.h"
#include "winograd.h"

#define OPTIMIZER(op, Rule, state, numbers) \
  template <class T> void op(T* w, T* const* states, T* g, T factor, const double* hyper, int64_t n, bool clear) { \
    update<Rule, int(sizeof(#state)) - 1>(w, states, g, factor, hyper, n, clear); \
  }
#include "optimizers.def"
#undef OPTIMIZER

template <class T> constexpr nodegrad::Kernels<T> table() {
  return {
#define KERNEL(name, result, ...) &name<T>,
#include "kernels.def"
#undef KERNEL
  };
}

constexpr nodegrad::Bfloat16Kernels bfloat16Table() {
  return {
#define KERNEL(name, result, ...) &name,
#include "bfloat16.def"
#undef KERNEL
      bfloat16Fma, bfloat16Dot, bfloat16Tiles};
}
