// A process group: the processes that compute one training together, and what they do in common.

import { randomBytes } from 'node:crypto';
import { type DType, isFloat } from '../dtype.js';
import { variableChoice } from '../environment.js';
import { AbortedError, ArgumentError, DTypeError, ShapeError, checkInteger, checkOptions, describeShape, expected } from '../errors.js';
import { keepNames } from '../names.js';
import { bytesSent, closeChannel, openChannel } from '../native.js';
import { type Channel, groupReduce, groupShare, groupSum } from '../ops/group.js';
import { copy, slice } from '../ops/shape.js';
import { type CompiledStep, compileStep } from '../program/step.js';
import { type AnyTensor, Tensor, noGrad } from '../tensor.js';
import { type Place, distributedBinding } from './addon.js';
import { GroupError } from './errors.js';
import { processEnvironment } from './environment.js';
import { type GroupEnvironmentOptions, type ProcessGroupOptions, type Shared, checkShared, shared } from './group-options.js';
import { type BrokenGroup, LastWords, asGroupError, groupErrorOf } from './group-errors.js';
import { addressOf, checkpointKey, encode, placeIn } from './places.js';
import { hostOf, openRendezvous } from './rendezvous.js';
import { type Store, keyForm } from './store.js';

/** Connections to the other processes. */
interface Mesh {
  /** What operations name it by. */
  readonly channel: number;
  /** How many processes' memory large messages are read from. */
  readonly neighbours: number;
  close(why: string): void;
}

/** Marks what a group is made of: programs have no other way to one than to open it. */
const opened = Symbol('an open group');

/** What a group is made of. */
interface Parts {
  readonly [opened]: true;
  readonly mesh: Mesh | null;
  readonly store: Store;
  readonly name: string;
  readonly ownsStore: boolean;
  readonly signal: AbortSignal | undefined;
}

const notOpened = ({ reason }: AbortSignal): AbortedError =>
  new AbortedError('the group was not opened: its signal is aborted', { cause: reason });

/** A tensor that can be added up over processes. */
function summable(tensor: AnyTensor): AnyTensor {
  const { dtype } = Tensor.check(tensor, 'tensor');
  if ((dtype as DType) === 'bfloat16' || isFloat(dtype)) return tensor;
  throw new DTypeError(`expected a tensor of floating-point numbers, which can be added up over processes, received ${dtype}`);
}

/** A group of one meets nobody. */
const noStore = { create: async () => true, set: async () => {}, peek: async () => null, close: async () => {} } as unknown as Store;

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
  readonly #mesh: Mesh | null;
  readonly #store: Store;
  readonly #lastWords: LastWords;
  readonly #ownsStore: boolean;
  readonly #stopListening: () => void;
  #isClosed = false;
  #isLeaving = false;
  #gathering: CompiledStep<[Tensor<'float64'>], Tensor<'float64'>[]> | null = null;

  private constructor(
    /** @internal For operations. */
    readonly channel: Channel,
    /** Milliseconds that another process may keep this one waiting. */
    readonly timeout: number,
    parts: Parts,
  ) {
    if (parts?.[opened] !== true)
      throw new ArgumentError('a ProcessGroup is opened: await ProcessGroup.open({ rank, size, store }), or ProcessGroup.fromEnvironment()');
    this.#mesh = parts.mesh;
    this.#store = parts.store;
    this.#lastWords = new LastWords(parts.store, parts.name, channel.rank, channel.size);
    this.#ownsStore = parts.ownsStore;
    if (parts.mesh !== null) ProcessGroup.#opened += 1;
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
    const given = checkOptions<ProcessGroupOptions>(options, 'options', ['rank', 'size', 'store', ...shared, 'name']);
    const { store, name = 'group' } = given;
    const size = checkInteger(given.size, 'options.size', 1, 4096);
    const rank = checkInteger(given.rank, 'options.rank', 0, size - 1);
    if (typeof (store as Partial<Store> | undefined)?.get !== 'function')
      throw new ArgumentError(expected('a store, as openStore() gives it', 'options.store', store));
    if (typeof name !== 'string' || !keyForm.test(name))
      throw new ArgumentError(expected("a name of lower-case letters, digits, '.', '_', '-' and '/'", 'options.name', name));
    return ProcessGroup.#open({ rank, size, store, name, ownsStore: false }, checkShared(given));
  }

  /**
   * Opens the group that this process was started for, by `nodegrad launch`, Slurm, Kubernetes or torchrun: see {@link processEnvironment}. A process that was
   * started alone is a group of one, which needs neither a store nor the second native part: one program serves both.
   *
   * @throws {@link EnvironmentError} when environment variables are missing or contradict each other.
   * @throws as {@link ProcessGroup.open}.
   * @example
   * ```ts
   * import { Adam, CrossEntropyLoss, datasets, mlp, ProcessGroup } from 'nodegrad';
   * await using group = await ProcessGroup.fromEnvironment();
   * const { train } = await datasets.digits();
   * const model = mlp();
   * await model.fit(train, { loss: new CrossEntropyLoss(), optimizer: new Adam(model), batchSize: 64, group });
   * if (group.rank === 0) await model.save('digits.safetensors');
   * ```
   */
  static async fromEnvironment(options: GroupEnvironmentOptions = {}): Promise<ProcessGroup> {
    const { host, ...checked } = checkShared(checkOptions<GroupEnvironmentOptions>(options, 'options', [...shared]));
    const environment = processEnvironment();
    if (environment === null || environment.rendezvous === null) {
      const alone = { [opened]: true, mesh: null, store: noStore, name: 'group', ownsStore: false, signal: undefined } as const;
      return new ProcessGroup({ number: 0, rank: 0, size: 1 }, checked.timeout, alone);
    }
    const { rank, worldSize: size } = environment;
    const store = await openRendezvous(environment, { timeout: checked.timeout });
    try {
      const own = options.host === undefined ? await hostOf(environment, checked.timeout) : host;
      // All processes open their groups in the same order.
      const name = `group-${ProcessGroup.#ofEnvironment++}`;
      return await ProcessGroup.#open({ rank, size, store, name, ownsStore: true }, { ...checked, host: own });
    } catch (error) {
      await store.close();
      throw error;
    }
  }

  /** @internal Whether this process has a group of several open. */
  static get isOpen(): boolean {
    return ProcessGroup.#opened > 0;
  }

  static #opened = 0;
  static #ofEnvironment = 0;

  static async #open(
    { rank, size, store, name, ownsStore }: { rank: number; size: number; store: Store; name: string; ownsStore: boolean },
    { host, timeout, signal }: Shared,
  ): Promise<ProcessGroup> {
    if (signal?.aborted) throw notOpened(signal);
    if (size === 1) return new ProcessGroup({ number: 0, rank, size }, timeout, { [opened]: true, mesh: null, store, name, ownsStore, signal });
    const native = distributedBinding();
    const address = await addressOf(host);
    const key = randomBytes(32);
    const isSingleCopy = variableChoice('NODEGRAD_SINGLE_COPY', ['0', '1']) !== '0';
    const open = asGroupError(() => native.openMesh(rank, size, address, key, Math.ceil(timeout), isSingleCopy));
    try {
      await store.set(`${name}/address/${rank}`, encode({ size, host: open.host, port: open.port, key: key.toString('base64') }));
      const addresses: Place[] = [];
      // One after the other: a store that is served has a connection for each that waits.
      for (let other = 0; other < size; other++) {
        const wait = { timeout, ...(signal && { signal }) };
        if (other === rank) addresses.push({ host: open.host, port: open.port, key });
        else addresses.push(placeIn(await store.get(`${name}/address/${other}`, wait), { name, size, rank, other }));
      }
      const neighbours = await native.connectMesh(open.mesh, addresses).catch((error: Error) => {
        throw new GroupError(error.message, { cause: error });
      });
      if (signal?.aborted) throw notOpened(signal);
      const mesh = { close: (why: string) => native.closeMesh(open.mesh, why), channel: openChannel(open.transport), neighbours };
      return new ProcessGroup({ number: mesh.channel, rank, size }, timeout, { [opened]: true, mesh, store, name, ownsStore, signal });
    } catch (error) {
      native.closeMesh(open.mesh, 'the group was not opened');
      throw error;
    }
  }

  /** Which process this one is, from 0. */
  get rank(): number {
    return this.channel.rank;
  }

  /** How many there are. */
  get size(): number {
    return this.channel.size;
  }

  /** Bytes that this process has sent to the others for tensors, of `fit` too. Once it has left the group: 0. */
  get bytesSent(): number {
    return this.#mesh === null || this.#isClosed ? 0 : bytesSent(this.#mesh.channel);
  }

  /** @internal How many other processes, of this machine, large messages of are read from their memory. */
  get neighbours(): number {
    return this.#mesh?.neighbours ?? 0;
  }

  /**
   * Adds up a tensor over all processes, in place: `x = ((x₀ + x₁) + (x₂ + x₃)) + …`, along one fixed tree, so that all have the same bits.
   *
   * @throws {@link DTypeError} when it holds whole numbers.
   * @throws {@link GroupError} when a process is gone, has a tensor of another shape, or does not come within the time-out.
   */
  allReduce(tensor: AnyTensor): void {
    const sum = summable(tensor);
    this.#together(() => groupSum(this.channel, [[sum]], this.size, this.size));
  }

  /**
   * Adds up a tensor over all processes as {@link allReduce} does, and gives each of them its part of the sum: the first axis is cut into as many parts as
   * there are processes, and the process of rank r gets part r, of the same bits. Half of the bytes travel. The tensor stays as it is.
   *
   * @param tensor - Of shape `[size · n, …]`, the same in all processes.
   * @returns The part of this process, of shape `[n, …]`.
   * @throws {@link ShapeError} when the first axis cannot be cut into equal parts.
   * @throws {@link DTypeError} when it holds whole numbers.
   * @throws {@link GroupError} as {@link allReduce}.
   * @example
   * ```ts
   * import { ProcessGroup, ones } from 'nodegrad';
   * await using group = await ProcessGroup.fromEnvironment();
   * const part = group.reduceScatter(ones([4 * group.size, 3]));
   * console.log(part.shape, part.data[0]); // [4, 3], and how many processes there are
   * ```
   */
  reduceScatter<T extends AnyTensor>(tensor: T): T {
    const { shape } = summable(tensor);
    if (shape.length === 0 || shape[0] % this.size !== 0)
      throw new ShapeError(
        `expected a tensor whose first axis can be cut into ${this.size} equal parts, one for each process, received shape ${describeShape(shape)}`,
      );
    const rows = shape[0] / this.size;
    const all = tensor.detach().clone() as Tensor;
    const parts = Array.from({ length: this.size }, (_, owner) => ({ tensors: [slice(all, owner * rows, (owner + 1) * rows)], owner }));
    this.#together(() => groupReduce(this.channel, parts, this.size, this.size));
    return (this.size === 1 ? all : parts[this.rank].tensors[0].clone()) as unknown as T;
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
   * Waits until all processes have come here. Nothing else is held up meanwhile.
   *
   * @throws {@link GroupError} as {@link allReduce}.
   */
  async barrier(): Promise<void> {
    await this.numbers(0);
  }

  /** @internal The numbers of all processes, by rank: on the driver's thread, so that this one goes on. */
  async numbers(own: number): Promise<number[]> {
    if (this.#isClosed) throw new GroupError('this process has left the group');
    if (this.size === 1) return [own];
    this.#gathering ??= compileStep((x: Tensor<'float64'>) => {
      const all = Array.from({ length: this.size }, () => copy(x));
      groupShare(this.channel, all, [...all.keys()]);
      return all;
    });
    try {
      return (await this.#gathering(Tensor.from(Float64Array.of(own)))).map((one) => one.item());
    } catch (error) {
      throw groupErrorOf(error) ?? error;
    }
  }

  /** Breaks the group: what is under way fails, here and in the other processes, which are told why. */
  break(why: string): Promise<void> {
    return this.breakFor(why, false);
  }

  /** @internal The same, where this process only noticed that another one is gone. */
  async breakFor(why: string, isConsequence: boolean): Promise<void> {
    if (this.#isClosed) return;
    await this.#lastWords.break(why, isConsequence);
    this.#end(why);
  }

  /** Why the group broke, as the process that broke it says; null where nobody says anything. */
  whyBroken(): Promise<BrokenGroup | null> {
    return this.#lastWords.whyBroken();
  }

  /** @internal Which other process has left the group, though this one goes on; null where none has. */
  whoLeft(): Promise<number | null> {
    return this.#lastWords.whoLeft();
  }

  /** @internal Tells the launcher that the run of this group has written a checkpoint. */
  async hasCheckpoint(): Promise<void> {
    if (this.#ownsStore && !this.#isClosed) await this.#store.set(checkpointKey, new Uint8Array()).catch(() => {});
  }

  /** Leaves the group. Others that still wait for this process are told that it is gone. */
  async close(): Promise<void> {
    const isFirst = !this.#isClosed && !this.#isLeaving;
    this.#isLeaving = true;
    if (isFirst && this.#mesh !== null) await this.#lastWords.leave();
    this.#end('the group was closed');
    if (!isFirst || !this.#ownsStore) return;
    // The process that serves the store leaves it last, or the others would find it gone.
    if (this.rank === 0 && this.#mesh !== null) await this.#lastWords.othersLeft();
    await this.#store.close();
  }

  /** The same as `close`, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #end(why: string): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#stopListening();
    this.#gathering?.dispose();
    this.#mesh?.close(why);
    if (this.#mesh === null) return;
    closeChannel(this.#mesh.channel);
    ProcessGroup.#opened -= 1;
  }

  #together(body: () => void): void {
    if (this.#isClosed) throw new GroupError('this process has left the group');
    if (this.size > 1) asGroupError(() => noGrad(body));
  }
}

keepNames({ ProcessGroup });
