// Stages what the positions of a phase read, as rows of A of a bfloat16 product.
//
// Where a pixel has a multiple of 16 channels (of 32 for AMX), a band of lines is copied with zeros around it, arranged as the way wants it: a
// row of A is a pixel, and a half of a step are channels of a tap, at a constant offset. Else the numbers of each position are gathered, whole
// kernel rows at a time.
#pragma once
#include "convolution.h"
#include "gemm_bfloat16.h"
#include "phases.h"

namespace nodegrad {

class StagedPhase {
 public:
  // The channels [first, first + phase.group) of a source, for a product of so many columns; `table` is room for tableOf(phase) numbers, or
  // null where only sizes are asked for.
  StagedPhase(const Phase& phase, int64_t images, const bfloat16* source, int64_t first, int64_t columns, int64_t* table);
  static int64_t tableOf(const Phase& phase) { return halvesOf(phase) + phase.v.taps * phase.h.taps; }

  // For a product of images·phase.area() rows; it holds on to this object. Lines go one behind the other, or with `places` to those of the phase.
  Bfloat16Stage stage(bool places) const;

 private:
  // Staged along an axis: place s is source first + s·every; position p and tap t read place p·step + t·tapStep − low.
  struct Side {
    int64_t first, every, step, tapStep, low, taps;
    explicit Side(const Axis&);
    int64_t size(int64_t positions) const { return (positions - 1) * step + (taps > 0 ? (taps - 1) * (tapStep < 0 ? -tapStep : tapStep) : 0) + 1; }
    int64_t tap(int64_t t) const { return t * tapStep - low; }
  };

  const Phase phase_;
  const int64_t images_;
  const bfloat16* const source_;
  const int64_t first_;
  const Bfloat16Product& product_;
  const Side v_, h_;
  const bool pixels_;           // rows of A are pixels, else patches
  const int64_t numberBytes_;   // of the band
  const int64_t pixel_, line_;  // bytes of the band
  const int64_t patch_;         // numbers of a patch, whole steps
  int64_t tile_;                // lines
  const int64_t* const table_;  // of halves, then of pieces of a patch in the band

  static int64_t halvesOf(const Phase& phase) { return 2 * divideUp(phase.width(), bfloat16Step); }
  // A piece of a patch is a kernel row where its taps are neighbours, else a tap.
  int64_t pieces() const { return phase_.v.taps * (h_.tapStep == 1 ? 1 : phase_.h.taps); }
  int64_t bandLines(int64_t first, int64_t line) const;
  size_t bandSize() const;
  size_t patchesSize() const;
  int64_t together() const;
  void fillBand(int64_t line, int64_t lines, char* to) const;
  void fillLine(const bfloat16* row, char* to) const;
  void fillPatches(int64_t line, int64_t lines, char* to) const;
};

}  // namespace nodegrad
