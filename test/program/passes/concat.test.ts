// Concatenations whose parts are written where they end up.

import test from 'ava';
import { BatchNorm2d, compileStep, concat, Conv2d, ReLU, Sequential, Tensor } from '../../../lib/index.js';
import { fuseConcat } from '../../../lib/program/passes/concat.js';
import type { Slot } from '../../../lib/program/record.js';
import { Seeded } from '../../helpers/seeded.js';
import { Lister, names, outcome } from './lists.js';

const rows = 2 * 5 * 5;
const convolution = (inputs: number, outputs: number, kernel = 1, groups = 1) => {
  const pad = (kernel - 1) / 2;
  return [2, 5, 5, inputs, 5, 5, outputs, kernel, kernel, 1, 1, pad, pad, 1, 1, groups, 0];
};

type Maker = (l: Lister, part: Slot) => void;

const pointwise: Maker = (l, part) => {
  const k = part.size / rows;
  l.run('conv2d + bias + relu', [part], [l.input(rows * 3), l.input(3 * k), l.input(k)], convolution(3, k));
};
const square: Maker = (l, part) => {
  const k = part.size / rows;
  l.run('conv2d + bias + relu', [part], [l.input(rows * 16), l.input(9 * 16 * k), l.input(k)], convolution(16, k, 3));
};
const norm: Maker = (l, part) => {
  const k = part.size / rows;
  const statistics = [l.input(k), l.external(k)];
  l.run('batch_norm + relu', [part], [l.input(part.size), ...statistics, l.input(k), l.input(k)], [rows, k], [4]);
};
const grouped: Maker = (l, part) => l.run('conv2d', [part], [l.input(rows * 4), l.input(4)], convolution(4, 4, 1, 4));
const other: Maker = (l, part) => l.run('relu', [part], [l.input(part.size)]);

type Parts = readonly (readonly [Maker, number])[];

function joined(parts: Parts, before?: (l: Lister, parts: readonly Slot[], y: Slot) => void, order = parts.map((_, i) => i)) {
  const l = new Lister();
  const made = parts.map(([, width]) => l.temporary(rows * width));
  for (const i of order) parts[i][0](l, made[i]);
  const y = l.temporary(made.reduce((size, part) => size + part.size, 0));
  before?.(l, made, y);
  l.run('concat', [y], made, [rows, ...parts.map(([, width]) => width)]).run('neg', [l.external(y.size)], [y]);
  return l.list();
}

test('convolutions and batch norms write the columns of a concatenation, with the same bits', (t) => {
  const cases: readonly Parts[] = [
    [
      [pointwise, 4],
      [square, 16],
    ],
    [
      [square, 9],
      [norm, 7],
      [pointwise, 64],
    ],
    [
      [norm, 1],
      [norm, 33],
      [square, 48],
    ],
  ];
  // In both orders: what one writes too much, the next one would put right.
  for (const parts of cases)
    for (const order of [parts.map((_, i) => i), parts.map((_, i) => parts.length - 1 - i)]) {
      const list = joined(parts, undefined, order);
      const fused = fuseConcat(list);
      const width = parts.reduce((sum, [, own]) => sum + own, 0);
      const makers = names(list).slice(0, parts.length);
      t.deepEqual(names(fused), [...makers.map((name) => `${name} + columns of ${width}`), 'neg']);
      t.is(fused.instructions.filter(({ of }) => of?.includes('concat')).length, 1);
      t.deepEqual(outcome(fused), outcome(list));
    }
});

test('a concatenation stays where a part is made by another operation, is read by others too, or its memory was used before', (t) => {
  const kept = (...given: Parameters<typeof joined>) => {
    const list = joined(...given);
    t.deepEqual(names(fuseConcat(list)), names(list));
  };
  kept([
    [pointwise, 4],
    [other, 3],
  ]);
  kept([
    [pointwise, 4],
    [grouped, 4],
  ]);
  kept(
    [
      [pointwise, 4],
      [square, 8],
    ],
    (l, [part]) => l.run('neg', [l.external(part.size)], [part]),
  );
  kept(
    [
      [pointwise, 4],
      [square, 8],
    ],
    (l, _, y) => l.run('neg', [y], [l.input(y.size)]).run('neg', [l.external(y.size)], [y]),
  );
});

test('a step of branches side by side has no concatenation, and the bits of its layers run alone', (t) => {
  const random = new Seeded(3);
  const branch = (channels: number, kernel: number) => [new Conv2d(8, channels, kernel, { padding: 'same' }), new ReLU()];
  const layers = [
    new Sequential(branch(8, 1)),
    new Sequential(branch(24, 3)),
    new Sequential([new Conv2d(8, 5, 5, { padding: 'same', bias: false }), new BatchNorm2d(5), new ReLU()]),
  ];
  const images = Tensor.from(Float32Array.from(random.uniform(2 * 9 * 9 * 8, -1, 1)), [2, 9, 9, 8]);
  const body = (x: Tensor): Tensor => {
    const y = concat(
      layers.map((layer) => layer.forward(x)),
      3,
    );
    return y.mul(y);
  };
  const step = compileStep(body);
  t.deepEqual([...step.sync(images).data], [...body(images).data]);
  const plan = step.describe(images);
  t.regex(plan, /columns of 37/);
  // Batch norm reads and writes 162 rows of 5, and reads four numbers for each: statistics of float64, two parameters of float32.
  const bytes = (162 * 5 * 2 + 5 * 2) * 4 + 5 * 2 * 8;
  t.true(plan.includes(`${(bytes / 1024).toFixed(1)} KiB`));
  t.notRegex(plan, /^\s*\d+\s+concat/m);
});
