// Which models are in training, and who asks something of them meanwhile: their own run, with its callbacks, or code beside it, which may lack an `await`.

import { AsyncLocalStorage } from 'node:async_hooks';
import { BusyError } from '../errors.js';
import type { AnyLayer } from '../layers/layer.js';

/** Models in training, each with what was warned of in its run. */
const underWay = new Map<AnyLayer, Set<string>>();
// It goes with a promise through every `await`: what a callback calls is inside of the run, what the caller of fit() does next is not.
const runs = new AsyncLocalStorage<readonly AnyLayer[]>();

const missing = 'If an `await` is missing before model.fit(…), put it there';

/**
 * Runs the training of a model, of which there is one at a time.
 *
 * @throws {BusyError} when the model is in training already.
 */
export async function inTraining<R>(model: AnyLayer, body: () => Promise<R>): Promise<R> {
  if (underWay.has(model)) throw new BusyError('this model is in training: wait for the fit() that is under way, or train a clone()');
  underWay.set(model, new Set());
  try {
    return await runs.run([...(runs.getStore() ?? []), model], body);
  } finally {
    underWay.delete(model);
    // While it is in use, every promise of the process costs three times as much in Node.js 20 (0.8 µs against 0.25).
    if (underWay.size === 0) runs.disable();
  }
}

/**
 * Refuses what changes a model under the feet of its training.
 *
 * @throws {BusyError}
 */
export function refuseInTraining(model: AnyLayer, what: string): void {
  if (underWay.has(model)) throw new BusyError(`this model is in training: ${what} changes it, and comes when its fit() has ended. ${missing}`);
}

/** Warns, once in a run, that code beside the training of a model gets it half trained; its callbacks know. */
export function warnInTraining(model: AnyLayer, what: string): void {
  const warned = underWay.get(model);
  if (warned === undefined || warned.has(what) || runs.getStore()?.includes(model)) return;
  warned.add(what);
  process.emitWarning(`${what} was called while this model is in training: it takes the weights as they are now, half trained. ${missing}`, {
    code: 'NODEGRAD_IN_TRAINING',
  });
}
