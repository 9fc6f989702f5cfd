// Every native operation at every kind of length: bodies, tails, unaligned memory, and nothing written outside of the output.
import test from 'ava';
import type { TypedArray } from '../../lib/dtype.js';
import { arrayTypes } from '../../lib/dtype.js';
import '../../lib/index.js';
import { definedOp } from '../../lib/ops/define.js';
import { bits, type Float, firstDifference, runInto, runSample, type Sample, sampled, samplesOf, unsampled } from './samples.js';

const lengths = Array.from({ length: 41 }, (_, n) => n);
const around = [64, 4096, 16384].flatMap((size) => [size - 1, size, size + 1, 2 * size + 17]);
const dtypes: readonly Float[] = ['float32', 'float64'];
const guard = 37; // more than two vectors

test('every operation of ops.def has a sample here', (t) => {
  t.deepEqual(unsampled, []);
});

type Check = (sample: Sample, at: string) => string | undefined;

function everywhere(op: string, check: Check): string[] {
  const faults: string[] = [];
  for (const dtype of dtypes) {
    for (const n of [...lengths, ...around]) {
      for (const sample of samplesOf(op, n, dtype)) {
        const fault = check(sample, `${op} ${dtype} of ${n}, ${sample.form}`);
        if (fault !== undefined) faults.push(fault);
      }
    }
  }
  return faults.slice(0, 5);
}

function compare(at: string, found: readonly TypedArray[], wanted: readonly TypedArray[]): string | undefined {
  for (let i = 0; i < wanted.length; i++) {
    const where = firstDifference(found[i], wanted[i]);
    if (where >= 0) return `${at}: element ${where} of output ${i} is ${bits(found[i][where])} instead of ${bits(wanted[i][where])}`;
  }
  return undefined;
}

// An array of the same length inside a larger one that is filled with a pattern, `shift` elements after a 64-byte boundary.
function fenced(array: TypedArray, shift: number): { view: TypedArray; intact: () => boolean } {
  const ArrayType = array.constructor as typeof Float32Array;
  const space = new ArrayType(array.length + 2 * guard + 64 + shift);
  space.fill(91);
  const begin = guard + shift;
  const view = space.subarray(begin, begin + array.length);
  view.set(array);
  const outside = [space.subarray(0, begin), space.subarray(begin + array.length)];
  return { view, intact: () => outside.every((part) => part.every((value) => value === 91)) };
}

for (const op of sampled) {
  test(`${op} gives the same bits on memory at any offset, writes nothing outside its outputs and changes no input`, (t) => {
    const faults = everywhere(op, (sample, at) => {
      const wanted = runSample(sample);
      for (const shift of [0, 1]) {
        const outputs = sample.outputs.map(({ dtype, length, initial }) => fenced(initial ?? new arrayTypes[dtype](length).fill(7), shift));
        const inputs = sample.inputs.map((input) => fenced(input, shift));
        runInto(
          sample,
          outputs.map(({ view }) => view),
          inputs.map(({ view }) => view),
        );
        const found = outputs.map(({ view }) => view);
        const difference = compare(`${at}, ${shift} elements further on`, found, wanted);
        if (difference !== undefined) return difference;
        if (!outputs.every(({ intact }) => intact())) return `${at}: memory outside the output was written`;
        if (!inputs.every(({ view, intact }, i) => intact() && firstDifference(view, sample.inputs[i]) < 0))
          return `${at}: an input was written`;
      }
      return undefined;
    });
    t.deepEqual(faults, []);
  });
}

// Elementwise operations: those whose samples may overwrite their first input.
const elementwise = sampled.filter((op) => samplesOf(op, 8, 'float32').some(({ aliases }) => aliases === true));

for (const op of elementwise) {
  test(`${op} may overwrite its first input`, (t) => {
    const faults = everywhere(op, (sample, at) => {
      if (sample.aliases !== true) return undefined;
      const wanted = runSample(sample);
      const { view, intact } = fenced(sample.inputs[0], 0);
      runInto(sample, [view], [view, ...sample.inputs.slice(1)]);
      return compare(`${at}, in place`, [view], wanted) ?? (intact() ? undefined : `${at}, in place: memory outside the output was written`);
    });
    t.deepEqual(faults, []);
  });

  if (op === 'dropout') continue; // a mask belongs to a place
  test(`${op} computes each element alone: a longer array begins with the bits of a shorter one`, (t) => {
    for (const dtype of dtypes) {
      const [long] = samplesOf(op, 2 * 16384 + 17, dtype);
      const [whole] = runSample(long);
      for (const n of [...lengths, ...around]) {
        for (const from of [0, 3]) {
          if (from + n > whole.length) continue;
          const part: Sample = {
            ...long,
            outputs: [{ dtype, length: n }],
            inputs: long.inputs.map((input) => (input.length === whole.length ? input.subarray(from, from + n) : input)),
            ints: long.ints.length === 0 ? [] : [1, n, ...long.ints.slice(2)],
          };
          const fault = compare(`${op} ${dtype}, elements ${from} to ${from + n}`, runSample(part), [whole.subarray(from, from + n)]);
          if (fault !== undefined) return t.fail(fault);
        }
      }
    }
    t.pass();
  });
}

for (const op of sampled) {
  const pairs = definedOp(op)?.overwrites ?? [];
  if (pairs.length === 0) continue;
  test(`${op} may overwrite the inputs that its definition names`, (t) => {
    const seen = new Set<number>();
    const faults = everywhere(op, (sample, at) => {
      const wanted = runSample(sample);
      const inputs = sample.inputs.map((input) => fenced(input, 0));
      const outputs = sample.outputs.map(({ dtype, length, initial }) => fenced(initial ?? new arrayTypes[dtype](length).fill(7), 0));
      for (const { output, input } of pairs) {
        if (sample.inputs[input].length !== sample.outputs[output].length) continue;
        outputs[output] = inputs[input];
        if (sample.inputs[input].length > 0) seen.add(output);
      }
      runInto(
        sample,
        outputs.map(({ view }) => view),
        inputs.map(({ view }) => view),
      );
      const found = outputs.map(({ view }) => view);
      const difference = compare(`${at}, in place`, found, wanted);
      return difference ?? (outputs.every(({ intact }) => intact()) ? undefined : `${at}, in place: memory outside the outputs was written`);
    });
    t.deepEqual(faults, []);
    t.is(seen.size, pairs.length, 'each pair is met');
  });
}

test('outputs too large for the cache, which are stored around it, have the same bits', (t) => {
  const n = 6_400_003;
  const x = Float32Array.from({ length: n }, (_, i) => ((i * 2654435761) % 4096) / 512 - 4);
  for (const shift of [0, 1, 5]) {
    for (const op of ['relu', 'add', 'tanh_backward']) {
      const binary = op !== 'relu';
      const space = new Float32Array(n + 64).fill(91);
      const begin = 16 + shift;
      const y = space.subarray(begin, begin + n);
      const sample: Sample = {
        op,
        form: '',
        outputs: [{ dtype: 'float32', length: n }],
        inputs: binary ? [x, x] : [x],
        ints: op === 'add' ? [1, n, 1, 1] : [],
        reals: [],
      };
      runInto(sample, [y], sample.inputs);
      const formula = {
        relu: (v: number) => Math.max(v, 0),
        add: (v: number) => v + v,
        tanh_backward: (v: number) => Math.fround(1 - v * v) * v,
      }[op] as (v: number) => number;
      const bad = y.findIndex((value, i) => value !== Math.fround(formula(x[i])));
      t.is(bad, -1, `${op} with a shift of ${shift}`);
      t.true(space.subarray(0, begin).every((value) => value === 91) && space.subarray(begin + n).every((value) => value === 91));
    }
  }
});
