// Recomputed blocks: the bits of plain ones, states that move once, numbers that are drawn once, and what is refused.

import test from 'ava';
import {
  Adam,
  BatchNorm1d,
  BatchNorm2d,
  Buffer,
  cifarResnet,
  compileStep,
  Conv2d,
  crossEntropy,
  CrossEntropyLoss,
  defaultRandom,
  dropout,
  Dropout,
  Layer,
  Linear,
  LSTM,
  noGrad,
  observed,
  PReLU,
  preactResnet,
  Random,
  recompute,
  ReLU,
  Sequential,
  setSeed,
  Tensor,
  TensorDataset,
} from '../../lib/index.js';
import { drawBit } from '../../lib/ops/random.js';
import { copyInto } from '../../lib/ops/shape.js';
import { choose } from '../../lib/ops/sometimes.js';

const numbers = (shape: readonly number[], factor = 7): Tensor =>
  Tensor.from(
    Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => ((i * factor) % 23) / 23 - 0.4),
    shape,
  );
const classes = Tensor.from(Int32Array.from({ length: 8 }, (_, i) => i % 3));

const stateOf = (model: Layer): unknown => [...model.stateDict()].map(([path, { data }]) => [path, ...data]);

/** Trains for three steps, eagerly or compiled, and gives all losses, weights and states. */
function trained(make: () => Layer, x: Tensor, isCompiled: boolean): unknown {
  setSeed(3);
  const model = make();
  model.prepare();
  const optimizer = new Adam(model, { lr: 0.01 });
  const body = (input: Tensor, y: Tensor<'int32'>): Tensor => {
    const loss = crossEntropy(model.forward(input), y);
    optimizer.zeroGrad();
    loss.backward();
    optimizer.step();
    return loss.detach();
  };
  const step = compileStep(body);
  const losses = [0, 1, 2].map(() => (isCompiled ? step.sync(x, classes) : body(x, classes)).item());
  step.dispose();
  return { losses, state: stateOf(model), numbers: defaultRandom().state };
}

/** What a block may hold, behind one that is there in any case. */
class Net extends Layer {
  readonly first = new Linear(6, 8);
  readonly last = new Linear(8, 3);
  constructor(
    readonly block: Layer,
    readonly run: (block: Layer, x: Tensor) => Tensor,
  ) {
    super();
  }
  forward(x: Tensor): Tensor {
    return this.last.forward(this.run(this.block, this.first.forward(x)));
  }
}

/** x goes into the block, and past it too. */
const beside = (block: Layer, x: Tensor): Tensor => recompute(block, x).add(x).mul(x);
const twice = (block: Layer, x: Tensor): Tensor => recompute(block, recompute(block, x));
const plain = (run: typeof beside): typeof beside =>
  run === twice ? (block, x) => block.forward(block.forward(x)) : (block, x) => block.forward(x).add(x).mul(x);

class Masked extends Layer {
  readonly inner = new Linear(8, 8);
  forward(x: Tensor): Tensor {
    return dropout(this.inner.forward(x), 0.3);
  }
}

class Nested extends Layer {
  readonly blocks = [0, 1].map(() => new Sequential([new Linear(8, 8), new Dropout(0.4), new BatchNorm1d(8, { momentum: null }), new PReLU()]));
  constructor(readonly isRecomputed: boolean) {
    super();
  }
  forward(x: Tensor): Tensor {
    const [one, two] = this.blocks;
    const before = this.isRecomputed ? recompute(one, x) : one.forward(x);
    return (this.isRecomputed ? recompute(two, before) : two.forward(before)).add(x);
  }
}

const blocks: Record<string, (isRecomputed: boolean) => Layer> = {
  'products and running statistics': () => new Sequential([new Linear(8, 16), new BatchNorm1d(16), new ReLU(), new Linear(16, 8)]),
  'dropout, of its own stream and of the common one': () => new Sequential([new Linear(8, 8), new Dropout(0.5), new Masked()]),
  'recomputed blocks inside': (isRecomputed) => new Nested(isRecomputed),
};

for (const [what, make] of Object.entries(blocks)) {
  for (const isCompiled of [false, true]) {
    for (const [where, run] of Object.entries({ 'beside its input': beside, twice: twice })) {
      test.serial(`a recomputed block trains to the same bits: ${what}, ${where}, ${isCompiled ? 'compiled' : 'eager'}`, (t) => {
        const x = numbers([8, 6]);
        const expected = trained(() => new Net(make(false), plain(run)), x, isCompiled);
        t.deepEqual(
          trained(() => new Net(make(true), run), x, isCompiled),
          expected,
        );
      });
    }
  }
}

for (const isCompiled of [false, true]) {
  const how = isCompiled ? 'compiled' : 'eager';
  test.serial(`recompute: true of residual networks keeps paths, weights and running statistics, ${how}`, (t) => {
    const images = numbers([8, 16, 16, 3]);
    for (const make of [
      (again: boolean) => cifarResnet({ depth: 8, imageSize: 16, classes: 3, recompute: again }),
      (again: boolean) => cifarResnet({ depth: 8, imageSize: 16, classes: 3, dropPath: 0.5, recompute: again }),
      (again: boolean) => preactResnet({ depth: 11, imageSize: 16, classes: 3, dropout: 0.2, recompute: again }),
    ]) {
      t.deepEqual(
        trained(() => make(true), images, isCompiled),
        trained(() => make(false), images, isCompiled),
      );
    }
  });
}

test.serial('fit() trains a network with recomputed blocks to the same bits, with stochastic depth around a block as within it', async (t) => {
  class Skipped extends Layer {
    readonly block = new Sequential([new Linear(8, 8), new BatchNorm1d(8), new ReLU(), new Dropout(0.2)]);
    readonly bits = this.stream('bits');
    constructor(readonly isRecomputed: boolean) {
      super();
    }
    forward(x: Tensor): Tensor {
      const run = (z: Tensor): Tensor => (this.isRecomputed ? recompute(this.block, z) : this.block.forward(z));
      return this.training ? choose(x, drawBit(this.bits, 0.5), run, (z) => z) : run(x);
    }
  }
  const train = async (isRecomputed: boolean, eager: boolean): Promise<unknown> => {
    setSeed(5);
    const layers = [new Linear(6, 8), new Skipped(isRecomputed), new Sequential([new Skipped(false)], { recompute: isRecomputed })];
    const model = new Sequential([...layers, new Linear(8, 3)]);
    const data = new TensorDataset(numbers([32, 6]), Tensor.from(Int32Array.from({ length: 32 }, (_, i) => i % 3)));
    const { epochs, warnings } = await model.fit(data, {
      ...{ loss: new CrossEntropyLoss(), optimizer: new Adam(model, { lr: 0.01 }), epochs: 2, batchSize: 8, eager },
      ...{ progress: false, observeEvery: 2, seed: 1 },
    });
    return { losses: epochs.map(({ loss }) => loss), warnings, state: stateOf(model) };
  };
  for (const eager of [false, true]) t.deepEqual(await train(true, eager), await train(false, eager));
});

test('a compiled step with recomputed blocks plans less memory', (t) => {
  const arenaOf = (again: boolean): number => {
    const model = cifarResnet({ depth: 20, classes: 3, recompute: again });
    const step = compileStep((x: Tensor) => {
      const loss = model.forward(x).mean();
      loss.backward();
      return loss.detach();
    });
    const text = step.describe(numbers([8, 32, 32, 3]));
    step.dispose();
    return Number(/arena ([\d.]+) MiB/.exec(text)?.[1]);
  };
  const [kept, again] = [arenaOf(false), arenaOf(true)];
  t.true(again < 0.6 * kept, `${again} MiB against ${kept}`);
});

test('observers see one forward, and a copy of a model recomputes too', (t) => {
  const model = new Sequential([new Linear(6, 8), new Linear(8, 3)], { recompute: true });
  const optimizer = new Adam(model, { lr: 0.01 });
  const { observation } = observed(
    model,
    optimizer,
    () => crossEntropy(model.forward(numbers([8, 6])), classes).backward(),
    () => optimizer.step(),
  );
  t.deepEqual(
    observation.layers.map(({ path }) => path),
    ['0', '1'],
  );
  t.true(model.clone().recompute);
  t.is(model.forward(numbers([8, 6])).node?.op.name, 'recompute');
});

test('without gradients it is the plain forward, and what depends on none leaves no tape', (t) => {
  const block = new Linear(6, 6);
  t.is(noGrad(() => recompute(block, numbers([8, 6]))).node, null);
  block.freeze();
  t.is(recompute(block, numbers([8, 6])).node, null);
  t.is(recompute(new Dropout(0.5).eval(), numbers([8, 6])).node, null);
  t.throws(() => recompute({} as Linear, numbers([8, 6])), { message: /`layer`/ });
  t.throws(() => recompute(block, [1] as never), { message: /`x`/ });
});

test('the input keeps its gradient, as a leaf and behind frozen weights', (t) => {
  const block = new Sequential([new Conv2d(3, 4, 3), new BatchNorm2d(4), new ReLU()]).freeze();
  const gradient = (run: (x: Tensor) => Tensor): unknown => {
    const x = numbers([2, 8, 8, 3]);
    x.requiresGrad = true;
    run(x).mul(run(x)).mean().backward();
    return x.grad?.toArray();
  };
  t.deepEqual(
    gradient((x) => recompute(block, x)),
    gradient((x) => block.forward(x)),
  );
});

class Counting extends Layer {
  readonly inner = new Linear(6, 6);
  readonly random = new Random(1);
  calls = 0;
  constructor(readonly how: 'shape' | 'random' | 'draw') {
    super();
  }
  forward(x: Tensor): Tensor {
    const y = this.inner.forward(x);
    this.calls += 1;
    if (this.how === 'random') return y.mul(this.random.uniform());
    if (this.how === 'draw') return this.calls === 2 ? dropout(y) : y;
    return this.calls === 2 ? y.reshape([6, 8]) : y;
  }
}

class Moving extends Layer {
  readonly inner = new Linear(6, 6);
  readonly last = new Buffer([8, 6]);
  forward(x: Tensor): Tensor {
    const y = this.inner.forward(x.add(this.last));
    noGrad(() => copyInto(this.last, y));
    return y;
  }
}

test('what would be another forward the second time is refused, with the name of the layer', (t) => {
  const x = numbers([8, 6]);
  const failing = (block: Layer, between: () => void = () => {}): string | undefined => {
    const loss = new Sequential([block], { recompute: true }).forward(x).mean();
    between();
    return t.throws(() => loss.backward(), { code: 'ERR_ARGUMENT' })?.message;
  };
  t.regex(failing(new Counting('shape')) ?? '', /of layer '0' .*gave shape \[6, 8\] float32 instead of \[8, 6\] float32/);
  t.regex(failing(new Counting('random')) ?? '', /drew random numbers by JavaScript/);
  t.regex(failing(new Counting('draw')) ?? '', /random numbers that it did not draw before/);
  const moded = new Sequential([new Linear(6, 6), new Dropout()]);
  t.regex(failing(moded, () => moded.eval()) ?? '', /another mode/);
  const updated = new Linear(6, 6);
  t.regex(failing(updated, () => copyInto(updated.weight, updated.weight.detach().mul(2))) ?? '', /parameter '0\.weight'.*updated since then/);
  t.regex(failing(new Moving()) ?? '', /\[8, 6\].*updated since then/);
  const carrying = new LSTM(6, 6, { carries: 8, returns: 'all' });
  const sequences = numbers([8, 2, 6]);
  t.throws(() => recompute(carrying, sequences).mean().backward(), { message: /updated since then/ });
  const step = compileStep((z: Tensor) => recompute(carrying, z).mean().backward() as never);
  t.throws(() => step.sync(sequences), { message: /updated since then/ });
});
