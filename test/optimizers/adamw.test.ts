// AdamW: decay that is decoupled from the gradient.
import test from 'ava';
import { Adam, AdamW } from '../../lib/index.js';
import { f64, leaf } from '../helpers/build.js';
import { close } from '../helpers/close.js';

test("AdamW's decay does not pass through the second moment, Adam's does", (t) => {
  const [decoupled, coupled] = [leaf(f64([2])), leaf(f64([2]))];
  const [first, second] = [
    new AdamW([decoupled] as never, { lr: 0.1, weightDecay: 0.25 }),
    new Adam([coupled] as never, { lr: 0.1, weightDecay: 0.25 }),
  ];
  for (const parameter of [decoupled, coupled]) parameter.mul(0).sum().backward();
  first.step();
  second.step();
  close(t, decoupled, [2 * (1 - 0.1 * 0.25)], { relative: 1e-15 });
  // With no gradient but the decay's, Adam walks one whole learning rate, whatever the decay.
  close(t, coupled, [1.9], { relative: 1e-7 });
});

test('AdamW decays by 0.01 unless told otherwise', (t) => {
  const parameter = leaf(f64([2]));
  const optimizer = new AdamW([parameter] as never, { lr: 0.1 });
  parameter.mul(0).sum().backward();
  optimizer.step();
  close(t, parameter, [2 * (1 - 0.1 * 0.01)], { relative: 1e-15 });
});
