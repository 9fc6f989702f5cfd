// Scores on validation data after an epoch, with errors that say whose data do not fit.

import type { AnyDataset } from '../data/dataset.js';
import type { ProcessGroup } from '../distributed/process-group.js';
import type { AnyLayer } from '../layers/layer.js';
import { type EvaluateOptions, evaluateSeen } from './evaluate.js';
import type { Scores } from './history.js';
import { inValidation } from './preflight.js';

/** Scores of a model on validation data as it sees them, computed by all processes of a group together; undefined without data. Batches are large: no gradient is kept. `aborted` makes the error of an abort. */
export async function validate(
  model: AnyLayer,
  validation: AnyDataset | undefined,
  options: EvaluateOptions,
  group: ProcessGroup | undefined,
  aborted: () => Error,
): Promise<Scores | undefined> {
  if (validation === undefined) return undefined;
  try {
    const batchSize = Math.max(256, options.batchSize ?? 0);
    return await evaluateSeen(model, validation, { ...options, batchSize, progress: false }, group);
  } catch (error) {
    throw options.signal?.aborted ? aborted() : inValidation(error, validation);
  }
}
