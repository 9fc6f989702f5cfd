// A layer and a loss of your own, their gradients checked, then used: a forecast that knows how sure it is. The loss asks for quantiles, so that one output has
// 10 % of what comes below it, one half, and one 90 %. Noise grows with x, and so does the distance between the three. `node examples/custom.ts` takes two seconds.

import {
  Adam,
  Constant,
  CosineDecay,
  Layer,
  Linear,
  Loss,
  Parameter,
  Random,
  Sequential,
  Tensor,
  TensorDataset,
  gradCheck,
  load,
} from 'nodegrad';
import { registerLayer, setSeed, sigmoid, tensor } from 'nodegrad';

/** x·sigmoid(β·x), with a β for each feature that is learned: Ramachandran et al. 2017. The gradient follows from what forward does. */
class LearnedSwish extends Layer {
  readonly features: number;
  readonly beta: Parameter;

  constructor(features: number) {
    super();
    this.features = features;
    this.beta = new Parameter([features], { init: new Constant(1) });
  }

  forward(x: Tensor): Tensor {
    return x.mul(sigmoid(x.mul(this.beta)));
  }

  // What it takes to build it again: with this a model that has the layer can be saved and loaded.
  override config() {
    return { features: this.features };
  }
  static fromConfig({ features }: { features: number }): LearnedSwish {
    return new LearnedSwish(features);
  }
}
registerLayer(LearnedSwish, 'LearnedSwish');

/** Whoever is too low pays `quantile` times the distance, whoever is too high `1 − quantile` times: least where that share of all targets lies below. */
class QuantileLoss extends Loss {
  readonly quantiles: readonly number[];

  constructor(quantiles: readonly number[]) {
    super();
    this.quantiles = quantiles;
  }

  // In float32 while it trains, in float64 while gradients are checked.
  forward<D extends 'float32' | 'float64'>(prediction: Tensor<D>, target: Tensor<D>): Tensor<D> {
    const quantiles = tensor([...this.quantiles], { dtype: prediction.dtype });
    const short = target.sub(prediction); // [examples, 1] beside [examples, quantiles]
    return short
      .mul(quantiles)
      .maximum(short.mul(quantiles.sub(1)))
      .mean();
  }
}

/** Rows of x from −1 to 1, and y = x² with noise that grows from 0.05 to 0.35. */
function draw(count: number, seed: number): TensorDataset<'float32', 'float32'> {
  const random = new Random(seed);
  const x = Float32Array.from({ length: count }, () => 2 * random.uniform() - 1);
  const y = x.map((value) => value * value + (0.2 + 0.15 * value) * random.normal());
  return new TensorDataset(Tensor.from(x, [count, 1]), Tensor.from(y, [count, 1]));
}

setSeed(1);
const [train, test] = [draw(4000, 1), draw(2000, 2)];
const model = new Sequential([new Linear(1, 32), new LearnedSwish(32), new Linear(32, 32), new LearnedSwish(32), new Linear(32, 3)]);
const quantiles = [0.1, 0.5, 0.9];
const loss = new QuantileLoss(quantiles);

// What backward gives, beside differences of the output: below 1e-7 it is right, above 1e-4 it is wrong.
const few = test.batch(Int32Array.of(0, 1, 2, 3));
const target = few.targets.to('float64');
const { error } = gradCheck(model, few.inputs, { loss: (prediction) => loss.forward(prediction, target) });
console.log(`the gradients of layer and loss are ${error < 1e-6 ? 'right' : `off by ${error}`}`);

await model.fit(train, {
  loss,
  optimizer: new Adam(model, { lr: new CosineDecay(5e-3, { length: 40 }) }),
  epochs: 40,
  batchSize: 64,
  progress: false,
  log: false,
});
await model.save('custom.safetensors');

// Loaded again; the share of new examples that lie below each quantile, and how far apart the quantiles are.
const loaded = await load('custom.safetensors');
const found = await loaded.predict<Tensor>(test);
for (const [k, quantile] of quantiles.entries()) {
  const below = test.targets.data.filter((y, i) => y < found.data[3 * i + k]).length / test.length;
  console.log(`${(100 * below).toFixed(1)} % of new examples are below what should have ${100 * quantile} % below it`);
}
for (const x of [-0.9, 0, 0.9]) {
  const [low, middle, high] = (await loaded.predict<Tensor>(tensor([[x]]))).data;
  console.log(`x = ${x}: ${middle.toFixed(2)}, and with 80 % chance from ${low.toFixed(2)} to ${high.toFixed(2)}`);
}
