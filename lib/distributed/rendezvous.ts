// Where the processes of a group meet: the store that the environment names, served by the process that has to.

import { lookup } from 'node:dns/promises';
import { connect } from 'node:net';
import { type NetworkInterfaceInfo, networkInterfaces } from 'node:os';
import { performance } from 'node:perf_hooks';
import { setTimeout as pause } from 'node:timers/promises';
import { variable } from '../environment.js';
import { checkObject, checkOptions } from '../errors.js';
import type { ProcessEnvironment } from './environment.js';
import { EnvironmentError } from './errors.js';
import { HttpStore } from './http-store.js';
import { type OpenStoreOptions, openStore, storeAddress } from './open-store.js';
import { type Store, checkTimeout, defaultTimeout } from './store.js';
import { StoreServer, usualLimits } from './store-server.js';
import { checkToken, leastTokenLength } from './token.js';

/**
 * Opens the store in which the processes of a group meet. The process of rank 0 serves it first where nobody else does, and until it closes it: it must be the
 * last to close.
 *
 * @param environment - What {@link processEnvironment} gave.
 * @param options - As for {@link openStore}; default token: `NODEGRAD_TOKEN`.
 * @throws {@link EnvironmentError} when there is no place to meet, or no token.
 * @example
 * ```ts
 * import { openRendezvous, processEnvironment } from 'nodegrad';
 * const environment = processEnvironment();
 * if (environment !== null && environment.worldSize > 1) {
 *   await using store = await openRendezvous(environment);
 *   await store.set(`pids/${environment.rank}`, new TextEncoder().encode(String(process.pid)));
 * }
 * ```
 */
export async function openRendezvous(environment: ProcessEnvironment, options: OpenStoreOptions = {}): Promise<Store> {
  const { token = variable('NODEGRAD_TOKEN') ?? '', ...rest } = checkOptions<OpenStoreOptions>(options, 'options', ['token', 'timeout']);
  const { rendezvous, rank, isServedByRank0 } = checkObject<ProcessEnvironment>(environment, 'environment', 'what processEnvironment() gave');
  const address = storeAddress(rendezvous);
  if (address === null) throw new EnvironmentError('NODEGRAD_RENDEZVOUS is not set: this process has nobody to meet', 'NODEGRAD_RENDEZVOUS');
  if (address.protocol === 'file:') return openStore(address, rest);
  if (token.length < leastTokenLength)
    throw new EnvironmentError(
      `NODEGRAD_TOKEN ${token === '' ? 'is not set' : `has ${token.length} characters`}: the store at ${address.origin} asks for a token of at least ` +
        `${leastTokenLength}, the same for all processes of the group`,
      'NODEGRAD_TOKEN',
    );
  const { timeout = defaultTimeout } = rest;
  checkTimeout(timeout, 'options.timeout');
  if (!isServedByRank0 || rank !== 0) return openStore(address, { token, timeout });
  const server = await serveAt(address, checkToken(token, 'options.token'));
  return new HttpStore(server.address, timeout, token, server);
}

/**
 * The address at which the others of a group reach this machine: loopback where all of them are on it, which they are as well where they meet there; else the one
 * from which it reaches the store, or where that tells nothing, the first that is no loopback.
 */
export async function hostOf(
  { rendezvous, worldSize, localWorldSize }: Pick<ProcessEnvironment, 'rendezvous' | 'worldSize' | 'localWorldSize'>,
  timeout = defaultTimeout,
): Promise<string> {
  if (localWorldSize === worldSize) return '127.0.0.1';
  const url = storeAddress(rendezvous);
  if (url?.protocol === 'http:' && isLocal(nameOf(url))) return '127.0.0.1';
  const towards = url?.protocol === 'http:' ? await addressTowards(url, performance.now() + timeout) : null;
  if (towards !== null && !isLoopback(towards)) return towards;
  const own = ownAddresses().find(({ internal, family }) => !internal && family === 'IPv4');
  return own?.address ?? '127.0.0.1';
}

/** This machine's end of a connection to an address; null where nobody answers in time. */
async function addressTowards(url: URL, until: number): Promise<string | null> {
  for (;;) {
    const socket = connect(Number(url.port || 80), nameOf(url));
    const found = await new Promise<string | null>((done) => {
      socket.once('connect', () => done(socket.localAddress ?? null)).once('error', () => done(null));
      socket.setTimeout(2000, () => done(null));
    });
    socket.destroy();
    if (found !== null || performance.now() >= until) return found;
    await pause(100);
  }
}

/**
 * Serves a store at the address by which others know it.
 *
 * @param refused - Hears of requests with another token: {@link StoreServer}.
 */
export async function serveAt(address: URL, token: string, refused?: (from: string) => void): Promise<StoreServer> {
  const server = new StoreServer(token, usualLimits, refused);
  await server.open(await listenOn(nameOf(address)), Number(address.port || 80));
  return server;
}

/**
 * What to listen on to be found under a name: that name's address. Many a machine knows itself by its name at 127.0.1.1, where nobody else finds it:
 * such a name means all of its addresses, which is undefined here.
 */
export async function listenOn(host: string, find: (host: string) => Promise<readonly string[]> = addressesOf): Promise<string | undefined> {
  if (isLocal(host)) return host;
  const found = await find(host);
  const own = new Set(ownAddresses().map(({ address }) => address));
  const reachable = found.find((one) => !isLoopback(one) && own.has(one));
  if (reachable !== undefined) return reachable;
  return found.length > 0 && found.every(isLoopback) ? undefined : host;
}

/** Addresses of a name; none where it is not known. */
async function addressesOf(host: string): Promise<string[]> {
  return (await lookup(host, { all: true }).catch(() => [])).map(({ address }) => address);
}

const ownAddresses = (): NetworkInterfaceInfo[] => Object.values(networkInterfaces()).flatMap((all) => all ?? []);

/** The host of a URL, without the brackets of IPv6. */
const nameOf = ({ hostname }: URL): string => hostname.replace(/^\[|\]$/g, '');

/** Whether a name means this machine wherever it is said. */
const isLocal = (host: string): boolean => host === 'localhost' || isLoopback(host);

const isLoopback = (address: string): boolean => /^127\.|^::1$|^::ffff:127\./.test(address);
