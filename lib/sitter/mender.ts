// What mends a run: it goes back to the last good state, lowers the learning rate or clips the gradients, and writes down each change.

import type { OptimizerState } from '../optimizers/optimizer.js';
import { ScaledSchedule } from '../schedules/scaled.js';
import type { Scheduled } from '../schedules/schedule.js';
import type { AnyTensor } from '../tensor.js';
import type { TrainingRun } from '../training/callbacks.js';
import type { NonFinitePlace } from '../training/errors.js';
import { tensorsUnder } from '../training/run-state.js';
import type { Finding, FindingId } from './finding.js';
import { type Snapshot, prefixed, putBack, snapshotOf } from './snapshot.js';

/** What it can do something about: said again where a change did not help. */
export const mendable: ReadonlySet<FindingId> = new Set([
  'learning-rate-too-high',
  'loss-exploded',
  'non-finite',
  'oscillation',
  'dead-units',
  'exploding-gradients',
]);

/** How often a run may be mended. */
const mostFixes = 4;

/** What it keeps of a run, for checkpoints; the tensors go beside it. */
export interface MenderState {
  /** Changes so far. */
  readonly fixes: number;
  /** Completed epochs at the last good state. */
  readonly epochs: number;
  /** The optimizer there. */
  readonly optimizer: Omit<OptimizerState, 'tensors'>;
  /** Largest norm of the gradients now; null: as they are. */
  readonly maxGradNorm: number | null;
}

/** Mends one run after another. */
export class Mender {
  #fixes = 0;
  #kept: (Snapshot & { readonly epochs: number }) | null = null;

  /** Begins with a run as it stands. */
  begin(run: TrainingRun): void {
    this.#fixes = 0;
    this.keep(run);
  }

  /** Keeps where a run stands, as a place to go back to. */
  keep({ model, optimizer, history }: TrainingRun): void {
    this.#kept = { ...snapshotOf(model, optimizer), epochs: history.epochs.length };
  }

  /** Lets go of what it keeps. */
  end(): void {
    this.#kept = null;
  }

  /** Whether a run may be mended once more. */
  get isReady(): boolean {
    return this.#kept !== null && this.#fixes < mostFixes;
  }

  /** Whether another rate may help a run that met a number that is not finite: not where no update came before it since the state to go back to. */
  mayHelp({ optimizer }: TrainingRun, { what }: NonFinitePlace): boolean {
    if (this.#kept === null || !this.isReady) return false;
    // A gradient shows after the update that it went into.
    return what === 'parameter' || optimizer.steps - this.#kept.optimizer.step > Number(what === 'gradient');
  }

  /** Goes back and makes the change that one of these findings asks for; false where none does, or nothing is left to try. */
  mend(run: TrainingRun, findings: readonly Finding[]): boolean {
    if (!this.isReady) return false;
    for (const { id, change } of findings) {
      if (change?.kind === 'maxGradNorm') {
        this.#change(run, id, null, tighter(run, change.value));
        return true;
      }
      const factor = change?.kind === 'learningRate' ? change.value / run.optimizer.lr : Number.NaN;
      if (!(factor < 1)) continue;
      this.#change(run, id, factor);
      return true;
    }
    return false;
  }

  /** The same for a run that met a number that is not finite at the given rate: where nothing is advised, at a tenth of it. */
  recover(run: TrainingRun, lr: number, findings: readonly Finding[]): boolean {
    const clip = findings.find(({ change }) => change?.kind === 'maxGradNorm');
    if (clip !== undefined && run.maxGradNorm === undefined) return this.mend(run, [clip]);
    const advised = findings.map(({ change }) => (change?.kind === 'learningRate' ? change.value : Number.POSITIVE_INFINITY));
    const factor = Math.min(lr / 10, ...advised) / run.optimizer.lr;
    if (!(factor < 1)) return false;
    this.#change(run, 'non-finite', factor);
    return true;
  }

  /** Leaves a run that cannot be mended where it would go back to, with the rates of then. */
  giveUp({ model, optimizer }: TrainingRun): void {
    if (this.#kept !== null) putBack(this.#kept, model, optimizer);
  }

  /** What a checkpoint keeps; null where there is nothing to go back to. */
  stateDict({ maxGradNorm }: TrainingRun): MenderState | null {
    if (this.#kept === null) return null;
    const { tensors: _, ...optimizer } = this.#kept.optimizer;
    return { fixes: this.#fixes, epochs: this.#kept.epochs, optimizer, maxGradNorm: maxGradNorm ?? null };
  }

  /** The tensors beside it. */
  stateTensors(): Map<string, AnyTensor> {
    const { weights = new Map(), optimizer } = this.#kept ?? {};
    return new Map([...prefixed('model.', weights), ...prefixed('optimizer.', optimizer?.tensors ?? new Map())]);
  }

  /** Goes on where both were taken. */
  loadStateDict({ fixes, epochs, optimizer, maxGradNorm }: MenderState, tensors: ReadonlyMap<string, AnyTensor>, run: TrainingRun): void {
    this.#fixes = fixes;
    run.maxGradNorm = maxGradNorm ?? undefined;
    this.#kept = {
      weights: tensorsUnder(tensors, 'model.'),
      optimizer: { ...optimizer, tensors: tensorsUnder(tensors, 'optimizer.') },
      epochs,
    };
  }

  #change(run: TrainingRun, id: FindingId, factor: number | null, maxGradNorm?: number): void {
    const kept = this.#kept as Snapshot & { epochs: number };
    const { groups } = run.optimizer;
    const rates = groups.map(({ options }) => options.lr);
    putBack(kept, run.model, run.optimizer);
    // By one factor: groups may have rates of their own, and a schedule keeps its shape. What was kept has the rates of then.
    const share = factor === null ? 1 : sharpened(rates[0], factor);
    for (const [i, { options }] of groups.entries()) options.lr = scaled(rates[i], share);
    if (maxGradNorm !== undefined) run.maxGradNorm = maxGradNorm;
    this.#fixes += 1;
    const what = maxGradNorm === undefined ? loweredText(rates[0], share) : `clipped the gradients to a norm of ${maxGradNorm}`;
    const text = `went back to the beginning of epoch ${kept.epochs + 1}, and ${what} (${id})`;
    run.history.fixes.push(text);
    run.record({ type: 'fix', text });
    run.note(`sitter: ${text}`);
  }
}

/** Two digits are enough for a rate, a factor, a norm. */
const rounded = (value: number): number => Number(value.toPrecision(2));

/** A factor that makes a number of two digits of the first rate. */
const sharpened = (rate: Scheduled, factor: number): number => (typeof rate === 'number' ? rounded(rate * factor) / rate : rounded(factor));

function scaled(rate: Scheduled, factor: number): Scheduled {
  // Without what rounding adds: 0.03, and not 0.030000000000000002.
  if (typeof rate === 'number') return Number((rate * factor).toPrecision(15));
  const [inner, before] = rate instanceof ScaledSchedule ? [rate.inner, rate.factor] : [rate, 1];
  return factor === 1 ? rate : new ScaledSchedule(inner, { factor: before * factor });
}

function loweredText(rate: Scheduled, factor: number): string {
  if (typeof rate === 'number') return `lowered the learning rate from ${rate} to ${rounded(rate * factor)}`;
  const { name } = (rate instanceof ScaledSchedule ? rate.inner : rate).constructor;
  return `lowered the learning rates of ${name} to ${factor} of what they were`;
}

/** What is advised, or a tenth of what is in force. */
const tighter = ({ maxGradNorm }: TrainingRun, advised: number): number =>
  rounded(maxGradNorm === undefined || maxGradNorm > advised ? advised : maxGradNorm / 10);
