// Losses of one output for two classes: stable from any logit, and equal to what their formulas say.
import test from 'ava';
import {
  BinaryAccuracy,
  BinaryCrossEntropyLoss,
  binaryCrossEntropy,
  HingeLoss,
  hingeLoss,
  ShapeError,
  Tensor,
  sigmoid,
} from '../../lib/index.js';
import { lossContract } from '../contracts/loss.js';
import { f32, f64, gradientOf } from '../helpers/build.js';
import { close } from '../helpers/close.js';

const logits = [2, -2, 0.5, -0.25];
const refuses = [{ shape: [4, 1], target: [1, 0, 1, 0], targetShape: [4] }];

test('BinaryCrossEntropyLoss keeps the loss contract, from logits and from probabilities', (t) => {
  const target = [1, 1, 0, 0.5];
  const each = logits.map((x, i) => target[i] * Math.log1p(Math.exp(-x)) + (1 - target[i]) * Math.log1p(Math.exp(x)));
  const value = each.reduce((sum, one) => sum + one) / 4;
  const given = { shape: [4, 1], target, classes: false, value, printed: 1e-7, refuses };
  lossContract(t, { ...given, create: () => new BinaryCrossEntropyLoss(), prediction: logits });
  const probabilities = logits.map((x) => 1 / (1 + Math.exp(-x)));
  lossContract(t, { ...given, create: () => new BinaryCrossEntropyLoss({ fromLogits: false }), prediction: probabilities });
});

test('HingeLoss keeps the loss contract, plain and squared', (t) => {
  const given = { prediction: logits, shape: [4, 1], target: [1, 1, -1, -1], classes: false, printed: 0, refuses };
  lossContract(t, { ...given, create: () => new HingeLoss(), value: (0 + 3 + 1.5 + 0.75) / 4 });
  lossContract(t, { ...given, create: () => new HingeLoss({ squared: true }), value: (0 + 9 + 2.25 + 0.5625) / 4 });
  t.is(hingeLoss(f64([0.5]), f64([1]), { margin: 0.25 }).item(), 0);
});

test('no logit is too large: the loss is exact from 1e-9 to 1e30, on both sides', (t) => {
  for (const make of [f32, f64]) {
    for (const x of [30, 80, 1000, 1e30]) {
      const [right, wrong] = [
        [x, -x],
        [-x, x],
      ].map((pair) => binaryCrossEntropy(make(pair) as never, make([1, 0]) as never, { reduction: 'none' }).data);
      close(t, right, [Math.exp(-x), Math.exp(-x)], { relative: 1e-6, absolute: 2 ** -149 }, `right by ${x}`);
      close(t, wrong, [x, x], { relative: 1e-7 }, `wrong by ${x}`);
    }
  }
  const slopes = gradientOf((x) => binaryCrossEntropy(x, f64([1, 0, 1]), { reduction: 'sum' }), [40, -40, -1000]);
  close(t, slopes, [-Math.exp(-40), Math.exp(-40), -1], { relative: 1e-15 });
});

test('the gradient by the logits is the probability minus the target, and targets of 1 may weigh more', (t) => {
  const target = f64([1, 0, 0.25, 0.5]);
  const slopes = gradientOf((x) => binaryCrossEntropy(x, target, { reduction: 'sum' }), logits);
  close(t, slopes, sigmoid(f64(logits)).sub(target), { absolute: 1e-15 });
  const weighted = binaryCrossEntropy(f64([-2, 2]), f64([1, 0]), { positiveWeight: 3, reduction: 'none' }).data;
  close(t, [weighted[0] / weighted[1]], [3], { relative: 1e-15 });
});

test('class indices of yes and no are numbers beside one output, with the same bits; beside two outputs the loss for those is named', (t) => {
  const logits = Tensor.from(Float32Array.of(0.5, -1, 3), [3, 1]);
  const loss = new BinaryCrossEntropyLoss({ positiveWeight: 2 });
  const wanted = loss.forward(logits, Tensor.from(Float32Array.of(1, 0, 0), [3, 1])).item();
  const labels = Tensor.from(Int32Array.of(1, 0, 0));
  for (const target of [labels, labels.reshape([3, 1]), labels.to('uint8')]) {
    t.is(loss.forward(logits, target as Tensor<'int32'>).item(), wanted);
    const accuracy = new BinaryAccuracy();
    accuracy.update(logits, target as Tensor<'int32'>);
    t.is(accuracy.result(), 2 / 3);
  }
  t.throws(() => loss.forward(Tensor.from(new Float32Array(6), [3, 2]), labels), {
    code: 'ERR_SHAPE',
    message: /one output for yes or no beside class indices, received 2 .* take CrossEntropyLoss/,
  });
  t.throws(() => loss.forward(Tensor.from(new Float32Array(4), [4, 1]), labels), {
    code: 'ERR_SHAPE',
    message: /shape \[4, 1\], received \[3\]/,
  });
});

test('a column of predictions beside a row of targets is refused with the line that helps', (t) => {
  t.throws(() => binaryCrossEntropy(f32([1, 2], [2, 1]), f32([1, 0])), { instanceOf: ShapeError, message: /target\.reshape\(\[-1, 1\]\)/ });
});
