// A sum that is added to memory that stays is one instruction, and the weight's gradient takes it along.

import test from 'ava';
import { fuseParameterGradients } from '../../../lib/program/passes/parameter-gradients.js';
import { Lister, names, outcome } from './lists.js';

function gradients({ n = 5, guard = false, other = false } = {}) {
  const l = new Lister();
  const [x, dy, db] = [l.input(12), l.input(3 * n), l.temporary(n)];
  l.run('matmul + accumulate', [l.external(4 * n)], [x, dy], [4, n, 3, 1, 0])
    .run('sum', [db], [other ? l.input(3 * n) : dy], [1, 3, n])
    .run('accumulate', [l.external(n)], [db], [], [], guard ? l.guard() : undefined);
  return { l, db, dy };
}

test('weight and bias gradient of one upstream gradient become one', (t) => {
  const { l } = gradients();
  const fused = fuseParameterGradients(l.list());
  t.deepEqual(names(fused), ['matmul + accumulate + sums accumulate']);
  t.deepEqual(fused.instructions[0].of, ['matmul + accumulate', 'sum', 'accumulate']);
  t.deepEqual(outcome(fused), outcome(l.list()));
});

test('sums of other gradients and of single columns stay apart', (t) => {
  for (const options of [{ other: true }, { n: 1 }]) {
    const { l } = gradients(options);
    t.deepEqual(names(fuseParameterGradients(l.list())), ['matmul + accumulate', 'sum + accumulate']);
    t.deepEqual(outcome(fuseParameterGradients(l.list())), outcome(l.list()));
  }
});

test('nothing is fused where guards differ, the sum is a result, or the upstream gradient changes on the way', (t) => {
  const alone = ['matmul + accumulate', 'sum', 'accumulate'];
  t.deepEqual(names(fuseParameterGradients(gradients({ guard: true }).l.list())), alone);
  const { l, db } = gradients();
  t.deepEqual(names(fuseParameterGradients(l.list(db))), alone);
  const changed = gradients();
  changed.l.instructions.splice(1, 0, { ...changed.l.instructions[2], operands: [changed.dy, changed.l.input(15)] });
  t.deepEqual(names(fuseParameterGradients(changed.l.list())), ['matmul + accumulate', 'accumulate', 'sum + accumulate']);
  t.deepEqual(outcome(fuseParameterGradients(changed.l.list())), outcome(changed.l.list()));
});
