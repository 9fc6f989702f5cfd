// Proves lib/data/mnist.ts: the real files where they are present, small ones otherwise, and every way of not finding them.
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import test, { type ExecutionContext } from 'ava';
import { MNIST_MIRRORS, type MnistOptions, mnist } from '../../lib/data/mnist.js';
import { writeIdx } from '../../lib/io/idx.js';

const real = join(process.env.NODEGRAD_DATA ?? join(process.cwd(), '..', 'shared', 'data'), 'mnist');
const present = existsSync(join(real, 'train-images-idx3-ubyte.gz'));
const names = ['train-images-idx3-ubyte', 'train-labels-idx1-ubyte', 't10k-images-idx3-ubyte', 't10k-labels-idx1-ubyte'];

function scratch(t: ExecutionContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'nodegrad-mnist-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Four small files in MNIST's format: 3 training and 2 test images of 2 x 2. */
function small(folder: string, change: Record<string, Uint8Array> = {}, suffix = ''): void {
  mkdirSync(folder, { recursive: true });
  const files: Record<string, Uint8Array> = {
    [names[0]]: writeIdx(Uint8Array.from([0, 0, 0, 0, 255, 255, 255, 255, 51, 51, 51, 51]), [3, 2, 2]),
    [names[1]]: writeIdx(Uint8Array.from([7, 0, 9])),
    [names[2]]: writeIdx(Uint8Array.from([102, 102, 102, 102, 0, 0, 0, 0]), [2, 2, 2]),
    [names[3]]: writeIdx(Uint8Array.from([1, 2])),
    ...change,
  };
  for (const [name, bytes] of Object.entries(files)) writeFileSync(join(folder, name + suffix), suffix === '.gz' ? gzipSync(bytes) : bytes);
}

async function serve(t: ExecutionContext, folder: string): Promise<{ url: string; asked: string[] }> {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    const name = (request.url ?? '').split('/').pop() ?? '';
    asked.push(name);
    if (existsSync(join(folder, name))) response.end(readFileSync(join(folder, name)));
    else response.writeHead(404).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/mnist/`, asked };
}

/** Runs with these environment variables and puts the old ones back. */
async function withEnvironment<T>(variables: Record<string, string | undefined>, run: () => Promise<T>): Promise<T> {
  const before = Object.keys(variables).map((name) => [name, process.env[name]] as const);
  const set = (name: string, value: string | undefined): void => {
    if (value === undefined) delete process.env[name];
    else process.env[name] = value;
  };
  for (const [name, value] of Object.entries(variables)) set(name, value);
  try {
    return await run();
  } finally {
    for (const [name, value] of before) set(name, value);
  }
}

test('[B08] the real set: sizes, first labels, and a training pixel mean of 33.3184', async (t) => {
  if (!present) {
    t.log(`no MNIST in ${real}: set NODEGRAD_DATA to test with the real files`);
    t.pass();
    return;
  }
  const { train, test: rest, mean } = await mnist({ dir: real });
  t.deepEqual(
    [[...train.inputs.shape], [...rest.inputs.shape]],
    [
      [60_000, 28, 28, 1],
      [10_000, 28, 28, 1],
    ],
  );
  t.deepEqual([...train.targets.data.subarray(0, 10)], [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]);
  t.is((mean[0] * 255).toFixed(4), '33.3184');
  t.is(mean.length, 1);
  let sum = 0;
  for (const value of train.inputs.data) sum += value;
  t.true(Math.abs(sum / train.inputs.size) < 1e-7, 'the training pixels are centred');
  t.deepEqual([train.name, rest.name, train.classes?.length], ['mnist train', 'mnist test', 10]);
});

test('four files in a folder are read, packed or not, also under the names with a dot', async (t) => {
  const folder = scratch(t);
  for (const [kind, suffix] of [
    ['plain', ''],
    ['packed', '.gz'],
  ]) {
    small(join(folder, kind), {}, suffix);
    const { train, test: rest, mean } = await mnist({ dir: join(folder, kind) });
    t.deepEqual(mean, [0.4]);
    t.deepEqual(
      [...train.inputs.data],
      [0, 1, 0.2].flatMap((value) => Array(4).fill(Math.fround(value - 0.4))),
    );
    t.deepEqual(
      [...rest.inputs.data],
      [0.4, 0].flatMap((value) => Array(4).fill(Math.fround(value - 0.4))),
    );
    t.deepEqual(
      [[...train.inputs.shape], [...rest.inputs.shape]],
      [
        [3, 2, 2, 1],
        [2, 2, 2, 1],
      ],
    );
    t.deepEqual(
      [[...train.targets.data], [...rest.targets.data]],
      [
        [7, 0, 9],
        [1, 2],
      ],
    );
  }
  small(join(folder, 'dotted'));
  for (const name of readdirSync(join(folder, 'dotted'))) {
    writeFileSync(join(folder, 'dotted', name.replace('-idx', '.idx')), readFileSync(join(folder, 'dotted', name)));
    rmSync(join(folder, 'dotted', name));
  }
  const { train } = await mnist({ dir: join(folder, 'dotted'), raw: true });
  t.deepEqual([train.inputs.dtype, [...train.inputs.data.subarray(4, 9)]], ['uint8', [255, 255, 255, 255, 51]]);
});

test.serial('without `dir`, $NODEGRAD_DATA/mnist comes first, then the cache folder', async (t) => {
  const folder = scratch(t);
  small(join(folder, 'cache', 'mnist'));
  const variables = { NODEGRAD_DATA: join(folder, 'data'), NODEGRAD_CACHE: join(folder, 'cache'), XDG_CACHE_HOME: undefined };
  await withEnvironment(variables, async () => {
    t.is((await mnist({ download: false })).train.targets.data[0], 7);
    small(join(folder, 'data', 'mnist'), { [names[1]]: writeIdx(Uint8Array.from([4, 4, 4])) });
    t.is((await mnist({ download: false })).train.targets.data[0], 4);
  });
  small(join(folder, 'xdg', 'nodegrad', 'mnist'), { [names[1]]: writeIdx(Uint8Array.from([3, 3, 3])) });
  const xdg = { NODEGRAD_DATA: undefined, NODEGRAD_CACHE: '', XDG_CACHE_HOME: join(folder, 'xdg') };
  await withEnvironment(xdg, async () => {
    t.is((await mnist({ download: false })).train.targets.data[0], 3);
  });
});

test('the real files are downloaded, verified and found again the next time', async (t) => {
  if (!present) {
    t.log(`no MNIST in ${real}: set NODEGRAD_DATA to test with the real files`);
    t.pass();
    return;
  }
  const dir = join(scratch(t), 'new');
  const { url, asked } = await serve(t, real);
  const files = new Set<string>();
  const first = await mnist({ dir, mirrors: [url], onProgress: ({ file }) => files.add(file), raw: true });
  t.is(first.train.length, 60_000);
  t.deepEqual(readdirSync(dir).sort(), names.map((name) => `${name}.gz`).sort());
  t.deepEqual(
    [...files],
    names.map((name) => `${name}.gz`),
  );
  t.deepEqual(
    asked,
    names.map((name) => `${name}.gz`),
  );
  await mnist({ dir, mirrors: [url], raw: true });
  rmSync(join(dir, `${names[3]}.gz`));
  await mnist({ dir, mirrors: [url], raw: true });
  t.deepEqual(asked.slice(4), [`${names[3]}.gz`], 'only what is missing');
});

test('offline: a clear error that says which files to put where', async (t) => {
  const dir = join(scratch(t), 'mnist');
  const error = await t.throwsAsync(mnist({ dir, mirrors: ['http://127.0.0.1:9/a', 'http://127.0.0.1:9/b'] }), { code: 'ERR_NETWORK' });
  for (const part of [dir, 'http://127.0.0.1:9/a/train-images-idx3-ubyte.gz', '/b/train-images', 'NODEGRAD_DATA', 'digits()', ...names]) {
    t.true(error?.message.includes(part), `${part} in: ${error?.message}`);
  }
  const asked = await t.throwsAsync(mnist({ dir, download: false }), { code: 'ERR_ARGUMENT', message: /MNIST was not found in/ });
  for (const part of [dir, ...names]) t.true(asked?.message.includes(part));
  t.false(existsSync(dir), 'nothing was made');
});

test('a corrupt or missing download is refused and leaves no file', async (t) => {
  const folder = scratch(t);
  small(join(folder, 'wrong'), {}, '.gz');
  const { url } = await serve(t, join(folder, 'wrong'));
  const dir = join(folder, 'dir');
  await t.throwsAsync(mnist({ dir, mirrors: [url] }), { code: 'ERR_NETWORK', message: /wrong content: SHA-256 [\s\S]*Put these four files/ });
  rmSync(join(folder, 'wrong', `${names[0]}.gz`));
  await t.throwsAsync(mnist({ dir, mirrors: [url] }), { code: 'ERR_NETWORK', message: /answered 404/ });
  t.false(existsSync(dir));
  await t.throwsAsync(mnist({ dir, mirrors: [url], signal: AbortSignal.abort() }), { code: 'ERR_ABORTED' });
});

test('files that do not fit together are refused by name and byte', async (t) => {
  const folder = scratch(t);
  const cases: [string, Uint8Array, RegExp][] = [
    [names[0], writeIdx(new Uint8Array(12)), /train-images.*expected uint8 images \[N, height, width\].*\[12\]/],
    [names[0], writeIdx(new Float32Array(12), [3, 2, 2]), /train-images.*float32/],
    [names[0], writeIdx(new Uint8Array(0), [0, 2, 2]), /train-images.*\[0, 2, 2\]/],
    [names[1], writeIdx(new Uint8Array(2)), /train-labels.*2 labels \(byte 4\) for the 3 images/],
    [names[1], writeIdx(new Int32Array(3)), /train-labels.*expected uint8 labels/],
    [names[1], writeIdx(Uint8Array.of(0, 10, 1)), /train-labels.*found 10 at byte 9/],
    [names[2], writeIdx(new Uint8Array(12), [2, 2, 3]), /t10k-images.*images of \[2, 3, 1\], the training images have \[2, 2, 1\]/],
    [names[3], writeIdx(new Uint8Array(2)).subarray(0, 9), /t10k-labels.*10 bytes, this one ends at byte 9/],
  ];
  for (const [i, [name, bytes, message]] of cases.entries()) {
    small(join(folder, String(i)), { [name]: bytes });
    await t.throwsAsync(mnist({ dir: join(folder, String(i)) }), { code: 'ERR_FILE_FORMAT', message }, name);
  }
  small(join(folder, 'directory'), {}, '');
  rmSync(join(folder, 'directory', names[0]));
  mkdirSync(join(folder, 'directory', names[0]));
  await t.throwsAsync(mnist({ dir: join(folder, 'directory') }), { code: 'ERR_ARGUMENT', message: /cannot be read: EISDIR/ });
});

test('wrong arguments are refused by name', async (t) => {
  const bad: [object, RegExp][] = [
    [{ dir: '' }, /options.dir/],
    [{ dir: 3 }, /options.dir/],
    [{ download: 'yes' }, /options.download/],
    [{ raw: 1 }, /options.raw/],
    [{ mirrors: [] }, /options.mirrors/],
    [{ mirrors: ['file:///etc/'] }, /options.mirrors/],
    [{ mirrors: ['nowhere'] }, /options.mirrors/],
    [{ mirrors: 'http://a' }, /options.mirrors/],
    [{ onProgress: 1 }, /options.onProgress/],
    [{ signal: {} }, /options.signal/],
    [{ folder: 'x' }, /unknown option `folder`/],
  ];
  for (const [options, message] of bad) await t.throwsAsync(mnist(options as MnistOptions & { raw: true }), { code: 'ERR_ARGUMENT', message });
  t.true(MNIST_MIRRORS.every((mirror) => mirror.startsWith('https://') && mirror.endsWith('/')));
});
