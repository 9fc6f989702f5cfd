// Experiments on what is learned beyond the training data: the gap, dropout, folds, ensembles.

import { folds } from '../data/folds.js';
import { subset } from '../data/parts.js';
import type { Dataset } from '../data/dataset.js';
import { summaryOf } from '../evaluation/cross-validation.js';
import { Ensemble } from '../evaluation/ensemble.js';
import { Dropout } from '../layers/dropout.js';
import { mlp } from '../models/mlp.js';
import { Sequential } from '../models/sequential.js';
import { number } from '../pictures/svg.js';
import type { AnyModel } from '../training/model.js';
import { evaluate } from '../training/evaluate.js';
import { type Curves, type Experiment, adam, flatDigits, last, loss, percent, series, train } from './experiment.js';

/** How far training and new data are apart, by the number of examples. */
export const gap: Experiment = {
  title: 'The gap between training and new data',
  question: 'How do accuracies on training and new digits part, and what closes the gap?',
  rows: ['J22', 'J23', 'L02', 'L03', 'F06'],
  run: async (bench) => {
    const { size, step, seed } = bench;
    const all = await flatDigits(size(4000, 600), size(1000, 200), seed);
    const small = subset(
      all.train,
      Int32Array.from({ length: size(400, 100) }, (_, i) => i),
    );
    const epochs = size(30, 4);
    const wide = (dropout: number): Sequential => {
      const hidden = mlp({ hidden: [256, 256] }).layers;
      return dropout === 0
        ? new Sequential(hidden)
        : new Sequential(hidden.flatMap((layer, i) => (i === 2 || i === 4 ? [layer, new Dropout(dropout)] : [layer])));
    };
    const runs: [name: string, model: () => Sequential, data: Dataset][] = [
      [`${small.length} digits, a wide net`, () => wide(0), small],
      [`${small.length} digits, with dropout 0.5`, () => wide(0.5), small],
      [`${all.train.length} digits`, () => wide(0), all.train],
      [`${all.train.length} digits, a net of 3 units`, () => mlp({ hidden: [3] }), all.train],
    ];
    const curves: { name: string; curve: Curves }[] = [];
    for (const [name, make, data] of runs) {
      step(name);
      const model = make();
      curves.push({ name, curve: await train(bench, model, adam(model), { train: data, test: all.test }, { epochs, batchSize: 32 }) });
    }
    return {
      lines: curves.map(({ name, curve }) => {
        const [seen, fresh] = [last(curve.accuracy), last(curve.validation)];
        return `${name}: ${percent(seen)} in training, ${percent(fresh)} on new digits; a gap of ${(100 * (seen - fresh)).toFixed(1)} points`;
      }),
      panels: curves.map(({ name, curve }) => ({
        title: name,
        xLabel: 'epoch',
        yLabel: 'accuracy',
        yRange: [0, 1],
        series: [series('training', curve.accuracy), series('new digits', curve.validation)],
      })),
    };
  },
};

/** What averaging the probabilities of several nets gains. */
export const ensemble: Experiment = {
  title: 'Ensembles: several nets, one answer',
  question: 'How much better is the average of several nets than one of them?',
  rows: ['L06', 'L07', 'L10'],
  run: async (bench) => {
    const { size, step, seed } = bench;
    const data = await flatDigits(size(600, 200), size(2000, 200), seed);
    const count = size(10, 3);
    const members: AnyModel[] = [];
    const alone: number[] = [];
    const together: number[] = [];
    const losses: number[] = [];
    for (let i = 0; i < count; i++) {
      step(`net ${i + 1} of ${count}`);
      const model = mlp({ hidden: [32] });
      const curve = await train({ ...bench, seed: seed + i }, model, adam(model, 0.005), data, { epochs: size(12, 3), batchSize: 32 });
      members.push(model);
      alone.push(last(curve.validation));
      const scores = await evaluate(new Ensemble(members), data.test, { loss });
      together.push(scores.metrics.accuracy);
      losses.push(scores.loss);
    }
    const mean = alone.reduce((sum, one) => sum + one, 0) / count;
    return {
      lines: [
        `one net: ${percent(mean)} of new digits right on the mean, from ${percent(Math.min(...alone))} to ${percent(Math.max(...alone))}`,
        `${count} nets together: ${percent(last(together))}, ${(100 * (last(together) - mean)).toFixed(1)} points more; log loss ${number(losses[0])} falls to ${number(last(losses))}`,
      ],
      panels: [
        {
          title: 'Accuracy on new digits',
          xLabel: 'nets',
          yLabel: 'accuracy',
          series: [series('averaged probabilities', together, 'path'), series('each net alone', alone, 'points')],
        },
        { title: 'Log loss of the average', xLabel: 'nets', yLabel: 'loss', series: [series('averaged probabilities', losses, 'path')] },
      ],
    };
  },
};

/** Cross-validation of a setting: every part is new data once. */
export const kFold: Experiment = {
  title: 'Cross-validation: every part is new data once',
  question: 'How many units should a small net have, and how far can the answer be trusted?',
  rows: ['L04', 'L05'],
  run: async (bench) => {
    const { size, step, seed } = bench;
    const { train: all } = await flatDigits(size(1500, 200), 1, seed);
    const widths = size([2, 4, 8, 16, 32, 64], [2, 16]);
    const parts = folds(all, { folds: size(5, 3), stratify: true, seed });
    const scores: number[][] = [];
    for (const width of widths) {
      step(`${width} units`);
      const row: number[] = [];
      for (const part of parts) {
        const model = mlp({ hidden: [width] });
        const curve = await train(
          bench,
          model,
          adam(model, 0.005),
          { train: part.train, test: part.validation },
          { epochs: size(8, 2), batchSize: 32 },
        );
        row.push(last(curve.validation));
      }
      scores.push(row);
    }
    const found = scores.map((row) => summaryOf(row, parts, 0.95));
    const best = found.reduce((a, b, i) => (b.mean > found[a].mean ? i : a), 0);
    const over = (pick: (one: (typeof found)[0]) => number) => ({ x: widths, y: found.map(pick) });
    return {
      lines: [
        ...found.map(
          ({ mean, std, interval }, i) =>
            `${widths[i]} units: ${percent(mean)} ± ${percent(std)} over ${parts.length} folds; 95 % interval ${interval.map(percent).join(' to ')}`,
        ),
        `the best mean has ${widths[best]} units; all within its interval are about as good`,
      ],
      panels: [
        {
          title: 'Accuracy on the fold that is held out',
          remark: 'Interval: t over folds, corrected for what training parts share',
          xLabel: 'hidden units',
          yLabel: 'accuracy',
          xScale: 'log',
          series: [
            { name: 'mean', ...over(({ mean }) => mean), kind: 'path' },
            { name: 'each fold', x: widths.flatMap((width) => parts.map(() => width)), y: scores.flat(), kind: 'points' },
            { name: 'interval, lower end', ...over(({ interval }) => interval[0]) },
            { name: 'interval, upper end', ...over(({ interval }) => interval[1]) },
          ],
        },
      ],
    };
  },
};
