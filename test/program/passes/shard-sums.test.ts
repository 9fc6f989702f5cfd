// A product adds its gradient to that of the shard before.

import test from 'ava';
import { fuseShardSums } from '../../../lib/program/passes/shard-sums.js';
import { Lister, names, outcome } from './lists.js';

function pair({
  first = 'matmul + overwrite',
  behind = (_l: Lister, _one: ReturnType<Lister['input']>, _two: ReturnType<Lister['input']>): void => {},
} = {}) {
  const l = new Lister();
  const [one, two] = [l.temporary(12), l.temporary(12)];
  const product = (name: string, to: typeof one, shard: number) => {
    l.run(name, [to], [l.input(6), l.input(8)], [3, 4, 2, 1, 0]);
    l.instructions[l.instructions.length - 1].shard = shard;
  };
  product(first, one, 0);
  product('matmul + overwrite', two, 1);
  l.run('accumulate', [one], [two]);
  behind(l, one, two);
  l.run('neg', [l.external(12)], [one]);
  return { l, one, two };
}

test('the second product adds to the first one, and stays its shard’s', (t) => {
  const list = pair().l.list();
  const fused = fuseShardSums(list);
  t.deepEqual(names(fused), ['matmul + overwrite', 'matmul + accumulate', 'neg']);
  t.deepEqual(
    fused.instructions.map(({ shard }) => shard),
    [0, 1, undefined],
  );
  t.deepEqual(outcome(fused), outcome(list));
});

test('sums of columns beside it are added likewise', (t) => {
  const l = new Lister();
  const made = [0, 1].map(() => {
    const [dw, db] = [l.temporary(12), l.temporary(4)];
    l.run('matmul + overwrite + sums overwrite', [dw, db], [l.input(6), l.input(8)], [3, 4, 2, 1, 0]);
    return [dw, db];
  });
  for (const i of [0, 1]) l.run('accumulate', [made[0][i]], [made[1][i]]);
  for (const slot of made[0]) l.run('neg', [l.external(slot.size)], [slot]);
  const fused = fuseShardSums(l.list());
  t.deepEqual(names(fused), ['matmul + overwrite + sums overwrite', 'matmul + accumulate + sums accumulate', 'neg', 'neg']);
  t.deepEqual(outcome(fused), outcome(l.list()));
});

test('it is left alone where the first may hold −0, where the second is read besides, or where one is a result', (t) => {
  const alone = (list: ReturnType<Lister['list']>): boolean => names(fuseShardSums(list)).includes('accumulate');
  t.true(alone(pair({ first: 'matmul' }).l.list()));
  t.true(alone(pair({ behind: (l, _, two) => void l.run('neg', [l.external(12)], [two]) }).l.list()));
  for (const which of ['one', 'two'] as const) {
    const made = pair();
    t.true(alone(made.l.list(made[which])));
  }
});
