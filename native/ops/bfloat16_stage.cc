// Copies bands of images for products that read them where they lie, and gathers patches of those whose pixels are too short for that.
#include "bfloat16_stage.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

namespace nodegrad {
namespace {

constexpr int64_t half = bfloat16Step / 2;
constexpr int64_t leastRows = 64, mostRows = 512;  // of a tile
constexpr int64_t mostBytes = 256 << 10;           // of a stage, so that a near cache holds it beside weights
constexpr int64_t manyWeights = 256 << 10;         // that every tile would fetch from farther away: it has the most rows, and shares them by columns
constexpr int64_t beyond = 128;                    // what whole vectors read and write behind the last number
constexpr int64_t gatheredNumbers = 8192;          // at a time

}  // namespace

StagedPhase::Side::Side(const Axis& a) {
  taps = a.taps;
  tapStep = a.tapStep;
  low = taps > 0 ? std::min<int64_t>(0, (taps - 1) * tapStep) : 0;
  first = a.first + low;
  // Of a single tap only what it reads.
  every = taps == 1 ? a.step : 1;
  step = taps == 1 ? 1 : a.step;
}

StagedPhase::StagedPhase(const Phase& phase, int64_t images, const bfloat16* source, int64_t first, int64_t columns, int64_t* table)
    : phase_(phase), images_(images), source_(source), first_(first), product_(bfloat16Product()), v_(phase.v), h_(phase.h),
      pixels_(phase.group % (product_.wholeSteps ? bfloat16Step : half) == 0), numberBytes_(pixels_ ? product_.numberBytes : 2),
      pixel_(phase.group * numberBytes_), line_(h_.size(phase.h.positions) * pixel_), patch_(divideUp(phase.width(), bfloat16Step) * bfloat16Step),
      table_(table) {
  const int64_t length = phase.h.positions, inImage = phase.v.positions, lines = images * inImage;
  const int64_t rows = phase.width() * columns > manyWeights ? mostRows : std::clamp(lines * length / 16, leastRows, mostRows);
  const int64_t bytes = std::max<int64_t>(1, pixels_ ? line_ * v_.step : length * patch_ * product_.numberBytes);
  tile_ = std::clamp<int64_t>(std::min(rows / length, mostBytes / bytes), 1, lines);
  // Whole images, or equal parts of one.
  tile_ = tile_ >= inImage ? tile_ / inImage * inImage : divideUp(inImage, divideUp(inImage, tile_));
  if (!table || phase.width() == 0) return;
  const auto place = [&](int64_t tap) { return v_.tap(tap / phase.h.taps) * line_ + h_.tap(tap % phase.h.taps) * pixel_; };
  for (int64_t i = 0; i < halvesOf(phase); ++i) {
    const int64_t k = i * half;
    table[i] = !pixels_ ? k * product_.numberBytes : k >= phase.width() ? -1 : place(k / phase.group) + k % phase.group * numberBytes_;
  }
  for (int64_t i = 0; i < pieces(); ++i) table[halvesOf(phase) + i] = place(i * (phase.v.taps * phase.h.taps / pieces())) / 2;
}

Bfloat16Stage StagedPhase::stage(bool places) const {
  Bfloat16Stage s;
  s.lines = images_ * phase_.v.positions;
  s.length = phase_.h.positions;
  s.tile = tile_;
  s.row = pixels_ ? h_.step * pixel_ : patch_ * product_.numberBytes;
  // Strips may end with rows that are nobody's.
  s.size = (pixels_ ? bandSize() : patchesSize() + bandSize() + size_t(together() * patch_) * 2 + beyond) + size_t(product_.rowUnit * s.row) + beyond;
  s.joined = !pixels_ || (phase_.v.taps == 1 && phase_.h.taps == 1);
  s.halves = table_;
  s.context = this;
  s.fill = [](const void* context, int64_t line, int64_t lines, char* to) {
    const StagedPhase& self = *static_cast<const StagedPhase*>(context);
    if (self.pixels_) self.fillBand(line, lines, to);
    else self.fillPatches(line, lines, to);
  };
  s.placeOf = [](const void* context, int64_t first, int64_t line) {
    const StagedPhase& self = *static_cast<const StagedPhase*>(context);
    return self.bandLines(first, line) * self.line_;
  };
  s.rowOf = nullptr;
  s.apart = 1;
  if (places) {
    s.rowOf = [](const void* context, int64_t line) {
      const Axis &v = static_cast<const StagedPhase*>(context)->phase_.v, &h = static_cast<const StagedPhase*>(context)->phase_.h;
      return (line / v.positions * v.toSize + v.toFirst + line % v.positions * v.toStep) * h.toSize + h.toFirst;
    };
    s.apart = phase_.h.toStep;
  }
  return s;
}

// Lines of the band that begins with position `first` before what position `line` reads: images have zeros of their own.
int64_t StagedPhase::bandLines(int64_t first, int64_t line) const {
  const int64_t inImage = phase_.v.positions, images = line / inImage - first / inImage;
  if (images == 0) return (line - first) * v_.step;
  return v_.size(inImage - first % inImage) + (images - 1) * v_.size(inImage) + line % inImage * v_.step;
}
size_t StagedPhase::bandSize() const {
  const int64_t inImage = phase_.v.positions, images = tile_ % inImage == 0 ? tile_ / inImage : (tile_ - 1) / inImage + 2;
  return size_t((tile_ * v_.step + images * (v_.size(1) + 1)) * line_) + beyond;
}
size_t StagedPhase::patchesSize() const { return size_t(tile_ * phase_.h.positions * patch_ * product_.numberBytes); }
int64_t StagedPhase::together() const { return std::clamp<int64_t>(gatheredNumbers / std::max<int64_t>(patch_, 1), 1, phase_.h.positions); }

void StagedPhase::fillBand(int64_t line, int64_t lines, char* to) const {
  if (phase_.width() == 0) return;
  const int64_t inImage = phase_.v.positions;
  for (int64_t done = 0; done < lines;) {
    const int64_t image = (line + done) / inImage, i = (line + done) % inImage, here = std::min(lines - done, inImage - i);
    for (int64_t s = i * v_.step; s < i * v_.step + v_.size(here); ++s, to += line_) {
      const int64_t y = v_.first + s * v_.every;
      if (y < 0 || y >= phase_.v.size) std::memset(to, 0, size_t(line_));
      else fillLine(source_ + ((image * phase_.v.size + y) * phase_.h.size) * phase_.channels + first_, to);
    }
    done += here;
  }
}

void StagedPhase::fillLine(const bfloat16* row, char* to) const {
  const int64_t size = h_.size(phase_.h.positions), channels = phase_.channels, group = phase_.group;
  const int64_t begin = std::clamp<int64_t>(divideUp(std::max<int64_t>(0, -h_.first), h_.every), 0, size);
  const int64_t room = phase_.h.size - 1 - h_.first, end = std::clamp<int64_t>(room < 0 ? 0 : room / h_.every + 1, begin, size);
  const auto copy = [&](const bfloat16* from, char* out, int64_t n) {
    if (pixels_) product_.arrange(out, from, n);
    else std::memcpy(out, from, size_t(n) * 2);
  };
  std::memset(to, 0, size_t(begin * pixel_));
  const bfloat16* const from = row + (h_.first + begin * h_.every) * channels;
  if (h_.every == 1 && group == channels) copy(from, to + begin * pixel_, (end - begin) * group);
  else
    for (int64_t s = begin; s < end; ++s) copy(from + (s - begin) * h_.every * channels, to + s * pixel_, group);
  std::memset(to + end * pixel_, 0, size_t((size - end) * pixel_));
}

// Rows of the patches; behind them the band, and what is gathered at a time.
void StagedPhase::fillPatches(int64_t line, int64_t lines, char* to) const {
  if (phase_.width() == 0) return;
  char* const band = to + patchesSize();
  bfloat16* const gathered = reinterpret_cast<bfloat16*>(band + bandSize());
  fillBand(line, lines, band);
  const int64_t length = phase_.h.positions, most = together();
  for (int64_t i = 0; i < lines; ++i) {
    const bfloat16* const from = reinterpret_cast<const bfloat16*>(band + bandLines(line, line + i) * line_);
    for (int64_t j = 0; j < length; j += most) {
      const int64_t count = std::min(most, length - j), step = h_.step * phase_.group;
      kernels().bf16.gatherPieces(gathered, patch_, from + j * step, step, count, table_ + halvesOf(phase_), pieces(), phase_.width() / pieces());
      product_.arrange(to + (i * length + j) * patch_ * product_.numberBytes, gathered, count * patch_);
    }
  }
}

}  // namespace nodegrad
