// Proves lib/data/column-tensors.ts: columns of Arrow files on the memory of the file, and those that are converted or refused.

import { copyFile, rm, writeFile } from 'node:fs/promises';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { type AnyTensor, ArgumentError, FileFormatError, readArrow, readColumns, type Tensor, TensorDataset } from '../../lib/index.js';
import { inFolder } from '../helpers/reports.js';
import { root } from '../helpers/sources.js';

const path = (name: string): string => join(root, 'test/golden', name);
const seen = (columns: ReadonlyMap<string, AnyTensor>): Record<string, unknown> =>
  Object.fromEntries([...columns].map(([name, value]) => [name, [value.dtype, value.toArray()]]));
const common = {
  single: ['float32', [0.5, 1.5, 2.5, 3.5, 4.5, 5.5]],
  double: ['float64', [0.25, 1.25, 2.25, 3.25, 4.25, 5.25]],
  label: ['int32', [0, 1, 2, 3, 4, 5]],
  id: ['int32', [-1, 0, 1, 2, 3, 4]],
  flag: ['uint8', [1, 0, 1, 1, 0, 1]],
};
const pixels = Array.from({ length: 6 }, (_, i) => [0, 1, 2, 3].map((j) => 4 * i + j));

test('columns of an Arrow file become tensors exactly, lists of one length rows of a matrix', async (t) => {
  const columns = [...Object.keys(common), 'byte', 'half', 'small', 'pixels'];
  t.deepEqual(seen(await readColumns(path('columns.arrow'), { columns })), {
    ...common,
    byte: ['uint8', [250, 251, 252, 253, 254, 255]],
    half: ['float32', [0, 1, 2, 3, 4, 5]],
    small: ['int32', [-3, -2, -1, 0, 1, 2]],
    pixels: ['float32', pixels],
  });
});

test('what needs no conversion lies in the memory of the file, and nothing is copied; several batches are joined', async (t) => {
  const columns = await readColumns(path('columns.arrow'), { columns: ['single', 'double', 'label', 'byte', 'pixels', 'id'] });
  const file = (columns.get('single') as AnyTensor).data.buffer;
  t.is(file.byteLength, statSync(path('columns.arrow')).size);
  for (const name of ['double', 'label', 'byte', 'pixels']) t.is(columns.get(name)?.data.buffer, file, name);
  t.not(columns.get('id')?.data.buffer, file);
  const batches = await readColumns(path('batches.arrow'));
  t.deepEqual(seen(batches), { single: common.single, label: common.label, flag: common.flag, pixels: ['float32', pixels] });
  t.not(batches.get('single')?.data.buffer, batches.get('label')?.data.buffer);
  const data = new TensorDataset(columns.get('pixels') as Tensor, columns.get('label') as Tensor<'int32'>);
  t.deepEqual(data.batch(Int32Array.of(5, 0)).inputs.toArray(), [pixels[5], pixels[0]]);
});

test('a column of float64 without gaps is not copied into a table either', async (t) => {
  const table = await readArrow(path('columns.arrow'), { columns: { pixels: 'skip', half: 'skip' } });
  t.is(table.column('double').values.buffer.byteLength, statSync(path('columns.arrow')).size);
  t.deepEqual([...table.column('double').values], common.double[1] as number[]);
  t.deepEqual([...table.column('gap').values], [1, Number.NaN, 3, 4, 5, 6]);
  t.deepEqual([...table.column('single').values], common.single[1] as number[]);
});

test('columns of a Parquet file become tensors, by copies', async (t) => {
  const columns = [...Object.keys(common), 'byte'];
  t.deepEqual(seen(await readColumns(path('columns.parquet'), { columns })), { ...common, byte: ['int32', [250, 251, 252, 253, 254, 255]] });
});

test('gaps, texts, integers that int32 does not hold, and wrong arguments are errors in words', async (t) => {
  for (const ending of ['arrow', 'parquet']) {
    const refused = (
      columns: string[] | undefined,
      message: RegExp,
      instanceOf: typeof FileFormatError | typeof ArgumentError = FileFormatError,
    ) => t.throwsAsync(readColumns(path(`columns.${ending}`), columns === undefined ? {} : { columns }), { instanceOf, message }, ending);
    await refused(['gap'], /column 'gap': a value is missing.*readTable\(\)/);
    await refused(['city'], /column 'city': .*no.* numbers/);
    await refused(['huge'], /column 'huge': holds 2147483648/);
    await refused(undefined, /column '/);
    await refused(['garden'], /expected columns of .* \(single, double/, ArgumentError);
    await refused('single' as never, /an array of names/, ArgumentError);
    await inFolder(async (folder) => {
      await writeFile(join(folder, `x.${ending}`), new Uint8Array(100).fill(7));
      await t.throwsAsync(readColumns(join(folder, `x.${ending}`)), { instanceOf: FileFormatError });
      await t.throwsAsync(readColumns(join(folder, `y.${ending}`)), { instanceOf: ArgumentError, message: /ENOENT/ });
      await copyFile(path('columns.arrow'), join(folder, 'a.feather'));
      t.is((await readColumns(join(folder, 'a.feather'), { columns: ['label'] })).size, 1);
      await rm(join(folder, 'a.feather'));
    });
  }
  await t.throwsAsync(readColumns('houses.csv'), { instanceOf: ArgumentError, message: /\.arrow, \.feather and \.parquet/ });
});
