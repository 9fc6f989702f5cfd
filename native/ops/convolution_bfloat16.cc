// The products that convolutions of bfloat16 are, forward and for the input gradient: staged pixels, and turned weights.
#include "convolution_bfloat16.h"

#include <algorithm>
#include <cstring>

#include "bfloat16_stage.h"
#include "phases.h"

namespace nodegrad::bfloat16Convolution {
namespace {

// For an input gradient: lane is an input channel of the group, k is (tap of the phase, output channel of the group).
struct TurnedWeights {
  const Convolution& s;
  Phase phase;
  const bfloat16* w;  // of the group

  static void rows(const void* context, int64_t lane, int64_t lanes, int64_t k, int64_t count, bfloat16* to, int64_t row) {
    const auto& [s, f, w] = *static_cast<const TurnedWeights*>(context);
    for (int64_t filled = 0, part; filled < count; filled += part) {
      const int64_t at = (k + filled) / f.group, skip = (k + filled) % f.group;
      part = std::min(f.group - skip, count - filled);
      const int64_t a = f.v.tapFirst + at / f.h.taps * f.v.tapEvery, b = f.h.tapFirst + at % f.h.taps * f.h.tapEvery;
      const bfloat16* const tap = w + ((a * s.kw + b) * s.inputs() + lane) * s.k + skip;
      for (int64_t c = 0; c < lanes; ++c) std::memcpy(to + c * row + filled, tap + c * s.k, size_t(part) * 2);
    }
  }
};

// A column of pixels is a row of them: lines should be long.
Convolution lying(Convolution s) {
  if (s.w != 1 || s.ow != 1 || s.kw != 1) return s;
  std::swap(s.h, s.w);
  std::swap(s.oh, s.ow);
  std::swap(s.kh, s.kw);
  std::swap(s.strideH, s.strideW);
  std::swap(s.padTop, s.padLeft);
  std::swap(s.dilationH, s.dilationW);
  return s;
}

bool isPointwise(const Convolution& s) {
  return s.taps() == 1 && s.strideH == 1 && s.strideW == 1 && s.padTop == 0 && s.padLeft == 0 && s.oh == s.h && s.ow == s.w;
}

// f(index of the phase) for those that have inputs.
template <class F> void eachPhase(const Convolution& s, F f) {
  for (int64_t i = 0; i < std::min(s.strideH, s.h); ++i)
    for (int64_t j = 0; j < std::min(s.strideW, s.w); ++j) f(i * s.strideW + j);
}

GemmBfloat16 forwardProduct(const Convolution& s, const Bfloat16Stage* stage, const bfloat16* x, const bfloat16* w, void* y, bool wide) {
  GemmBfloat16 g{};
  g.m = s.pixels();
  g.n = s.outputs();
  g.k = s.taps() * s.inputs();
  g.a = narrowMatrix(x, s.c, 1);
  g.stage = stage;
  g.b = narrowMatrix(w, 1, s.k);
  g.c = y;
  g.ldc = s.k;
  g.wide = wide;
  return g;
}

GemmBfloat16 inputProduct(const Convolution& s, const Phase& f, const Bfloat16Stage* stage, const bfloat16* dy, const TurnedWeights& weights, void* dx,
                          bool wide) {
  GemmBfloat16 g{};
  g.m = s.n * f.area();
  g.n = s.inputs();
  g.k = f.width();
  g.a = narrowMatrix(dy, s.k, 1);
  g.stage = stage;
  g.b = {{nullptr, std::max<int64_t>(g.k, 2), 1, false}, TurnedWeights::rows, &weights};
  g.c = dx;
  g.ldc = s.c;
  g.wide = wide;
  return g;
}

size_t tableSize(const Phase& f) { return size_t(padded<int64_t>(StagedPhase::tableOf(f))) * 8 + 64; }
void* channelsOf(void* p, bool wide, int64_t first) { return static_cast<char*>(p) + first * (wide ? 4 : 2); }

}  // namespace

size_t forwardWorkspace(const Convolution& given) {
  const Convolution s = lying(given);
  const Phase f = forwardPhase(s);
  const Bfloat16Stage stage = StagedPhase(f, s.n, nullptr, 0, s.outputs(), nullptr).stage(false);
  return tableSize(f) + gemmBfloat16Workspace(forwardProduct(s, isPointwise(s) ? nullptr : &stage, nullptr, nullptr, nullptr, false));
}
void forward(const Convolution& given, const bfloat16* x, const bfloat16* w, void* y, bool wide, const Epilogue<float>& epilogue, void* workspace) {
  const Convolution s = lying(given);
  const Phase f = forwardPhase(s);
  for (int64_t g = 0; g < s.groups; ++g) {
    const StagedPhase staged(f, s.n, x, g * s.inputs(), s.outputs(), aligned<int64_t>(workspace));
    const Bfloat16Stage stage = staged.stage(false);
    const int64_t first = g * s.outputs();
    GemmBfloat16 product = forwardProduct(s, isPointwise(s) ? nullptr : &stage, x + g * s.inputs(), w + first, channelsOf(y, wide, first), wide);
    product.epilogue = epilogue.at(0, first);
    gemmBfloat16(product, static_cast<char*>(workspace) + tableSize(f));
  }
}

size_t inputGradientWorkspace(const Convolution& given) {
  const Convolution s = lying(given);
  size_t most = 0;
  eachPhase(s, [&](int64_t index) {
    const Phase f = backwardPhase(s, index);
    const Bfloat16Stage stage = StagedPhase(f, s.n, nullptr, 0, s.inputs(), nullptr).stage(true);
    const TurnedWeights weights = {s, f, nullptr};
    most = std::max(most, tableSize(f) + gemmBfloat16Workspace(inputProduct(s, f, isPointwise(s) ? nullptr : &stage, nullptr, weights, nullptr, false)));
  });
  return most;
}
void inputGradient(const Convolution& given, const bfloat16* dy, const bfloat16* w, void* dx, bool wide, const Epilogue<float>& epilogue,
                   const bfloat16* y, void* workspace) {
  const Convolution s = lying(given);
  for (int64_t g = 0; g < s.groups; ++g)
    eachPhase(s, [&](int64_t index) {
      const Phase f = backwardPhase(s, index);
      const StagedPhase staged(f, s.n, dy, g * s.outputs(), s.inputs(), aligned<int64_t>(workspace));
      const Bfloat16Stage stage = staged.stage(true);
      const TurnedWeights weights = {s, f, w + g * s.outputs()};
      const int64_t first = g * s.inputs();
      GemmBfloat16 product =
          inputProduct(s, f, isPointwise(s) ? nullptr : &stage, dy + g * s.outputs(), weights, channelsOf(dx, wide, first), wide);
      product.epilogue = epilogue.at(0, first);
      product.y = y ? y + first : nullptr;
      gemmBfloat16(product, static_cast<char*>(workspace) + tableSize(f));
    });
}

}  // namespace nodegrad::bfloat16Convolution
