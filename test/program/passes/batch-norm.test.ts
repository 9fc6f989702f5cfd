// Batch norm and the ReLU behind it become one, forward and backward, where nobody else needs what lies between.

import test from 'ava';
import type { List } from '../../../lib/program/passes/list.js';
import type { Slot } from '../../../lib/program/record.js';
import { fuseBatchNorm as fuseForward, fuseBatchNormMask } from '../../../lib/program/passes/batch-norm.js';
import { Lister, names, outcome } from './lists.js';

const fuseBatchNorm = (list: List): List => fuseBatchNormMask(fuseForward(list));

const [rows, channels] = [6, 3];
const size = rows * channels;
const ints = [rows, channels];
const reals = [1e-3];

function forward(relu: 'relu' | 'add + relu' | null) {
  const l = new Lister();
  const [x, other, dy] = [l.input(size), l.input(size), l.input(size)];
  const statistics = [l.constant(0.1, -0.2, 0.3), l.constant(0.5, 1, 2), l.external(channels), l.external(channels)];
  const [z, y] = [l.temporary(size), l.temporary(size)];
  l.run('batch_norm', [z], [x, ...statistics], ints, reals);
  if (relu === 'relu') l.run('relu', [y], [z]);
  if (relu === 'add + relu') l.run('add + relu', [y], [other, z], [1, size, 1, 1]);
  return { l, x, other, dy, statistics, z, y };
}

function both(relu: 'relu' | 'add + relu', between: (l: Lister, g: Slot, statistics: readonly Slot[]) => void = () => {}) {
  const made = forward(relu);
  const { l, x, dy, statistics, y } = made;
  const [g, dGamma, dBeta, dx] = [l.temporary(size), l.temporary(channels), l.temporary(channels), l.external(size)];
  l.run('relu_backward', [g], [dy, y]);
  between(l, g, statistics);
  l.run('batch_norm_gradients', [dGamma, dBeta], [g, x, ...statistics.slice(0, 2)], ints, reals);
  l.run('batch_norm_backward', [dx], [g, x, ...statistics.slice(0, 3), dGamma, dBeta], [...ints, 1], reals);
  l.run('accumulate', [l.external(channels)], [dGamma]);
  return { ...made, g };
}

test('batch norm and relu become one, and so with an addition between', (t) => {
  for (const relu of ['relu', 'add + relu'] as const) {
    const { l, y } = forward(relu);
    const fused = fuseBatchNorm(l.list(y));
    t.deepEqual(names(fused), [relu === 'relu' ? 'batch_norm + relu' : 'batch_norm + residual + relu']);
    t.deepEqual(fused.instructions[0].of, ['batch_norm', relu]);
    t.deepEqual(outcome(fused), outcome(l.list(y)));
  }
});

test('a sum and a relu of their own go with it too, in either order, unless the sum has another reader', (t) => {
  for (const first of [false, true]) {
    const { l, other, z, y } = forward(null);
    const sum = l.temporary(size);
    l.run('add', [sum], first ? [z, other] : [other, z], [1, size, 1, 1]).run('relu', [y], [sum]);
    const fused = fuseBatchNorm(l.list(y));
    t.deepEqual(names(fused), ['batch_norm + residual + relu']);
    t.deepEqual(outcome(fused), outcome(l.list(y)));
    t.deepEqual(names(fuseBatchNorm(l.list(y, sum))), ['batch_norm', 'add', 'relu']);
  }
});

test('they are left alone where another reads the sum, or a row is added', (t) => {
  const { l, z, y } = forward('relu');
  t.deepEqual(names(fuseBatchNorm(l.list(z, y))), ['batch_norm', 'relu']);
  const row = forward(null);
  row.l.run('add + relu', [row.y], [row.z, row.l.external(channels)], [2, rows, channels, channels, 1, 0, 1]);
  t.deepEqual(names(fuseBatchNorm(row.l.list(row.y))), ['batch_norm', 'add + relu']);
  const guarded = forward(null);
  guarded.l.run('relu', [guarded.y], [guarded.z], [], [], guarded.l.guard());
  t.deepEqual(names(fuseBatchNorm(guarded.l.list(guarded.y))), ['batch_norm', 'relu']);
});

test('the gradients find in x what ReLU let through', (t) => {
  const { l } = both('relu');
  const fused = fuseBatchNorm(l.list());
  t.deepEqual(names(fused), [
    'batch_norm + relu',
    'batch_norm_gradients + relu_backward recomputed',
    'batch_norm_backward + relu_backward recomputed',
    'accumulate',
  ]);
  t.deepEqual(outcome(fused), outcome(l.list()));
});

test('behind an addition, or for another reader, what ReLU let through is stored by the pass of the sums', (t) => {
  const stored = ['batch_norm_gradients + relu_backward kept', 'batch_norm_backward', 'accumulate'];
  const added = both('add + relu').l;
  t.deepEqual(names(fuseBatchNorm(added.list())), ['batch_norm + residual + relu', ...stored]);
  t.deepEqual(outcome(fuseBatchNorm(added.list())), outcome(added.list()));
  const read = both('relu', (l, g) => l.run('neg', [l.external(size)], [g])).l;
  t.deepEqual(names(fuseBatchNorm(read.list())), ['batch_norm + relu', 'batch_norm_gradients + relu_backward kept', 'neg', ...stored.slice(1)]);
  t.deepEqual(outcome(fuseBatchNorm(read.list())), outcome(read.list()));
});

test('a factor that changed since the forward pass gives no mask any more, and a result stays a result', (t) => {
  const changed = both('relu', (l, _g, [, , gamma]) => l.run('accumulate', [gamma], [l.input(channels)])).l;
  t.false(names(fuseBatchNorm(changed.list())).includes('batch_norm_backward + relu_backward recomputed'));
  t.deepEqual(outcome(fuseBatchNorm(changed.list())), outcome(changed.list()));
  const { l, g } = both('relu');
  t.true(names(fuseBatchNorm(l.list(g))).includes('relu_backward'));
});
