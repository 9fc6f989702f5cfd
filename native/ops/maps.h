// Maps by the place of their operation in the list, for fused operations that name one in an attribute.
#pragma once
#include "../kernels/table.h"
#include "op.h"

namespace nodegrad::ops {

// null: that operation is no map.
template <class T> MapKernel<T> mapKernel(int64_t code) {
  switch (OpCode(code)) {
#define MAP(op, kernel, parameters) case OpCode::op: return kernelsOf<T>().kernel;
#define MAP_BACKWARD(op, kernel, parameters)
#include "../kernels/maps.def"
#undef MAP
#undef MAP_BACKWARD
    default: return nullptr;
  }
}

template <class T> MapBackwardKernel<T> mapBackwardKernel(int64_t code) {
  switch (OpCode(code)) {
#define MAP(op, kernel, parameters)
#define MAP_BACKWARD(op, kernel, parameters) case OpCode::op: return kernelsOf<T>().kernel;
#include "../kernels/maps.def"
#undef MAP
#undef MAP_BACKWARD
    default: return nullptr;
  }
}

}  // namespace nodegrad::ops
