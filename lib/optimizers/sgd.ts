// Stochastic gradient descent with momentum, Nesterov and weight decay.

import { ArgumentError, checkNumber, checkOptions } from '../errors.js';
import { sgdUpdate } from '../ops/update.js';
import { type AnyTensor, Tensor } from '../tensor.js';
import { Optimizer, type OptimizerTarget, type Run, hyperparameters } from './optimizer.js';
import { keepNames } from '../names.js';

/** Options of {@link SGD}. */
export interface SGDOptions {
  /** Learning rate. Required: there is no good default. */
  lr: number;
  /** Weight of the old velocity. Default 0. */
  momentum?: number;
  /** Share of the gradient that does not enter the velocity. Default 0; must be 0 with Nesterov. */
  dampening?: number;
  /** Coupled L2 decay: `g += weightDecay·w`, the gradient of `weightDecay/2·Σw²`. Default 0. */
  weightDecay?: number;
  /** Take the gradient's step at the look-ahead point. Needs momentum. Default false. */
  nesterov?: boolean;
}

const empty = Tensor.from(new Float32Array(0));
const emptyDouble = Tensor.from(new Float64Array(0));

/**
 * `v = momentum·v + (1−dampening)·g; w −= lr·v` (with Nesterov `w −= lr·(g + momentum·v)`), PyTorch's form: the learning rate stands
 * outside of the velocity. A velocity below the smallest normal number (1.2e-38 in float32) becomes 0. Course rows H01, H07–H09.
 *
 * @throws {@link ArgumentError} for options out of range or unknown.
 * @example
 * ```ts
 * import { Linear, SGD } from 'nodegrad';
 * new SGD(new Linear(4, 2), { lr: 0.1, momentum: 0.9, nesterov: true });
 * ```
 */
export class SGD extends Optimizer<SGDOptions> {
  constructor(target: OptimizerTarget<SGDOptions>, options: SGDOptions) {
    super(target, checkOptions<SGDOptions>(options, 'options', known), check);
  }

  protected stateNames(options: SGDOptions): readonly string[] {
    return (options.momentum ?? 0) === 0 ? [] : ['velocity'];
  }

  protected update(run: Run, options: SGDOptions): void {
    const hyper = hyperparameters(6, (values) => {
      values.set([
        options.lr,
        options.momentum ?? 0,
        options.dampening ?? 0,
        options.weightDecay ?? 0,
        options.nesterov === true ? 1 : 0,
        run.step === 1 ? 1 : 0,
      ]);
    });
    const none: AnyTensor = run.weights.dtype === 'float64' ? emptyDouble : empty;
    sgdUpdate(run.weights, run.state['velocity'] ?? none, run.gradients, hyper);
  }
}

const known = ['lr', 'momentum', 'dampening', 'weightDecay', 'nesterov'];

function check(options: SGDOptions): void {
  checkOptions(options, 'options', known);
  checkNumber(options.lr, 'lr', 0);
  checkNumber(options.momentum ?? 0, 'momentum', 0);
  checkNumber(options.dampening ?? 0, 'dampening', 0, 1);
  checkNumber(options.weightDecay ?? 0, 'weightDecay', 0);
  if (options.nesterov === true && ((options.momentum ?? 0) === 0 || (options.dampening ?? 0) !== 0)) {
    throw new ArgumentError('`nesterov` needs a momentum above 0 and no dampening');
  }
}

keepNames({ SGD });
