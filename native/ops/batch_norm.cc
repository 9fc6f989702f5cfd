// Batch normalization of [rows, channels]: statistics per channel, running averages, the map, and its gradients.
//
// y = (x − mean)·(γ / √(variance + eps)) + β. A mean in float64 is taken away in two parts, so that nothing is lost where it is large.
// γ and β may be empty: 1 and 0.
#include <algorithm>
#include <cstring>
#include <limits>

#include "../kernels/table.h"
#include "../runtime/pool.h"
#include "moments.h"
#include "op.h"
#include "stored.h"

namespace nodegrad::ops {
namespace {

constexpr int64_t blockRows = 256;
constexpr int64_t narrow = 64;  // below, several rows count as one of whole vectors: up to 1008 columns, of 63 channels
constexpr int64_t wide = 256;   // columns of a map's coefficients, at least: it runs through them without an end of a row

int64_t commonDivisor(int64_t a, int64_t b) { return b == 0 ? a : commonDivisor(b, a % b); }
// Rows side by side until they fill whole vectors.
int64_t wholeWidth(int64_t channels) { return channels * (16 / commonDivisor(channels, 16)); }

// ---- sums per channel ----

// A tile of columns of a block of at most 256 rows: `rows` rows of `columns` elements from element `from`, and the first `last` of one more.
struct Strip {
  int64_t block, count, channel, channels;  // the block and its rows; the first channel and how many there are
  int64_t from, rows, last, columns, stride;

  // `take(channel, a, b)` gets both sums of a channel in float64.
  template <class A, class Take> void fold(const A* sums, Take take) const {
    for (int64_t j = 0; j < channels; ++j) {
      double a = 0, b = 0;
      for (int64_t k = j; k < columns; k += channels) {
        a += double(sums[k]);
        b += double(sums[columns + k]);
      }
      take(channel + j, a, b);
    }
  }
};

template <class F> void forStrips(int64_t rows, int64_t channels, F body) {
  const int64_t blocks = tilesOf(rows, blockRows);
  const bool several = channels < narrow;
  const int64_t width = several ? wholeWidth(channels) : channels;
  // Memory is read fastest in its order; a single block is cut for the threads.
  const int64_t columnTile = blocks > 1 ? mostColumns : wide, strips = several ? 1 : tilesOf(channels, columnTile);
  const int64_t perTile = std::max<int64_t>(1, elementTile / (blockRows * channels));
  parallelFor(tilesOf(blocks, perTile) * strips, [&](int64_t tile, int) {
    const int64_t j = tile % strips * columnTile, columns = several ? width : std::min(columnTile, channels - j);
    for (int64_t b = tile / strips * perTile; b < (tile / strips + 1) * perTile && b < blocks; ++b) {
      const int64_t count = std::min(blockRows, rows - b * blockRows), elements = count * channels;
      body(Strip{b, count, j, several ? channels : columns, b * blockRows * channels + j, several ? elements / width : count,
                 several ? elements % width : 0, columns, width});
    }
  });
}
bool streamable(const void* p, int64_t channels, int64_t elements, int64_t size) {
  const int64_t width = channels < narrow ? wholeWidth(channels) : channels;
  return elements * size >= streamingBytes && (uintptr_t(p) & 63) == 0 && width % 16 == 0;
}

// No channels, any rows: nothing to do.
int64_t blocksOf(int64_t rows, int64_t channels) { return channels == 0 ? 0 : tilesOf(rows, blockRows); }

// `body(channel)` for all, some dozens a tile.
template <class F> void forChannels(int64_t channels, F body) {
  parallelFor(tilesOf(channels, narrow), [&](int64_t tile, int) {
    for (int64_t j = tile * narrow; j < (tile + 1) * narrow && j < channels; ++j) body(j);
  });
}

const char* checkRows(const Call& c, int operand) {
  return checkedProduct(c.ints[0], c.ints[1]) == c.length(operand) ? nullptr : "the tensor does not have rows × channels elements";
}

// mean[c], variance[c] of the population. A block's sums are of differences from its first row; blocks are joined in float64 by the
// rule of Chan, Golub & LeVeque (1979).
void run_batch_norm_statistics(const Call& c) {
  const int64_t rows = c.ints[0], channels = c.ints[1], blocks = blocksOf(rows, channels);
  if (channels == 0) return;
  double *means = static_cast<double*>(c.workspace), *squares = means + blocks * channels;
  byStored(c, [&]<class S>() {
    using T = Arithmetic<S>;
    forStrips(rows, channels, [&](const Strip& s) {
      alignas(64) T sums[2 * mostColumns];
      alignas(64) S first[mostColumns];
      const S *x = c.in<S>(2) + s.from, *pivot = x;
      if (s.columns > s.channels) {
        for (int64_t j = 0; j < s.columns; ++j) first[j] = x[j % channels];
        pivot = first;
      }
      bool sound = true;
      const auto take = [&](int64_t j, double sum, double square) {
        const double mean = sum / double(s.count), rest = square - sum * mean;
        means[s.block * channels + j] = double(pivot[j - s.channel]) + mean;
        squares[s.block * channels + j] = rest < 0 ? 0 : rest;
        sound = sound && isSound<T>(rest, square);
      };
      storedKernels<S>().columnMoments(sums, x, pivot, s.rows, s.last, s.columns, s.stride);
      s.fold(sums, take);
      if (sound) return;
      alignas(64) double wide[2 * mostColumns];
      storedKernels<S>().columnMomentsWide(wide, x, pivot, s.rows, s.last, s.columns, s.stride);
      s.fold(wide, take);
    });
  });
  forChannels(channels, [&](int64_t j) {
    const double first = means[j];
    double apart = 0, square = 0;
    const auto count = [&](int64_t b) { return double(b + 1 < blocks ? blockRows : rows - b * blockRows); };
    for (int64_t b = 0; b < blocks; ++b) apart += count(b) * (means[b * channels + j] - first);
    const double mean = first + apart / double(rows);
    for (int64_t b = 0; b < blocks; ++b) {
      const double d = means[b * channels + j] - mean;
      square += squares[b * channels + j] + count(b) * (d * d);
    }
    c.out<double>(0)[j] = mean;
    c.out<double>(1)[j] = square / double(rows);
  });
}
const char* checkStatistics(const Call& c) {
  if (c.ints[0] < 1) return "statistics need at least one row";
  if (c.length(0) != c.ints[1] || c.length(1) != c.ints[1]) return "a mean and a variance for each channel";
  return checkRows(c, 2);
}
// Two numbers for each block and channel.
size_t blockSpace(int64_t rows, int64_t channels) {
  return rows == 0 || channels == 0 ? 0 : size_t(2 * tilesOf(rows, blockRows) * channels) * sizeof(double);
}
size_t statisticsSpace(const Call& c) { return blockSpace(c.ints[0], c.ints[1]); }

// As `settled` of native/kernels/optimizers.h: the average of a channel that went silent becomes 0, and evaluation stays fast.
template <class T> T settled(double average) {
  constexpr double smallest = double(std::numeric_limits<T>::min());
  return average < smallest && average > -smallest ? T(0) : T(average);
}

// Running mean and variance, and how many batches they have seen; mean, variance, momentum: the weight of the new value, or −1 for the
// average of all. The running variance is the unbiased one, of so many values; 0 where it is so already.
void run_batch_norm_running(const Call& c) {
  int32_t* const batches = c.out<int32_t>(2);
  *batches = *batches < INT32_MAX ? *batches + 1 : INT32_MAX;
  const double momentum = *c.in<double>(5), weight = momentum >= 0 ? momentum : 1.0 / double(*batches);
  const double unbiased = c.ints[0] == 0 ? 1.0 : double(c.ints[0]) / double(c.ints[0] - 1);
  byFloat(c, [&]<class T>() {
    for (int64_t j = 0; j < c.length(0); ++j) {
      T &mean = c.out<T>(0)[j], &variance = c.out<T>(1)[j];
      mean = settled<T>((1.0 - weight) * double(mean) + weight * c.in<double>(3)[j]);
      variance = settled<T>((1.0 - weight) * double(variance) + weight * (unbiased * c.in<double>(4)[j]));
    }
  });
}
const char* checkRunning(const Call& c) {
  if (c.ints[0] < 2 && c.ints[0] != 0) return "one value has no unbiased variance";
  if (c.length(2) != 1 || c.length(5) != 1) return "one count of batches, and one momentum";
  for (int i : {1, 3, 4})
    if (c.length(i) != c.length(0)) return "statistics of different lengths";
  return nullptr;
}
Refusal guardRunning(const Call& c) { return {*c.in<int32_t>(2) < 0 ? "a negative count of batches" : nullptr}; }

// ---- the map ----

double numberAt(const Operand& o, int64_t i) {
  return o.dtype == DType::float64 ? static_cast<const double*>(o.data)[i] : double(static_cast<const float*>(o.data)[i]);
}

// What the kernels want for each column of `width`, and for sixteen more: see Coefficient there. Never longer than the tensor.
struct Columns {
  int64_t width, apart;
  Columns(int64_t rows, int64_t channels)
      : width(tilesOf(wide, wholeWidth(channels)) * wholeWidth(channels)), apart((std::min(width, rows * channels) + 16 + 15) / 16 * 16) {}
  size_t space(int64_t size) const { return size_t(5 * apart * size); }
};

// Operands by their places; −1 for none.
struct Places { int mean, variance, gamma, beta, dGamma, dBeta; };

template <class T> const T* fillColumns(const Call& c, const Columns& columns, const Places& at, bool throughStatistics, void* memory) {
  const int64_t rows = c.ints[0], channels = c.ints[1], n = columns.apart;
  T* const out = static_cast<T*>(memory);
  const bool affine = at.gamma >= 0 && c.length(at.gamma) > 0, shifted = at.beta >= 0 && c.length(at.beta) > 0;
  const int64_t filled = std::min(channels, n);
  for (int64_t j = 0; j < filled; ++j) {
    const double mean = numberAt(c.operands[at.mean], j), inverse = 1.0 / __builtin_sqrt(numberAt(c.operands[at.variance], j) + c.reals[0]);
    const double scale = affine ? double(c.in<T>(at.gamma)[j]) * inverse : inverse;
    const T centre = T(mean);
    const double rest = mean - double(centre);
    out[j] = centre;
    out[n + j] = T(scale);
    out[2 * n + j] = T((shifted ? double(c.in<T>(at.beta)[j]) : 0.0) - rest * scale);
    if (at.dGamma < 0) continue;
    const double share = scale / double(rows), slope = throughStatistics ? -(share * inverse * double(c.in<T>(at.dGamma)[j])) : 0.0;
    out[3 * n + j] = T(slope);
    out[4 * n + j] = throughStatistics ? T(-(share * double(c.in<T>(at.dBeta)[j])) - slope * rest) : T(0);
  }
  for (int part = 0; part < (at.dGamma < 0 ? 3 : 5); ++part)
    for (int64_t j = filled; j < n; ++j) out[part * n + j] = out[part * n + j - filled];
  return out;
}

// `body(at, n, streaming)` for tiles of whole widths.
template <class S, class F> void forWidths(const Call& c, const Columns& columns, int64_t elements, F body) {
  const int64_t tile = std::max<int64_t>(1, elementTile / columns.width) * columns.width;
  const bool streaming = c.length(0) * int64_t(sizeof(S)) >= streamingBytes;
  parallelFor(tilesOf(elements, tile), [&](int64_t t, int) {
    body(t * tile, std::min(tile, elements - t * tile), streaming);
    if (streaming) kernelsOf<Arithmetic<S>>().fence();
  });
}

// With a residual it is added, and ReLU comes behind.
void run_batch_norm(const Call& c) {
  if (c.length(0) == 0) return;
  const int64_t rows = c.ints[0], channels = c.ints[1], row = c.fused.row;
  const Columns columns(rows, channels);
  byStored(c, [&]<class S>() {
    const auto* coefficients = fillColumns<Arithmetic<S>>(c, columns, {2, 3, 4, 5, -1, -1}, false, c.workspace);
    const S* second = c.fused.residual < 0 ? nullptr : c.in<S>(c.fused.residual);
    if (row > 0) {
      const int64_t perTile = std::max<int64_t>(1, elementTile / channels);
      parallelFor(tilesOf(rows, perTile), [&](int64_t tile, int) {
        for (int64_t r = tile * perTile; r < std::min(rows, (tile + 1) * perTile); ++r)
          storedKernels<S>().normalizeColumns(c.out<S>(0) + r * row, c.in<S>(1) + r * channels, second ? second + r * channels : nullptr,
                                          coefficients, columns.apart, columns.width, channels, c.fused.map >= 0, false);
      });
      return;
    }
    forWidths<S>(c, columns, c.length(0), [&](int64_t i, int64_t n, bool streaming) {
      storedKernels<S>().normalizeColumns(c.out<S>(0) + i, c.in<S>(1) + i, second ? second + i : nullptr, coefficients, columns.apart,
                                      columns.width, n, c.fused.map >= 0, streaming);
    });
  });
}
const char* checkStatisticsAt(const Call& c, int mean) {
  for (int i : {mean, mean + 1}) {
    if (c.length(i) != c.ints[1]) return "a mean and a variance for each channel";
    if (!isFloat(c.operands[i].dtype)) return "expected float32 or float64 statistics";
  }
  return nullptr;
}
const char* checkAffine(const Call& c, int gamma, int beta) {
  for (int i : {gamma, beta})
    if (c.length(i) != 0 && c.length(i) != c.ints[1]) return "a factor and a shift for each channel, or none";
  return nullptr;
}
// The first `same` operands have the shape of x.
const char* checkSame(const Call& c, std::initializer_list<int> same) {
  for (int i : same)
    if (const char* problem = checkRows(c, i)) return problem;
  return nullptr;
}
const char* checkMap(const Call& c) {
  if (c.fused.map >= 0 && OpCode(c.fused.map) != OpCode::relu) return "ReLU is the only map behind it";
  if (c.fused.residual >= 0 && c.fused.map < 0) return "a residual is added before a map";
  if (c.fused.residual >= 0)
    if (const char* problem = checkRows(c, c.fused.residual)) return problem;
  if (c.fused.row > 0 && lengthInColumns(c.ints[0], c.ints[1], c.fused.row) != c.length(0)) return "the output does not fit its columns";
  if (const char* problem = checkSame(c, {c.fused.row > 0 ? 1 : 0, 1})) return problem;
  if (const char* problem = checkStatisticsAt(c, 2)) return problem;
  return checkAffine(c, 4, 5);
}
size_t columnsSpace(const Call& c) {
  return c.ints[0] == 0 || c.ints[1] == 0 ? 0 : Columns(c.ints[0], c.ints[1]).space(dtypeSize(c.dtype));
}

// ---- gradients ----

// dγ = Σ g·x̂ and dβ = Σ g over the rows; dy, x, mean, variance. g is dy, or what a ReLU behind the norm lets through of it. Mask recomputed:
// where γ·x̂ + β is above 0; kept: where y is, and g is one more output.
void run_batch_norm_gradients(const Call& c) {
  const int64_t rows = c.ints[0], channels = c.ints[1], blocks = blocksOf(rows, channels);
  const Places at = {c.outputs + 2, c.outputs + 3, c.fused.gamma, c.fused.betaAt, -1, -1};
  const bool rectified = c.fused.mask == Fused::Mask::recomputed;
  byStored(c, [&]<class S>() {
    using T = Arithmetic<S>;
    if (rows == 0 || channels == 0) {
      for (int i : {0, 1})
        for (int64_t j = 0; j < channels; ++j) c.out<T>(i)[j] = T(0);
      return;
    }
    const Columns columns(rows, channels);
    double *sums = static_cast<double*>(c.workspace), *products = sums + blocks * channels;
    const T* coefficients = fillColumns<T>(c, columns, at, false, products + blocks * channels);
    const S *dy = c.input<S>(0), *x = c.input<S>(1), *y = c.fused.y < 0 ? nullptr : c.in<S>(c.fused.y);
    S* g = y ? c.out<S>(c.fused.keptAt) : nullptr;
    const bool streaming = g && streamable(g, channels, rows * channels, int64_t(sizeof(S)));
    forStrips(rows, channels, [&](const Strip& s) {
      alignas(64) T found[2 * mostColumns];
      storedKernels<S>().columnGradients(found, g ? g + s.from : nullptr, dy + s.from, x + s.from, y ? y + s.from : nullptr,
                                     coefficients + s.channel, columns.apart, s.rows, s.last, s.columns, s.stride, rectified, streaming);
      if (streaming) kernelsOf<T>().fence();
      s.fold(found, [&](int64_t j, double sum, double product) {
        sums[s.block * channels + j] = sum;
        products[s.block * channels + j] = product;
      });
    });
    forChannels(channels, [&](int64_t j) {
      double sum = 0, product = 0;
      for (int64_t b = 0; b < blocks; ++b) {
        sum += sums[b * channels + j];
        product += products[b * channels + j];
      }
      const double mean = numberAt(c.operands[at.mean], j), inverse = 1.0 / __builtin_sqrt(numberAt(c.operands[at.variance], j) + c.reals[0]);
      c.out<T>(0)[j] = T((product - (mean - double(T(mean))) * sum) * inverse);
      c.out<T>(1)[j] = T(sum);
    });
  });
}
const char* checkSums(const Call& c, int dGamma) {
  return c.length(dGamma) == c.ints[1] && c.length(dGamma + 1) == c.ints[1] ? nullptr : "a gradient by the factor and one by the shift for each channel";
}
const char* checkGradients(const Call& c) {
  if (const char* problem = checkSame(c, {c.outputs, c.outputs + 1})) return problem;
  if (const char* problem = checkStatisticsAt(c, c.outputs + 2)) return problem;
  if (c.fused.keptAt >= 0)
    if (const char* problem = checkSame(c, {c.fused.keptAt, c.fused.y})) return problem;
  if (c.fused.gamma >= 0)
    if (const char* problem = checkAffine(c, c.fused.gamma, c.fused.betaAt)) return problem;
  return checkSums(c, 0);
}
size_t gradientsSpace(const Call& c) { return blockSpace(c.ints[0], c.ints[1]) + columnsSpace(c); }

// dx = γ/σ·(g − dβ/rows − x̂·dγ/rows), or γ/σ·g where mean and variance do not depend on x; dy, x, mean, variance, γ, dγ, dβ
void run_batch_norm_backward(const Call& c) {
  if (c.length(0) == 0) return;
  const Columns columns(c.ints[0], c.ints[1]);
  byStored(c, [&]<class S>() {
    const auto* coefficients = fillColumns<Arithmetic<S>>(c, columns, {3, 4, 5, c.fused.betaAt, 6, 7}, c.ints[2] != 0, c.workspace);
    forWidths<S>(c, columns, c.length(0), [&](int64_t i, int64_t n, bool streaming) {
      storedKernels<S>().normalizeColumnsBackward(c.out<S>(0) + i, c.in<S>(1) + i, c.in<S>(2) + i, coefficients, columns.apart, columns.width,
                                                  n, c.fused.mask == Fused::Mask::recomputed, streaming);
    });
  });
}
const char* checkBackward(const Call& c) {
  if (const char* problem = checkSame(c, {0, 1, 2})) return problem;
  if (const char* problem = checkStatisticsAt(c, 3)) return problem;
  if (const char* problem = checkAffine(c, 5, c.fused.betaAt < 0 ? 5 : c.fused.betaAt)) return problem;
  return c.ints[2] == 0 ? checkAffine(c, 6, 7) : checkSums(c, 6);
}

}  // namespace

extern const OpFunctions op_batch_norm_statistics = {run_batch_norm_statistics, checkStatistics, statisticsSpace};
extern const OpFunctions op_batch_norm_running = {run_batch_norm_running, checkRunning, nullptr, guardRunning, 2};
extern const OpFunctions op_batch_norm = {run_batch_norm, checkMap, columnsSpace};
extern const OpFunctions op_batch_norm_gradients = {run_batch_norm_gradients, checkGradients, gradientsSpace};
extern const OpFunctions op_batch_norm_backward = {run_batch_norm_backward, checkBackward, columnsSpace};

}  // namespace nodegrad::ops
