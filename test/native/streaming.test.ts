// Results that are too large for a cache are written past it: the bits are those of the same work done in parts.
import test from 'ava';
import type { TypedArray } from '../../lib/dtype.js';
import { allocateShared } from '../../lib/native.js';
import { bitsOfBfloat16 } from '../helpers/bfloat16.js';
import { Seeded } from '../helpers/seeded.js';
import { firstDifference, runInto, runSample } from './samples.js';

/** Bytes from which on results are streamed: streamingBytes in native/ops/op.h. */
const limit = 24 * 2 ** 20;
/** An even number of rows or images of `size` elements, the least that goes beyond the limit. */
const unitsOf = (size: number, bytes = 4): number => 2 * Math.ceil((limit / bytes / size + 1) / 2);

interface Output {
  readonly dtype: 'float32' | 'bfloat16' | 'uint8';
  readonly length: number;
}
interface Work {
  readonly op: string;
  readonly outputs: readonly Output[];
  readonly inputs: TypedArray[];
  readonly ints: number[];
  readonly reals: number[];
}

/** Zeros at a multiple of 64 bytes, or `shift` elements after one. */
const memory = ({ dtype, length }: Output, shift: number): TypedArray => allocateShared(length + shift, dtype).subarray(shift);
function outcome(work: Work, shift = 0): TypedArray[] {
  const outputs = work.outputs.map((output) => memory(output, shift));
  runInto({ ...work, form: '', outputs: [] }, outputs, work.inputs);
  return outputs;
}
const float32 = (length: number): Output => ({ dtype: 'float32', length });
/** Random numbers that come again after 10007, a prime: no tile has those of another. */
function numbers(random: Seeded, n: number, low = -1, high = 1): Float32Array {
  const period = Float32Array.from(random.uniform(10007, low, high));
  const all = new Float32Array(n);
  for (let i = 0; i < n; i += period.length) all.set(period.subarray(0, n - i), i);
  return all;
}

/** What `work(begin, end)` writes first for all units has the bits of what it writes for either half. */
function sameInHalves(
  t: { is(a: unknown, b: unknown, message: string): void },
  units: number,
  work: (begin: number, end: number) => Work,
  shifts = [0, 1],
): void {
  const halves = [outcome(work(0, units / 2)), outcome(work(units / 2, units))];
  for (const shift of shifts) {
    const [whole] = outcome(work(0, units), shift);
    if (whole.byteLength < limit) throw new Error('nothing is streamed');
    const middle = halves[0][0].length;
    for (const [i, part] of [whole.subarray(0, middle), whole.subarray(middle)].entries())
      t.is(firstDifference(part, halves[i][0]), -1, `${work(0, 1).op}, half ${i}, ${shift} elements off`);
  }
}

for (const channels of [3, 67, 80]) {
  test(`batch norm of ${channels} channels writes large results as it writes small ones`, (t) => {
    const random = new Seeded(channels);
    const rows = unitsOf(channels);
    const [x, dy, other] = [1, 2, 3].map(() => numbers(random, rows * channels));
    const [mean, gamma, beta, dGamma, dBeta] = [1, 2, 3, 4, 5].map(() => numbers(random, channels));
    const variance = numbers(random, channels, 0.1, 2);
    const affine = [mean, variance, gamma, beta];
    const map = (
      op: string,
      full: Float32Array[],
      each: Float32Array[],
      last: Float32Array[] = [],
      ofInput?: number,
      mask: Float32Array[] = [],
    ) =>
      sameInHalves(t, rows, (begin, end) => {
        const part = (array: Float32Array): Float32Array => array.subarray(begin * channels, end * channels);
        // A mean over half of the rows, of half of the sum.
        const inputs = [
          ...full.map(part),
          ...each,
          ...last.map(op.endsWith('relu') ? part : (sum) => sum.map((value) => (value * (end - begin)) / rows)),
          ...mask,
        ];
        const ints = ofInput === undefined ? [] : [ofInput];
        return { op, outputs: [float32((end - begin) * channels)], inputs, ints: [end - begin, channels, ...ints], reals: [1e-5] };
      });
    map('batch_norm', [x], affine);
    map('batch_norm + relu', [x], affine);
    map('batch_norm + residual + relu', [x], affine, [other]);
    map('batch_norm_backward', [dy, x], [mean, variance, gamma], [dGamma, dBeta], 1);
    map('batch_norm_backward + relu_backward recomputed', [dy, x], [mean, variance, gamma], [dGamma, dBeta], 1, [gamma, beta]);

    const each = [float32(channels), float32(channels)];
    const [ints, reals] = [[rows, channels], [1e-5]];
    const inputs = [dy, x, mean, variance, other];
    const [wanted] = outcome({ op: 'relu_backward', outputs: [float32(x.length)], inputs: [dy, other], ints: [], reals: [] });
    const sums = outcome({ op: 'batch_norm_gradients', outputs: each, inputs: [wanted, x, mean, variance], ints, reals });
    for (const shift of [0, 1]) {
      const found = outcome(
        { op: 'batch_norm_gradients + relu_backward kept', outputs: [...each, float32(x.length)], inputs, ints, reals },
        shift,
      );
      for (const [i, array] of [...sums, wanted].entries()) t.is(firstDifference(found[i], array), -1, `add_relu_gradients, output ${i}`);
    }
  });
}

for (const channels of [3, 80]) {
  test(`batch norm of ${channels} channels writes large results of bfloat16 as it writes small ones`, (t) => {
    const random = new Seeded(channels);
    const rows = unitsOf(channels, 2);
    const narrow = (wide: Float32Array): Uint16Array => Uint16Array.from(wide, bitsOfBfloat16);
    const repeated = (): Uint16Array => {
      const period = narrow(numbers(random, 10007));
      const all = new Uint16Array(rows * channels);
      for (let i = 0; i < all.length; i += period.length) all.set(period.subarray(0, all.length - i), i);
      return all;
    };
    const [x, dy] = [repeated(), repeated()];
    const [mean, gamma, beta, dGamma, dBeta] = [1, 2, 3, 4, 5].map(() => numbers(random, channels));
    const variance = numbers(random, channels, 0.1, 2);
    const map = (op: string, full: Uint16Array[], each: Float32Array[], more: number[] = []) =>
      sameInHalves(
        t,
        rows,
        (begin, end) => ({
          op,
          outputs: [{ dtype: 'bfloat16', length: (end - begin) * channels }],
          inputs: [...full.map((array) => array.subarray(begin * channels, end * channels)), ...each],
          ints: [end - begin, channels, ...more],
          reals: [1e-5],
        }),
        // Streams of bfloat16 begin at 32 bytes.
        [0, 1, 16],
      );
    map('batch_norm', [x], [mean, variance, gamma, beta]);
    map('batch_norm + relu', [x], [mean, variance, gamma, beta]);
    // Mean and variance that do not depend on x: the sums over the rows do not count.
    map('batch_norm_backward', [dy, x], [mean, variance, gamma, dGamma, dBeta], [0]);
  });
}

for (const [side, c, k] of [
  [15, 16, 48],
  [5, 17, 32],
  [13, 48, 1600],
  [7, 16, 35],
]) {
  test(`Winograd writes large results as it writes small ones: ${side}×${side}, ${c} to ${k} channels`, (t) => {
    const random = new Seeded(k);
    const images = unitsOf(side * side * k);
    const pixels = side * side;
    const [w, bias] = [numbers(random, 9 * c * k), numbers(random, k)];
    const x = numbers(random, images * pixels * c);
    const work = (op: string, inputs: Float32Array[], ins: number, outs: number) =>
      sameInHalves(t, images, (begin, end) => ({
        op,
        outputs: [float32((end - begin) * pixels * k)],
        inputs: [x.subarray(begin * pixels * c, end * pixels * c), ...inputs],
        ints: [end - begin, side, side, ins, side, side, outs, 3, 3, 1, 1, 1, 1, 1, 1, 1, 0],
        reals: [],
      }));
    work('conv2d', [w], c, k);
    work('conv2d + bias', [w, bias], c, k);
    work('conv2d_input_gradient', [w], k, c);
  });
}

for (const [channels, padding] of [
  [16, 0],
  [16, 1],
  [5, 1],
]) {
  test(`max pooling writes large gradients as it writes small ones: ${channels} channels, padding ${padding}`, (t) => {
    const random = new Seeded(channels + padding);
    const [side, pooled] = [33, 16 + padding];
    const images = unitsOf(side * side * channels);
    const [full, small] = [side * side * channels, pooled * pooled * channels];
    const axis = [side, pooled, 3, 2, padding, 1];
    const x = numbers(random, images * full);
    const dy = numbers(random, images * small);
    const dtypes = [float32(dy.length), { dtype: 'uint8', length: dy.length } as const];
    const [, taps] = runSample({
      op: 'max_pool2d',
      form: '',
      outputs: dtypes,
      inputs: [x],
      ints: [images, ...axis, ...axis, channels],
      reals: [],
    });
    for (const [op, gates] of [
      ['max_pool2d_backward', []],
      ['max_pool2d_backward + relu_backward', [x]],
    ] as const)
      sameInHalves(t, images, (begin, end) => ({
        op,
        outputs: [float32((end - begin) * full)],
        inputs: [
          ...[dy, taps].map((array) => array.subarray(begin * small, end * small)),
          ...gates.map((gate) => gate.subarray(begin * full, end * full)),
        ],
        ints: [end - begin, ...axis, ...axis, channels],
        reals: [],
      }));
  });
}
