// The gradient check must reject a wrong gradient, a missing one and a function that is not one, and say where.
import test, { type ExecutionContext } from 'ava';
import { relu, type Tensor } from '../../lib/index.js';
import { f64 } from './build.js';
import { gradcheck } from './gradcheck.js';

type Double = Tensor<'float64'>;

/** What the check says about `fn` at these inputs, or '' where it passes. */
async function verdict(t: ExecutionContext, fn: (...inputs: Double[]) => Double, ...inputs: Double[]): Promise<string> {
  const attempt = await t.try((inner) => {
    gradcheck(inner, fn, inputs);
  });
  attempt.discard();
  return attempt.passed ? '' : attempt.errors.map((error) => error.message).join('; ');
}

test('the gradient check accepts a right gradient and counts the entries of the Jacobian', (t) => {
  const { entries, share } = gradcheck(t, (x, y) => x.mul(y), [f64([1, 2, 3]), f64([4, 5, 6])]);
  t.is(entries, 18);
  t.true(share < 0.01);
});

test('the gradient check rejects half a gradient, and names the entry', async (t) => {
  const found = await verdict(t, (x) => x.mul(x.detach()), f64([1, 2, -3]));
  t.regex(found, /d output\[2\] \/ d input\[2\] is -3, central difference -(6|5\.9999)/);
});

test('the gradient check rejects a missing gradient, and names the input', async (t) => {
  t.regex(await verdict(t, (x, y) => x.mul(y.detach()), f64([1, 2]), f64([3, 4])), /d input 1\[/);
});

test('the gradient check rejects an error of one part in a hundred thousand', async (t) => {
  const off = (x: Double) =>
    x
      .mul(x)
      .mul(1 - 1e-5)
      .add(x.detach().mul(x.detach()).mul(1e-5));
  t.not(await verdict(t, off, f64([1, 2])), '');
});

test('the gradient check rejects a kink inside its reach, and a function that changes between calls', async (t) => {
  t.not(await verdict(t, relu as never, f64([0])), '');
  let calls = 0;
  t.regex(await verdict(t, (x) => x.add(calls++), f64([1])), /not deterministic/);
});
