// Thread pool: plain threads that spin briefly, then park. Never destroyed: process exit and worker termination touch nothing.
#include "pool.h"

#include <sched.h>

#include <atomic>
#include <condition_variable>
#include <cstdlib>
#include <mutex>

#include "cpu.h"
#include "environment.h"
#include "fpstate.h"
#include "memory.h"
#include "system.h"
#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace nodegrad {

void relax(int turn) {
  // Every few microseconds: the event loop, woken by the end of a step, would else wait on this core until the spinning ends.
  if (turn % 100 == 99) {
    sched_yield();
    return;
  }
#if defined(__x86_64__)
  _mm_pause();
#elif defined(__aarch64__)
  __asm__ volatile("isb");  // YIELD does nothing on most cores; this takes about as long as PAUSE
#else
  sched_yield();
#endif
}

namespace {

// A worker's share of the tiles. Others steal from it once theirs is empty, so a core that the system takes away holds nobody up.
struct alignas(128) Share {
  std::atomic<int64_t> next{0};
  int64_t end = 0;
};

struct Pool {
  std::atomic_flag busy = ATOMIC_FLAG_INIT;  // held by the one caller whose region runs
  std::atomic<int> wanted{0};                // worker count asked for
  int started = 1;                           // worker 0 is the caller; guarded by busy
  // The region in one word, which a helper may read late: its number in the upper 32 bits, in the next 16 how many workers may take part, a
  // bit that is set when the caller has found no tile left, and below it how many helpers are inside. Only these are waited for: a helper
  // that comes later, from its sleep or because its core was busy, stays out.
  static constexpr uint64_t closed = 1 << 15, inside = closed - 1;
  alignas(128) std::atomic<uint64_t> region{closed};
  std::atomic<int> parked{0};
  std::mutex mutex;
  std::condition_variable wake;
  // What is to be done. Written by the caller before `region` changes, and read by those inside.
  int workers = 0;
  void* context = nullptr;
  TileFunction function = nullptr;
  Around around;
  unsigned control = 0;  // of floating-point arithmetic: helpers compute as the caller does
  Share shares[maxThreads];

  void work(int worker) {
    if (around.enter) around.enter();
    for (int i = 0; i < workers; ++i) {
      Share& share = shares[(worker + i) % workers];
      for (;;) {
        if (share.next.load(std::memory_order_relaxed) >= share.end) break;
        const int64_t tile = share.next.fetch_add(1, std::memory_order_relaxed);
        if (tile >= share.end) break;
        function(context, tile, worker);
      }
    }
    if (around.leave) around.leave();
  }

  static uint32_t numberOf(uint64_t word) { return uint32_t(word >> 32); }

  // Goes inside of the region of `word`, unless it is closed or another one has begun.
  bool enter(uint64_t word) {
    const uint32_t number = numberOf(word);
    while (numberOf(word) == number && !(word & closed))
      if (region.compare_exchange_weak(word, word + 1, std::memory_order_acq_rel, std::memory_order_acquire)) return true;
    return false;
  }

  void loop(int worker) {
    uint32_t seen = 0;
    const bool oversubscribed = worker >= usableCpus();
    for (;;) {
      // Spinning for about 50 µs keeps a training step's regions hot; a thread without a core of its own parks at once.
      const int most = oversubscribed ? 0 : 2000;
      int spins = 0;
      uint64_t word;
      while (numberOf(word = region.load(std::memory_order_acquire)) == seen) {
        if (spins < most) { relax(spins++); continue; }
        std::unique_lock<std::mutex> lock(mutex);
        parked.fetch_add(1);
        wake.wait(lock, [&] { return numberOf(region.load()) != seen; });
        parked.fetch_sub(1);
      }
      seen = numberOf(word);
      if (worker >= int(word >> 16 & 0xffff) || !enter(word)) continue;
      FpState guard(control);
      work(worker);
      region.fetch_sub(1, std::memory_order_release);
    }
  }
};

Pool& pool() {
  static Pool& p = *new Pool();
  return p;
}

thread_local bool insideRegion = false;
thread_local int pinnedThreads = 0;  // 0: not pinned

void* threadMain(void* argument) {
  nameThread("nodegrad worker");
  touchStack();
  insideRegion = true;  // a region started from inside a region runs alone
  pool().loop(int(reinterpret_cast<intptr_t>(argument)));
  return nullptr;
}

// After fork() the child has no helpers: it runs alone for good.
void afterForkInChild() { pool().busy.test_and_set(); }

int defaultThreads() {
  static const bool hooked = (afterFork(afterForkInChild), true);
  (void)hooked;
  const int n = variableNumber("NODEGRAD_NUM_THREADS", 1, maxThreads);
  return n >= 1 ? n : usableCpus();
}

void startHelpers(Pool& p, int workers) {
  for (; p.started < workers; ++p.started) {
    pthread_t thread;
    // Out of threads: work with what there is.
    if (!startThread(&thread, threadMain, reinterpret_cast<void*>(intptr_t(p.started)))) break;
    pthread_detach(thread);
  }
}

}  // namespace

int threads() {
  if (pinnedThreads > 0) return pinnedThreads;
  Pool& p = pool();
  int n = p.wanted.load(std::memory_order_relaxed);
  if (n == 0) {
    int expected = 0;
    n = defaultThreads();
    if (!p.wanted.compare_exchange_strong(expected, n)) n = expected;
  }
  return n;
}

PinnedThreads::PinnedThreads() { pinnedThreads = threads(); }
PinnedThreads::~PinnedThreads() { pinnedThreads = 0; }

void computeAlone() { insideRegion = true; }

void setThreads(int count) { pool().wanted.store(count < 1 ? 1 : count > maxThreads ? maxThreads : count); }

void runTiles(int64_t tiles, void* context, TileFunction function, Around around) {
  Pool& p = pool();
  int workers = threads();
  if (workers > tiles) workers = int(tiles);
  if (workers <= 1 || insideRegion || p.busy.test_and_set(std::memory_order_acquire)) {
    if (around.enter) around.enter();
    for (int64_t tile = 0; tile < tiles; ++tile) function(context, tile, 0);
    if (around.leave) around.leave();
    return;
  }
  startHelpers(p, workers);
  if (workers > p.started) workers = p.started;
  insideRegion = true;
  p.workers = workers;
  p.context = context;
  p.function = function;
  p.around = around;
  p.control = FpState::control();
  for (int i = 0; i < workers; ++i) {
    p.shares[i].next.store(tiles * i / workers, std::memory_order_relaxed);
    p.shares[i].end = tiles * (i + 1) / workers;
  }
  const uint64_t number = Pool::numberOf(p.region.load(std::memory_order_relaxed)) + 1;
  p.region.store(number << 32 | uint64_t(workers) << 16);  // sequentially consistent: the parked count is read after it
  if (p.parked.load() > 0) {
    std::lock_guard<std::mutex> lock(p.mutex);
    p.wake.notify_all();
  }
  p.work(0);
  uint64_t word = p.region.fetch_or(Pool::closed, std::memory_order_acq_rel);
  for (int spins = 0; (word & Pool::inside) != 0; ++spins, word = p.region.load(std::memory_order_acquire)) {
    if (spins < 4000) relax(spins);
    else sched_yield();
  }
  insideRegion = false;
  p.busy.clear(std::memory_order_release);
}

}  // namespace nodegrad
