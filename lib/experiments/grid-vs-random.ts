// The experiment on search: nine trials on a grid against nine drawn at random.

import { split } from '../data/parts.js';
import { mlp } from '../models/mlp.js';
import { GridSearch } from '../search/fixed.js';
import { search } from '../search/search.js';
import { type ParamsOf, space } from '../search/space.js';
import { RandomSearch } from '../search/strategy.js';
import type { Study } from '../search/study.js';
import type { Trial } from '../search/trial.js';
import { type Experiment, adam, flatDigits, last, percent, train } from './experiment.js';

/** Grid against random search, where one of two settings matters. */
export const gridVsRandom: Experiment = {
  title: 'Grid against random search',
  question: 'With nine trials for two settings, of which one matters: where are more values of that one tried?',
  rows: ['K03', 'K04', 'K05'],
  run: async (bench) => {
    const { size, step, seed } = bench;
    const { train: all } = await flatDigits(size(1500, 200), 1, seed);
    const [learned, held] = split(all, [0.7, 0.3], { seed, stratify: true });
    const side = size(3, 2);
    const of = { lr: space.logUniform(3e-5, 1), weightDecay: space.logUniform(1e-7, 1e-4) };
    const studyOf = (kind: 'grid' | 'random'): Promise<Study<ParamsOf<typeof of>>> => {
      const objective = async ({ lr, weightDecay }: ParamsOf<typeof of>, { number }: Trial): Promise<number> => {
        step(`${kind}, trial ${number + 1} of ${side * side}`);
        const model = mlp({ hidden: [32] });
        const data = { train: learned, test: held };
        const curve = await train(bench, model, adam(model, lr, weightDecay), data, { epochs: size(6, 2), batchSize: 32 });
        return curve.exploded ? 0.1 : last(curve.validation);
      };
      const strategy = kind === 'grid' ? new GridSearch({ points: side }) : new RandomSearch();
      return search(of, objective, {
        strategy,
        trials: side * side,
        direction: 'maximize',
        seed,
        signal: bench.signal,
        log: false,
        progress: false,
      });
    };
    const trials = { grid: (await studyOf('grid')).trials, random: (await studyOf('random')).trials };
    const distinct = (kind: 'grid' | 'random'): number => new Set(trials[kind].map(({ params }) => params.lr)).size;
    const points = (kind: 'grid' | 'random', axis: 'lr' | 'weightDecay') => ({
      name: kind,
      x: trials[kind].map(({ params }) => params[axis]),
      y: trials[kind].map(({ score }) => score ?? Number.NaN),
      kind: 'points' as const,
    });
    const bests = (['grid', 'random'] as const).map((kind) => Math.max(...trials[kind].map(({ score }) => score ?? 0)));
    return {
      lines: [
        `grid: ${distinct('grid')} different learning rates in ${side * side} trials; best accuracy ${percent(bests[0])}`,
        `random: ${distinct('random')} different learning rates in ${side * side} trials; best accuracy ${percent(bests[1])}`,
        'the weight decay makes little difference here: the grid spends its trials on it all the same',
      ],
      panels: [
        {
          title: 'Which settings were tried',
          xLabel: 'learning rate',
          yLabel: 'weight decay',
          xScale: 'log',
          yScale: 'log',
          series: (['grid', 'random'] as const).map((kind) => ({
            name: kind,
            x: trials[kind].map(({ params }) => params.lr),
            y: trials[kind].map(({ params }) => params.weightDecay),
            kind: 'points' as const,
          })),
        },
        {
          title: 'By learning rate, which matters',
          xLabel: 'learning rate',
          yLabel: 'accuracy',
          xScale: 'log',
          series: [points('grid', 'lr'), points('random', 'lr')],
        },
        {
          title: 'By weight decay, which does not',
          xLabel: 'weight decay',
          yLabel: 'accuracy',
          xScale: 'log',
          series: [points('grid', 'weightDecay'), points('random', 'weightDecay')],
        },
      ],
    };
  },
};
