// Proves what lib/models/keras.ts leaves out on request: weights of another shape, what the other side lacks, and layers by name.

import test from 'ava';
import { gunzipSync } from 'node:zlib';
import { ArgumentError, BatchNorm1d, Linear, Sequential, Tanh, loadKeras } from '../../lib/index.js';
import { generated } from '../helpers/golden.js';

const { cases } = generated<{ generatorSha256: string; cases: Record<string, { files: Record<string, string> }> }>('keras-models');
const file = gunzipSync(Buffer.from(cases.plain.files['.keras'], 'base64'));
const plain = (outputs: number): Sequential =>
  new Sequential([new Linear(5, 7), new Tanh(), new BatchNorm1d(7), new Linear(7, 4), new Linear(4, outputs, { bias: false })]);

test('fine-tuning: a head for other outputs is left out on request, and named', async (t) => {
  const model = plain(3);
  const head = [...(model.layers[4] as Linear).weight.data];
  const { skipped, matched } = await loadKeras(model, file, { otherShapes: 'skip' });
  t.deepEqual(skipped, ['4.weight']);
  t.is(matched.length, 8);
  t.deepEqual([...(model.layers[4] as Linear).weight.data], head);
  const half = new Sequential([new Linear(5, 7)]);
  const report = await loadKeras(half, file, { strict: false });
  t.deepEqual(report.matched, ['0.weight', '0.bias']);
  t.is(report.unexpected.length, 3);
});

test('layers of either side are left out by name, while all else has to fit', async (t) => {
  const load = async (model: Sequential, ignore: unknown) => loadKeras(model, file, { ignore: ignore as string[] });
  const theirs = (await loadKeras(new Sequential([new Linear(5, 7)]), file, { strict: false })).unexpected;
  const head = theirs.at(-1) as string;
  const model = plain(3);
  const before = [...(model.layers[4] as Linear).weight.data];
  const { matched, skipped, unexpected } = await load(model, ['4', head]);
  t.deepEqual([skipped, unexpected, matched.length], [['4.weight'], [], 8]);
  t.deepEqual([...(model.layers[4] as Linear).weight.data], before);
  await t.throwsAsync(load(plain(3), ['4']), {
    message: new RegExp(`left over ${head}\\. .*\\{ ignore: \\[…\\] \\} leaves out layers of either side`),
  });
  await t.throwsAsync(load(plain(3), ['5']), { instanceOf: ArgumentError, message: /`options\.ignore` names "5"/ });
  await t.throwsAsync(load(plain(3), '4'), { instanceOf: ArgumentError, message: /options\.ignore/ });
});
