// LeCun: variance 1 / inputs, for SELU.

import { keepNames } from '../names.js';
import { Scaled, type ScaledOptions } from './scaled.js';

/**
 * LeCun: variance `gain² / in` (LeCun et al., Efficient BackProp, 1998). It is what the course calls Xavier (course rows C13, P07), and what
 * self-normalizing nets with SELU want (Klambauer et al. 2017). Default mode `'fanIn'`.
 *
 * @example
 * ```ts
 * import { LeCun, Linear } from 'nodegrad';
 * new Linear(500, 500, { init: new LeCun() }); // as new Xavier({ mode: 'fanIn' })
 * ```
 */
export class LeCun extends Scaled {
  constructor(options: ScaledOptions = {}) {
    super(options, 'fanIn', 1);
  }
}

keepNames({ LeCun });
