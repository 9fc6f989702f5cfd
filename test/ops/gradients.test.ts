// The gradient of every op, as a full Jacobian in float64. The list of ops is the library's own: one without a case here fails.
import test from 'ava';
import { gradcheck } from '../helpers/gradcheck.js';
import { gradientCases } from '../helpers/gradients.js';

for (const [op, make] of Object.entries(gradientCases)) {
  test(`the gradient of ${op} agrees with central differences`, (t) => {
    let entries = 0;
    const cases = make();
    for (const { name, fn, inputs } of cases) entries += gradcheck(t, fn, inputs, {}, `${op} ${name}`).entries;
    t.true(cases.length >= 3 && entries > 0);
  });
}
