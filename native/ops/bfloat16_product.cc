// Chooses the way that computes products of bfloat16, after a test of its bits.
#include "../runtime/environment.h"
#include "../runtime/fpstate.h"
#include "gemm_bfloat16.h"

namespace nodegrad {
namespace {

const char* problem = nullptr;
const char* chosen = nullptr;

// A multiplicative generator: it need not be good.
struct Numbers {
  uint64_t state = 88172645463325252u;
  uint32_t next() { return uint32_t((state = state * 6364136223846793005u + 1442695040888963407u) >> 32); }
};

// Whether 64 random blocks have the bits of the scalar definition: of any bit pattern, of common sizes, near underflow and near overflow.
bool hasBits(const Bfloat16Product& way) {
  constexpr int64_t mostRows = 32, columns = bfloat16Panel, steps = 2, k = steps * bfloat16Step;
  const Bfloat16Product& definition = scalarKernels().bf16.fma;
  const int64_t rows = way.rows;
  Numbers numbers;
  bfloat16 a[mostRows * k], b[k * columns];
  int64_t halves[2 * steps];
  alignas(64) float packedA[mostRows * k], packedB[k / 2 * columns], sums[2][mostRows * columns];
  for (int block = 0; block < 64; ++block) {
    constexpr uint32_t low[] = {0, 115, 58, 188}, range[] = {256, 20, 12, 6};  // of exponents
    const int kind = block % 4;
    const auto draw = [&]() -> uint16_t {
      const uint32_t r = numbers.next();
      return uint16_t((r & 0x807f) | (low[kind] + (r >> 16) % range[kind]) << 7);
    };
    for (bfloat16& x : a) x.bits = draw();
    for (bfloat16& x : b) x.bits = draw();
    for (int i = 0; i < 2; ++i) {
      const Bfloat16Product& product = i == 0 ? definition : way;
      for (int64_t row = 0; row < rows; row += product.rows) {
        const int64_t m = rows - row < product.rows ? rows - row : product.rows;
        for (int64_t half = 0; half < 2 * steps; ++half) halves[half] = half * (bfloat16Step / 2) * product.numberBytes;
        product.packRows({a + row * k, k, 1, false}, m, k, packedA);
        const Bfloat16Rows packed = {reinterpret_cast<const char*>(packedA), k * product.numberBytes, halves};
        for (int64_t step = 0; step < steps; ++step)
          product.packColumns({b + step * bfloat16Step * columns, 1, columns, false}, columns, columns, bfloat16Step, packedB + step * columns * 16);
        const FlushDenormals flush;
        if (product.enter) product.enter();
        product.multiply(m, columns, steps, packed, packedB, sums[i] + row * columns, columns, false);
        product.multiply(m, columns, steps, packed, packedB, sums[i] + row * columns, columns, true);
        if (product.leave) product.leave();
      }
    }
    for (int64_t i = 0; i < rows * columns; ++i) {
      const bool bothNaN = sums[0][i] != sums[0][i] && sums[1][i] != sums[1][i];
      if (!bothNaN && __builtin_memcmp(sums[0] + i, sums[1] + i, 4) != 0) return false;
    }
  }
  return true;
}

const Bfloat16Product& choose() {
  const Bfloat16Kernels& own = kernels().bf16;
  const CpuFeatures& cpu = cpuFeatures();
  enum { automatic, fma, dot, tiles, longFma };
  const int named = variableChoice("NODEGRAD_BFLOAT16", {"auto", "fma", "avx512_bf16", "amx", "neon_bf16"});
  const int wanted = named < 0 ? automatic : named;
  if (own.tiles && cpu.amx_bf16 && (wanted == automatic || wanted == tiles)) {
    const char* const refused = requestTiles();
    if (!refused && hasBits(*own.tiles)) return *own.tiles;
    problem = refused ? refused : "AMX does not compute what is documented";
  }
  // Of the makers that have VDPBF16PS, Intel's takes twice as long as an FMA for twice the work, AMD's half of that.
  if (own.dot && cpu.avx512_bf16 && (wanted == dot || (wanted == automatic && cpu.amd))) {
    if (hasBits(*own.dot)) return *own.dot;
    problem = "VDPBF16PS does not compute what is documented";
  }
  if (own.dot && cpu.neon_bf16 && (wanted == automatic || wanted == longFma)) {
    if (hasBits(*own.dot)) return *own.dot;
    problem = "BFMLAL does not compute what is documented";
  }
  if (wanted > fma && !problem) problem = "NODEGRAD_BFLOAT16 asks for what this CPU does not have";
  if (wanted > fma) refuseVariable(problem);
  return own.fma;
}

}  // namespace

const Bfloat16Product& bfloat16Product() {
  static const Bfloat16Product& product = [] () -> const Bfloat16Product& {
    const Bfloat16Product& p = choose();
    chosen = p.name;
    return p;
  }();
  return product;
}

const char* bfloat16ProductName() { return chosen; }
const char* bfloat16ProductProblem() { return problem; }

}  // namespace nodegrad
