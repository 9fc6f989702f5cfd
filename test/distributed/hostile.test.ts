// Groups among strangers, wrong addresses and processes that end at the worst moment: nothing crashes, and nobody waits longer than the time-out.

import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { type Server, type Socket, connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import test, { type ExecutionContext } from 'ava';
import { GroupError, ProcessGroup, type Store, openStore } from '../../lib/index.js';
import { hasGroups } from '../helpers/groups.js';
import type { HostileErrand } from './hostile.child.js';

const inGroups = hasGroups ? test.serial : test.serial.skip;
const child = fileURLToPath(new URL('./hostile.child.js', import.meta.url));
const text = (value: unknown): Uint8Array => new TextEncoder().encode(typeof value === 'string' ? value : JSON.stringify(value));

async function withStore<T>(body: (store: Store, address: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'nodegrad-hostile-'));
  try {
    await using store = await openStore(pathToFileURL(folder).href);
    return await body(store, store.address);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

interface Counts {
  readonly descriptors: number;
  readonly threads: number;
  readonly bytes?: number;
}

interface Ended {
  readonly said: Readonly<Record<string, unknown>> & { readonly before?: Counts; readonly after?: Counts };
  readonly code: number | null;
  readonly signal: string | null;
  readonly seconds: number;
}

/** Runs a process for each rank until all have ended; `stopped` ones are ended when the others have. */
function runAll(kind: HostileErrand['kind'], { size = 2, timeout = 60_000, stopped = -1, singleCopy = true } = {}): Promise<Ended[]> {
  return withStore(async (_, store) => {
    const processes = Array.from({ length: size }, (_unused, rank) => {
      const said: HostileErrand = { kind, rank, size, store, timeout };
      const env = { ...process.env, NODEGRAD_NUM_THREADS: '1', NODEGRAD_RUNS: 'off', NODEGRAD_SINGLE_COPY: singleCopy ? '1' : '0' };
      return spawn(process.execPath, [child, JSON.stringify(said)], { env, stdio: ['ignore', 'pipe', 'inherit'] });
    });
    const began = performance.now();
    const ends = processes.map(
      (one) =>
        new Promise<Ended>((resolve) => {
          let out = '';
          one.stdout?.on('data', (chunk) => {
            out += chunk;
          });
          one.on('close', (code, signal) =>
            resolve({ said: out === '' ? {} : JSON.parse(out), code, signal, seconds: (performance.now() - began) / 1000 }),
          );
        }),
    );
    await Promise.all(ends.filter((_unused, rank) => rank !== stopped));
    processes[stopped]?.kill('SIGKILL');
    return Promise.all(ends);
  });
}

/** What strangers say, of whom the last ones know how we begin. */
const strangers: readonly Uint8Array[] = [
  new Uint8Array(0),
  text('GET / HTTP/1.1\r\n\r\n'),
  new Uint8Array(8),
  new Uint8Array(4096),
  new Uint8Array(100_000).fill(255),
  text('nodegrd2'),
  new Uint8Array([...text('nodegrd2'), 1, 0, 0, 0, 0, 0, 0, 0, ...new Uint8Array(32)]),
  new Uint8Array([...text('nodegrd2'), ...new Uint8Array(40).fill(255)]),
];

function call(port: number, words: Uint8Array): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.write(words);
      resolve(socket);
    });
    socket.on('error', reject);
  });
}

inGroups('strangers who connect before a group is whole are not taken for its processes, and find nobody afterwards', async (t) => {
  await withStore(async (store) => {
    const first = ProcessGroup.open({ rank: 0, size: 2, store, timeout: 20_000 });
    const { port } = JSON.parse(new TextDecoder().decode(await store.get('group/address/0'))) as { port: number };
    const calls: Socket[] = [];
    for (let round = 0; round < 40; round++) for (const words of strangers) calls.push(await call(port, words).catch(() => null as never));
    const groups = await Promise.all([first, ProcessGroup.open({ rank: 1, size: 2, store, timeout: 20_000 })]);
    await t.throwsAsync(call(port, new Uint8Array(8)), { code: 'ECONNREFUSED' });
    for (const group of groups) group.close();
    for (const one of calls) one?.destroy();
  });
});

const good = { size: 2, host: '127.0.0.1', port: 9, key: Buffer.alloc(32).toString('base64') };
const wrong: Readonly<Record<string, [value: unknown, message: RegExp]>> = {
  'no JSON': ['{', /no address of a process/],
  null: [null, /no address of a process/],
  'a number': [17, /no address of a process/],
  'nothing of an address': [{}, /no address of a process/],
  'a short key': [{ ...good, key: 'AAAA' }, /no address of a process/],
  'a host that is a name': [{ ...good, host: 'somewhere.example' }, /no address of a process/],
  'a port out of range': [{ ...good, port: 65_536 }, /no address of a process/],
  'a group of another size': [{ ...good, size: 3 }, /says that the group 'group' has 3 processes, and process 1 that it has 2/],
  'an address where nobody listens': [good, /nobody listens at the address of process 0 at 127\.0\.0\.1:9/],
};
for (const [what, [value, message]] of Object.entries(wrong)) {
  inGroups(`a store that has ${what} in the place of an address is refused in words`, async (t) => {
    await withStore(async (store) => {
      await store.set('group/address/0', text(value));
      await t.throwsAsync(ProcessGroup.open({ rank: 1, size: 2, store, timeout: 20_000 }), { instanceOf: GroupError, message });
    });
  });
}

async function withServer(t: ExecutionContext, answer: (socket: Socket) => void, message: RegExp, timeout: number): Promise<void> {
  const open: Socket[] = [];
  const server: Server = createServer((socket) => {
    open.push(socket);
    socket.on('error', () => {});
    answer(socket);
  });
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await withStore(async (store) => {
    await store.set('group/address/0', text({ ...good, port }));
    await t.throwsAsync(ProcessGroup.open({ rank: 1, size: 2, store, timeout }), { instanceOf: GroupError, message });
  });
  for (const socket of open) socket.destroy();
  server.close();
}

inGroups('who listens at an address and does not answer, hangs up or answers something else is no process of the group', async (t) => {
  await withServer(t, () => {}, /process 0 at 127\.0\.0\.1:\d+ did not answer within 700 ms/, 700);
  await withServer(t, (socket) => void socket.end(), /process 0 at 127\.0\.0\.1:\d+ did not answer within 700 ms/, 700);
  await withServer(t, (socket) => void socket.write(new Uint8Array(4096).fill(7)), /process 0 at 127\.0\.0\.1:\d+ is of another group/, 20_000);
});

inGroups('a process that shows the key of another group is turned away, and says so', async (t) => {
  await withStore(async (store) => {
    const first = ProcessGroup.open({ rank: 0, size: 2, store, timeout: 3000 });
    const place = JSON.parse(new TextDecoder().decode(await store.get('group/address/0'))) as object;
    await store.set('group/address/0', text({ ...place, key: good.key }));
    const second = ProcessGroup.open({ rank: 1, size: 2, store, timeout: 20_000 });
    await t.throwsAsync(second, { instanceOf: GroupError, message: /process 0 at 127\.0\.0\.1:\d+ is of another group/ });
    await t.throwsAsync(first, { instanceOf: GroupError, message: /process 1 did not connect within 3000 ms/ });
  });
});

inGroups('an address that stands for all of them, or for none here, is refused', async (t) => {
  await withStore(async (store) => {
    for (const host of ['0.0.0.0', '::', '192.0.2.1', 'no-such-host.invalid'])
      await t.throwsAsync(ProcessGroup.open({ rank: 0, size: 2, store, host }), {
        instanceOf: GroupError,
        message: /no connections can be taken at|has no address/,
      });
  });
});

for (const singleCopy of [true, false]) {
  const way = singleCopy ? 'read from memory' : 'sent over sockets';

  inGroups(`${way}: who leaves after the last sum does not take it from those who still read it`, async (t) => {
    t.timeout(600_000);
    for (const { said } of await runAll('leaves', { size: 3, singleCopy })) t.deepEqual(said, { sums: Array(20).fill(6) });
  });

  inGroups(`${way}: a process that dies in the middle of what it sends is noticed at once`, async (t) => {
    t.timeout(600_000);
    const [dead, ...others] = await runAll('half', { size: 3, timeout: 600_000, singleCopy });
    t.is(dead.signal, 'SIGKILL');
    for (const { said, seconds } of others) {
      t.is(said['code'], 'ERR_GROUP');
      t.true(seconds < 300);
    }
  });
}

inGroups('a sum of more pieces than a board has room for is whole', async (t) => {
  t.timeout(600_000);
  for (const { said } of await runAll('large', { size: 2 })) t.deepEqual(said, { neighbours: 1, wrong: 0 });
});

inGroups('process.exit() ends a process whose step waits for another one', async (t) => {
  t.timeout(600_000);
  const [gone] = await runAll('exits', { stopped: 1, timeout: 600_000 });
  t.is(gone.code, 7);
  t.true(gone.seconds < 300);
});

inGroups('a group that is opened and closed a hundred times leaves no thread, descriptor or memory behind', async (t) => {
  t.timeout(600_000);
  const [{ said }] = await runAll('reopens', { size: 1 });
  t.is(said['error'], undefined);
  const [before, after] = [said.before, said.after].map((counts) => ({ bytes: 0, descriptors: 0, threads: 0, ...counts }));
  // Something of the first group may still have been open before.
  t.true(after.descriptors <= before.descriptors, `${before.descriptors} descriptors, then ${after.descriptors}`);
  t.true(after.threads <= before.threads, `${before.threads} threads, then ${after.threads}`);
  t.true(after.bytes - before.bytes < 20 * 2 ** 20);
});

inGroups('worker threads that end in the middle of a step leave nothing behind', async (t) => {
  t.timeout(600_000);
  const [{ said, code }] = await runAll('workers', { size: 1, timeout: 600_000 });
  t.is(code, 0);
  t.is(said['error'], undefined);
  t.deepEqual(said.after, said.before);
});
