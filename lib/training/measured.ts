// The metrics of a run: those asked for, or the default of its loss.

import { ArgumentError, expected } from '../errors.js';
import { BinaryCrossEntropyLoss } from '../losses/binary.js';
import type { ClassLoss, Loss } from '../losses/loss.js';
import { Accuracy, Metric } from '../metrics/metric.js';
import { BinaryAccuracy } from '../metrics/shares.js';
import { isBuiltIn } from '../names.js';

/** The metrics asked for, or the default of a loss. */
export function checkMetrics(metrics: unknown, loss: Loss): readonly Metric[] {
  if (metrics === undefined) {
    if (loss.takesClasses) return [new Accuracy({ ignoreIndex: (loss as ClassLoss).ignoreIndex })];
    return loss instanceof BinaryCrossEntropyLoss && isBuiltIn(loss) ? [new BinaryAccuracy({ fromLogits: loss.fromLogits })] : [];
  }
  const form = 'an array of metrics, such as [new Accuracy()],';
  if (!Array.isArray(metrics)) throw new ArgumentError(expected(form, 'options.metrics', metrics));
  for (const metric of metrics) if (!(metric instanceof Metric)) throw new ArgumentError(expected(form, 'options.metrics', metric));
  const twice = metrics.find((metric, i) => metrics.findIndex(({ name }) => name === metric.name) < i);
  if (twice !== undefined) {
    const classes = metrics.filter(({ name }) => name === twice.name).map((metric) => metric.constructor.name);
    throw new ArgumentError(
      `two of \`options.metrics\`, ${classes[0]} and ${classes[1]}, give a result called '${twice.name}', and one would hide the other: leave one out`,
    );
  }
  return [...metrics];
}

export function resultsOf(metrics: readonly Metric[]): Record<string, number> {
  return Object.fromEntries(metrics.map((metric) => [metric.name, metric.result()]));
}
