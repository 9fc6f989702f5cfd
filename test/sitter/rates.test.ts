// Proves lib/sitter/rules/lr.ts and slow.ts on runs as numbers: what is no reason to blame a learning rate.

import test from 'ava';
import type { FindingId } from '../../lib/index.js';
import { LossCurve } from '../../lib/sitter/curve.js';
import { explosion } from '../../lib/sitter/rules/lr.js';
import { shortSteps } from '../../lib/sitter/rules/slow.js';

test('losses that jump from batch to batch do not say that the rate is too high where no step is long beside the weights', (t) => {
  const found = (lr: number): readonly FindingId[] => {
    const losses = new LossCurve();
    // Down from 2.6, slowly, with one batch that is hard.
    for (let step = 0; step < 75; step++)
      losses.add(step === 40 ? 3.93 : 2.57 - 0.01 * step + (step > 30 && step < 50 ? 0.4 : 0) + 0.1 * (step % 2));
    const start = { loss: 2.57, weights: [{ path: 'weight', shape: [17, 1], rms: 0.3, gradient: 0.1 }] };
    const setup = { optimizer: 'Adam', lr, epochs: 50, stepsPerEpoch: 75 };
    return explosion.judge({ losses, setup, start, step: 75, chance: 0.975, movement: null, epochs: [] } as never).map(({ id }) => id);
  };
  t.deepEqual(found(1e-3), []);
  t.deepEqual(found(0.1), ['learning-rate-too-high']);
});

test('where a schedule has lowered a usual rate, the run is too short, and nobody is told to take the rate that is in use', (t) => {
  const seen = (isScheduled: boolean, first: number, last: number) => {
    const losses = new LossCurve();
    for (let step = 0; step < 150; step++) losses.add(1 - 0.0003 * step);
    const start = { loss: 1.02, weights: [{ path: 'weight', shape: [64, 64], rms: 0.1, gradient: 0.01 }] };
    const setup = { optimizer: 'Adam', lr: last / 10, epochs: 2, stepsPerEpoch: 75, isScheduled, isTuned: false };
    const movement = { steps: 150, lr: first, weights: [{ path: 'weight', ratio: 0.05, distance: 0.005 }] };
    const epochs = [{ lr: first }, { lr: last }];
    return shortSteps.judge({ losses, setup, start, movement, epochs, moment: 'end', step: 150, chance: 0.98 } as never)[0];
  };
  const short = seen(true, 1e-3, 1e-4);
  t.is(short.id, 'stopped-too-early');
  t.regex(short.seen, /the schedule takes it from 0\.001 to 0\.0001/);
  t.deepEqual(short.change, { kind: 'epochs', value: 40 });
  const low = seen(true, 1e-5, 1e-6);
  t.is(low.id, 'learning-rate-too-low');
  t.true(low.change?.kind === 'learningRate' && low.change.value > 1e-5);
});
