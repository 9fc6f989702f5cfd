// The seed in force, and what follows from it: the shared generator, and the numbers by which models are told apart.

import { AsyncLocalStorage } from 'node:async_hooks';
import { ArgumentError, checkInteger, expected } from './errors.js';
import { Random } from './random.js';
import { type StateKind, makes, reads, refuseInStep } from './recording.js';

/** A stretch of a program under one seed. */
interface SeedScope {
  seed: number;
  /** Tells it from all other scopes, and from itself before `setSeed`. */
  era: number;
  /** Layers and parameters that were made in this era. */
  made: number;
  /** The generator that operations draw from which are given none. */
  readonly random: Random;
}

let eras = 0;
const makeScope = (seed: number): SeedScope => ({ seed, era: eras++, made: 0, random: new Random(seed, 'default') });

const outermost = makeScope(0);
// It goes with a promise through every `await`: scopes that run side by side do not see each other.
const scopes = new AsyncLocalStorage<SeedScope>();
const scope = (): SeedScope => scopes.getStore() ?? outermost;

const generator: StateKind = { get: () => scope().random, set() {} };

/**
 * Sets the seed that everything uses which is not given one of its own (initial weights, dropout, shuffling, splits), and restarts
 * the generator behind {@link dropout}. The seed at the start of a process is 0: runs repeat unless you ask for something else. Inside of
 * {@link withSeed} it sets the seed of that scope.
 *
 * @throws {ArgumentError} if `seed` is not a safe integer
 *
 * @example
 * ```ts
 * import { setSeed } from 'nodegrad';
 * setSeed(7);
 * ```
 */
export function setSeed(seed: number): void {
  refuseInStep('setSeed() was called', 'Call it between two steps');
  const here = scope();
  // The same generator goes on: recorded steps draw from it.
  here.random.state = { seed, stream: 'default', offset: 0 };
  Object.assign(here, { seed, era: eras++, made: 0 });
}

/**
 * Runs `body` under a seed of its own, as if the process had just begun with `setSeed(seed)`, and leaves no trace: seed, shared generator and
 * the count that tells models apart are afterwards what they were before. `body` may be asynchronous: its scope then lasts until its promise
 * is settled and covers all that it awaits, and other code that runs meanwhile, in scopes of its own or in none, does not notice.
 *
 * Models made inside keep their seeds: they draw the same first values and masks wherever they are used. Models of one scope draw different ones.
 *
 * @param seed - A safe integer; {@link deriveSeed} makes those of trials, folds and members.
 * @param body - What to run.
 * @returns What `body` returns.
 * @throws {@link ArgumentError} for anything but a safe integer and a function, or inside of a compiled step.
 * @example
 * ```ts
 * import { deriveSeed, mlp, withSeed } from 'nodegrad';
 * const members = [0, 1, 2].map((member) => withSeed(deriveSeed(7, 'member', member), () => mlp({ hidden: [32] })));
 * ```
 */
export function withSeed<R>(seed: number, body: () => R): R {
  refuseInStep('withSeed() was called', 'Call it between two steps');
  checkInteger(seed, 'seed');
  if (typeof (body as unknown) !== 'function') throw new ArgumentError(expected('a function', 'body', body));
  return scopes.run(makeScope(seed), body);
}

/**
 * A seed that follows from another one and from where it is used, such as a trial's or a fold's: the same for the same arguments, independent of
 * all others, whatever order they are asked for in.
 *
 * @param seed - A safe integer.
 * @param path - Names and numbers that tell the use, such as `'trial', 12`.
 * @returns An integer from 0 to 2⁵³ − 1.
 * @throws {@link ArgumentError} for another seed, or parts that are neither texts nor whole numbers.
 * @example
 * ```ts
 * import { deriveSeed } from 'nodegrad';
 * deriveSeed(7, 'trial', 12) === deriveSeed(7, 'trial', 12); // true
 * ```
 */
export function deriveSeed(seed: number, ...path: readonly (string | number)[]): number {
  for (const [i, part] of path.entries()) if (typeof part !== 'string') checkInteger(part, `path[${i}]`);
  return new Random(seed, `seed:${JSON.stringify(path)}`).uniform53() * 2 ** 53;
}

/**
 * The seed in force, see {@link setSeed} and {@link withSeed}.
 *
 * @example
 * ```ts
 * import { getSeed, setSeed } from 'nodegrad';
 * setSeed(7);
 * getSeed(); // 7
 * ```
 */
export function getSeed(): number {
  return scope().seed;
}

/**
 * The generator that {@link setSeed} restarts, and that every {@link withSeed} has anew; ops that need fresh numbers at each call (dropout)
 * reserve words from it.
 *
 * @example
 * ```ts
 * import { defaultRandom, setSeed } from 'nodegrad';
 * setSeed(7);
 * defaultRandom().uniform(); // the same number after every setSeed(7)
 * ```
 */
export function defaultRandom(): Random {
  reads(generator, generator);
  return scope().random;
}

/** @internal When a layer or a parameter was made: the seed in force, the number of its {@link setSeed}, and how many were made since. */
export type Birth = Readonly<Record<'seed' | 'era' | 'number', number>>;

/** @internal Counts a layer or a parameter that is being made. */
export function noteBirth(): Birth {
  makes(noteBirth, 'a layer or a parameter');
  const here = scope();
  return { seed: here.seed, era: here.era, number: here.made++ };
}
