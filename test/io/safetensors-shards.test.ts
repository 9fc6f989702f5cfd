// Proves lib/io/safetensors-shards.ts: models in several files by an index, and every index that is refused.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { ArgumentError, FileFormatError, loadPyTorch, Linear, readSafetensors, Sequential, tensor, writeSafetensors } from '../../lib/index.js';
import { inFolder } from '../helpers/reports.js';

const [first, second] = ['model-00001-of-00002.safetensors', 'model-00002-of-00002.safetensors'];

test('a model in several files is read by its index, and fills a net', async (t) => {
  await inFolder(async (folder) => {
    await writeSafetensors(join(folder, first), new Map([['0.weight', tensor([[1, 2]])]]), new Map([['format', 'pt']]), { dtype: 'bfloat16' });
    await writeSafetensors(join(folder, second), new Map([['0.bias', tensor([3])]]), new Map([['format', 'pt']]));
    const index = join(folder, 'model.safetensors.index.json');
    writeFileSync(index, JSON.stringify({ metadata: { total_size: 8 }, weight_map: { '0.weight': first, '0.bias': second } }));
    const { tensors, metadata } = await readSafetensors(index);
    t.deepEqual(
      [...tensors].map(([name, value]) => [name, value.dtype, value.toArray()]),
      [
        ['0.weight', 'bfloat16', [[1, 2]]],
        ['0.bias', 'float32', [3]],
      ],
    );
    t.deepEqual([...metadata], [['format', 'pt']]);
    t.is((await readSafetensors(index, { dtype: 'float32' })).tensors.get('0.weight')?.dtype, 'float32');
    const model = new Sequential([new Linear(2, 1)]);
    t.deepEqual((await loadPyTorch(model, index)).missing, []);
    t.is((model.forward(tensor([[10, 100]])) as ReturnType<typeof tensor>).item(), 213);
  });
});

test('an index that leads elsewhere, or says what is not so, is refused', async (t) => {
  await inFolder(async (folder) => {
    const index = join(folder, 'index.json');
    await writeSafetensors(join(folder, first), new Map([['a', tensor([1])]]));
    const refused = async (content: unknown, message: RegExp, instanceOf: typeof FileFormatError | typeof ArgumentError = FileFormatError) => {
      writeFileSync(index, typeof content === 'string' ? content : JSON.stringify(content));
      await t.throwsAsync(readSafetensors(index), { instanceOf, message }, String(content));
    };
    await refused('', /not JSON/);
    await refused('\ufffd{', /not JSON/);
    await refused('null', /no weight_map/);
    await refused({}, /no weight_map/);
    await refused({ weight_map: [first] }, /no weight_map/);
    await refused({ metadata: {}, weight_map: {} }, /its weight_map is empty/);
    await refused({ weight_map: { a: 1 } }, /tensor "a" stands in 1/);
    for (const file of ['../x.safetensors', '/etc/passwd', 'a/b.safetensors', 'a\\b.safetensors', 'x.bin', '.safetensors/..'])
      await refused({ weight_map: { a: file } }, /expected the name of a safetensors file/);
    await refused({ weight_map: { b: first } }, /index\.json: model-00001-of-00002\.safetensors lacks tensor "b"/);
    await refused({ weight_map: { a: second } }, /ENOENT/, ArgumentError);
    await t.throwsAsync(readSafetensors(join(folder, 'none.json')), { instanceOf: ArgumentError, message: /ENOENT/ });
  });
});
