// Proves lib/distributed/http-store: a store that comes late, goes away, answers badly or not at all.

import { createServer as createHttpServer } from 'node:http';
import { type AddressInfo, type Server, createServer } from 'node:net';
import test, { type ExecutionContext } from 'ava';
import { NetworkError, StoreFullError, TimeoutError, TokenError, openStore, serveStore } from '../../lib/index.js';
import { StoreServer, storeHeader, usualLimits } from '../../lib/distributed/store-server.js';

const token = 'one-that-is-long-enough';
const value = Uint8Array.of(1, 2, 3);

/** Listens on a free port, until the test is over. */
async function listening(t: ExecutionContext, server: Server): Promise<string> {
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  t.teardown(() => server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function open(t: ExecutionContext, address: string, timeout = 10_000) {
  const store = await openStore(address, { token, timeout });
  t.teardown(() => store.close());
  return store;
}

test('a store that is not there yet is waited for, and one that went away and came back is asked again', async (t) => {
  const first = await serveStore({ token });
  const { address } = first;
  const port = Number(new URL(address).port);
  await first.close();
  const store = await open(t, address);
  const set = store.set('a', value);
  await new Promise((done) => setTimeout(done, 100));
  const second = await serveStore({ token, port });
  await set;
  const waiting = store.get('b');
  await new Promise((done) => setTimeout(done, 100));
  await second.close();
  const third = await serveStore({ token, port });
  t.teardown(() => third.close());
  await store.set('b', value);
  t.deepEqual(await waiting, value);
});

test('where nobody answers, the error says so after the time-out: refused, silent, and half an answer', async (t) => {
  const gone = await serveStore({ token });
  await gone.close();
  const silent = await listening(
    t,
    createServer((socket) => t.teardown(() => socket.destroy())),
  );
  const half = await listening(
    t,
    createServer((socket) => {
      socket.on('data', () => socket.end(`HTTP/1.1 200 OK\r\n${storeHeader}: 1\r\nContent-Length: 100\r\n\r\nhalf`));
      socket.on('error', () => {});
    }),
  );
  for (const [address, why] of [
    [gone.address, /ECONNREFUSED/],
    [silent, /no answer/],
    [half, /half an answer|ECONNRESET/],
  ] as const) {
    const store = await open(t, address, 150);
    const error = await t.throwsAsync(store.set('a', value), { instanceOf: NetworkError, message: why });
    t.true(error?.message.startsWith(`the store at ${address} did not answer within 0.1 s`), error?.message);
    await t.throwsAsync(store.get('a', { timeout: 20 }), { instanceOf: NetworkError, message: why });
  }
});

test('what is no store is told at once, and an answer without end is not kept', async (t) => {
  const other = await listening(
    t,
    createHttpServer((_, response) => response.end('<html>')),
  );
  await t.throwsAsync((await open(t, other)).get('a'), { instanceOf: NetworkError, message: /is no store of nodegrad \(status 200\)/ });
  let sent = 0;
  const endless = await listening(
    t,
    createHttpServer((_, response) => {
      response.writeHead(200, { [storeHeader]: '1' });
      const more = (): void => {
        while (!response.destroyed && response.write(new Uint8Array(1 << 16))) sent += 1 << 16;
        sent += 1 << 16;
        if (!response.destroyed) response.once('drain', more);
      };
      more();
    }),
  );
  await t.throwsAsync((await open(t, endless, 100)).get('a', { timeout: 10 }), { instanceOf: NetworkError, message: /too long/ });
  t.true(sent < 64 << 20, `${sent} bytes`);
  const odd = await listening(
    t,
    createHttpServer((_, response) => response.writeHead(500, { [storeHeader]: '1' }).end()),
  );
  await t.throwsAsync((await open(t, odd)).get('a'), { instanceOf: NetworkError, message: /not known: status 500/ });
});

test('another token is refused at once, also with a value', async (t) => {
  const served = await serveStore({ token: 'another-that-is-long-enough' });
  t.teardown(() => served.close());
  const store = await open(t, served.address);
  for (const asked of [store.get('a'), store.set('a', new Uint8Array(1 << 20)), store.delete('a'), store.create('a', value)]) {
    const error = await t.throwsAsync(asked, { instanceOf: TokenError, code: 'ERR_TOKEN' });
    t.false(error?.message.includes('long-enough'), 'no token is shown');
  }
});

test('a create whose answer was lost is the one that came first', async (t) => {
  const served = await serveStore({ token });
  t.teardown(() => served.close());
  let lost = 0;
  // Between the two: it hands the first request on, and loses its answer.
  const address = await listening(
    t,
    createHttpServer((request, response) => {
      const pieces: Uint8Array[] = [];
      request.on('data', (piece) => pieces.push(piece));
      request.on('end', async () => {
        const { method, headers, url } = request;
        const { 'content-length': _, host: __, connection: ___, ...rest } = headers as Record<string, string>;
        const { status } = await fetch(`${served.address}${url}`, { method, headers: rest, body: Buffer.concat(pieces) });
        if (lost++ === 0) request.socket.destroy();
        else response.writeHead(status, { [storeHeader]: '1' }).end();
      });
    }),
  );
  t.true(await (await open(t, address)).create('a', value));
  t.is(lost, 2);
  t.false(await (await open(t, address)).create('a', value));
});

test('a key that nobody sets is a time-out, also where the answer of the store takes a moment longer', async (t) => {
  const address = await listening(
    t,
    createHttpServer((request, response) => {
      const wait = Number(/wait=(\d+)/.exec(request.url ?? '')?.[1] ?? 0);
      setTimeout(() => response.writeHead(404, { [storeHeader]: '1' }).end(), wait + 300);
    }),
  );
  await t.throwsAsync((await open(t, address)).get('a', { timeout: 2200 }), {
    instanceOf: TimeoutError,
    message: /nobody set 'a' within 2\.2 s/,
  });
});

test('a store that is full says so, by keys and by bytes, and has room again', async (t) => {
  const server = new StoreServer(token, { ...usualLimits, keys: 4, bytes: 100 });
  await server.open('127.0.0.1', 0);
  t.teardown(() => server.close());
  const store = await open(t, server.address);
  for (const key of ['a', 'b', 'c', 'd']) await store.set(key, new Uint8Array(10));
  const error = await t.throwsAsync(store.set('e', value), { instanceOf: StoreFullError, code: 'ERR_STORE_FULL' });
  t.regex(error?.message ?? '', /has no room for 'e': it holds 16384 keys and 256 MiB at most/);
  await t.throwsAsync(store.set('a', new Uint8Array(61)), { instanceOf: StoreFullError });
  await store.set('a', new Uint8Array(60));
  await t.throwsAsync(store.set('b', new Uint8Array(11)), { instanceOf: StoreFullError });
  await store.delete('a');
  await store.set('e', new Uint8Array(60));
  t.deepEqual(await store.get('b'), new Uint8Array(10));
});
