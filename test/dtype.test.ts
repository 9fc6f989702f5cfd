// Element types: the list of native/ops/dtypes.def beside that of lib/dtype.ts.
import test from 'ava';
import { arrayTypes, bytesOf, dtypes, floatDTypes, isFloat } from '../lib/dtype.js';
import { binding } from '../lib/native.js';

test('both languages have the same element types, in the same order and of the same size', (t) => {
  t.deepEqual(
    binding.dtypes,
    dtypes.map((name) => ({ name, bytes: bytesOf(name) })),
  );
});

test('float types are those whose arrays hold a half', (t) => {
  t.deepEqual(
    dtypes.filter((dtype) => arrayTypes[dtype].of(0.5)[0] === 0.5),
    [...floatDTypes],
  );
  t.true(dtypes.every((dtype) => isFloat(dtype) === (floatDTypes as readonly string[]).includes(dtype)));
});
