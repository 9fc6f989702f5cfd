// The sitter before a run: everything that rules can say without training, as findings.

import { checkDataset } from '../data/contract.js';
import type { AnyDataset, BatchPart, Dataset } from '../data/dataset.js';
import { DataLoader } from '../data/loader.js';
import {
  ArgumentError,
  DTypeError,
  IndexError,
  NodegradError,
  ShapeError,
  checkFlag,
  checkInteger,
  checkOptions,
  expected,
} from '../errors.js';
import { checkLayer } from '../layers/check.js';
import type { AnyLayer } from '../layers/layer.js';
import { Optimizer } from '../optimizers/optimizer.js';
import { preprocessedAhead } from '../preprocessing/of-model.js';
import { type ProgressOption, streamOf } from '../progress.js';
import { checkRegularizers } from '../regularizers/regularizer.js';
import { checkDomains } from '../training/domains.js';
import { checkTrainingUnits } from '../training/target-units.js';
import { checkLoss, checkMetrics } from '../training/evaluate.js';
import { type FitOptions, fitOptions, precisionOf } from '../training/fit-options.js';
import { ownCodeOf } from '../training/own-code.js';
import { preflight as checkFlight } from '../training/preflight.js';
import { isFrozen, reachesNothing } from '../training/reach.js';
import { judge } from './causes.js';
import { sampleOf } from './data-facts.js';
import { type Finding, type FindingId, findingOf } from './finding.js';
import { besideOf, gather, isTuned, quick, setupOf, thorough } from './gather.js';
import { sampleGradients } from './gradient-sample.js';
import { overfitTiny } from './overfit-tiny.js';
import { judgeRegularizers } from './regularizer-sign.js';
import { rules } from './rules/index.js';

/** Options of {@link preflight}: those of the run to come, as `fit` takes them. What says nothing of the model or the data, such as `log`, is left aside. */
export interface PreflightOptions extends FitOptions {
  /**
   * Look at more examples, compare gradients with differences of the loss also where no layer is of your own (course row G09), and let a copy of
   * the model learn 20 examples by heart (course row J05); takes seconds. Default false.
   */
  readonly full?: boolean;
}

/** Examples by which gradients are compared with slopes. */
const fewExamples = 16;

/** What `fit` refuses, by what its error speaks of. */
function refused(error: unknown, model: AnyLayer): Finding {
  const isRefusal = [ArgumentError, ShapeError, DTypeError, IndexError].some((type) => error instanceof type);
  if (!isRefusal || !(error instanceof NodegradError)) throw error;
  const { message } = error;
  if (message === reachesNothing(model).message) return untrainable(model, message);
  const id: FindingId = error instanceof IndexError ? 'labels-out-of-range' : 'targets-against-loss';
  return findingOf(
    {
      id,
      verdict: 'fault',
      seen: message.replace(/\.$/, ''),
      why:
        id === 'labels-out-of-range'
          ? 'A class without a score has no loss (course row E28)'
          : error instanceof ShapeError
            ? 'What does not fit together ends the first step of fit()'
            : error instanceof DTypeError
              ? 'A loss says what its targets are: class indices, probabilities, or numbers'
              : 'The loss has no meaning for such data, and fit() refuses them',
      advice: '',
      // Numbers that are no probabilities are for a loss of numbers.
      change: /expects targets from 0 to 1/.test(message) ? { kind: 'loss', name: 'MSELoss' } : { kind: 'fixData', what: 'targets' },
      confidence: 1,
    },
    0,
    0,
  );
}

/** A model with nothing in training, or a loss that does not depend on it. */
function untrainable(model: AnyLayer, seen: string): Finding {
  const isAsleep = isFrozen(model);
  const id: FindingId = isAsleep ? 'parameter-never-changes' : 'parameters-not-reached';
  const why = isAsleep ? 'Without a parameter in training a step changes nothing' : 'Without a gradient a step changes nothing';
  return findingOf({ id, verdict: 'fault', seen, why, advice: '', change: null, confidence: 1 }, 0, 0);
}

/**
 * What is wrong with a run before its first step: the last activation beside loss and targets, the data and their parts, the first loss and
 * the first weights, what the loss reaches and the optimizer holds, gradients of layers of your own, the sign of regularizers. An empty list says
 * that nothing was found. What `fit` would refuse is a finding here. Model, optimizer and random numbers stay as they are. Course rows J01–J05, G09.
 *
 * @param model - What is to be trained.
 * @param data - What it is to be trained on.
 * @param options - The run to come.
 * @throws {@link ArgumentError} for arguments of other kinds, unknown options, and a precision that `fit` does not have, or has not with `eager`.
 * @example
 * ```ts
 * import { Adam, CrossEntropyLoss, datasets, mlp, preflight } from 'nodegrad';
 * const { train, test } = await datasets.digits();
 * const model = mlp();
 * const findings = await preflight(model, train, { loss: new CrossEntropyLoss(), optimizer: new Adam(model, { lr: 1e-3 }), validation: test });
 * for (const { text } of findings) console.log(text);
 * ```
 */
export async function preflight(model: AnyLayer, data: AnyDataset, options: PreflightOptions): Promise<Finding[]> {
  checkLayer(model);
  checkDataset(data, 'data');
  const given = checkOptions<PreflightOptions>(options, 'options', [...fitOptions, 'full']);
  const loss = checkLoss(given.loss);
  const { optimizer, validation } = given;
  if (!(optimizer instanceof Optimizer))
    throw new ArgumentError(expected('an optimizer, such as new Adam(model, { lr: 1e-3 })', 'options.optimizer', optimizer));
  if (validation !== undefined) checkDataset(validation, 'options.validation');
  const batchSize = checkInteger(given.batchSize ?? 32, 'options.batchSize', 1);
  const epochs = checkInteger(given.epochs ?? 1, 'options.epochs', 0);
  const shuffle = checkFlag(given.shuffle ?? true, 'options.shuffle');
  const full = checkFlag(given.full ?? false, 'options.full');
  precisionOf(given);
  streamOf(given.progress);
  const regularizers = checkRegularizers(given.regularizers);
  const metrics = checkMetrics(given.metrics, loss);
  if (data.length === 0) throw new ArgumentError(`the data set ${data.name} is empty: there is nothing to look at`);
  const through = await preprocessedAhead(model, data, given.progress as ProgressOption | undefined);
  const seen = through(data);
  const other = validation === undefined ? undefined : through(validation);
  const found: Finding[] = [];
  /** What the first step would refuse, whatever else is wrong. */
  const first: Finding[] = [];
  const attempt = (check: () => void): void => {
    try {
      check();
    } catch (error) {
      found.push(refused(error, model));
    }
  };
  const loader = new DataLoader(seen as Dataset<BatchPart, BatchPart>, { batchSize });
  attempt(() => checkTrainingUnits(model, data, validation, loss));
  attempt(() => checkFlight({ model, loss, metrics, loader, validation: other }));
  attempt(() => checkDomains(loss, seen, other));
  const subject = { model, loss, optimizer };
  const gathered = await gather(subject, seen, other, full ? thorough : quick, undefined, (error) => {
    // Of a user's own code anything may come.
    if (error instanceof NodegradError && found.length === 0) first.push(refused(error, model));
  });
  const stepsPerEpoch = Math.ceil(data.length / batchSize);
  const setup = setupOf(subject, {
    batchSize,
    epochs,
    stepsPerEpoch,
    shuffle,
    ...besideOf(given as Required<FitOptions>),
    isBlank: optimizer.steps === 0,
    isTuned: isTuned(model),
  });
  const before = { moment: 'before', epoch: 0, step: 0, setup, ...gathered, now: gathered.start } as const;
  const judged = judge(rules, { ...before, losses: null, epochs: [], movement: null, failure: null } as never);
  const all = [
    ...first,
    ...judged,
    ...found.filter(({ id }) => !judged.some((one) => one.id === id || (id === 'targets-against-loss' && one.verdict === 'fault'))),
  ];
  const penalty = judgeRegularizers(regularizers);
  if (penalty !== null) all.push(penalty);
  // Gradients of layers and losses that are ours are proven; those of others may be anything.
  if (gathered.start !== null && (full || !ownCodeOf({ model, loss }).isEmpty)) {
    const gradients = sampleGradients(subject, await sampleOf(seen, fewExamples));
    if (gradients !== null) all.push(gradients);
  }
  if (!full || all.some(({ verdict }) => verdict === 'fault')) return all;
  const tiny = await overfitTiny(model, seen, loss, given.progress as ProgressOption | undefined);
  return tiny === null ? all : [...all, tiny];
}
