// The file that `nodegrad search` reads: options of `train`, and ranges for some of them. What is wrong is said with its line and column.

import { readFileSync } from 'node:fs';
import { Command, CommanderError } from 'commander';
import type { Node, Pair, ParsedNode, YAMLMap } from 'yaml';
import { ArgumentError, NodegradError } from '../errors.js';
import { refusal } from '../io/atomic.js';
import { GridSearch, ManualSearch } from '../search/fixed.js';
import { Asha, Hyperband, SuccessiveHalving } from '../search/halving.js';
import { SobolSearch } from '../search/sobol.js';
import { type Dimension, NumberRange, type Plain, type Space, checkSpace, space as make } from '../search/space.js';
import { CoarseToFine } from '../search/stages.js';
import { RandomSearch, type Strategy } from '../search/strategy.js';
import { TpeSearch } from '../search/tpe.js';
import { type GivenOptions, addTrainOptions } from './options.js';

/** What the file says. */
export interface SearchConfig {
  /** Options that all trials have in common, as words for `train`. */
  readonly words: readonly string[];
  readonly space: Space;
  readonly strategy: Strategy;
  readonly trials?: number;
  readonly seed: number;
  readonly parallel: number;
  readonly score: 'accuracy' | 'loss' | null;
  /** Share of the training data that judges the trials. */
  readonly validation: number;
}

/** Options that may be searched. */
const searchable = ['model', 'hidden', 'optimizer', 'lr', 'schedule', 'epochs', 'batch-size', 'weight-decay', 'max-grad-norm'];
/** Options of `train` that make no sense for many runs at once. */
const unfit = ['run-dir', 'checkpoint-dir', 'checkpoint-every', 'resume', 'report', 'watch', 'tensorboard', 'json', 'help'];
const own = ['search', 'strategy', 'trials', 'score', 'validation', 'parallel', 'seed'];
const kinds = ['uniform', 'log-uniform', 'integer', 'log-integer', 'choice'];
const defaultValidation = 0.1;

const strategies: Readonly<Record<string, (options: never) => Strategy>> = {
  random: () => new RandomSearch(),
  grid: (options) => new GridSearch(options),
  sobol: () => new SobolSearch(),
  tpe: (options) => new TpeSearch(options),
  'coarse-to-fine': (options) => new CoarseToFine(options),
  'successive-halving': (options) => new SuccessiveHalving(options),
  hyperband: (options) => new Hyperband(options),
  asha: (options) => new Asha(options),
  manual: ({ list }: { list: never }) => new ManualSearch(list),
};

/** Those that say how long a trial goes. */
const hasBudget: ReadonlySet<string> = new Set(['successive-halving', 'hyperband', 'asha']);

const camel = (name: string): string => name.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase());

/** The name of a flag as a parameter is called: `batch-size` as `batchSize`. */
const flagOf = (parameter: string): string => parameter.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);

/** An option and its value as a word for `train`. */
export function wordOf(parameter: string, value: unknown): string {
  const flag = flagOf(parameter);
  if (typeof value === 'boolean') return value ? `--${flag}` : `--no-${flag}`;
  if (Array.isArray(value)) return `--${flag}=${value.join(',')}`;
  const isMap = typeof value === 'object' && value !== null;
  return `--${flag}=${isMap ? Object.entries(value).map(([name, kind]) => `${name}=${kind}`) : value}`;
}

/**
 * The options that words stand for.
 *
 * @throws {ArgumentError} for one that is unknown or wrong
 */
export function optionsOf(words: readonly string[]): GivenOptions {
  const command = addTrainOptions(new Command('train'))
    .exitOverride()
    .configureOutput({ writeErr: () => {} });
  try {
    return command.parse(words, { from: 'user' }).opts<GivenOptions>();
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    throw new ArgumentError(error.message.replace(/^error: /, '').replace(/'--([\w-]+)[^']*' argument /, "'$1' "));
  }
}

/**
 * Reads a file.
 *
 * @throws {ArgumentError} for anything wrong in it, with its place
 */
export async function readSearchConfig(path: string): Promise<SearchConfig> {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw refusal('a file with ranges to search (.yaml)', path, error);
  }
  const { LineCounter, isMap, isScalar, parseDocument } = await import('yaml');
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });

  const fail = (offset: number, message: string): never => {
    const { line, col } = lines.linePos(offset);
    throw new ArgumentError(`${path}:${line}:${col}: ${message}`);
  };
  const failAt = (node: unknown, message: string): never => fail((node as Node | null)?.range?.[0] ?? 0, message);
  /** Runs what may refuse a value, and says where the value stands. */
  const at = <T>(node: unknown, body: () => T): T => {
    try {
      return body();
    } catch (error) {
      if (!(error instanceof NodegradError)) throw error;
      return failAt(node, error.message);
    }
  };
  const entries = (node: unknown, what: string): [name: string, value: ParsedNode | null, key: Node][] => {
    if (!isMap(node)) return failAt(node, `expected ${what}`);
    return (node as YAMLMap).items.map(({ key, value }: Pair) => {
      if (!isScalar(key)) return failAt(key, 'expected a name');
      return [String(key.value), value as ParsedNode | null, key];
    });
  };
  const plain = (node: ParsedNode | null): unknown => node?.toJS(document) ?? null;

  if (document.errors.length > 0) fail(document.errors[0].pos[0], document.errors[0].message);
  const root = entries(document.contents, 'options of `train` and `search`, each on a line of its own');
  const known = new Set(addTrainOptions(new Command()).options.map(({ long }) => long?.replace(/^--(no-)?/, '') ?? ''));
  for (const name of unfit) known.delete(name);
  const words: string[] = [];
  for (const [name, value, key] of root) {
    if (own.includes(name)) continue;
    if (!known.has(name)) failAt(key, `'${name}' is no option here; known: ${[...new Set([...own, ...known])].sort().join(', ')}`);
    words.push(at(value ?? key, () => checkedWord(name, plain(value))));
  }
  const part = (name: string): [ParsedNode | null, Node | null] => {
    const [, value, key] = root.find(([other]) => other === name) ?? [name, null, null];
    return [value, key];
  };

  const dimensionOf = (name: string, node: ParsedNode | null, key: Node): Dimension => {
    if (!searchable.includes(name)) failAt(key, `'${name}' cannot be searched; what can: ${searchable.join(', ')}`);
    const parts = entries(node ?? key, `a range or a choice, such as { log-uniform: [1e-5, 1e-1] }, of '${name}'`);
    const chosen = parts.filter(([kind]) => kind !== 'when');
    const [kind, value, kindKey] = chosen[0] ?? ['', null, key];
    if (chosen.length !== 1 || !kinds.includes(kind)) failAt(kindKey, `expected one of ${kinds.join(', ')} for '${name}'`);
    const given = plain(value);
    if (!Array.isArray(given) || (kind !== 'choice' && given.length !== 2))
      failAt(value ?? kindKey, kind === 'choice' ? `expected a list of choices for '${name}'` : `expected [low, high] for '${name}'`);
    const list = given as Plain[];
    const dimension = at(value, () =>
      kind === 'choice' ? make.choice(list) : make[camel(kind) as 'uniform'](list[0] as number, list[1] as number),
    );
    const ends = dimension instanceof NumberRange ? [dimension.low, dimension.high] : list;
    for (const [i, end] of ends.entries()) at((value as unknown as { items?: unknown[] }).items?.[i] ?? value, () => checkedWord(name, end));
    const condition = parts.find(([other]) => other === 'when');
    if (condition === undefined) return dimension;
    const wanted = entries(condition[1] ?? condition[2], "a condition, such as { optimizer: momentum }, behind 'when'");
    if (wanted.length !== 1) failAt(condition[1] ?? condition[2], `expected one condition for '${name}'`);
    return at(condition[1], () => make.when(camel(wanted[0][0]), plain(wanted[0][1]) as Plain, dimension as Dimension));
  };
  const [searchNode, searchKey] = part('search');
  if (searchKey === null) fail(0, "there is nothing to search: 'search' names options of `train` and their ranges");
  const dimensions: Record<string, Dimension> = {};
  for (const [name, node, key] of entries(
    searchNode ?? searchKey,
    "ranges by option, such as lr: { log-uniform: [1e-5, 1e-1] }, below 'search'",
  )) {
    if (words.some((word) => word.startsWith(`--${name}=`))) failAt(key, `'${name}' is searched, and has a value of its own above`);
    dimensions[camel(name)] = dimensionOf(name, node, key);
    // One after the other: what a condition names must stand before it.
    const condition = isMap(node) ? node.get('when', true) : undefined;
    at(condition ?? key, () => checkSpace(dimensions));
  }
  const space = checkSpace(dimensions);

  const whole = (name: string): number | undefined => {
    const [node, key] = part(name);
    if (key === null) return undefined;
    const value = plain(node);
    if (typeof value !== 'number' || !Number.isSafeInteger(value) || (name !== 'seed' && value < 1))
      return failAt(node ?? key, `expected a whole number${name === 'seed' ? '' : ', at least 1,'} for '${name}'`);
    return value;
  };
  const strategyOf = (): Strategy => {
    const [node, key] = part('strategy');
    if (key === null) return new RandomSearch();
    const { name, ...options } = isMap(node) ? (plain(node) as Record<string, unknown>) : { name: plain(node) };
    const create = strategies[String(name)];
    if (create === undefined) return failAt(node ?? key, `expected one of ${Object.keys(strategies).join(', ')} for 'strategy'`);
    if (hasBudget.has(String(name)) && options['budget'] === undefined) {
      const example = `strategy: { name: ${name}, budget: 27 }`;
      return failAt(node ?? key, `'${name}' needs a budget, the epochs that a trial may have at most, such as ${example}`);
    }
    const inCamel = Object.fromEntries(Object.entries(options).map(([option, value]) => [camel(option), value]));
    return at(node ?? key, () => {
      const strategy = create(inCamel as never);
      strategy.check(space);
      return strategy;
    });
  };
  const strategy = strategyOf();
  const trials = whole('trials');
  if (trials === undefined && strategy.trialsIn(space) === null) failAt(document.contents, "'trials' says how many there are to be");
  const [scoreNode, scoreKey] = part('score');
  const score = plain(scoreNode);
  if (scoreKey !== null && score !== 'accuracy' && score !== 'loss') failAt(scoreNode ?? scoreKey, "expected accuracy or loss for 'score'");
  const [shareNode, shareKey] = part('validation');
  const validation = shareKey === null ? defaultValidation : plain(shareNode);
  if (typeof validation !== 'number' || !(validation > 0 && validation < 1))
    return failAt(shareNode ?? shareKey, "expected a share between 0 and 1 for 'validation'");
  return {
    words,
    space,
    strategy,
    trials,
    seed: whole('seed') ?? 1,
    parallel: whole('parallel') ?? 1,
    score: score as SearchConfig['score'],
    validation,
  };
}

/** The word of an option, after it was read as `train` reads it. */
function checkedWord(name: string, value: unknown): string {
  if (value === null) throw new ArgumentError(`expected a value for '${name}'`);
  const word = wordOf(name, value);
  optionsOf([word]);
  return word;
}
