// `nodegrad evaluate <file>`: what a saved model makes of a test set.

import { ArgumentError } from '../errors.js';
import { CrossEntropyLoss } from '../losses/cross-entropy.js';
import { Accuracy } from '../metrics/metric.js';
import { evaluate } from '../training/evaluate.js';
import { load } from '../training/load.js';
import { type DataChoice, loadData } from './options.js';
import { Terminal, formatCount, pairs, percent } from './terminal.js';

/** What `evaluate` is told. */
export interface EvaluateCommandOptions extends DataChoice {
  json: boolean;
}

/** Prints loss and accuracy of the model in `file`. */
export async function evaluateCommand(file: string, options: EvaluateCommandOptions): Promise<number> {
  const model = await load(file);
  const { test } = await loadData(options, undefined, process.stderr);
  if (test.length === 0)
    throw new ArgumentError(`${test.name} has no images: there is nothing to evaluate. --test 1 takes all but one image of each class`);
  const { loss, metrics } = await evaluate(model, test, { loss: new CrossEntropyLoss(), metrics: [new Accuracy()] });
  const terminal = new Terminal();
  if (options.json)
    terminal.print(JSON.stringify({ file, data: options.data, examples: test.length, loss, accuracy: metrics.accuracy }, null, 2));
  else {
    terminal.print(
      ...pairs([
        ['model', `${file}: ${formatCount(model.parameterCount())} parameters`],
        ['data', `${test.name}: ${formatCount(test.length)} images`],
        ['accuracy', percent(metrics.accuracy)],
        ['loss', loss.toFixed(4)],
      ]),
    );
  }
  return 0;
}
