// Gathers what rules see before the first step: data, splits, layers, a first look, and the loss of a constant guess.

import { type AnyDataset, isInMemory } from '../data/dataset.js';
import type { AnyPair } from '../data/loader.js';
import { BatchNorm } from '../layers/batch-norm.js';
import type { AnyLayer } from '../layers/layer.js';
import { trainingOutputsOf } from '../layers/outputs.js';
import { isLoaded } from '../layers/state.js';
import type { Loss } from '../losses/loss.js';
import { isBuiltIn } from '../names.js';
import { log } from '../ops/elementwise.js';
import { trace } from '../ops/trace.js';
import { defaultRandom } from '../seed.js';
import { type AnyTensor, Tensor } from '../tensor.js';
import { EarlyStopping } from '../training/early-stopping.js';
import { rememberModes, turn } from '../training/modes.js';
import { randomsOf } from '../training/run-state.js';
import { type DataFacts, factsOf, once, sampleOf } from './data-facts.js';
import type { Beside, Evidence, LayerFacts, Setup } from './evidence.js';
import { type Look, type Subject, lookAt } from './look.js';
import { probe } from './probe.js';
import { compareSplits, inputsToCompare } from './splits.js';

/** How much is looked at. */
export interface Limits {
  /** Examples of each part whose numbers are looked at. */
  readonly examples: number;
  /** Numbers of these. */
  readonly numbers: number;
  /** Examples that go through the model. */
  readonly batch: number;
  /** Whether sets that make their batches themselves, from files or a database, are asked for more than those, and for validation. */
  readonly readsAll: boolean;
}

/** At the start of every fit. */
export const quick: Limits = { examples: 1024, numbers: 1 << 18, batch: 64, readsAll: false };
/** Where somebody asks. */
export const thorough: Limits = { examples: 4096, numbers: 1 << 22, batch: 256, readsAll: true };

/** What was gathered. */
export type Gathered = Pick<Evidence, 'data' | 'validation' | 'splits' | 'probe' | 'start' | 'chance'> & { readonly batch: AnyPair | null };

/** Gathers it, part by part between turns of the event loop; data as the model sees them. What cannot be read is left to the run, which says so better. */
export async function gather(
  subject: Subject,
  data: AnyDataset,
  validation: AnyDataset | undefined,
  limits: Limits,
  batchSize = limits.batch,
  onRefusal?: (error: unknown) => void,
): Promise<Gathered> {
  const mine = await look(data, isCheap(data, limits) ? limits : { ...limits, examples: limits.batch });
  const other = validation === undefined || !isCheap(validation, limits) ? null : await look(validation, limits);
  const count = mine === null ? 0 : examplesOf(subject, mine.sample, limits.batch, batchSize);
  const batch = mine === null ? null : await sampleOf(data, count, 1 << 20).catch(() => null);
  await turn();
  const start = batch === null ? null : await lookAt(subject, batch, null, onRefusal);
  await turn();
  return {
    data: mine?.facts ?? null,
    validation: other?.facts ?? null,
    splits: mine === null || other === null ? null : compareSplits(mine.facts, other.facts, inputsToCompare(data, mine.sample), other.sample),
    probe: once(() => (mine === null ? null : probe(mine.sample))),
    batch,
    start,
    chance: chanceOf(subject.loss, start, mine?.facts ?? null),
  };
}

/** Numbers that layers may put out in a look: as many as a batch of the run has, up to 256 MB of float32, and 64 MB in any case. */
const [mostOfBatch, mostAnyway] = [1 << 26, 1 << 24];

/** How many examples a look takes, by what the layers put out for one: a batch size is often chosen by memory. */
function examplesOf({ model }: Subject, [inputs]: AnyPair, most: number, batchSize: number): number {
  if (!(inputs instanceof Tensor) || inputs.rank === 0) return most;
  const { shape, dtype } = inputs as AnyTensor;
  const restore = rememberModes(model);
  const generators = [defaultRandom(), ...randomsOf(model).values()].map((random) => [random, random.state] as const);
  let numbers = 1;
  try {
    const execute = (_op: unknown, outputs: readonly AnyTensor[]): void => {
      for (const { size } of outputs) numbers += size;
    };
    trace([{ shape: [1, ...shape.slice(1)], dtype }], { execute, view() {} }, (x) => trainingOutputsOf(model, x));
  } catch {
    return Math.min(most, batchSize); // a model that looks at values
  } finally {
    for (const [random, state] of generators) random.state = state;
    restore();
  }
  return Math.max(1, Math.min(most, Math.floor(mostOfBatch / numbers), Math.max(batchSize, Math.floor(mostAnyway / numbers))));
}

/** Examples of which facts are gathered however large they are: of one or two, whatever they have in common looks like a fault. */
const fewestExamples = 16;

/** What is known without asking the data for anything. */
export function gatherNothing({ loss }: Subject): Gathered {
  return { data: null, validation: null, splits: null, probe: () => null, batch: null, start: null, chance: chanceOf(loss, null, null) };
}

const isCheap = (data: AnyDataset, { readsAll }: Limits): boolean => readsAll || isInMemory(data);

async function look(data: AnyDataset, { examples, numbers }: Limits): Promise<{ facts: DataFacts; sample: AnyPair } | null> {
  try {
    if (data.length === 0) return null;
    await turn();
    const sample = await sampleOf(data, examples, numbers, fewestExamples);
    await turn();
    return { facts: factsOf(data, sample), sample };
  } catch {
    return null;
  } finally {
    await turn();
  }
}

/**
 * The loss of the best constant prediction: for classes the entropy of their shares, for a squared error the variance of the targets. NaN
 * where that is not known.
 */
export function chanceOf(loss: Loss, start: Look | null, data: DataFacts | null): number {
  const targets = data?.targets ?? null;
  const { reduction } = loss as { reduction?: unknown };
  if (targets === null || !isBuiltIn(loss) || (reduction !== undefined && reduction !== 'mean')) return Number.NaN;
  switch (loss.constructor.name) {
    case 'CrossEntropyLoss':
    case 'NLLLoss': {
      const { classWeights } = loss as { classWeights?: unknown };
      if (data?.counts && classWeights === null) {
        const entropy = entropyOf([...data.counts.values()]);
        if (entropy > 0) return entropy;
      }
      return logarithm(Math.max(2, start?.shape.at(-1) ?? 2));
    }
    case 'BinaryCrossEntropyLoss': {
      const share = Math.min(1, Math.max(0, targets.mean));
      const { positiveWeight } = loss as { positiveWeight?: unknown };
      return positiveWeight === 1 && share > 0 && share < 1 ? entropyOf([share, 1 - share]) : Number.NaN;
    }
    case 'MSELoss':
      return targets.std > 0 ? targets.std * targets.std : Number.NaN;
    case 'L1Loss':
      // Of two values alike, it is their deviation; of a normal distribution √(2/π) of it.
      return targets.std > 0 ? (targets.distinct <= 2 ? 2 * targets.std * targets.std : 0.8 * targets.std) : Number.NaN;
    default:
      return Number.NaN;
  }
}

function entropyOf(counts: readonly number[]): number {
  const total = counts.reduce((sum, count) => sum + count, 0);
  return -counts.reduce((sum, count) => sum + (count > 0 ? (count / total) * logarithm(count / total) : 0), 0);
}

// Not that of the engine, which differs from one to the next.
const logarithm = (value: number): number => log(Tensor.from(Float64Array.of(value)) as never as Tensor).item();

/** Layers as rules see them. */
export function layersOf(model: AnyLayer): LayerFacts[] {
  return [...model.namedLayers()].map(([path, layer]) => {
    const type = layer.constructor.name;
    const { p } = layer as unknown as { p?: unknown };
    return {
      path,
      type,
      dropout: /Dropout/.test(type) && typeof p === 'number' ? p : 0,
      isFrozenNorm: layer instanceof BatchNorm && layer.frozen && isUntouched(layer),
      isFrozenAsMade: isFrozenAsMade(layer),
    };
  });
}

function isFrozenAsMade(layer: AnyLayer): boolean {
  const own: AnyTensor[] = [...layer.ownParameters().values()];
  const biases = own.filter(({ rank }) => rank === 1);
  const isFrozen = biases.length > 0 && own.some(({ rank }) => rank > 1) && own.every(({ requiresGrad }) => !requiresGrad);
  return isFrozen && biases.every(({ data }) => data.every((value: number) => value === 0));
}

function isUntouched({ runningMean, runningVar }: BatchNorm): boolean {
  if (runningMean === null || runningVar === null) return false;
  return runningMean.data.every((mean: number) => mean === 0) && runningVar.data.every((variance: number) => variance === 1);
}

/** What else the options of a run say; what is wrong with them, the run says. */
export function besideOf({
  callbacks,
  regularizers,
  maxGradNorm,
}: Readonly<Record<'callbacks' | 'regularizers' | 'maxGradNorm', unknown>>): Beside {
  return {
    stopsEarly: Array.isArray(callbacks) && callbacks.some((one) => one instanceof EarlyStopping),
    isRegularized: Array.isArray(regularizers) && regularizers.length > 0,
    maxGradNorm: typeof maxGradNorm === 'number' ? maxGradNorm : null,
  };
}

/** Whether most weights in training were loaded; the last layer that is made anew is one of many. */
export function isTuned(model: AnyLayer): boolean {
  const weights = model.parameters().filter(({ rank, requiresGrad }) => rank > 1 && requiresGrad);
  return weights.filter(isLoaded).length > weights.length / 2;
}

/** What was asked for, as rules see it. */
export function setupOf(
  subject: Subject,
  asked: Omit<Setup, 'loss' | 'optimizer' | 'lr' | 'isScheduled' | 'momentum' | 'weightDecay' | 'layers'>,
): Setup {
  const { model, loss, optimizer } = subject;
  const { lr, momentum, weightDecay } = (optimizer.groups[0]?.options ?? {}) as Partial<Record<'lr' | 'momentum' | 'weightDecay', unknown>>;
  return {
    ...asked,
    weightDecay: typeof weightDecay === 'number' ? weightDecay : 0,
    loss: loss.constructor.name,
    optimizer: optimizer.constructor.name,
    lr: optimizer.lr,
    isScheduled: typeof lr !== 'number',
    // One that changes from step to step is left to whoever set it so.
    momentum: typeof momentum === 'number' ? momentum : 0,
    layers: layersOf(model),
  };
}
