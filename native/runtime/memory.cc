// Per-thread scratch memory and huge-page advice.
#include "memory.h"

#include <cstdint>
#include <cstdlib>
#include <cstring>

#include <sys/mman.h>
#include <unistd.h>

namespace nodegrad {
namespace {

// Freed with its thread, so that terminated workers leave nothing behind.
struct Scratch {
  void* data = nullptr;
  size_t bytes = 0;
  ~Scratch() { std::free(data); }
};
thread_local Scratch own;

}  // namespace

void* scratch(size_t bytes) {
  if (bytes <= own.bytes && own.data) return own.data;
  const size_t page = bytes >= (size_t(4) << 20) ? size_t(2) << 20 : 4096;
  if (bytes > SIZE_MAX - page) return nullptr;
  const size_t size = (bytes + page) / page * page;
  std::free(own.data);
  own.data = std::aligned_alloc(page, size);
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
void* allocatePages(size_t bytes, size_t alignment) {
  if (bytes > SIZE_MAX - alignment) return nullptr;
  void* const whole = mmap(nullptr, bytes + alignment, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (whole == MAP_FAILED) return nullptr;
  const uintptr_t begin = uintptr_t(whole), data = (begin + alignment - 1) / alignment * alignment;
  if (data > begin) munmap(whole, data - begin);
  munmap(reinterpret_cast<void*>(data + bytes), begin + alignment - data);
  return reinterpret_cast<void*>(data);
}
void freePages(void* data, size_t bytes) {
  if (data) munmap(data, bytes);
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

void adviseHugePages(void* data, size_t bytes) {
#if defined(__linux__) && defined(MADV_HUGEPAGE)
  const uintptr_t begin = (uintptr_t(data) + 4095) & ~uintptr_t(4095), end = (uintptr_t(data) + bytes) & ~uintptr_t(4095);
  if (end > begin && bytes >= (size_t(2) << 20)) madvise(reinterpret_cast<void*>(begin), end - begin, MADV_HUGEPAGE);
#else
  (void)data;
  (void)bytes;
#endif
}

size_t physicalMemory() { return size_t(sysconf(_SC_PHYS_PAGES)) * size_t(sysconf(_SC_PAGESIZE)); }

}  // namespace nodegrad
