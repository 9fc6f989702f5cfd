// Files that are larger than memory, or say so: headers are compared before sizes are taken, and what is refused says how much was wanted.
import { execFileSync } from 'node:child_process';
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync, truncateSync, writeFileSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import test from 'ava';
import { Adam, CrossEntropyLoss, datasets, Linear, load, ones, readSafetensors, TensorDataset, writeIdx, zeros, fit } from '../../lib/index.js';
import { checkAvailable, formatBytes } from '../../lib/memory.js';

const folder = mkdtempSync(join(tmpdir(), 'nodegrad-memory-'));
test.after.always(() => rmSync(folder, { recursive: true, force: true }));
let made = 0;
/** A file of this size that takes nearly no space on the disk. */
function hollow(head: Uint8Array, size: number, name = `${made++}`): string {
  const path = join(folder, name);
  const file = openSync(path, 'w');
  writeSync(file, head);
  closeSync(file);
  truncateSync(path, size);
  return path;
}
function safetensors(header: unknown): Buffer {
  const text = Buffer.from(JSON.stringify(header));
  const head = Buffer.alloc(8);
  head.writeBigUInt64LE(BigInt(text.length));
  return Buffer.concat([head, text]);
}
function inOwnProcess(how: 'idx' | 'safetensors', path: string): { outcome: string; grown: number } {
  const child = fileURLToPath(new URL('./memory.child.js', import.meta.url));
  return JSON.parse(execFileSync(process.execPath, [child, how, path], { encoding: 'utf8' }));
}

const tera = 2 ** 40;
const tiny = safetensors({ w: { dtype: 'F32', shape: [1], data_offsets: [0, 4] } });

test('a file of more bytes than its header declares is refused by the header, whatever its size (fault R21)', async (t) => {
  const path = hollow(tiny, tera, 'model.safetensors');
  for (const read of [() => readSafetensors(path), () => load(path)])
    await t.throwsAsync(read, { code: 'ERR_FILE_FORMAT', message: /model\.safetensors: there are trailing bytes: the tensors take 4 bytes/ });
  const idx = hollow(writeIdx(new Uint8Array(3)), 2 ** 30);
  const { outcome, grown } = inOwnProcess('idx', idx);
  t.regex(outcome, /dimensions \[3\] need a file of 11 bytes, this one has 1073741813 trailing bytes/);
  t.true(grown < 2 ** 28, `${grown} bytes for a header`);
});

test('what is too large for this process says how much is needed and how much there is (fault R21)', async (t) => {
  const honest = safetensors({ w: { dtype: 'F32', shape: [2 ** 38], data_offsets: [0, tera] } });
  const path = hollow(honest, tera + honest.length);
  await t.throwsAsync(load(path), { code: 'ERR_ARGUMENT', message: /no memory for .*: 1\.1 TB are needed, and \d.* are left/ });
  t.throws(() => checkAvailable(1e13, 'ten terabytes', 'Take less'), {
    code: 'ERR_ARGUMENT',
    message: /^no memory for ten terabytes: 10\.0 TB are needed, and .* are left\. Take less$/,
  });
  t.notThrows(() => checkAvailable(1000, 'little'));
  t.deepEqual([0, 999, 1000, 1_500_000, 2e15].map(formatBytes), ['0 bytes', '999 bytes', '1.0 KB', '1.5 MB', '2000.0 TB']);
});

test('a checkpoint that grew is no checkpoint: the run goes on from the one before (fault R21)', async (t) => {
  const dir = join(folder, 'checkpoints');
  const data = new TensorDataset(ones([8, 2]), zeros([8], { dtype: 'int32' }));
  const run = async (epochs: number, resume: boolean) => {
    const model = new Linear(2, 2);
    const options = { loss: new CrossEntropyLoss(), optimizer: new Adam(model), batchSize: 4, log: false as const, progress: false };
    return fit(model, data, { ...options, epochs, checkpoint: { dir, keep: 3 }, resume });
  };
  await run(2, false);
  truncateSync(join(dir, 'step-000000000004.safetensors'), tera);
  t.is((await run(3, true)).epochs.length, 3);
});

test('a packed IDX file takes what it declares, not several times that (fault R21)', (t) => {
  const values = 300_000_000;
  const head = writeIdx(new Uint8Array(1), [1]).subarray(0, 8);
  new DataView(head.buffer, head.byteOffset).setUint32(4, values);
  const path = join(folder, 'zeros.gz');
  writeFileSync(path, gzipSync(Buffer.concat([head, Buffer.alloc(values)]), { level: 1 }));
  const { outcome, grown } = inOwnProcess('idx', path);
  t.is(outcome, `${values} values`);
  t.true(grown < 1.6 * values, `${grown} bytes for ${values} values`);
});

test('files of a data set that are far too large are not read (fault R21)', async (t) => {
  const names = [1, 2, 3, 4, 5].map((i) => `data_batch_${i}.bin`);
  mkdirSync(join(folder, 'cifar'));
  for (const name of [...names, 'test_batch.bin']) hollow(new Uint8Array(1), tera, join('cifar', name));
  await t.throwsAsync(datasets.cifar10({ dir: join(folder, 'cifar') }), {
    code: 'ERR_FILE_FORMAT',
    message: /data_batch_1\.bin: has 1\.1 TB, at most/,
  });
});
