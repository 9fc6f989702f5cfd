// What a run says of itself as a whole: what it set out with and where, what memory its steps take, and how it ended.

import { largeArena } from '../program/program.js';
import { type CompiledStep, type CompileOptions, compileStep, stepPrograms } from '../program/step.js';
import { info } from '../runtime.js';
import { plainOptions } from '../schedules/schedule.js';
import type { TensorTree } from '../tree.js';
import type { TrainingRun } from './callbacks.js';
import type { Resumption } from './checkpoint.js';
import type { History } from './history.js';
import type { StepResult, TrainStep } from './train-step.js';

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

/** A compiled step that says, before it first runs, how much memory its intermediate results take: to the log, and where it is much as a note. */
export function compileReported(
  step: TrainStep,
  options: CompileOptions,
  run: Pick<TrainingRun, 'record' | 'note'>,
): CompiledStep<TensorTree[], StepResult> {
  const compiled = compileStep(step as (...batch: TensorTree[]) => StepResult, options);
  stepPrograms(compiled).onProgram = (arenaBytes) => {
    run.record({ type: 'memory', arenaBytes });
    const note = largeArena(arenaBytes);
    if (note !== null) run.note(note);
  };
  return compiled;
}

/** The last line. */
export function runEnd({ outcome, history, step: steps }: TrainingRun, seconds: number, failure: unknown): Record<string, unknown> {
  const { message, code } = (failure ?? {}) as { message?: string; code?: string };
  // By which instructions products of bfloat16 were computed, where there were any.
  const bfloat16 = info().bfloat16.products ?? undefined;
  return { time: new Date(), outcome, stopped: history.stopped, steps, seconds, bfloat16, code, message };
}
