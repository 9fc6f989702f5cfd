// Elementwise operations: same-shape maps, and broadcasting ones over collapsed dimensions.
#include "../kernels/table.h"
#include "../runtime/pool.h"
#include "fused.h"
#include "op.h"
#include "stored.h"

namespace nodegrad::ops {
namespace {

// ---- same shape ----

const char* sameLengths(const Call& c) {
  for (int i = 1; i < c.operandCount; ++i)
    if (c.length(i) != c.length(0)) return "operands of different lengths";
  return nullptr;
}

template <class T, class F> void forTiles(int64_t n, F body) {
  parallelFor(tilesOf(n, elementTile), [&](int64_t tile, int) {
    const int64_t at = tile * elementTile;
    body(at, n - at < elementTile ? n - at : elementTile);
  });
}

template <class T> T parameterOf(const Call& c, int i) { return i < c.realCount ? T(c.reals[i]) : T(0); }

// y = f(x), or dx = f'(·)·dy, block by block where something is stored as bfloat16.
template <class T, class F> bool mapNarrow(const Call& c, F f) {
  if (!anyNarrow(c)) return false;
  forTiles<T>(c.length(0), [&](int64_t begin, int64_t count) {
    alignas(64) T parts[3][storedBlock];
    const Result<T> result{c.operands[0], parts[0]};
    forBlocks(begin, count, [&](int64_t at, int64_t n) {
      f(result.at(at), widened(c.operands[1], at, n, parts[1]), c.operandCount > 2 ? widened(c.operands[2], at, n, parts[2]) : nullptr, n);
      result.done(at, n);
    });
  });
  return true;
}

template <class T> void mapSame(const Call& c, MapKernel<T> kernel) {
  const T alpha = parameterOf<T>(c, 0), beta = parameterOf<T>(c, 1);
  if (mapNarrow<T>(c, [=](T* y, const T* x, const T*, int64_t n) { kernel(y, x, n, false, alpha, beta); })) return;
  T* y = c.out<T>(0);
  const T* x = c.in<T>(1);
  const bool streaming = c.length(0) * int64_t(sizeof(T)) >= streamingBytes;
  forTiles<T>(c.length(0), [=](int64_t at, int64_t n) {
    kernel(y + at, x + at, n, streaming, alpha, beta);
    if (streaming) kernelsOf<T>().fence();
  });
}

template <class T> void mapSameBackward(const Call& c, MapBackwardKernel<T> kernel) {
  const T alpha = parameterOf<T>(c, 0), beta = parameterOf<T>(c, 1);
  if (mapNarrow<T>(c, [=](T* dx, const T* dy, const T* y, int64_t n) { kernel(dx, dy, y, n, false, alpha, beta); })) return;
  T* dx = c.out<T>(0);
  const T *dy = c.in<T>(1), *y = c.in<T>(2);
  const bool streaming = c.length(0) * int64_t(sizeof(T)) >= streamingBytes;
  forTiles<T>(c.length(0), [=](int64_t at, int64_t n) {
    kernel(dx + at, dy + at, y + at, n, streaming, alpha, beta);
    if (streaming) kernelsOf<T>().fence();
  });
}

#define MAP(op, kernel, parameters, ...) \
  void run_##op(const Call& c) { byFloat(c, [&]<class T>() { mapSame<T>(c, kernelsOf<T>().kernel); }); }
#define MAP_BACKWARD(op, kernel, parameters, ...) \
  void run_##op(const Call& c) { byFloat(c, [&]<class T>() { mapSameBackward<T>(c, kernelsOf<T>().kernel); }); }
#include "../kernels/maps.def"
#undef MAP
#undef MAP_BACKWARD

void run_accumulate(const Call& c) {
  byFloat(c, [&]<class T>() {
    if (anyNarrow(c)) {
      return forTiles<T>(c.length(0), [&](int64_t begin, int64_t count) {
        alignas(64) T parts[2][storedBlock];
        forBlocks(begin, count, [&](int64_t at, int64_t n) {
          const T *y = widened(c.operands[0], at, n, parts[0]), *x = widened(c.operands[1], at, n, parts[1]);
          kernelsOf<T>().add(parts[0], y, 1, x, 1, n, false);
          store(c.operands[0], at, n, parts[0]);
        });
      });
    }
    forTiles<T>(c.length(0), [&](int64_t at, int64_t n) { kernelsOf<T>().accumulate(c.out<T>(0) + at, c.in<T>(1) + at, n); });
  });
}

// x *= factor in place. The factor is an operand, and rounded to T: it changes from step to step. By 1 nothing changes.
void run_scale_by(const Call& c) {
  byFloat(c, [&]<class T>() {
    const T factor = T(*c.in<double>(1));
    if (factor == T(1)) return;
    forTiles<T>(c.length(0), [&](int64_t at, int64_t n) {
      T* x = c.out<T>(0) + at;
      kernelsOf<T>().mul(x, x, 1, &factor, 0, n, false);
    });
  });
}
const char* checkScaleBy(const Call& c) { return c.length(1) == 1 ? nullptr : "scale_by needs one factor"; }

// ---- broadcasting ----

constexpr int maxRank = 8;
constexpr int maxBroadcast = 3;

// Dimensions of the output and, per input, element strides (0 where it is repeated). The innermost stride is 0 or 1.
struct Broadcast {
  int rank, inputs;
  const int64_t* dims;
  const int64_t* strides[maxBroadcast];
  int64_t inner() const { return rank ? dims[rank - 1] : 1; }
  int64_t step(int input) const { return rank ? strides[input][rank - 1] : 0; }
};

Broadcast broadcastOf(const Call& c) {
  Broadcast b{};
  b.rank = int(c.ints[0]);
  b.inputs = c.operandCount - 1;
  b.dims = c.ints + 1;
  for (int i = 0; i < b.inputs; ++i) b.strides[i] = c.ints + 1 + b.rank * (1 + i);
  return b;
}

const char* checkBroadcast(const Call& c) {
  if (c.intCount < 1 || c.ints[0] < 0 || c.ints[0] > maxRank || c.intCount != 1 + c.ints[0] * c.operandCount) return "malformed dimensions";
  const Broadcast b = broadcastOf(c);
  int64_t total = 1;
  for (int d = 0; d < b.rank; ++d) total = checkedProduct(total, b.dims[d]);
  if (total != c.length(0)) return "the output does not have as many elements as its dimensions say";
  if (total == 0) return nullptr;
  for (int i = 0; i < b.inputs; ++i) {
    int64_t last = 0;
    for (int d = 0; d < b.rank; ++d) {
      const int64_t part = checkedProduct(b.dims[d] - 1, b.strides[i][d]);
      if (part < 0 || __builtin_add_overflow(last, part, &last)) return "malformed strides";
    }
    if (last >= c.length(i + 1)) return "an input has fewer elements than its strides reach";
    if (b.step(i) > 1) return "the innermost stride must be 0 or 1";
  }
  return nullptr;
}

// Calls body(offset in the output, offsets in the inputs, n) for runs of the innermost dimension, and `finish` after each tile.
template <class F> void forRuns(const Broadcast& b, F body, void (*finish)() = nullptr) {
  const int64_t inner = b.inner();
  int64_t rows = 1;
  for (int d = 0; d + 1 < b.rank; ++d) rows *= b.dims[d];
  if (inner == 0 || rows == 0) return;
  // Short rows go together into a tile, a long one is cut into several.
  const int64_t rowsPerTile = inner >= elementTile ? 1 : (elementTile + inner - 1) / inner;
  const int64_t piece = inner > elementTile ? elementTile : inner;
  const int64_t pieces = tilesOf(inner, piece);
  parallelFor(tilesOf(rows, rowsPerTile) * pieces, [&](int64_t tile, int) {
    const int64_t first = tile / pieces * rowsPerTile, begin = tile % pieces * piece;
    const int64_t n = inner - begin < piece ? inner - begin : piece;
    const int64_t end = first + rowsPerTile < rows ? first + rowsPerTile : rows;
    int64_t index[maxRank] = {0}, offset[maxBroadcast] = {0};
    int64_t rest = first;
    for (int d = b.rank - 2; d >= 0; --d) {
      index[d] = rest % b.dims[d];
      rest /= b.dims[d];
      for (int i = 0; i < b.inputs; ++i) offset[i] += index[d] * b.strides[i][d];
    }
    for (int64_t row = first; row < end; ++row) {
      int64_t at[maxBroadcast];
      for (int i = 0; i < b.inputs; ++i) at[i] = offset[i] + begin * b.step(i);
      body(row * inner + begin, at, n);
      for (int d = b.rank - 2; d >= 0; --d) {
        for (int i = 0; i < b.inputs; ++i) offset[i] += b.strides[i][d];
        if (++index[d] < b.dims[d]) break;
        for (int i = 0; i < b.inputs; ++i) offset[i] -= b.dims[d] * b.strides[i][d];
        index[d] = 0;
      }
    }
    if (finish) finish();
  });
}

template <class T> using BinaryKernel = void (*)(T*, const T*, int, const T*, int, int64_t, bool);

// A run of c = f(a, b), block by block where something is stored as bfloat16; then the map of the result, if there is one.
template <class T> void runNarrow(const Call& c, const Broadcast& b, BinaryKernel<T> kernel, MapKernel<T> map) {
  const int aStep = int(b.step(0)), bStep = int(b.step(1));
  forRuns(b, [&](int64_t out, const int64_t* at, int64_t count) {
    alignas(64) T parts[3][storedBlock];
    const Result<T> result{c.operands[0], parts[0]};
    forBlocks(0, count, [&](int64_t i, int64_t n) {
      T* const y = result.at(out + i);
      const T* p = widened(c.operands[1], at[0] + i * aStep, aStep ? n : 1, parts[1]);
      const T* q = widened(c.operands[2], at[1] + i * bStep, bStep ? n : 1, parts[2]);
      kernel(y, p, aStep, q, bStep, n, false);
      if (map) map(y, y, n, false, T(c.fused.alpha), T(c.fused.beta));
      result.done(out + i, n);
    });
  });
}

template <class T> void mapBroadcast(const Call& c, BinaryKernel<T> kernel) {
  const Broadcast b = broadcastOf(c);
  if (anyNarrow(c)) return runNarrow<T>(c, b, kernel, nullptr);
  const bool streaming = c.length(0) * int64_t(sizeof(T)) >= streamingBytes;
  const int aStep = int(b.step(0)), bStep = int(b.step(1));
  forRuns(b, [&](int64_t out, const int64_t* at, int64_t n) {
    kernel(c.out<T>(0) + out, c.in<T>(1) + at[0], aStep, c.in<T>(2) + at[1], bStep, n, streaming);
  }, streaming ? kernelsOf<T>().fence : nullptr);
}

// The map of a sum is applied while its run is in the cache; ReLU has a kernel with the sum.
void run_add(const Call& c) {
  byFloat(c, [&]<class T>() {
    const auto& k = kernelsOf<T>();
    const Fused& f = c.fused;
    if (f.map < 0 || OpCode(f.map) == OpCode::relu) return mapBroadcast<T>(c, f.map < 0 ? k.add : k.addRelu);
    const Broadcast b = broadcastOf(c);
    const int aStep = int(b.step(0)), bStep = int(b.step(1));
    const MapKernel<T> map = mapKernel<T>(f.map);
    if (anyNarrow(c)) return runNarrow<T>(c, b, k.add, map);
    forRuns(b, [&](int64_t out, const int64_t* at, int64_t n) {
      T* const y = c.out<T>(0) + out;
      k.add(y, c.in<T>(1) + at[0], aStep, c.in<T>(2) + at[1], bStep, n, false);
      map(y, y, n, false, T(f.alpha), T(f.beta));
    });
  });
}

#define BROADCAST(op, kernel) \
  void run_##op(const Call& c) { byFloat(c, [&]<class T>() { mapBroadcast<T>(c, kernelsOf<T>().kernel); }); }

BROADCAST(sub, sub)
BROADCAST(mul, mul)
BROADCAST(div, div)
BROADCAST(minimum, minimumOf)
BROADCAST(maximum, maximumOf)
BROADCAST(pow, power)
BROADCAST(prelu, prelu)
BROADCAST(prelu_slope, preluSlope)

template <class F> void compare(const Call& c, F f) {
  const Broadcast b = broadcastOf(c);
  const int64_t aStep = b.step(0), bStep = b.step(1);
  byStorage(c.operands[1].dtype, [&]<class T>() {
    forRuns(b, [&](int64_t out, const int64_t* at, int64_t n) {
      uint8_t* y = c.out<uint8_t>(0) + out;
      const T *p = c.in<T>(1) + at[0], *q = c.in<T>(2) + at[1];
      for (int64_t i = 0; i < n; ++i) y[i] = f(p[i * aStep], q[i * bStep]);
    });
  });
}

void run_equal(const Call& c) { compare(c, [](auto a, auto b) { return a == b; }); }
void run_not_equal(const Call& c) { compare(c, [](auto a, auto b) { return a != b; }); }
void run_less(const Call& c) { compare(c, [](auto a, auto b) { return a < b; }); }
void run_less_equal(const Call& c) { compare(c, [](auto a, auto b) { return a <= b; }); }

void run_where(const Call& c) {
  const Broadcast b = broadcastOf(c);
  const int64_t cStep = b.step(0), aStep = b.step(1), bStep = b.step(2);
  byStorage(c.operands[0].dtype, [&]<class T>() {
    forRuns(b, [&](int64_t out, const int64_t* at, int64_t n) {
      T* y = c.out<T>(0) + out;
      const uint8_t* m = c.in<uint8_t>(1) + at[0];
      const T *p = c.in<T>(2) + at[1], *q = c.in<T>(3) + at[2];
      for (int64_t i = 0; i < n; ++i) y[i] = m[i * cStep] ? p[i * aStep] : q[i * bStep];
    });
  });
}

}  // namespace

#define DEFINE(op, check) extern const OpFunctions op_##op = {run_##op, check};
DEFINE(add, checkBroadcast)
DEFINE(sub, checkBroadcast)
DEFINE(mul, checkBroadcast)
DEFINE(div, checkBroadcast)
DEFINE(minimum, checkBroadcast)
DEFINE(maximum, checkBroadcast)
DEFINE(pow, checkBroadcast)
DEFINE(prelu, checkBroadcast)
DEFINE(prelu_slope, checkBroadcast)
DEFINE(equal, checkBroadcast)
DEFINE(not_equal, checkBroadcast)
DEFINE(less, checkBroadcast)
DEFINE(less_equal, checkBroadcast)
DEFINE(where, checkBroadcast)
#define MAP(op, kernel, parameters, ...) DEFINE(op, sameLengths)
#define MAP_BACKWARD(op, kernel, parameters, ...) DEFINE(op, sameLengths)
#include "../kernels/maps.def"
#undef MAP
#undef MAP_BACKWARD
DEFINE(accumulate, sameLengths)
DEFINE(scale_by, checkScaleBy)

}  // namespace nodegrad::ops
