// What predict, evaluate, clone and save see of a model that is in training is what a whole step left: never half of one.

import test from 'ava';
import { Constant, fromBytes, MSELoss, Parameter, registerLayer, SGD, stack, Tensor, TensorDataset, Model } from '../../lib/index.js';

const width = 32768;
const copies = 24;

/** Parameters that start alike and get the same gradient: after each whole step they are equal. Evaluated, it gives their differences. */
class Alike extends Model<Tensor, Tensor> {
  readonly copies = Array.from({ length: copies }, () => new Parameter([width], { init: new Constant(1) }));

  forward(x: Tensor): Tensor {
    if (this.training) return this.copies.reduce((sum: Tensor, copy) => sum.add(copy), x);
    return stack(this.copies.map((copy) => copy.sub(this.copies[0]).abs().max())).reshape([1, copies]);
  }

  override config(): unknown {
    return {};
  }

  static fromConfig(): Alike {
    return new Alike();
  }
}
registerLayer(Alike, 'Alike');

test('predict, evaluate, clone and save during fit() see weights of whole steps', async (t) => {
  const model = new Alike();
  // A group each, so that a step updates them by instructions of their own.
  const optimizer = new SGD(
    model.parameters().map((parameter) => ({ parameters: [parameter] })),
    { lr: 0.1 },
  );
  const rows = 16;
  const inputs = Tensor.from(
    Float32Array.from({ length: rows * width }, (_, i) => (i % 17) / 17),
    [rows, width],
  );
  const data = new TensorDataset(inputs, Tensor.from(new Float32Array(rows * width), [rows, width]));
  const [one, none] = [inputs.slice(0, 1), Tensor.from(new Float32Array(copies), [1, copies])];
  const controller = new AbortController();
  t.teardown(() => controller.abort());
  let running = true;
  const run = model
    .fit(data, { optimizer, loss: new MSELoss(), batchSize: 1, epochs: 1e6, signal: controller.signal, progress: false, log: false })
    .catch(() => {})
    .finally(() => {
      running = false;
    });
  const differences = (other: Alike): number => {
    const [first, ...others] = other.copies.map(({ data: values }) => values);
    return others.reduce((count, values) => count + values.reduce((sum, value, i) => sum + Number(value !== first[i]), 0), 0);
  };
  // Before the first step the sitter looks at the data.
  while (model.copies[0].data[0] === 1) await new Promise((next) => setImmediate(next));
  const seen = new Set<number>();
  for (let round = 0; round < 25; round++) {
    t.true(running, 'the run goes on');
    const prediction = model.predict(one);
    const score = model.evaluate(new TensorDataset(one, none), { loss: new MSELoss() });
    const twin = model.clone() as Alike;
    const saved = fromBytes(model.toBytes()) as Alike;
    t.deepEqual([differences(twin), differences(saved)], [0, 0]);
    t.true((await prediction).data.every((value) => value === 0));
    t.is((await score).loss, 0);
    seen.add(twin.copies[0].data[0]).add(saved.copies[0].data[0]);
  }
  controller.abort();
  await run;
  t.is(differences(model), 0);
  t.true(seen.size > 10, `${seen.size} different states were seen`);
});
