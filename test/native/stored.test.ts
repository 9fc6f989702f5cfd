// Storage apart from arithmetic: what is stored as bfloat16 gives the bits of float32 arithmetic, rounded once when it is stored.
import test from 'ava';
import { arrayTypes, type TypedArray } from '../../lib/dtype.js';
import '../../lib/index.js';
import { nativeOps } from '../../lib/native.js';
import { lettersOf } from '../../lib/ops/fused.js';
import { bitsOfBfloat16, numberOfBfloat16 } from '../helpers/bfloat16.js';
import { callOf } from './calls.js';
import { bits, firstDifference, runInto, type Sample, sampled, samplesOf } from './samples.js';

const narrow = (wide: TypedArray): Uint16Array => Uint16Array.from(wide as Float32Array, bitsOfBfloat16);
const widen = (stored: TypedArray): Float32Array => Float32Array.from(stored as Uint16Array, numberOfBfloat16);

const lengths = [0, 1, 2, 15, 16, 17, 33, 64, 100, 2047, 2048, 2049, 4096 + 17, 16384 + 5];

/** What tells how operands are stored; products are compared with their definition elsewhere. */
function lettersOfSample({ op, ints, reals, outputs, inputs }: Sample): readonly string[] {
  return lettersOf(callOf(op, ints, reals), outputs.length + inputs.length);
}

/** Runs a sample with the operands of which `isNarrow` says so stored as bfloat16. */
function runStored(sample: Sample, isNarrow: (operand: number) => boolean): TypedArray[] {
  const initial = sample.outputs.map(({ dtype, length, initial: from }) => from ?? new arrayTypes[dtype](length));
  const all = [...initial, ...sample.inputs].map((operand, i) => (isNarrow(i) ? narrow(operand) : operand.slice()));
  const outputs = all.slice(0, sample.outputs.length);
  runInto(sample, outputs, all.slice(outputs.length));
  return outputs;
}

/** A sample whose operands of which `isStored` says so are numbers that bfloat16 holds. */
function rounded(sample: Sample, isStored: (operand: number) => boolean): Sample {
  const { outputs, inputs } = sample;
  return {
    ...sample,
    outputs: outputs.map((output, i) => (output.initial && isStored(i) ? { ...output, initial: widen(narrow(output.initial)) } : output)),
    inputs: inputs.map((input, i) => (isStored(outputs.length + i) ? widen(narrow(input)) : input)),
  };
}

const stored = sampled.filter((op) => {
  const [outputs, inputs] = (nativeOps.find(({ name }) => name === op.split(' + ')[0])?.signature ?? '').split(';')[0].split(':');
  return /[SU]/.test(outputs + inputs) && !/[PQ]/.test(inputs);
});

test('all elementwise operations, normalizations and pooling of windows may be stored as bfloat16', (t) => {
  t.true(stored.length > 60);
  for (const op of [
    'add',
    'relu',
    'gelu_backward',
    'elementwise_chain',
    'dropout',
    'batch_norm',
    'group_norm_gradients',
    'max_pool2d',
    'avg_pool2d_backward',
    'adaptive_avg_pool2d',
  ])
    t.true(stored.includes(op), op);
});

for (const op of stored) {
  test(`${op} on bfloat16 has the bits of float32 arithmetic, rounded once`, (t) => {
    const faults: string[] = [];
    for (const n of lengths) {
      for (const given of samplesOf(op, n, 'float32')) {
        const letters = lettersOfSample(given);
        const operands = [
          ...given.outputs.map(({ dtype }) => dtype === 'float32'),
          ...given.inputs.map((input) => input instanceof Float32Array),
        ];
        const isStored = (i: number): boolean => 'SU'.includes(letters[i]) && operands[i];
        const sample = rounded(given, isStored);
        const wanted = runStored(sample, () => false);
        // U goes together; of S every one by itself.
        const isFree = letters.includes('S');
        const ways = isFree ? [-1, 0b1, ~0b1, 0b1010101, 0b0101010] : [-1];
        for (const way of ways) {
          const isNarrow = (i: number): boolean => isStored(i) && ((way >> i) & 1) === 1;
          const found = runStored(sample, isNarrow);
          for (const [i, output] of found.entries()) {
            const right = isNarrow(i) ? narrow(wanted[i]) : wanted[i];
            const at = firstDifference(output, right);
            if (at >= 0)
              faults.push(
                `${n}, ${sample.form}, ${way.toString(2)}: element ${at} of output ${i}: ${bits(output[at])}, not ${bits(right[at])}`,
              );
          }
        }
      }
    }
    t.deepEqual(faults.slice(0, 5), []);
  });
}

test('what is stored alike is refused in two ways at once, and so is bfloat16 where an operation does not take it', (t) => {
  const [sample] = samplesOf('batch_norm', 64, 'float32');
  t.throws(() => runStored(sample, (i) => i === 0), { message: /operands that are stored in different types/ });
  const [softmax] = samplesOf('softmax', 16, 'float32');
  t.throws(() => runStored(softmax, () => true), { message: /expected float32 or float64/ });
});
