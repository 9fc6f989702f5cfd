// nodegrad's optimizers: the public classes over one tensor whose gradients stay as they are.

import * as lib from '../lib/index.js';
import { readFloats } from './data.js';
import { picked } from './layer.js';
import type { Work } from './protocol.js';
import type { UpdateWork } from './types.js';

/** Steps of the optimizer. */
export function update({ optimizer, options, elements }: UpdateWork, folder: string): Pick<Work, 'check' | 'run'> {
  const weights = lib.Tensor.from(readFloats(folder, 'a.bin'), [elements]);
  weights.requiresGrad = true;
  weights
    .mul(lib.Tensor.from(readFloats(folder, 'b.bin')))
    .sum()
    .backward();
  const make = (lib as unknown as Record<string, new (target: lib.Tensor[], options: UpdateWork['options']) => lib.Optimizer>)[optimizer];
  const stepper = new make([weights], options);
  const run = (steps: number): void => {
    for (let index = 0; index < steps; index++) stepper.step();
  };
  return {
    check() {
      run(3);
      return picked(weights.data);
    },
    run,
  };
}
