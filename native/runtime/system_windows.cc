// Windows, with the POSIX threads that MinGW's runtime brings.
#if defined(_WIN32)
#define WIN32_LEAN_AND_MEAN
#include <windows.h>

#include <cstdint>
#include <cstdlib>
#include <string>

#include "system.h"

namespace nodegrad {

bool startThread(pthread_t* thread, void* (*main)(void*), void* argument) {
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, threadStack);
  const bool started = pthread_create(thread, &attributes, main, argument) == 0;
  pthread_attr_destroy(&attributes);
  return started;
}

void nameThread(const char*) {}
void afterFork(void (*)()) {}

// The system aligns to 64 KiB and gives no part of a reservation back, so a place is looked for and taken anew; another thread may be faster.
void* mapPages(size_t bytes, size_t alignment) {
  constexpr size_t granularity = 64 << 10;
  constexpr DWORD kind = MEM_RESERVE | MEM_COMMIT;
  if (alignment <= granularity) return VirtualAlloc(nullptr, bytes, kind, PAGE_READWRITE);
  if (bytes > SIZE_MAX - alignment) return nullptr;
  for (int attempt = 0; attempt < 100; ++attempt) {
    void* const whole = VirtualAlloc(nullptr, bytes + alignment, MEM_RESERVE, PAGE_NOACCESS);
    if (!whole) return nullptr;
    const uintptr_t data = (uintptr_t(whole) + alignment - 1) / alignment * alignment;
    VirtualFree(whole, 0, MEM_RELEASE);
    if (void* const found = VirtualAlloc(reinterpret_cast<void*>(data), bytes, kind, PAGE_READWRITE)) return found;
  }
  return nullptr;
}

void unmapPages(void* data, size_t) { VirtualFree(data, 0, MEM_RELEASE); }
void adviseHugePages(void*, size_t) {}  // a privilege that no program has by itself

size_t physicalMemory() {
  MEMORYSTATUSEX status;
  status.dwLength = sizeof status;
  return GlobalMemoryStatusEx(&status) ? size_t(status.ullTotalPhys) : 0;
}

void stayLoaded() {
  HMODULE self;
  GetModuleHandleExA(GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS | GET_MODULE_HANDLE_EX_FLAG_PIN, reinterpret_cast<LPCSTR>(stayLoaded), &self);
}

int affineCpus() {
  DWORD_PTR process, system;
  if (!GetProcessAffinityMask(GetCurrentProcess(), &process, &system)) return 0;
  return __builtin_popcountll(process);
}

// A name alone is looked for in PATH, and not in the working folder, where LoadLibrary looks too: anybody may have written there.
void* openLibrary(const char* name) {
  char found[MAX_PATH];
  const bool alone = std::string(name).find_first_of("\\/") == std::string::npos;
  if (alone) {
    const char* const path = std::getenv("PATH");
    const DWORD length = path ? SearchPathA(path, name, nullptr, MAX_PATH, found, nullptr) : 0;
    if (length == 0 || length >= MAX_PATH) {
      SetLastError(ERROR_MOD_NOT_FOUND);
      return nullptr;
    }
  }
  return reinterpret_cast<void*>(LoadLibraryExA(alone ? found : name, nullptr, LOAD_WITH_ALTERED_SEARCH_PATH));
}

const char* libraryProblem() {
  static thread_local char text[32];
  const std::string number = "error " + std::to_string(GetLastError());
  number.copy(text, sizeof text - 1);
  text[number.size()] = '\0';
  return text;
}

void* findSymbol(void* library, const char* name) { return reinterpret_cast<void*>(GetProcAddress(static_cast<HMODULE>(library), name)); }

const char* libraryOf(void* symbol) {
  static thread_local char path[MAX_PATH];
  HMODULE module;
  constexpr DWORD byAddress = GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS | GET_MODULE_HANDLE_EX_FLAG_UNCHANGED_REFCOUNT;
  if (!GetModuleHandleExA(byAddress, static_cast<const char*>(symbol), &module)) return nullptr;
  return GetModuleFileNameA(module, path, MAX_PATH) > 0 ? path : nullptr;
}

void setVariable(const char* name, const char* value) { _putenv_s(name, value ? value : ""); }

}  // namespace nodegrad
#endif
