// Proves lib/training/under-way.ts: whoever forgets the `await` before fit hears of it, and what a run does itself is no reason to warn.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import {
  Adam,
  BusyError,
  Callback,
  MSELoss,
  TargetScaler,
  TensorDataset,
  type TrainingRun,
  evaluate,
  fit,
  mlp,
  tensor,
} from '../../lib/index.js';
import { quiet } from '../helpers/training.js';
import { warningsOf } from '../helpers/warnings.js';

const data = new TensorDataset(tensor([[60], [80], [100], [120]]), tensor([[200], [290], [410], [500]]));
const make = () => mlp({ inputShape: [1], hidden: [4], classes: 1 });
const loss = new MSELoss();

function pathFor(t: ExecutionContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'nodegrad-under-way-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  return join(folder, 'model.safetensors');
}

test.serial(
  'without an await before fit, foldInto is refused, and save and evaluate warn, once each; after the run all is as ever',
  async (t) => {
    const path = pathFor(t);
    const model = make();
    const scaler = new TargetScaler().fit(data);
    const seen = await warningsOf(async () => {
      const under = model.fit(scaler.scaled(data), { ...quiet, loss, optimizer: new Adam(model), epochs: 20 });
      const before = [...model.parameters()[0].data];
      t.throws(() => scaler.foldInto(model), { instanceOf: BusyError, message: /foldInto\(\) changes it.*`await` is missing/ });
      t.deepEqual([...model.parameters()[0].data], before);
      await model.save(path);
      await evaluate(model, scaler.scaled(data), { loss });
      await evaluate(model, scaler.scaled(data), { loss });
      await under;
    });
    const own = seen.filter((text) => !text.startsWith('NODEGRAD_SCALED_TARGETS'));
    t.is(own.length, 2, own.join('\n'));
    t.regex(own[0], /^NODEGRAD_IN_TRAINING: save\(\) was called .*`await` is missing/);
    t.regex(own[1], /^NODEGRAD_IN_TRAINING: evaluate\(\) was called /);
    const after = await warningsOf(async () => {
      scaler.foldInto(model);
      await model.save(path);
      await model.evaluate(data, { loss });
    });
    t.deepEqual(after, []);
  },
);

test.serial('callbacks of a run save and evaluate its model, also behind an await, and nothing is said', async (t) => {
  const path = pathFor(t);
  const model = make();
  let scores = 0;
  class Own extends Callback {
    override async onEpochEnd(_record: unknown, _run: TrainingRun): Promise<void> {
      await new Promise((resolve) => setTimeout(resolve, 1));
      await model.save(path);
      await model.evaluate(data, { loss });
      scores += 1;
    }
  }
  const seen = await warningsOf(() => model.fit(data, { ...quiet, loss, optimizer: new Adam(model), epochs: 2, callbacks: [new Own()] }));
  t.deepEqual(seen, []);
  t.is(scores, 2);
});

test('a second fit beside the first is refused, and an error in between leaves the model free', async (t) => {
  const model = make();
  await t.throwsAsync(fit(model, data, { ...quiet, loss } as never), { code: 'ERR_ARGUMENT' });
  const first = fit(model, data, { ...quiet, loss, optimizer: new Adam(model) });
  await t.throwsAsync(fit(model, data, { ...quiet, loss, optimizer: new Adam(model) }), { instanceOf: BusyError });
  await first;
  await fit(model, data, { ...quiet, loss, optimizer: new Adam(model) });
});
