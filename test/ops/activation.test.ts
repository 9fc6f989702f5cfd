// Activation functions against PyTorch in float64, and by their names.
import test from 'ava';
import * as lib from '../../lib/index.js';
import { f32, leaf } from '../helpers/build.js';
import { close, identical } from '../helpers/close.js';
import { golden, values } from '../helpers/golden.js';
import { Seeded } from '../helpers/seeded.js';

type Double = lib.Tensor<'float64'>;

for (const { name, fn, options, x, y, slope, alpha, slopeOfAlpha } of golden('activations').cases) {
  test(`${name}: values and gradients are those of PyTorch in float64`, (t) => {
    const input = leaf(lib.Tensor.from(values(x, 'float64'), [...x.shape]) as Double);
    const slopes = alpha === undefined ? null : leaf(lib.Tensor.from(values(alpha, 'float64'), [...alpha.shape]) as Double);
    const output = slopes === null ? lib.activation(fn as 'relu', (options ?? undefined) as never)(input) : lib.prelu(input, slopes);
    close(t, output, values(y, 'float64'), { relative: 1e-9 });
    output.sum().backward();
    // Where a slope crosses zero, all digits of both may be lost: 1e-15 of its largest values.
    // PyTorch's 1/6 in the slope of hardSigmoid has the precision of float32.
    close(t, input.grad as Double, values(slope, 'float64'), { relative: fn === 'hardSigmoid' ? 4e-8 : 1e-9, absolute: 1e-15 });
    if (slopes !== null) close(t, slopes.grad as Double, values(slopeOfAlpha as typeof y, 'float64'), { relative: 1e-9 });
  });
}

test('the golden file has every named activation but the linear one and the step', (t) => {
  const covered = new Set(golden('activations').cases.map(({ fn }) => fn));
  t.deepEqual(
    lib.activationNames.filter((name) => !covered.has(name)),
    ['linear', 'step'],
  );
});

test('activation() finds every function by its name, with its options, and names them all when one is unknown', (t) => {
  const x = f32(new Seeded(4).uniform(100, -4, 4));
  for (const name of lib.activationNames) t.is(lib.activation(name)(x).size, 100, name);
  t.true(['linear', 'relu', 'gelu', 'step'].every((name) => lib.activationNames.includes(name as 'relu')));
  t.false(lib.activationNames.includes('prelu' as never));
  identical(t, lib.activation('elu', { alpha: 0.5 })(x), lib.elu(x, { alpha: 0.5 }));
  t.is(lib.activation('linear')(x), x);
  t.throws(() => lib.activation('toString' as never), { instanceOf: lib.ArgumentError, message: /celu.*tanh/ });
  t.throws(() => lib.activation('elu', { beta: 1 } as never)(x), { instanceOf: lib.ArgumentError, message: /beta.*alpha/ });
});
