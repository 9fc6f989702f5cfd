// The gradient of every op, as a full Jacobian in float64. The list of ops is the library's own: one without a case here fails.
import test from 'ava';
import '../../lib/index.js';
import { definedOp, definedOps } from '../../lib/ops/define.js';
import { gradcheck } from '../helpers/gradcheck.js';
import { gradientCases } from '../helpers/gradients.js';

for (const [op, make] of Object.entries(gradientCases)) {
  test(`the gradient of ${op} agrees with central differences`, (t) => {
    let entries = 0;
    const cases = make();
    for (const { name, fn, inputs, options } of cases) entries += gradcheck(t, fn, inputs, options, `${op} ${name}`).entries;
    t.true(cases.length >= 3 && entries > 0);
  });
}

test('every op with a gradient has its cases here, and every case its op', (t) => {
  const differentiable = definedOps().filter((name) => definedOp(name)?.gradient !== 'none');
  t.deepEqual(
    differentiable.filter((name) => !(name in gradientCases)),
    [],
    'ops without a gradient-check case in test/helpers/gradients.ts',
  );
  t.deepEqual(
    Object.keys(gradientCases).filter((name) => !differentiable.includes(name)),
    [],
    'cases of ops that do not exist or have no gradient',
  );
});
