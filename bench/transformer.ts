// nodegrad's transformer as a contestant.

import { characterTransformer, crossEntropy, SGD, Tensor } from '../lib/index.js';
import { readIntegers, readParameters } from './data.js';
import { stepping } from './perceptron.js';
import type { Work } from './protocol.js';
import type { TransformerWork } from './types.js';

/** Training steps, in turn over the batches. */
export function transformer(work: TransformerWork, folder: string, variant: string): Pick<Work, 'check' | 'run'> {
  const { layers, features, heads, time, batch, characters, batches, lr } = work;
  const model = characterTransformer({ characters, context: time, features, heads, layers });
  readParameters(folder, model.parameters());
  const optimizer = new SGD(model, { lr });
  const read = (name: string) => {
    const codes = readIntegers(folder, name);
    const size = batch * time;
    return Array.from({ length: batches }, (_, i) => Tensor.from(codes.subarray(i * size, (i + 1) * size), [batch, time]) as Tensor<'int32'>);
  };
  const body = (x: Tensor, y: Tensor<'int32'>) => {
    const loss = crossEntropy(model.forward(x as never), y);
    loss.backward();
    optimizer.step();
    optimizer.zeroGrad();
    return { loss };
  };
  return stepping(body, read('inputs.bin') as never, read('targets.bin'), 10, variant);
}
