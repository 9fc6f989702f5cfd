// Proves lib/models/fractalnet.ts: sizes, joins, drop-path and training of FractalNet.

import test from 'ava';
import { ArgumentError, FractalBlock, fractalnet, noGrad, setSeed } from '../../lib/index.js';
import { endingAt, fractalPaths } from '../../lib/models/fractalnet.js';
import { figures, imageModelContract } from '../contracts/image-model.js';
import { f32 } from '../helpers/build.js';
import { Seeded } from '../helpers/seeded.js';

test('[M23] FractalNet has the sizes of the released generator, and 20 or 40 convolutions on its longest way', (t) => {
  figures(t, '3 columns', fractalnet(), {
    parameters: 33_714_314,
    macs: 845_222_912,
    layers: 21,
    stages: {
      'blocks.0': [32, 32, 64],
      'blocks.1': [16, 16, 128],
      'blocks.2': [8, 8, 256],
      'blocks.3': [4, 4, 512],
      'blocks.4': [2, 2, 512],
      fc: [10],
    },
  });
  figures(t, '4 columns', fractalnet({ columns: 4 }), { parameters: 76_084_554, macs: 2_036_077_568, layers: 41 });
});

test('[M23] a join is the mean of the columns that end there', (t) => {
  setSeed(3);
  const block = new FractalBlock(3, 4, 2).eval();
  const x = f32(new Seeded(1).uniform(2 * 4 * 4 * 3, -1, 1), [2, 4, 4, 3]);
  const y = noGrad(() => block.forward(x));
  const [[short], [first, second]] = block.units;
  const [a, b] = noGrad(() => [short.forward(x), second.forward(first.forward(x))]);
  y.data.forEach((value, i) => {
    t.is(value, Math.fround(Math.fround(a.data[i] * 0.5) + Math.fround(b.data[i] * 0.5)));
  });
});

test('[M24] drop-path joins the mean of what is live, and what nobody reads does not run', (t) => {
  t.deepEqual(endingAt(4, 3), [0, 1, 2]);
  t.deepEqual(endingAt(2, 3), [1, 2]);
  t.deepEqual(endingAt(3, 3), [2]);
  const all = fractalPaths(3, (_time, ending) => ending);
  t.deepEqual(all.units, [[1], [1, 1], [1, 1, 1, 1]]);
  t.deepEqual(all.joins[3], [1 / 3, 1 / 3, 1 / 3]);
  const shallow = fractalPaths(3, (_time, ending) => ending.slice(0, 1));
  t.deepEqual(shallow.units, [[1], [0, 0], [0, 0, 0, 0]]);
  const middle = fractalPaths(3, (time, ending) => (time === 4 ? [1] : ending.slice(-1)));
  t.deepEqual(middle.units, [[0], [0, 1], [1, 1, 0, 0]]);
  t.deepEqual(middle.joins[3], [0, 1, 0]);
});

test('[M24] what is left out leaves no gradient, and one path at least is left', (t) => {
  setSeed(5);
  const model = fractalnet({ columns: 2, widths: [4], imageSize: 4, dropPath: 1, globalDropPath: 0 });
  const x = f32(new Seeded(1).uniform(2 * 4 * 4 * 3, -1, 1), [2, 4, 4, 3]);
  const seen = new Set<string>();
  for (let step = 0; step < 12; step++) {
    for (const parameter of model.parameters()) parameter.grad = null;
    model.forward(x).sum().backward();
    seen.add(model.blocks[0].units.map((column) => (column.every((unit) => unit.conv.weight.grad !== null) ? 'x' : '-')).join(''));
  }
  t.deepEqual([...seen].sort(), ['-x', 'x-']);
});

test('small FractalNets train alike in eager and compiled steps, and come back from files', (t) => {
  imageModelContract(t, () => fractalnet({ columns: 3, widths: [4, 6], imageSize: 8 }), [8, 8, 3], 10);
  imageModelContract(
    t,
    () => fractalnet({ columns: 2, widths: [4, 6], imageSize: 8, dropPath: 0.5, globalDropPath: 0, dropout: 0.4 }),
    [8, 8, 3],
    10,
  );
});

test('wrong options are refused', (t) => {
  t.throws(() => fractalnet({ columns: 0 }), { instanceOf: ArgumentError });
  t.throws(() => fractalnet({ widths: [] }), { instanceOf: ArgumentError });
  t.throws(() => fractalnet({ dropPath: 2 }), { instanceOf: ArgumentError });
});
