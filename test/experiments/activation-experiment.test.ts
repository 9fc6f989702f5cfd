// The experiment on first weights: what it counts, and what it refuses. The figures of the course are in test/course/initialization.test.ts.
import test from 'ava';
import { ArgumentError, activationExperiment, activation, He, Normal, noGrad, tensor } from '../../lib/index.js';
import { close } from '../helpers/close.js';

const small = { layers: 3, features: 40, examples: 50 } as const;

test('each layer has its numbers, and every output is in a bin or beyond them', (t) => {
  const { layers, input, range, features, examples } = activationExperiment({
    ...small,
    activation: 'relu',
    init: new He(),
    range: [-1, 3],
    bins: 7,
  });
  t.deepEqual([layers.length, features, examples, range], [3, 40, 50, [-1, 3]]);
  t.true(Math.abs(input.mean) < 0.1 && Math.abs(input.std - 1) < 0.1);
  for (const { histogram, outside, mean, std, rms, saturated, medianSlope } of layers) {
    t.is(histogram.length, 7);
    t.is(histogram.reduce((sum, count) => sum + count, 0) + outside, 2000);
    close(t, [rms], [Math.sqrt(mean * mean + std * std)], { relative: 1e-12 });
    t.true(saturated >= 0 && saturated <= 1);
    t.true(medianSlope === 0 || medianSlope === 1);
  }
  t.is(histogramOf(layers[0].histogram, 0), 0, 'nothing of ReLU is below 0');
});

const histogramOf = (histogram: readonly number[], bin: number): number => histogram[bin];

test('tanh is all within −1 and 1; the same seed gives the same numbers, another one others', (t) => {
  const one = activationExperiment({ ...small, seed: 3 });
  t.true(one.layers.every(({ outside }) => outside === 0));
  t.deepEqual(activationExperiment({ ...small, seed: 3 }), one);
  t.notDeepEqual(activationExperiment({ ...small, seed: 4 }), one);
  t.deepEqual(JSON.parse(JSON.stringify(one)), one, 'plain data');
});

test('gradients are those of the tape: linear layers hand them on as the weights say', (t) => {
  const { layers } = activationExperiment({ layers: 1, features: 200, examples: 500, activation: 'linear', init: new Normal({ std: 0.1 }) });
  // Var(g·Wᵀ) = units·0.01, Var(xᵀ·g) = examples.
  close(t, [layers[0].gradientRms, layers[0].weightGradientRms], [Math.sqrt(2), Math.sqrt(500)], { relative: 0.03 });
  close(t, [layers[0].ownWeightGradientNorm], [200 * Math.sqrt(500)], { relative: 0.03 });
  t.is(layers[0].medianSlope, 1);
  t.deepEqual(noGrad(() => activation('linear')(tensor([2]))).toArray(), [2]);
});

test('wrong options are refused by name', (t) => {
  const refused: [object, RegExp][] = [
    [{ layers: 0 }, /layers/],
    [{ features: 1.5 }, /options\.features/],
    [{ activation: 'swich' }, /name/],
    [{ init: 0.01 }, /init/],
    [{ bins: 0 }, /bins/],
    [{ range: [1, -1] }, /range/],
    [{ range: 3 }, /range/],
    [{ depth: 3 }, /unknown option `depth`/],
  ];
  for (const [options, message] of refused) t.throws(() => activationExperiment(options as never), { instanceOf: ArgumentError, message });
});
