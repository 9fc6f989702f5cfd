// Training and evaluation modes that come back as they were.

import { performance } from 'node:perf_hooks';
import { setImmediate } from 'node:timers';
import type { AnyLayer } from '../layers/layer.js';

/** The mode of every layer now; calling the result puts it back. */
export function rememberModes(model: AnyLayer): () => void {
  const modes = [...model.namedLayers().values()].map((layer) => [layer, layer.training] as const);
  // Parents come first, because train() reaches everything inside a layer, and mostly that is all.
  return () => {
    for (const [layer, training] of modes) if (layer.training !== training) layer.train(training);
  };
}

/** A turn of the event loop for whatever waits there. */
export const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

const sliceMilliseconds = 8;
let lastTurn = performance.now();

/**
 * Gives the event loop a turn when the last one is some milliseconds ago, so that timers, signals and servers go on during a run. All share that one: who
 * awaits one short call after the other would hold it up, too.
 */
export class Breather {
  /** A promise when it is time for a turn. */
  pause(): Promise<void> | undefined {
    if (performance.now() - lastTurn < sliceMilliseconds) return undefined;
    return turn().then(() => {
      lastTurn = performance.now();
    });
  }
}
