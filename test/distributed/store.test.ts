// Proves lib/distributed/store: stores of both kinds keep one contract, between processes too, and say what is wrong.

import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import test, { type ExecutionContext } from 'ava';
import { AbortedError, ArgumentError, type Store, TimeoutError, openStore, serveStore } from '../../lib/index.js';

const token = 'a token of a test'.replaceAll(' ', '-');
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const text = (value: Uint8Array | null): string | null => value && new TextDecoder().decode(value);

type Place = { readonly address: string; readonly token?: string };

/** A place of each kind, for as long as the test takes. */
const kinds: Record<string, (t: ExecutionContext) => Promise<Place>> = {
  'a folder': async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'nodegrad-store-'));
    t.teardown(() => rmSync(folder, { recursive: true }));
    return { address: pathToFileURL(join(folder, 'made on the way')).href };
  },
  'a store over HTTP': async (t) => {
    const served = await serveStore({ token });
    t.teardown(() => served.close());
    return { address: served.address, token };
  },
};

async function open(t: ExecutionContext, { address, token }: Place, timeout = 10_000): Promise<Store> {
  const store = await openStore(address, { token, timeout });
  t.teardown(() => store.close());
  return store;
}

for (const [kind, place] of Object.entries(kinds)) {
  test.serial(`${kind}: what is set is seen by all, replaced, created once, and deleted`, async (t) => {
    const at = await place(t);
    const [one, other] = [await open(t, at), await open(t, at)];
    t.is(await one.peek('a'), null);
    await one.set('a', bytes('first'));
    t.is(text(await other.get('a')), 'first');
    await other.set('a', bytes('second'));
    t.is(text(await one.peek('a')), 'second');
    t.true(await one.create('b/0', bytes('mine')));
    t.false(await other.create('b/0', bytes('yours')));
    t.false(await one.create('a', bytes('third')));
    t.is(text(await other.get('b/0')), 'mine');
    t.true(await other.delete('b/0'));
    t.false(await one.delete('b/0'));
    t.is(await one.peek('b/0'), null);
    t.true(await one.create('b/0', new Uint8Array()));
    t.is((await other.get('b/0')).length, 0);
    const most = new Uint8Array(randomBytes(1 << 20));
    await one.set('z'.repeat(128), most);
    t.is(Buffer.compare(await other.get('z'.repeat(128)), most), 0);
  });

  test.serial(`${kind}: what is given may change afterwards, also a part of a Buffer`, async (t) => {
    const store = await open(t, await place(t));
    const whole = Buffer.from('..value..');
    const done = store.set('a', whole.subarray(2, 7));
    whole.fill(0);
    await done;
    const got = await store.get('a');
    t.is(text(got), 'value');
    t.is(Object.getPrototypeOf(got), Uint8Array.prototype, 'and no Buffer comes back');
  });

  test.serial(`${kind}: get waits until the key is there, for many at once`, async (t) => {
    const at = await place(t);
    const [one, other] = [await open(t, at), await open(t, at)];
    const keys = Array.from({ length: 100 }, (_, i) => `many/${i}`);
    const waiting = Promise.all(keys.map(async (key) => text(await one.get(key))));
    await new Promise((done) => setTimeout(done, 50));
    for (const key of keys.toReversed()) await other.set(key, bytes(key));
    t.deepEqual(await waiting, keys);
  });

  test.serial(`${kind}: get gives up after its time-out, by its signal, and when the store is closed`, async (t) => {
    const at = await place(t);
    const store = await open(t, at);
    const late = await t.throwsAsync(store.get('rank/3', { timeout: 60 }), { instanceOf: TimeoutError });
    t.is(late?.code, 'ERR_TIMEOUT');
    t.true(late?.message.startsWith(`nobody set 'rank/3' within 0.1 s in the store at ${at.address}. Look at the process`), late?.message);
    await t.throwsAsync(store.get('a', { timeout: 0 }), { instanceOf: TimeoutError });
    const stop = new AbortController();
    const stopped = store.get('a', { signal: stop.signal });
    setTimeout(() => stop.abort(), 20);
    await t.throwsAsync(stopped, { instanceOf: AbortedError, message: /the signal fired/ });
    await t.throwsAsync(store.get('a', { signal: AbortSignal.abort() }), { instanceOf: AbortedError });
    const left = store.get('a');
    setTimeout(() => void store.close(), 20);
    await t.throwsAsync(left, { instanceOf: AbortedError, message: /was closed/ });
    await store.close();
    await t.throwsAsync(store.set('a', bytes('x')), { instanceOf: ArgumentError, message: /is closed in this process/ });
  });

  test.serial(`${kind}: keys and values out of bounds are refused, and nothing is written`, async (t) => {
    const at = await place(t);
    const store = await open(t, at);
    for (const key of ['', 'A', '../a', 'a/', '/a', 'a b', 'ä', 'a\0', 'a?wait=1', 'x'.repeat(129), 7, null, undefined, {}] as string[]) {
      const refused = { instanceOf: ArgumentError, message: /for `key`, received/ };
      await t.throwsAsync(store.set(key, bytes('x')), refused);
      await t.throwsAsync(store.create(key, bytes('x')), refused);
      await t.throwsAsync(store.get(key), refused);
      await t.throwsAsync(store.peek(key), refused);
      await t.throwsAsync(store.delete(key), refused);
    }
    await t.throwsAsync(store.set('a', new Uint8Array((1 << 20) + 1)), {
      instanceOf: ArgumentError,
      message: /at most 1048576 bytes \(1 MiB\)/,
    });
    for (const value of ['text', [1], new Float32Array(1), null] as never[])
      await t.throwsAsync(store.set('a', value), { instanceOf: ArgumentError, message: /a Uint8Array for `value`/ });
    await t.throwsAsync(store.get('a', { timeout: -1 }), { message: /options\.timeout/ });
    await t.throwsAsync(store.get('a', { signal: {} as AbortSignal }), { message: /options\.signal/ });
    await t.throwsAsync(store.get('a', { time: 1 } as never), { message: /unknown option `time`/ });
    t.is(await store.peek('a'), null);
  });

  test.serial(`${kind}: of many processes that create a key, one comes first`, async (t) => {
    const at = await place(t);
    const [processes, keys] = [4, 25];
    const program = `
      import { openStore } from ${JSON.stringify(new URL('../../lib/index.js', import.meta.url).href)};
      const store = await openStore(process.argv[1], { token: process.argv[2] || undefined });
      const own = new TextEncoder().encode(process.argv[3]);
      await store.set('here/' + process.argv[3], own);
      for (let i = 0; i < ${processes}; i++) await store.get('here/' + i);
      const won = [];
      for (let i = 0; i < ${keys}; i++) if (await store.create('slot/' + i, own)) won.push(i);
      console.log(JSON.stringify(won));
      await store.close();`;
    const won = await Promise.all(
      Array.from({ length: processes }, (_, i) => {
        const words = ['--input-type=module', '-e', program, at.address, at.token ?? '', String(i)];
        const child = spawn(process.execPath, words, { stdio: ['ignore', 'pipe', 'inherit'] });
        let out = '';
        child.stdout.on('data', (piece) => {
          out += piece;
        });
        return new Promise<number[]>((done) => child.on('close', () => done(JSON.parse(out))));
      }),
    );
    t.deepEqual(
      won.flat().sort((a, b) => a - b),
      Array.from({ length: keys }, (_, i) => i),
    );
    const store = await open(t, at);
    for (const [i, slots] of won.entries()) for (const slot of slots) t.is(text(await store.peek(`slot/${slot}`)), String(i));
  });
}

test('a folder has nothing but whole values in it, and what is no value is refused', async (t) => {
  const { address } = await kinds['a folder'](t);
  const folder = new URL(`${address}/`);
  const store = await open(t, { address });
  await Promise.all(Array.from({ length: 20 }, (_, i) => store.set('a/b', bytes(`value ${i}`))));
  t.deepEqual(readdirSync(folder), ['key~a~b']);
  writeFileSync(new URL('key~large', folder), new Uint8Array((1 << 20) + 1));
  await t.throwsAsync(store.get('large'), { instanceOf: ArgumentError, message: /is no value of a store: it has 1048577 bytes/ });
  rmSync(folder, { recursive: true });
  await t.throwsAsync(store.set('a', bytes('x')), { instanceOf: ArgumentError, message: /cannot be used as a store\. The system says ENOENT/ });
});

test('an address that is none, and a token that is none, are refused before anything is opened', async (t) => {
  const addresses = [
    '',
    'here',
    '/tmp/folder',
    'https://127.0.0.1:1',
    'http://u:p@127.0.0.1',
    'http://127.0.0.1/x',
    'file:///',
    'file:///a?b',
    7,
    null,
  ];
  for (const address of addresses as string[])
    await t.throwsAsync(openStore(address, { token }), { instanceOf: ArgumentError, message: /'http:\/\/host:port' or 'file:\/\/\/folder'/ });
  for (const wrong of [undefined, 'short', 'x'.repeat(1025), `${'x'.repeat(20)}\n`, 7] as string[]) {
    const error = await t.throwsAsync(openStore('http://127.0.0.1:1', { token: wrong }), { instanceOf: ArgumentError });
    t.regex(error?.message ?? '', /^expected a token of 16 to 1024 printable characters/);
    t.false(typeof wrong === 'string' && error?.message.includes(wrong), 'a token is not shown');
  }
  await t.throwsAsync(openStore('file:///dev/null/x'), { instanceOf: ArgumentError, message: /ENOTDIR/ });
  const store = await openStore(new URL('http://127.0.0.1:1'), { token, timeout: 100 });
  t.is(store.address, 'http://127.0.0.1:1');
  await store.close();
});
