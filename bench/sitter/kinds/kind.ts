// What a kind of fault is, and the hands that put it into a program. Nothing in this folder knows how the sitter looks for faults.

import type { FindingId } from '../../../lib/sitter/finding.js';
import type { Base } from '../bases.js';
import type { Case } from '../cases.js';
import type { Activation, LayerSpec } from '../layers.js';
import type { DataFault } from '../data/prepare.js';
import type { OptimizerSpec, Program } from '../program.js';

/** Groups of faults, by the words of public sets, and two of our own. */
export type Group =
  | 'activation'
  | 'loss'
  | 'learning rate'
  | 'epochs'
  | 'optimizer'
  | 'missing preprocessing'
  | 'wrong preprocessing'
  | 'layers'
  | 'batch size'
  | 'initialization'
  | 'data'
  | 'modes';

/** A kind of fault. */
export interface Kind {
  readonly name: string;
  readonly group: Group;
  /** How many single faults of this kind there are. */
  readonly count: number;
  readonly accepts: readonly FindingId[];
  readonly suits: (base: Base, name: string) => boolean;
  /** What the healthy form has, too. */
  readonly before?: (program: Program) => Program;
  readonly into: (program: Program) => Program;
  readonly shows?: Case['shows'];
}

// ---- Hands that change a program ----

export const endsWith = (program: Program, activation: Activation, loss = program.loss): Program => ({
  ...program,
  loss,
  layers: [...program.layers, activation],
});

export const hidden = (program: Program, change: (layer: LayerSpec) => readonly LayerSpec[]): Program => ({
  ...program,
  layers: [...program.layers.slice(0, -1).flatMap(change), ...program.layers.slice(-1)],
});

export const withOutputs = (program: Program, units: number): Program => ({
  ...program,
  layers: [...program.layers.slice(0, -1), { linear: units }],
});
export const atRate = (program: Program, factor: number): Program => ({
  ...program,
  optimizer: { ...program.optimizer, lr: program.optimizer.lr * factor },
});
export const by = (program: Program, optimizer: OptimizerSpec): Program => ({ ...program, optimizer });
export const withData = (program: Program, fault: DataFault): Program => ({ ...program, dataFaults: [...(program.dataFaults ?? []), fault] });
export const withHidden = (program: Program, layers: readonly LayerSpec[]): Program => ({
  ...program,
  layers: [...program.layers.filter((layer) => layer === 'flatten'), ...layers, ...program.layers.slice(-1)],
});
export const repeated = (count: number, units: number, activation: Activation): LayerSpec[] =>
  Array.from({ length: count }, (): LayerSpec[] => [{ linear: units }, activation]).flat();

// ---- Which programs ----

export const kind =
  (...kinds: Base['kind'][]) =>
  (base: Base): boolean =>
    kinds.includes(base.kind);
export const net =
  (...nets: Base['net'][]) =>
  (base: Base): boolean =>
    nets.includes(base.net);
export const named =
  (...names: string[]) =>
  (_: Base, name: string): boolean =>
    names.includes(name);
export const any = (): boolean => true;
export const isClasses = kind('one', 'several');
export const raw = (base: Base): boolean => base.isRaw === true;

// ---- What names them ----

export const tooHigh: FindingId[] = ['learning-rate-too-high', 'loss-exploded', 'non-finite', 'oscillation', 'exploding-gradients'];
export const tooLow: FindingId[] = ['learning-rate-too-low', 'stopped-too-early', 'underfitting'];
