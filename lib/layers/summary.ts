// The table that `summary()` prints: layers, output shapes, parameters.

import { checkOptions } from '../errors.js';
import { noGrad } from '../tensor.js';
import { Tensor, checkShape, zeros } from '../tensor.js';
import type { AnyLayer } from './layer.js';
import { observeForward } from './forward.js';

/** Options of {@link Layer.summary}. */
export interface SummaryOptions {
  /** Shape of one example, without the batch dimension: adds a column of output shapes. */
  inputShape?: readonly number[];
}

export function summarize(model: AnyLayer, options: SummaryOptions): string {
  checkOptions(options, 'options', ['inputShape']);
  model.prepare();
  const shapes = options.inputShape === undefined ? null : outputShapes(model, checkShape(options.inputShape, 'inputShape'));
  const rows: string[][] = [['layer', 'type', ...(shapes ? ['output'] : []), 'parameters']];
  for (const [path, layer] of model.namedLayers()) {
    if (path === '') continue;
    let count = 0;
    for (const parameter of layer.ownParameters().values()) count += parameter.size;
    rows.push([path, layer.constructor.name, ...(shapes ? [shapes.get(path) ?? ''] : []), count === 0 ? '' : group(count)]);
  }
  const trained = model
    .parameters()
    .filter((parameter) => parameter.requiresGrad)
    .reduce((sum, parameter) => sum + parameter.size, 0);
  const total = model.parameterCount();
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  const lines = rows.map((row) =>
    row
      .map((cell, i) => (i === row.length - 1 ? cell.padStart(widths[i]) : cell.padEnd(widths[i])))
      .join('  ')
      .trimEnd(),
  );
  lines.splice(1, 0, '-'.repeat(widths.reduce((sum, width) => sum + width + 2, -2)));
  lines.push(`${model.constructor.name}: ${group(total)} parameters, ${group(trained)} trained`);
  return lines.join('\n');
}

function outputShapes(model: AnyLayer, inputShape: readonly number[]): Map<string, string> {
  const shapes = new Map<string, string>();
  const before = new Map([...model.namedLayers().values()].map((layer) => [layer, layer.training]));
  const dtype = model.parameters()[0]?.dtype ?? 'float32';
  model.eval();
  try {
    observeForward(
      (_layer, path, output) => {
        if (output instanceof Tensor)
          shapes.set(
            path,
            `[N${output.shape
              .slice(1)
              .map((dimension) => `, ${dimension}`)
              .join('')}]`,
          );
      },
      () => noGrad(() => model.forward(zeros([1, ...inputShape], { dtype }))),
    );
  } finally {
    // Each layer gets its own mode back; a parent's train() would set its children's.
    for (const [layer, training] of [...before].sort(([a], [b]) => a.path.length - b.path.length)) layer.train(training);
  }
  return shapes;
}

function group(count: number): string {
  return String(count).replace(/\B(?=(\d{3})+$)/g, ',');
}
