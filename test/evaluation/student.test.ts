// The t distribution and the sign test beside SciPy's.
import test from 'ava';
import { signTest, studentQuantile, studentWithin } from '../../lib/evaluation/student.js';
import { golden } from '../helpers/golden.js';

const { statistics } = golden('metrics');

test("probabilities of the t distribution are SciPy's", (t) => {
  t.true(statistics.student.length > 40);
  for (const { degrees, t: value, p } of statistics.student) {
    t.true(Math.abs(1 - studentWithin(value, degrees) - p) < 1e-14, `t ${value}, ${degrees} degrees`);
    t.is(studentWithin(-value, degrees), studentWithin(value, degrees));
  }
  t.is(studentWithin(Number.POSITIVE_INFINITY, 3), 1);
  t.is(studentWithin(Number.NaN, 3), Number.NaN);
});

test("quantiles of the t distribution are SciPy's", (t) => {
  t.true(statistics.quantiles.length > 20);
  for (const { degrees, confidence, t: value } of statistics.quantiles)
    t.true(Math.abs(studentQuantile(confidence, degrees) / value - 1) < 1e-10, `${confidence} of ${degrees} degrees`);
});

test("the sign test has the probabilities of SciPy's binomial test", (t) => {
  for (const { one, other, p } of statistics.signs) {
    t.true(Math.abs(signTest(one, other) - p) < 1e-12, `${one} against ${other}`);
    t.is(signTest(other, one), signTest(one, other));
  }
  t.is(signTest(0, 0), 1);
  t.true(signTest(0, 5000) >= 0 && signTest(0, 5000) < 1e-300);
});
