// Who reads and writes what in a list, and what may move where.

import test from 'ava';
import { type Edit, edited, merge, rewrite, Uses, usesOf } from '../../../lib/program/passes/list.js';
import type { Instruction } from '../../../lib/program/record.js';
import { Seeded } from '../../helpers/seeded.js';
import { Lister, names, verify } from './lists.js';

test('memory that stays is compared by address, whatever buffers name it', (t) => {
  const l = new Lister();
  const slab = l.slab(48);
  const [whole, part, other] = [l.external(48, slab), l.external(5, slab, 16), l.external(16, slab, 32)];
  l.run('fill', [whole], [], [], [0]).run('accumulate', [part], [l.input(5)]);
  const uses = new Uses(l.list());
  t.is(uses.within(part, whole), 16);
  t.is(uses.within(whole, part), -1);
  t.true(uses.overlap(part, whole));
  t.false(uses.overlap(part, other));
  t.deepEqual(
    uses.between(part, -1, 2).map(({ at, writes, reads }) => [at, writes, reads]),
    [
      [0, true, false],
      [1, true, true],
    ],
  );
  t.is(uses.between(other, 0, 2).length, 0);
});

test('the sole reader is one that reads all of a temporary that nobody else touches and that is no result', (t) => {
  const l = new Lister();
  const [x, a, b, c] = [l.input(4), l.temporary(4), l.temporary(4), l.temporary(4)];
  l.run('relu', [a], [x])
    .run('tanh', [b], [a])
    .run('exp', [c], [b])
    .run('neg', [l.external(4)], [b]);
  t.is(new Uses(l.list()).soleReader(0, a), 1);
  t.is(new Uses(l.list(a)).soleReader(0, a), -1, 'a result');
  t.is(new Uses(l.list()).soleReader(1, b), -1, 'two readers');
  t.is(new Uses(l.list()).soleReader(0, { ...a, size: 3 }), -1, 'a part');
  t.is(new Uses(l.list()).soleReader(3, l.instructions[3].operands[0]), -1, 'memory that stays');
});

test('an instruction may move where nobody changes what it reads or needs what it writes', (t) => {
  const l = new Lister();
  const [x, w, y, z] = [l.input(4), l.external(4), l.temporary(4), l.temporary(4)];
  l.run('add', [y], [x, w], [1, 4, 1, 1])
    .run('neg', [z], [x])
    .run('accumulate', [w], [x])
    .run('neg', [l.external(4)], [y])
    .run('exp', [l.external(4)], [z]);
  const uses = new Uses(l.list());
  t.true(uses.mayMove(0, 2), 'up to the instruction that changes w');
  t.false(uses.mayMove(0, 3), 'w changes');
  t.true(uses.mayMove(0, 3, [2]), 'unless that goes with it');
  t.true(uses.mayMove(1, 4));
  t.true(uses.mayMove(3, 0), 'up to where its input is made');
  t.false(uses.mayMove(4, 0), 'before its input is made');
});

test('the bit of a guard is read by what it guards', (t) => {
  const l = new Lister();
  const [x, bit] = [l.input(4), l.temporary(1)];
  l.run('neg', [l.external(4)], [x], [], [], l.guard(bit))
    .run('fill', [bit], [], [], [1])
    .run('exp', [l.external(4)], [x]);
  const uses = new Uses(l.list());
  t.is(uses.between(bit, -1, 1).length, 1);
  t.false(uses.mayMove(0, 2));
});

test('no write to memory that stays moves before a check that may stop the step', (t) => {
  const l = new Lister();
  const [x, w, y] = [l.input(4), l.external(4), l.temporary(4)];
  l.run('neg', [y], [x]).run('require_finite', [], [x]).run('accumulate', [w], [x]).run('exp', [y], [x]);
  const uses = new Uses(l.list());
  t.false(uses.mayMove(2, 0));
  t.false(uses.mayMove(2, 1));
  t.true(uses.mayMove(2, 3), 'later is allowed');
  t.true(uses.mayMove(3, 1), 'a temporary is allowed');
});

test('rewrite makes every edit that it is given, and merged instructions keep guard and origin', (t) => {
  const l = new Lister();
  const guard = l.guard();
  const x = l.input(4);
  for (let i = 0; i < 4; i++) l.run('neg', [l.external(4)], [x], [], [], guard);
  const edited = rewrite(l.list(), null, (uses, at) => {
    const [a, b] = uses.list.instructions.slice(at);
    return b === undefined || a.op.name === 'abs' ? null : merge(uses, [at, at + 1], at + 1, { ...b, op: { ...b.op, name: 'abs' } });
  });
  t.deepEqual(names(edited), ['abs', 'abs']);
  t.deepEqual(
    edited.instructions.map(({ of, guard: kept }) => [of, kept === guard]),
    [
      [['neg', 'neg'], true],
      [['neg', 'neg'], true],
    ],
  );
});

test('who uses what goes along with every edit: the same as worked out anew', (t) => {
  const random = new Seeded(7);
  for (let round = 0; round < 40; round++) {
    const l = new Lister();
    const slab = l.slab(64);
    const slots = [l.input(4), ...Array.from({ length: 5 }, () => l.temporary(4)), l.external(64, slab), l.external(4, slab, 16)];
    const any = () => slots[random.integer(slots.length)];
    const one = () => {
      const name = ['neg', 'accumulate', 'fill'][random.integer(3)];
      const guard = random.integer(6) === 0 ? l.guard() : undefined;
      l.run(name, [any()], name === 'fill' ? [] : [any()], [], name === 'fill' ? [0] : [], guard);
      return l.instructions.pop() as Instruction;
    };
    const instructions = Array.from({ length: 1 + random.integer(90) }, one);
    let list = { ...l.list(), instructions };
    usesOf(list).between(slots[6], -1, instructions.length);
    for (let edit = 0; edit < 4; edit++) {
      const edits: Edit = new Map(
        list.instructions.map((_, at) => [at, Array.from({ length: random.integer(3) }, one)] as const).filter(() => random.integer(4) === 0),
      );
      list = edited(list, edits) as typeof list;
      const [moved, anew] = [usesOf(list), new Uses(list)];
      const plain = (uses: Uses, from: number, to: number) =>
        slots.map((slot) =>
          uses.between(slot, from, to).map(({ at, operand, begin, end, reads, writes }) => [at, operand, begin, end, reads, writes]),
        );
      for (const [from, to] of [
        [-1, list.instructions.length],
        [random.integer(20), 20 + random.integer(60)],
      ]) {
        t.deepEqual(plain(moved, from, to), plain(anew, from, to));
      }
    }
  }
});

test('the verifier of lists finds what a pass may get wrong', (t) => {
  const make = (change: (l: Lister) => void): (() => void) => {
    const l = new Lister();
    const [z, y] = [l.temporary(6), l.external(6)];
    l.run('matmul + bias', [z], [l.input(6), l.input(9), l.input(3)], [2, 3, 3, 0, 0]).run('relu', [y], [z]);
    change(l);
    return () => verify(l.list());
  };
  t.notThrows(make(() => {}));
  t.throws(
    make((l) => l.instructions.shift()),
    { message: /nobody has written/ },
  );
  t.throws(
    make((l) => (l.instructions[0] = { ...l.instructions[0], operands: l.instructions[0].operands.slice(0, 3) })),
    { message: /3 operands/ },
  );
  t.throws(
    make((l) => (l.instructions[1] = { ...l.instructions[1], writes: 2 })),
    { message: /writes 2/ },
  );
  t.throws(
    make((l) => (l.instructions[0] = { ...l.instructions[0], ints: [2, 3, 3, 0, 0] })),
    { message: /4 operands/ },
  );
  t.throws(
    make((l) => l.run('neg', [{ ...l.external(6), size: 7 }], [l.input(7)])),
    { message: /leaves its memory/ },
  );
});
