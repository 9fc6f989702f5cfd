// Per-thread scratch memory and huge-page advice.
#include "memory.h"

#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "system.h"

namespace nodegrad {
namespace {

// Freed with its thread, so that terminated workers leave nothing behind.
struct Scratch {
  void* data = nullptr;
  size_t bytes = 0;
  ~Scratch() { freePages(data, bytes); }
};
thread_local Scratch own;

}  // namespace

void* scratch(size_t bytes) {
  if (bytes <= own.bytes && own.data) return own.data;
  const size_t page = bytes >= (size_t(4) << 20) ? size_t(2) << 20 : 4096;
  if (bytes > SIZE_MAX - page) return nullptr;
  const size_t size = (bytes + page) / page * page;
  freePages(own.data, own.bytes);
  own.data = allocatePages(size, page);
  own.bytes = own.data ? size : 0;
  if (!own.data) return nullptr;
  adviseHugePages(own.data, size);
  touchPages(own.data, size);  // now, and not when a worker first needs its part
  return own.data;
}

// The sanitizer sees only what comes from malloc.
#if defined(__SANITIZE_ADDRESS__)
void* allocatePages(size_t bytes, size_t alignment) {
  void* const data = std::aligned_alloc(alignment, bytes);
  if (data) std::memset(data, 0, bytes);
  return data;
}
void freePages(void* data, size_t) { std::free(data); }
#else
void* allocatePages(size_t bytes, size_t alignment) { return mapPages(bytes, alignment); }
void freePages(void* data, size_t bytes) {
  if (data) unmapPages(data, bytes);
}
#endif

void touchPages(void* data, size_t bytes) {
  volatile unsigned char* const at = static_cast<unsigned char*>(data);
  for (size_t i = 0; i < bytes; i += 4096) at[i] = 0;
}

__attribute__((noinline)) void touchStack() {
  unsigned char pages[128 << 10];
  touchPages(pages, sizeof pages);
}

}  // namespace nodegrad
