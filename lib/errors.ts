// The error classes and the one grammar of their messages: expected what, for which argument, received what.
import { otherCopy, ours } from './foreign.js';
import { helpFor } from './help.js';
import { keepNames } from './names.js';
import { withArticle } from './words.js';

/**
 * Base class of every error that nodegrad throws on purpose; `code` is stable across versions, and `npx nodegrad explain ERR_SHAPE` prints its page.
 *
 * @example
 * ```ts
 * import { NodegradError, tensor } from 'nodegrad';
 * try {
 *   tensor([1, 2]).add(tensor([1, 2, 3]));
 * } catch (error) {
 *   if (error instanceof NodegradError) console.log(error.code, error.message); // ERR_SHAPE [add] shapes [2] and [3] …
 * }
 * ```
 */
export class NodegradError extends Error {
  /** Stable identifier, for example `ERR_SHAPE`. */
  readonly code: string;
  /** Address of the page about `code`, in this package: `file:///…/docs/errors/ERR_SHAPE.md`. Undefined for a code that is not nodegrad's. */
  readonly help: string | undefined;
  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    this.help = helpFor(code);
    this.name = new.target.name;
  }
}

/**
 * Shapes that do not fit together, or data that does not fill a shape.
 *
 * @example
 * ```ts
 * import { Linear, ones } from 'nodegrad';
 * new Linear(784, 10).forward(ones([32, 28, 28, 1])); // throws ShapeError: images need a Flatten first
 * ```
 */
export class ShapeError extends NodegradError {
  constructor(message: string, options?: ErrorOptions) {
    super('ERR_SHAPE', message, options);
  }
}

/**
 * Element types that do not fit together; nothing is promoted silently.
 *
 * @example
 * ```ts
 * import { Tensor } from 'nodegrad';
 * const labels = Tensor.from(Int32Array.of(1, 2));
 * labels.to('float32').add(0.5); // labels.add(0.5) would not compile, and throws DTypeError in JavaScript
 * ```
 */
export class DTypeError extends NodegradError {
  constructor(message: string, options?: ErrorOptions) {
    super('ERR_DTYPE', message, options);
  }
}

/**
 * An argument of the wrong kind or outside its range.
 *
 * @example
 * ```ts
 * import { Dropout } from 'nodegrad';
 * new Dropout(1.5); // throws ArgumentError: expected a number from 0 to 1 for `p`, received 1.5
 * ```
 */
export class ArgumentError extends NodegradError {
  constructor(message: string, options?: ErrorOptions) {
    super('ERR_ARGUMENT', message, options);
  }
}

/** The index that an {@link IndexError} is about. */
export interface RefusedIndex {
  /** The index as it was given. */
  readonly value: number;
  /** Where it stands among the indices of the call, counted from 0: for class indices the row of the batch. */
  readonly position: number;
  /** The least that would have been right. */
  readonly minimum: number;
  /** The most that would have been right. */
  readonly maximum: number;
}

/**
 * An index out of range: a class index beyond the classes, a row that a table does not have. The same from a compiled step, which then
 * has changed nothing that stays.
 *
 * @example
 * ```ts
 * import { IndexError, crossEntropy, tensor, zeros } from 'nodegrad';
 * try {
 *   crossEntropy(zeros([2, 3]), tensor([0, 3]).to('int32'));
 * } catch (error) {
 *   if (error instanceof IndexError) console.log(error.value, error.position, error.maximum); // 3 1 2
 * }
 * ```
 */
export class IndexError extends ArgumentError {
  /** The index as it was given. */
  readonly value: number;
  /** Where it stands among the indices of the call, counted from 0: for class indices the row of the batch. */
  readonly position: number;
  /** The least that would have been right. */
  readonly minimum: number;
  /** The most that would have been right. */
  readonly maximum: number;

  constructor(message: string, { value, position, minimum, maximum }: RefusedIndex, options?: ErrorOptions) {
    super(message, options);
    this.value = value;
    this.position = position;
    this.minimum = minimum;
    this.maximum = maximum;
  }
}

/**
 * A file that is not what it claims to be; the message names the file and the byte.
 *
 * @example
 * ```ts
 * import { FileFormatError, datasets } from 'nodegrad';
 * try {
 *   await datasets.mnist({ dir: 'data/mnist', download: false });
 * } catch (error) {
 *   if (error instanceof FileFormatError) console.log(error.message); // which file, and where it is damaged
 * }
 * ```
 */
export class FileFormatError extends NodegradError {
  constructor(message: string, options?: ErrorOptions) {
    super('ERR_FILE_FORMAT', message, options);
  }
}

/**
 * A loss, activation or gradient became NaN or infinite; the message says where it first appeared.
 *
 * @example
 * ```ts
 * import { NonFiniteError } from 'nodegrad';
 * const isDivergence = (error: unknown) => error instanceof NonFiniteError; // try a smaller learning rate
 * ```
 */
export class NonFiniteError extends NodegradError {
  constructor(message: string, options?: ErrorOptions) {
    super('ERR_NON_FINITE', message, options);
  }
}

/**
 * The native addon could not be loaded, or refused a call.
 *
 * @example
 * ```ts
 * import { NativeError, ones } from 'nodegrad';
 * const x = ones([4]);
 * structuredClone(x.data.buffer, { transfer: [x.data.buffer as ArrayBuffer] }); // the memory is gone now
 * try {
 *   x.add(1);
 * } catch (error) {
 *   console.log(error instanceof NativeError); // true: 'a tensor of shape [4] has lost its memory …'
 * }
 * ```
 */
export class NativeError extends NodegradError {
  constructor(message: string, options?: ErrorOptions) {
    super('ERR_NATIVE', message, options);
  }
}

/**
 * The object is in use by a training run.
 *
 * @example
 * ```ts
 * import { BusyError } from 'nodegrad';
 * const isBusy = (error: unknown) => error instanceof BusyError; // wait for the run to end, or work on a clone()
 * ```
 */
export class BusyError extends NodegradError {
  constructor(message: string, options?: ErrorOptions) {
    super('ERR_BUSY', message, options);
  }
}

/**
 * The caller's `AbortSignal` stopped the work.
 *
 * @example
 * ```ts
 * import { AbortedError, datasets } from 'nodegrad';
 * try {
 *   await datasets.mnist({ signal: AbortSignal.timeout(10_000) });
 * } catch (error) {
 *   if (error instanceof AbortedError) console.log('it took too long');
 * }
 * ```
 */
export class AbortedError extends NodegradError {
  constructor(message: string, options?: ErrorOptions) {
    super('ERR_ABORTED', message, options);
  }
}

/**
 * Something had to be fetched and could not be.
 *
 * @example
 * ```ts
 * import { NetworkError, datasets } from 'nodegrad';
 * const data = await datasets.mnist().catch((error: unknown) => {
 *   if (error instanceof NetworkError) return datasets.digits(); // made on the spot, needs no network
 *   throw error;
 * });
 * ```
 */
export class NetworkError extends NodegradError {
  constructor(message: string, options?: ErrorOptions) {
    super('ERR_NETWORK', message, options);
  }
}

/**
 * Something needs a package that is optional and not installed; the message has the command that installs it.
 *
 * @example
 * ```ts
 * import { MissingPackageError, datasets } from 'nodegrad';
 * try {
 *   await datasets.imageFolder('photos', { imageSize: 64 });
 * } catch (error) {
 *   if (error instanceof MissingPackageError) console.log(error.message); // … npm install sharp
 * }
 * ```
 */
export class MissingPackageError extends NodegradError {
  constructor(message: string, options?: ErrorOptions) {
    super('ERR_MISSING_PACKAGE', message, options);
  }
}

/** A short, safe picture of any value for an error message: never throws, never prints megabytes. */
export function describe(value: unknown): string {
  try {
    if (value === null || value === undefined) return String(value);
    if (typeof value === 'string') return JSON.stringify(value.length > 60 ? `${value.slice(0, 57)}...` : value);
    if (typeof value === 'bigint') return `${String(value).slice(0, 40)}n (a BigInt)`;
    if (typeof value === 'number' || typeof value === 'boolean') return Object.is(value, -0) ? '-0' : String(value);
    if (typeof value === 'symbol' || typeof value === 'function') return `a ${typeof value}`;
    if (Array.isArray(value)) {
      if (value.length <= 8 && value.every((item) => typeof item === 'number')) return `[${value.join(', ')}]`;
      return `an array of length ${value.length}`;
    }
    if (ArrayBuffer.isView(value)) return `${withArticle(value.constructor?.name ?? 'view')} of ${value.byteLength} bytes`;
    const name = (value as object).constructor?.name;
    const copy = otherCopy(value);
    return `${typeof name === 'string' && name !== '' && name !== 'Object' ? withArticle(name) : 'an object'}${copy === null ? '' : ` of another copy of nodegrad (${copy})`}`;
  } catch {
    return 'an object that cannot be read';
  }
}

/** `describe` for shapes: `[2, 3]`. */
export function describeShape(shape: readonly number[]): string {
  return `[${shape.join(', ')}]`;
}

/** The message grammar: `expected <what> for \`<argument>\`, received <value>. <hint>` */
export function expected(what: string, argument: string, received: unknown, hint = ''): string {
  if (otherCopy(received) !== null) hint = 'Two copies are loaded, and their things do not mix: let all packages share one (npm ls nodegrad)';
  return `expected ${what} for \`${argument}\`, received ${describe(received)}${hint === '' ? '' : `. ${hint}`}`;
}

/** The line that makes class labels which count from 1 count from 0. */
export function countFromZero(argument: string): string {
  return `${argument}.to('float32').sub(1).to('int32')`;
}

/** Checks that `value` is a finite number within [minimum, maximum]. */
export function checkNumber(value: unknown, argument: string, minimum = -Infinity, maximum = Infinity): number {
  if (typeof value !== 'number' || !Number.isFinite(value) || value < minimum || value > maximum) {
    throw new ArgumentError(expected(`a number ${rangeText(minimum, maximum)}`, argument, value));
  }
  return value;
}

/** Checks that `value` is a safe integer within [minimum, maximum]. */
export function checkInteger(value: unknown, argument: string, minimum = Number.MIN_SAFE_INTEGER, maximum = Number.MAX_SAFE_INTEGER): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < minimum || value > maximum) {
    throw new ArgumentError(expected(`an integer ${rangeText(minimum, maximum)}`, argument, value));
  }
  return value;
}

/** Checks that `value` is true or false. */
export function checkFlag(value: unknown, argument: string): boolean {
  if (typeof value !== 'boolean') throw new ArgumentError(expected('true or false', argument, value));
  return value;
}

/** Checks that `value` is one of `choices`. */
export function checkChoice<T extends string>(value: unknown, argument: string, choices: readonly T[]): T {
  if (typeof value !== 'string' || !choices.includes(value as T)) {
    throw new ArgumentError(expected(`one of ${choices.map((choice) => `'${choice}'`).join(', ')}`, argument, value));
  }
  return value as T;
}

/** Checks that `value` is an array of a reasonable length: a sparse one of 2³² − 1 holes would keep any loop busy. */
export function checkList<T = unknown>(value: unknown, argument: string, what: string): readonly T[] {
  if (!Array.isArray(value) || value.length > 2 ** 22) throw new ArgumentError(expected(what, argument, value));
  return value as T[];
}

/** Checks that `value` is an object of names and values, or undefined, which counts as an empty one. */
export function checkObject<T extends object>(value: unknown, argument: string, what = 'an options object'): T {
  if (value === undefined) return {} as T;
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new ArgumentError(expected(what, argument, value));
  return value as T;
}

/** Whether a value is an object of some class: neither `{ … }`, of whatever realm, nor one without a prototype. */
function isInstance(value: object): boolean {
  const prototype = Object.getPrototypeOf(value) as object | null;
  return prototype !== null && Object.getPrototypeOf(prototype) !== null;
}

/**
 * Checks that `value` is an options object whose keys are all known: a misspelt option is an error, not a silent default. An object of a class
 * may hold options, if it has one that is known; a tensor or a loss in the place of options is named as what it is. An option that is
 * `undefined` is one that was not given, and does not stand in the result: spreading it over defaults or other options leaves them alone.
 * `null` is no default; it is a value of the options in `nullable` only.
 */
export function checkOptions<T extends object>(
  value: unknown,
  argument: string,
  known: readonly string[],
  nullable: readonly string[] = [],
): T {
  const options = checkObject<Record<string, unknown>>(value, argument);
  let isComplete = true;
  let unknown: string | undefined;
  let count = 0;
  for (const key of Object.keys(options)) {
    if (options[key] === undefined) {
      isComplete = false;
      continue;
    }
    if (!known.includes(key)) {
      unknown ??= key;
      continue;
    }
    if (options[key] === null && !nullable.includes(key))
      throw new ArgumentError(expected('a value', `${argument}.${key}`, null, 'Leave it out, or give undefined, for its default'));
    count += 1;
  }
  if (count === 0 && isInstance(options) && !known.some((key) => key in options))
    throw new ArgumentError(expected(`an object of options (${known.join(', ')})`, argument, options));
  if (unknown !== undefined)
    throw new ArgumentError(`unknown option \`${unknown.slice(0, 60)}\` in \`${argument}\`; known: ${known.join(', ')}`);
  return (isComplete ? options : mergeOptions(options)) as T;
}

/** Options over their defaults: of several objects the last one that gives an option counts, and `undefined` is nothing given. */
export function mergeOptions<T extends object>(...all: readonly (Partial<T> | null | undefined)[]): T {
  const entries = all.flatMap((options) => Object.entries(options ?? {}));
  return Object.fromEntries(entries.filter(([, value]) => value !== undefined)) as T;
}

function rangeText(minimum: number, maximum: number): string {
  if (minimum === -Infinity && maximum === Infinity) return '(finite)';
  if (maximum === Infinity || maximum === Number.MAX_SAFE_INTEGER) return `of at least ${minimum}`;
  if (minimum === -Infinity || minimum === Number.MIN_SAFE_INTEGER) return `of at most ${maximum}`;
  return `from ${minimum} to ${maximum}`;
}

keepNames({
  NodegradError,
  ShapeError,
  DTypeError,
  ArgumentError,
  FileFormatError,
  NonFiniteError,
  NativeError,
  BusyError,
  IndexError,
  AbortedError,
  NetworkError,
  MissingPackageError,
});

ours(NodegradError);
