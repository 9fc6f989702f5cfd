// Maps by the place of their operation in the list, and what a descriptor asks of a matrix product.
#pragma once
#include "../kernels/table.h"
#include "op.h"

namespace nodegrad::ops {

// null: that operation is no map.
template <class T> MapKernel<T> mapKernel(int64_t code) {
  switch (OpCode(code)) {
#define MAP(op, kernel, parameters, ...) case OpCode::op: return kernelsOf<T>().kernel;
#define MAP_BACKWARD(op, kernel, parameters, ...)
#include "../kernels/maps.def"
#undef MAP
#undef MAP_BACKWARD
    default: return nullptr;
  }
}

template <class T> MapBackwardKernel<T> mapBackwardKernel(int64_t code) {
  switch (OpCode(code)) {
#define MAP(op, kernel, parameters, ...)
#define MAP_BACKWARD(op, kernel, parameters, ...) case OpCode::op: return kernelsOf<T>().kernel;
#include "../kernels/maps.def"
#undef MAP
#undef MAP_BACKWARD
    default: return nullptr;
  }
}

// Rows of y have `yRow` elements.
template <class T> Epilogue<T> epilogueOf(const Call& c, int64_t yRow) {
  const Fused& f = c.fused;
  Epilogue<T> e;
  e.prior = f.prior;
  if (f.bias >= 0) e.bias = c.in<T>(f.bias);
  e.alpha = T(f.alpha);
  e.beta = T(f.beta);
  if (f.y >= 0) {
    e.y = c.in<T>(f.y);
    e.yRow = yRow;
    if (OpCode(f.map) != OpCode::relu_backward) e.mapBackward = mapBackwardKernel<T>(f.map);
  } else if (f.map >= 0) {
    if (OpCode(f.map) == OpCode::relu) e.relu = true;
    else e.map = mapKernel<T>(f.map);
  }
  return e;
}

}  // namespace nodegrad::ops
