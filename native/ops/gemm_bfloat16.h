// Matrix products of bfloat16 operands, summed in float32: the same bits by FMAs, by VDPBF16PS and by AMX, for any number of threads.
//
// The definition is what AMX's TDPBF16PS does. k is cut into steps of 32 at multiples of 32, the last one padded with zeros. In a step the
// 16 even k are one chain of fused multiply-adds from +0, the 16 odd ones another, and c = c + (even + odd), c starting from +0. All of it
// in float32, to nearest even, where a denormal number is zero, both as an operand and as a result (tininess found after rounding). Where
// k > 4096 it is cut into blocks of 2048, and their sums are added by the tree of neighbours that gemm.h defines. From there on, as in any
// product and with denormal numbers: the epilogue, and where the result is bfloat16 one rounding to nearest even, a denormal number to zero.
// On processors without such a mode (not x86-64) denormal numbers are not flushed.
#pragma once
#include <cstddef>
#include <cstdint>

#include "../kernels/table.h"

namespace nodegrad {

// An operand: a matrix, or blocks that a function writes. A lane is a row of A or a column of B.
struct Bfloat16Source {
  Bfloat16Block matrix;
  // Where there is one: writes lanes [lane, lane + lanes) and steps [k, k + count) to `to`, rows of `row` numbers: a row for each
  // lane, or for each k where matrix.lane is 1.
  void (*gather)(const void* context, int64_t lane, int64_t lanes, int64_t k, int64_t count, bfloat16* to, int64_t row) = nullptr;
  const void* context = nullptr;
};
inline Bfloat16Source narrowMatrix(const bfloat16* data, int64_t lane, int64_t k) { return {{data, lane, k, false}}; }
// float32, rounded when it is packed.
inline Bfloat16Source wideMatrix(const float* data, int64_t lane, int64_t k) { return {{data, lane, k, true}}; }

// Rows of A that a function stages as the way reads them: lines of neighbours. A tile is some lines, staged once for all columns.
struct Bfloat16Stage {
  int64_t lines, length;  // m = lines·length
  int64_t tile;           // lines
  size_t size;            // bytes of a staged tile, with what whole strips read behind their rows
  int64_t row;            // bytes from one row of a line to the next
  bool joined;            // all rows of a tile are that far apart
  const int64_t* halves;  // as in Bfloat16Rows, of all steps
  const void* context;
  // Stages lines [line, line + lines).
  void (*fill)(const void* context, int64_t line, int64_t lines, char* to);
  // Bytes from the stage that begins with line `first` to a line of it; not asked for where they are joined.
  int64_t (*placeOf)(const void* context, int64_t first, int64_t line);
  // Where there is one: the row of C (and of y) that a line begins with; its next rows are `apart` further each.
  int64_t (*rowOf)(const void* context, int64_t line);
  int64_t apart;
};

struct GemmBfloat16 {  // C[m, n] = epilogue(A[m, k] · B[k, n])
  int64_t m, n, k;
  Bfloat16Source a;  // lanes are rows: a.matrix.lane is the stride of a row
  Bfloat16Source b;  // lanes are columns
  void* c;
  int64_t ldc;
  bool wide;  // C is float32, else bfloat16
  Epilogue<float> epilogue = {};
  const bfloat16* y = nullptr;  // in place of the epilogue's: [m, n], rows of epilogue.yRow
  const Bfloat16Stage* stage = nullptr;  // in place of A
};

// Bytes of workspace for the thread count in force.
size_t gemmBfloat16Workspace(const GemmBfloat16&);
void gemmBfloat16(const GemmBfloat16&, void* workspace);

// The way that computes them, chosen when it is first asked for: NODEGRAD_BFLOAT16=auto|fma|avx512_bf16|amx|neon_bf16. All but FMAs serve only
// if 64 random blocks have the bits of the scalar definition.
const Bfloat16Product& bfloat16Product();
// Its name, and why a better one does not serve; null before the choice, or where there is nothing to say.
const char* bfloat16ProductName();
const char* bfloat16ProductProblem();

}  // namespace nodegrad
