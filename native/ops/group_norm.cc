// Group normalization of [examples, positions, channels]: mean and variance of each group of neighbouring channels of an example.
//
// y = (x − mean)·(γ / √(variance + eps)) + β. Layer norm is one group with one position, instance norm a group for each channel. Where the mean
// is not taken away, it counts as 0, and the variance is that around 0, the mean square: root mean square norm.
// ints: examples, positions, channels, groups, whether the mean is taken away. γ and β may be empty: 1 and 0.
#include <algorithm>

#include "../kernels/table.h"
#include "../runtime/pool.h"
#include "moments.h"
#include "op.h"
#include "stored.h"

namespace nodegrad::ops {
namespace {

constexpr int64_t blockRows = 256;
constexpr int64_t most = 256;  // channels that are summed together
constexpr int64_t apart = most + 16;

// Kernels read whole vectors of coefficients, whose rows are `apart`: zeros behind the last column.
template <class T> void endRows(T* coefficients, int rows, int64_t columns) {
  for (int i = 0; i < rows; ++i) std::fill_n(coefficients + i * apart + columns, 16, T(0));
}

struct Sizes {
  int64_t examples, positions, channels, groups;
  int64_t perGroup() const { return channels / groups; }
  // Channels of a strip: as many whole groups as fit, or one large group.
  int64_t strip() const { return perGroup() <= most ? std::min(channels, most / perGroup() * perGroup()) : perGroup(); }
  int64_t strips() const { return tilesOf(channels, strip()); }
};
bool centred(const Call& c) { return c.ints[4] != 0; }
Sizes sizesOf(const Call& c) { return {c.ints[0], c.ints[1], c.ints[2], c.ints[3]}; }

// `body(from, rows, channel, columns)` for blocks of rows of channels [begin, end) of one example, at most 256 columns at once.
template <class F> void forBlocks(const Sizes& s, int64_t example, int64_t begin, int64_t end, F body) {
  for (int64_t r = 0; r < s.positions; r += blockRows)
    for (int64_t j = begin; j < end; j += most)
      body((example * s.positions + r) * s.channels + j, std::min(blockRows, s.positions - r), j, std::min(most, end - j));
}

// `body(group, first, last)` for the groups that columns from `channel` on have a part in.
template <class F> void forGroups(const Sizes& s, int64_t channel, int64_t columns, F body) {
  for (int64_t j = 0; j < columns;) {
    const int64_t group = (channel + j) / s.perGroup(), first = j;
    j = std::min(columns, (group + 1) * s.perGroup() - channel);
    body(group, first, j);
  }
}

// Mean and Σ (x − mean)² of a group, which grow block by block (Chan, Golub & LeVeque 1979).
struct Moments {
  double count, mean, squares;
  void join(double n, double pivot, double sum, double square) {
    const double rest = square - sum * (sum / n), d = pivot + sum / n - mean, all = count + n;
    squares += (rest < 0 ? 0 : rest) + d * d * (count * (n / all));
    mean += d * (n / all);
    count = all;
  }
};

template <class S> void moments(const Sizes& s, const S* x, int64_t example, int64_t begin, int64_t end, double* mean, double* variance) {
  using T = Arithmetic<S>;
  alignas(64) T narrow[2 * most];
  alignas(64) S pivot[most];
  alignas(64) double wide[2 * most];
  Moments found[most];
  std::fill_n(found, (end - begin) / s.perGroup(), Moments{0, 0, 0});
  struct { double sum, square; } parts[most];
  forBlocks(s, example, begin, end, [&](int64_t from, int64_t rows, int64_t channel, int64_t columns) {
    const auto countOf = [rows](int64_t first, int64_t last) { return double(rows * (last - first)); };
    // One pivot for a group within a block: the differences of its channels add up.
    forGroups(s, channel, columns, [&](int64_t, int64_t first, int64_t last) { std::fill(pivot + first, pivot + last, x[from + first]); });
    const auto areSound = [&](const auto* sums) {
      bool sound = true;
      forGroups(s, channel, columns, [&](int64_t group, int64_t first, int64_t last) {
        double sum = 0, square = 0;
        for (int64_t j = first; j < last; ++j) {
          sum += double(sums[j]);
          square += double(sums[columns + j]);
        }
        parts[group - begin / s.perGroup()] = {sum, square};
        sound = sound && isSound<T>(square - sum * (sum / countOf(first, last)), square);
      });
      return sound;
    };
    storedKernels<S>().columnMoments(narrow, x + from, pivot, rows, 0, columns, s.channels);
    if (!areSound(narrow)) {
      storedKernels<S>().columnMomentsWide(wide, x + from, pivot, rows, 0, columns, s.channels);
      areSound(wide);
    }
    forGroups(s, channel, columns, [&](int64_t group, int64_t first, int64_t last) {
      const auto [sum, square] = parts[group - begin / s.perGroup()];
      found[group - begin / s.perGroup()].join(countOf(first, last), double(T(pivot[first])), sum, square);
    });
  });
  for (int64_t g = 0; g < (end - begin) / s.perGroup(); ++g) {
    mean[g] = found[g].mean;
    variance[g] = found[g].squares / found[g].count;
  }
}

// Statistics of one group.
struct Group {
  double mean, inverse;
  Group(double m, double variance, double eps) : mean(m), inverse(1.0 / __builtin_sqrt(variance + eps)) {}
  // What a mean loses when it is rounded to T.
  template <class T> double rest() const { return mean - double(T(mean)); }
};

template <class F> void forStrips(const Sizes& s, F body) {
  parallelFor(s.examples * s.strips(), [&](int64_t tile, int) {
    const int64_t begin = tile % s.strips() * s.strip();
    body(tile / s.strips(), begin, std::min(s.channels, begin + s.strip()));
  });
}

void run_group_norm(const Call& c) {
  if (c.length(0) == 0) return;
  const Sizes s = sizesOf(c);
  byStored(c, [&]<class S>() {
    using T = Arithmetic<S>;
    const S* x = c.in<S>(3);
    const T *gamma = c.length(4) ? c.in<T>(4) : nullptr, *beta = c.length(5) ? c.in<T>(5) : nullptr;
    forStrips(s, [&](int64_t example, int64_t begin, int64_t end) {
      const int64_t at = example * s.groups, width = s.perGroup();
      double *mean = c.out<double>(1) + at, *variance = c.out<double>(2) + at;
      moments(s, x, example, begin, end, mean + begin / width, variance + begin / width);
      for (int64_t g = begin / width; !centred(c) && g < end / width; ++g) {
        variance[g] += mean[g] * mean[g];
        mean[g] = 0;
      }
      alignas(64) T coefficients[3 * apart];
      for (int64_t channel = begin; channel < end; channel += most) {
        const int64_t columns = std::min(most, end - channel);
        endRows(coefficients, 3, columns);
        forGroups(s, channel, columns, [&](int64_t g, int64_t first, int64_t last) {
          const Group group(mean[g], variance[g], c.reals[0]);
          for (int64_t j = first; j < last; ++j) {
            const double scale = group.inverse * (gamma ? double(gamma[channel + j]) : 1.0);
            coefficients[j] = T(group.mean);
            coefficients[apart + j] = T(scale);
            coefficients[2 * apart + j] = T((beta ? double(beta[channel + j]) : 0.0) - group.rest<T>() * scale);
          }
        });
        for (int64_t r = 0; r < s.positions; ++r) {
          const int64_t from = (example * s.positions + r) * s.channels + channel;
          storedKernels<S>().normalizeColumns(c.out<S>(0) + from, x + from, nullptr, coefficients, apart, apart, columns, false, false);
        }
      }
    });
  });
}

const char* checkSizes(const Call& c, std::initializer_list<int> whole, int mean) {
  const Sizes s = sizesOf(c);
  if (s.groups < 1 || s.channels < 1 || s.channels % s.groups != 0) return "groups must divide the channels";
  const int64_t size = checkedProduct(checkedProduct(s.examples, s.positions), s.channels), groups = checkedProduct(s.examples, s.groups);
  for (int i : whole)
    if (size < 0 || c.length(i) != size) return "a tensor does not have examples × positions × channels elements";
  return c.length(mean) == groups && c.length(mean + 1) == groups ? nullptr : "a mean and a variance for each group of an example";
}
const char* checkEach(const Call& c, int i, bool needed) {
  return c.length(i) == c.ints[2] || (!needed && c.length(i) == 0) ? nullptr : "a number for each channel";
}
const char* checkGroupNorm(const Call& c) {
  if (const char* problem = checkSizes(c, {0, 3}, 1)) return problem;
  // An example without positions has no mean.
  if (c.ints[1] < 1) return "statistics need at least one position";
  const char* problem = checkEach(c, 4, false);
  return problem ? problem : checkEach(c, 5, false);
}

// ---- gradients ----

// `take(group, first, last, Σ dy, Σ dy·(x − mean))` for the channels [begin, end) of an example, block by block: what channels [first, last) of a
// group have in it, an array of sums each.
template <class S, class F>
void sumGradients(const Sizes& s, const S* dy, const S* x, const double* mean, int64_t example, int64_t begin, int64_t end, F take) {
  using T = Arithmetic<S>;
  alignas(64) T narrow[2 * most], centre[apart];
  double sums[most], products[most];
  const double* const own = mean + example * s.groups;
  forBlocks(s, example, begin, end, [&](int64_t from, int64_t rows, int64_t channel, int64_t columns) {
    endRows(centre, 1, columns);
    forGroups(s, channel, columns, [&](int64_t g, int64_t first, int64_t last) { std::fill(centre + first, centre + last, T(own[g])); });
    storedKernels<S>().columnGradients(narrow, nullptr, dy + from, x + from, nullptr, centre, apart, rows, 0, columns, s.channels, false, false);
    forGroups(s, channel, columns, [&](int64_t g, int64_t first, int64_t last) {
      const double rest = own[g] - double(T(own[g]));
      for (int64_t j = first; j < last; ++j) {
        sums[j] = double(narrow[j]);
        products[j] = double(narrow[columns + j]) - rest * sums[j];
      }
      take(g, channel + first, channel + last, sums + first, products + first);
    });
  });
}

// dγ = Σ dy·x̂, dβ = Σ dy over examples and positions. Tiles of at least 64 channels, if there are as many: fewer are summed in another order.
void run_group_norm_gradients(const Call& c) {
  const Sizes s = sizesOf(c);
  const int64_t tiles = std::max<int64_t>(1, s.channels / 64);
  const auto borderOf = [&](int64_t tile) { return tile == tiles ? s.channels : s.channels * tile / tiles / 16 * 16; };
  byStored(c, [&]<class S>() {
    using T = Arithmetic<S>;
    parallelFor(tiles, [&](int64_t tile, int) {
      const int64_t begin = borderOf(tile), end = borderOf(tile + 1);
      double allProducts[most] = {}, allSums[most] = {};
      for (int64_t example = 0; example < s.examples; ++example)
        sumGradients(s, c.in<S>(2), c.in<S>(3), c.in<double>(4), example, begin, end,
                     [&](int64_t g, int64_t first, int64_t last, const double* sums, const double* products) {
                       const int64_t at = example * s.groups + g;
                       const double inverse = Group(c.in<double>(4)[at], c.in<double>(5)[at], c.reals[0]).inverse;
                       for (int64_t j = 0; j < last - first; ++j) {
                         allSums[first - begin + j] += sums[j];
                         allProducts[first - begin + j] += products[j] * inverse;
                       }
                     });
      for (int64_t channel = begin; channel < end; ++channel) {
        c.out<T>(0)[channel] = T(allProducts[channel - begin]);
        c.out<T>(1)[channel] = T(allSums[channel - begin]);
      }
    });
  });
}
const char* checkGroupNormGradients(const Call& c) {
  if (const char* problem = checkSizes(c, {2, 3}, 4)) return problem;
  const char* problem = checkEach(c, 0, true);
  return problem ? problem : checkEach(c, 1, true);
}

// dx = (γ·dy − mean of γ·dy − x̂·mean of γ·dy·x̂) / σ, the means over a group
void run_group_norm_backward(const Call& c) {
  if (c.length(0) == 0) return;
  const Sizes s = sizesOf(c);
  byStored(c, [&]<class S>() {
    using T = Arithmetic<S>;
    const S *dy = c.in<S>(1), *x = c.in<S>(2);
    const T* gamma = c.length(5) ? c.in<T>(5) : nullptr;
    const double *mean = c.in<double>(3), *variance = c.in<double>(4);
    forStrips(s, [&](int64_t example, int64_t begin, int64_t end) {
      const int64_t width = s.perGroup(), at = example * s.groups;
      double allSums[most], allProducts[most];
      std::fill_n(allSums, (end - begin) / width, 0.0);
      std::fill_n(allProducts, (end - begin) / width, 0.0);
      sumGradients(s, dy, x, mean, example, begin, end,
                   [&](int64_t g, int64_t first, int64_t last, const double* sums, const double* products) {
                     double sum = allSums[g - begin / width], product = allProducts[g - begin / width];
                     for (int64_t j = 0; j < last - first; ++j) {
                       const double factor = gamma ? double(gamma[first + j]) : 1.0;
                       sum += factor * sums[j];
                       product += factor * products[j];
                     }
                     allSums[g - begin / width] = sum;
                     allProducts[g - begin / width] = product;
                   });
      alignas(64) T coefficients[5 * apart];
      for (int64_t channel = begin; channel < end; channel += most) {
        const int64_t columns = std::min(most, end - channel);
        endRows(coefficients, 5, columns);
        forGroups(s, channel, columns, [&](int64_t g, int64_t first, int64_t last) {
          const int64_t own = g - begin / width;
          const Group group(mean[at + g], variance[at + g], c.reals[0]);
          const double share = group.inverse / double(s.positions * width), slope = -(share * group.inverse * group.inverse * allProducts[own]);
          const double shift = (centred(c) ? -(share * allSums[own]) : 0.0) - slope * group.rest<T>();
          std::fill(coefficients + first, coefficients + last, T(group.mean));
          std::fill(coefficients + 3 * apart + first, coefficients + 3 * apart + last, T(slope));
          std::fill(coefficients + 4 * apart + first, coefficients + 4 * apart + last, T(shift));
          for (int64_t j = first; j < last; ++j) coefficients[apart + j] = T(group.inverse * (gamma ? double(gamma[channel + j]) : 1.0));
        });
        for (int64_t r = 0; r < s.positions; ++r) {
          const int64_t from = (example * s.positions + r) * s.channels + channel;
          storedKernels<S>().normalizeColumnsBackward(c.out<S>(0) + from, dy + from, x + from, coefficients, apart, apart, columns, false, false);
        }
      }
    });
  });
}
const char* checkGroupNormBackward(const Call& c) {
  if (const char* problem = checkSizes(c, {0, 1, 2}, 3)) return problem;
  return checkEach(c, 5, false);
}

}  // namespace

extern const OpFunctions op_group_norm = {run_group_norm, checkGroupNorm};
extern const OpFunctions op_group_norm_gradients = {run_group_norm_gradients, checkGroupNormGradients};
extern const OpFunctions op_group_norm_backward = {run_group_norm_backward, checkGroupNormBackward};

}  // namespace nodegrad::ops
