// Adam with bias correction: where its eps stands, and whose steps it counts.
import test from 'ava';
import { Adam, Linear, type Tensor, Zeros } from '../../lib/index.js';
import { f32, f64, leaf } from '../helpers/build.js';
import { close } from '../helpers/close.js';

test("Adam's eps stands outside the root of the corrected second moment", (t) => {
  // g = 1e-8, lr 1e-3, eps 1e-8: 5.0e-4 outside the corrected root; 3.152e-6 in the form with eps beside the uncorrected one.
  const parameter = leaf(f64([0]));
  const optimizer = new Adam([parameter] as never, { lr: 1e-3, eps: 1e-8 });
  parameter.mul(1e-8).sum().backward();
  optimizer.step();
  close(t, parameter, [-5e-4], { relative: 1e-12 });
});

test('a parameter that joins later starts like at step 1, its averages corrected by its own count of steps', (t) => {
  // PyTorch counts the steps of each parameter; with one common count the first steps after unfreezing are 3.16 learning rates long.
  const [first, late] = [leaf(f64([0])), leaf(f64([0]))];
  const optimizer = new Adam([first, late] as never, { lr: 0.1 });
  late.requiresGrad = false;
  for (let step = 0; step < 50; step++) {
    if (step === 49) late.requiresGrad = true;
    optimizer.zeroGrad();
    first.add(late).sum().backward();
    optimizer.step();
  }
  close(t, late, [-0.1], { relative: 1e-6 });

  // The same for neighbours in the memory of one model, which are otherwise updated together.
  const model = new Linear(1, 1, { init: new Zeros() });
  const together = new Adam(model, { lr: 0.1 });
  const bias = model.bias as unknown as Tensor;
  for (let step = 0; step < 50; step++) {
    bias.requiresGrad = step === 49;
    together.zeroGrad();
    model
      .forward(f32([1], [1, 1]))
      .sum()
      .backward();
    together.step();
  }
  close(t, bias, [-0.1], { relative: 1e-5 });
  close(t, model.weight as unknown as Tensor, { data: [-5], shape: [1, 1] }, { relative: 1e-5 });
});
