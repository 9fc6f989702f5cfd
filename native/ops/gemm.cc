// Plans a matrix product by its shape, packs what must be packed, and cuts the work into tiles for the pool.
#include "gemm.h"

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <limits>

#include "../kernels/table.h"
#include "../runtime/blas.h"
#include "../runtime/environment.h"
#include "../runtime/pool.h"
#include "column_sums.h"
#include "gemm_openblas.h"
#include "gemm_table.h"
#include "workspace.h"

namespace nodegrad {
namespace {

constexpr int64_t lane = 16;
constexpr double leastTile = 1 << 17;  // products: about a microsecond
constexpr int64_t leastStrips = 4, mostStrips = 10;  // strips of rows in a tile: the first one may pack for the others
constexpr int64_t coldBytes = 1 << 20;               // a result of so many bytes is in no near cache
constexpr int64_t pageBytes = 4096;                  // rows so far apart fall on one set of the first-level cache
constexpr int64_t leastTiles = 8, cutGroup = 8;      // of a product whose k is cut: tiles, and panels of each
constexpr int64_t copiedColumns = 512;               // columns of a tile for which its rows are copied

std::atomic<int> choice{-1};
std::atomic<bool> reproducibleMode{false};
thread_local int pinnedChoice = -1;  // −1: not pinned
thread_local bool pinnedMode = false;

// ---- our own ------------------------------------------------------------------------------------------------------------------

// Where the operand that is read along its rows comes from: as it lies, packed by the first strip of a tile beside its products, packed
// by each tile before them (it lies transposed), or packed once by all before any tile.
enum class Pack { none, fused, tile, shared };

template <class T> struct Operand {
  const T* p;
  int64_t row, column;
  const T* at(int64_t i, int64_t j) const { return p + i * row + j * column; }
};

// One of the operands is broadcast (rows), the other read in vectors (columns). Swapped, the roles are those of Cᵀ = Bᵀ·Aᵀ.
template <class T> struct Plan {
  bool swap;
  int64_t m, n;  // rows and columns, after the swap
  Operand<T> rows, columns;
  int64_t panel;       // columns of one gemmPanel
  int64_t group;       // panels of a tile
  int64_t width;       // columns of a tile
  int64_t rowTile;     // rows of a tile
  int64_t panels, groups, rowTiles;
  int64_t kBlock;      // steps of k per gemmPanel: what keeps a panel of the columns in the second-level cache
  int64_t sums;        // blocks of the definition: 1, or ⌈k / 2048⌉
  int levels;          // tiles of partial sums a worker keeps
  Pack pack;
  int64_t pitch;       // of the rows of a tile that are copied, along k or across it; 0: they are read as they lie
  bool cold;           // the result is in no near cache
  size_t sharedSize, packSize, rowsSize, tileSize, workerSize;  // in elements
};

template <class T> Plan<T> planOf(const Gemm<T>& g) {
  const Kernels<T>& kernels = kernelsOf<T>();
  const int64_t k = g.k;
  // Times in rough cycles: a vector of FMAs ½, a packed element 0.4, an element of a transposed result 0.5.
  const bool directB = g.bCol == 1 || g.n == 1, directA = g.aRow == 1 || g.m == 1;
  const double straight = double(k) * g.m * divideUp(g.n, lane) * 0.5 + (directB ? 0 : 0.4 * k * g.n);
  const double swapped = double(k) * g.n * divideUp(g.m, lane) * 0.5 + (directA ? 0 : 0.4 * k * g.m) + 0.5 * g.m * g.n;
  Plan<T> p;
  p.swap = swapped < straight;
  const Operand<T> a = {g.a, g.aRow, g.aCol}, b = {g.b, g.bRow, g.bCol};
  p.m = p.swap ? g.n : g.m;
  p.n = p.swap ? g.m : g.n;
  p.rows = p.swap ? Operand<T>{b.p, b.column, b.row} : a;
  p.columns = p.swap ? Operand<T>{a.p, a.column, a.row} : b;
  const bool direct = p.columns.column == 1 || p.n == 1;
  const int64_t rowBytes = p.columns.row * int64_t(sizeof(T));
  const bool before = !direct || packsBefore(p.m, rowBytes, k * p.n * int64_t(sizeof(T)));
  p.pack = !before ? Pack::none : p.swap ? Pack::shared : Pack::tile;

  // For such products panels of 48 columns were 2 to 7 % ahead of 32 (1024³ and 3136×256×1024, Zen 5).
  const int vectors = direct && before && kernels.gemmRows(3) > 0 ? 3 : kernels.gemmVectors(p.m, p.n, k);
  p.panel = vectors * lane;
  const int64_t unit = kernels.gemmRows(vectors);
  if (p.pack == Pack::none && p.m > unit && k >= 64 && p.columns.row != p.panel && packsBeside(rowBytes, k)) p.pack = Pack::fused;
  p.panels = divideUp(p.n, p.panel);
  p.sums = k > unblocked ? divideUp(k, sumBlock) : 1;
  p.levels = 1;
  for (int64_t left = p.sums; left > 1; left >>= 1) ++p.levels;
  const int64_t steps = p.sums > 1 ? sumBlock : k;
  // A block of k is as long as moves least: longer ones bring old sums back less often, but then fewer rows stay in the second-level cache,
  // and panels pass by for each tile of them. A panel that a tile packs, or reads as it lies, is to stay there itself.
  const int64_t nearby = nearBytes() / int64_t(sizeof(T)), least = leastStrips * unit;
  double fewest = 0;
  p.kBlock = steps <= 768 ? steps : divideUp(steps, divideUp(steps, 512));
  for (const int64_t longest : {2048, 1024, 512}) {
    if (p.pack == Pack::tile || p.pack == Pack::none) break;
    const int64_t blocks = divideUp(steps, longest), block = divideUp(steps, blocks);
    const int64_t tall = std::clamp(nearby / block, least, std::max(least, p.m));
    if (blocks > 1 && divideUp(p.m, tall) * divideUp(p.panels, cutGroup) < leastTiles) continue;  // threads share tiles
    const double moved = double(k) * p.n * divideUp(p.m, tall) + 2.0 * p.m * p.n * (blocks - 1);
    if (fewest > 0 && moved >= fewest) continue;
    fewest = moved;
    p.kBlock = block;
  }
  // Rows that fall on one set are copied apart, which costs as much as some ten columns of products.
  const bool along = p.rows.column == 1;
  const bool onOneSet = (along ? p.rows.row : p.rows.column) * int64_t(sizeof(T)) % pageBytes == 0;
  const bool apart = k > 64 && onOneSet && (!along || (p.pack != Pack::tile && p.n >= copiedColumns));
  // A tile is at least 2¹⁷ products (about a microsecond) and at most a 64th of all, but some strips high; where its rows come back for each
  // block of k, some panels wide.
  const bool whole = p.pack == Pack::tile || p.pack == Pack::none || p.kBlock == steps;
  const double total = double(p.m) * p.panels * p.panel * k, target = std::max(leastTile, total / 64), perRow = double(p.panel) * k;
  int64_t rowTile = std::max(least, nearby / p.kBlock);
  if (p.pack == Pack::tile) rowTile = std::max<int64_t>(256, int64_t(target / perRow));
  else if (whole) rowTile = std::min(rowTile, std::max((p.pack == Pack::fused ? mostStrips : leastStrips) * unit, int64_t(target / perRow)));
  if (p.sums > 1) rowTile = std::min<int64_t>(rowTile, 256);
  rowTile = std::min(p.m, divideUp(rowTile, unit) * unit);
  p.rowTiles = divideUp(p.m, rowTile);
  p.rowTile = divideUp(p.m, p.rowTiles);
  const int64_t leastGroup = apart && along ? divideUp(copiedColumns, p.panel) : whole ? 1 : cutGroup;
  p.group = std::clamp<int64_t>(std::max(leastGroup, int64_t(target / (perRow * p.rowTile))), 1, p.panels);
  p.groups = divideUp(p.panels, p.group);
  p.pitch = !apart ? 0 : along ? p.kBlock + lane : p.rowTile;
  p.width = p.group * p.panel;
  // Rows that lie along k give the products time to bring such a result; steps of k that lie apart need the buffers themselves.
  p.cold = !p.swap && double(p.m) * p.n * sizeof(T) >= double(along ? coldBytes : 8 * coldBytes);

  p.sharedSize = p.pack == Pack::shared ? padded<T>(p.n * k) : 0;
  p.packSize = p.pack == Pack::tile || p.pack == Pack::fused ? padded<T>(p.kBlock * p.panel) : 0;
  p.rowsSize = p.pitch ? padded<T>(p.pitch * (along ? p.rowTile : p.kBlock)) : 0;
  p.tileSize = padded<T>(p.rowTile * p.width);
  const bool tiles = p.swap || p.sums > 1 || g.epilogue.prior == Prior::old;
  p.workerSize = p.packSize + p.rowsSize + (tiles ? p.tileSize * (p.levels + (p.swap ? 1 : 0)) : 0);
  return p;
}

// Copies op(X)[from row i, column j][rows, columns] to dense rows of `toRow` elements.
template <class T> void packBlock(const Operand<T>& x, int64_t i, int64_t j, int64_t rows, int64_t columns, T* to, int64_t toRow) {
  if (x.column == 1) kernelsOf<T>().copyBlock(rows, columns, x.at(i, j), x.row, to, toRow);
  else kernelsOf<T>().transposeBlock(columns, rows, x.at(i, j), x.column, to, toRow);
}

template <class T> struct Run {
  const Gemm<T>& g;
  const Plan<T>& p;
  T* shared;
  T* workers;

  int64_t panelWidth(int64_t panel) const { return std::min(p.panel, p.n - panel * p.panel); }

  void packShared() const {
    const int64_t pieces = divideUp(g.k, p.kBlock);
    parallelFor(p.panels * pieces, [&](int64_t index, int) {
      const int64_t panel = index / pieces, k0 = index % pieces * p.kBlock, width = panelWidth(panel);
      packBlock(p.columns, k0, panel * p.panel, std::min(p.kBlock, g.k - k0), width, shared + panel * p.panel * g.k + k0 * width, width);
    });
  }

  void multiply() const {
    const int64_t products = p.groups * p.rowTiles, tiles = products + sumTiles(g);
    const auto tileAt = [&](int64_t index, int worker) {
      if (index >= products) return sumTile(g, index - products);
      // Tiles with the same rows follow each other, for a thread's cache; in a result that is turned, those with the same columns, its rows.
      const int64_t tile = p.swap ? index % p.rowTiles : index / p.groups, group = p.swap ? index / p.rowTiles : index % p.groups;
      const int64_t i0 = p.m * tile / p.rowTiles, i1 = p.m * (tile + 1) / p.rowTiles;
      tileOf(i0, i1 - i0, group * p.group, std::min(p.panels, (group + 1) * p.group), workers + worker * p.workerSize);
    };
    // A helper is not worth its waking for less than a tile.
    if (double(p.m) * p.n * g.k >= leastTile) return parallelFor(tiles, tileAt);
    for (int64_t index = 0; index < tiles; ++index) tileAt(index, 0);
  }

  // Accumulates steps [k0, k1) of the tile into `to`, from `start` (or zero); the epilogue goes with the last step.
  struct Target {
    T* sum; int64_t sumRow;  // partial sums
    T* to; int64_t toRow;    // of the last step
    Epilogue<T> epilogue;
  };
  void steps(int64_t i0, int64_t m, int64_t firstPanel, int64_t endPanel, int64_t k0, int64_t k1, const Target& t, T* packed) const {
    const Kernels<T>& kernels = kernelsOf<T>();
    for (int64_t at = k0; at < k1; at += p.kBlock) {
      const int64_t count = std::min(p.kBlock, k1 - at);
      const bool first = at == k0, last = at + count == k1;
      const T* rows = p.rows.at(i0, at);
      int64_t rowsRow = p.rows.row, rowsColumn = p.rows.column;
      if (p.pitch) {
        T* const dense = packed + p.packSize;
        const bool along = rowsColumn == 1;
        kernels.copyBlock(along ? m : count, along ? count : m, rows, along ? rowsRow : rowsColumn, dense, p.pitch);
        rows = dense;
        (along ? rowsRow : rowsColumn) = p.pitch;
      }
      for (int64_t panel = firstPanel; panel < endPanel; ++panel) {
        const int64_t j0 = panel * p.panel, n = panelWidth(panel), j = j0 - firstPanel * p.panel;
        const T* columns = p.columns.at(at, j0);
        int64_t columnsRow = p.columns.row;
        GemmStream<T> stream;
        stream.cold = p.cold && last;
        if (p.pack == Pack::shared) {
          columns = shared + j0 * g.k + at * n;
          columnsRow = n;
        } else if (p.pack == Pack::tile) {
          packBlock(p.columns, at, j0, count, n, packed, p.panel);
          columns = packed;
          columnsRow = p.panel;
        } else if (p.pack == Pack::fused) {
          const T* next = panel + 1 < endPanel ? p.columns.at(at, j0 + p.panel) : !last ? p.columns.at(at + count, firstPanel * p.panel)
                          : endPanel < p.panels ? p.columns.at(0, j0 + p.panel) : nullptr;
          stream.packed = packed;
          stream.next = next;
          stream.nextRow = columnsRow;
        }
        kernels.gemmPanel(m, n, count, rows, rowsRow, rowsColumn, columns, columnsRow, first ? nullptr : t.sum + j, t.sumRow,
                          last ? t.to + j : t.sum + j, last ? t.toRow : t.sumRow, last ? t.epilogue.at(0, j) : Epilogue<T>(), stream);
      }
    }
  }

  void tileOf(int64_t i0, int64_t m, int64_t firstPanel, int64_t endPanel, T* work) const {
    const Kernels<T>& kernels = kernelsOf<T>();
    const int64_t j0 = firstPanel * p.panel, n = std::min(p.n, endPanel * p.panel) - j0;
    T* const packed = work;
    T* const tiles = work + p.packSize + p.rowsSize;
    if (p.sums == 1 && !p.swap) {
      T* c = g.c + i0 * g.ldc + j0;
      const bool keep = g.epilogue.prior == Prior::old;  // the old C is needed until the last step
      steps(i0, m, firstPanel, endPanel, 0, g.k, {keep ? tiles : c, keep ? p.width : g.ldc, c, g.ldc, g.epilogue.at(i0, j0)}, packed);
      return;
    }
    // A stack of partial sums: level l holds 2ˡ neighbouring blocks, like the digits of a binary counter.
    int top = 0;
    auto merge = [&] {
      --top;
      T* left = tiles + (top - 1) * p.tileSize;
      kernels.gemmFinish(m, n, left, p.width, left + p.tileSize, p.width, left, p.width, {});
    };
    for (int64_t block = 0; block < p.sums; ++block) {
      T* sum = tiles + top * p.tileSize;
      const int64_t k0 = p.sums == 1 ? 0 : block * sumBlock, k1 = p.sums == 1 ? g.k : std::min(g.k, k0 + sumBlock);
      steps(i0, m, firstPanel, endPanel, k0, k1, {sum, p.width, sum, p.width, {}}, packed);
      ++top;
      for (int64_t bits = block; bits & 1; bits >>= 1) merge();
    }
    while (top > 1) merge();
    if (!p.swap) {
      kernels.gemmFinish(m, n, tiles, p.width, nullptr, 0, g.c + i0 * g.ldc + j0, g.ldc, g.epilogue.at(i0, j0));
      return;
    }
    T* turned = tiles + p.levels * p.tileSize;
    kernels.transposeBlock(m, n, tiles, p.width, turned, m);
    kernels.gemmFinish(n, m, turned, m, nullptr, 0, g.c + j0 * g.ldc + i0, g.ldc, g.epilogue.at(j0, i0));
  }
};

template <class T> void gemmOwn(const Gemm<T>& g, void* workspace) {
  const Plan<T> p = planOf(g);
  T* const base = aligned<T>(workspace);
  const Run<T> run = {g, p, base, base + p.sharedSize};
  if (p.pack == Pack::shared) run.packShared();
  run.multiply();
}

template <class T> size_t ownWorkspace(const Gemm<T>& g) {
  const Plan<T> p = planOf(g);
  const size_t count = p.sharedSize + p.workerSize * size_t(threads());
  return count ? count * sizeof(T) + 64 : 0;
}

template <class T> bool servedByBlas(int64_t n, int64_t k) {
  if (reproducible()) return false;
  const GemmChoice c = gemmChoice();
  if (c == GemmChoice::own) return false;
  if (c == GemmChoice::automatic && !gemmTableSaysOpenBlas(activeIsa(), int(sizeof(T)), n, k)) return false;
  return blas().available();
}

template <class T> bool servedByBlas(const Gemm<T>& g) {
  constexpr int64_t most = std::numeric_limits<int>::max();
  for (int64_t size : {g.n, g.k, g.aRow, g.aCol, g.bRow, g.bCol, g.ldc})
    if (size > most) return false;  // its sizes are int
  if (g.aCol != 1 && g.aCol < g.m) return false;  // rows that overlap, or one step of k with any stride
  if (g.bCol != 1 && g.bCol < g.k) return false;
  return servedByBlas<T>(g.n, g.k);
}

}  // namespace

template <class T> size_t gemmWorkspace(const Gemm<T>& g) {
  if (g.m == 0 || g.n == 0 || g.k == 0) return 0;
  if (!servedByBlas(g)) return ownWorkspace(g);
  const BlasPlan<T> p = blasPlanOf(g);
  return (p.rowsSize + p.workerSize * size_t(threads())) * sizeof(T) + 64;
}

template <class T> void gemm(const Gemm<T>& g, void* workspace) {
  if (g.m == 0 || g.n == 0 || g.k == 0)
    for (int64_t tile = 0; tile < sumTiles(g); ++tile) sumTile(g, tile);
  if (g.m == 0 || g.n == 0) return;
  if (g.k == 0) {
    // The empty sum is zero, and takes the same epilogue as any other.
    for (int64_t i = 0; i < g.m; ++i) {
      T* c = g.c + i * g.ldc;
      Epilogue<T> epilogue = g.epilogue.at(i, 0);
      if (epilogue.prior != Prior::old) std::fill(c, c + g.n, T(0));
      epilogue.prior = Prior::none;
      kernelsOf<T>().gemmFinish(1, g.n, c, g.ldc, nullptr, 0, c, g.ldc, epilogue);
    }
  } else if (servedByBlas(g)) {
    gemmBlas(g, workspace);
  } else {
    gemmOwn(g, workspace);
  }
}

template <class T> const char* gemmChosen(int64_t n, int64_t k) { return servedByBlas<T>(n, k) ? "openblas" : "own"; }

GemmChoice gemmChoice() {
  if (pinnedChoice >= 0) return GemmChoice(pinnedChoice);
  int c = choice.load(std::memory_order_relaxed);
  if (c >= 0) return GemmChoice(c);
  const GemmChoice known[] = {GemmChoice::automatic, GemmChoice::openblas, GemmChoice::own};
  const int named = variableChoice("NODEGRAD_GEMM", {"auto", "openblas", "own"});
  c = int(known[named < 0 ? 0 : named]);
  choice.store(c);
  return GemmChoice(c);
}

void setGemmChoice(GemmChoice c) { choice.store(int(c)); }
void setReproducible(bool on) { reproducibleMode.store(on); }
bool reproducible() { return pinnedChoice >= 0 ? pinnedMode : reproducibleMode.load(std::memory_order_relaxed); }

PinnedGemm::PinnedGemm() {
  pinnedMode = reproducible();
  pinnedChoice = int(gemmChoice());
}
PinnedGemm::~PinnedGemm() { pinnedChoice = -1; }

template size_t gemmWorkspace<float>(const Gemm<float>&);
template size_t gemmWorkspace<double>(const Gemm<double>&);
template void gemm<float>(const Gemm<float>&, void*);
template void gemm<double>(const Gemm<double>&, void*);
template const char* gemmChosen<float>(int64_t, int64_t);
template const char* gemmChosen<double>(int64_t, int64_t);

}  // namespace nodegrad
