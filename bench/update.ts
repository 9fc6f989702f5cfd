// nodegrad's optimizers: the public classes over one tensor whose gradients stay as they are.

import { Adadelta, Adagrad, Adam, Adamax, Lion, NAdam, RAdam, RMSprop, SGD, Tensor } from '../lib/index.js';
import { readFloats } from './data.js';
import { picked } from './layer.js';
import type { Work } from './protocol.js';
import type { UpdateWork } from './types.js';

const classes = { SGD, Adagrad, Adadelta, RMSprop, Adam, Adamax, NAdam, RAdam, Lion };

/** Steps of the optimizer. */
export function update({ optimizer, options, elements }: UpdateWork, folder: string): Pick<Work, 'check' | 'run'> {
  const weights = Tensor.from(readFloats(folder, 'a.bin'), [elements]);
  weights.requiresGrad = true;
  weights
    .mul(Tensor.from(readFloats(folder, 'b.bin')))
    .sum()
    .backward();
  const { lr, ...rest } = options;
  const stepper = new classes[optimizer]([weights], { lr, ...rest } as never);
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
