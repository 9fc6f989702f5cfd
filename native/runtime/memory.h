// Memory of the native side: one growing scratch buffer per thread, and pages of the system.
#pragma once
#include <cstddef>

namespace nodegrad {

// 64-byte aligned, valid until this thread's next call; nullptr when the system has no memory left. Kept, so that repeated calls
// allocate nothing.
void* scratch(size_t bytes);
// Pages straight from the system, and back to it at once: malloc keeps what lies below its last block. They hold zeros. `bytes` and
// `alignment` are multiples of 4096; nullptr when there is no memory.
void* allocatePages(size_t bytes, size_t alignment);
void touchPages(void* data, size_t bytes);  // those that the system has only promised come now
void touchStack();  // the same of what operations take of the calling thread's stack
void freePages(void* data, size_t bytes);

}  // namespace nodegrad
