// Where the processes of a group meet: the store that the environment names, served by the process that has to.

import { lookup } from 'node:dns/promises';
import { networkInterfaces } from 'node:os';
import { EnvironmentError } from './errors.js';
import type { ProcessEnvironment } from './environment.js';
import { HttpStore } from './http-store.js';
import { openStore } from './open-store.js';
import { type Store, defaultTimeout } from './store.js';
import { StoreServer } from './store-server.js';
import { leastTokenLength } from './token.js';

/**
 * Opens the store of a group. The process of rank 0 serves it first where nobody else does, and until it closes it: it must be the last to close.
 *
 * @param environment - Of a group that has a place to meet.
 * @param variables - Where `NODEGRAD_TOKEN` is looked for.
 * @throws {EnvironmentError} when there is no token
 */
export async function openRendezvous(
  { rendezvous, rank, isServedByRank0 }: ProcessEnvironment,
  { timeout = defaultTimeout, variables = process.env as Readonly<Record<string, string | undefined>> } = {},
): Promise<Store> {
  const address = new URL(rendezvous as string);
  if (address.protocol === 'file:') return openStore(address, { timeout });
  const token = variables.NODEGRAD_TOKEN ?? '';
  if (token.length < leastTokenLength)
    throw new EnvironmentError(
      `NODEGRAD_TOKEN ${token === '' ? 'is not set' : `has ${token.length} characters`}: the store at ${address.origin} asks for a token of at least ` +
        `${leastTokenLength}, the same for all processes of the group`,
      'NODEGRAD_TOKEN',
    );
  if (!isServedByRank0 || rank !== 0) return openStore(address, { token, timeout });
  const server = await serveAt(address, token);
  return new HttpStore(server.address, timeout, token, server);
}

/** Serves a store at the address by which others know it. */
export async function serveAt(address: URL, token: string): Promise<StoreServer> {
  const server = new StoreServer(token);
  await server.open(await listenOn(address.hostname.replace(/^\[|\]$/g, '')), Number(address.port || 80));
  return server;
}

/**
 * What to listen on to be found under a name: that name's address. Many a machine knows itself by its name at 127.0.1.1, where nobody else finds it:
 * such a name means all of its addresses, which is undefined here.
 */
export async function listenOn(host: string, find: (host: string) => Promise<readonly string[]> = addressesOf): Promise<string | undefined> {
  if (host === 'localhost' || isLoopback(host)) return host;
  const found = await find(host);
  const own = new Set(
    Object.values(networkInterfaces())
      .flat()
      .map((one) => one?.address),
  );
  const reachable = found.find((one) => !isLoopback(one) && own.has(one));
  if (reachable !== undefined) return reachable;
  return found.length > 0 && found.every(isLoopback) ? undefined : host;
}

/** Addresses of a name; none where it is not known. */
async function addressesOf(host: string): Promise<string[]> {
  return (await lookup(host, { all: true }).catch(() => [])).map(({ address }) => address);
}

const isLoopback = (address: string): boolean => /^127\.|^::1$|^::ffff:127\./.test(address);
