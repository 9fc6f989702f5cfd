// One backward of an activation for all parts of a concatenation, where every part had its own of the same kind.

import test from 'ava';
import { fuseConcatGradient } from '../../../lib/program/passes/concat-gradient.js';
import type { Slot } from '../../../lib/program/record.js';
import { Lister, names, outcome } from './lists.js';

const rows = 6;

interface Options {
  widths?: readonly number[];
  /** Operation by part. */
  maps?: readonly string[];
  /** Order in which the parts are cut. */
  order?: readonly number[];
  beforeBackward?: (l: Lister, parts: readonly Slot[], y: Slot, slices: readonly Slot[]) => void;
}

function joined({ widths = [2, 3], maps = widths.map(() => 'relu'), order = widths.map((_, i) => i), beforeBackward }: Options = {}) {
  const l = new Lister();
  const width = widths.reduce((a, b) => a + b);
  const parts = widths.map((own, i) => {
    const part = l.temporary(rows * own);
    l.run(maps[i], [part], [l.input(rows * own)]);
    return part;
  });
  const [y, dy] = [l.temporary(rows * width), l.temporary(rows * width)];
  l.run('concat', [y], parts, [rows, ...widths]).run('neg', [dy], [y]);
  const slices = widths.map((own) => l.temporary(rows * own));
  for (const i of order) {
    const begin = widths.slice(0, i).reduce((a, b) => a + b, 0);
    l.run('copy_strided', [slices[i]], [dy], [begin, 3, 2, rows / 2, widths[i], (rows / 2) * width, width, 1]);
  }
  beforeBackward?.(l, parts, y, slices);
  for (const i of order) {
    const dx = l.temporary(rows * widths[i]);
    l.run(`${maps[i]}_backward`, [dx], [slices[i], parts[i]]).run('neg', [l.external(rows * widths[i])], [dx]);
  }
  return { l, y, slices };
}

const alone = ['relu', 'relu', 'concat', 'neg', 'copy_strided', 'copy_strided', 'relu_backward', 'neg', 'relu_backward', 'neg'];

test('parts that went through one activation go back through it together, in whatever order they are cut', (t) => {
  for (const order of [
    [0, 1],
    [1, 0],
  ]) {
    const list = joined({ order }).l.list();
    const fused = fuseConcatGradient(list);
    t.deepEqual(names(list), alone);
    t.deepEqual(names(fused), ['relu', 'relu', 'concat', 'neg', 'relu_backward', 'copy_strided', 'copy_strided', 'neg', 'neg']);
    t.deepEqual(outcome(fused), outcome(list));
  }
});

test('three parts and another activation do so too', (t) => {
  const list = joined({ widths: [1, 4, 2], maps: ['sigmoid', 'sigmoid', 'sigmoid'] }).l.list();
  const fused = fuseConcatGradient(list);
  t.is(names(fused).filter((name) => name === 'sigmoid_backward').length, 1);
  t.deepEqual(outcome(fused), outcome(list));
});

test('they go their own ways where activations differ, a part changes, or another reads a slice', (t) => {
  const kept = (options: Options, of = (made: ReturnType<typeof joined>) => made.l.list()) => {
    const list = of(joined(options));
    t.deepEqual(names(fuseConcatGradient(list)), names(list));
  };
  kept({ maps: ['relu', 'tanh'] });
  kept({ beforeBackward: (l, [part]) => l.run('neg', [part], [l.input(part.size)]) });
  kept({ beforeBackward: (l, _parts, y) => l.run('neg', [y], [l.input(y.size)]) });
  kept({ beforeBackward: (l, _parts, _y, [slice]) => l.run('neg', [l.external(slice.size)], [slice]) });
  kept({}, ({ l, slices }) => l.list(slices[1]));
});
