// What an augmentation is, and what one example draws for it: a map of coordinates, a matrix of colours, boxes to cut out.
#pragma once
#include "../kernels/table.h"
#include "op.h"

// ints: examples, images, height, width, channels, stages; then for each stage its kind, the height and width that it leaves, a mode and a
// number of pixels. reals: mean and standard deviation of each channel, in 0..1; then twelve for each stage.
//
// What moves pixels is composed into one map from the pixels of the batch to those of the image, what colours them into one matrix, each in the
// order of the stages: colours come after, then normalization, then what is cut out. Where the map is whole (crops and flips), bytes
// are moved; else the image is sampled once, bilinearly.
namespace nodegrad::ops {
namespace augmenting {

enum Kind : int64_t { crop, flip, affine, resizedCrop, lens, colour, components, cutout, kinds };
enum Border : int64_t { filled, reflected };

constexpr int64_t stageInts = 5, stageReals = 12, maxStages = 12, maxSide = 1 << 15, maxChannels = 4;
constexpr int64_t wordsPerStage = 16, wordsPerExample = 256;
constexpr int randomWords = 6;  // of the random state

struct Size { int64_t height, width; };
struct Box { int64_t top, left, bottom, right; };

struct Stage {
  Kind kind;
  Size in, out;
  int64_t mode, pixels;
  const double* reals;
  bool moves() const { return kind < colour; }
};

struct Augmentation {
  int64_t count, images, channels, stages;
  Size in, out;
  const double *mean, *std;
  Stage stage[maxStages];
  bool whole = true, colours = false;

  // Sizes are checked before.
  explicit Augmentation(const Call& c) {
    const int64_t* i = c.ints;
    count = i[0], images = i[1], in = {i[2], i[3]}, channels = i[4], stages = i[5];
    mean = c.reals, std = mean + channels;
    out = in;
    for (int64_t s = 0; s < stages; ++s) {
      const int64_t* d = i + 6 + s * stageInts;
      stage[s] = {Kind(d[0]), out, {d[1], d[2]}, d[3], d[4], std + channels + s * stageReals};
      out = stage[s].out;
      whole = whole && (stage[s].kind <= flip || !stage[s].moves());
      colours = colours || stage[s].kind == colour || stage[s].kind == components;
    }
  }
  int64_t inSize() const { return in.height * in.width * channels; }
  int64_t outRow() const { return out.width * channels; }
  int64_t outSize() const { return out.height * outRow(); }
};

// ---- what one example draws ----

inline double within(const double* range, double u) { return range[0] + (range[1] - range[0]) * u; }
// 0 … n − 1
inline int64_t below(int64_t n, double u) { return int64_t(double(n) * u); }

// Sine and cosine of an angle in degrees: exact at multiples of 90, elsewhere series on −45..45.
inline void sineCosine(double degrees, double* sine, double* cosine) {
  const double quarters = degrees / 90;
  const int64_t turn = int64_t(quarters + (quarters < 0 ? -0.5 : 0.5));
  const double x = (degrees - double(turn) * 90) * 0.017453292519943295, q = x * x;
  double s = 0, c = 0;
  for (int k = 9; k >= 0; --k) {
    s = 1 - s * q / double((2 * k + 2) * (2 * k + 3));
    c = 1 - c * q / double((2 * k + 1) * (2 * k + 2));
  }
  s *= x;
  const int64_t quadrant = (turn % 4 + 4) % 4;
  *sine = quadrant == 0 ? s : quadrant == 1 ? c : quadrant == 2 ? -s : -c;
  *cosine = quadrant == 0 ? c : quadrant == 1 ? -s : quadrant == 2 ? -c : s;
}

// Where a pixel of a stage's output comes from in its input; the first for moveCoordinates, the second for bendCoordinates.
struct Map { double m[8]; double bend; };

inline Map mapOf(const Stage& s, const double* u) {
  const double height = double(s.in.height), width = double(s.in.width), cx = (width - 1) / 2, cy = (height - 1) / 2;
  const double* r = s.reals;
  switch (s.kind) {
    case crop: {
      const double x = double(below(s.in.width + 2 * s.pixels - s.out.width + 1, u[0]) - s.pixels);
      const double y = double(below(s.in.height + 2 * s.pixels - s.out.height + 1, u[1]) - s.pixels);
      return {{1, 0, 0, 1, 0, 0, x, y}, 0};
    }
    case flip: {
      const bool drawn = u[0] < r[0], across = drawn && s.mode == 0, down = drawn && s.mode != 0;
      return {{across ? -1.0 : 1.0, 0, 0, down ? -1.0 : 1.0, 0, 0, across ? width - 1 : 0, down ? height - 1 : 0}, 0};
    }
    case affine: {
      // Out = rotation · shear · scale · in about the centre, then moved; here its inverse. y points down.
      double sine, cosine;
      sineCosine(within(r, u[0]), &sine, &cosine);
      const double y = within(r + 2, u[1]) * height, x = within(r + 4, u[2]) * width;
      const double sx = within(r + 6, u[3]), sy = sx * within(r + 8, u[4]), shear = within(r + 10, u[5]);
      return {{(cosine - shear * sine) / sx, (-sine - shear * cosine) / sx, sine / sy, cosine / sy, cx + x, cy + y, cx, cy}, 0};
    }
    case resizedCrop: {
      const double area = within(r, u[0]) * height * width, ratio = within(r + 2, u[1]);
      const double across = __builtin_sqrt(area * ratio), down = __builtin_sqrt(area / ratio);
      const double w = across < width ? across : width, h = down < height ? down : height;
      const double x = (width - w) * u[2], y = (height - h) * u[3];
      return {{w / double(s.out.width), 0, 0, h / double(s.out.height), -0.5, -0.5, x - 0.5, y - 0.5}, 0};
    }
    default: {  // lens: the corners are at distance 1 from the centre
      const double corner = cx * cx + cy * cy;
      return {{0, cx, cy}, corner > 0 ? within(r, u[0]) / corner : 0};
    }
  }
}

// M and o of recolourRow; `means` are those of the image's channels.
struct Colours {
  double m[3][3] = {{1, 0, 0}, {0, 1, 0}, {0, 0, 1}}, o[3] = {0, 0, 0};

  void times(double factor) {
    for (int i = 0; i < 3; ++i) {
      for (int j = 0; j < 3; ++j) m[i][j] *= factor;
      o[i] *= factor;
    }
  }
  // v ← factor·v + (1 − factor)·grey
  void towardsGrey(double factor, const double* luma) {
    Colours grey;
    for (int i = 0; i < 3; ++i) {
      for (int j = 0; j < 3; ++j) grey.m[i][j] = luma[0] * m[0][j] + luma[1] * m[1][j] + luma[2] * m[2][j];
      grey.o[i] = luma[0] * o[0] + luma[1] * o[1] + luma[2] * o[2];
    }
    for (int i = 0; i < 3; ++i) {
      for (int j = 0; j < 3; ++j) m[i][j] = factor * m[i][j] + (1 - factor) * grey.m[i][j];
      o[i] = factor * o[i] + (1 - factor) * grey.o[i];
    }
  }
  double greyOf(const double* luma, const double* means) const {
    double grey = 0;
    for (int i = 0; i < 3; ++i) grey += luma[i] * (m[i][0] * means[0] + m[i][1] * means[1] + m[i][2] * means[2] + o[i]);
    return grey;
  }
};

inline void jitter(Colours& colours, const Stage& s, const double* u, const double* means, int64_t channels) {
  static const double rgb[] = {0.299, 0.587, 0.114}, single[] = {1, 0, 0};
  const double* luma = channels == 3 ? rgb : single;
  colours.times(within(s.reals, u[0]));
  const double contrast = within(s.reals + 2, u[1]), grey = colours.greyOf(luma, means);
  colours.times(contrast);
  for (double& o : colours.o) o += (1 - contrast) * grey;
  if (channels == 3) colours.towardsGrey(within(s.reals + 4, u[2]), luma);
}

// α_i normal with deviation reals[9]; reals[3i … 3i + 2]: component i times its eigenvalue, for colours in 0..1
inline void shiftColours(Colours& colours, const Stage& s, const uint32_t* state, uint64_t word) {
  double alpha[3];
  kernelsOf<double>().randomNormal(alpha, state, word, 3, 0, s.reals[9]);
  for (int c = 0; c < 3; ++c) colours.o[c] += 255 * (alpha[0] * s.reals[c] + alpha[1] * s.reals[3 + c] + alpha[2] * s.reals[6 + c]);
}

inline Box boxOf(const Stage& s, const double* u) {
  if (!(u[2] < s.reals[0])) return {0, 0, 0, 0};
  const int64_t top = below(s.out.height, u[0]) - s.pixels / 2, left = below(s.out.width, u[1]) - s.mode / 2;
  const auto clamp = [](int64_t v, int64_t n) { return v < 0 ? 0 : v < n ? v : n; };
  return {clamp(top, s.out.height), clamp(left, s.out.width), clamp(top + s.pixels, s.out.height), clamp(left + s.mode, s.out.width)};
}

struct Draw {
  Map map[maxStages];
  Colours colours;
  Box box[maxStages];
  int64_t boxes = 0;

  Draw(const Augmentation& a, const uint8_t* image, const uint32_t* state, uint32_t key) {
    double means[3] = {0, 0, 0};
    if (a.colours) meansOf(a, image, means);
    for (int64_t s = 0; s < a.stages; ++s) {
      const Stage& stage = a.stage[s];
      const uint64_t word = uint64_t(key) * wordsPerExample + uint64_t(s * wordsPerStage);
      double u[wordsPerStage];
      kernelsOf<double>().randomUniform(u, state, word, wordsPerStage, 0, 1);
      if (stage.moves()) map[s] = mapOf(stage, u);
      else if (stage.kind == colour) jitter(colours, stage, u, means, a.channels);
      else if (stage.kind == components) shiftColours(colours, stage, state, word);
      else box[boxes++] = boxOf(stage, u);
    }
  }
  static void meansOf(const Augmentation& a, const uint8_t* image, double* means) {
    uint64_t sums[3] = {0, 0, 0};
    const int64_t pixels = a.in.height * a.in.width;
    for (int64_t i = 0; i < pixels; ++i)
      for (int64_t c = 0; c < a.channels; ++c) sums[c] += image[i * a.channels + c];
    for (int c = 0; c < 3; ++c) means[c] = double(sums[c]) / double(pixels);
  }
};

}  // namespace augmenting
}  // namespace nodegrad::ops
