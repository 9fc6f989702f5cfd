// The metrics that `nodegrad evaluate` can be asked for, by name.

import { InvalidArgumentError } from 'commander';
import type { AnyDataset } from '../data/dataset.js';
import { ArgumentError } from '../errors.js';
import { CrossEntropyLoss } from '../losses/cross-entropy.js';
import { MSELoss } from '../losses/regression.js';
import { BalancedAccuracy, CohensKappa, F1, MatthewsCorrelation, Precision, Recall } from '../metrics/confusion.js';
import { Accuracy, type Metric } from '../metrics/metric.js';
import { CalibrationError, LogLoss } from '../metrics/probabilities.js';
import { AveragePrecision, RocAuc } from '../metrics/ranking.js';
import { MeanAbsoluteError, R2, RootMeanSquaredError } from '../metrics/regression.js';
import { TopKAccuracy } from '../metrics/shares.js';
import { evaluate } from '../training/evaluate.js';
import type { AnyModel } from '../training/model.js';

type Makers = Readonly<Record<string, () => Metric>>;

const ofClasses: Makers = {
  accuracy: () => new Accuracy(),
  'balanced-accuracy': () => new BalancedAccuracy(),
  'top5-accuracy': () => new TopKAccuracy({ k: 5 }),
  precision: () => new Precision(),
  recall: () => new Recall(),
  f1: () => new F1(),
  'f1-weighted': () => new F1({ average: 'weighted' }),
  'roc-auc': () => new RocAuc(),
  'average-precision': () => new AveragePrecision(),
  'matthews-correlation': () => new MatthewsCorrelation(),
  'cohens-kappa': () => new CohensKappa(),
  'log-loss': () => new LogLoss(),
  'calibration-error': () => new CalibrationError(),
};

const ofNumbers: Makers = {
  'mean-absolute-error': () => new MeanAbsoluteError(),
  'root-mean-squared-error': () => new RootMeanSquaredError(),
  r2: () => new R2(),
};

const all = [...Object.keys(ofClasses), ...Object.keys(ofNumbers)];

/** What the help says of them. */
export const metricsHelp = `what is measured, with commas between: all, or of classes ${Object.keys(ofClasses).join(', ')}; of numbers ${Object.keys(ofNumbers).join(', ')}; precision, recall and f1 are means over the classes`;

/** Names that others give them. */
const others: Readonly<Record<string, string>> = {
  mae: 'mean-absolute-error',
  rmse: 'root-mean-squared-error',
  auc: 'roc-auc',
  kappa: 'cohens-kappa',
  mcc: 'matthews-correlation',
};

/** The name of a metric here, of one as a program says it (`meanAbsoluteError`) or as it is called in short. */
function plainName(name: string): string {
  const kebab = name.replace(/([a-z0-9])([A-Z])/g, '$1-$2').toLowerCase();
  return others[kebab] ?? (all.includes(kebab) ? kebab : name);
}

/** Reads the names of metrics. */
export function metricNames(text: string): string[] {
  const names = text.split(',').map((name) => plainName(name.trim()));
  const unknown = names.find((name) => name !== 'all' && !all.includes(name));
  if (unknown !== undefined) throw new InvalidArgumentError(`'${unknown}' is none of all, ${all.join(', ')}`);
  return names;
}

/** The values of the metrics of these names, by name. */
export async function measureNamed(
  model: AnyModel,
  data: AnyDataset,
  names: readonly string[],
  isClasses: boolean,
): Promise<Record<string, number>> {
  const makers = isClasses ? ofClasses : ofNumbers;
  // Of five classes or fewer each example is among the first five.
  const says = (name: string): boolean => name !== 'top5-accuracy' || (data.classes?.length ?? 6) > 5;
  const wanted = names.includes('all') ? Object.keys(makers).filter(says) : [...new Set(names)];
  const other = wanted.find((name) => makers[name] === undefined);
  if (other !== undefined)
    throw new ArgumentError(
      `--metrics ${other} is of ${isClasses ? 'numbers' : 'classes'}, and the model predicts ${isClasses ? 'classes' : 'numbers'}`,
    );
  const metrics = wanted.map((name) => makers[name]());
  const { metrics: found } = await evaluate(model, data, { loss: isClasses ? new CrossEntropyLoss() : new MSELoss(), metrics });
  return Object.fromEntries(wanted.map((name, i) => [name, found[metrics[i].name]]));
}
