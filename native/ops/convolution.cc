// Convolutions as operations: forward, gradient by the input, gradient by the weights; a table says which algorithm serves.
#include "convolution.h"

#include <algorithm>
#include <cstring>

#include "../runtime/pool.h"
#include "convolution_bfloat16.h"
#include "convolution_table.h"
#include "fused.h"
#include "op.h"
#include "weight_gradients.h"
#include "workspace.h"

namespace nodegrad {

const char* checkConvolution(const Convolution& s) {
  constexpr int64_t most = int64_t(1) << 31;
  for (int64_t size : {s.n, s.h, s.w, s.c, s.oh, s.ow, s.k, s.padTop, s.padLeft})
    if (size < 0 || size >= most) return "a size is negative or too large";
  for (int64_t size : {s.kh, s.kw, s.strideH, s.strideW, s.dilationH, s.dilationW, s.groups})
    if (size < 1 || size >= most) return "kernel, stride, dilation and groups must be at least 1";
  if (s.c % s.groups != 0 || s.k % s.groups != 0) return "groups must divide the channels";
  if (checkedProduct(s.kh, s.kw) >= most) return "the kernel is too large";
  if (s.padTop >= most / 2 || s.padLeft >= most / 2) return "the padding is too large";
  const int64_t choice = int64_t(s.choice);
  return choice < 0 || choice > int64_t(ConvolutionChoice::im2col) ? "there is no such choice of algorithm" : nullptr;
}

namespace {

template <class T> const ConvolutionAlgorithm<T>& algorithmFor(const Convolution& s, ConvolutionDirection direction) {
  constexpr int count = int(sizeof(convolutionTable<T>) / sizeof(convolutionTable<T>[0]));
  const ConvolutionAlgorithm<T>* const table = convolutionTable<T>;
  if (s.choice != ConvolutionChoice::im2col) {
    for (int i = 0; i < count; ++i) {
      const ConvolutionAlgorithm<T>& a = table[i];
      if (s.choice == ConvolutionChoice::direct && !a.exact) continue;
      const auto serves = direction == ConvolutionDirection::forward         ? a.servesForward
                          : direction == ConvolutionDirection::inputGradient ? a.servesInputGradient
                                                                             : a.servesWeightGradient;
      if (serves(s)) return a;
    }
  }
  return table[count - 1];
}

}  // namespace

template <class T> const char* convolutionChosen(const Convolution& s, ConvolutionDirection direction) {
  return algorithmFor<T>(s, direction).name;
}
template const char* convolutionChosen<float>(const Convolution&, ConvolutionDirection);
template const char* convolutionChosen<double>(const Convolution&, ConvolutionDirection);

namespace ops {
namespace {

Convolution of(const Call& c) {
  Convolution s = convolutionOf(c.ints);
  if (c.fused.row > 0) s.row = c.fused.row;
  return s;
}

const char* checkLengths(const Call& c, int x, int w, int y) {
  const Convolution s = of(c);
  if (const char* problem = checkConvolution(s)) return problem;
  const auto narrow = [&](int i) { return i >= 0 && c.operands[i].dtype == DType::bfloat16; };
  if (c.stored != DType::bfloat16 && (narrow(0) || narrow(c.fused.y))) return "a result of bfloat16 needs operands of bfloat16";
  const auto volume = [](int64_t a, int64_t b, int64_t d, int64_t e) { return checkedProduct(checkedProduct(a, b), checkedProduct(d, e)); };
  const int64_t outputs = c.fused.row > 0 ? lengthInColumns(volume(s.n, s.oh, s.ow, 1), s.k, s.row) : volume(s.n, s.oh, s.ow, s.k);
  if (volume(s.n, s.h, s.w, s.c) != c.length(x) || volume(s.kh, s.kw, s.inputs(), s.k) != c.length(w) || outputs != c.length(y))
    return "the geometry does not fit the operands";
  // An empty operand says nothing about the other sizes, which multiply in indices and workspaces all the same.
  if (checkedProduct(checkedProduct(s.kh, s.kw), checkedProduct(s.c, s.k)) < 0) return "the geometry is too large";
  return nullptr;
}
const char* checkForward(const Call& c) {
  if (const char* problem = checkLengths(c, 1, 2, 0)) return problem;
  if (c.fused.row > 0 && (of(c).groups > 1 || c.stored == DType::bfloat16)) return "columns of a larger matrix take neither groups nor bfloat16";
  return c.fused.bias < 0 || c.length(c.fused.bias) == of(c).k ? nullptr : "the bias does not have an element for each output channel";
}
const char* checkInputGradient(const Call& c) {
  if (const char* problem = checkLengths(c, 0, 2, 1)) return problem;
  return c.fused.y < 0 || c.length(c.fused.y) == c.length(0) ? nullptr : "operands of different lengths";
}
const char* checkWeightGradient(const Call& c) { return checkLengths(c, 1, 0, 2); }

bool isNarrow(const Call& c) { return c.stored == DType::bfloat16; }
bool isWide(const Call& c) { return c.operands[0].dtype == DType::float32; }

void runForward(const Call& c) {
  const Convolution s = of(c);
  if (c.length(0) == 0) return;
  if (isNarrow(c))
    return bfloat16Convolution::forward(s, c.in<bfloat16>(1), c.in<bfloat16>(2), c.operands[0].data, isWide(c), epilogueOf<float>(c, s.k), c.workspace);
  byFloat(c, [&]<class T>() {
    algorithmFor<T>(s, ConvolutionDirection::forward).forward(s, c.in<T>(1), c.in<T>(2), c.out<T>(0), epilogueOf<T>(c, s.k), c.workspace);
  });
}
void runInputGradient(const Call& c) {
  const Convolution s = of(c);
  if (c.length(0) == 0) return;
  if (isNarrow(c)) {
    Epilogue<float> epilogue = epilogueOf<float>(c, s.c);
    const bool narrowY = c.fused.y >= 0 && c.operands[c.fused.y].dtype == DType::bfloat16;
    const bfloat16* const y = narrowY ? c.in<bfloat16>(c.fused.y) : nullptr;
    if (y) epilogue.y = nullptr;
    return bfloat16Convolution::inputGradient(s, c.in<bfloat16>(1), c.in<bfloat16>(2), c.operands[0].data, isWide(c), epilogue, y, c.workspace);
  }
  byFloat(c, [&]<class T>() {
    algorithmFor<T>(s, ConvolutionDirection::inputGradient)
        .inputGradient(s, c.in<T>(1), c.in<T>(2), c.out<T>(0), epilogueOf<T>(c, s.c), c.workspace);
  });
}
void runWeightGradient(const Call& c) {
  const Convolution s = of(c);
  if (c.length(0) == 0) return;
  if (isNarrow(c))
    return bfloat16Convolution::weightGradient(s, c.in<bfloat16>(1), c.in<bfloat16>(2), c.out<float>(0), c.fused.prior, c.workspace);
  byFloat(c, [&]<class T>() {
    algorithmFor<T>(s, ConvolutionDirection::weightGradient)
        .weightGradient(s, c.in<T>(1), c.in<T>(2), c.out<T>(0), c.fused.prior, c.workspace);
  });
}

size_t workspaceOf(const Call& c, ConvolutionDirection direction) {
  const Convolution s = of(c);
  size_t bytes = 0;
  if (c.length(0) == 0) return 0;
  if (isNarrow(c))
    return direction == ConvolutionDirection::forward         ? bfloat16Convolution::forwardWorkspace(s)
           : direction == ConvolutionDirection::inputGradient ? bfloat16Convolution::inputGradientWorkspace(s)
                                                              : bfloat16Convolution::weightGradientWorkspace(s);
  byFloat(c, [&]<class T>() {
    const ConvolutionAlgorithm<T>& a = algorithmFor<T>(s, direction);
    bytes = direction == ConvolutionDirection::forward         ? a.forwardWorkspace(s)
            : direction == ConvolutionDirection::inputGradient ? a.inputGradientWorkspace(s)
                                                               : a.weightGradientWorkspace(s);
  });
  return bytes;
}
size_t forwardSpace(const Call& c) { return workspaceOf(c, ConvolutionDirection::forward); }
size_t inputSpace(const Call& c) { return workspaceOf(c, ConvolutionDirection::inputGradient); }
size_t weightSpace(const Call& c) { return workspaceOf(c, ConvolutionDirection::weightGradient); }

// ---- conv2d_weight_gradient_shards; ints: those of all images, then images and sums of each shard ----

int64_t shardCount(const Call& c) { return (c.operandCount - 1) / 2; }

// The gradient of a single shard, to `dw`.
struct ShardCall {
  int64_t ints[convolutionInts];
  Operand operands[3];
  Call call;

  ShardCall(const Call& c, int64_t i, void* dw, Prior prior) : operands{c.operands[0], c.operands[1 + 2 * i], c.operands[2 + 2 * i]}, call(c) {
    std::copy_n(c.ints, convolutionInts, ints);
    ints[0] = c.ints[convolutionInts + 2 * i];
    operands[0].data = dw;
    call.operands = operands;
    call.operandCount = 3;
    call.ints = ints;
    call.intCount = convolutionInts;
    call.fused.prior = prior;
  }
  ShardCall(const ShardCall&) = delete;
};

template <class T> GradientShards<T> shardsOf(const Call& c) { return {shardCount(c), c.ints + convolutionInts, c.operands + 1}; }

const char* checkWeightGradientShards(const Call& c) {
  const int64_t count = shardCount(c);
  if (c.operandCount % 2 == 0 || c.intCount != convolutionInts + 2 * count) return "malformed shards";
  int64_t images = 0, sums = 0;
  for (int64_t i = 0; i < count; ++i) {
    const ShardCall shard(c, i, nullptr, Prior::none);
    if (const char* problem = checkWeightGradient(shard.call)) return problem;
    const int64_t added = c.ints[convolutionInts + 2 * i + 1];
    if (added < 0 || added > i - sums) return "a sum of what is not there yet";
    images += shard.ints[0];
    sums += added;
  }
  return images != c.ints[0] || sums != count - 1 ? "malformed shards" : checkConvolution(of(c));
}

bool isTapwise(const Call& c) {
  for (int64_t i = 0; i < shardCount(c); ++i) {
    const ShardCall shard(c, i, nullptr, Prior::none);
    const Convolution s = of(shard.call);
    const char* const name = c.dtype == DType::float64 ? convolutionChosen<double>(s, ConvolutionDirection::weightGradient)
                                                       : convolutionChosen<float>(s, ConvolutionDirection::weightGradient);
    if (isNarrow(c) || std::strcmp(name, "direct") != 0 || !tapwise::serves(s)) return false;
  }
  return true;
}

// Where shards are computed one after the other: sums that wait, then the workspace of each.
template <class T> size_t waitingSpace(const Call& c) {
  return size_t(waitingSums(shardsOf<T>(c)) * padded<T>(c.length(0))) * sizeof(T);
}
size_t weightShardsSpace(const Call& c) {
  size_t bytes = 0;
  if (c.length(0) == 0) return 0;
  byFloat(c, [&]<class T>() {
    if (isTapwise(c)) {
      bytes = tapwise::workspace(of(c), shardsOf<T>(c));
      return;
    }
    for (int64_t i = 0; i < shardCount(c); ++i) bytes = std::max(bytes, weightSpace(ShardCall(c, i, nullptr, Prior::none).call));
    bytes += waitingSpace<T>(c);
  });
  return bytes;
}
void runWeightGradientShards(const Call& c) {
  if (c.length(0) == 0) return;
  byFloat(c, [&]<class T>() {
    const GradientShards<T> shards = shardsOf<T>(c);
    const Prior prior = c.fused.prior;
    if (isTapwise(c)) return tapwise::weightGradient<T>(of(c), shards, c.out<T>(0), prior, c.workspace);
    const Kernels<T>& kernels = kernelsOf<T>();
    const int64_t length = c.length(0), level = padded<T>(length), tiles = divideUp(length, elementTile);
    T* const sums = static_cast<T*>(c.workspace);
    const auto byTiles = [&](auto&& body) {
      parallelFor(tiles, [&](int64_t tile, int) { body(tile * elementTile, std::min(elementTile, length - tile * elementTile)); });
    };
    addShards(shards, [&](int64_t i, int64_t at, bool isAdded) {
      ShardCall shard(c, i, sums + at * level, isAdded ? Prior::old : prior == Prior::none ? Prior::none : Prior::zero);
      shard.call.workspace = static_cast<char*>(c.workspace) + waitingSpace<T>(c);
      runWeightGradient(shard.call);
    }, [&](int64_t at) {
      byTiles([&](int64_t first, int64_t count) { kernels.accumulate(sums + at * level + first, sums + (at + 1) * level + first, count); });
    });
    byTiles([&](int64_t first, int64_t count) {
      T* const dw = c.out<T>(0) + first;
      if (prior == Prior::old) kernels.accumulate(dw, sums + first, count);
      else std::memcpy(dw, sums + first, size_t(count) * sizeof(T));
    });
  });
}

}  // namespace

extern const OpFunctions op_conv2d = {runForward, checkForward, forwardSpace};
extern const OpFunctions op_conv2d_input_gradient = {runInputGradient, checkInputGradient, inputSpace};
extern const OpFunctions op_conv2d_weight_gradient = {runWeightGradient, checkWeightGradient, weightSpace};
extern const OpFunctions op_conv2d_weight_gradient_shards = {runWeightGradientShards, checkWeightGradientShards, weightShardsSpace};

}  // namespace ops
}  // namespace nodegrad
