// Cross-entropy, its mean and its gradient become one instruction.

import test from 'ava';
import { fuseCrossEntropy } from '../../../lib/program/passes/cross-entropy.js';
import { Lister, names, outcome } from './lists.js';

function loss({ dense = false, factor = 'constant', mean = true, check = false } = {}) {
  const l = new Lister();
  const [logits, target] = [l.input(12), dense ? l.input(12) : l.input(4, 'int32')];
  const [losses, difference, total, value, dx] = [l.temporary(4), l.temporary(12), l.temporary(1), l.temporary(1), l.external(12)];
  l.run(dense ? 'cross_entropy_dense' : 'cross_entropy', [losses, difference], [logits, target], [4, 3], [0.1]).run(
    'sum',
    [total],
    [losses],
    [1, 4, 1],
  );
  if (mean) l.run('div', [value], [total, l.constant(4)], [0]);
  if (check) l.run('require_finite', [], [mean ? value : total]);
  const rows = factor === 'constant' ? l.constant(0.25, 0.25, 0.25, 0.25) : l.temporary(4);
  if (factor === 'computed') l.run('exp', [rows], [l.input(4)]);
  if (factor === 'of the loss') l.run('add', [rows], [l.input(4), mean ? value : total], [1, 4, 1, 0]);
  l.run('cross_entropy_backward', [dx], [rows, difference], [4, 3]);
  return { l, losses, value: mean ? value : total };
}

test('loss, mean and gradient become one, at the place of the loss', (t) => {
  for (const dense of [false, true]) {
    for (const mean of [false, true]) {
      const { l, value } = loss({ dense, mean });
      const fused = fuseCrossEntropy(l.list(value));
      t.deepEqual(names(fused), [dense ? 'cross_entropy_dense + gradient' : 'cross_entropy + gradient']);
      t.deepEqual(outcome(fused), outcome(l.list(value)));
    }
  }
});

test('a factor that is computed on the way is waited for', (t) => {
  const { l, value } = loss({ factor: 'computed' });
  const fused = fuseCrossEntropy(l.list(value));
  t.deepEqual(names(fused), ['exp', 'cross_entropy + gradient']);
  t.deepEqual(outcome(fused), outcome(l.list(value)));
});

test('a check of the loss comes before the gradient is written where that stays, so nothing moves over it', (t) => {
  const { l, value } = loss({ check: true });
  t.deepEqual(names(fuseCrossEntropy(l.list(value))), names(l.list()));
});

test('it is left alone where losses are asked for one by one, or the factor depends on the loss', (t) => {
  const { l, losses, value } = loss();
  t.is(fuseCrossEntropy(l.list(value, losses)).instructions.length, 4);
  const circular = loss({ factor: 'of the loss' });
  t.is(fuseCrossEntropy(circular.l.list()).instructions.length, 5);
});
