// The table that `summary()` prints: layers, output shapes, parameters, multiply-accumulates and memory.

import { bytesOf } from '../dtype.js';
import { checkOptions } from '../errors.js';
import type { Parameter } from '../parameter.js';
import { type Costs, costsOf, inputShapeOf } from './costs.js';
import type { AnyLayer } from './layer.js';

/** Options of {@link Model.summary}. */
export interface SummaryOptions {
  /** Shape of one example, without the batch dimension. Adds columns of output shapes, multiply-accumulates and memory. */
  inputShape?: readonly number[];
}

export function summarize(model: AnyLayer, options: SummaryOptions): string {
  checkOptions(options, 'options', ['inputShape']);
  const shape = inputShapeOf(model, options.inputShape);
  const costs = shape === null ? null : costsOf(model, shape);
  const parameters = model.parameters();
  const trained = parameters.filter((parameter) => parameter.requiresGrad).reduce((sum, parameter) => sum + parameter.size, 0);
  const hasFrozen = parameters.some((parameter) => !parameter.isTrained);
  const rows: string[][] = [['layer', 'type', ...(costs ? ['output', 'mult-adds', 'memory'] : []), 'parameters', ...(hasFrozen ? [''] : [])]];
  for (const [path, layer] of model.namedLayers()) {
    if (path === '') continue;
    const own = [...layer.ownParameters().values()];
    const count = own.reduce((sum, { size }) => sum + size, 0);
    const state = hasFrozen ? [stateOf(own)] : [];
    rows.push([path, layer.constructor.name, ...(costs ? cellsOf(costs, path) : []), count === 0 ? '' : group(count), ...state]);
  }
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  const isNumber = (i: number): boolean => rows[0][i] === 'parameters' || (costs !== null && i > 2);
  const lines = rows.map((row) =>
    row
      .map((cell, i) => (isNumber(i) ? cell.padStart(widths[i]) : cell.padEnd(widths[i])))
      .join('  ')
      .trimEnd(),
  );
  lines.splice(1, 0, '-'.repeat(widths.reduce((sum, width) => sum + width + 2, -2)));
  lines.push(`${model.constructor.name}: ${group(model.parameterCount())} parameters, ${group(trained)} trained`);
  if (costs !== null) {
    const bytes = parameters.reduce((sum, parameter) => sum + parameter.size * bytesOf(parameter.dtype), 0);
    lines.push(
      `one example: ${group(costs.multiplyAccumulates)} multiply-accumulates, ${costs.weightLayers} weight layers, ` +
        `activations ${megabytes(costs.activations)}; parameters ${megabytes(bytes)}`,
    );
  }
  return lines.join('\n');
}

/** Whether the parameters of a layer are out of training. */
function stateOf(own: readonly Parameter[]): string {
  const frozen = own.filter(({ isTrained }) => !isTrained).length;
  return frozen === 0 ? '' : frozen === own.length ? 'frozen' : 'partly frozen';
}

function cellsOf(costs: Costs, path: string): [string, string, string] {
  const entry = costs.layers.get(path);
  if (entry === undefined) return ['', '', ''];
  const { output, multiplyAccumulates, activations } = entry;
  return [
    output === null ? '' : `[N${output.map((dimension) => `, ${dimension}`).join('')}]`,
    multiplyAccumulates === 0 ? '' : group(multiplyAccumulates),
    activations === 0 ? '' : megabytes(activations),
  ];
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(bytes < 1e8 ? 2 : 0)} MB`;
}

function group(count: number): string {
  return String(count).replace(/\B(?=(\d{3})+$)/g, ',');
}
