// Proves lib/sitter/regularizer-sign.ts: a penalty that rewards large weights is a finding before the run, and others are not.

import test from 'ava';
import {
  CrossEntropyLoss,
  L1Regularizer,
  L2Regularizer,
  Linear,
  MaxNormConstraint,
  Regularizer,
  SGD,
  type Tensor,
  preflight,
} from '../../lib/index.js';
import { judgeRegularizers } from '../../lib/sitter/regularizer-sign.js';
import { makeModel, points } from '../helpers/training.js';

/** `factor·Σ w² + offset`. */
class Squares extends Regularizer {
  constructor(
    model: Linear | ReturnType<typeof makeModel>,
    readonly factor: number,
    readonly offset = 0,
  ) {
    super(model);
  }

  override penalty(): Tensor {
    const sums = this.parameters.map((w) => (w as Tensor).mul(w as Tensor).sum());
    return sums
      .reduce((a, b) => a.add(b))
      .mul(this.factor)
      .add(this.offset);
  }
}

test('[J04] a regularizer that lowers the loss is found before the run, and those that raise it are not', async (t) => {
  const model = makeModel();
  const weights = model.parameters().map(({ data }) => [...data]);
  const before = (regularizers: Regularizer[]): Promise<string[]> =>
    preflight(model, points(64), { loss: new CrossEntropyLoss(), optimizer: new SGD(model, { lr: 0.1 }), regularizers }).then((found) =>
      found.filter(({ verdict }) => verdict === 'fault').map(({ id, seen }) => `${id}: ${seen}`),
    );
  const [found, ...others] = await before([new L2Regularizer(model, 1e-3), new Squares(model, -1e-3)]);
  t.regex(found, /^regularizer-lowers-loss: Squares adds -\d\S* to the loss, and less still where the weights are larger$/);
  t.deepEqual(others, []);
  const fine = [new L1Regularizer(model, 1e-3), new L2Regularizer(model, 1), new MaxNormConstraint(model, 1), new Squares(model, 1e-3, -10)];
  t.deepEqual(await before(fine), []);
  t.deepEqual(
    model.parameters().map(({ data }) => [...data]),
    weights,
    'the weights are as they were',
  );
});

test('a penalty that refuses, gives NaN or nothing is left to the run', (t) => {
  class Odd extends Squares {
    override penalty(): Tensor {
      if (this.factor < 0) throw new Error('no');
      return super.penalty().mul(Number.NaN);
    }
  }
  const layer = new Linear(2, 2);
  t.is(judgeRegularizers([new Odd(layer, -1), new Odd(layer, 1)]), null);
  t.is(judgeRegularizers([]), null);
});
