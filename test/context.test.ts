// What is in force while code runs: a field is set for a call alone, however that ends, and nothing else moves.
import test from 'ava';
import { type Context, context, within } from '../lib/context.js';
import { Linear, noGrad, ones, ReLU, Sequential, type Tensor } from '../lib/index.js';
import { observeForward } from '../lib/layers/forward.js';
import { currentPath, isRecording } from '../lib/ops/emit.js';
import { trace } from '../lib/ops/trace.js';

test('a field has its value while the body runs and the one before afterwards, also when the body throws', (t) => {
  const start = { ...context };
  const values: Partial<Context> = { gradients: false, convolution: 'im2col', held: [], skipped: new Set(), observers: [() => {}] };
  for (const [field, value] of Object.entries(values) as [keyof Context, never][]) {
    const result = within(field, value, () => {
      t.is(context[field] as unknown, value);
      t.deepEqual({ ...context, [field]: start[field] }, start, 'and no other field changes');
      return field;
    });
    t.is(result, field);
    const fails = (): never => {
      throw new Error('in the middle');
    };
    t.throws(() => within(field, value, fails), { message: 'in the middle' });
    t.deepEqual({ ...context }, start);
  }
});

test('what throws in the middle of a forward, a trace and an observation leaves everything as it was', (t) => {
  const start = { ...context };
  class Broken extends ReLU {
    override forward(): never {
      throw new Error(`at ${currentPath()}`);
    }
  }
  const model = new Sequential([new Linear(2, 2), new Sequential([new Broken()])]);
  const observer = { execute() {}, view() {} };
  const look = (): unknown =>
    observeForward(
      () => {},
      () => noGrad(() => model.forward(ones([1, 2]))),
    );
  t.throws(look, { message: 'at 1.0' });
  t.throws(() => trace([{ shape: [1, 2], dtype: 'float32' }], observer, (x) => model.forward(x as Tensor)), { message: 'at 1.0' });
  t.false(isRecording());
  t.deepEqual({ ...context }, start);
});
