// A process group: the processes that compute one training together, and what they do in common.

import { lookup } from 'node:dns/promises';
import { AbortedError, ArgumentError, checkInteger, checkNumber, checkOptions, expected } from '../errors.js';
import { isAbortSignal } from '../foreign.js';
import { keepNames } from '../names.js';
import { closeChannel, openChannel } from '../native.js';
import { type Channel, groupShare, groupSum } from '../ops/group.js';

import { type AnyTensor, Tensor, noGrad } from '../tensor.js';
import { distributedBinding, type DistributedBinding, type OpenMesh } from './addon.js';
import { GroupError } from './errors.js';
import { type Store, keyForm } from './store.js';

/** Options of {@link ProcessGroup.open}. */
export interface ProcessGroupOptions {
  /** Which process this one is, from 0. */
  readonly rank: number;
  /** How many there are. */
  readonly size: number;
  /** Where they find each other: {@link openStore}. Every group that is opened in it takes a `name` of its own. */
  readonly store: Store;
  /** What the group is called in the store; default `'group'`. */
  readonly name?: string;
  /**
   * The address or name of this machine that the others reach it at; default `'127.0.0.1'`, where only processes of this machine do.
   * Whoever reaches it is trusted: see the guide to training in several processes.
   */
  readonly host?: string;
  /** Milliseconds that another process may keep this one waiting; default 60,000. */
  readonly timeout?: number;
  /** Gives up opening the group, and breaks it later. */
  readonly signal?: AbortSignal;
}

/** What a process says that breaks its group. */
export interface BrokenGroup {
  /** Which process it is. */
  readonly rank: number;
  /** Its error. */
  readonly why: string;
}

const encode = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value));
const decode = (bytes: Uint8Array): unknown => JSON.parse(new TextDecoder().decode(bytes)) as unknown;

/**
 * Processes that train one model together: `model.fit(data, { group })`. Each of them runs the same program with its own rank.
 *
 * What they do in common they all do, in the same order; each call waits for the others at most `timeout`, and fails in all of them when one is gone.
 * A group that has failed stays so: open another one.
 *
 * @example
 * ```ts
 * import { openStore, ProcessGroup, Tensor } from 'nodegrad';
 * async function meanOf(rank: number, size: number, mine: number): Promise<number> {
 *   await using store = await openStore('file:///tmp/run-17');
 *   await using group = await ProcessGroup.open({ rank, size, store });
 *   const sum = Tensor.from(Float32Array.of(mine));
 *   group.allReduce(sum);
 *   return sum.item() / size;
 * }
 * ```
 */
export class ProcessGroup {
  readonly #binding: DistributedBinding;
  readonly #open: OpenMesh;
  readonly #store: Store;
  readonly #name: string;
  readonly #stopListening: () => void;
  #isClosed = false;

  private constructor(
    /** @internal For operations. */
    readonly channel: Channel,
    /** Milliseconds that another process may keep this one waiting. */
    readonly timeout: number,
    parts: { binding: DistributedBinding; open: OpenMesh; store: Store; name: string; signal: AbortSignal | undefined },
  ) {
    this.#binding = parts.binding;
    this.#open = parts.open;
    this.#store = parts.store;
    this.#name = parts.name;
    const abort = (): void => void this.break('its signal was aborted');
    parts.signal?.addEventListener('abort', abort);
    this.#stopListening = () => parts.signal?.removeEventListener('abort', abort);
  }

  /**
   * Opens the group: waits until all of its processes have come.
   *
   * @throws {@link TimeoutError} when one does not come in time.
   * @throws {@link GroupError} when one cannot be connected to.
   * @throws {@link NativeError} when the second native part is not installed.
   */
  static async open(options: ProcessGroupOptions): Promise<ProcessGroup> {
    const given = checkOptions<ProcessGroupOptions>(options, 'options', ['rank', 'size', 'store', 'name', 'host', 'timeout', 'signal']);
    const { store, name = 'group', host = '127.0.0.1', timeout = 60_000, signal } = given;
    const size = checkInteger(given.size, 'options.size', 1, 4096);
    const rank = checkInteger(given.rank, 'options.rank', 0, size - 1);
    checkNumber(timeout, 'options.timeout', 1, 2 ** 31 - 1);
    if (typeof (store as Partial<Store> | undefined)?.get !== 'function')
      throw new ArgumentError(expected('a store, as openStore() gives it', 'options.store', store));
    if (typeof name !== 'string' || !keyForm.test(name))
      throw new ArgumentError(expected("a name of lower-case letters, digits, '.', '_', '-' and '/'", 'options.name', name));
    if (typeof host !== 'string' || host === '') throw new ArgumentError(expected('a host', 'options.host', host));
    if (signal !== undefined && !isAbortSignal(signal)) throw new ArgumentError(expected('an AbortSignal', 'options.signal', signal));
    if (signal?.aborted) throw new AbortedError('the group was not opened: its signal is aborted', { cause: signal.reason });
    const native = distributedBinding();
    const address = await addressOf(host);
    const open = asGroupError(() => native.openMesh(rank, size, address, Math.ceil(timeout)));
    try {
      const ours = { size, addresses: open.addresses.map((address) => address.toString('base64')) };
      await store.set(`${name}/address/${rank}`, encode(ours));
      const addresses = await Promise.all(
        open.addresses.map(async (own, other) => {
          if (other === rank) return own;
          const theirs = decode(await store.get(`${name}/address/${other}`, { timeout, ...(signal && { signal }) })) as Partial<typeof ours>;
          if (theirs.size !== size)
            throw new GroupError(
              `process ${other} says that the group '${name}' has ${theirs.size} processes, and process ${rank} that it has ${size}`,
            );
          return Buffer.from(String(theirs.addresses?.[rank]), 'base64');
        }),
      );
      await native.connectMesh(open.mesh, addresses).catch((error: Error) => {
        throw new GroupError(error.message, { cause: error });
      });
    } catch (error) {
      native.closeMesh(open.mesh, 'the group was not opened');
      throw error;
    }
    const channel = { number: openChannel(open.transport), rank, size };
    return new ProcessGroup(channel, timeout, { binding: native, open, store, name, signal });
  }

  /** Which process this one is, from 0. */
  get rank(): number {
    return this.channel.rank;
  }

  /** How many there are. */
  get size(): number {
    return this.channel.size;
  }

  /**
   * Adds up a tensor over all processes, in place: `x = ((x₀ + x₁) + (x₂ + x₃)) + …`, along one fixed tree, so that all have the same bits.
   *
   * @throws {@link GroupError} when a process is gone, or does not come within the time-out.
   */
  allReduce(tensor: AnyTensor): void {
    this.#together(() => groupSum(this.channel, [[Tensor.check(tensor, 'tensor')]], this.size, this.size));
  }

  /**
   * Gives all processes the tensor of one of them, in place.
   *
   * @param from - Whose; default 0.
   * @throws {@link GroupError} as {@link allReduce}.
   */
  broadcast(tensor: AnyTensor, from = 0): void {
    this.broadcastAll([tensor], from);
  }

  /** The same for many at once. */
  broadcastAll(tensors: readonly AnyTensor[], from = 0): void {
    const owner = checkInteger(from, 'from', 0, this.size - 1);
    this.#together(() =>
      groupShare(
        this.channel,
        tensors.map((tensor) => Tensor.check(tensor, 'tensor')),
        tensors.map(() => owner),
      ),
    );
  }

  /**
   * The tensors of all processes, by rank: each of the shape and element type of this one's.
   *
   * @throws {@link GroupError} as {@link allReduce}.
   */
  allGather<T extends AnyTensor>(tensor: T): T[] {
    Tensor.check(tensor, 'tensor');
    const all = Array.from({ length: this.size }, () => tensor.detach().clone() as unknown as T);
    this.#together(() => groupShare(this.channel, all, [...all.keys()]));
    return all;
  }

  /**
   * Waits until all processes have come here.
   *
   * @throws {@link GroupError} as {@link allReduce}.
   */
  barrier(): void {
    this.allGather(Tensor.from(new Uint8Array(1)));
  }

  /** Breaks the group: what is under way fails, here and in the other processes, which are told why. */
  async break(why: string): Promise<void> {
    if (this.#isClosed) return;
    await this.#store.create(`${this.#name}/broken`, encode({ rank: this.rank, why })).catch(() => {}); // it may be gone as well
    this.#end(why);
  }

  /** Why the group broke, as the process that broke it says; null where nobody says anything. */
  async whyBroken(): Promise<BrokenGroup | null> {
    const said = await this.#store.peek(`${this.#name}/broken`).catch(() => null);
    return said && (decode(said) as BrokenGroup);
  }

  /** Leaves the group. Others that still wait for this process are told that it is gone. */
  close(): void {
    this.#end('the group was closed');
  }

  /** The same as `close`, for `await using`. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
  }

  /** The same as `close`, for `using`. */
  [Symbol.dispose](): void {
    this.close();
  }

  #end(why: string): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#stopListening();
    this.#binding.closeMesh(this.#open.mesh, why);
    closeChannel(this.channel.number);
  }

  #together<R>(body: () => R): R {
    if (this.#isClosed) throw new GroupError('this process has left the group');
    return asGroupError(() => noGrad(body));
  }
}

/** The address of a host: Gloo 0.5.0 ends the process where it finds none itself. */
async function addressOf(host: string): Promise<string> {
  try {
    return (await lookup(host)).address;
  } catch (error) {
    throw new GroupError(
      `the host '${host}' has no address: ${(error as NodeJS.ErrnoException).code ?? String(error)}. It is this machine's own, as the others reach it`,
      {
        cause: error,
      },
    );
  }
}

function asGroupError<R>(body: () => R): R {
  try {
    return body();
  } catch (error) {
    throw groupErrorOf(error) ?? error;
  }
}

/** What native code says of a group, as an error for people; null where it speaks of something else. */
export function groupErrorOf(error: unknown): GroupError | null {
  if (error instanceof GroupError) return error;
  const { message, code } = error as Partial<NodeJS.ErrnoException>;
  const found = /\[group_(?:sum|share)\] (.*)/s.exec(message ?? '');
  if (found === null && code !== 'ERR_DISTRIBUTED') return null;
  return new GroupError(`the process group failed: ${found?.[1] ?? message}`, { cause: error });
}

keepNames({ ProcessGroup });
