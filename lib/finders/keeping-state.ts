// Training for a trial: model, optimizer and generators are as before afterwards, whatever happened.

import type { AnyLayer } from '../layers/layer.js';
import { MSELoss } from '../losses/regression.js';
import type { Optimizer } from '../optimizers/optimizer.js';
import { History } from '../training/history.js';
import { captureRun, restoreRun } from '../training/run-state.js';

/** Runs `body` and puts everything back that a training changes. */
export async function keepingState<R>(model: AnyLayer, optimizer: Optimizer, body: () => Promise<R>): Promise<R> {
  model.prepare();
  const nothing = { metrics: [], regularizers: [], callbacks: [], validation: undefined, history: new History(), epochs: 0, settings: {} };
  const parts = { model, optimizer, loss: new MSELoss(), data: null as never, ...nothing };
  const rates = optimizer.groups.map(({ options }) => options.lr);
  const before = captureRun(parts, { step: 0, firstOrder: 0, seconds: 0, progress: null }, {});
  try {
    return await body();
  } finally {
    for (const [i, group] of optimizer.groups.entries()) group.options.lr = rates[i];
    restoreRun(parts, before);
    optimizer.zeroGrad();
  }
}
