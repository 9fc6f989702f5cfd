// What the first and the last line of a run's log say: what it set out with and where, and how it ended.

import { info } from '../runtime.js';
import { plainOptions } from '../schedules/schedule.js';
import type { TrainingRun } from './callbacks.js';
import type { Resumption } from './checkpoint.js';
import type { History } from './history.js';

/** The header of a run. */
export function runHeader(
  { model, data, loss, optimizer, epochs, stepsPerEpoch, batchSize, history }: TrainingRun,
  seed: number,
  resumed: Resumption | null,
): Record<string, unknown> {
  const { version, node, platform, cpu, isa, numThreads } = info();
  return {
    time: new Date(),
    model: { type: model.constructor.name, parameters: model.parameterCount() },
    data: { name: data.name, examples: data.length },
    loss: loss.constructor.name,
    optimizer: {
      kind: optimizer.constructor.name,
      steps: optimizer.steps,
      groups: optimizer.groups.map(({ options }) => plainOptions(options)),
    },
    epochs,
    stepsPerEpoch,
    batchSize,
    seed,
    resumed: resumed ? { checkpoint: resumed.path, step: resumed.position.step, ...countsOf(history), damaged: resumed.damaged } : undefined,
    environment: { version, node, platform, cpu: cpu.brand, isa, numThreads },
  };
}

/** How much a run had written down that is taken up again. */
const countsOf = ({ epochs, findings, fixes }: History) => ({ epochs: epochs.length, findings: findings.length, fixes: fixes.length });

/** The last line. */
export function runEnd({ outcome, history, step: steps }: TrainingRun, seconds: number, failure: unknown): Record<string, unknown> {
  const { message, code } = (failure ?? {}) as { message?: string; code?: string };
  // By which instructions products of bfloat16 were computed, where there were any.
  const bfloat16 = info().bfloat16.products ?? undefined;
  return { time: new Date(), outcome, stopped: history.stopped, steps, seconds, bfloat16, code, message };
}
