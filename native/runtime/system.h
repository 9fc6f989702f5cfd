// What each operating system says in words of its own: threads, pages, libraries, CPUs. One file per system carries it out.
#pragma once
#include <pthread.h>

#include <cstddef>

namespace nodegrad {

constexpr size_t threadStack = 1 << 20;  // bytes; left to itself, musl takes 128 KiB and macOS 512
// Starts a thread that takes none of the process's signals: those belong to Node. False where no thread can be had.
bool startThread(pthread_t* thread, void* (*main)(void*), void* argument);
void nameThread(const char* name);  // what tools such as top show for the calling one; at most 15 characters
void afterFork(void (*inChild)());  // where there is a fork

// Zeroed pages. `bytes` and `alignment` are multiples of 4096; nullptr when there is no memory.
void* mapPages(size_t bytes, size_t alignment);
void unmapPages(void* data, size_t bytes);
// Asks for huge pages over the whole pages of [data, data + bytes): a fresh 64 MiB array then fills four times faster.
void adviseHugePages(void* data, size_t bytes);
size_t physicalMemory();  // bytes of the machine

// Threads and an OpenBLAS outlive every environment of Node, so the addon must never be unloaded. On Linux its linker sees to that.
void stayLoaded();

int affineCpus();  // that this process may run on; 0 where the system does not say

void* openLibrary(const char* name);  // for good: it is never unloaded
const char* libraryProblem();         // why the last one was not opened; may be null
void* findSymbol(void* library, const char* name);
const char* libraryOf(void* symbol);  // the file that it came from, or null
void setVariable(const char* name, const char* value);  // null takes it away

}  // namespace nodegrad
