// What every preprocessing step must do. The test of the room calls this for each.
import type { ExecutionContext } from 'ava';
import {
  ArgumentError,
  fromBytes,
  Linear,
  Sequential,
  ShapeError,
  type Tensor,
  TensorDataset,
  Transform,
  transformed,
  zeros,
} from '../../lib/index.js';
import { f64 } from '../helpers/build.js';
import { close, identical } from '../helpers/close.js';

/** A transform, data that suit it, and how near `inverse` comes to them; null where there is none. */
export interface TransformExpectations {
  readonly create: () => Transform;
  readonly data: Tensor<'float64'>;
  /** How near `inverse` comes to the data; null where there is no inverse. */
  readonly inverse: number | null;
}

/** Runs every check. */
export function transformContract(t: ExecutionContext, { create, data, inverse }: TransformExpectations): void {
  const [rows, ...shape] = data.shape;
  t.throws(() => create().transform(data), { instanceOf: ArgumentError, message: /has learned nothing: call fit/ });
  const transform = create();
  t.is(transform.fit(data), transform);
  t.true(transform.isFitted);
  t.deepEqual(transform.inputShape, shape);
  const whole = transform.transform(data);
  t.deepEqual(whole.shape, [rows, ...transform.outputShape]);
  t.is(whole.dtype, 'float64');
  for (const size of [1, 3, rows - 1]) {
    for (let start = 0; start < rows; start += size) {
      const end = Math.min(rows, start + size);
      identical(t, transform.transform(data.slice(start, end)), whole.slice(start, end), `rows ${start} to ${end} by themselves`);
    }
  }
  t.is(transform.transform(data.to('float32')).dtype, 'float32');
  t.deepEqual(transform.transform(data.slice(0, 0)).shape, [0, ...transform.outputShape]);
  if (inverse === null) t.throws(() => transform.inverse(whole), { instanceOf: ArgumentError, message: /has no inverse/ });
  else close(t, transform.inverse(whole), data, { absolute: inverse, relative: inverse }, 'inverse');

  const json: unknown = JSON.parse(JSON.stringify(transform));
  const twin = Transform.fromJSON(json);
  t.is(twin.constructor, transform.constructor);
  identical(t, twin.transform(data), whole, 'from JSON');
  const model = new Sequential([new Linear(transform.outputShape[transform.outputShape.length - 1], 2)]);
  model.preprocessing = transform;
  const read = fromBytes(model.toBytes()).preprocessing as Transform;
  identical(t, read.transform(data), whole, 'saved with a model');
  identical(t, (model.clone().preprocessing as Transform).transform(data), whole, 'with a clone');

  const labels = zeros([rows], { dtype: 'int32' });
  const set = new TensorDataset(data, labels);
  identical(t, create().fit(set).transform(data), whole, 'fitted on a data set');
  identical(t, transformed(set, transform).batch(Int32Array.of(1, 0)).inputs, transform.transform(data.gather([1, 0])), 'a batch');
  for (const split of ['validation', 'test'] as const) {
    const held = new TensorDataset(data, labels, { name: 'held', split });
    t.throws(() => create().fit(held), { instanceOf: ArgumentError, message: new RegExp(`'held' is the ${split} part of a split`) });
  }
  t.throws(() => create().fit(data.slice(0, 0)), { instanceOf: ArgumentError, message: /0 examples/ });
  t.throws(() => transform.transform(f64(new Float64Array(2 * 977), [2, 977])), { instanceOf: ShapeError, message: /takes examples as/ });
  t.throws(() => transform.transform([1] as never), { instanceOf: ArgumentError });
  t.throws(() => create().fit(data, { size: 3 } as never), { instanceOf: ArgumentError, message: /unknown option `size`/ });
}
