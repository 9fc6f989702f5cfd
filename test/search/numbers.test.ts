// Proves lib/search/numbers.ts against values of e^x, ln x and Φ(z) from tables.
import test from 'ava';
import { exponential, logSumExp, logarithm, normalDistribution } from '../../lib/search/numbers.js';
import { close } from '../helpers/close.js';

test('exponential and logarithm have the values of tables to 1e-15, and undo each other over all magnitudes', (t) => {
  close(t, [0, 1, -1, 10, 0.5].map(exponential), [1, Math.E, 0.36787944117144233, 22026.465794806718, 1.6487212707001282], { relative: 1e-15 });
  close(t, [1, 2, 10, 1e-3, Math.E].map(logarithm), [0, Math.LN2, Math.LN10, -6.907755278982137, 1], { relative: 1e-15 });
  const magnitudes = [1e-300, 1e-100, 3e-10, 0.7, 1, 1.3, 5e5, 1e100, 1e300];
  close(t, magnitudes.map((x) => exponential(logarithm(x))), magnitudes, { relative: 2e-13 }); // biome-ignore format: one line
  t.deepEqual([exponential(-800), exponential(800), logarithm(0)], [0, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]);
});

test('the normal distribution has the values of tables to 1e-7, and sums of exponentials do not overflow', (t) => {
  close(t, [-1.959964, 0, 1, 3].map(normalDistribution), [0.025, 0.5, 0.841344746, 0.998650102], { absolute: 1e-7 });
  close(t, [logSumExp([1000, 1000]), logSumExp([-1e4, 0])], [1000 + Math.LN2, 0], { relative: 1e-14 });
  t.is(logSumExp([Number.NEGATIVE_INFINITY]), Number.NEGATIVE_INFINITY);
});
