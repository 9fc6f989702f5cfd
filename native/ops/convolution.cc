// Convolutions as operations: forward, gradient by the input, gradient by the weights; a table says which algorithm serves.
#include "convolution.h"

#include "convolution_bfloat16.h"
#include "convolution_table.h"
#include "fused.h"
#include "op.h"

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

}  // namespace

extern const OpFunctions op_conv2d = {runForward, checkForward, forwardSpace};
extern const OpFunctions op_conv2d_input_gradient = {runInputGradient, checkInputGradient, inputSpace};
extern const OpFunctions op_conv2d_weight_gradient = {runWeightGradient, checkWeightGradient, weightSpace};

}  // namespace ops
}  // namespace nodegrad
