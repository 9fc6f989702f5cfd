// A store that another process serves: requests that are sent again when a connection was lost.

import { Buffer } from 'node:buffer';
import { randomUUID } from 'node:crypto';
import { Agent, type IncomingMessage, request } from 'node:http';
import { performance } from 'node:perf_hooks';
import { setTimeout as pause } from 'node:timers/promises';
import { setImmediate } from 'node:timers';
import { NetworkError } from '../errors.js';
import { formatDuration } from '../progress.js';
import { StoreFullError, TokenError } from './errors.js';
import { BaseStore, storeLimits } from './store.js';
import { type ServedStore, claimHeader, longestWait, storeHeader } from './store-server.js';

/** Milliseconds after which an answer that should be there is given up; the least is for the last try before the end of a time-out. */
const [patience, leastPatience] = [10_000, 2000];

/** Between two tries, in milliseconds. */
const [firstPause, longestPause] = [50, 1000];

interface Answer {
  readonly status: number;
  readonly value: Uint8Array;
}

interface Question {
  readonly method: 'GET' | 'PUT' | 'DELETE';
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
  /** Milliseconds that the server may wait. */
  readonly wait?: number;
}

/** A store at an address. */
export class HttpStore extends BaseStore {
  readonly #agent = new Agent({ keepAlive: true });
  readonly #token: string;

  readonly #served: ServedStore | null;

  /** @param served - The store itself, where this process serves it: it ends with this one. */
  constructor(address: string, timeout: number, token: string, served: ServedStore | null = null) {
    super(address, timeout);
    [this.#token, this.#served] = [token, served];
  }

  protected async write(key: string, value: Uint8Array, isNew: boolean, stop: AbortSignal): Promise<boolean> {
    const headers: Record<string, string> = isNew ? { 'If-None-Match': '*', [claimHeader]: randomUUID() } : {};
    const { status } = await this.#ask(key, { method: 'PUT', body: value, headers }, this.timeout, stop);
    return status !== 412;
  }

  protected async read(key: string, wait: number, stop: AbortSignal): Promise<Uint8Array | null> {
    const question = { method: 'GET', wait: Math.min(longestWait, Math.ceil(wait)) } as const;
    const { status, value } = await this.#ask(key, question, wait > 0 ? wait : this.timeout, stop);
    return status === 200 ? value : null;
  }

  protected async remove(key: string, stop: AbortSignal): Promise<boolean> {
    return (await this.#ask(key, { method: 'DELETE' }, this.timeout, stop)).status !== 404;
  }

  protected async release(): Promise<void> {
    this.#agent.destroy();
    await this.#served?.close();
  }

  /** Asks until there is an answer, or for so many milliseconds. */
  async #ask(key: string, question: Question, timeout: number, stop: AbortSignal): Promise<Answer> {
    const until = performance.now() + timeout;
    for (let ms = firstPause; ; ms = Math.min(longestPause, 2 * ms)) {
      try {
        const { wait = 0 } = question;
        // Who lets the server wait until the end has to hear its answer after it.
        const left = Math.max(leastPatience, until - performance.now() + (wait > 0 ? leastPatience : 0));
        return this.#understood(key, await this.#send(key, question, Math.min(left, wait + patience), stop));
      } catch (error) {
        stop.throwIfAborted();
        if (!(error instanceof Unreachable)) throw error;
        const left = until - performance.now();
        if (left <= 0)
          throw new NetworkError(
            `the store at ${this.address} did not answer within ${formatDuration(timeout / 1000)}: ${error.message}. Is the process that serves it running, ` +
              'and may this machine connect to it?',
            { cause: error.cause },
          );
        await pause(Math.min(ms, left), undefined, { signal: stop });
      }
    }
  }

  #understood(key: string, answer: Answer): Answer {
    const { status } = answer;
    if (status === 401)
      throw new TokenError(`the store at ${this.address} has another token: NODEGRAD_TOKEN must be the same for all processes of a group`);
    if (status === 507)
      throw new StoreFullError(
        `the store at ${this.address} has no room for '${key}': it holds ${storeLimits.keys} keys and ${storeLimits.bytes / 2 ** 20} MiB at most`,
      );
    if (status === 503) throw new Unreachable('it is being closed');
    if (![200, 201, 204, 404, 412].includes(status))
      throw new NetworkError(`the store at ${this.address} gave an answer that is not known: status ${status}`);
    return answer;
  }

  /** Sends a question once. */
  #send(key: string, { method, headers, body, wait = 0 }: Question, milliseconds: number, stop: AbortSignal): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const lost = (cause: Error): void => {
        clearTimeout(late);
        reject(new Unreachable((cause as NodeJS.ErrnoException).code ?? cause.message, { cause }));
      };
      const asked = request(
        `${this.address}/keys/${key}${wait > 0 ? `?wait=${wait}` : ''}`,
        {
          method,
          agent: this.#agent,
          signal: stop,
          maxHeaderSize: 8192,
          headers: { Authorization: `Bearer ${this.#token}`, 'Content-Length': body?.length ?? 0, ...headers },
        },
        (response) => {
          response.on('error', lost);
          if (response.headers[storeHeader] === '1') {
            receive(response, lost, (answer) => {
              clearTimeout(late);
              resolve(answer);
            });
          } else {
            reject(new NetworkError(`what answers at ${this.address} is no store of nodegrad (status ${response.statusCode})`));
            asked.destroy(new Error('no store'));
          }
        },
      );
      // After a long calculation an answer may lie there: it is read before the time is called over.
      const late = setTimeout(() => setImmediate(() => asked.destroy(new Error('no answer'))), milliseconds);
      asked.on('error', lost);
      asked.end(body);
    });
  }
}

/** A connection that was refused or lost: another try may do. */
class Unreachable extends Error {}

/** Reads an answer, which never has more than a value. */
function receive(response: IncomingMessage, lost: (cause: Error) => void, done: (answer: Answer) => void): void {
  const pieces: Uint8Array[] = [];
  let length = 0;
  response.on('data', (piece: Uint8Array) => {
    pieces.push(piece);
    length += piece.length;
    if (length > storeLimits.value) response.destroy(new Error('an answer that is too long'));
  });
  response.on('end', () => {
    if (response.complete) done({ status: response.statusCode ?? 0, value: new Uint8Array(Buffer.concat(pieces, length)) });
  });
  response.on('close', () => lost(new Error('half an answer')));
}
