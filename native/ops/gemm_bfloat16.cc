// Plans a product of bfloat16 operands by its shape, packs them, and cuts the work into tiles for the pool.
#include "gemm_bfloat16.h"

#include <algorithm>
#include <cstring>

#include "../runtime/fpstate.h"
#include "../runtime/pool.h"
#include "phases.h"
#include "workspace.h"

namespace nodegrad {
namespace {

constexpr int64_t tileColumns = 512;  // of a tile, at most
constexpr int64_t sharedSteps = 8;    // of B, packed at a time
constexpr int64_t mostSteps = 16;     // of a chunk
constexpr int64_t fewTiles = 16;      // of a stage, which several share where there are no more
constexpr int64_t crowdedRow = 2048;  // bytes: rows that lie a multiple of it apart fall on two sets of the nearest cache
constexpr int64_t nearRows = 96;      // of a chunk, that the nearest cache holds while panel by panel passes
constexpr int64_t fewPanels = 4;      // whose products outweigh packing the rows once more

struct Plan {
  const Bfloat16Product* product;
  int64_t steps;                   // of k
  int64_t chunk;                   // steps between two visits of the sums
  int64_t panels, group, groups;   // of columns; panels of a tile
  int64_t together;                // panels whose sums are kept at a time
  int64_t rowTile, rowTiles, strip;
  int64_t blocks;                  // of the definition
  int levels;                      // tiles of partial sums
  bool shared;                     // B is packed once for all tiles
  size_t sharedSize, placesSize, rowsSize, columnsSize, sumsSize, gatherSize, wideSize, workerSize;  // in bytes
};

int64_t widthOf(int64_t columns) { return columns <= bfloat16Panel / 2 ? bfloat16Panel / 2 : bfloat16Panel; }
size_t lines(int64_t bytes) { return size_t(divideUp(bytes, 64) * 64); }

// Rows of a strip: of equal ones that `length` rows are cut into.
int64_t stripOf(const Bfloat16Product& product, int64_t length, int64_t columns) {
  const int64_t strips = divideUp(std::max<int64_t>(length, 1), columns <= bfloat16Panel / 2 ? product.narrowRows : product.rows);
  return divideUp(divideUp(length, strips), product.rowUnit) * product.rowUnit;
}

void planStage(const GemmBfloat16& g, Plan& p) {
  const Bfloat16Stage& s = *g.stage;
  p.rowTile = std::min(s.tile, s.lines) * s.length;
  p.rowTiles = divideUp(s.lines, s.tile);
  p.groups = std::min(p.panels, divideUp(fewTiles, p.rowTiles));
  p.group = divideUp(p.panels, p.groups);
  p.groups = divideUp(p.panels, p.group);
  p.together = 1;
  p.strip = stripOf(*p.product, s.joined ? p.rowTile : s.length, g.n);
}
void planMatrix(const GemmBfloat16& g, Plan& p) {
  const int64_t unit = p.product->rows;
  // A tile is about a microsecond at least, at most a 16th of all.
  const double least = double(p.product->rowUnit) * (1 << 18), target = std::max(least, double(g.m) * double(g.n) * double(g.k) / 16);
  const double depth = double(std::max<int64_t>(g.k, 1));
  const double suited = target / (depth * double(std::min(g.n, tileColumns)));
  // Few rows are one tile's, which then packs its columns alone. Where rows of A are neighbours in memory, many of them are read together.
  const int64_t most = p.product->acrossColumns ? mostBfloat16Rows : nearRows;
  const bool few = g.m <= most && g.n >= 2 * fewPanels * bfloat16Panel;
  const int64_t wanted = few || g.a.matrix.lane == 1 ? most : int64_t(std::clamp<double>(suited, 1, nearRows));
  p.rowTile = std::min(g.m, divideUp(wanted, unit) * unit);
  p.group = std::clamp<int64_t>(int64_t(target / (depth * double(p.rowTile) * bfloat16Panel)), few ? fewPanels : 1, std::min(p.panels, tileColumns / bfloat16Panel));
  p.groups = divideUp(p.panels, p.group);
  p.together = p.group = divideUp(p.panels, p.groups);
  p.rowTiles = divideUp(g.m, p.rowTile);
  p.strip = stripOf(*p.product, p.rowTile, g.n);
}

Plan planOf(const GemmBfloat16& g) {
  Plan p;
  p.product = &bfloat16Product();
  p.steps = divideUp(g.k, bfloat16Step);
  const int64_t chunks = divideUp(std::max<int64_t>(p.steps, 1), std::min(mostSteps, p.product->steps));
  p.chunk = divideUp(std::max<int64_t>(p.steps, 1), chunks);
  p.panels = divideUp(g.n, bfloat16Panel);
  if (g.stage) planStage(g, p);
  else planMatrix(g, p);
  p.blocks = sumBlocks(g.k);
  p.levels = sumLevels(p.blocks);
  p.shared = g.stage || p.rowTiles > 1;
  const int64_t line = g.stage && !g.stage->joined ? g.stage->length : p.rowTile;
  const int64_t rows = p.rowTile / line * divideUp(line, p.strip) * p.strip, columns = p.together * bfloat16Panel;
  p.sharedSize = p.shared ? lines(p.panels * bfloat16Panel * p.steps * 64) : 0;
  p.placesSize = g.stage ? lines(g.stage->tile * 8) : 0;
  p.rowsSize = p.placesSize + lines(g.stage ? g.stage->size : rows * p.chunk * bfloat16Step * p.product->numberBytes);
  p.columnsSize = p.shared ? 0 : lines(columns * p.chunk * 64);
  p.sumsSize = lines(rows * columns * 4);
  const int64_t gathered = std::max(g.a.gather ? p.rowTile * p.chunk : 0, g.b.gather ? bfloat16Panel : 0) * bfloat16Step;
  p.gatherSize = lines(gathered * 2);
  p.wideSize = lines(rows * bfloat16Panel * 4);
  p.workerSize = p.rowsSize + p.columnsSize + p.sumsSize * size_t(p.levels) + p.gatherSize + 2 * p.wideSize;
  return p;
}

// A block of an operand, where it lies or gathered.
Bfloat16Block blockOf(const Bfloat16Source& x, int64_t lane, int64_t lanes, int64_t k, int64_t count, bfloat16* scratch) {
  if (!x.gather) {
    const int64_t at = (lane * x.matrix.lane + k * x.matrix.k) * (x.matrix.wide ? 4 : 2);
    return {static_cast<const char*>(x.matrix.data) + at, x.matrix.lane, x.matrix.k, x.matrix.wide};
  }
  const bool byLane = x.matrix.lane != 1;
  const int64_t row = byLane ? count : lanes;
  x.gather(x.context, lane, lanes, k, count, scratch, row);
  return {scratch, byLane ? row : 1, byLane ? 1 : row, false};
}

struct Run {
  const GemmBfloat16& g;
  const Plan& p;
  char* shared;
  char* workers;
  int64_t halves[2 * mostSteps];  // of packed rows

  Run(const GemmBfloat16& g, const Plan& p, char* workspace) : g(g), p(p), shared(workspace), workers(workspace + p.sharedSize) {
    for (int64_t i = 0; i < 2 * mostSteps; ++i) halves[i] = i * (bfloat16Step / 2) * p.product->numberBytes;
  }

  int64_t columnsOf(int64_t panel) const { return std::min(bfloat16Panel, g.n - panel * bfloat16Panel); }

  // Steps [step, step + steps) of panels [first, last), into step `into` and on of panels of `stride` steps.
  void packColumns(int64_t first, int64_t last, int64_t step, int64_t steps, char* to, int64_t stride, int64_t into, bfloat16* scratch) const {
    for (int64_t s = 0; s < steps; ++s)
      for (int64_t panel = first; panel < last; ++panel) {
        const int64_t n = columnsOf(panel), width = widthOf(n), k = (step + s) * bfloat16Step, count = std::min(bfloat16Step, g.k - k);
        const Bfloat16Block block = blockOf(g.b, panel * bfloat16Panel, n, k, count, scratch);
        p.product->packColumns(block, n, width, count, to + ((panel - first) * bfloat16Panel * stride + (into + s) * width) * 64);
      }
  }
  void packShared() const {
    const int64_t pieces = divideUp(p.steps, sharedSteps), parts = divideUp(p.panels, tileColumns / bfloat16Panel);
    parallelFor(pieces * parts, [&](int64_t index, int worker) {
      const int64_t part = index / pieces, step = index % pieces * sharedSteps;
      const int64_t first = p.panels * part / parts, last = p.panels * (part + 1) / parts;
      packColumns(first, last, step, std::min(sharedSteps, p.steps - step), shared + first * bfloat16Panel * p.steps * 64, p.steps, step, gathered(worker));
    });
  }

  char* work(int worker) const { return workers + size_t(worker) * p.workerSize; }
  bfloat16* gathered(int worker) const { return reinterpret_cast<bfloat16*>(work(worker) + p.rowsSize + p.columnsSize + p.sumsSize * size_t(p.levels)); }

  // Where the lines of a staged tile lie.
  int64_t* placesOf(int worker) const { return reinterpret_cast<int64_t*>(work(worker) + p.rowsSize - p.placesSize); }

  void multiply() const {
    parallelFor(
        p.rowTiles * p.groups,
        [&](int64_t index, int worker) {
          const int64_t group = index / p.rowTiles, tile = index % p.rowTiles;
          const int64_t i0 = tile * p.rowTile, m = std::min(p.rowTile, g.m - i0);
          tileOf(i0, m, group * p.group, std::min(p.panels, (group + 1) * p.group), worker);
        },
        {p.product->enter, p.product->leave});
  }

  void tileOf(int64_t i0, int64_t m, int64_t first, int64_t last, int worker) const {
    if (!g.stage) return panelsOf(i0, m, m, first, last, worker);
    const Bfloat16Stage& s = *g.stage;
    const int64_t line = i0 / s.length, lines = m / s.length;
    s.fill(s.context, line, lines, work(worker));
    for (int64_t i = 0; i < lines; ++i) placesOf(worker)[i] = s.placeOf(s.context, line, line + i);
    for (int64_t panel = first; panel < last; ++panel) panelsOf(i0, m, s.joined ? m : s.length, panel, panel + 1, worker);
  }

  // Whether a block of A is read where it lies: whole steps of whole strips, in rows that do not fall on few sets of the cache.
  bool liesReady(int64_t m, int64_t count) const {
    const Bfloat16Block& a = g.a.matrix;
    const bool plain = !g.stage && !g.a.gather && !a.wide && a.k == 1 && a.lane >= count;
    return plain && p.product->asIs && count % bfloat16Step == 0 && m % p.product->rowUnit == 0 && a.lane * 2 % crowdedRow != 0;
  }

  // Rows [i0, i0 + m), lines of `length`, of panels [first, last).
  void panelsOf(int64_t i0, int64_t m, int64_t length, int64_t first, int64_t last, int worker) const {
    char* const rows = work(worker);
    char* const columns = rows + p.rowsSize;
    char* const sums = columns + p.columnsSize;
    // Of the sums: where only multiples of a unit of rows are written, a line ends with some that are nobody's.
    const int64_t lineRows = p.product->rowUnit == 1 ? length : divideUp(length, p.strip) * p.strip, all = m / length * lineRows;
    const auto level = [&](int l) { return reinterpret_cast<float*>(sums + size_t(l) * p.sumsSize); };
    addBlocks(
        p.blocks,
        [&](int64_t block, int l) {
          const int64_t from = block * sumBlock / bfloat16Step;
          const int64_t to = p.blocks == 1 ? p.steps : std::min(p.steps, from + sumBlock / bfloat16Step);
          if (from == to) std::memset(level(l), 0, p.sumsSize);
          for (int64_t step = from; step < to; step += p.chunk) {
            const int64_t steps = std::min(p.chunk, to - step), k = step * bfloat16Step, count = std::min(steps * bfloat16Step, g.k - k);
            const bool lies = liesReady(m, count);
            if (!g.stage && !lies) p.product->packRows(blockOf(g.a, i0, m, k, count, gathered(worker)), m, count, rows);
            if (!p.shared) packColumns(first, last, step, steps, columns, p.chunk, 0, gathered(worker));
            const char* const b = p.shared ? shared + first * bfloat16Panel * p.steps * 64 : columns;
            const int64_t row = g.stage ? g.stage->row : lies ? g.a.matrix.lane * 2 : steps * bfloat16Step * p.product->numberBytes;
            const char* const data = lies ? static_cast<const char*>(g.a.matrix.data) + i0 * row + k * 2 : rows;
            const Bfloat16Rows a = {data, row, g.stage ? g.stage->halves + 2 * step : halves};
            multiplyChunk(worker, m, length, lineRows, first, last, steps, a, b, p.shared ? p.steps : p.chunk, p.shared ? step : 0, level(l), step > from);
          }
        },
        [&](int l) {
          const int64_t count = all * (last - first) * bfloat16Panel;
          kernelsOf<float>().accumulate(level(l), level(l + 1), count);
        });
    for (int64_t panel = first; panel < last; ++panel) {
      float* const own = level(0) + (panel - first) * all * bfloat16Panel;
      finish(i0, m, length, lineRows, panel, own, work(worker) + p.workerSize - 2 * p.wideSize);
    }
  }

  void multiplyChunk(int worker, int64_t m, int64_t length, int64_t lineRows, int64_t first, int64_t last, int64_t steps, const Bfloat16Rows& a,
                     const char* b, int64_t stride, int64_t step, float* sums, bool onward) const {
    const FlushDenormals flush;
    const int64_t lines = m / length, panels = last - first;
    const auto strips = [&](int64_t line, int64_t i, int64_t from, int64_t to) {
      const char* const data = a.data + (g.stage ? placesOf(worker)[line] : 0) + i * a.row;
      for (int64_t at = from; at < to; ++at) {
        const int64_t width = widthOf(columnsOf(first + at));
        float* const c = sums + at * lines * lineRows * bfloat16Panel + (line * lineRows + i) * width;
        const char* const panel = b + (at * bfloat16Panel * stride + step * width) * 64;
        p.product->multiply(std::min(p.strip, length - i), width, steps, {data, a.row, a.halves}, panel, c, width, onward);
      }
    };
    const int64_t visits = p.product->acrossColumns ? 1 : panels, each = panels / visits;
    for (int64_t at = 0; at < panels; at += each)
      for (int64_t line = 0; line < lines; ++line)
        for (int64_t i = 0; i < length; i += p.strip) strips(line, i, at, at + each);
  }

  // The epilogue and the way to C: of all rows at once, or line by line where they go to other places or leave gaps.
  void finish(int64_t i0, int64_t m, int64_t length, int64_t lineRows, int64_t panel, float* sums, char* wide) const {
    const int64_t j0 = panel * bfloat16Panel, n = columnsOf(panel), width = widthOf(n);
    if ((length == m || length == lineRows) && !(g.stage && g.stage->rowOf)) return finishRows(i0, 1, m, j0, n, sums, width, wide);
    const Bfloat16Stage& s = *g.stage;
    for (int64_t line = 0; line < m / s.length; ++line) {
      const int64_t to = s.rowOf ? s.rowOf(s.context, i0 / s.length + line) : i0 + line * s.length;
      finishRows(to, s.rowOf ? s.apart : 1, s.length, j0, n, sums + line * (s.joined ? s.length : lineRows) * width, width, wide);
    }
  }
  // Rows i0, i0 + apart, … of C.
  void finishRows(int64_t i0, int64_t apart, int64_t m, int64_t j0, int64_t n, float* sums, int64_t width, char* wide) const {
    const Kernels<float>& kernels = kernelsOf<float>();
    const Bfloat16Kernels& own = nodegrad::kernels().bf16;
    Epilogue<float> e = g.epilogue.at(i0, j0);
    const int64_t cRow = g.ldc * apart;
    float* const before = reinterpret_cast<float*>(wide);
    float* const y = reinterpret_cast<float*>(wide + p.wideSize);
    e.yRow *= apart;
    for (int64_t i = 0; g.y && i < m; ++i) own.widen(y + i * width, g.y + i0 * g.epilogue.yRow + i * e.yRow + j0, n);
    if (g.y) {
      e.y = y;
      e.yRow = width;
    }
    if (g.wide) return kernels.gemmFinish(m, n, sums, width, nullptr, 0, static_cast<float*>(g.c) + i0 * g.ldc + j0, cRow, e);
    bfloat16* const c = static_cast<bfloat16*>(g.c) + i0 * g.ldc + j0;
    const bool onOld = e.prior == Prior::old;
    if (onOld) e.prior = Prior::none;
    for (int64_t i = 0; onOld && i < m; ++i) own.widen(before + i * width, c + i * cRow, n);
    kernels.gemmFinish(m, n, sums, width, onOld ? before : nullptr, width, sums, width, e);
    own.narrowRows(c, cRow, sums, width, m, n);
  }
};

}  // namespace

size_t gemmBfloat16Workspace(const GemmBfloat16& g) {
  if (g.m == 0 || g.n == 0) return 0;
  const Plan p = planOf(g);
  return p.sharedSize + p.workerSize * size_t(threads()) + 64;
}

void gemmBfloat16(const GemmBfloat16& g, void* workspace) {
  if (g.m == 0 || g.n == 0) return;
  const Plan p = planOf(g);
  const Run run(g, p, aligned<char>(workspace));
  if (p.shared) run.packShared();
  run.multiply();
}

}  // namespace nodegrad
