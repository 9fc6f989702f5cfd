// The experiment on batch norm: deep nets with first weights of all sizes, with and without it.

import { Normal } from '../initializers/normal.js';
import { Tanh } from '../layers/activations.js';
import { BatchNorm1d } from '../layers/batch-norm.js';
import { Linear } from '../layers/linear.js';
import { Flatten } from '../layers/shape.js';
import { Sequential } from '../models/sequential.js';
import { type Curves, type Experiment, flatDigits, last, percent, series, sgd, train } from './experiment.js';

/** What batch norm makes of bad first weights and high learning rates. */
export const bn: Experiment = {
  title: 'Batch norm forgives first weights',
  question: 'Does a deep net of tanh layers learn from weights that are too small or too large, with and without batch norm?',
  rows: ['D14', 'C28'],
  run: async (bench) => {
    const { size, step, seed } = bench;
    const data = await flatDigits(size(3000, 300), size(1000, 100), seed);
    const depth = size(8, 4);
    const make = (std: number, isNormed: boolean): Sequential => {
      const layers = Array.from({ length: depth }, (_, i) => {
        const linear = new Linear(i === 0 ? 784 : 64, 64, { init: new Normal({ std }) });
        return isNormed ? [linear, new BatchNorm1d(64), new Tanh()] : [linear, new Tanh()];
      });
      return new Sequential([new Flatten(), ...layers.flat(), new Linear(64, 10)]);
    };
    const scales = size([0.005, 0.02, 0.1, 0.5, 2], [0.01, 0.5]);
    const results: Record<'plain' | 'normed', Curves[]> = { plain: [], normed: [] };
    for (const std of scales)
      for (const kind of ['plain', 'normed'] as const) {
        step(`weights of std ${std}, ${kind === 'normed' ? 'with' : 'without'} batch norm`);
        const model = make(std, kind === 'normed');
        results[kind].push(await train(bench, model, sgd(model, 0.1), data, { epochs: size(8, 3) }));
      }
    const across = (curves: readonly Curves[]) => curves.map((curve) => (curve.exploded ? 0.1 : last(curve.validation)));
    const [plain, normed] = [across(results.plain), across(results.normed)];
    return {
      lines: scales.map(
        (std, i) => `weights of std ${std}: ${percent(plain[i])} of new digits right without batch norm, ${percent(normed[i])} with it`,
      ),
      panels: [
        {
          title: `First weights of std ${scales[0]}`,
          remark: `${depth} layers of tanh, learning rate 0.1`,
          xLabel: 'epoch',
          yLabel: 'training loss',
          series: [series('without batch norm', results.plain[0].loss), series('with batch norm', results.normed[0].loss)],
        },
        {
          title: 'Accuracy by the size of first weights',
          xLabel: 'std of first weights',
          yLabel: 'accuracy on new digits',
          yRange: [0, 1],
          xScale: 'log',
          series: [
            { name: 'without batch norm', x: scales, y: plain, kind: 'path' },
            { name: 'with batch norm', x: scales, y: normed, kind: 'path' },
          ],
        },
      ],
    };
  },
};
