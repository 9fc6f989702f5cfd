// Data sets of examples that come one after the other: from generators, streams of Node.js, databases, the network.

import { types } from 'node:util';
import type { NestedValues } from '../create.js';
import type { TypedArray } from '../dtype.js';
import { ArgumentError, NodegradError, checkInteger, checkNumber, checkOptions, describe, expected } from '../errors.js';
import { isPlainObject, isPromise, ours } from '../foreign.js';
import { keepNames } from '../names.js';
import { Random } from '../random.js';
import type { AnyTensor } from '../tensor.js';
import { showAs } from '../words.js';
import { noNumbers } from './contract.js';
import type { StreamRequest, Streamed } from './cursor.js';
import { classNames } from './class-indices.js';
import type { AsyncDataset, Batch, BatchPart, EpochKey, ShapeTree } from './dataset.js';
import { type ExampleParts, ExampleRows, checkAlike, integerPart, partOf, shapesOf } from './example-rows.js';

/** What an example is made of: a number, nested arrays of numbers, a typed array or a tensor; or a plain object of such. */
export type ExampleValues = NestedValues | TypedArray | AnyTensor | { readonly [name: string]: ExampleValues };

/** One example, without a dimension that counts examples. */
export interface Example {
  /** What the model gets. */
  readonly inputs: ExampleValues;
  /** What it is to give: numbers, or with `classes` a class index or the name of a class. */
  readonly targets: ExampleValues | string;
  /** How often it counts in the loss, at least 0; default: no weights. All examples have one, or none. */
  readonly weight?: number;
}

/** What the maker of an epoch gets to know. */
export interface IterationKey extends EpochKey {
  /** Fires when nobody wants more: at the end of a run that was aborted or stopped. What waits for a network listens to it. */
  readonly signal: AbortSignal;
}

/** Makes what an epoch is read from: anything that `for await` takes, such as a generator or a Readable of objects. */
export type IterableMaker<Row> = (key: IterationKey) => AsyncIterable<Row> | Iterable<Row> | Promise<AsyncIterable<Row> | Iterable<Row>>;

/** Options of {@link iterableDataset}. */
export interface IterableDatasetOptions<Row = Example> {
  /**
   * Makes an example of what the iterable gives, and of its number, from 0; null leaves it out. May be asynchronous. Default: the iterable gives examples.
   */
  readonly example?: (row: Row, index: number) => Example | null | Promise<Example | null>;
  /** Names of the classes, or their number: targets are then class indices, or names of classes. Default: targets are numbers. */
  readonly classes?: readonly string[] | number;
  /**
   * Examples that wait while the order is mixed, with `shuffle` (the default of `fit`): each one that is given is drawn from so many. Default 1000;
   * 1 for the order of the iterable. As many examples are in memory, beside the batches.
   */
  readonly shuffleBuffer?: number;
  /** What messages and logs call it. Default `stream`. */
  readonly name?: string;
}

/**
 * A data set that {@link iterableDataset} has made: of unknown length, without numbers for its examples. `fit`, `evaluate`, `predict`,
 * {@link DataLoader} (`for await`) and `step.many` go through it; what picks examples (`split`, `subset`, `folds`, `augmented`) refuses it.
 *
 * @example
 * ```ts
 * import { DataLoader, type IterableDataset } from 'nodegrad';
 * async function count(data: IterableDataset): Promise<number> {
 *   let examples = 0;
 *   for await (const [, targets] of new DataLoader(data)) examples += (targets as { size: number }).size;
 *   return examples;
 * }
 * ```
 */
export class IterableDataset<Row = Example> implements AsyncDataset<BatchPart, BatchPart>, Streamed {
  readonly name: string;
  /** Infinity: nobody knows. */
  readonly length = Number.POSITIVE_INFINITY;
  readonly classes?: readonly string[];
  readonly #make: IterableMaker<Row>;
  readonly #example: Required<IterableDatasetOptions<Row>>['example'];
  readonly #shuffleBuffer: number;
  #inputShape: ShapeTree = [];
  #targetShape: ShapeTree = [];

  /** @internal {@link iterableDataset} makes one. */
  constructor(make: IterableMaker<Row>, options: IterableDatasetOptions<Row> = {}) {
    const known = ['example', 'classes', 'shuffleBuffer', 'name'];
    const { example, classes, shuffleBuffer = 1000, name = 'stream' } = checkOptions<IterableDatasetOptions<Row>>(options, 'options', known);
    if (typeof make !== 'function') {
      const hint = isIterable(make) ? 'What is iterated once is over then, and every epoch begins anew: () => createReadStream(…)' : '';
      throw new ArgumentError(expected('a function that makes an iterable', 'make', make, hint));
    }
    if (example !== undefined && typeof example !== 'function') throw new ArgumentError(expected('a function', 'options.example', example));
    if (typeof name !== 'string') throw new ArgumentError(expected('a string', 'options.name', name));
    this.name = name;
    this.#make = make;
    this.#example = example ?? ((row) => row as Example);
    this.#shuffleBuffer = checkInteger(shuffleBuffer, 'options.shuffleBuffer', 1, 2 ** 31 - 1);
    if (classes !== undefined) this.classes = classNames(classes);
  }

  /** Shape of one input, as the first example had it; [] before. */
  get inputShape(): ShapeTree {
    return this.#inputShape;
  }

  /** Shape of one target, as the first example had it; [] before. */
  get targetShape(): ShapeTree {
    return this.#targetShape;
  }

  /** It has no examples by number: always an error. */
  batch(): Promise<Batch<BatchPart, BatchPart>> {
    return Promise.reject(new ArgumentError(noNumbers(this.name)));
  }

  /** @internal The batches of one epoch, in memory of their own. */
  async *stream({ batchSize, dropLast, shuffle, signal, ...key }: StreamRequest): AsyncGenerator<Batch<BatchPart, BatchPart>, void> {
    const random = shuffle && this.#shuffleBuffer > 1 ? new Random(key.seed, `stream/${key.epoch}`) : null;
    let batch: ExampleRows | null = null;
    let count = 0;
    // What waits to be drawn from.
    let mixed: ExampleRows | null = null;
    let waiting = 0;
    for await (const one of this.#examples({ ...key, signal })) {
      if (random !== null && waiting < this.#shuffleBuffer) {
        if (mixed === null || waiting === mixed.capacity) mixed = new ExampleRows(one, Math.min(this.#shuffleBuffer, 2 * waiting || 64), mixed);
        mixed.set(waiting++, one);
        continue;
      }
      batch ??= new ExampleRows(one, batchSize);
      if (random === null || mixed === null) batch.set(count++, one);
      else {
        const place = random.integer(waiting);
        batch.copy(count++, mixed, place);
        mixed.set(place, one);
      }
      if (count < batchSize) continue;
      yield batch.batch(count);
      [batch, count] = [null, 0];
    }
    while (random !== null && mixed !== null && waiting > 0) {
      const place = random.integer(waiting);
      batch ??= new ExampleRows(mixed.form, batchSize);
      batch.copy(count++, mixed, place);
      waiting -= 1;
      mixed.copy(place, mixed, waiting);
      if (count < batchSize) continue;
      yield batch.batch(count);
      [batch, count] = [null, 0];
    }
    if (batch !== null && !dropLast) yield batch.batch(count);
  }

  /** The examples of an epoch in the order of the iterable, all of one form. */
  async *#examples(key: IterationKey): AsyncGenerator<ExampleParts, void> {
    let row = -1;
    let isInRow = false;
    let first: ExampleParts | null = null;
    try {
      const rows: unknown = await this.#make(key);
      if (!isIterable(rows)) throw new ArgumentError(expected('something to iterate', 'the result of the function', rows));
      for await (const given of rows) {
        row += 1;
        isInRow = true;
        const made = this.#example(given as Row, row);
        const example = isPromise(made) ? await made : made;
        if (example !== null) {
          const parts = this.#partsOf(example);
          if (first === null) {
            first = parts;
            [this.#inputShape, this.#targetShape] = [parts.inputs, parts.targets].map(shapesOf);
          } else checkAlike(parts, first);
          yield parts;
        }
        isInRow = false;
        if (key.signal.aborted) return;
      }
    } catch (error) {
      const where = isInRow ? `row ${row}` : row < 0 ? 'before its first row' : `after row ${row}`;
      throw located(error, `data set '${this.name}', ${where} (rows count from 0; epoch ${key.epoch + 1})`);
    }
    if (first !== null) return;
    const hint = key.epoch > 0 ? ': the function must make a new iterable each time' : '';
    throw new ArgumentError(`the data set ${this.name} is empty: epoch ${key.epoch + 1} gave no example${hint}`);
  }

  #partsOf(example: unknown): ExampleParts {
    if (!isPlainObject(example)) throw new ArgumentError(expected('an example, { inputs, targets },', 'example', example));
    const { inputs, targets, weight } = checkOptions<Example>(example, 'example', names);
    if (weight !== undefined) checkNumber(weight, 'example.weight', 0);
    const { classes } = this;
    // What has more than one number is left as it is: a label for each position.
    const isClass = classes !== undefined && (typeof targets === 'number' || typeof targets === 'string');
    return {
      inputs: partOf(inputs, 'example.inputs'),
      targets: isClass ? integerPart(indexOf(targets, classes)) : partOf(targets, 'example.targets'),
      ...(weight !== undefined && { weight }),
    };
  }
}

const names = ['inputs', 'targets', 'weight'];

/** The index of a class: as it is, or of its name. */
function indexOf(target: number | string, classes: readonly string[]): number {
  const index = typeof target === 'string' ? classes.indexOf(target) : target;
  if (Number.isInteger(index) && index >= 0 && index < classes.length) return index;
  const what = typeof target === 'string' ? 'the name of a class' : `a class index from 0 to ${classes.length - 1}`;
  throw new ArgumentError(expected(what, 'example.targets', target));
}

function isIterable(value: unknown): value is AsyncIterable<unknown> | Iterable<unknown> {
  if (typeof value !== 'object' || value === null) return false;
  return Symbol.asyncIterator in value || Symbol.iterator in value;
}

/** An error with where it happened in front. */
function located(error: unknown, where: string): unknown {
  const message = types.isNativeError(error) ? error.message : typeof error === 'string' ? error : describe(error);
  const text = `${where}: ${message}`;
  if (!(error instanceof NodegradError) || !Reflect.set(error, 'message', text)) return new ArgumentError(text, { cause: error });
  return error;
}

/**
 * A data set of examples that come one after the other, as many as there are: rows of a file that is larger than memory, of a database, of the
 * network. Every epoch calls `make` anew and goes through what it gives from the beginning to the end; only the examples of the shuffle buffer
 * and of the batches in use are in memory, and no more is read than training takes.
 *
 * The order is that of the iterable, mixed in a buffer where `shuffle` is on: a function of seed and epoch. A run that is resumed in the middle
 * of an epoch reads the examples before that place once more and leaves them out, so it goes on with the bits that it would have had, if `make`
 * gives the same again. What the iterable throws ends the run with the number of the row; a run that ends early closes the iterable. Rows that are
 * Buffers of bytes or text are lines of a file: see {@link csvRows} and {@link jsonLines}.
 *
 * @param make - Makes the iterable of an epoch: a generator function, or `() => stream` for a Readable of objects.
 * @throws {@link ArgumentError} for wrong options, or where `make` is no function.
 * @example
 * ```ts
 * import { Adam, MSELoss, csvRows, iterableDataset, mlp } from 'nodegrad';
 * const houses = iterableDataset(() => csvRows('houses.csv'), {
 *   example: ({ area, rooms, price }) => ({ inputs: [Number(area) / 100, Number(rooms)], targets: [Number(price) / 1e6] }),
 * });
 * const model = mlp({ inputShape: [2], classes: 1 });
 * await model.fit(houses, { loss: new MSELoss(), optimizer: new Adam(model), epochs: 3 });
 * ```
 */
export function iterableDataset<Row = Example>(make: IterableMaker<Row>, options: IterableDatasetOptions<Row> = {}): IterableDataset<Row> {
  return new IterableDataset(make, options);
}

showAs(IterableDataset as unknown as { prototype: IterableDataset }, (data) => `IterableDataset '${data.name}': examples one after the other`);
keepNames({ IterableDataset });
ours(IterableDataset);
