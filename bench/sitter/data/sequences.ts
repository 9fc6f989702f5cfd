// Sequences [time, features]: bits, characters, curves, and rows of clusters read one number at a time.

import type { MakeSource, Row, Source } from './source.js';
import { tables } from './tables.js';

const sequence = (time: number, features: number, rest: Omit<Source, 'inputShape' | 'rows'> & { rows?: number }): Source => ({
  inputShape: [time, features],
  rows: 400,
  ...rest,
});

/** Bits in, and at every step whether there were an odd number of ones so far. */
const parity: MakeSource = (g, { length = 8 }) =>
  sequence(length, 1, {
    targets: 'labels',
    targetShape: [length, 1],
    classes: 0,
    row() {
      let odd = 0;
      const x = g.list(length, () => g.integer(2));
      return [x, x.map((bit) => (odd ^= bit))];
    },
  });

/** Six numbers 0 … 1 and which third their mean is in; padded by −100 to twelve where `size` is 12. */
const mean: MakeSource = (g, { size: time = 6 }) =>
  sequence(time, 1, {
    targets: 'classes',
    targetShape: [],
    classes: 3,
    row() {
      const x = g.list(6, () => g.uniform());
      const middle = x.reduce((a, b) => a + b) / 6;
      return [[...x, ...Array<number>(time - 6).fill(-100)], [middle < 0.44 ? 0 : middle < 0.56 ? 1 : 2]];
    },
  });

/** A window of a sum of sines and noise: the next value, or the window itself. */
const series =
  (target: 'next' | 'itself', noise: number): MakeSource =>
  (g, { length = 12 }) => {
    const waves = Array.from({ length: 2 }, () => [g.between(0.25, 0.7), g.between(0, 6.28)]);
    const at = (t: number): number => waves.reduce((sum, [speed, phase]) => sum + 0.5 * Math.sin(speed * t + phase), 0) + g.normal(0, noise);
    return sequence(length, 1, {
      targets: 'numbers',
      targetShape: target === 'next' ? [1] : [length, 1],
      classes: 0,
      row() {
        const begin = g.between(0, 500);
        const window = g.list(length + 1, (i) => at(begin + i));
        return [window.slice(0, length), target === 'next' ? window.slice(length) : window.slice(0, length)];
      },
    });
  };

/** Sums of two numbers as one-hot characters, the question reversed: '21+48' → '69 '. Padded with spaces. */
const sums: MakeSource = (g) => {
  const letters = '0123456789+ ';
  const oneHot = (text: string): number[] => [...text].flatMap((letter) => [...letters].map((one) => Number(one === letter)));
  return sequence(5, 12, {
    targets: 'classes',
    targetShape: [3],
    classes: 12,
    rows: 2000,
    row() {
      const [a, b] = [g.integer(100), g.integer(100)];
      const question = [...`${a}+${b}`.padEnd(5)].reverse().join('');
      return [oneHot(question), [...String(a + b).padEnd(3)].map((letter) => letters.indexOf(letter))];
    },
  });
};

/** A class by what the sequence does as a whole: which of `classes` frequencies it has, of any phase. */
const waves: MakeSource = (g, { length = 16, classes = 3 }) =>
  sequence(length, 1, {
    targets: 'classes',
    targetShape: [],
    classes,
    row(): Row {
      const label = g.integer(classes);
      const phase = g.between(0, 6.28);
      return [g.list(length, (t) => Math.sin(phase + (0.35 + 0.35 * label) * t) + g.normal(0, 0.25)), [label]];
    },
  });

/** The first bits of a sequence, to be said again at its end. */
const copy: MakeSource = (g, { length = 30 }) =>
  sequence(length, 1, {
    targets: 'classes',
    targetShape: [],
    classes: 2,
    row() {
      const x = g.list(length, () => g.integer(2));
      return [x, [x[0]]];
    },
  });

/** Sequences by name. */
export const sequences: Readonly<Record<string, MakeSource>> = {
  parity8: parity,
  mean3: mean,
  first_odd: (g, { length = 6 }) =>
    sequence(length, 1, {
      targets: 'classes',
      targetShape: [],
      classes: 2,
      row() {
        const x = g.list(length, () => g.integer(10));
        return [x, [x[0] % 2]];
      },
    }),
  copy30: copy,
  series_next: series('next', 0.05),
  series_ae: series('itself', 0.02),
  sine_windows: series('next', 0.02),
  two_series: series('next', 0.1),
  'eeg-like': (g, spec) => waves(g, { ...spec, length: 32, classes: 2 }),
  sums,
  waves,
  cluster_seq: (g, spec) => {
    const flat = tables['clusters'](g, spec);
    return { ...flat, inputShape: [flat.inputShape[0], 1] };
  },
};
