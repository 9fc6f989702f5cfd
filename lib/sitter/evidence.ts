// What rules see of a run: what was asked for, data, looks at the model, losses, epochs; and what a rule is.

import type { EpochRecord } from '../training/history.js';
import type { NonFinitePlace } from '../training/errors.js';
import type { LossCurve } from './curve.js';
import type { DataFacts } from './data-facts.js';
import type { Diagnosis, FindingId } from './finding.js';
import type { Look } from './look.js';
import type { Probe } from './probe.js';
import type { SplitFacts } from './splits.js';

/** What was asked for. */
export interface Setup {
  /** Class of the loss. */
  readonly loss: string;
  /** Class of the optimizer. */
  readonly optimizer: string;
  /** Learning rate now. */
  readonly lr: number;
  /** Whether a schedule says what it will be. */
  readonly isScheduled: boolean;
  /** Momentum of its gradients; 0 where there is none. */
  readonly momentum: number;
  /** Examples per step. */
  readonly batchSize: number;
  /** Epochs to run. */
  readonly epochs: number;
  /** Steps in an epoch. */
  readonly stepsPerEpoch: number;
  /** Whether the order of the examples is drawn anew in each epoch; null where nobody said. */
  readonly shuffle: boolean | null;
  /** Whether something ends the run when validation gets no better. */
  readonly stopsEarly: boolean;
  /** Weight decay; 0 for none. */
  readonly weightDecay: number;
  /** Whether regularizers keep weights small. */
  readonly isRegularized: boolean;
  /** Largest norm that gradients keep; null for any. */
  readonly maxGradNorm: number | null;
  /** Whether no optimizer has moved the model yet. */
  readonly isBlank: boolean;
  /** Whether most weights in training were loaded, and not drawn: fine-tuning goes in small steps on purpose. */
  readonly isTuned: boolean;
  /** Layers by path: their classes, and what a rule asks of them. */
  readonly layers: readonly LayerFacts[];
}

/** What else a run is given that rules want to know. */
export type Beside = Pick<Setup, 'stopsEarly' | 'isRegularized' | 'maxGradNorm'>;

/** A layer. */
export interface LayerFacts {
  /** Its path. */
  readonly path: string;
  /** Its class. */
  readonly type: string;
  /** Share that a dropout layer drops; 0 for others. */
  readonly dropout: number;
  /** Whether it is a batch norm that is frozen on the statistics that it was made with. */
  readonly isFrozenNorm: boolean;
  /** Whether it has weights that are frozen beside a bias of 0, as layers are made. */
  readonly isFrozenAsMade: boolean;
}

/** How far weights went between two moments. */
export interface Movement {
  /** Steps in between. */
  readonly steps: number;
  /** Learning rate at the first of them. */
  readonly lr: number;
  /** By weight: how far it went, by its own norm, and as the root mean square over its numbers. */
  readonly weights: readonly { readonly path: string; readonly ratio: number; readonly distance: number }[];
}

/** A run, or one to come, as rules see it. */
export interface Evidence {
  /** Before the first step, after an epoch, at the end, or after a number that is not finite. */
  readonly moment: 'before' | 'epoch' | 'end' | 'failure';
  /** Epochs completed, and steps. */
  readonly epoch: number;
  readonly step: number;
  readonly setup: Setup;
  /** Loss of the best constant prediction; NaN where nobody can say. */
  readonly chance: number;
  readonly data: DataFacts | null;
  readonly validation: DataFacts | null;
  readonly splits: SplitFacts | null;
  /** What plain learners make of the training data; they are asked when somebody wants to know. Null where they cannot be asked. */
  readonly probe: () => Probe | null;
  /** Before the first step. */
  readonly start: Look | null;
  /** Now; the same as `start` before the first step. */
  readonly now: Look | null;
  readonly losses: LossCurve | null;
  readonly epochs: readonly EpochRecord[];
  /** Since the first step. */
  readonly movement: Movement | null;
  /** Where a number was not finite, and what the run said of it. */
  readonly failure: { readonly place: NonFinitePlace; readonly message: string } | null;
}

/** What a rule needs: without it, it is not asked. */
export type Need = 'data' | 'validation' | 'splits' | 'start' | 'now' | 'losses' | 'epochs' | 'movement' | 'failure';

/** Evidence with what a rule needs. */
export type With<N extends Need> = Evidence & { readonly [K in N]: NonNullable<Evidence[K]> };

/** What a rule thinks, before causes and symptoms are put together. */
export interface Suspicion extends Diagnosis {
  /** Often harmless: said only where a symptom shows that it may explain. */
  readonly isMild?: boolean;
  /** Seen by itself, whatever else is wrong: these alone explain it. */
  readonly onlyBy?: readonly FindingId[];
}

/** One way in which runs go wrong. */
export interface Rule {
  /** What it may find. */
  readonly ids: readonly FindingId[];
  /** What it looks at. */
  readonly needs: readonly Need[];
  /** Course rows, papers. */
  readonly source: string;
  /** Its numbers by name. */
  readonly thresholds: Readonly<Record<string, number>>;
  /** What it thinks of a run. */
  readonly judge: (evidence: Evidence) => readonly Suspicion[];
}

/** Declares a rule; `judge` gets what it needs. */
export function rule<N extends Need, T extends Record<string, number>>(definition: {
  readonly ids: readonly FindingId[];
  readonly needs: readonly N[];
  readonly source: string;
  readonly thresholds: T;
  readonly judge: (evidence: With<N>, thresholds: T) => Suspicion | readonly (Suspicion | null)[] | null;
}): Rule {
  const { ids, needs, source, thresholds, judge } = definition;
  return Object.freeze({
    ids,
    needs,
    source,
    thresholds,
    judge: (evidence: Evidence) => {
      if (needs.some((need) => evidence[need] === null)) return [];
      // A loss below zero has no scale: what is three times as much, or half of that of a constant guess, nobody can say.
      if (needs.includes('losses' as N) && (evidence.losses?.lowest ?? 0) < 0) return [];
      const found = judge(evidence as With<N>, thresholds);
      return (Array.isArray(found) ? (found as (Suspicion | null)[]) : [found as Suspicion | null]).filter((one) => one !== null);
    },
  });
}

/** What a loss is measured by: that of the best constant prediction, or where nobody knows it the first one. */
export function baselineOf({ chance, start, losses }: Evidence): number {
  return Number.isFinite(chance) ? chance : (start?.loss ?? losses?.first ?? Number.NaN);
}

/** Whether so far nothing has been learned to speak of. */
export function isStuck(evidence: Evidence, share = 0.95): boolean {
  const { losses, now } = evidence;
  const loss = losses !== null && losses.points.length > 0 ? losses.latest : (now?.loss ?? Number.NaN);
  return loss >= share * baselineOf(evidence);
}

/** A number as people write it. */
export const short = (value: number): string => {
  const size = Math.abs(value);
  return size === 0 || (size >= 1e-3 && size < 1e5) ? String(Number(value.toPrecision(3))) : value.toExponential(1);
};

/** Two numbers as people write them, with as many digits as it takes to tell them apart. */
export function shortApart(a: number, b: number): readonly [string, string] {
  if (short(a) !== short(b)) return [short(a), short(b)];
  const texts = [4, 5, 6, 7].map((digits) => [a.toPrecision(digits), b.toPrecision(digits)] as const);
  return texts.find(([one, other]) => one !== other) ?? [short(a), short(b)];
}

/** A learning rate as people write it: what a schedule gives has sixteen digits. */
export const rateText = (lr: number): string => String(Number(lr.toPrecision(3)));

/** The share as a percentage. */
export const percent = (share: number): string => `${Number((100 * share).toPrecision(3))} %`;
