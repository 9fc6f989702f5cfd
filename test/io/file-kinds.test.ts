// Files of every kind in the place of every other: the message says what the file is, and the way from there.
import { existsSync, mkdtempSync, readFileSync, readdirSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import * as lib from '../../lib/index.js';
import { kindBytes, otherKind } from '../../lib/io/file-kinds.js';

const { FileFormatError, tensor } = lib;

const folder = mkdtempSync(join(tmpdir(), 'kinds-'));
test.after.always(() => rmSync(folder, { recursive: true, force: true }));

const zip = (member: string): Buffer => {
  const head = Buffer.alloc(30);
  head.write('PK\x03\x04', 'latin1');
  head.writeUInt16LE(member.length, 26);
  return Buffer.concat([head, Buffer.from(member), Buffer.alloc(64)]);
};
const bytes = (...start: (number | string)[]): Buffer =>
  Buffer.concat([...start.map((part) => (typeof part === 'number' ? Buffer.of(part) : Buffer.from(part, 'latin1'))), Buffer.alloc(600)]);

/** How files of other programs begin: as these were seen to write them. */
const begins: readonly [name: string, begin: Buffer, parts: readonly string[]][] = [
  ['a.pth', zip('a/data.pkl'), ['zip archive', 'torch.save', 'safetensors.torch.save_file', 'loadPyTorch()', "['model']", '.state_dict()']],
  ['old.pth', bytes(0x80, 2, 0x8a, 0x0a, 'l\xfc\x9cF\xf9 j\xa8P\x19.'), ['pickle', 'torch.save', 'not run']],
  ['script.pt', zip('script/data/0'), ['TorchScript', 'torch.jit.load']],
  ['program.pt2', zip('e/data/weights/weight_0'), ['torch.export', 'torch.onnx.export']],
  ['book.xlsx', zip('[Content_Types].xml'), ['office', 'readCsv()']],
  ['some.zip', zip('notes.txt'), ['a zip archive', 'unpack']],
  ['svm.joblib', bytes(0x80, 4, 0x95, 3, 2, '\0\0\0\0\0\0\x8c\x1esklearn.linear_model'), ['scikit-learn', 'numpy.savez', 'readNpz()']],
  ['packed.joblib', bytes(0x78, 0x5e), ['zlib', 'joblib']],
  ['frame.pkl', bytes(0x80, 4, 0x95, '\x8c\x11pandas.core.frame'), ['pandas', 'to_parquet']],
  ['llama.gguf', bytes('GGUF', 3), ['llama.cpp', 'readSafetensors()']],
  ['model.tflite', bytes(0x1c, 0, 0, 0, 'TFL3'), ['TensorFlow Lite', 'tf2onnx']],
  ['model.ort', bytes(0x1c, 0, 0, 0, 'ORTM'), ['onnxruntime', '.onnx']],
  ['saved_model.pb', bytes(8, 1, 0x12, 0xf0), ['SavedModel', '.keras']],
  ['model.json', bytes('{"modelTopology": 1}'), ['tfjs', '.bin']],
  ['config.json', bytes('{\n  "architectures": ["GPT2"]}'), ['JSON']],
  ['notebook.ipynb', bytes('{"cells": [{"cell_type": "code"}]}'), ['notebook']],
  ['pointer.bin', bytes('version https://git-lfs.github.com/spec/v1'), ['Git LFS', 'git lfs pull']],
  ['page.bin', bytes('<!DOCTYPE html><html>'), ['web page']],
  ['a.gz', bytes(0x1f, 0x8b, 8), ['gzip', 'gunzip']],
  ['a.zst', bytes(0x28, 0xb5, 0x2f, 0xfd), ['Zstandard']],
  ['a.xz', bytes(0xfd, '7zXZ', 0), ['xz']],
  ['a.bz2', bytes('BZh9'), ['bzip2']],
  ['a.tar', bytes('name', '\0'.repeat(253), 'ustar'), ['tar archive']],
  ['a.mat', bytes('MATLAB 5.0 MAT-file'), ['MATLAB', 'loadmat']],
  ['cat.jpg', bytes(0xff, 0xd8, 0xff, 0xe0), ['image', 'readImages()']],
  ['nothing', Buffer.alloc(0), ['empty']],
]; // biome-ignore format: a file a line

/** Files of the kinds that we read, whole where we write them. */
async function own(): Promise<[kind: string, path: string, parts: readonly string[]][]> {
  const at = (name: string): string => join(folder, name);
  const weights = new Map([['w', tensor([1, 2])]]);
  await lib.writeSafetensors(at('w.safetensors'), weights);
  await lib.mlp({ hidden: [4] }).save(at('m.safetensors'));
  await lib.writeNpy(at('x.npy'), tensor([1, 2]));
  await lib.writeNpz(at('x.npz'), { x: tensor([1, 2]) });
  await lib.saveOnnx(new lib.Linear(2, 2), at('m.onnx'), { inputShape: [2] });
  writeFileSync(at('x.idx'), lib.writeIdx(Float32Array.of(1, 2)));
  writeFileSync(at('k.keras'), zip('metadata.json'));
  writeFileSync(at('k.h5'), bytes(0x89, 'HDF\r\n', 0x1a, 0x0a));
  writeFileSync(at('t.arrow'), bytes('ARROW1', 0, 0));
  writeFileSync(at('t.parquet'), bytes('PAR1'));
  writeFileSync(at('i.safetensors.index.json'), '{"metadata": {}, "weight_map": {"w": "a.safetensors"}}');
  return [
    ['safetensors', at('w.safetensors'), ['a safetensors file', 'readSafetensors()', 'loadPyTorch()']],
    ['model', at('m.safetensors'), ['a model of nodegrad', 'load()']],
    ['npy', at('x.npy'), ['NumPy', 'readNpy()']],
    ['npz', at('x.npz'), ['zip archive of NumPy', 'readNpz()']],
    ['onnx', at('m.onnx'), ['ONNX', 'loadOnnx()']],
    ['idx', at('x.idx'), ['IDX', 'readIdx()']],
    ['keras', at('k.keras'), ['.keras', 'loadKeras()']],
    ['hdf5', at('k.h5'), ['HDF5', 'loadKeras()']],
    ['arrow', at('t.arrow'), ['Arrow', 'readArrow()']],
    ['parquet', at('t.parquet'), ['Parquet', 'readParquet()']],
    ['index', at('i.safetensors.index.json'), ['index', 'readSafetensors()']],
  ]; // biome-ignore format: a file a line
}

/** Every reader, and the kinds that it takes. */
const readers: readonly [name: string, read: (path: string) => unknown, own: readonly string[]][] = [
  ['readSafetensors', (path) => lib.readSafetensors(path), ['safetensors', 'model', 'index']],
  ['load', (path) => lib.load(path), ['safetensors', 'model', 'index']],
  ['model.load', (path) => lib.mlp().load(path), ['safetensors', 'model', 'index']],
  ['loadPyTorch', (path) => lib.loadPyTorch(lib.lenet5(), path), ['safetensors', 'model', 'index']],
  ['loadOnnx', (path) => lib.loadOnnx(path), ['onnx']],
  ['loadKeras', (path) => lib.loadKeras(lib.mlp(), path), ['keras', 'hdf5']],
  ['readNpy', (path) => lib.readNpy(path), ['npy']],
  ['readNpz', (path) => lib.readNpz(path), ['npz']],
  ['readIdx', async (path) => lib.readIdx(path), ['idx']],
  ['readArrow', (path) => lib.readArrow(path), ['arrow']],
  ['readParquet', (path) => lib.readParquet(path), ['parquet']],
]; // biome-ignore format: a reader a line

const refusedBy = async (read: (path: string) => unknown, path: string): Promise<Error> => {
  try {
    await read(path);
  } catch (error) {
    return error as Error;
  }
  throw new Error(`${path} was read`);
};

test('each reader says what a file of another kind is, and which function reads it or how it is converted', async (t) => {
  const files = [...(await own())];
  for (const [name, begin, parts] of begins) {
    writeFileSync(join(folder, name), begin);
    files.push(['', join(folder, name), parts]);
  }
  // Other tests open files of their own in this process.
  const open = (): string[] =>
    (existsSync('/proc/self/fd') ? readdirSync('/proc/self/fd') : [])
      .map((name) => {
        try {
          return readlinkSync(`/proc/self/fd/${name}`);
        } catch {
          return ''; // closed meanwhile
        }
      })
      .filter((path) => path.startsWith(folder));
  for (const [reader, read, kinds] of readers) {
    for (const [kind, path, parts] of files) {
      // gzip is unpacked there; an index is read by its ending.
      if (kinds.includes(kind) || (reader === 'readIdx' && path.endsWith('.gz')) || (path.endsWith('.json') && kinds.includes('index')))
        continue;
      const error = await refusedBy(read, path);
      t.true(error instanceof FileFormatError, `${reader} ${path}: ${error.stack}`);
      t.true(error.message.startsWith(path), `${reader}: ${error.message}`);
      // An empty file has no kind that could be told from the one that is wanted.
      if (!path.endsWith('nothing')) for (const part of parts) t.true(error.message.includes(part), `${reader} ${path}: ${error.message}`);
    }
  }
  t.deepEqual(open(), [], 'no file stays open');
});

test('bytes are told as files are, and a workbook where text is read', async (t) => {
  for (const [, begin, parts] of begins.slice(0, 6)) {
    for (const decode of [lib.decodeSafetensors, lib.decodeOnnx, lib.readNpy, lib.fromBytes] as ((bytes: Uint8Array) => unknown)[])
      for (const part of parts) t.true((await refusedBy((() => decode(begin)) as never, '')).message.includes(part));
  }
  const book = join(folder, 'book.csv');
  writeFileSync(book, Buffer.concat([zip('xl/workbook.xml'), Buffer.from([0xff, 0xfe, 0xc0])]));
  await t.throwsAsync(lib.readCsv(book), { instanceOf: FileFormatError, message: /is no text\. It is a workbook.*readCsv\(\)/ });
});

test('of what nobody knows, and of the kind that is wanted, nothing is said', async (t) => {
  t.is(otherKind(Buffer.from('a,b\n1,2\n')), '');
  t.is(otherKind(new Uint8Array(40).fill(7)), '');
  for (const [kind, path] of await own()) {
    const begin = readFileSync(path).subarray(0, kindBytes);
    t.is(otherKind(begin, kind as 'npy'), '', kind);
    t.not(otherKind(begin), '', kind);
  }
  // Whatever a file begins with, it is looked at without harm.
  for (let i = 0; i < 256; i++) for (const length of [1, 2, 9, 31]) t.is(typeof otherKind(new Uint8Array(length).fill(i)), 'string');
});

test('a checkpoint of PyTorch is named first, by its own name', async (t) => {
  writeFileSync(join(folder, 'cnn.pt'), zip('cnn/data.pkl'));
  const error = await t.throwsAsync(lib.loadPyTorch(new lib.Linear(2, 2), join(folder, 'cnn.pt')), { instanceOf: FileFormatError });
  t.regex(error?.message ?? '', /cnn\.pt: not a safetensors file\. It is a zip archive.*torch\.load\('cnn\.pt', weights_only=True\)/);
  t.notRegex(error?.message ?? '', /header/);
});
