// Proves lib/data/download.ts against servers on this machine: good, corrupt, cut, missing, endless, silent, aborted.
import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import test, { type ExecutionContext } from 'ava';
import { type DownloadProgress, download, type RemoteFile } from '../../lib/data/download.js';

const content = Buffer.from(Uint8Array.from({ length: 300_000 }, (_, i) => (i * i) >> 5));
const packed = gzipSync(content);
const file: RemoteFile = { name: 'data.gz', size: content.length, sha256: createHash('sha256').update(content).digest('hex') };

/** Runs a server and a scratch folder for one test. */
async function serve(t: ExecutionContext, listener: RequestListener): Promise<{ url: string; folder: string }> {
  const folder = mkdtempSync(join(tmpdir(), 'nodegrad-download-'));
  const server: Server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
    rmSync(folder, { recursive: true, force: true });
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/set`, folder };
}

test('a good file is verified, stored under its name, and reported piece by piece', async (t) => {
  const asked: string[] = [];
  const { url, folder } = await serve(t, (request, response) => {
    asked.push(request.url ?? '');
    response.setHeader('content-length', packed.length);
    response.write(packed.subarray(0, 1000));
    setImmediate(() => response.end(packed.subarray(1000)));
  });
  const seen: DownloadProgress[] = [];
  const path = await download(file, [url], join(folder, 'new', 'folder'), { onProgress: (progress) => seen.push(progress) });
  t.is(path, join(folder, 'new', 'folder', 'data.gz'));
  t.deepEqual(readFileSync(path), packed);
  t.deepEqual(readdirSync(join(folder, 'new', 'folder')), ['data.gz']);
  t.deepEqual(asked, ['/set/data.gz']);
  t.deepEqual(seen.at(-1), { file: 'data.gz', url: `${url}/data.gz`, received: packed.length, total: packed.length });
  t.true(seen.every((progress, i) => i === 0 || progress.received > seen[i - 1].received));
});

test('a mirror that unpacks on the way, or packs in its own way, is as good', async (t) => {
  const { url, folder } = await serve(t, (request, response) => {
    if (request.url?.startsWith('/set/plain')) return response.end(content);
    if (request.url?.startsWith('/set/encoded')) {
      response.setHeader('content-encoding', 'gzip');
      return response.end(packed);
    }
    return response.end(gzipSync(content, { level: 1 }));
  });
  const seen: (number | null)[] = [];
  const encoded = await download(file, [`${url}/encoded/`], folder, { onProgress: ({ total }) => seen.push(total) });
  t.is(encoded, join(folder, 'data'));
  t.true(seen.every((total) => total === null));
  t.deepEqual(readFileSync(await download(file, [`${url}/plain`], folder)), content);
  t.is(await download(file, [`${url}/level`], folder), join(folder, 'data.gz'));
});

test('each kind of failure is named, the next mirror is tried, and nothing is left behind', async (t) => {
  const flipped = Uint8Array.from(packed);
  flipped[5000] ^= 1;
  const other = Uint8Array.from(content);
  other[7] ^= 1;
  const { url, folder } = await serve(t, (request, response) => {
    const [, , kind] = (request.url ?? '').split('/');
    if (kind === 'missing') response.writeHead(404).end('no such thing');
    else if (kind === 'corrupt') response.end(flipped);
    else if (kind === 'other') response.end(gzipSync(other));
    else if (kind === 'bomb') response.end(gzipSync(Buffer.alloc(1 << 24)));
    else if (kind === 'page') response.end('<html>Please log in</html>');
    else if (kind === 'empty') response.end();
    else if (kind === 'reset') response.socket?.destroy();
    else if (kind === 'silent') response.write(packed.subarray(0, 100));
    else if (kind === 'cut') {
      response.setHeader('content-length', packed.length);
      response.write(packed.subarray(0, 2000), () => response.socket?.destroy());
    } else if (kind === 'endless') {
      // Node.js 26 calls back at once, and still calls it writable, when the other side has gone.
      const more = (): boolean => response.write(Buffer.alloc(65536), () => !response.socket?.destroyed && response.writable && more());
      more();
    } else response.end(packed);
  });
  const cases: [string, RegExp][] = [
    ['missing', /the server answered 404 Not Found/],
    ['corrupt', /not the right gzip file|wrong content/],
    ['other', /wrong content: SHA-256 [0-9a-f]{64} of 300000 unpacked bytes, expected/],
    ['bomb', /not the right gzip file/],
    ['page', /wrong content: SHA-256 [0-9a-f]{64} of 26 unpacked bytes/],
    ['empty', /of 0 unpacked bytes/],
    ['reset', /UND_ERR_SOCKET|other side closed|ECONNRESET/],
    ['cut', /after 2000 bytes/],
    ['endless', /sent more than 365536 bytes/],
    ['silent', /no answer for 1500 ms after \d+ bytes/],
  ];
  for (const [kind, message] of cases) {
    const options = kind === 'silent' ? { stallTimeout: 1500 } : {};
    await t.throwsAsync(download(file, [`${url}/${kind}`], folder, options), { code: 'ERR_NETWORK', message }, kind);
    t.deepEqual(readdirSync(folder), [], kind);
  }
  const all = cases.map(([kind]) => `${url}/${kind}`);
  t.is(await download(file, [...all, `${url}/good`], folder, { stallTimeout: 1500 }), join(folder, 'data.gz'));
  const error = await t.throwsAsync(download(file, all.slice(0, 3), folder));
  t.is(error?.message.split('\n').length, 4, 'one line per mirror');
});

test('a mirror that cannot be reached says so', async (t) => {
  const { folder } = await serve(t, () => {});
  await t.throwsAsync(download(file, ['http://127.0.0.1:1/'], folder), {
    code: 'ERR_NETWORK',
    message: /data.gz could not be downloaded[\s\S]*ECONNREFUSED|bad port/,
  });
});

test('a signal stops it at once, before or in the middle, and nothing is left behind', async (t) => {
  const { url, folder } = await serve(t, (_request, response) => {
    response.write(packed.subarray(0, 100));
  });
  await t.throwsAsync(download(file, [url], folder, { signal: AbortSignal.abort() }), { code: 'ERR_ABORTED' });
  const controller = new AbortController();
  const running = download(file, [url, url], folder, { signal: controller.signal, onProgress: () => controller.abort() });
  await t.throwsAsync(running, { code: 'ERR_ABORTED', message: /data.gz was stopped/ });
  t.deepEqual(readdirSync(folder), []);
});

test("an error of the caller's own listener reaches the caller unchanged", async (t) => {
  const { url, folder } = await serve(t, (_request, response) => response.end(packed));
  const fail = (): never => {
    throw new TypeError('in the listener');
  };
  await t.throwsAsync(download(file, [url, url], folder, { onProgress: fail }), { instanceOf: TypeError, message: 'in the listener' });
});

test('a folder that cannot be made is an error that names it', async (t) => {
  const { url, folder } = await serve(t, (_request, response) => response.end(packed));
  writeFileSync(join(folder, 'file'), 'in the way');
  await t.throwsAsync(download(file, [url], join(folder, 'file', 'below')), {
    code: 'ERR_ARGUMENT',
    message: /`dir`.*file.below.*(ENOTDIR|EEXIST|ENOENT)/,
  });
});
