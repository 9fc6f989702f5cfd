// Proves lib/io/npy.ts and npz.ts: NumPy's files, byte for byte the same of ours, every refusal, mutations, and NumPy reading what we write.

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import fc from 'fast-check';
import { type DType, dtypes } from '../../lib/dtype.js';
import { type AnyTensor, ArgumentError, DTypeError, FileFormatError, NodegradError, Tensor, tensor } from '../../lib/index.js';
import { readNpy, readNpz, writeNpy, writeNpz } from '../../lib/index.js';
import { type GoldenArray, generated, values } from '../helpers/golden.js';
import { testWithPython } from '../helpers/python.js';
import { inFolder } from '../helpers/reports.js';

interface Arrays {
  readonly generatorSha256: string;
  readonly cases: readonly { readonly title: string; readonly file: string; readonly array: GoldenArray }[];
  readonly stored: string;
  readonly compressed: string;
  readonly refused: Readonly<Record<string, string>>;
}
const numpy = generated<Arrays>('arrays');
const bytes = (text: string): Buffer => Buffer.from(text, 'base64');
const contentOf = ({ data }: AnyTensor): Buffer => Buffer.from(data.buffer, data.byteOffset, data.byteLength);
const fileOf = async (value: AnyTensor): Promise<Buffer> =>
  inFolder(async (folder) => {
    await writeNpy(join(folder, 'a.npy'), value);
    return readFileSync(join(folder, 'a.npy'));
  });

/** A file with this text as its header. */
function withHeader(text: string, content = 0, version = 1): Buffer {
  const head = Buffer.alloc(version === 1 ? 10 : 12);
  head.write('\x93NUMPY', 'latin1');
  head[6] = version;
  if (version === 1) head.writeUInt16LE(text.length, 8);
  else head.writeUInt32LE(text.length, 8);
  return Buffer.concat([head, Buffer.from(text), Buffer.alloc(content)]);
}
const dictionary = (descr: string, shape: string): string => `{'descr': '${descr}', 'fortran_order': False, 'shape': ${shape}, }\n`;

test('files of NumPy are read exactly: every type, both orders of bytes and axes, versions 1 to 3, scalars and nothing', async (t) => {
  for (const { title, file, array } of numpy.cases) {
    const read = await readNpy(bytes(file));
    t.is(read.dtype, array.dtype, title);
    t.deepEqual(read.shape, array.shape, title);
    t.deepEqual(contentOf(read), bytes(array.data), title);
  }
});

test('a tensor is written byte for byte as np.save does, and read again, from a path and from bytes at any address', async (t) => {
  const same = numpy.cases.filter(({ title }) => ['<f4', '<f8', '<i4', 'a scalar', 'nothing'].includes(title));
  t.is(same.length, 5);
  for (const { title, file, array } of same)
    t.deepEqual(await fileOf(Tensor.from(values(array, array.dtype) as Float32Array, array.shape)), bytes(file), title);
  await inFolder(async (folder) => {
    for (const dtype of dtypes) {
      const value = tensor(
        [
          [0, 1, 2],
          [3, 4, 250],
        ],
        { dtype },
      );
      await writeNpy(join(folder, dtype), value);
      for (const source of [join(folder, dtype), Buffer.concat([Buffer.alloc(3), readFileSync(join(folder, dtype))]).subarray(3)]) {
        const read = await readNpy(source);
        t.is(read.dtype, dtype === 'bfloat16' ? 'float32' : dtype);
        t.deepEqual(read.toArray(), value.toArray());
      }
    }
  });
});

test('a tensor lies in the memory that its file was read into, where the types are one', async (t) => {
  await inFolder(async (folder) => {
    const path = join(folder, 'x.npy');
    for (const size of [3, 3 << 20]) {
      const data = Float32Array.from({ length: size }, (_, i) => i);
      await writeNpy(path, Tensor.from(data));
      const read = await readNpy(path, { dtype: 'float32' });
      t.is(read.data.buffer.byteLength, read.data.byteLength);
      t.deepEqual(Buffer.compare(Buffer.from(read.data.buffer as ArrayBuffer), Buffer.from(data.buffer)), 0);
    }
  });
});

test('an element type can be asked for; integers that real numbers would become are refused', async (t) => {
  const file = await fileOf(tensor([1, 2], { dtype: 'int32' }));
  const dtype: 'float32' = (await readNpy(file, { dtype: 'float32' })).dtype;
  t.is(dtype, 'float32');
  for (const wanted of dtypes) t.is((await readNpy(file, { dtype: wanted as DType })).dtype, wanted);
  await t.throwsAsync(readNpy(await fileOf(tensor([1.5])), { dtype: 'int32', name: 'x' }), {
    instanceOf: DTypeError,
    message: "x holds float32, which `options.dtype` 'int32' would round",
  });
});

test('what no tensor holds is refused by its name, pickles above all', async (t) => {
  const messages: Record<string, RegExp> = {
    objects: /pickles, which could run any program/,
    texts: /"<U1": texts/,
    'complex numbers': /"<c16": complex numbers/,
    dates: /dates/,
    fields: /structured array/,
    'large integers': /holds 2147483648: .*int32/,
    'large unsigned integers': /holds 18446744073709551615/,
  };
  t.deepEqual(Object.keys(numpy.refused), Object.keys(messages));
  for (const [title, message] of Object.entries(messages))
    await t.throwsAsync(readNpy(bytes(numpy.refused[title])), { instanceOf: FileFormatError, message }, title);
});

test('every malformed file is refused with a typed error that says what is wrong', async (t) => {
  const good = dictionary('<f4', '(1,)');
  const refusals: [string, Uint8Array, RegExp][] = [
    ['nothing', new Uint8Array(0), /not an NPY file/],
    ['a zip archive', Buffer.from('PK\x03\x04aaaaaaaa', 'latin1'), /readNpz\(\)/],
    ['version 4', withHeader(good, 4, 4), /version 4/],
    ['a header beyond the end', withHeader(good).subarray(0, 30), /inside its header/],
    [
      'a header far too long',
      Buffer.concat([withHeader('', 0, 2).subarray(0, 8), Buffer.from([255, 255, 255, 255])]),
      /header of 4294967295 bytes/,
    ],
    ['half a number', withHeader(good, 3), /cut off: float32 \[1\] takes 4 bytes, the file has 3/],
    ['two arrays', withHeader(good, 8), /trailing bytes/],
    ['no dictionary', withHeader('[1]'), /expected a dictionary/],
    ['an open dictionary', withHeader("{'descr': '<f4', "), /expected one of the keys/],
    ['a missing key', withHeader("{'descr': '<f4', 'shape': (1,), }"), /no key 'fortran_order'/],
    ['an unknown key', withHeader("{'descr': '<f4', 'fortran_order': False, 'shape': (1,), 'more': 1}"), /expected one of the keys/],
    ['a key twice', withHeader("{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (1,)}", 4), /'descr' twice/],
    ['no comma', withHeader("{'descr': '<f4' 'fortran_order': False, 'shape': (1,)}", 4), /expected a comma/],
    ['more behind it', withHeader(`${good}x`, 4), /something behind/],
    ['a negative dimension', withHeader(dictionary('<f4', '(-1,)')), /"-1" as a dimension/],
    ['a call', withHeader(dictionary('<f4', '(f(1),)')), /expected a tuple/],
    ['a number as shape', withHeader(dictionary('<f4', '(1)'), 4), /where a tuple should be/],
    ['nine dimensions', withHeader(dictionary('<f4', '(1,1,1,1,1,1,1,1,1)'), 4), /9 dimensions/],
    ['too many elements', withHeader(dictionary('<f4', '(4294967296, 4294967296)')), /more than any file can hold/],
    ['too many beside a 0', withHeader(dictionary('<f4', '(0, 4294967296, 4294967296)')), /more than any file can hold/],
    ['a dimension above 2^53', withHeader(dictionary('<f4', '(9999999999999999,)')), /as a dimension/],
    ['an unknown type', withHeader(dictionary('<f16', '(1,)'), 16), /"<f16"; nodegrad reads f2, f4/],
    ['two types', withHeader(dictionary('<f4,<f4', '(1,)'), 8), /"<f4,<f4"/],
    ['an empty type', withHeader(dictionary('', '(1,)'), 8), /element type ""/],
  ];
  for (const [what, file, message] of refusals)
    await t.throwsAsync(readNpy(file, { name: 'x.npy' }), { instanceOf: FileFormatError, code: 'ERR_FILE_FORMAT', message }, what);
  t.deepEqual((await readNpy(withHeader(dictionary('<f4', '(2L, 1L)'), 8))).shape, [2, 1], 'Python 2 wrote an L behind numbers');
});

test('archives of np.savez and np.savez_compressed are read, ours come back, and equal ones have equal bytes', async (t) => {
  for (const archive of [numpy.stored, numpy.compressed]) {
    const arrays = await readNpz(bytes(archive));
    t.deepEqual([...arrays.keys()], ['x', 'y']);
    t.deepEqual(arrays.get('x')?.toArray()[2], [2, 3, 4, 5]);
    t.deepEqual(
      [...(arrays.get('y') as AnyTensor).data],
      Array.from({ length: 300 }, (_, i) => i),
    );
    t.is((await readNpz(bytes(archive), { dtype: 'float64' })).get('y')?.dtype, 'float64');
  }
  await inFolder(async (folder) => {
    const arrays = { 'über/a': tensor([[1, 2]]), b: Tensor.from(new Uint8Array(1000)), nothing: tensor([]) };
    const sizes: number[] = [];
    for (const [i, compress] of [false, true].entries()) {
      const [one, other] = ['one', 'other'].map((name) => join(folder, `${name}${i}.npz`));
      await writeNpz(one, arrays, { compress });
      await writeNpz(other, new Map<string, AnyTensor>(Object.entries(arrays)), { compress });
      t.deepEqual(readFileSync(one), readFileSync(other));
      sizes.push(readFileSync(one).length);
      const back = await readNpz(one);
      for (const [name, value] of Object.entries(arrays)) {
        t.deepEqual(back.get(name)?.toArray(), value.toArray());
        t.is(back.get(name)?.dtype, value.dtype);
      }
    }
    t.true(sizes[1] < sizes[0] - 900);
    writeFileSync(join(folder, 'empty.npz'), '');
    await t.throwsAsync(readNpz(join(folder, 'empty.npz')), { instanceOf: FileFormatError, message: /empty\.npz: not a zip archive/ });
    await t.throwsAsync(readNpz(join(folder, 'none.npz')), { instanceOf: ArgumentError, message: /ENOENT/ });
    await t.throwsAsync(readNpy(folder), { instanceOf: ArgumentError, message: /a folder/ });
  });
});

test('wrong arguments are refused with typed errors, and write nothing', async (t) => {
  const lost = tensor([1, 2]);
  structuredClone(lost.data.buffer, { transfer: [lost.data.buffer as ArrayBuffer] });
  for (const call of [
    () => readNpy(3 as never),
    () => readNpy(''),
    () => readNpy(new Uint8Array(4), { dtype: 'float16' as never }),
    () => readNpy(new Uint8Array(4), { name: 3 as never }),
    () => readNpz(new Uint8Array(4), { nam: 'x' } as never),
    () => writeNpy('', tensor([1])),
    () => writeNpy('/nowhere/x.npy', [1] as never),
    () => writeNpy('/nowhere/x.npy', lost),
    () => writeNpz('/nowhere/x.npz', tensor([1]) as never),
    () => writeNpz('/nowhere/x.npz', [tensor([1])] as never),
    () => writeNpz('/nowhere/x.npz', { x: 1 } as never),
    () => writeNpz('/nowhere/x.npz', { '': tensor([1]) }),
    () => writeNpz('/nowhere/x.npz', { '\ud800': tensor([1]) }),
    () => writeNpz('/nowhere/x.npz', { x: tensor([1]) }, { compress: 1 as never }),
  ])
    await t.throwsAsync(call, { instanceOf: ArgumentError }, String(call));
});

test('mutations of valid files give tensors or a typed error, never anything else', async (t) => {
  const sources = [...numpy.cases.slice(0, 4).map(({ file }) => file), numpy.stored, numpy.compressed].map(bytes);
  let refused = 0;
  const change = fc.record({
    source: fc.nat(sources.length - 1),
    at: fc.double({ min: 0, max: 1, noNaN: true }),
    value: fc.nat(255),
    cut: fc.boolean(),
  });
  await fc.assert(
    fc.asyncProperty(change, async ({ source, at, value, cut }) => {
      const file = Buffer.from(sources[source]);
      const place = Math.floor(at * (file.length - 1));
      file[place] = value;
      for (const read of [readNpy, readNpz])
        await read(cut ? file.subarray(0, place) : file).catch((error: unknown) => {
          refused += 1;
          if (!(error instanceof NodegradError)) throw error;
        });
    }),
    { numRuns: 2000 },
  );
  t.true(refused > 2000);
});

testWithPython('numpy, ml_dtypes', 'NumPy reads what nodegrad wrote', async (t, python) => {
  await inFolder(async (folder) => {
    const path = join(folder, 'all.npz');
    for (const compress of [false, true]) {
      await writeNpz(path, Object.fromEntries(dtypes.map((dtype) => [dtype, tensor([[1, 2, 250]], { dtype })])), { compress });
      const script =
        'import sys, json, numpy; print(json.dumps({k: [str(v.dtype), v.tolist()] for k, v in numpy.load(sys.argv[1], allow_pickle=False).items()}))';
      t.deepEqual(
        JSON.parse(python(script, path)),
        Object.fromEntries(dtypes.map((dtype) => [dtype, [dtype === 'bfloat16' ? 'float32' : dtype, [[1, 2, 250]]]])),
      );
    }
  });
});

test('a tensor that changes while it is written is written as it was', async (t) => {
  await inFolder(async (folder) => {
    const [npy, npz] = [join(folder, 'x.npy'), join(folder, 'x.npz')];
    const x = tensor(new Float32Array(100_000));
    const written = [writeNpy(npy, x), writeNpz(npz, { x })];
    x.data.fill(7);
    await Promise.all(written);
    for (const read of [await readNpy(npy), (await readNpz(npz)).get('x')]) t.true(read?.data.every((value) => value === 0));
  });
});
