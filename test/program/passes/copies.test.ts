// Copies between temporaries go where nobody could tell the two memories apart.

import test from 'ava';
import { fuseCopies } from '../../../lib/program/passes/copies.js';
import type { Guard, Slot } from '../../../lib/program/record.js';
import { Lister, names, outcome } from './lists.js';

const straight = [0, 2, 3, 4, 4, 1];

interface Options {
  guard?: Guard;
  /** Attributes of the copy. */
  ints?: readonly number[];
  before?: (l: Lister, from: Slot, to: Slot) => void;
  behind?: (l: Lister, from: Slot, to: Slot) => void;
}

/** from = −x; to = from; |to|. */
function copied({ guard, ints = straight, before, behind }: Options = {}) {
  const l = new Lister();
  const [from, to] = [l.temporary(12), l.temporary(12)];
  l.run('neg', [from], [l.input(12)], [], [], guard);
  before?.(l, from, to);
  l.run('copy_strided', [to], [from], [...ints], [], guard);
  behind?.(l, from, to);
  l.run('abs', [l.external(12)], [to], [], [], guard);
  return { l, from, to };
}

test('a copy goes, also where both are read behind it, or the copy changes after the last look at what it was made from', (t) => {
  const behind: (Options['behind'] | undefined)[] = [
    undefined,
    (l, from) => l.run('exp', [l.external(12)], [from]),
    (l, from, to) => l.run('exp', [l.external(12)], [from]).run('accumulate', [to], [l.input(12)]),
  ];
  for (const one of behind) {
    const list = copied({ behind: one }).l.list();
    const fused = fuseCopies(list);
    t.deepEqual(
      names(fused),
      names(list).filter((name) => name !== 'copy_strided'),
    );
    t.deepEqual(outcome(fused), outcome(list));
  }
});

test('a copy of the first part of a row stays', (t) => {
  const l = new Lister();
  const [from, to] = [l.temporary(12), l.temporary(5)];
  l.run('neg', [from], [l.input(12)]).run('copy_strided', [to], [from], [0, 2, 1, 5, 12, 1]);
  l.run('abs', [l.external(5)], [to]).run('abs', [l.external(12)], [from]);
  t.deepEqual(names(fuseCopies(l.list())), names(l.list()));
});

test('two copies in a row go both', (t) => {
  const list = copied({
    behind: (l, _from, to) => {
      const next = l.temporary(12);
      l.run('copy_strided', [next], [to], straight).run('exp', [l.external(12)], [next]);
    },
  }).l.list();
  const fused = fuseCopies(list);
  t.deepEqual(names(fused), ['neg', 'exp', 'abs']);
  t.deepEqual(outcome(fused), outcome(list));
});

test('one of two ways to make a tensor, of which a step takes one, makes it in place', (t) => {
  const l = new Lister();
  const slot = l.input(1, 'int32');
  const y = l.temporary(12);
  for (const when of [0, 1] as const) {
    const part = l.temporary(12);
    l.run(when ? 'neg' : 'exp', [part], [l.input(12)], [], [], { slot, when }).run('copy_strided', [y], [part], straight, [], { slot, when });
  }
  l.run('abs', [l.external(12)], [y]);
  const fused = fuseCopies(l.list());
  t.deepEqual(names(fused), ['exp', 'neg', 'abs']);
  t.deepEqual(
    fused.instructions.map(({ operands: [made] }) => made.buffer === y.buffer),
    [true, true, false],
  );
});

test('it stays where one changes while the other is needed, where only a part is copied, and for memory that stays or is a result', (t) => {
  const kept = (options: Options, of = (made: ReturnType<typeof copied>) => made.l.list()) => {
    const list = of(copied(options));
    t.deepEqual(names(fuseCopies(list)), names(list));
  };
  kept({ behind: (l, from, to) => l.run('accumulate', [to], [l.input(12)]).run('exp', [l.external(12)], [from]) });
  kept({ behind: (l, from) => l.run('accumulate', [from], [l.input(12)]) });
  kept({ before: (l, _from, to) => l.run('exp', [to], [l.input(12)]).run('exp', [l.external(12)], [to]) });
  kept({ ints: [0, 2, 3, 4, 1, 3] });
  kept({}, ({ l, to }) => l.list(to));
  kept({}, ({ l, from }) => l.list(from));
  const stays = new Lister();
  stays.run('copy_strided', [stays.external(12)], [stays.input(12)], straight);
  t.deepEqual(names(fuseCopies(stays.list())), ['copy_strided']);
});

test('it stays where what was copied is of other steps than the copy', (t) => {
  const l = new Lister();
  const [from, to] = [l.temporary(12), l.temporary(12)];
  l.run('neg', [from], [l.input(12)])
    .run('copy_strided', [to], [from], straight, [], l.guard())
    .run('abs', [l.external(12)], [to]);
  t.is(names(fuseCopies(l.list())).length, 3);
});
