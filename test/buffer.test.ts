// Buffers: memory that stays, values to begin with, and what they refuse.
import test from 'ava';
import { Buffer, compileStep, DTypeError, Layer, NodegradError, type Tensor, tensor } from '../lib/index.js';
import { accumulateOp } from '../lib/ops/elementwise.js';
import { emitInPlace } from '../lib/ops/emit.js';

class Counting extends Layer {
  readonly seen = new Buffer([2], { value: 3 });
  readonly others = { deep: [new Buffer([], { dtype: 'int32' })] };
  forward(x: Tensor): Tensor {
    emitInPlace(accumulateOp, [this.seen], [x], undefined);
    return x.add(this.seen);
  }
}

test('a buffer begins with its value, on shared memory, and is found in nested fields', (t) => {
  const layer = new Counting();
  t.deepEqual([...layer.namedBuffers().keys()], ['seen', 'others.deep.0']);
  t.deepEqual([...layer.seen.data], [3, 3]);
  t.true(layer.seen.data.buffer instanceof SharedArrayBuffer);
  t.is(layer.parameterCount(), 0);
});

test('a compiled step may write to it', (t) => {
  const layer = new Counting();
  const step = compileStep((x: Tensor) => layer.forward(x));
  t.deepEqual([...step.sync(tensor([1, 2])).data], [5, 7]);
  t.deepEqual([...step.sync(tensor([1, 2])).data], [6, 9]);
  t.deepEqual([...layer.seen.data], [5, 7]);
});

test('integers stay integers: they are not converted, and take no floats', (t) => {
  const layer = new Counting().to('float64');
  t.deepEqual(
    [...layer.namedBuffers().values()].map(({ dtype }) => dtype as string),
    ['float64', 'int32'],
  );
  const state = layer.stateDict();
  t.throws(() => layer.loadStateDict(new Map(state).set('others.deep.0', tensor(1) as never)), { instanceOf: DTypeError });
  t.deepEqual(layer.loadStateDict(state).matched, ['seen', 'others.deep.0']);
});

test('wrong options are refused', (t) => {
  t.throws(() => new Buffer([2], { value: 'x' as never }), { instanceOf: NodegradError, message: /value/ });
  t.throws(() => new Buffer([2], { dtype: 'int8' as never }), { instanceOf: NodegradError, message: /dtype/ });
  t.throws(() => new Buffer([-1]), { instanceOf: NodegradError });
});
