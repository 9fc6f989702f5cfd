// Opens a store by its address.

import { ArgumentError, checkOptions, expected } from '../errors.js';
import { isUrl } from '../foreign.js';
import { FileStore } from './file-store.js';
import { HttpStore } from './http-store.js';
import { type Store, checkTimeout, defaultTimeout } from './store.js';
import { checkToken } from './token.js';

/** Options of {@link openStore}. */
export interface OpenStoreOptions {
  /** The token of a store that is served. A folder asks for none: who may read it is the system's business. */
  readonly token?: string;
  /** Milliseconds that `get` waits, and that an address which does not answer is tried; default 300,000. */
  readonly timeout?: number;
}

/**
 * Opens a store: `http://host:port` is one that another process serves ({@link serveStore}, `nodegrad launch`); `file:///folder` is a folder that all processes see, which
 * is made where it is missing. Nothing is asked yet: whether the other side is there shows with the first key. A folder keeps what is in it:
 * every run takes one of its own.
 *
 * @throws {@link ArgumentError} when it is no such address, or the folder cannot be used.
 * @example
 * ```ts
 * import { openStore } from 'nodegrad';
 * await using store = await openStore('file:///tmp/run-17');
 * if (await store.create('leader', new Uint8Array([1]))) console.log('this process was first');
 * ```
 */
export async function openStore(address: string | URL, options: OpenStoreOptions = {}): Promise<Store> {
  const { token, timeout = defaultTimeout } = checkOptions<OpenStoreOptions>(options, 'options', ['token', 'timeout']);
  checkTimeout(timeout, 'options.timeout');
  const text = isUrl(address) ? address.href : address;
  const url = storeAddress(text);
  if (url === null) throw new ArgumentError(expected("'http://host:port' or 'file:///folder'", 'address', text));
  return url.protocol === 'file:' ? FileStore.open(url, timeout) : new HttpStore(url.origin, timeout, checkToken(token, 'options.token'));
}

/** The address of a store: `http://host:port` or `file:///folder`; null for anything else. */
export function storeAddress(text: unknown): URL | null {
  const url = typeof text === 'string' && URL.canParse(text) ? new URL(text) : null;
  if (url === null || url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '') return null;
  return (url.protocol === 'http:' && url.pathname === '/') || (url.protocol === 'file:' && url.pathname.length > 1) ? url : null;
}
