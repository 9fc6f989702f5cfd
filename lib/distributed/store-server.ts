// A store that is served over HTTP, for those who know its token: what comes from the wire is checked before memory is taken for it.

import { type IncomingMessage, type Server, type ServerResponse, createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { ArgumentError, checkInteger, checkOptions, expected } from '../errors.js';
import { keyForm, storeLimits } from './store.js';
import { checkToken, isToken } from './token.js';

/** Options of {@link serveStore}. */
export interface ServeStoreOptions {
  /** What who asks must know: 16 characters or more. */
  readonly token: string;
  /** Address to listen on; default `'127.0.0.1'`, where only this machine can ask. */
  readonly host?: string;
  /** Port; default: one that is free. */
  readonly port?: number;
}

/** A store that is served. */
export interface ServedStore {
  /** What {@link openStore} opens: `http://127.0.0.1:29400`. */
  readonly address: string;
  /** Ends it; what is in it is gone. Once is enough. */
  close(): Promise<void>;
  /** The same as `close`, for `await using`. */
  [Symbol.asyncDispose](): Promise<void>;
}

/** How patient a server is, in milliseconds, and how much it takes. */
export interface ServerLimits {
  /** Until a request has come, its body included. */
  readonly request: number;
  /** Of a connection on which nothing is asked. */
  readonly idle: number;
  readonly connections: number;
  readonly keys: number;
  /** Of all values. */
  readonly bytes: number;
}

const { keys, bytes } = storeLimits;
export const usualLimits: ServerLimits = { request: 30_000, idle: 60_000, connections: 8192, keys, bytes };

/** The longest that a request may wait for a key, in milliseconds; who wants to wait longer asks again. */
export const longestWait = 20_000;

/** Of so many places with another token is told. */
const mostStrangers = 16;

/** What tells the answers of a store from those of something else. */
export const storeHeader = 'nodegrad-store';

/** What tells requests to create a key apart, so that one that is sent again after its answer was lost finds itself. */
export const claimHeader = 'nodegrad-claim';

/**
 * Serves a store over HTTP until it is closed; it keeps the process alive. Who asks must know the token. Nothing is encrypted: beyond one machine it is for
 * networks that are trusted. It holds up to 16,384 keys and 256 MiB, in memory.
 *
 * @throws {@link ArgumentError} when the address cannot be listened on.
 * @example
 * ```ts
 * import { openStore, serveStore } from 'nodegrad';
 * const token = crypto.randomUUID();
 * await using served = await serveStore({ token });
 * await using store = await openStore(served.address, { token });
 * await store.set('greeting', new TextEncoder().encode('hello'));
 * ```
 */
export async function serveStore(options: ServeStoreOptions): Promise<ServedStore> {
  const { token, host = '127.0.0.1', port = 0 } = checkOptions<ServeStoreOptions>(options, 'options', ['token', 'host', 'port']);
  checkToken(token, 'options.token');
  if (typeof host !== 'string' || host === '') throw new ArgumentError(expected('a name or an address', 'options.host', host));
  checkInteger(port, 'options.port', 0, 65_535);
  const server = new StoreServer(token);
  await server.open(host, port);
  return server;
}

/** A value, and which request made its key. */
interface Entry {
  readonly value: Uint8Array;
  readonly claim: string;
}

/** The server behind {@link serveStore}. */
export class StoreServer implements ServedStore {
  readonly #token: string;
  readonly #limits: ServerLimits;
  readonly #tellRefused: (from: string) => void;
  /** Where requests with another token came from. */
  readonly #strangers = new Set<string>();
  readonly #server: Server;
  readonly #entries = new Map<string, Entry>();
  /** Requests that wait, by key. */
  readonly #waiting = new Map<string, Set<() => void>>();
  /** Of values that are here, and of those that are under way. */
  #bytes = 0;
  #isOpen = true;
  address = '';

  /** @param refused - Hears where requests with another token come from, each place once. */
  constructor(token: string, limits: ServerLimits = usualLimits, refused: (from: string) => void = () => {}) {
    [this.#token, this.#limits, this.#tellRefused] = [token, limits, refused];
    const { request, idle, connections } = limits;
    this.#server = createServer(
      {
        maxHeaderSize: 8192,
        headersTimeout: request,
        requestTimeout: request,
        keepAliveTimeout: idle,
        connectionsCheckingInterval: Math.min(1000, request),
        noDelay: true,
      },
      (incoming, response) => void this.#answer(incoming, response),
    );
    this.#server.maxConnections = connections;
    this.#server.maxHeadersCount = 32;
  }

  /** @param host - Undefined for all addresses of this machine. */
  async open(host: string | undefined, port: number): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', (error: NodeJS.ErrnoException) => {
        const why: Record<string, string> = {
          EADDRINUSE: 'is in use: choose another port',
          EADDRNOTAVAIL: 'is no address of this machine',
          ENOTFOUND: 'is not known here',
        };
        reject(
          new ArgumentError(`${joined(host ?? '*', port)} ${why[error.code ?? ''] ?? `cannot be listened on: ${error.message}`}`, {
            cause: error,
          }),
        );
      });
      this.#server.listen(port, host, resolve);
    });
    this.address = `http://${joined(host ?? '127.0.0.1', (this.#server.address() as AddressInfo).port)}`;
  }

  async close(): Promise<void> {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const requests of this.#waiting.values()) for (const wake of [...requests]) wake();
    const late = setTimeout(() => this.#server.closeAllConnections(), 300);
    this.#server.closeIdleConnections();
    await closed;
    clearTimeout(late);
    this.#entries.clear();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    // A connection that breaks is the other side's business.
    request.on('error', () => {});
    response.on('error', () => {});
    response.setHeader(storeHeader, '1');
    response.setHeader('Cache-Control', 'no-store');
    try {
      const length = lengthOf(request);
      // Who sends more than a value is not listened to.
      if (length === null) return void response.writeHead(413, { Connection: 'close' }).end(() => request.socket.destroy());
      const { authorization = '' } = request.headers;
      const isKnown = isToken(authorization, `Bearer ${this.#token}`);
      const [path, query = ''] = (request.url ?? '').split('?');
      const key = path.startsWith('/keys/') ? path.slice('/keys/'.length) : '';
      if (!isKnown || !keyForm.test(key) || request.method !== 'PUT') {
        // Read to the end without keeping it: an answer to half a request may be lost.
        await ended(request.resume());
        if (!isKnown) this.#refuse(request, response);
        else if (!keyForm.test(key)) respond(response, 404);
        else if (request.method === 'GET') await this.#get(key, query, request, response);
        else if (request.method === 'DELETE') respond(response, this.#delete(key) ? 204 : 404);
        else respond(response, 405);
      } else await this.#put(key, length, request, response);
    } catch {
      if (!response.headersSent) respond(response, 500);
    }
  }

  #refuse({ socket: { remoteAddress: from = 'somewhere' } }: IncomingMessage, response: ServerResponse): void {
    respond(response, 401);
    if (this.#strangers.size >= mostStrangers || this.#strangers.has(from)) return;
    this.#strangers.add(from);
    this.#tellRefused(from);
  }

  async #get(key: string, query: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const wait = /^wait=(\d{1,5})$/.exec(query)?.[1] ?? '0';
    if (!this.#entries.has(key) && Number(wait) > 0) await this.#wait(key, Math.min(longestWait, Number(wait)), request);
    const entry = this.#entries.get(key);
    if (!this.#isOpen) respond(response, 503);
    else if (entry === undefined) respond(response, 404);
    else response.writeHead(200, { 'Content-Type': 'application/octet-stream', 'Content-Length': entry.value.length }).end(entry.value);
  }

  /** Until the key is set, the time is over, or nobody listens any more. */
  async #wait(key: string, milliseconds: number, { socket }: IncomingMessage): Promise<void> {
    const requests = this.#waiting.get(key) ?? new Set();
    this.#waiting.set(key, requests);
    await new Promise<void>((done) => {
      const timer = setTimeout(() => wake(), milliseconds);
      const wake = (): void => {
        clearTimeout(timer);
        socket.off('close', wake);
        requests.delete(wake);
        if (requests.size === 0 && this.#waiting.get(key) === requests) this.#waiting.delete(key);
        done();
      };
      socket.on('close', wake);
      requests.add(wake);
    });
  }

  async #put(key: string, length: number, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { keys, bytes } = this.#limits;
    const isFull = (): boolean => this.#bytes + length > bytes || (!this.#entries.has(key) && this.#entries.size >= keys);
    if (isFull()) {
      await ended(request.resume());
      return respond(response, 507);
    }
    this.#bytes += length;
    const value = await read(request, length);
    this.#bytes -= length;
    if (value === null) return;
    // Others may have come in between.
    if (isFull()) return respond(response, 507);
    const claim = String(request.headers[claimHeader] ?? '');
    const before = this.#entries.get(key);
    if (request.headers['if-none-match'] === '*' && before !== undefined)
      return respond(response, claim !== '' && before.claim === claim ? 201 : 412);
    this.#bytes += length - (before?.value.length ?? 0);
    this.#entries.set(key, { value, claim });
    for (const wake of [...(this.#waiting.get(key) ?? [])]) wake();
    respond(response, 201);
  }

  #delete(key: string): boolean {
    this.#bytes -= this.#entries.get(key)?.value.length ?? 0;
    return this.#entries.delete(key);
  }
}

/** `host:port`, with brackets where IPv6 needs them. */
export const joined = (host: string, port: number): string => `${host.includes(':') ? `[${host}]` : host}:${port}`;

const respond = (response: ServerResponse, status: number): void => void response.writeHead(status, { 'Content-Length': 0 }).end();

/** Bytes of a body that says how many it has; null for more than a value has, and for one that does not say. */
function lengthOf({ headers }: IncomingMessage): number | null {
  if (headers['transfer-encoding'] !== undefined) return null;
  const length = Number(headers['content-length'] ?? 0);
  return Number.isSafeInteger(length) && length >= 0 && length <= storeLimits.value ? length : null;
}

/** Until a request is over, one way or the other. */
function ended(request: IncomingMessage): Promise<void> {
  return new Promise((done) => {
    if (request.readableEnded || request.destroyed) done();
    else request.once('end', done).once('close', done);
  });
}

/** A body of this length; null where it does not come. */
async function read(request: IncomingMessage, length: number): Promise<Uint8Array | null> {
  const value = new Uint8Array(length);
  let at = 0;
  request.on('data', (piece: Uint8Array) => {
    value.set(piece, at);
    at += piece.length;
  });
  await ended(request);
  return at === length ? value : null;
}
