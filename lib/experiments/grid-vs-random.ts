// The experiment on search: nine trials on a grid against nine drawn at random.

import { split } from '../data/parts.js';
import { mlp } from '../models/mlp.js';
import { exp } from '../ops/elementwise.js';
import { Random } from '../random.js';
import { Tensor } from '../tensor.js';
import { type Experiment, adam, flatDigits, last, percent, train } from './experiment.js';

/** 10^x, the same on every engine. */
const powerOfTen = (x: number): number => exp(Tensor.from(Float64Array.of(x * Math.LN10)) as unknown as Tensor<'float64'>).item();

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
    const random = new Random(seed, 'grid-vs-random');
    const places = (share: number): number => (share + 0.5) / side;
    const trials = {
      grid: Array.from({ length: side * side }, (_, i) => [places(i % side), places(Math.floor(i / side))] as const),
      random: Array.from({ length: side * side }, () => [random.uniform(), random.uniform()] as const),
    };
    const rateAt = (share: number): number => powerOfTen(-4.5 + 4.5 * share);
    const decayAt = (share: number): number => powerOfTen(-7 + 3 * share);
    const scores: Record<'grid' | 'random', number[]> = { grid: [], random: [] };
    for (const kind of ['grid', 'random'] as const)
      for (const [i, [a, b]] of trials[kind].entries()) {
        step(`${kind}, trial ${i + 1} of ${side * side}`);
        const model = mlp({ hidden: [32] });
        const curve = await train(
          bench,
          model,
          adam(model, rateAt(a), decayAt(b)),
          { train: learned, test: held },
          { epochs: size(6, 2), batchSize: 32 },
        );
        scores[kind].push(curve.exploded ? 0.1 : last(curve.validation));
      }
    const distinct = (kind: 'grid' | 'random'): number => new Set(trials[kind].map(([a]) => a)).size;
    const points = (kind: 'grid' | 'random', axis: 0 | 1) => ({
      name: kind,
      x: trials[kind].map((place) => (axis === 0 ? rateAt(place[0]) : decayAt(place[1]))),
      y: scores[kind],
      kind: 'points' as const,
    });
    const bests = (['grid', 'random'] as const).map((kind) => Math.max(...scores[kind]));
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
            x: trials[kind].map(([a]) => rateAt(a)),
            y: trials[kind].map(([, b]) => decayAt(b)),
            kind: 'points' as const,
          })),
        },
        {
          title: 'By learning rate, which matters',
          xLabel: 'learning rate',
          yLabel: 'accuracy',
          xScale: 'log',
          series: [points('grid', 0), points('random', 0)],
        },
        {
          title: 'By weight decay, which does not',
          xLabel: 'weight decay',
          yLabel: 'accuracy',
          xScale: 'log',
          series: [points('grid', 1), points('random', 1)],
        },
      ],
    };
  },
};
