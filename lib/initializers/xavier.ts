// Xavier: the variance of linear units stays.

import { keepNames } from '../names.js';
import { Scaled, type ScaledOptions } from './scaled.js';

/**
 * Xavier (Glorot): variance `gain² / fan`, which keeps the variance of linear units. For tanh and sigmoid.
 *
 * The default mode `'average'` is Glorot's own `2/(in+out)` (Glorot & Bengio 2010); the course's `1/in` is mode `'fanIn'`
 * (course rows C13, P07).
 *
 * @example
 * ```ts
 * import { Linear, Xavier } from 'nodegrad';
 * new Linear(500, 500, { init: new Xavier({ distribution: 'uniform' }) });
 * ```
 */
export class Xavier extends Scaled {
  constructor(options: ScaledOptions = {}) {
    super(options, 'average', 1);
  }
}

keepNames({ Xavier });
