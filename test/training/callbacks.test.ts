// Proves lib/training/callbacks.ts: when callbacks are called, what they may do, and what happens when they fail.

import test from 'ava';
import { ArgumentError, Callback, type EpochRecord, SGD, type TrainingRun } from '../../lib/index.js';
import { loss, makeModel, points, quiet } from '../helpers/training.js';

test('callbacks are called in order, may be asynchronous, and may stop the run after a step', async (t) => {
  const events: string[] = [];
  class Recorder extends Callback {
    override onTrainBegin(run: TrainingRun): void {
      events.push(`begin ${run.epoch} ${run.step} ${run.stepsPerEpoch}`);
    }
    override async onEpochBegin(run: TrainingRun): Promise<void> {
      await new Promise((resolve) => setTimeout(resolve, 1));
      events.push(`epoch ${run.epoch}`);
    }
    override onEpochEnd(record: EpochRecord, run: TrainingRun): void {
      events.push(`end of ${record.epoch} ${run.history.epochs.length}`);
    }
    override async onTrainEnd(run: TrainingRun): Promise<void> {
      await new Promise((resolve) => setTimeout(resolve, 1));
      events.push(`train end ${run.outcome}`);
    }
  }
  const model = makeModel();
  const optimizer = new SGD(model, { lr: 0.1 });
  const options = { ...quiet, loss, optimizer, batchSize: 32, epochs: 2 };
  await model.fit(points(64), {
    ...options,
    callbacks: [new Recorder(), { onBatchEnd: ({ step, batch }) => events.push(`step ${step} batch ${batch}`) }],
  });
  t.deepEqual(events, [
    'begin 0 0 2',
    'epoch 1',
    'step 1 batch 1',
    'step 2 batch 2',
    'end of 1 1',
    'epoch 2',
    'step 3 batch 1',
    'step 4 batch 2',
    'end of 2 2',
    'train end completed',
  ]);
  const stopped = await model.fit(points(64), {
    ...options,
    callbacks: [{ onBatchEnd: ({ step }, run) => (step === 3 ? run.stop('enough') : undefined) }],
  });
  t.is(stopped.stopped, 'enough');
  t.is(stopped.epochs.length, 1, 'the epoch that was cut short has no record');
  t.is(optimizer.steps, 4 + 3);
});

test('an error in a callback ends the run with that error, and onTrainEnd is still called', async (t) => {
  const model = makeModel();
  let outcome: unknown = null;
  const callbacks = [
    {
      onBatchEnd: () => {
        throw new TypeError('mine');
      },
      onTrainEnd: (run: TrainingRun) => {
        outcome = run.outcome;
        throw new Error('another one');
      },
    },
  ];
  await t.throwsAsync(model.fit(points(64), { ...quiet, loss, optimizer: new SGD(model, { lr: 0.1 }), callbacks }), {
    instanceOf: TypeError,
    message: 'mine',
  });
  t.is(outcome, 'failed');
  t.true(model.training);
  await t.notThrowsAsync(model.fit(points(64), { ...quiet, loss, optimizer: new SGD(model, { lr: 0.1 }) }), 'the model is free again');
});

test('a callback with half of a state, or with an event that there is not, is refused', async (t) => {
  const model = makeModel();
  const run = (callback: object) => model.fit(points(64), { ...quiet, loss, optimizer: new SGD(model, { lr: 0.1 }), callbacks: [callback] });
  await t.throwsAsync(run({ stateDict: () => 1 }), {
    instanceOf: ArgumentError,
    message: '`options.callbacks[0]` has one of stateDict() and loadStateDict(): checkpoints need both',
  });
  await t.throwsAsync(run({ onBatchStart: () => 1 }), { instanceOf: ArgumentError, message: /unknown event "onBatchStart"/ });
});
