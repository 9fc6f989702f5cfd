// Every kernel header, and the table they fill. Included inside the namespace of one instruction set.
#include "vec.h"
#include "math.h"
#include "elementwise.h"
#include "reduce.h"
#include "statistics.h"
#include "softmax.h"
#include "batch_norm.h"
#include "optimizers.h"
#include "random.h"
#include "pooling.h"
#include "transpose.h"
#include "gemm.h"

template <class T> constexpr nodegrad::Kernels<T> table() {
  return {
#define KERNEL(name, result, ...) &name<T>,
#include "kernels.def"
#undef KERNEL
  };
}
