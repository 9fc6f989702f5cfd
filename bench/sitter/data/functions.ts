// Truth tables, and functions of a few numbers: what questions are asked with.

import { type MakeSource, type Row, type Source, dot } from './source.js';

const table =
  (features: number, rows: readonly Row[], targets: Partial<Source> = {}): MakeSource =>
  () => ({
    inputShape: [features],
    targetShape: [],
    targets: 'classes',
    classes: 2,
    rows: rows.length,
    isTable: true,
    row: (i) => rows[i % rows.length],
    ...targets,
  });

const numbers = { targets: 'numbers', targetShape: [1], classes: 0 } as const;
const pairs = [
  [0, 0],
  [0, 1],
  [1, 0],
  [1, 1],
];
const xor: Row[] = pairs.map((x) => [x, [x[0] ^ x[1]]]);
const bits = (value: number, count: number): number[] => Array.from({ length: count }, (_, i) => (value >> i) & 1);

/** y = f(x) at `rows` even places of [low, high], in their order. */
const curve = (low: number, high: number, rows: number, f: (x: number) => number): MakeSource =>
  table(
    1,
    Array.from({ length: rows }, (_, i) => low + ((high - low) * i) / (rows - 1)).map((x): Row => [[x], [f(x)]]),
    numbers,
  );

/** The same, with rows in any order and others to validate and test on. */
const sampled =
  (low: number, high: number, rows: number, f: (x: number) => number): MakeSource =>
  (g) => ({
    ...table(1, [], numbers)(g, { kind: '', seed: 0 }),
    rows,
    isTable: false,
    row() {
      const x = g.between(low, high);
      return [[x], [f(x)]];
    },
  });

const linear: MakeSource = (g, { features = 5 }) => {
  const weights = g.list(features, () => g.between(0, 100));
  return {
    inputShape: [features],
    ...numbers,
    rows: 1000,
    row() {
      const x = g.list(features, () => g.normal());
      return [x, [dot(weights, x)]];
    },
  };
};

/** Functions and truth tables by name. */
export const functions: Readonly<Record<string, MakeSource>> = {
  xor4: table(2, xor),
  xnor4: table(
    2,
    pairs.map((x): Row => [x, [1 - (x[0] ^ x[1])]]),
  ),
  xor6: table(2, [...xor, xor[0], xor[3]]),
  xor_seq: table(2, xor, { inputShape: [1, 2] }),
  // Every byte as bits; targets are the rows in another order.
  bytes8: (g) => {
    const order = g.order(256);
    const rows = order.map((to, from): Row => [bits(from, 8), bits(to, 8)]);
    return table(8, rows, { targets: 'labels', targetShape: [8], classes: 0 })(g, { kind: '', seed: 0 });
  },
  bits14: (g) => ({ ...table(14, [])(g, { kind: '', seed: 0 }), rows: 800, isTable: false, row: () => bitRow(g.list(14, () => g.integer(2))) }),
  linear,
  linear3: (g) => linear(g, { kind: 'linear', seed: 0, features: 3 }),
  average2: (g) => ({
    ...table(2, [], numbers)(g, { kind: '', seed: 0 }),
    rows: 500,
    isTable: false,
    row() {
      const x = [g.uniform(), g.uniform()];
      return [x, [(x[0] + x[1]) / 2]];
    },
  }),
  line8: curve(-1, 6, 8, (x) => 2 * x - 1),
  line100: curve(0, 99, 100, (x) => 3 * x + 2),
  square: sampled(-2, 2, 300, (x) => x * x),
  quartic: sampled(-1.5, 1.5, 300, (x) => x ** 4),
  quintic: sampled(-1.3, 1.3, 300, (x) => x ** 5 - x),
  // a·x² + b·x + c as a linear layer over (x², x).
  parabola4: table(
    2,
    [0, 1, 2, 3].map((x): Row => [[x * x, x], [x * x]]),
    numbers,
  ),
  parabola50: curve(-25, 24, 50, (x) => x * x),
  sine3000: curve(-10, 10, 3000, Math.sin),
  sine: sampled(-3, 3, 400, (x) => Math.sin(2 * x)),
  // sin(t) and sin(t − Δ), with the label 1 for all.
  sine_next: (g) => ({
    ...table(2, [])(g, { kind: '', seed: 0 }),
    rows: 300,
    isTable: false,
    row: (i) => [[Math.sin(0.1 * i), Math.sin(0.1 * (i - 1))], [1]],
  }),
  two_squares: (g) => ({
    ...table(2, [], numbers)(g, { kind: '', seed: 0 }),
    rows: 400,
    isTable: false,
    row() {
      const x = [g.between(-1, 1), g.between(-1, 1)];
      return [x, [x[0] ** 2 + x[1] ** 2]];
    },
  }),
};

// Whether the first half has more ones than the second.
const bitRow = (x: number[]): Row => [x, [Number(x.slice(0, 7).reduce((a, b) => a + b) > x.slice(7).reduce((a, b) => a + b))]];
