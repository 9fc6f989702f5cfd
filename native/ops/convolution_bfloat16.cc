// Gathers patches and turned weights for the products that convolutions of bfloat16 are.
#include "convolution_bfloat16.h"

#include <algorithm>
#include <cstring>

#include "phases.h"

namespace nodegrad::bfloat16Convolution {
namespace {

// What the positions of a phase read, of the channels [first, first + group) of a source.
struct Patches {
  Phase phase;
  const bfloat16* source;
  int64_t first;

  // Taps of a kernel row lie one behind the other where they are neighbours in the source and the group has all channels.
  bool rowsTogether() const { return phase.h.tapStep == 1 && phase.group == phase.channels; }

  // Numbers [k, k + count) of the patches of positions [position, position + positions), counted through all images: rows of `row`.
  void copy(int64_t position, int64_t positions, int64_t k, int64_t count, bfloat16* to, int64_t row) const {
    const Axis &v = phase.v, &h = phase.h;
    const bool together = rowsTogether();
    const int64_t unit = together ? h.taps * phase.group : phase.group, units = together ? 1 : h.taps, channels = phase.channels;
    const int64_t line = h.size * channels;
    stretches(phase, position, positions, [&](int64_t image, int64_t i, int64_t j, int64_t length, int64_t done) {
      bfloat16* const out = to + done * row;
      int64_t at = k / unit, skip = k % unit;
      for (int64_t filled = 0, part; filled < count; filled += part, ++at, skip = 0) {
        part = std::min(unit - skip, count - filled);
        const int64_t y = v.source(i, at / units);
        const bfloat16* const from = y < 0 || y >= v.size ? nullptr : source + (image * v.size + y) * line;
        for (int64_t p = 0; p < length; ++p) {
          // Of the part, what lies inside of the line.
          const int64_t begin = h.source(j + p, at % units) * channels + first + skip;
          const int64_t low = from ? std::clamp<int64_t>(-begin, 0, part) : part, high = from ? std::clamp<int64_t>(line - begin, low, part) : part;
          bfloat16* const place = out + p * row + filled;
          if (low > 0) std::memset(place, 0, size_t(low) * 2);
          if (high > low) std::memcpy(place + low, from + begin + low, size_t(high - low) * 2);
          if (high < part) std::memset(place + high, 0, size_t(part - high) * 2);
        }
      }
    });
  }
  static void rows(const void* context, int64_t lane, int64_t lanes, int64_t k, int64_t count, bfloat16* to, int64_t row) {
    static_cast<const Patches*>(context)->copy(lane, lanes, k, count, to, row);
  }
};

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

// The pixel of dx that a position of a phase is.
struct Places {
  const Convolution& s;
  Phase phase;

  static int64_t of(const void* context, int64_t position) {
    const auto& [s, f] = *static_cast<const Places*>(context);
    const int64_t image = position / f.area(), inside = position % f.area();
    const int64_t i = f.v.toFirst + inside / f.h.positions * f.v.toStep, j = f.h.toFirst + inside % f.h.positions * f.h.toStep;
    return (image * s.h + i) * s.w + j;
  }
};

bool isPointwise(const Convolution& s) {
  return s.taps() == 1 && s.strideH == 1 && s.strideW == 1 && s.padTop == 0 && s.padLeft == 0 && s.oh == s.h && s.ow == s.w;
}

// f(index of the phase) for those that have inputs.
template <class F> void eachPhase(const Convolution& s, F f) {
  for (int64_t i = 0; i < std::min(s.strideH, s.h); ++i)
    for (int64_t j = 0; j < std::min(s.strideW, s.w); ++j) f(i * s.strideW + j);
}

GemmBfloat16 forwardProduct(const Convolution& s, const Patches& patches, const bfloat16* w, void* y, bool wide) {
  GemmBfloat16 g{};
  g.m = s.pixels();
  g.n = s.outputs();
  g.k = s.taps() * s.inputs();
  if (isPointwise(s)) g.a = narrowMatrix(patches.source + patches.first, s.c, 1);
  else g.a = {{nullptr, g.k, 1, false}, Patches::rows, &patches};
  g.b = narrowMatrix(w, 1, s.k);
  g.c = y;
  g.ldc = s.k;
  g.wide = wide;
  return g;
}

GemmBfloat16 inputProduct(const Convolution& s, const Patches& patches, const TurnedWeights& weights, const Places& places, void* dx, bool wide) {
  const Phase& f = patches.phase;
  GemmBfloat16 g{};
  g.m = s.n * f.area();
  g.n = s.inputs();
  g.k = f.width();
  if (isPointwise(s)) g.a = narrowMatrix(patches.source + patches.first, s.k, 1);
  else g.a = {{nullptr, std::max<int64_t>(g.k, 2), 1, false}, Patches::rows, &patches};
  g.b = {{nullptr, std::max<int64_t>(g.k, 2), 1, false}, TurnedWeights::rows, &weights};
  g.c = dx;
  g.ldc = s.c;
  g.wide = wide;
  if (s.strideH > 1 || s.strideW > 1) {
    g.rowOf = Places::of;
    g.context = &places;
  }
  return g;
}

void* channelsOf(void* p, bool wide, int64_t first) { return static_cast<char*>(p) + first * (wide ? 4 : 2); }

}  // namespace

size_t forwardWorkspace(const Convolution& s) {
  const Patches none = {forwardPhase(s), nullptr, 0};
  return gemmBfloat16Workspace(forwardProduct(s, none, nullptr, nullptr, false));
}
void forward(const Convolution& s, const bfloat16* x, const bfloat16* w, void* y, bool wide, const Epilogue<float>& epilogue, void* workspace) {
  for (int64_t g = 0; g < s.groups; ++g) {
    const Patches patches = {forwardPhase(s), x, g * s.inputs()};
    const int64_t first = g * s.outputs();
    GemmBfloat16 product = forwardProduct(s, patches, w + first, channelsOf(y, wide, first), wide);
    product.epilogue = epilogue.at(0, first);
    gemmBfloat16(product, workspace);
  }
}

size_t inputGradientWorkspace(const Convolution& s) {
  size_t most = 0;
  eachPhase(s, [&](int64_t index) {
    const Phase f = backwardPhase(s, index);
    const Patches none = {f, nullptr, 0};
    const TurnedWeights weights = {s, f, nullptr};
    const Places places = {s, f};
    most = std::max(most, gemmBfloat16Workspace(inputProduct(s, none, weights, places, nullptr, false)));
  });
  return most;
}
void inputGradient(const Convolution& s, const bfloat16* dy, const bfloat16* w, void* dx, bool wide, const Epilogue<float>& epilogue,
                   const bfloat16* y, void* workspace) {
  for (int64_t g = 0; g < s.groups; ++g)
    eachPhase(s, [&](int64_t index) {
      const Phase f = backwardPhase(s, index);
      const Patches patches = {f, dy, g * s.outputs()};
      const TurnedWeights weights = {s, f, w + g * s.outputs()};
      const Places places = {s, f};
      const int64_t first = g * s.inputs();
      GemmBfloat16 product = inputProduct(s, patches, weights, places, channelsOf(dx, wide, first), wide);
      product.epilogue = epilogue.at(0, first);
      product.y = y ? y + first : nullptr;
      gemmBfloat16(product, workspace);
    });
}

}  // namespace nodegrad::bfloat16Convolution
