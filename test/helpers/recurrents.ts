// Recurrent operations: valid native calls at any length, and gradient-check cases.
import type { DType, TypedArray } from '../../lib/dtype.js';
import { arrayTypes } from '../../lib/dtype.js';
import { Tensor } from '../../lib/index.js';
import { gru, lstm, rnn, type Sequence, type SequenceResult } from '../../lib/ops/recurrent.js';
import { columnsOf, type Float, type Maker, type Sample, uniform } from '../native/calls.js';
import { f64 } from './build.js';
import type { GradientCase } from './gradients.js';
import { Seeded } from './seeded.js';

type Double = Tensor<'float64'>;

// ---- native calls ----

interface Sizes {
  batch: number;
  time: number;
  hidden: number;
  reversed: number;
  /** Rectified, projected or reset after the product. */
  last: number;
  /** Without it initial states, their gradients, upstream gradients and the mask are absent. */
  whole: boolean;
}

// About n outputs; each size of its own remainder, and both ways of everything.
function sizesOf(n: number, lasts: readonly number[]): Sizes[] {
  const hidden = columnsOf(n);
  const rows = n / hidden;
  const time = columnsOf(rows);
  const batch = rows / time;
  // No projection is larger than the hidden state.
  return lasts
    .map((last) => Math.min(last, hidden))
    .flatMap((last, i) => [
      { batch, time, hidden, reversed: i % 2, last, whole: true },
      { batch, time, hidden, reversed: 1 - (i % 2), last, whole: false },
    ]);
}

const form = ({ batch, time, hidden, reversed, last, whole }: Sizes): string =>
  `${batch}×${time}×${hidden}${reversed ? ' reversed' : ''}, ${last}${whole ? '' : ', without what may be absent'}`;

function sample(op: string, s: Sizes, dtype: Float, outputs: readonly number[], inputs: readonly TypedArray[]): Sample {
  const ints = [s.batch, s.time, s.hidden, s.reversed, s.last];
  return { op, form: form(s), outputs: outputs.map((length) => ({ dtype: dtype as DType, length })), inputs, ints, reals: [] };
}

function maker(
  op: string,
  lasts: readonly number[],
  make: (s: Sizes, rows: number, draw: Draw) => [outputs: number[], inputs: TypedArray[]],
): Maker {
  return (n, dtype, random) =>
    sizesOf(n, lasts).map((s) => {
      const draw: Draw = (size, absent = false) => (absent && !s.whole ? new arrayTypes[dtype](0) : uniform(random, dtype, size, -1, 1));
      const [outputs, inputs] = make(s, s.batch * s.time, draw);
      const mask = s.whole ? Uint8Array.from({ length: s.batch * s.time }, () => (random.integer(4) === 0 ? 0 : 1)) : new Uint8Array(0);
      return sample(op, s, dtype, outputs, [...inputs, mask]);
    });
}
type Draw = (size: number, absent?: boolean) => TypedArray;

export const recurrentMakers: Record<string, Maker> = {
  rnn: maker('rnn', [0, 1], ({ batch, hidden: n }, rows, draw) => [
    [rows * n, batch * n, rows * n],
    [draw(rows * n), draw(n * n), draw(batch * n, true)],
  ]),
  rnn_backward: maker('rnn_backward', [0, 1], ({ batch, hidden: n, whole }, rows, draw) => [
    [rows * n, whole ? batch * n : 0],
    [draw(rows * n), draw(batch * n, true), draw(n * n), draw(rows * n), draw(batch * n)],
  ]),
  lstm: maker('lstm', [0, 3], ({ batch, hidden: n, last }, rows, draw) => {
    const p = last || n;
    return [
      [rows * p, batch * p, batch * n, rows * p, rows * n, rows * 4 * n, last ? rows * n : 0],
      [draw(rows * 4 * n), draw(p * 4 * n), draw(last ? n * p : 0), draw(batch * p, true), draw(batch * n, true)],
    ];
  }),
  lstm_backward: maker('lstm_backward', [0, 3], ({ batch, hidden: n, last, whole }, rows, draw) => {
    const p = last || n;
    const upstreams = [draw(rows * p, true), draw(batch * p), draw(batch * n, true)];
    return [
      [rows * 4 * n, whole ? batch * p : 0, whole ? batch * n : 0, last ? rows * p : 0],
      [...upstreams, draw(p * 4 * n), draw(last ? n * p : 0), draw(rows * 4 * n), draw(rows * n)],
    ];
  }),
  gru: maker('gru', [0, 1], ({ batch, hidden: n }, rows, draw) => [
    [rows * n, batch * n, rows * n, rows * 3 * n, rows * n],
    [draw(rows * 3 * n), draw(3 * n * n), draw(n, true), draw(batch * n, true)],
  ]),
  gru_backward: maker('gru_backward', [0, 1], ({ batch, hidden: n, whole }, rows, draw) => [
    [rows * 3 * n, whole ? batch * n : 0, rows * n],
    [draw(rows * n), draw(batch * n, true), draw(3 * n * n), draw(rows * n), draw(rows * 3 * n), draw(rows * n)],
  ]),
  gru_weight_accumulate: (n, dtype, random) =>
    sizesOf(n, [0, 1]).map((s) => {
      const rows = s.batch * s.time;
      const inputs = [1, 1, 3, 1].map((gates) => uniform(random, dtype, rows * gates * s.hidden, -1, 1));
      const length = 3 * s.hidden * s.hidden;
      const outputs = [{ dtype, length, initial: uniform(random, dtype, length) }];
      return { op: 'gru_weight_accumulate', form: form(s), outputs, inputs, ints: [rows, s.hidden, s.last], reals: [] };
    }),
  sequence_mask: (n, _dtype, random) => {
    const time = columnsOf(n);
    const lengths = Int32Array.from({ length: n / time }, () => random.integer(time + 1));
    return [
      {
        op: 'sequence_mask',
        form: `of ${time} steps`,
        outputs: [{ dtype: 'uint8', length: n }],
        inputs: [lengths],
        ints: [n / time, time],
        reals: [],
      },
    ];
  },
};

// ---- gradients ----

const point = (seed: number, shape: readonly number[]): Double =>
  f64(
    new Seeded(seed).uniform(
      shape.reduce((a, b) => a * b, 1),
      -1,
      1,
    ),
    shape,
  );

// All outputs side by side: the loss may depend on each.
const all = ({ output, state }: SequenceResult): Double => {
  const parts = [output, ...state] as unknown as Double[];
  const sums = parts.map((part, i) => part.mul(point(90 + i, part.shape)).reshape([part.size]));
  return sums.reduce((whole, part) => whole.pad([[0, part.size]]).add(part.pad([[whole.size, 0]])));
};

const shapes: readonly [batch: number, time: number, hidden: number][] = [
  [1, 1, 1],
  [2, 3, 2],
  [3, 2, 5],
  [5, 4, 1],
  [1, 5, 3],
];

function cases(
  fn: (inputs: readonly Tensor[], mask: Tensor | null, sizes: Sequence) => SequenceResult,
  inputShapes: (s: Sequence) => number[][],
): GradientCase[] {
  return shapes.flatMap(([batch, time, hidden], i) =>
    [false, true].map((reversed) => {
      const sizes = { batch, time, hidden, reversed };
      const random = new Seeded(i + 1);
      const mask = Tensor.from(
        Uint8Array.from({ length: batch * time }, () => random.integer(2)),
        [batch, time],
      ) as unknown as Tensor;
      return {
        name: `[${batch}, ${time}, ${hidden}]${reversed ? ' reversed and masked' : ''}`,
        fn: (...inputs: Double[]) => all(fn(inputs as unknown as Tensor[], reversed ? mask : null, sizes)),
        inputs: inputShapes(sizes).map((shape, k) => point(10 * i + k, shape)),
      };
    }),
  );
}

export const recurrentCases: Record<string, () => GradientCase[]> = {
  rnn: () =>
    cases(
      ([pre, w, h], mask, sizes) => rnn(pre, w, [h], mask, sizes, false),
      ({ batch, time, hidden: n }) => [[batch, time, n], [n, n], [batch, n]], // biome-ignore format: one line
    ),
  lstm: () => [
    ...cases(
      ([pre, w, h, c], mask, sizes) => lstm(pre, w, null, [h, c], mask, sizes),
      ({ batch, time, hidden: n }) => [[batch, time, 4 * n], [n, 4 * n], [batch, n], [batch, n]], // biome-ignore format: one line
    ),
    ...cases(
      ([pre, w, projection, h, c], mask, sizes) => lstm(pre, w, projection, [h, c], mask, sizes),
      ({ batch, time, hidden: n }) => [[batch, time, 4 * n], [n > 1 ? 2 : 1, 4 * n], [n, n > 1 ? 2 : 1], [batch, n > 1 ? 2 : 1], [batch, n]], // biome-ignore format: one line
    ),
  ],
  gru: () => [
    ...cases(
      ([pre, w, bias, h], mask, sizes) => gru(pre, w, bias, [h], mask, sizes, true),
      ({ batch, time, hidden: n }) => [[batch, time, 3 * n], [n, 3 * n], [n], [batch, n]], // biome-ignore format: one line
    ),
    ...cases(
      ([pre, w, h], mask, sizes) => gru(pre, w, null, [h], mask, sizes, false),
      ({ batch, time, hidden: n }) => [[batch, time, 3 * n], [n, 3 * n], [batch, n]], // biome-ignore format: one line
    ),
  ],
};
