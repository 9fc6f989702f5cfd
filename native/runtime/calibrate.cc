// Measures the FMA peak and the memory bandwidth; needs no compiler flags beyond C++20.
#include "calibrate.h"

#include <sched.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <initializer_list>

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

#include "cpu.h"
#include "memory.h"
#include "system.h"

namespace nodegrad {
namespace {

double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

inline void relax() {
#if defined(__x86_64__)
  _mm_pause();
#elif defined(__aarch64__)
  __asm__ volatile("isb");
#endif
}

// One slice of work on one thread: `index` of `count`.
using Slice = void (*)(void* context, int index, int count);

// Threads that run slices together; thread 0 is the caller, it keeps the time and says when to stop.
struct Team {
  Slice slice = nullptr;
  void* context = nullptr;
  int count = 1;
  pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;  // held until the count is known: not every thread may start
  std::atomic<int> arrived{0};
  std::atomic<int> generation{0};
  std::atomic<bool> stop{false};

  // Spins, because a slice lasts only a millisecond; yields after a while, because a core may be taken away.
  void barrier() {
    const int seen = generation.load(std::memory_order_acquire);
    if (arrived.fetch_add(1, std::memory_order_acq_rel) + 1 == count) {
      arrived.store(0, std::memory_order_relaxed);
      generation.store(seen + 1, std::memory_order_release);
      return;
    }
    for (int spins = 0; generation.load(std::memory_order_acquire) == seen; ++spins) {
      if (spins < 20000) relax(); else sched_yield();
    }
  }
};

struct Member {
  Team* team;
  int index;
};

void* memberMain(void* argument) {
  const Member member = *static_cast<Member*>(argument);
  Team& team = *member.team;
  pthread_mutex_lock(&team.gate);
  pthread_mutex_unlock(&team.gate);
  for (;;) {
    team.barrier();
    if (team.stop.load(std::memory_order_acquire)) return nullptr;
    team.slice(team.context, member.index, team.count);
    team.barrier();
  }
}

constexpr int maximumThreads = 256;

// Seconds of the fastest slice within the budget (three slices at least). `threads` becomes the number that really ran.
double fastestSlice(Slice slice, void* context, int& threads, double seconds) {
  Team team;
  team.slice = slice;
  team.context = context;
  Member members[maximumThreads];
  pthread_t handles[maximumThreads];
  int running = 1;
  pthread_mutex_lock(&team.gate);
  for (; running < threads; ++running) {
    members[running] = {&team, running};
    if (!startThread(&handles[running], memberMain, &members[running])) break;
  }
  team.count = running;
  pthread_mutex_unlock(&team.gate);
  double fastest = 0;
  const double start = now();
  for (int slices = 0; slices < 3 || now() - start < seconds; ++slices) {
    team.barrier();
    const double before = now();
    slice(context, 0, running);
    team.barrier();
    const double elapsed = now() - before;
    if (fastest == 0 || elapsed < fastest) fastest = elapsed;
  }
  team.stop.store(true, std::memory_order_release);
  team.barrier();
  for (int index = 1; index < running; ++index) pthread_join(handles[index], nullptr);
  threads = running;
  return fastest;
}

volatile float sink;  // keeps the results alive

constexpr long fmaIterations = 400'000;  // under a millisecond a slice: long against a barrier, short against a time slice of the host

#if defined(__x86_64__)

// Twelve independent chains: two FMA units with a latency of four cycles need eight, and 12 + 2 fit in 16 registers.
__attribute__((target("avx2,fma"))) void fmaAvx2(void*, int, int) {
  const __m256 factor = _mm256_set1_ps(0.999f), term = _mm256_set1_ps(0.001f);
  __m256 chain[12];
  for (__m256& value : chain) value = _mm256_set1_ps(0.5f);
  for (long iteration = 0; iteration < fmaIterations; ++iteration) {
#pragma GCC unroll 12
    for (int index = 0; index < 12; ++index) chain[index] = _mm256_fmadd_ps(chain[index], factor, term);
  }
  for (int index = 1; index < 12; ++index) chain[0] = _mm256_add_ps(chain[0], chain[index]);
  sink = _mm256_cvtss_f32(chain[0]);
}
constexpr double fmaAvx2Flops = 2.0 * 8 * 12 * fmaIterations;

__attribute__((target("avx512f"))) void fmaAvx512(void*, int, int) {
  const __m512 factor = _mm512_set1_ps(0.999f), term = _mm512_set1_ps(0.001f);
  __m512 chain[16];
  for (__m512& value : chain) value = _mm512_set1_ps(0.5f);
  for (long iteration = 0; iteration < fmaIterations; ++iteration) {
#pragma GCC unroll 16
    for (int index = 0; index < 16; ++index) chain[index] = _mm512_fmadd_ps(chain[index], factor, term);
  }
  for (int index = 1; index < 16; ++index) chain[0] = _mm512_add_ps(chain[0], chain[index]);
  sink = _mm512_cvtss_f32(chain[0]);
}
constexpr double fmaAvx512Flops = 2.0 * 16 * 16 * fmaIterations;

#elif defined(__aarch64__)

// Four FMA units with a latency of four cycles need sixteen chains; 24 + 2 fit in 32 registers.
void fmaNeon(void*, int, int) {
  const float32x4_t factor = vdupq_n_f32(0.999f), term = vdupq_n_f32(0.001f);
  float32x4_t chain[24];
  for (float32x4_t& value : chain) value = vdupq_n_f32(0.5f);
  for (long iteration = 0; iteration < fmaIterations; ++iteration) {
#pragma GCC unroll 24
    for (int index = 0; index < 24; ++index) chain[index] = vfmaq_f32(chain[index], factor, term);
  }
  for (int index = 1; index < 24; ++index) chain[0] = vaddq_f32(chain[0], chain[index]);
  sink = vgetq_lane_f32(chain[0], 0);
}
constexpr double fmaNeonFlops = 2.0 * 4 * 24 * fmaIterations;

#endif

constexpr size_t arrayLength = size_t{16} << 20;  // floats: 64 MiB, the size of the memory-bound benchmark cases
constexpr size_t blockLength = 16;                // floats in a cache line
constexpr size_t ahead = 1024;                    // prefetch distance in floats: 4 KiB

struct Arrays {
  float *a, *b, *c, *d;
};

struct Range {
  size_t begin, end;
};

Range rangeOf(int index, int count) {
  const size_t blocks = arrayLength / blockLength;
  return {blocks * index / count * blockLength, blocks * (index + 1) / count * blockLength};
}

void fill(void* context, int index, int count) {
  const Arrays& arrays = *static_cast<Arrays*>(context);
  const Range range = rangeOf(index, count);
  for (size_t i = range.begin; i < range.end; ++i) {
    arrays.a[i] = 1.0f;
    arrays.b[i] = 0.5f;
    arrays.c[i] = 0.25f;
    arrays.d[i] = 0.125f;
  }
}

#if defined(__x86_64__)

// The loops below use 128-bit loads and stores, which every x86-64 has and which fill a cache line as well as wider ones.
// `Stream` selects non-temporal stores, `Prefetch` software prefetch: which is fastest depends on the machine, so all are tried.
inline void prefetch(const float* pointer) { _mm_prefetch(reinterpret_cast<const char*>(pointer), _MM_HINT_T0); }

template <bool Stream> inline void put(float* pointer, __m128 value) {
  if constexpr (Stream) _mm_stream_ps(pointer, value); else _mm_store_ps(pointer, value);
}

template <bool Stream, bool Prefetch> void copySlice(void* context, int index, int count) {
  const Arrays& arrays = *static_cast<Arrays*>(context);
  const Range range = rangeOf(index, count);
  const float* a = arrays.a;
  float* b = arrays.b;
  for (size_t i = range.begin; i < range.end; i += blockLength) {
    if constexpr (Prefetch) prefetch(a + i + ahead);
    const __m128 x0 = _mm_load_ps(a + i), x1 = _mm_load_ps(a + i + 4), x2 = _mm_load_ps(a + i + 8), x3 = _mm_load_ps(a + i + 12);
    put<Stream>(b + i, x0);
    put<Stream>(b + i + 4, x1);
    put<Stream>(b + i + 8, x2);
    put<Stream>(b + i + 12, x3);
  }
  if constexpr (Stream) _mm_sfence();
}

template <bool Prefetch> void readSlice(void* context, int index, int count) {
  const Arrays& arrays = *static_cast<Arrays*>(context);
  const Range range = rangeOf(index, count);
  __m128 sum[4] = {};
  for (size_t i = range.begin; i < range.end; i += blockLength) {
    if constexpr (Prefetch) prefetch(arrays.a + i + ahead);
#pragma GCC unroll 4
    for (int part = 0; part < 4; ++part) sum[part] = _mm_add_ps(sum[part], _mm_load_ps(arrays.a + i + 4 * part));
  }
  sink = _mm_cvtss_f32(_mm_add_ps(_mm_add_ps(sum[0], sum[1]), _mm_add_ps(sum[2], sum[3])));
}

// target = x + 1e-3·y: the triad writes a third array, the update writes the first one.
template <bool Stream, bool Prefetch> void combine(float* target, const float* x, const float* y, Range range) {
  const __m128 scale = _mm_set1_ps(1e-3f);
  for (size_t i = range.begin; i < range.end; i += blockLength) {
    if constexpr (Prefetch) {
      prefetch(x + i + ahead);
      prefetch(y + i + ahead);
    }
    __m128 z[4];
#pragma GCC unroll 4
    for (int part = 0; part < 4; ++part) {
      z[part] = _mm_add_ps(_mm_load_ps(x + i + 4 * part), _mm_mul_ps(scale, _mm_load_ps(y + i + 4 * part)));
    }
#pragma GCC unroll 4
    for (int part = 0; part < 4; ++part) put<Stream>(target + i + 4 * part, z[part]);
  }
  if constexpr (Stream) _mm_sfence();
}

template <bool Stream, bool Prefetch> void triadSlice(void* context, int index, int count) {
  const Arrays& arrays = *static_cast<Arrays*>(context);
  combine<Stream, Prefetch>(arrays.c, arrays.a, arrays.b, rangeOf(index, count));
}

template <bool Stream, bool Prefetch> void updateSlice(void* context, int index, int count) {
  const Arrays& arrays = *static_cast<Arrays*>(context);
  combine<Stream, Prefetch>(arrays.a, arrays.a, arrays.b, rangeOf(index, count));
}

template <bool Stream, bool Prefetch> void stateSlice(void* context, int index, int count) {
  const Arrays& arrays = *static_cast<Arrays*>(context);
  const Range range = rangeOf(index, count);
  const __m128 scale = _mm_set1_ps(1e-3f);
  for (size_t i = range.begin; i < range.end; i += blockLength) {
    if constexpr (Prefetch) {
      for (const float* array : {arrays.a, arrays.b, arrays.c, arrays.d}) prefetch(array + i + ahead);
    }
#pragma GCC unroll 4
    for (int part = 0; part < 4; ++part) {
      const size_t at = i + 4 * part;
      const __m128 gradient = _mm_mul_ps(scale, _mm_load_ps(arrays.d + at));
      put<Stream>(arrays.a + at, _mm_add_ps(_mm_load_ps(arrays.a + at), gradient));
      put<Stream>(arrays.b + at, _mm_add_ps(_mm_load_ps(arrays.b + at), gradient));
      put<Stream>(arrays.c + at, _mm_add_ps(_mm_load_ps(arrays.c + at), gradient));
    }
  }
  if constexpr (Stream) _mm_sfence();
}

constexpr Slice copySlices[] = {copySlice<false, false>, copySlice<false, true>, copySlice<true, false>, copySlice<true, true>};
constexpr Slice readSlices[] = {readSlice<false>, readSlice<true>};
constexpr Slice triadSlices[] = {triadSlice<false, false>, triadSlice<false, true>, triadSlice<true, false>, triadSlice<true, true>};
constexpr Slice updateSlices[] = {updateSlice<false, false>, updateSlice<false, true>, updateSlice<true, false>, updateSlice<true, true>};
constexpr Slice stateSlices[] = {stateSlice<false, false>, stateSlice<false, true>, stateSlice<true, false>, stateSlice<true, true>};

#else

void copySlice(void* context, int index, int count) {
  const Arrays& arrays = *static_cast<Arrays*>(context);
  const Range range = rangeOf(index, count);
  __builtin_memcpy(arrays.b + range.begin, arrays.a + range.begin, (range.end - range.begin) * sizeof(float));
}

void readSlice(void* context, int index, int count) {
  const Arrays& arrays = *static_cast<Arrays*>(context);
  const Range range = rangeOf(index, count);
  float sum[blockLength] = {};
  for (size_t i = range.begin; i < range.end; i += blockLength) {
    for (size_t part = 0; part < blockLength; ++part) sum[part] += arrays.a[i + part];
  }
  for (size_t part = 1; part < blockLength; ++part) sum[0] += sum[part];
  sink = sum[0];
}

void triadSlice(void* context, int index, int count) {
  const Arrays& arrays = *static_cast<Arrays*>(context);
  const Range range = rangeOf(index, count);
  for (size_t i = range.begin; i < range.end; ++i) arrays.c[i] = arrays.a[i] + 1e-3f * arrays.b[i];
}

void updateSlice(void* context, int index, int count) {
  const Arrays& arrays = *static_cast<Arrays*>(context);
  const Range range = rangeOf(index, count);
  for (size_t i = range.begin; i < range.end; ++i) arrays.a[i] += 1e-3f * arrays.b[i];
}

void stateSlice(void* context, int index, int count) {
  const Arrays& arrays = *static_cast<Arrays*>(context);
  const Range range = rangeOf(index, count);
  for (size_t i = range.begin; i < range.end; ++i) {
    const float gradient = 1e-3f * arrays.d[i];
    arrays.a[i] += gradient;
    arrays.b[i] += gradient;
    arrays.c[i] += gradient;
  }
}

constexpr Slice copySlices[] = {copySlice}, readSlices[] = {readSlice}, triadSlices[] = {triadSlice};
constexpr Slice updateSlices[] = {updateSlice}, stateSlices[] = {stateSlice};

#endif

// The best of several forms of one loop, in GB/s.
template <size_t Forms> double bandwidth(const Slice (&forms)[Forms], Arrays& arrays, int threads, double seconds, double bytes) {
  double fastest = 0;
  for (const Slice form : forms) {
    const double elapsed = fastestSlice(form, &arrays, threads, seconds / Forms);
    if (fastest == 0 || elapsed < fastest) fastest = elapsed;
  }
  return bytes * arrayLength / fastest * 1e-9;
}

void measureBandwidth(Calibration& result, double seconds) {
  constexpr size_t padding = 2 << 20;  // prefetch runs past the end, and huge pages want whole pages
  constexpr size_t bytes = 4 * arrayLength * sizeof(float) + padding;
  void* memory = allocatePages(bytes, padding);
  if (!memory) return;
  adviseHugePages(memory, bytes);
  float* base = static_cast<float*>(memory);
  constexpr size_t pitch = arrayLength + 65 * blockLength;  // arrays a power of two apart would share cache sets
  Arrays arrays{base, base + pitch, base + 2 * pitch, base + 3 * pitch};
  fastestSlice(fill, &arrays, result.threads, 0);
  result.copyBandwidth = bandwidth(copySlices, arrays, result.threads, seconds / 5, 8);
  result.readBandwidth = bandwidth(readSlices, arrays, result.threads, seconds / 5, 4);
  result.triadBandwidth = bandwidth(triadSlices, arrays, result.threads, seconds / 5, 12);
  result.updateBandwidth = bandwidth(updateSlices, arrays, result.threads, seconds / 5, 12);
  result.stateBandwidth = bandwidth(stateSlices, arrays, result.threads, seconds / 5, 28);
  freePages(memory, bytes);
}

#if defined(__x86_64__) || defined(__aarch64__)
void measureFma(double (&rates)[2], Slice slice, double flops, int& threads, double seconds) {
  int one = 1;
  rates[0] = flops / fastestSlice(slice, nullptr, one, seconds * 0.4) * 1e-9;
  const double elapsed = fastestSlice(slice, nullptr, threads, seconds * 0.6);
  rates[1] = flops * threads / elapsed * 1e-9;
}
#endif

}  // namespace

Calibration calibrate(int threads, double seconds) {
  Calibration result;
  result.threads = threads < 1 ? 1 : threads > maximumThreads ? maximumThreads : threads;
  const bool withBandwidth = seconds >= 0.2;
#if defined(__x86_64__)
  const CpuFeatures& cpu = cpuFeatures();
  const bool avx2 = cpu.avx2 && cpu.fma, avx512 = cpu.avx512;
  const double share = seconds * (withBandwidth ? 0.4 : 1.0) / (avx2 && avx512 ? 2 : 1);
  if (avx2) measureFma(result.fmaAvx2, fmaAvx2, fmaAvx2Flops, result.threads, share);
  if (avx512) measureFma(result.fmaAvx512, fmaAvx512, fmaAvx512Flops, result.threads, share);
#elif defined(__aarch64__)
  measureFma(result.fmaNeon, fmaNeon, fmaNeonFlops, result.threads, seconds * (withBandwidth ? 0.4 : 1.0));
#endif
  if (withBandwidth) measureBandwidth(result, seconds * 0.6);
  return result;
}

}  // namespace nodegrad
