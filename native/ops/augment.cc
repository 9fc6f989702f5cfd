// Augmentation: rows of uint8 images become a normalized batch, drawn anew for each example, in one pass per image.
#include "augment.h"

#include <cstring>

#include "../kernels/table.h"
#include "../runtime/pool.h"
#include "op.h"

namespace nodegrad::ops {
using namespace augmenting;

namespace {

// ---- one image ----

// Memory of one worker, and what all share.
template <class T> struct Memory {
  T *mean, *scale, *fill;  // shared: [w·c], [w·c], [c]
  T *row, *x, *y;          // [w·c], [w], [w]
  int32_t *columns, *rows;  // [w], [h]: where the pixels of a crop come from, −1 for outside
  int32_t* ends;            // [w]: where a run of columns that lie inside, or outside, ends, at the run's first column
  uint8_t* bytes;          // [w·c]

  static size_t shared(const Augmentation& a) { return padded(size_t(2 * a.outRow() + a.channels) * sizeof(T)); }
  static size_t own(const Augmentation& a) {
    return padded(size_t(a.outRow() + 2 * a.out.width) * sizeof(T) + size_t(2 * a.out.width + a.out.height) * sizeof(int32_t) + size_t(a.outRow()));
  }
  static size_t padded(size_t bytes) { return (bytes + 63) / 64 * 64; }

  Memory(const Augmentation& a, void* workspace, int worker) {
    mean = static_cast<T*>(workspace);
    scale = mean + a.outRow();
    fill = scale + a.outRow();
    row = reinterpret_cast<T*>(static_cast<char*>(workspace) + shared(a) + size_t(worker) * own(a));
    x = row + a.outRow();
    y = x + a.out.width;
    columns = reinterpret_cast<int32_t*>(y + a.out.width);
    rows = columns + a.out.width;
    ends = rows + a.out.height;
    bytes = reinterpret_cast<uint8_t*>(ends + a.out.width);
  }
};

// Where the pixels of one direction come from: `axis` is 0 for columns, 1 for rows.
void wholeMap(const Augmentation& a, const Draw& draw, int axis, int32_t* from) {
  const int64_t n = axis == 0 ? a.out.width : a.out.height;
  for (int64_t i = 0; i < n; ++i) {
    int64_t at = i;
    for (int64_t s = a.stages - 1; s >= 0 && at >= 0; --s) {
      const Stage& stage = a.stage[s];
      if (!stage.moves()) continue;
      const int64_t size = axis == 0 ? stage.in.width : stage.in.height;
      at = int64_t(draw.map[s].m[axis == 0 ? 0 : 3]) * at + int64_t(draw.map[s].m[6 + axis]);
      if (stage.mode == reflected && stage.kind == crop) at = at < 0 ? -at : at >= size ? 2 * (size - 1) - at : at;
      if (at < 0 || at >= size) at = -1;
    }
    from[i] = int32_t(at);
  }
}

// Part of a row of the batch from a row of the image, as bytes in `to`; all of [first, last) lies inside.
void moveBytes(uint8_t* to, const uint8_t* from, const int32_t* columns, int64_t first, int64_t last, int64_t channels) {
  if (columns[last - 1] - columns[first] == last - 1 - first) {
    std::memcpy(to + first * channels, from + columns[first] * channels, size_t((last - first) * channels));
  } else if (channels == 3) {
    for (int64_t i = first; i < last; ++i) {
      const uint8_t* at = from + columns[i] * 3;
      to[3 * i] = at[0], to[3 * i + 1] = at[1], to[3 * i + 2] = at[2];
    }
  } else {
    for (int64_t i = first; i < last; ++i)
      for (int64_t c = 0; c < channels; ++c) to[i * channels + c] = from[columns[i] * channels + c];
  }
}

template <class T> void fillPixels(T* row, const Augmentation& a, const T* fill, int64_t first, int64_t last) {
  for (int64_t i = first; i < last; ++i)
    for (int64_t c = 0; c < a.channels; ++c) row[i * a.channels + c] = fill[c];
}

template <class T> void recolour(const Augmentation& a, const Draw& draw, T* row) {
  T m[12];
  for (int i = 0; i < 3; ++i) {
    for (int j = 0; j < 3; ++j) m[4 * i + j] = T(draw.colours.m[i][j]);
    m[4 * i + 3] = T(draw.colours.o[i]);
  }
  kernelsOf<T>().recolourRow(row, m, a.out.width, a.channels);
}

// A run of a row: where `from` is null it lies outside.
template <class T>
void moveRun(const Augmentation& a, const Memory<T>& memory, const uint8_t* from, int64_t first, int64_t last, T* out) {
  const auto& k = kernelsOf<T>();
  const int64_t at = first * a.channels, n = (last - first) * a.channels;
  if (from) moveBytes(memory.bytes, from, memory.columns, first, last, a.channels);
  // The fill is the mean, which becomes 0 where colours do not change it.
  if (from && a.colours) k.widenBytes(out + at, memory.bytes + at, n);
  else if (from) k.normalizeBytes(out + at, memory.bytes + at, memory.mean + at, memory.scale + at, n);
  else if (a.colours) fillPixels(out, a, memory.fill, first, last);
  else k.fill(out + at, T(0), n);
}

template <class T> void wholeImage(const Augmentation& a, const Draw& draw, const uint8_t* image, const Memory<T>& memory, T* out) {
  wholeMap(a, draw, 0, memory.columns);
  wholeMap(a, draw, 1, memory.rows);
  const int64_t width = a.out.width;
  // One stage may fill and a later one reflect: what lies outside is not only at the ends.
  for (int64_t i = width - 1; i >= 0; --i) {
    const bool goesOn = i + 1 < width && (memory.columns[i] < 0) == (memory.columns[i + 1] < 0);
    memory.ends[i] = goesOn ? memory.ends[i + 1] : int32_t(i + 1);
  }
  for (int64_t r = 0; r < a.out.height; ++r, out += a.outRow()) {
    const uint8_t* row = memory.rows[r] < 0 ? nullptr : image + memory.rows[r] * a.in.width * a.channels;
    for (int64_t i = 0; i < width; i = memory.ends[i]) moveRun(a, memory, memory.columns[i] < 0 ? nullptr : row, i, memory.ends[i], out);
    if (!a.colours) continue;
    recolour(a, draw, out);
    kernelsOf<T>().normalizeRow(out, memory.mean, memory.scale, a.outRow());
  }
}

template <class T> void sampledImage(const Augmentation& a, const Draw& draw, const uint8_t* image, const Memory<T>& memory, T* out) {
  const auto& k = kernelsOf<T>();
  const int64_t w = a.out.width;
  for (int64_t r = 0; r < a.out.height; ++r, out += a.outRow()) {
    for (int64_t i = 0; i < w; ++i) memory.x[i] = T(i), memory.y[i] = T(r);
    int64_t first = 0;
    while (!a.stage[first].moves()) ++first;
    for (int64_t s = a.stages - 1; s >= first; --s) {
      const Stage& stage = a.stage[s];
      if (!stage.moves()) continue;
      const Map& map = draw.map[s];
      T m[8];
      for (int i = 0; i < 8; ++i) m[i] = T(map.m[i]);
      m[0] = stage.kind == lens ? T(map.bend) : m[0];
      if (stage.kind == lens) k.bendCoordinates(memory.x, memory.y, m, w);
      else k.moveCoordinates(memory.x, memory.y, m, w);
      const T right = T(stage.in.width - 1), bottom = T(stage.in.height - 1);
      if (stage.kind != flip && stage.mode == reflected) {
        k.reflectCoordinates(memory.x, right, w);
        k.reflectCoordinates(memory.y, bottom, w);
      } else if (s > first) {
        // The image itself ends softly, between its last pixel and the fill.
        k.boundCoordinates(memory.x, right, w);
        k.boundCoordinates(memory.y, bottom, w);
      }
    }
    k.sampleRow(out, image, a.in.height, a.in.width, a.channels, memory.x, memory.y, memory.fill, w);
    if (a.colours) recolour(a, draw, out);
    k.normalizeRow(out, memory.mean, memory.scale, a.outRow());
  }
}

template <class T> void cutOut(const Augmentation& a, const Draw& draw, T* out) {
  for (int64_t i = 0; i < draw.boxes; ++i) {
    const Box& b = draw.box[i];
    for (int64_t r = b.top; r < b.bottom; ++r)
      kernelsOf<T>().fill(out + r * a.outRow() + b.left * a.channels, T(0), (b.right - b.left) * a.channels);
  }
}

// ---- the operation ----

void run_augment(const Call& c) {
  const Augmentation a(c);
  uint32_t state[randomWords];
  std::memcpy(state, c.in<uint32_t>(4), sizeof state);
  byFloat(c, [&]<class T>() {
    const Memory<T> shared(a, c.workspace, 0);
    for (int64_t i = 0; i < a.channels; ++i) shared.fill[i] = T(255 * a.mean[i]);
    for (int64_t i = 0; i < a.outRow(); ++i) {
      shared.mean[i] = shared.fill[i % a.channels];
      shared.scale[i] = T(1 / (255 * a.std[i % a.channels]));
    }
    const int64_t perTile = elementTile / a.outSize() + 1;
    parallelFor(tilesOf(a.count, perTile), [&](int64_t tile, int worker) {
      const Memory<T> memory(a, c.workspace, worker);
      for (int64_t i = tile * perTile; i < (tile + 1) * perTile && i < a.count; ++i) {
        const uint8_t* image = c.in<uint8_t>(1) + indexBelow(c.in<int32_t>(2) + i, a.images) * a.inSize();
        T* out = c.out<T>(0) + i * a.outSize();
        const Draw draw(a, image, state, uint32_t(c.in<int32_t>(3)[i]));
        if (a.whole) wholeImage(a, draw, image, memory, out);
        else sampledImage(a, draw, image, memory, out);
        cutOut(a, draw, out);
      }
    });
  });
}

bool isSide(int64_t n) { return n >= 1 && n <= maxSide; }

const char* checkStage(const int64_t* d, const double* reals, Size in, int64_t channels) {
  const int64_t kind = d[0], height = d[1], width = d[2], mode = d[3], pixels = d[4];
  if (kind < 0 || kind >= kinds) return "an augmentation that is unknown";
  if (!isSide(height) || !isSide(width)) return "an augmentation that leaves no image, or too large a one";
  if (mode < 0 || mode > maxSide || pixels < 0 || pixels > maxSide) return "a mode or number of pixels out of range";
  if (kind != crop && kind != resizedCrop && (height != in.height || width != in.width)) return "an augmentation that cannot change the size";
  if (kind == crop && (height > in.height + 2 * pixels || width > in.width + 2 * pixels)) return "a crop larger than the padded image";
  if (kind == crop && mode == reflected && (pixels >= in.height || pixels >= in.width)) return "a reflection wider than the image";
  if ((kind == colour && channels != 1 && channels != 3) || (kind == components && channels != 3)) return "colours need three channels";
  for (int64_t i = 0; i < stageReals; ++i)
    if (!(reals[i] >= -1e6 && reals[i] <= 1e6)) return "a number of an augmentation out of range";
  return nullptr;
}

const char* checkAugment(const Call& c) {
  const int64_t* i = c.ints;
  if (c.intCount < 6) return "malformed dimensions";
  const int64_t count = i[0], images = i[1], channels = i[4], stages = i[5];
  if (!isSide(i[2]) || !isSide(i[3]) || channels < 1 || channels > maxChannels) return "images out of range";
  if (stages < 0 || stages > maxStages || c.intCount != 6 + stages * stageInts || c.realCount != 2 * channels + stages * stageReals)
    return "malformed augmentations";
  Size size = {i[2], i[3]};
  for (int64_t s = 0; s < stages; ++s) {
    const int64_t* d = i + 6 + s * stageInts;
    if (const char* problem = checkStage(d, c.reals + 2 * channels + s * stageReals, size, channels)) return problem;
    size = {d[1], d[2]};
  }
  if (checkedProduct(images, i[2] * i[3] * channels) != c.length(1)) return "not as many bytes as the images have";
  if (checkedProduct(count, size.height * size.width * channels) != c.length(0)) return "not as many outputs as the batch has";
  if (c.length(2) != count || c.length(3) != count) return "not a row and a key for each example";
  if (count > 0 && images == 0) return "no images to take examples from";
  return c.length(4) == randomWords ? nullptr : "the random state must have 6 words";
}

size_t augmentSpace(const Call& c) {
  const Augmentation a(c);
  const auto bytes = [&]<class T>() { return Memory<T>::shared(a) + Memory<T>::own(a) * size_t(threads()); };
  return c.dtype == DType::float64 ? bytes.template operator()<double>() : bytes.template operator()<float>();
}

Refusal guardAugment(const Call& c) { return refuseOutside("row index", c.in<int32_t>(2), c.length(2), 0, c.ints[1] - 1); }

}  // namespace

extern const OpFunctions op_augment = {run_augment, checkAugment, augmentSpace, guardAugment, 2};

}  // namespace nodegrad::ops
