// The one thread pool of the process: cuts a list of tiles among threads; the caller is worker 0.
#pragma once
#include <cstdint>
#include <type_traits>

namespace nodegrad {

constexpr int maxThreads = 256;

int threads();              // worker count in force, the caller included
void setThreads(int count); // 1 … maxThreads; takes effect at the next region

// While one lives, threads() does not change for this thread: workspaces are sized by it, and another environment may call
// setThreads() at any moment.
class PinnedThreads {
 public:
  PinnedThreads();
  ~PinnedThreads();
};

// From now on this thread runs the tiles of its regions alone: the others are for those who compute.
void computeAlone();

// Turn number `turn` of a spinning wait: now and then a thread that waits for this core gets it.
void relax(int turn);

using TileFunction = void (*)(void* context, int64_t tile, int worker);
// Calls `function(context, tile, worker)` once for each tile in [0, tiles), 0 ≤ worker < threads(). Returns when all are done.
// Each thread that takes part calls around.enter() before its first tile and around.leave() after its last one, where there are such.
// Whoever finds the pool busy (or is inside a region) runs the tiles alone as worker 0: tiles are cut by shape, never by thread
// count, so the bits are the same.
struct Around { void (*enter)() = nullptr; void (*leave)() = nullptr; };
void runTiles(int64_t tiles, void* context, TileFunction function, Around around = {});

template <class F>
void parallelFor(int64_t tiles, F&& body, Around around = {}) {
  runTiles(tiles, const_cast<void*>(static_cast<const void*>(&body)),
           [](void* context, int64_t tile, int worker) { (*static_cast<std::remove_reference_t<F>*>(context))(tile, worker); }, around);
}

}  // namespace nodegrad
