// What of a run is a user's own code: a recording cannot see what that takes from outside, and has to be compared with another one.

import type { AnyLayer } from '../layers/layer.js';
import type { Loss } from '../losses/loss.js';
import type { Metric } from '../metrics/metric.js';
import { isBuiltIn } from '../names.js';
import type { Optimizer } from '../optimizers/optimizer.js';
import type { Regularizer } from '../regularizers/regularizer.js';
import { type CompiledStep, type OwnCode, stepPrograms } from '../program/step.js';

/** Things that a step runs. */
export interface RecordedParts {
  readonly model: AnyLayer;
  readonly loss?: Loss;
  readonly optimizer?: Optimizer;
  readonly metrics?: readonly Metric[];
  readonly regularizers?: readonly Regularizer[];
}

/** The user's own among the parts of a step. */
export function ownCodeOf({ model, loss, optimizer, metrics = [], regularizers = [] }: RecordedParts): OwnCode {
  const parts: [name: string, part: object | undefined][] = [
    ...[...model.namedLayers()].map(([path, layer]): [string, object] => [path === '' ? 'the model' : `layer '${path}'`, layer]),
    ['the loss', loss],
    ['the optimizer', optimizer],
    ...metrics.map((metric): [string, object] => [`metric '${metric.name}'`, metric]),
    ...regularizers.map((one): [string, object] => ['a regularizer', one]),
  ];
  const own = parts.filter((part): part is [string, object] => part[1] !== undefined && !isBuiltIn(part[1]));
  return {
    isEmpty: own.length === 0,
    fields: () => new Map(own.flatMap(([name, part]) => plainFieldsOf(part).map(([field, value]) => [`\`${field}\` of ${name}`, value]))),
  };
}

/**
 * Has compiled steps compared with new recordings before they are used next, where a user's code may have changed what they took from it: there is
 * some in their parts, or around them (`isAround`).
 */
export function doubtRecordings(steps: readonly CompiledStep<never, unknown>[], parts: RecordedParts, isAround: boolean): void {
  const own = ownCodeOf(parts);
  if (own.isEmpty && !isAround) return;
  for (const step of steps) stepPrograms(step).doubt(own);
}

function plainFieldsOf(part: object): [name: string, value: unknown][] {
  return Object.entries(Object.getOwnPropertyDescriptors(part))
    .map(([name, { value }]): [string, unknown] => [name, value])
    .filter(([, value]) => ['number', 'string', 'boolean', 'bigint'].includes(typeof value));
}
