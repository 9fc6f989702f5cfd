// Operations that move elements without computing: casts, strided copies, embedding, concatenation, rows by index.
#include <cstring>

#include "../kernels/table.h"
#include "../runtime/pool.h"
#include "op.h"

namespace nodegrad::ops {
namespace {

constexpr int maxRank = 8;

// Elements that are only moved need no type but their size.
template <class F> void bySize(DType d, F&& body) {
  switch (dtypeSize(d)) {
    case 1: return body.template operator()<uint8_t>();
    case 2: return body.template operator()<uint16_t>();
    case 8: return body.template operator()<uint64_t>();
    default: return body.template operator()<uint32_t>();
  }
}
// A call of memcpy takes longer than the few channels of a pixel; those of constant size are no calls.
template <class T> void copyRow(T* y, const T* x, int64_t n) {
  if (n >= 8) {
    std::memcpy(y, x, size_t(n) * sizeof(T));
    return;
  }
  const int64_t half = n & 4, quarter = half + (n & 2);
  if (n & 4) std::memcpy(y, x, 4 * sizeof(T));
  if (n & 2) std::memcpy(y + half, x + half, 2 * sizeof(T));
  if (n & 1) y[quarter] = x[quarter];
}
template <class F> void forTiles(int64_t n, F body) {
  parallelFor(tilesOf(n, elementTile), [&](int64_t tile, int) {
    const int64_t at = tile * elementTile;
    body(at, n - at < elementTile ? n - at : elementTile);
  });
}

// ---- cast ----

// Float to integer truncates towards zero and saturates; the guard below refuses NaN. uint8 from int32 saturates too.
template <class To, class From> To convert(From x) {
  if constexpr (To(0.5) != To(0)) return To(x);  // to a type of real numbers
  else {
    constexpr double low = sizeof(To) == 1 ? 0.0 : -2147483648.0, high = sizeof(To) == 1 ? 255.0 : 2147483647.0;
    const double d = double(x);
    if (!(d == d)) return To(0);
    return d <= low ? To(low) : d >= high ? To(high) : To(d);
  }
}
void run_cast(const Call& c) {
  const DType to = c.operands[0].dtype, from = c.operands[1].dtype;
  const Bfloat16Kernels& k = kernels().bf16;
  if (to == DType::bfloat16 && from == DType::float32)
    return forTiles(c.length(0), [&](int64_t at, int64_t n) { k.narrow(c.out<bfloat16>(0) + at, c.in<float>(1) + at, n); });
  if (to == DType::float32 && from == DType::bfloat16)
    return forTiles(c.length(0), [&](int64_t at, int64_t n) { k.widen(c.out<float>(0) + at, c.in<bfloat16>(1) + at, n); });
  byStorage(c.operands[0].dtype, [&]<class To>() {
    byStorage(c.operands[1].dtype, [&]<class From>() {
      forTiles(c.length(0), [&](int64_t at, int64_t n) {
        To* y = c.out<To>(0) + at;
        const From* x = c.in<From>(1) + at;
        for (int64_t i = 0; i < n; ++i) y[i] = convert<To>(x[i]);
      });
    });
  });
}
const char* checkCast(const Call& c) { return c.length(0) == c.length(1) ? nullptr : "operands of different lengths"; }
// A missing value would become a 0 that looks like any other.
Refusal guardCast(const Call& c) {
  Refusal refusal;
  const DType to = c.operands[0].dtype;
  if (isReal(to)) return refusal;
  byStorage(c.operands[1].dtype, [&]<class From>() {
    if constexpr (From(0.5) != From(0)) {
      const From* x = c.in<From>(1);
      bool found = false;  // no early end, so that the loop goes by vectors
      for (int64_t i = 0; i < c.length(1); ++i) found |= x[i] != x[i];
      if (found) refusal.what = "NaN is no number of an integer type", refusal.caller = "to";
    }
  });
  return refusal;
}

// ---- fill ----

void run_fill(const Call& c) {
  byStorage(c.operands[0].dtype, [&]<class T>() {
    const T value = convert<T>(c.reals[0]);
    forTiles(c.length(0), [&](int64_t at, int64_t n) {
      for (int64_t i = 0; i < n; ++i) c.out<T>(0)[at + i] = value;
    });
  });
}
const char* checkFill(const Call&) { return nullptr; }

// ---- copy_strided: y[i0, i1, …] = x[offset + Σ i·stride]; ints: offset, rank, dims, strides ----

void run_copy_strided(const Call& c) {
  if (c.length(0) == 0) return;
  // Neighbouring axes with one step between all of their elements are one axis: a slice of the channels has two.
  const int given = int(c.ints[1]);
  int64_t dims[maxRank + 1] = {1}, strides[maxRank + 1] = {0};
  int axes = 0;
  for (int d = 0; d < given; ++d) {
    const int64_t dim = c.ints[2 + d], stride = c.ints[2 + given + d];
    if (dim == 1) continue;
    if (axes > 0 && strides[axes - 1] == dim * stride) dims[axes - 1] *= dim, strides[axes - 1] = stride;
    else dims[axes] = dim, strides[axes++] = stride;
  }
  const int last = axes > 0 ? axes - 1 : 0;
  const int64_t inner = dims[last], step = strides[last], rows = c.length(0) / inner;
  // A tile is several rows, or a part of a long one.
  const int64_t parts = tilesOf(inner, elementTile), pieces = rows * parts, perTile = parts > 1 ? 1 : elementTile / inner;
  bySize(c.operands[0].dtype, [&]<class T>() {
    parallelFor(tilesOf(pieces, perTile), [&](int64_t tile, int) {
      const int64_t first = tile * perTile, end = first + perTile < pieces ? first + perTile : pieces;
      int64_t place[maxRank + 1], at = c.ints[0], rest = first / parts, from = first % parts * elementTile;
      for (int d = last - 1; d >= 0; --d) {
        place[d] = rest % dims[d];
        at += place[d] * strides[d];
        rest /= dims[d];
      }
      const int64_t count = inner - from < elementTile ? inner - from : elementTile;
      T* y = c.out<T>(0) + first / parts * inner + from;
      for (int64_t piece = first; piece < end; ++piece, y += count) {
        const T* x = c.in<T>(1) + at + from * step;
        if (step == 1) copyRow(y, x, count);
        else for (int64_t i = 0; i < count; ++i) y[i] = x[i * step];
        for (int d = last - 1; d >= 0; --d) {  // to the next row
          at += strides[d];
          if (++place[d] < dims[d]) break;
          at -= dims[d] * strides[d];
          place[d] = 0;
        }
      }
    });
  });
}
const char* checkCopyStrided(const Call& c) {
  if (c.intCount < 2 || c.ints[1] < 0 || c.ints[1] > maxRank || c.intCount != 2 + 2 * c.ints[1]) return "malformed dimensions";
  const int rank = int(c.ints[1]);
  int64_t total = 1, low = c.ints[0], high = c.ints[0];
  for (int d = 0; d < rank; ++d) {
    const int64_t dim = c.ints[2 + d], stride = c.ints[2 + rank + d];
    total = checkedProduct(total, dim);
    if (total <= 0) continue;
    int64_t reach;
    if (__builtin_mul_overflow(dim - 1, stride, &reach)) return "malformed strides";
    if (__builtin_add_overflow(reach < 0 ? low : high, reach, reach < 0 ? &low : &high)) return "malformed strides";
  }
  if (total != c.length(0)) return "the output does not have as many elements as its dimensions say";
  if (total > 0 && (low < 0 || high >= c.length(1))) return "the strides reach outside the input";
  return nullptr;
}

// ---- embed: y = value everywhere, x at `begin`; ints: rank, dims of y, dims of x, begin ----

void run_embed(const Call& c) {
  const int rank = int(c.ints[0]);
  const int64_t *outer = c.ints + 1, *dims = outer + rank, *begin = dims + rank;
  byStorage(c.operands[0].dtype, [&]<class T>() {
    const T value = convert<T>(c.reals[0]);
    forTiles(c.length(0), [&](int64_t at, int64_t n) {
      for (int64_t i = 0; i < n; ++i) c.out<T>(0)[at + i] = value;
    });
    if (c.length(1) == 0) return;
    const int64_t inner = rank ? dims[rank - 1] : 1, rows = c.length(1) / inner, perTile = elementTile / inner + 1;
    parallelFor(tilesOf(rows, perTile), [&](int64_t tile, int) {
      for (int64_t row = tile * perTile; row < (tile + 1) * perTile && row < rows; ++row) {
        int64_t rest = row, at = rank ? begin[rank - 1] : 0, stride = rank ? outer[rank - 1] : 1;
        for (int d = rank - 2; d >= 0; --d) {
          at += (begin[d] + rest % dims[d]) * stride;
          rest /= dims[d];
          stride *= outer[d];
        }
        std::memcpy(c.out<T>(0) + at, c.in<T>(1) + row * inner, size_t(inner) * sizeof(T));
      }
    });
  });
}
const char* checkEmbed(const Call& c) {
  if (c.intCount < 1 || c.ints[0] < 0 || c.ints[0] > maxRank || c.intCount != 1 + 3 * c.ints[0]) return "malformed dimensions";
  const int rank = int(c.ints[0]);
  int64_t out = 1, in = 1;
  for (int d = 0; d < rank; ++d) {
    const int64_t outer = c.ints[1 + d], dim = c.ints[1 + rank + d], begin = c.ints[1 + 2 * rank + d];
    out = checkedProduct(out, outer);
    in = checkedProduct(in, dim);
    if (begin < 0 || dim < 0 || dim > outer || begin > outer - dim) return "the inner block does not fit";
  }
  return out == c.length(0) && in == c.length(1) ? nullptr : "operands do not have as many elements as their dimensions say";
}

// ---- concat: [outer, inner_i] side by side; ints: outer, then inner per input ----

void run_concat(const Call& c) {
  const int64_t outer = c.ints[0], inputs = c.intCount - 1;
  int64_t width = 0;
  for (int64_t i = 0; i < inputs; ++i) width += c.ints[1 + i];
  if (width == 0) return;
  bySize(c.operands[0].dtype, [&]<class T>() {
    const int64_t perTile = elementTile / width + 1;
    parallelFor(tilesOf(outer, perTile), [&](int64_t tile, int) {
      for (int64_t row = tile * perTile; row < (tile + 1) * perTile && row < outer; ++row) {
        T* y = c.out<T>(0) + row * width;
        for (int64_t i = 0; i < inputs; ++i) {
          const int64_t inner = c.ints[1 + i];
          copyRow(y, c.in<T>(1 + int(i)) + row * inner, inner);
          y += inner;
        }
      }
    });
  });
}
const char* checkConcat(const Call& c) {
  if (c.operandCount < 2 || c.intCount != c.operandCount) return "malformed dimensions";
  int64_t width = 0;
  for (int i = 1; i < c.intCount; ++i) {
    if (checkedProduct(c.ints[0], c.ints[i]) != c.length(i)) return "an input does not have as many elements as its dimensions say";
    if (__builtin_add_overflow(width, c.ints[i], &width)) return "malformed dimensions";
  }
  return checkedProduct(c.ints[0], width) == c.length(0) ? nullptr : "the output does not have as many elements as its dimensions say";
}

// ---- gather_rows: y[i] = x[index[i]]; ints: rows of x, width ----

void run_gather_rows(const Call& c) {
  const int64_t width = c.ints[1], count = c.length(2);
  const int32_t* index = c.in<int32_t>(2);
  bySize(c.operands[0].dtype, [&]<class T>() {
    const int64_t perTile = elementTile / (width + 1) + 1;
    parallelFor(tilesOf(count, perTile), [&](int64_t tile, int) {
      for (int64_t i = tile * perTile; i < (tile + 1) * perTile && i < count; ++i)
        if (width) std::memcpy(c.out<T>(0) + i * width, c.in<T>(1) + indexBelow(index + i, c.ints[0]) * width, size_t(width) * sizeof(T));
    });
  });
}
// dx[index[i]] += dy[i], in the order of i, from zero or (third of the ints) from what is there: each tile owns some columns.
void run_scatter_add_rows(const Call& c) {
  const int64_t width = c.ints[1], count = c.length(2);
  const int32_t* index = c.in<int32_t>(2);
  byFloat(c, [&]<class T>() {
    const auto& k = kernelsOf<T>();
    constexpr int64_t columns = 1024;
    parallelFor(tilesOf(width, columns), [&](int64_t tile, int) {
      const int64_t j = tile * columns, n = width - j < columns ? width - j : columns;
      for (int64_t r = 0; !c.ints[2] && r < c.ints[0]; ++r) k.fill(c.out<T>(0) + r * width + j, T(0), n);
      for (int64_t i = 0; i < count; ++i) k.accumulate(c.out<T>(0) + indexBelow(index + i, c.ints[0]) * width + j, c.in<T>(1) + i * width + j, n);
    });
  });
}
const char* checkRowsAt(const Call& c, int table, int rows) {
  if (checkedProduct(c.ints[0], c.ints[1]) != c.length(table)) return "the table does not have rows × width elements";
  if (checkedProduct(c.length(2), c.ints[1]) != c.length(rows)) return "the rows do not have indices × width elements";
  return nullptr;
}
Refusal guardRows(const Call& c) {
  Refusal refusal = refuseOutside("row index", c.in<int32_t>(2), c.length(2), 0, c.ints[0] - 1);
  refusal.caller = "gather";
  return refusal;
}
const char* checkGatherRows(const Call& c) { return checkRowsAt(c, 1, 0); }
const char* checkScatterAddRows(const Call& c) { return checkRowsAt(c, 0, 1); }

}  // namespace

extern const OpFunctions op_cast = {run_cast, checkCast, nullptr, guardCast, 1};
extern const OpFunctions op_fill = {run_fill, checkFill};
extern const OpFunctions op_copy_strided = {run_copy_strided, checkCopyStrided};
extern const OpFunctions op_embed = {run_embed, checkEmbed};
extern const OpFunctions op_concat = {run_concat, checkConcat};
extern const OpFunctions op_gather_rows = {run_gather_rows, checkGatherRows, nullptr, guardRows, 2};
extern const OpFunctions op_scatter_add_rows = {run_scatter_add_rows, checkScatterAddRows, nullptr, guardRows, 2};

}  // namespace nodegrad::ops
