// Finds where a number that is not finite came from: data, weights, the first layer that put it out, or the loss itself.

import type { AnyPair } from '../data/loader.js';
import { observeForward } from '../layers/forward.js';
import type { AnyLayer } from '../layers/layer.js';
import { trainingOutputsOf } from '../layers/outputs.js';
import type { Loss } from '../losses/loss.js';
import { isFloat } from '../dtype.js';
import { holdState } from '../ops/state.js';
import { sumSquares } from '../ops/statistics.js';
import { part, segmentsOf } from '../optimizers/memory.js';
import { type AnyTensor, Tensor, noGrad } from '../tensor.js';
import { tensorsOf } from '../tree.js';
import { TrainingNonFiniteError, type NonFinitePlace } from './errors.js';
import { type BatchPlace, nameExample } from './failed-batch.js';
import type { History } from './history.js';

/** Whether all numbers of a tensor are finite. */
export function allFinite(tensor: AnyTensor): boolean {
  if (!isFloat(tensor.dtype) || tensor.size === 0) return true;
  const [, nonFinite] = noGrad(() => sumSquares(tensor));
  return nonFinite.data[0] === 0;
}

/** Whether all parameters of a model are, in as few passes as their memory allows, and its buffers. */
export function allStateFinite(model: AnyLayer): boolean {
  const parameters = segmentsOf(model.parameters());
  return parameters.every(({ home, begin, end }) => allFinite(part(home.values, begin, end, home.dtype))) && inBuffers(model) === null;
}

/** Where a buffer is broken: it holds a NaN or Infinity. −Infinity alone is what masks hold. */
function brokenAt(buffer: AnyTensor): number {
  return allFinite(buffer) ? -1 : buffer.data.findIndex((value: number) => Number.isNaN(value) || value === Infinity);
}

/** Largest size of an element, for messages. */
function largest(tensor: AnyTensor): number {
  return noGrad(() => (tensor as Tensor).abs().max().item());
}

/** What is known when a run meets such a number. */
export interface Suspicion {
  model: AnyLayer;
  loss: Loss;
  /** The batch in hand; none after an epoch's last update. */
  batch: { pair: AnyPair; place: BatchPlace } | null;
  /** Updates that the optimizer has made. */
  updates: number;
  where: Pick<NonFinitePlace, 'epoch' | 'batch' | 'step' | 'lr'>;
  history: History;
}

/** Looks at the batch, the parameters, and each layer's output in a second forward pass, in this order; the first that is not finite is it. */
export function explainNonFinite(suspicion: Suspicion): TrainingNonFiniteError {
  const { what, path, text, advice } = inBatch(suspicion) ?? inParameters(suspicion) ?? inForward(suspicion);
  const { epoch, batch, step, lr } = suspicion.where;
  return new TrainingNonFiniteError(
    `${text} (epoch ${epoch}, batch ${batch}, step ${step}, learning rate ${Number(lr.toPrecision(3))}). ${advice}`,
    { what, path, ...suspicion.where },
    suspicion.history,
  );
}

interface Finding {
  what: NonFinitePlace['what'];
  path: string;
  text: string;
  advice: string;
}

const corners = 'a logarithm or root of 0, or a division by 0';

/** Numbers from which on inputs and targets are worth a look. */
const large = 100;

/** Inputs and targets of the batch that are too large, in words. */
function tooLarge({ batch }: Suspicion): string[] {
  const causes: string[] = [];
  for (const what of ['inputs', 'targets'] as const) {
    const tree = batch?.pair[what === 'inputs' ? 0 : 1];
    const tensors = tree === undefined ? [] : tensorsOf(tree, what).leaves.filter(({ size, dtype }) => size > 0 && isFloat(dtype));
    const most = Math.max(0, ...tensors.map(largest));
    if (most >= large) causes.push(`the ${what} reach ${most.toPrecision(3)}: scale them, for example to mean 0 and deviation 1`);
  }
  return causes;
}

/** What to look at before anything was learned, when a rate has moved nothing yet. */
const atFirst = (suspicion: Suspicion): string =>
  ['Nothing had been learned before, so it is not the learning rate', ...tooLarge(suspicion), `look for ${corners}`].join('; ');

/** What to try where the weights went too far: beside large inputs any usual rate is too high. */
function slower(suspicion: Suspicion): string {
  const lower = `try ${Number((suspicion.where.lr / 10).toPrecision(2))}`;
  const [first, ...rest] = tooLarge(suspicion);
  if (first === undefined) return `The learning rate is probably too high: ${lower}`;
  return [first.replace('the', 'The'), ...rest, `or a lower learning rate: ${lower}`].join('; ');
}

function inBatch({ batch }: Suspicion): Finding | null {
  if (batch === null) return null;
  const [inputs, targets, weights] = batch.pair;
  const parts = [
    ['input', inputs],
    ['target', targets],
    ['weight', weights],
  ] as const;
  const all = parts.flatMap(([what, tree]) =>
    tree === undefined ? [] : tensorsOf(tree, `${what}s`).leaves.map((tensor) => [what, tensor] as const),
  );
  for (const [what, tensor] of all) {
    if (allFinite(tensor)) continue;
    const width = Math.max(1, tensor.size / tensor.shape[0]);
    const at = tensor.data.findIndex((value: number) => !Number.isFinite(value));
    const example = Math.floor(at / width);
    return {
      what,
      path: '',
      text: `the ${what}s of the batch are not finite: ${nameExample(batch.place, example)}, example ${example} of the batch holds ${tensor.data[at]}`,
      advice: 'Check the data set and its preprocessing (a division by a zero spread, a missing value)',
    };
  }
  return null;
}

function inParameters(suspicion: Suspicion): Finding | null {
  const { model, updates } = suspicion;
  for (const [path, parameter] of model.namedParameters()) {
    if (allFinite(parameter)) continue;
    // The update of the step before made it; gradients stay until the next backward pass.
    const byGradient = parameter.grad !== null && !allFinite(parameter.grad);
    return {
      what: byGradient ? 'gradient' : 'parameter',
      path,
      text: byGradient
        ? `the gradient of parameter '${path}' was not finite, and so is the parameter since its last update`
        : `parameter '${path}' is not finite since its last update, though its gradient was`,
      // The update that broke it was the first one: its gradient came from a model that no update had touched.
      advice: !byGradient ? slower(suspicion) : updates <= 1 ? atFirst(suspicion) : `${slower(suspicion)}; or look for ${corners}`,
    };
  }
  return null;
}

// After an epoch there is no batch. A loss would not show it: what is normalized by an infinite variance is 0.
function inBuffers(model: AnyLayer): Finding | null {
  for (const [path, buffer] of model.namedBuffers()) {
    const at = brokenAt(buffer);
    if (at < 0) continue;
    return {
      what: 'buffer',
      path,
      text: `buffer '${path}' holds ${buffer.data[at]} at element ${at}: what its layer was given is too large for its statistics`,
      advice: 'Look for numbers in the data that stand for a missing value (such as −3.4e38), or whose squares overflow; this does not heal',
    };
  }
  return null;
}

function inForward(suspicion: Suspicion): Finding {
  const { model, loss, batch, updates } = suspicion;
  const advice = updates === 0 ? atFirst(suspicion) : slower(suspicion);
  let found: Finding | null = null;
  let before = Number.NaN;
  const look = (layer: AnyLayer, path: string, output: unknown): void => {
    if (found !== null || !(output instanceof Tensor)) return;
    if (allFinite(output)) {
      if (isFloat(output.dtype) && output.size > 0) before = largest(output);
      return;
    }
    found = {
      what: 'output',
      path,
      text: `the output of layer '${path}' (${layer.constructor.name}) is the first that is not finite${Number.isNaN(before) ? '' : `; what came before it reached ${before.toPrecision(3)}`}`,
      advice,
    };
  };
  // Looking must not move running statistics.
  if (batch !== null) observeForward(look as never, () => noGrad(() => holdState(() => trainingOutputsOf(model, batch.pair[0]))));
  return (
    found ??
    (batch === null ? inBuffers(model) : null) ?? {
      what: 'loss',
      path: '',
      text: `the loss (${loss.constructor.name}) is not finite, though all outputs of the model are${Number.isNaN(before) ? '' : `, up to ${before.toPrecision(3)}`}`,
      advice,
    }
  );
}
