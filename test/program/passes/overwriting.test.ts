// An output lies where an input was, where the operation allows it and nobody could tell.

import test from 'ava';
import { definedOp } from '../../../lib/ops/define.js';
import { shareMemory } from '../../../lib/program/passes/overwriting.js';
import type { List } from '../../../lib/program/passes/list.js';
import type { Slot } from '../../../lib/program/record.js';
import { Lister, names, outcome } from './lists.js';

interface Options {
  pre?: (l: Lister) => Slot;
  guarded?: boolean;
  behind?: (l: Lister, pre: Slot, y: Slot) => void;
  results?: (pre: Slot, y: Slot) => Slot[];
}

/** y = rnn(pre) over 3 steps of 2 examples with 4 units, and |y|; `pre` is computed before. */
function layer({ pre: make = (l) => l.temporary(24), guarded = false, behind, results = () => [] }: Options = {}): {
  list: List;
  pre: Slot;
  y: Slot;
} {
  const l = new Lister();
  const guard = guarded ? l.guard() : undefined;
  const [pre, y] = [make(l), l.temporary(24)];
  if (l.buffers[pre.buffer].kind === 'temporary') l.run('neg', [pre], [l.input(pre.size)], [], [], guard);
  l.run('rnn', [y, l.temporary(8), l.temporary(24)], [pre, l.input(16), l.input(0), l.input(0, 'uint8')], [2, 3, 4, 0, 0], [], guard);
  behind?.(l, pre, y);
  l.run('abs', [l.external(24)], [y], [], [], guard);
  const list = l.list(...results(pre, y));
  // Hand-made lists name operations; what they may overwrite stands in their definitions.
  const instructions = list.instructions.map((instruction) => ({
    ...instruction,
    op: (definedOp(instruction.op.name) ?? instruction.op) as never,
  }));
  return { list: { ...list, instructions }, pre, y };
}

const shares = (list: List): boolean => {
  const { operands } = list.instructions.find(({ op }) => op.name === 'rnn') as List['instructions'][number];
  return operands[0].buffer === operands[3].buffer;
};

test('the output of a recurrent layer takes the memory of the products that it was made from', (t) => {
  const behind: (Options['behind'] | undefined)[] = [
    undefined,
    (l, _pre, y) => l.run('exp', [l.external(24)], [y]),
    (l, _pre, y) => l.run('accumulate', [y], [l.input(24)]),
  ];
  for (const one of behind) {
    const { list } = layer({ behind: one });
    const shared = shareMemory(list);
    t.true(shares(shared));
    t.deepEqual(names(shared), names(list));
    t.deepEqual(outcome(shared), outcome(list));
  }
  t.true(shares(shareMemory(layer({ guarded: true }).list)), 'also in a part that some steps leave out');
});

test('it stays where somebody else needs the input, or either memory belongs to others', (t) => {
  const refused: Record<string, Options> = {
    'read again': { behind: (l, pre) => l.run('exp', [l.external(24)], [pre]) },
    'written again': { behind: (l, pre) => l.run('neg', [pre], [l.input(24)]).run('exp', [l.external(24)], [pre]) },
    'an argument': { pre: (l) => l.input(24) },
    'memory that stays': { pre: (l) => l.external(24) },
    'the input is a result': { results: (pre) => [pre] },
    'the output is a result': { results: (_pre, y) => [y] },
    'a part of a memory': { pre: (l) => ({ ...l.temporary(48), size: 24 }) },
  };
  for (const [title, options] of Object.entries(refused)) t.false(shares(shareMemory(layer(options).list)), title);
});

test('it stays where the instruction reads the memory as another operand, or the output was there before', (t) => {
  const { list, pre, y } = layer();
  const edited = (edit: (operands: readonly Slot[]) => Slot[]): List => ({
    ...list,
    instructions: list.instructions.map((one) => (one.op.name === 'rnn' ? { ...one, operands: edit(one.operands) } : one)),
  });
  t.false(shares(shareMemory(edited((operands) => operands.map((slot, i) => (i === 4 ? { ...pre, size: 16 } : slot))))));
  const [neg, ...rest] = list.instructions;
  t.false(shares(shareMemory({ ...list, instructions: [neg, { ...neg, operands: [y, pre] }, ...rest] })));
});
