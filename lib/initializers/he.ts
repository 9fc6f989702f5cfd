// He: what ReLU takes away is made up for.

import { keepNames } from '../names.js';
import { Scaled, type ScaledOptions } from './scaled.js';

/**
 * He (Kaiming): variance `2·gain² / fan`, which makes up for the half of the inputs that ReLU sets to zero (He et al. 2015, course
 * rows C16, C22). Default mode `'fanIn'`.
 *
 * @example
 * ```ts
 * import { He, Linear } from 'nodegrad';
 * new Linear(784, 256, { init: new He({ mode: 'fanOut' }) });
 * ```
 */
export class He extends Scaled {
  constructor(options: ScaledOptions = {}) {
    super(options, 'fanIn', 2);
  }
}

keepNames({ He });
