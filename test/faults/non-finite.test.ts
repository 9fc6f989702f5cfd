// What is not finite is found wherever a model keeps numbers: in buffers, such as running statistics, as well as in parameters.
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import {
  BatchNorm1d,
  Buffer,
  Linear,
  MSELoss,
  SGD,
  Sequential,
  Tensor,
  TensorDataset,
  TrainingNonFiniteError,
  ones,
  setSeed,
  Model,
} from '../../lib/index.js';
import { Seeded } from '../helpers/seeded.js';

// 64 rows of 4 features; one of them says "no data" as some instruments do.
function dataWith(value: number): TensorDataset<'float32', 'float32'> {
  const rows = Float32Array.from(new Seeded(1).uniform(64 * 4));
  rows[4 * 20 + 1] = value;
  return new TensorDataset(Tensor.from(rows, [64, 4]), ones([64, 2]));
}

for (const eager of [false, true]) {
  test(`a running statistic that is not finite ends ${eager ? 'an eager' : 'a compiled'} run, and is named with its layer (fault R17)`, async (t) => {
    setSeed(1);
    const model = new Sequential([new BatchNorm1d(4), new Linear(4, 2)]);
    const options = {
      loss: new MSELoss(),
      optimizer: new SGD(model, { lr: 0.01 }),
      epochs: 3,
      batchSize: 16,
      log: false,
      progress: false,
      eager,
    };
    const dir = mkdtempSync(join(tmpdir(), 'nodegrad-statistics-'));
    t.teardown(() => rmSync(dir, { recursive: true, force: true }));
    const error = await t.throwsAsync(model.fit(dataWith(-3.4e38), { ...options, checkpoint: { dir } } as never), {
      instanceOf: TrainingNonFiniteError,
      code: 'ERR_NON_FINITE',
      message: /^buffer '0\.runningVar' holds Infinity at element 1: .*epoch 1.*missing value/,
    });
    t.is(error?.place.what, 'buffer');
    t.is(error?.place.path, '0.runningVar');
    t.deepEqual(
      readdirSync(dir).filter((name) => name.endsWith('.safetensors')),
      [],
      'no checkpoint of broken statistics',
    );
  });
}

test('large numbers whose statistics are finite train as before (fault R17)', async (t) => {
  setSeed(1);
  const model = new Sequential([new BatchNorm1d(4), new Linear(4, 2)]);
  await model.fit(dataWith(-1e15), {
    loss: new MSELoss(),
    optimizer: new SGD(model, { lr: 0.01 }),
    batchSize: 16,
    log: false,
    progress: false,
  });
  t.true([...((model.layers[0] as BatchNorm1d).runningVar?.data ?? [])].every(Number.isFinite));
});

test('a buffer that masks with −Infinity is no fault (fault R17)', async (t) => {
  class Masked extends Model {
    readonly mask = new Buffer([2]);
    readonly inner = new Linear(4, 2);
    forward(x: Tensor): Tensor {
      return this.inner.forward(x).maximum(this.mask);
    }
  }
  const model = new Masked();
  model.mask.data.fill(-Infinity);
  await t.notThrowsAsync(
    model.fit(dataWith(0), { loss: new MSELoss(), optimizer: new SGD(model, { lr: 0.01 }), batchSize: 16, log: false, progress: false }),
  );
});
