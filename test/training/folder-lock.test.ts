// Proves lib/training/folder-lock.ts: one holder at a time, whoever dies when; the dead lose the folder and the living keep it.

import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import test from 'ava';
import { BusyError } from '../../lib/index.js';
import { FolderLock } from '../../lib/training/folder-lock.js';

const child = fileURLToPath(new URL('./folder-lock.child.js', import.meta.url));

async function inFolder(use: (folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'nodegrad-lock-'));
  try {
    await use(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

test('of many processes that take a folder, and die with it, never two are inside; nobody waits for the dead', async (t) => {
  const wanted = process.env['NODEGRAD_HOSTILE'] === '1' ? 400 : 24;
  t.timeout(Math.max(60_000, wanted * 1000));
  await inFolder(async (folder) => {
    let begun = 0;
    const one = async (): Promise<void> => {
      while (begun < wanted) {
        begun += 1;
        const process = spawn(globalThis.process.execPath, [child, folder, '5']);
        let [out, error] = ['', ''];
        process.stdout.on('data', (chunk) => {
          out += chunk;
        });
        process.stderr.on('data', (chunk) => {
          error += chunk;
        });
        const signal = await new Promise((resolve) => process.on('close', (_code, name) => resolve(name)));
        t.deepEqual([signal, out, error], ['SIGKILL', '.....', '']);
      }
    };
    await Promise.all(Array.from({ length: 6 }, one));
    await (await FolderLock.take(folder)).release();
    t.deepEqual(readdirSync(folder), [], 'nothing is left of the dead');
  });
});

test('a folder is held against the same process and its workers; a worker that was terminated holds nothing', async (t) => {
  await inFolder(async (folder) => {
    const dir = join(folder, 'new', 'folder');
    const lock = await FolderLock.take(dir);
    await t.throwsAsync(FolderLock.take(dir), {
      instanceOf: BusyError,
      message: /in use by another run of this process, since .*folder of its own$/,
    });
    t.true(await lock.isHeld());
    await (await FolderLock.take(dir, '.other')).release();
    await lock.release();
    t.false(await lock.isHeld());
    t.deepEqual(readdirSync(dir), []);
    if (process.platform !== 'linux') return;
    const worker = new Worker(child, { workerData: dir });
    await new Promise((resolve) => worker.once('message', resolve));
    await t.throwsAsync(FolderLock.take(dir), { instanceOf: BusyError });
    await worker.terminate();
    await (await FolderLock.take(dir)).release();
  });
});

test('what another host holds is its own while it shows that it lives; then it is taken over, and its owner notices', async (t) => {
  await inFolder(async (folder) => {
    const path = join(folder, '.lock');
    const far = { token: 'far', host: 'elsewhere', place: 'p', pid: process.pid, thread: 1, started: '1', since: '2026-01-01T00:00:00.000Z' };
    writeFileSync(path, JSON.stringify(far));
    await t.throwsAsync(FolderLock.take(folder), {
      instanceOf: BusyError,
      message: new RegExp(
        `in use by process ${process.pid} on elsewhere, since 2026-01-01.*given up after 2 minutes without one, or remove ${path}`,
      ),
    });
    const old = new Date(Date.now() - 3 * 60_000);
    utimesSync(path, old, old);
    const lock = await FolderLock.take(folder);
    t.deepEqual(readdirSync(folder).sort(), ['.lock', '.lock-far']);
    t.true(await lock.isHeld());
    // Another one takes over from this one.
    const [token] = readdirSync(folder)
      .map((name) => name.slice('.lock-'.length))
      .filter((name) => name === 'far');
    t.is(token, 'far');
    rmSync(path);
    t.false(await lock.isHeld(), 'a chain that leads nowhere holds nothing');
    await lock.release();
  });
});

test.serial('of two rounds of one launch the later one takes a folder over from another host at once, and from no other launch', async (t) => {
  t.teardown(() => delete process.env['NODEGRAD_LAUNCH']);
  process.env['NODEGRAD_LAUNCH'] = '2000 http://10.0.0.1:29400/';
  for (const [round, isOver] of [
    ['1000 http://10.0.0.1:29400/', true],
    ['2000 http://10.0.0.1:29400/', false],
    ['3000 http://10.0.0.1:29400/', false],
    ['1000 http://10.0.0.1:29401/', false],
    [null, false],
    [{}, false],
  ] as const)
    await inFolder(async (folder) => {
      const far = { token: 'far', host: 'elsewhere', place: 'p', pid: 1, thread: 1, started: '1', since: '2026-01-01T00:00:00.000Z', round };
      writeFileSync(join(folder, '.lock'), JSON.stringify(far));
      if (!isOver) return void (await t.throwsAsync(FolderLock.take(folder), { instanceOf: BusyError }, String(round)));
      const lock = await FolderLock.take(folder);
      t.true(await lock.isHeld());
      await lock.release();
    });
});

test('a claim that a power cut has left empty is given up like that of a host that is silent', async (t) => {
  await inFolder(async (folder) => {
    const path = join(folder, '.lock');
    writeFileSync(path, '');
    await t.throwsAsync(FolderLock.take(folder), { message: /an unknown host/ });
    const old = new Date(Date.now() - 3 * 60_000);
    utimesSync(path, old, old);
    await (await FolderLock.take(folder)).release();
    t.false(existsSync(path));
  });
});

test('a process number that was given away again is noticed', async (t) => {
  if (process.platform !== 'linux') return t.pass();
  await inFolder(async (folder) => {
    const lock = await FolderLock.take(folder);
    const owner = { ...JSON.parse(await import('node:fs').then(({ readFileSync }) => readFileSync(join(folder, '.lock'), 'utf8'))) };
    await lock.release();
    t.is(owner.host, hostname());
    writeFileSync(join(folder, '.lock'), JSON.stringify(owner));
    await t.throwsAsync(FolderLock.take(folder), { instanceOf: BusyError });
    writeFileSync(join(folder, '.lock'), JSON.stringify({ ...owner, started: '1' }));
    await (await FolderLock.take(folder)).release();
  });
});
