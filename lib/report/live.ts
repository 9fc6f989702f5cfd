// The live view: the page of a report, served on this machine alone, which hears of what is new in the logs.

import { randomBytes, timingSafeEqual } from 'node:crypto';
import { type IncomingMessage, type Server, type ServerResponse, createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { performance } from 'node:perf_hooks';
import { ArgumentError, checkInteger, checkOptions } from '../errors.js';
import { plainNumbers } from '../training/run-log.js';
import { type Page, pageOf } from './page.js';
import { logsOf } from './runs.js';
import { LogTail, type RunNews } from './tail.js';

/** Options of {@link watchRuns}. */
export interface WatchRunsOptions {
  /** Port on 127.0.0.1; default: one that is free. */
  readonly port?: number;
}

/** A live view. */
export interface WatchedRuns {
  /** Where to see it: an address of this machine, with a word in it that nobody can guess. */
  readonly url: string;
  /** Tells all pages that this was the end, and closes the view; once is enough. */
  close(): Promise<void>;
  /** The same as `close`, for `await using`. */
  [Symbol.asyncDispose](): Promise<void>;
}

const host = '127.0.0.1';
const pollMilliseconds = 500;
const rescanMilliseconds = 2000;
const mostListeners = 32;
/** A page that does not read, in bytes that wait for it: it is let go, and comes again by itself. */
const mostWaiting = 32 << 20;

/**
 * Shows runs while they go on, of this process or of others, by their logs: the page of {@link runReport} at an address of this machine, which
 * hears of what is new twice a second. Only who knows the address sees it: it has a random word in it, and requests under other names of this
 * machine or from pages of others are refused. An open view keeps the process alive until it is closed.
 *
 * @param path - A log, or a folder of runs; runs that begin later are shown as well.
 * @throws {@link ArgumentError} when there is nothing at the path, or the port is in use.
 * @example
 * ```ts
 * import { watchRuns } from 'nodegrad';
 * const view = await watchRuns('runs');
 * console.log(view.url);
 * process.once('SIGINT', () => view.close());
 * ```
 */
export async function watchRuns(path: string, options: WatchRunsOptions = {}): Promise<WatchedRuns> {
  const { port = 0 } = checkOptions<WatchRunsOptions>(options, 'options', ['port']);
  checkInteger(port, 'options.port', 0, 65_535);
  logsOf(path);
  const view = new LiveServer(path);
  await view.open(port);
  return view;
}

class LiveServer implements WatchedRuns {
  readonly #token = randomBytes(16).toString('hex');
  readonly #listeners = new Set<ServerResponse>();
  readonly #tails = new Map<string, LogTail>();
  readonly #server: Server;
  readonly #page: Page = pageOf([], true);
  #timer: NodeJS.Timeout | null = null;
  #scanned = Number.NEGATIVE_INFINITY;
  #isOpen = true;

  constructor(readonly path: string) {
    this.#server = createServer((request, response) => this.#answer(request, response));
  }

  get url(): string {
    return `http://${this.#place}/${this.#token}/`;
  }

  get #place(): string {
    return `${host}:${(this.#server.address() as AddressInfo | null)?.port ?? 0}`;
  }

  async open(port: number): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', (error: NodeJS.ErrnoException) => {
        const why =
          error.code === 'EADDRINUSE' ? 'is in use: choose another one, or none for one that is free' : `cannot be opened: ${error.message}`;
        reject(new ArgumentError(`port ${port} of ${host} ${why}`, { cause: error }));
      });
      this.#server.listen(port, host, resolve);
    });
  }

  async close(): Promise<void> {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    if (this.#timer !== null) clearInterval(this.#timer);
    if (this.#listeners.size > 0) this.#poll();
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const listener of this.#listeners) listener.end('event: end\ndata: {}\n\n');
    // Who does not read to the end is not waited for.
    const late = setTimeout(() => this.#server.closeAllConnections(), 300);
    this.#server.closeIdleConnections();
    await closed;
    clearTimeout(late);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    response.setHeader('Content-Security-Policy', `${this.#page.policy}; frame-ancestors 'none'`);
    response.setHeader('X-Content-Type-Options', 'nosniff');
    response.setHeader('X-Frame-Options', 'DENY');
    response.setHeader('Referrer-Policy', 'no-referrer');
    response.setHeader('Cross-Origin-Resource-Policy', 'same-origin');
    response.setHeader('Cross-Origin-Opener-Policy', 'same-origin');
    response.setHeader('Cache-Control', 'no-store');
    const status = this.#statusOf(request);
    if (status !== 200) response.writeHead(status, { 'Content-Type': 'text/plain', Connection: 'close' }).end();
    else if (request.url?.endsWith('/events')) this.#listen(response);
    else response.writeHead(200, { 'Content-Type': 'text/html; charset=utf-8' }).end(this.#page.html);
  }

  #statusOf({ headers, method, url = '' }: IncomingMessage): number {
    // Another name of this machine is how a page of somebody else's would come here (DNS rebinding).
    if (headers.host !== this.#place) return 403;
    if (headers.origin !== undefined && headers.origin !== `http://${this.#place}`) return 403;
    if (method !== 'GET') return 405;
    const [, token = '', name, more] = url.split('/');
    if (!this.#isToken(token) || more !== undefined || (name !== '' && name !== 'events')) return 404;
    const isFull = !this.#isOpen || this.#listeners.size >= mostListeners;
    return name === 'events' && isFull ? 503 : 200;
  }

  #isToken(given: string): boolean {
    const [a, b] = [Buffer.from(given), Buffer.from(this.#token)];
    return a.length === b.length && timingSafeEqual(a, b);
  }

  #listen(response: ServerResponse): void {
    response.writeHead(200, { 'Content-Type': 'text/event-stream' });
    response.on('close', () => this.#forget(response));
    // Those who listen already hear of what is new first: the new one gets everything.
    this.#poll();
    this.#listeners.add(response);
    this.#send(
      [...this.#tails.values()].flatMap(({ runs }) => runs),
      true,
      [response],
    );
    this.#timer ??= setInterval(() => this.#poll(), pollMilliseconds);
  }

  #forget(response: ServerResponse): void {
    this.#listeners.delete(response);
    if (this.#listeners.size > 0 || this.#timer === null) return;
    clearInterval(this.#timer);
    this.#timer = null;
  }

  /** Reads on, while somebody listens. */
  #poll(): void {
    this.#scan();
    const news: RunNews[] = [];
    for (const tail of this.#tails.values()) {
      const more = tail.poll();
      if (more === null) this.#send(tail.runs, true, this.#listeners);
      else news.push(...more);
    }
    if (news.length > 0) this.#send(news, false, this.#listeners);
  }

  /** Looks for logs that are new. */
  #scan(): void {
    if (performance.now() - this.#scanned < rescanMilliseconds) return;
    this.#scanned = performance.now();
    try {
      for (const log of logsOf(this.path)) if (!this.#tails.has(log)) this.#tails.set(log, new LogTail(log));
    } catch {
      // The folder is gone: what was read stays.
    }
  }

  #send(runs: readonly RunNews[], isWhole: boolean, to: Iterable<ServerResponse>): void {
    const event = `data: ${JSON.stringify({ isWhole, runs }, plainNumbers)}\n\n`;
    for (const listener of to) {
      if (listener.writableLength > mostWaiting) listener.destroy();
      else listener.write(event);
    }
  }
}
