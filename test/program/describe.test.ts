// The page of a step: what work it counts, and which algorithm it names for each convolution.

import test from 'ava';
import {
  type ConvolutionAlgorithm,
  compileStep,
  Conv2d,
  Flatten,
  Linear,
  multiplyAccumulates,
  noGrad,
  ReLU,
  Sequential,
  type Tensor,
  zeros,
} from '../../lib/index.js';
import { binding } from '../../lib/native.js';

const inputShape = [12, 12, 3];

function net(conv: ConvolutionAlgorithm): Sequential {
  return new Sequential([
    new Conv2d(3, 16, 5, { stride: 2, padding: 2, conv }),
    new ReLU(),
    new Conv2d(16, 16, 3, { padding: 1, conv }),
    new Conv2d(16, 16, 3, { padding: 1, groups: 16, conv }),
    new Conv2d(16, 32, 3, { stride: [2, 1], groups: 4, conv }),
    new Flatten(),
    new Linear(2 * 4 * 32, 5),
  ]);
}

/** Algorithms of the convolutions in their order. */
const chosen = (page: string): string[] =>
  [...page.matchAll(/^ *\d+ +conv2d\S* .*×\d+(?:, \d+ groups)? +([a-z]\w+) +[\d.]+ /gm)].map((match) => match[1]);

test('the work of a forward step is two operations for each multiply-accumulate of its model', (t) => {
  const model = net('auto').eval();
  const page = compileStep((x: Tensor) => noGrad(() => model.forward(x))).describe(zeros([3, ...inputShape]));
  const [, total] = /matrix products and convolutions ([\d.]+) MFLOP/.exec(page) ?? [];
  t.is(total, ((2 * 3 * multiplyAccumulates(model, { inputShape })) / 1e6).toFixed(1), page);
  t.regex(page, / 3×12×12×3 5×5\/2 6×6×16 /);
  t.regex(page, / 3×6×6×16 3×3\/2,1 2×4×32, 4 groups /);
  t.is(chosen(page).length, 4, page);
});

test('each direction of a convolution is named with its algorithm, and options that force one show', (t) => {
  const page = (conv: ConvolutionAlgorithm): string => {
    const model = net(conv);
    return compileStep((x: Tensor) => {
      const loss = model.forward(x).sum();
      loss.backward();
      return loss;
    }).describe(zeros([3, ...inputShape]));
  };
  const by = { auto: chosen(page('auto')), direct: chosen(page('direct')), im2col: chosen(page('im2col')) };
  // Forward and both gradients of four convolutions, but for the gradient by the images.
  for (const [choice, names] of Object.entries(by)) t.is(names.length, 11, choice);
  t.true(by.auto.includes('winograd') && by.auto.includes('depthwise'), by.auto.join(' '));
  t.false(by.direct.includes('winograd'), by.direct.join(' '));
  t.deepEqual([...new Set(by.im2col)], ['im2col']);
});

test('a geometry that is none has no algorithm', (t) => {
  const geometry = [1, 8, 8, 16, 8, 8, 16, 3, 3, 1, 1, 1, 1, 1, 1, 1, 0];
  t.is(binding.convolutionChosen(0, false, Float64Array.from(geometry)), 'winograd');
  for (const wrong of [[], geometry.slice(1), geometry.with(9, 0), geometry.with(1, -1), geometry.with(1, NaN), geometry.with(6, 2 ** 40)]) {
    t.is(binding.convolutionChosen(0, true, Float64Array.from(wrong)), undefined, wrong.join(' '));
  }
  t.is(binding.convolutionChosen(3, false, Float64Array.from(geometry)), undefined);
});
