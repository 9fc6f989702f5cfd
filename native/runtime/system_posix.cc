// Linux and macOS.
#if !defined(_WIN32)
#include <dlfcn.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>

#include "system.h"

namespace nodegrad {

bool startThread(pthread_t* thread, void* (*main)(void*), void* argument) {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, threadStack);
  const bool started = pthread_create(thread, &attributes, main, argument) == 0;
  pthread_attr_destroy(&attributes);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return started;
}

void nameThread(const char* name) {
#if defined(__linux__)
  pthread_setname_np(pthread_self(), name);
#else
  (void)name;
#endif
}

void afterFork(void (*inChild)()) { pthread_atfork(nullptr, nullptr, inChild); }

void* mapPages(size_t bytes, size_t alignment) {
  // The system's pages have 16 KiB on Apple silicon, and up to 64 KiB on arm64 under Linux; it takes nothing back but whole ones.
  const size_t page = size_t(sysconf(_SC_PAGESIZE)), unit = alignment > page ? alignment : page;
  if (bytes > SIZE_MAX - 2 * unit) return nullptr;
  const size_t size = (bytes + page - 1) / page * page;
  void* const whole = mmap(nullptr, size + unit, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (whole == MAP_FAILED) return nullptr;
  const uintptr_t begin = uintptr_t(whole), data = (begin + unit - 1) / unit * unit;
  if (data > begin) munmap(whole, data - begin);
  munmap(reinterpret_cast<void*>(data + size), begin + unit - data);
  return reinterpret_cast<void*>(data);
}

void unmapPages(void* data, size_t bytes) { munmap(data, bytes); }

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

void stayLoaded() {
#if defined(__APPLE__)
  if (const char* const self = libraryOf(reinterpret_cast<void*>(stayLoaded))) openLibrary(self);
#endif
}

int affineCpus() {
#if defined(__linux__)
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) return CPU_COUNT(&set);
#endif
  return 0;
}

void* openLibrary(const char* name) { return dlopen(name, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE); }
const char* libraryProblem() { return dlerror(); }
void* findSymbol(void* library, const char* name) { return dlsym(library, name); }
const char* libraryOf(void* symbol) {
  Dl_info info;
  return dladdr(symbol, &info) ? info.dli_fname : nullptr;
}

void setVariable(const char* name, const char* value) {
  if (value) setenv(name, value, 1);
  else unsetenv(name);
}

}  // namespace nodegrad
#endif
