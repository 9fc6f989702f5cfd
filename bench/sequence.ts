// nodegrad's recurrent nets as contestants: one recurrent layer, and a linear one on every step's output.

import { GRU, LSTM, Linear, RNN, SGD, Sequential, Tensor } from '../lib/index.js';
import { readFloats, readIntegers, readParameters } from './data.js';
import { stepping, trainingStep } from './perceptron.js';
import type { Work } from './protocol.js';
import type { SequenceWork } from './types.js';

/** Training steps, in turn over the batches. */
export function sequence(work: SequenceWork, folder: string, variant: string): Pick<Work, 'check' | 'run'> {
  const { cell, time, batch, inputs, hidden, classes, batches, lr } = work;
  const Cell = { rnn: RNN, lstm: LSTM, gru: GRU }[cell];
  const model = new Sequential([new Cell(inputs, hidden, { bias: false }), new Linear(hidden, classes)]);
  readParameters(folder, model.parameters());
  const values = readFloats(folder, 'inputs.bin');
  const targets = readIntegers(folder, 'targets.bin');
  const [size, labels] = [batch * time * inputs, batch * time];
  const x = Array.from({ length: batches }, (_, i) => Tensor.from(values.subarray(i * size, (i + 1) * size), [batch, time, inputs]));
  const y = Array.from({ length: batches }, (_, i) => Tensor.from(targets.subarray(i * labels, (i + 1) * labels), [batch, time]));
  return stepping(trainingStep(model, new SGD(model, { lr })), x, y, 10, variant, work.precision);
}
