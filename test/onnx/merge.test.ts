// Proves lib/onnx/merge.ts: which numbers are formulas of free sizes. Whole graphs are compared in round-trip.test.ts, and by onnxruntime.
import test from 'ava';
import type { FreeAxis } from '../../lib/onnx/free-axes.js';
import { formulaOf } from '../../lib/onnx/merge.js';

const axis = (name: string, ...sizes: number[]): FreeAxis => ({ name, places: [], sizes });
const height = axis('height', 32, 33, 34, 35, 160);
const width = axis('width', 32, 34, 35, 33, 288);
const of = (run: (h: number, w: number) => number) => {
  const formula = formulaOf(height.sizes.map((h, i) => run(h, width.sizes[i])), [height, width]); // biome-ignore format: one line
  return formula === null ? null : [formula.axes.map(({ name }) => name).join('*'), formula.times, formula.over, formula.plus];
};

test('multiples, sums and quotients of a size, and of a product of two, are found', (t) => {
  t.deepEqual(of((h) => h), ['height', 1, 1, 0]); // biome-ignore format: one line
  t.deepEqual(of((_, w) => 3 * w), ['width', 3, 1, 0]); // biome-ignore format: one line
  t.deepEqual(of((h) => h - 2), ['height', 1, 1, -2]); // biome-ignore format: one line
  t.deepEqual(of((h) => 2 * h + 5), ['height', 2, 1, 5]); // biome-ignore format: one line
  t.deepEqual(of((h, w) => 4 * h * w), ['height*width', 4, 1, 0]); // biome-ignore format: one line
  t.deepEqual(of((h, w) => h * w + 1), ['height*width', 1, 1, 1]); // biome-ignore format: one line
  t.deepEqual(of((h) => h * h), ['height*height', 1, 1, 0]); // biome-ignore format: one line
  t.deepEqual(formulaOf([4, 5, 6], [axis('time', 8, 10, 12)]), { axes: [axis('time', 8, 10, 12)], times: 1, over: 2, plus: 0 });
});

test('what is none of them is not taken for one', (t) => {
  t.is(of((h) => Math.ceil(h / 2)), null); // biome-ignore format: one line
  t.is(of((h, w) => h + w), null); // biome-ignore format: one line
  t.is(of((h) => 1 / h), null); // biome-ignore format: one line
  t.is(of((h, w) => Math.max(h, w)), null); // biome-ignore format: one line
});
