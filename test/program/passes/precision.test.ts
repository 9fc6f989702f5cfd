// Which values a step in bfloat16 stores so, and where casts stand.

import test from 'ava';
import type { List } from '../../../lib/program/passes/list.js';
import { storeNarrow } from '../../../lib/program/passes/precision.js';
import type { Slot } from '../../../lib/program/record.js';
import { Lister, names, verify } from './lists.js';

const stored = (list: List, ...slots: Slot[]): string[] => slots.map(({ buffer }) => list.buffers[buffer].dtype);
/** Instructions with the element types of their operands: `matmul bf16 ← bf16 bf16 f32`. */
const typed = (list: List): string[] =>
  list.instructions.map(({ operands, writes }, i) => {
    const types = operands.map(({ buffer }) => list.buffers[buffer].dtype.replace('bfloat', 'b').replace('float', 'f'));
    return `${names(list)[i]} ${types.slice(0, writes).join(' ')} ← ${types.slice(writes).join(' ')}`;
  });

test('operands of products are bfloat16: what lies between two of them is stored so, arguments are cast, parameters are rounded by the product, logits are float32', (t) => {
  const l = new Lister();
  const [x, w1, b1, w2, b2] = [l.input(12), l.external(20), l.external(5), l.external(10), l.external(2)];
  const [h, logits] = [l.temporary(15), l.temporary(6)];
  l.run('matmul + bias + relu', [h], [x, w1, b1], [3, 5, 4, 0, 0]);
  l.run('matmul + bias', [logits], [h, w2, b2], [3, 2, 5, 0, 0]);
  l.run('softmax', [l.external(6)], [logits], [3, 2]);
  const list = storeNarrow(l.list());
  verify(list);
  t.deepEqual(typed(list), [
    'cast b16 ← f32',
    'matmul + bias + relu b16 ← b16 f32 f32',
    'matmul + bias f32 ← b16 f32 f32',
    'softmax f32 ← f32',
  ]);
});

test('what comes in as float32 is narrowed once for all products that read it, and again where it was written in between', (t) => {
  const l = new Lister();
  const [x, w] = [l.input(16), l.external(16)];
  const product = (): Lister => l.run('matmul', [l.external(16)], [x, w], [4, 4, 4, 0, 0]);
  product();
  product();
  l.run('accumulate', [x], [l.input(16)]);
  product();
  t.deepEqual(names(storeNarrow(l.list())), ['cast', 'matmul', 'matmul', 'accumulate', 'cast', 'matmul']);
});

test('weights of a convolution are narrowed for each product: copies of all of them would wait for the backward', (t) => {
  const l = new Lister();
  const geometry = [1, 4, 4, 2, 4, 4, 3, 1, 1, 1, 1, 0, 0, 1, 1, 1, 0];
  const [x, w, y, dx] = [l.input(32), l.external(6), l.temporary(48), l.temporary(32)];
  l.run('conv2d', [y], [x, w], geometry);
  l.run('conv2d_input_gradient', [dx], [y, w], geometry);
  l.run('conv2d_weight_gradient', [l.external(6)], [x, y], geometry);
  l.run('sum', [l.external(1)], [dx], [1, 32, 1]);
  const list = storeNarrow(l.list());
  t.deepEqual(stored(list, y, dx), ['bfloat16', 'float32']);
  t.deepEqual(names(list), ['cast', 'cast', 'conv2d', 'cast', 'conv2d_input_gradient', 'conv2d_weight_gradient', 'sum']);
});

test('a value that one elementwise operation takes on is not rounded, whoever looks at it besides', (t) => {
  for (const isObserved of [false, true]) {
    const l = new Lister();
    const [z, y, w] = [l.temporary(16), l.temporary(16), l.external(16)];
    l.run('matmul', [z], [l.input(16), w], [4, 4, 4, 0, 0]);
    if (isObserved) l.run('sum', [l.external(1)], [z], [1, 16, 1]);
    l.run('tanh', [y], [z]);
    l.run('matmul', [l.external(16)], [y, w], [4, 4, 4, 0, 0]);
    if (isObserved) l.run('sum', [l.external(1)], [y], [1, 16, 1]);
    const list = storeNarrow(l.list());
    t.deepEqual(stored(list, z, y), ['float32', 'bfloat16']);
    t.is(typed(list).filter((one) => one === 'cast f32 ← b16').length, isObserved ? 1 : 0);
  }
});

test('two readers make it worth its place: the input of an activation that its backward reads again', (t) => {
  const l = new Lister();
  const [z, y, w, dy, dz] = [l.temporary(16), l.temporary(16), l.external(16), l.temporary(16), l.temporary(16)];
  l.run('matmul', [z], [l.input(16), w], [4, 4, 4, 0, 0]).run('gelu', [y], [z]);
  l.run('matmul', [l.external(16)], [y, w], [4, 4, 4, 0, 0]);
  l.run('matmul', [dy], [l.input(16), w], [4, 4, 4, 0, 1]).run('gelu_backward', [dz], [dy, z]);
  l.run('matmul', [l.external(16)], [l.input(16), dz], [4, 4, 4, 1, 0]);
  t.deepEqual(stored(storeNarrow(l.list()), z, y, dy, dz), ['bfloat16', 'bfloat16', 'float32', 'bfloat16']);
});

test('results are float32: what is stored as bfloat16 is widened for them at the end, and what is float64 stays so', (t) => {
  const l = new Lister();
  const [h, w] = [l.temporary(16), l.external(16)];
  l.run('matmul + bias + relu', [h], [l.input(16), w, l.external(4)], [4, 4, 4, 0, 0]);
  l.run('matmul', [l.external(16)], [h, w], [4, 4, 4, 0, 0]);
  const list = storeNarrow(l.list(h));
  verify(list);
  t.deepEqual(stored(list, h), ['float32']);
  t.is(typed(list).at(-1), 'cast f32 ← b16');
  t.is(
    typed(list)
      .find((one) => one.startsWith('matmul + bias'))
      ?.split(' ')[5],
    'b16',
  );
  const wide = l.list();
  const doubled: List = { ...wide, buffers: wide.buffers.map((buffer) => ({ ...buffer, dtype: 'float64' as const })) };
  t.deepEqual(storeNarrow(doubled).instructions, doubled.instructions);
});

test('batch norm and pooling take bfloat16 where all of their large operands are, and images that come in as float32 stay so', (t) => {
  const l = new Lister();
  const [image, x, y, w] = [l.input(32), l.temporary(32), l.temporary(32), l.external(64)];
  const statistics = [l.external(8), l.external(8), l.external(8), l.external(8)];
  const first = l.temporary(32);
  l.run('batch_norm', [first], [image, ...statistics], [4, 8], [1e-5]);
  l.run('matmul', [x], [first, w], [4, 8, 8, 0, 0]);
  l.run('batch_norm + relu', [y], [x, ...statistics], [4, 8], [1e-5]);
  l.run('matmul', [l.external(32)], [y, w], [4, 8, 8, 0, 0]);
  const list = storeNarrow(l.list());
  verify(list);
  t.deepEqual(stored(list, first, x, y), ['float32', 'bfloat16', 'bfloat16']);
  t.deepEqual(typed(list)[0], 'batch_norm f32 ← f32 f32 f32 f32 f32');
  t.true(typed(list).includes('batch_norm + relu b16 ← b16 f32 f32 f32 f32'));
});

test('mean pooling and layer norm between two products read and write bfloat16; their statistics and sums do not', (t) => {
  const l = new Lister();
  const [x, pooled, normalized, w] = [l.temporary(32), l.temporary(8), l.temporary(8), l.external(64)];
  const statistics = [l.external(2), l.external(2)];
  l.run('matmul', [x], [l.input(32), w], [4, 8, 8, 0, 0]);
  l.run('adaptive_avg_pool2d', [pooled], [x], [1, 2, 2, 1, 1, 8]);
  l.run('group_norm', [normalized, ...statistics], [pooled, l.external(8), l.external(8)], [1, 1, 8, 1, 1], [1e-5]);
  l.run('matmul', [l.external(8)], [normalized, w], [1, 8, 8, 0, 0]);
  const list = storeNarrow(l.list());
  t.deepEqual(stored(list, x, pooled, normalized), ['bfloat16', 'bfloat16', 'bfloat16']);
  t.deepEqual(names(list), ['cast', 'matmul', 'adaptive_avg_pool2d', 'group_norm', 'matmul']);
});

test('a copy is stored as what it copies: an embedding is not narrowed as a whole, slices of activations are not widened', (t) => {
  const l = new Lister();
  const [rows, h, part, w] = [l.temporary(8), l.temporary(16), l.temporary(8), l.external(16)];
  l.run('gather_rows', [rows], [l.external(64), l.input(2, 'int32')], [16, 4]);
  l.run('matmul', [h], [rows, l.external(32)], [2, 8, 4, 0, 0]);
  l.run('matmul', [l.external(16)], [h, w], [4, 4, 4, 0, 0]);
  l.run('gather_rows', [part], [h, l.input(2, 'int32')], [4, 4]);
  l.run('sum', [l.external(1)], [part], [1, 8, 1]);
  t.deepEqual(stored(storeNarrow(l.list()), rows, h, part), ['float32', 'bfloat16', 'bfloat16']);
});
