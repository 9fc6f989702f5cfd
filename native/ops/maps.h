// Maps by the place of their operation in the list, for fused operations that name one in an attribute.
#pragma once
#include "../kernels/table.h"
#include "op.h"

namespace nodegrad::ops {

template <class T> using MapKernel = void (*)(T* y, const T* x, int64_t n, bool streaming);
template <class T> using MapBackwardKernel = void (*)(T* dx, const T* dy, const T* y, int64_t n, bool streaming);

// null: that operation is no map.
template <class T> MapKernel<T> mapKernel(int64_t code) {
  switch (OpCode(code)) {
#define MAP(op, kernel) case OpCode::op: return kernelsOf<T>().kernel;
#define MAP_BACKWARD(op, kernel)
#include "../kernels/maps.def"
#undef MAP
#undef MAP_BACKWARD
    default: return nullptr;
  }
}

template <class T> MapBackwardKernel<T> mapBackwardKernel(int64_t code) {
  switch (OpCode(code)) {
#define MAP(op, kernel)
#define MAP_BACKWARD(op, kernel) case OpCode::op: return kernelsOf<T>().kernel;
#include "../kernels/maps.def"
#undef MAP
#undef MAP_BACKWARD
    default: return nullptr;
  }
}

}  // namespace nodegrad::ops
