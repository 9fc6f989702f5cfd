// How a workspace is shared out: in whole cache lines.
#pragma once
#include <cstdint>

namespace nodegrad {

constexpr int64_t divideUp(int64_t a, int64_t b) { return (a + b - 1) / b; }
// Elements rounded up to whole cache lines.
template <class T> constexpr int64_t padded(int64_t count) {
  constexpr int64_t line = 64 / sizeof(T);
  return divideUp(count, line) * line;
}
template <class T> T* aligned(void* p) { return reinterpret_cast<T*>((reinterpret_cast<uintptr_t>(p) + 63) & ~uintptr_t(63)); }

}  // namespace nodegrad
