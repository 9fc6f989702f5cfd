// Proves lib/distributed/rendezvous: the store of a group is served by whom it should be, and found under its name.

import { mkdtempSync, rmSync } from 'node:fs';
import { hostname, networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import test from 'ava';
import { ArgumentError, EnvironmentError, type ProcessEnvironment, serveStore } from '../../lib/index.js';
import { hostOf, listenOn, openRendezvous } from '../../lib/distributed/rendezvous.js';

const token = 'of-those-who-meet-here';

const environment = (rank: number, rendezvous: string, isServedByRank0: boolean): ProcessEnvironment => ({
  source: 'slurm',
  rank,
  worldSize: 3,
  localRank: rank,
  localWorldSize: 3,
  nodeRank: 0,
  rendezvous,
  isServedByRank0,
});

/** A port that is free. */
async function freePort(): Promise<number> {
  const served = await serveStore({ token });
  await served.close();
  return Number(new URL(served.address).port);
}

test('processes meet in a store that rank 0 serves, one that is there, and a folder, whoever comes first', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'nodegrad-meet-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const served = await serveStore({ token });
  t.teardown(() => served.close());
  const places = [
    [`http://localhost:${await freePort()}`, true],
    [served.address, false],
    [pathToFileURL(folder).href, false],
  ] as const;
  for (const [address, isServedByRank0] of places) {
    const found = await Promise.all(
      [2, 1, 0].map(async (rank) => {
        const store = await openRendezvous(environment(rank, address, isServedByRank0), { timeout: 10_000, token });
        await store.set(`at/${rank}`, Uint8Array.of(rank));
        const all = await Promise.all([0, 1, 2].map((other) => store.get(`at/${other}`)));
        await store.set(`done/${rank}`, new Uint8Array());
        if (rank === 0) for (const other of [1, 2]) await store.get(`done/${other}`);
        await store.close();
        return all.map(([value]) => value);
      }),
    );
    t.deepEqual(
      found,
      [0, 0, 0].map(() => [0, 1, 2]),
      address,
    );
  }
});

test('without a token nobody meets, and the message names its variable', async (t) => {
  for (const [given, message] of [
    ['', /^NODEGRAD_TOKEN is not set: the store at http:\/\/localhost:29400 asks for a token of at least 16/],
    ['short', /^NODEGRAD_TOKEN has 5 characters/],
  ] as const) {
    const opened = openRendezvous(environment(0, 'http://localhost:29400', true), { token: given });
    t.is((await t.throwsAsync(opened, { instanceOf: EnvironmentError, message }))?.variable, 'NODEGRAD_TOKEN');
  }
});

test('without a place there is nobody to meet', async (t) => {
  const alone = { ...environment(0, '', false), rendezvous: null };
  t.is((await t.throwsAsync(openRendezvous(alone), { instanceOf: EnvironmentError }))?.variable, 'NODEGRAD_RENDEZVOUS');
  for (const wrong of [null, 7, []] as never[])
    await t.throwsAsync(openRendezvous(wrong), { instanceOf: ArgumentError, message: /processEnvironment\(\) gave/ });
});

test('others reach this machine on loopback where all are on it or meet there, else at the address from which it reaches the store', async (t) => {
  const served = await serveStore({ token });
  t.teardown(() => served.close());
  t.is(await hostOf(environment(0, served.address, false)), '127.0.0.1');
  const several = { ...environment(0, served.address, false), localWorldSize: 1 };
  const own = Object.values(networkInterfaces())
    .flat()
    .find((one) => one !== undefined && !one.internal && one.family === 'IPv4')?.address;
  t.is(await hostOf(several), '127.0.0.1', 'who meet on loopback are on one machine');
  t.is(await hostOf({ ...several, rendezvous: 'http://localhost:1' }), '127.0.0.1');
  t.is(await hostOf({ ...several, rendezvous: 'file:///shared/run' }), own ?? '127.0.0.1');
  if (own === undefined) return;
  const reached = await serveStore({ token, host: own });
  t.teardown(() => reached.close());
  t.is(await hostOf({ ...several, rendezvous: reached.address }), own);
});

test('a name is listened on where others find it: never on loopback alone, unless that is what it says', async (t) => {
  const own = Object.values(networkInterfaces())
    .flat()
    .find((one) => one !== undefined && !one.internal && one.family === 'IPv4')?.address;
  for (const host of ['localhost', '127.0.0.1', '127.0.1.1', '::1']) t.is(await listenOn(host), host);
  t.is(await listenOn('me', async () => ['127.0.1.1']), undefined, 'as Debian has it: all addresses');
  t.is(await listenOn('elsewhere', async () => ['192.0.2.7']), 'elsewhere');
  t.is(await listenOn('unknown', async () => []), 'unknown');
  if (own !== undefined) {
    t.is(await listenOn('me', async () => ['127.0.1.1', own]), own);
    t.is(await listenOn(own), own);
  }
  t.true([undefined, own, hostname()].includes(await listenOn(hostname())));
});
