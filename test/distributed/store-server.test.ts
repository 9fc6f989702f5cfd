// Proves lib/distributed/store-server against those who mean no good: no token, wrong sizes, slow bodies, garbage, too many.

import { request } from 'node:http';
import { type Socket, connect } from 'node:net';
import test, { type ExecutionContext } from 'ava';
import { ArgumentError, openStore, serveStore } from '../../lib/index.js';
import { type ServerLimits, StoreServer, usualLimits } from '../../lib/distributed/store-server.js';

const token = 'known-to-those-who-may';
const known = `Authorization: Bearer ${token}\r\n`;

async function serve(t: ExecutionContext, limits: Partial<ServerLimits> = {}): Promise<StoreServer> {
  const server = new StoreServer(token, { ...usualLimits, ...limits });
  await server.open('127.0.0.1', 0);
  t.teardown(() => server.close());
  return server;
}

/** Writes pieces to a connection of its own, with a pause behind each; what came back until it was closed, or for so long. */
function say(
  { address }: StoreServer,
  pieces: readonly (string | Uint8Array)[],
  { pause = 0, patience = 10_000, onFirst = () => {} } = {},
): Promise<string> {
  return new Promise((done) => {
    let answer = '';
    const socket: Socket = connect(Number(new URL(address).port), '127.0.0.1', async () => {
      for (const piece of pieces) {
        if (socket.destroyed) return;
        socket.write(piece);
        await new Promise((next) => setTimeout(next, pause));
      }
    });
    const timer = setTimeout(() => socket.destroy(), patience);
    socket.once('data', onFirst);
    socket.on('data', (piece) => {
      answer += piece.toString('latin1');
    });
    socket.on('error', () => {});
    socket.on('close', () => {
      clearTimeout(timer);
      done(answer);
    });
  });
}

/** The server still does what it is for. */
async function isWell(t: ExecutionContext, server: StoreServer): Promise<void> {
  const store = await openStore(server.address, { token });
  await store.set('well', new Uint8Array([7]));
  t.deepEqual(await store.get('well'), new Uint8Array([7]));
  await store.close();
}

test.serial('who does not know the token learns nothing and changes nothing', async (t) => {
  const server = await serve(t);
  const store = await openStore(server.address, { token });
  await store.set('there', new Uint8Array([1]));
  const wrong = [
    '',
    `Bearer ${token.slice(0, -1)}`,
    `Bearer ${token}x`,
    `Basic ${token}`,
    `bearer ${token}`,
    token,
    `Bearer ${'y'.repeat(4000)}`,
  ];
  for (const authorization of wrong)
    for (const method of ['GET', 'PUT', 'DELETE', 'POST', 'OPTIONS'])
      for (const path of ['/keys/there', '/keys/absent', '/', '/keys/../there']) {
        const headers = { ...(authorization !== '' && { Authorization: authorization }), 'Content-Length': 1, Connection: 'close' };
        const status = await new Promise((done) =>
          request(`${server.address}${path}`, { method, headers }, (response) => done(response.resume().statusCode)).end('x'),
        );
        t.is(status, 401, `${method} ${path} with ${authorization.slice(0, 20)}`);
      }
  t.deepEqual(await store.get('there'), new Uint8Array([1]));
  t.is(await store.peek('absent'), null);
  await store.close();
});

test.serial('bodies that are too large, of no length, or half there take no memory and change nothing', async (t) => {
  const server = await serve(t, { request: 300, idle: 300 });
  const put = (headers: string): string => `PUT /keys/a HTTP/1.1\r\nHost: x\r\n${headers}\r\n`;
  const before = process.memoryUsage().arrayBuffers;
  for (const [headers, status] of [
    [`${known}Content-Length: 1048577\r\n`, 413],
    [`${known}Content-Length: 99999999999999\r\n`, 413],
    [`${known}Content-Length: 999999999999999999999999999999\r\n`, 400],
    [`${known}Content-Length: -1\r\n`, 400],
    [`${known}Content-Length: 1e3\r\n`, 400],
    [`${known}Content-Length: 3\r\nContent-Length: 4\r\n`, 400],
    [`${known}Content-Length: 3\r\nTransfer-Encoding: chunked\r\n`, 400],
    [`${known}Transfer-Encoding: chunked\r\n`, 413],
    ['Content-Length: 99999999999999\r\n', 413],
  ] as const)
    t.true((await say(server, [put(headers)])).startsWith(`HTTP/1.1 ${status} `), headers);
  // Each promises a whole value and sends a byte at a time.
  const slow = Array.from({ length: 60 }, () =>
    say(server, [put(`${known}Content-Length: 1048576\r\n`), ...Array.from({ length: 100 }, () => 'x')], { pause: 20 }),
  );
  const strangers = Array.from({ length: 30 }, () => say(server, [put('Content-Length: 1048576\r\n'), new Uint8Array(1000)]));
  for (const answer of await Promise.all([...slow, ...strangers])) t.regex(answer, /^(HTTP\/1\.1 (401|408) .*|)$/s);
  t.true(process.memoryUsage().arrayBuffers - before < 100 << 20);
  const store = await openStore(server.address, { token });
  t.is(await store.peek('a'), null);
  await store.close();
  await isWell(t, server);
});

test.serial('what was promised and never came leaves its room to others', async (t) => {
  const server = await serve(t, { bytes: 8 << 20 });
  const sockets = Array.from({ length: 8 }, () => {
    const socket = connect(Number(new URL(server.address).port), '127.0.0.1');
    socket.on('error', () => {});
    socket.write(`PUT /keys/a HTTP/1.1\r\nHost: x\r\n${known}Content-Length: 1048576\r\n\r\nx`);
    return socket;
  });
  const store = await openStore(server.address, { token });
  const until = Date.now() + 20_000;
  let refused: unknown = null;
  while (refused === null && Date.now() < until)
    refused = await store.set('b', new Uint8Array(1)).then(
      () => null,
      (error) => error,
    );
  t.is((refused as { code?: string } | null)?.code, 'ERR_STORE_FULL', 'all of it is promised');
  for (const socket of sockets) socket.destroy();
  for (;;) {
    const isRoom = await store.set('b', new Uint8Array(1)).then(
      () => true,
      () => false,
    );
    if (isRoom || Date.now() > until) break;
  }
  t.deepEqual(await store.get('b', { timeout: 1000 }), new Uint8Array(1));
  await store.close();
});

test.serial('garbage is answered with an error or not at all, and the others are served on', async (t) => {
  const server = await serve(t, { request: 300, idle: 300 });
  const head = `Host: x\r\n${known}Connection: close\r\n\r\n`;
  const rows: [string, RegExp][] = [
    ['\0\x01\x02 nothing like it\r\n\r\n', /^HTTP\/1\.1 400/],
    ['GET', /^(HTTP\/1\.1 408|$)/],
    [`GET /keys/a HTTP/1.1\r\nHost: x\r\nX: ${'y'.repeat(20_000)}\r\n\r\n`, /^HTTP\/1\.1 431/],
    [`GET /${'a'.repeat(20_000)} HTTP/1.1\r\n${head}`, /^HTTP\/1\.1 431/],
    [`GET /keys/${'a'.repeat(129)} HTTP/1.1\r\n${head}`, /^HTTP\/1\.1 404/],
    [`GET /keys/%61 HTTP/1.1\r\n${head}`, /^HTTP\/1\.1 404/],
    [`GET /keys/__proto__ HTTP/1.1\r\n${head}`, /^HTTP\/1\.1 404/],
    [`GET http://elsewhere/keys/a HTTP/1.1\r\n${head}`, /^HTTP\/1\.1 404/],
    [`GET /keys/a?wait=99999999999 HTTP/1.1\r\n${head}`, /^HTTP\/1\.1 404/],
    [`GET /keys/a?wait=-1 HTTP/1.1\r\n${head}`, /^HTTP\/1\.1 404/],
    [`PATCH /keys/a HTTP/1.1\r\n${head}`, /^HTTP\/1\.1 405/],
    [`CONNECT /keys/a HTTP/1.1\r\n${head}`, /^$/],
    [`GET /keys/a HTTP/1.1\r\nUpgrade: websocket\r\nHost: x\r\n${known}Connection: Upgrade\r\n\r\n`, /^HTTP\/1\.1 404/],
    [`GET /keys/a HTTP/0.9\r\n${head}`, /^HTTP\/1\.1 (400|404|505)/],
  ];
  for (const [sent, answer] of rows) t.regex(await say(server, [sent], { patience: 3000 }), answer, JSON.stringify(sent.slice(0, 40)));
  await isWell(t, server);
});

test.serial('those who wait cost nothing once they have gone, and the end of the store wakes them', async (t) => {
  const server = await serve(t);
  const waits = Array.from({ length: 50 }, () => say(server, [`GET /keys/a?wait=9999 HTTP/1.1\r\nHost: x\r\n${known}\r\n`], { patience: 100 }));
  t.deepEqual(
    await Promise.all(waits),
    waits.map(() => ''),
  );
  const asked = `Host: x\r\n${known}\r\n`;
  const last = say(server, [`GET /keys/b HTTP/1.1\r\n${asked}GET /keys/a?wait=9999 HTTP/1.1\r\n${asked}`], {
    onFirst: () => void server.close().then(() => server.close()),
  });
  t.regex(await last, /^HTTP\/1\.1 404 .*HTTP\/1\.1 503 /s);
});

test.serial('no more connections than there may be are taken, and one that has gone makes room', async (t) => {
  const server = await serve(t, { connections: 4 });
  const idle = Array.from({ length: 4 }, () => say(server, [''], { patience: 500 }));
  await new Promise((done) => setTimeout(done, 100));
  t.is(await say(server, [`GET /keys/a HTTP/1.1\r\nHost: x\r\n${known}\r\n`], { patience: 200 }), '');
  await Promise.all(idle);
  await isWell(t, server);
});

test.serial('an address that cannot be listened on is refused with the reason, and nothing but loopback is the default', async (t) => {
  const served = await serveStore({ token });
  t.teardown(() => served.close());
  t.regex(served.address, /^http:\/\/127\.0\.0\.1:\d+$/);
  const port = Number(new URL(served.address).port);
  const refused = (message: RegExp) => ({ instanceOf: ArgumentError, message });
  await t.throwsAsync(serveStore({ token, port }), refused(/^127\.0\.0\.1:\d+ is in use: choose another port/));
  await t.throwsAsync(serveStore({ token, host: '192.0.2.1' }), refused(/is no address of this machine/));
  await t.throwsAsync(serveStore({ token: 'short' }), refused(/a text of 5 characters/));
  await t.throwsAsync(serveStore({} as never), refused(/received nothing/));
  await t.throwsAsync(serveStore({ token, port: 65_536 }), refused(/options\.port/));
  await t.throwsAsync(serveStore({ token, host: '' }), refused(/options\.host/));
});
