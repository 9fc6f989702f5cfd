// Training steps of recurrent nets.

import { Generator, writeParts } from '../data.js';
import type { BenchCase, SequenceWork } from '../types.js';

const gates = { rnn: 1, lstm: 4, gru: 3 } as const;

// Weights without biases (libraries have one or two), in the gate order of PyTorch: inputs [in, gates · hidden], states, the linear layer.
function prepare(folder: string, { cell, time, batch, inputs, hidden, classes, batches }: SequenceWork): void {
  const generator = new Generator(hidden * 1000 + time);
  const width = gates[cell] * hidden;
  writeParts(folder, 'weights.bin', [
    generator.array(inputs * width, 1 / Math.sqrt(inputs)),
    generator.array(hidden * width, 1 / Math.sqrt(hidden)),
    generator.array(hidden * classes, 1 / Math.sqrt(hidden)),
    generator.array(classes, 0.01),
  ]);
  const steps = batches * batch * time;
  writeParts(folder, 'inputs.bin', [generator.array(steps * inputs)]);
  writeParts(folder, 'targets.bin', [Int32Array.from({ length: steps }, () => generator.integer(classes))]);
}

function sequence(name: string, title: string, chunk: number, unit: BenchCase['unit'], work: SequenceWork): BenchCase {
  const { cell, time, batch, inputs, hidden, classes } = work;
  const width = gates[cell] * hidden;
  return {
    name,
    title: `training step of ${title}, a linear layer and softmax cross-entropy at every step, no biases in the cell, SGD (lr ${work.lr})`,
    work,
    chunk,
    unit,
    // 6 a weight, step and example, but 4 for the inputs, whose gradient nobody asks for.
    flops: batch * time * (4 * inputs * width + 6 * hidden * width + 6 * hidden * classes),
    limit: 'fma',
    contestants: ['nodegrad', 'nodegrad sync', 'nodegrad eager', 'torch eager', 'torch compile', 'jax'],
    tolerance: 1e-3,
    prepare: (folder) => prepare(folder, work),
  };
}

const large = { kind: 'sequence', time: 50, batch: 32, inputs: 64, hidden: 256, classes: 10, batches: 100, lr: 0.01 } as const;

/** The recurrent cases. */
export const sequenceCases: BenchCase[] = [
  sequence('rnn', 'an RNN (tanh), 50 steps, batch 32, 64 → 256', 4, 'ms', { ...large, cell: 'rnn' }),
  sequence('lstm', 'an LSTM, 50 steps, batch 32, 64 → 256', 4, 'ms', { ...large, cell: 'lstm' }),
  sequence('gru', 'a GRU (reset behind the product), 50 steps, batch 32, 64 → 256', 4, 'ms', { ...large, cell: 'gru' }),
  sequence('char-rnn', 'a character RNN (tanh), 25 steps, batch 1, 64 → 100', 64, 'µs', {
    ...large,
    cell: 'rnn',
    time: 25,
    batch: 1,
    hidden: 100,
    classes: 64,
    batches: 1000,
  }),
];
