// A compiled step gives the numbers of the eager one, whatever it does beside operations, and whatever happens between two steps.

import test from 'ava';
import {
  Adam,
  BatchNorm1d,
  Constant,
  Conv2d,
  Dropout,
  Layer,
  Linear,
  type Optimizer,
  Parameter,
  SGD,
  Sequential,
  Tensor,
  Zeros,
  compileStep,
  dropout,
  ones,
  setConvolution,
  setSeed,
  tensor,
} from '../../lib/index.js';
import { type Bench, type Way, agrees, bench, loss, stateOf } from '../helpers/step-ways.js';

// ---- gradients that are set to null, or to a tensor ----

test('gradients set to null inside of a compiled step are null in every step, not only in the recorded one (fault F10)', async (t) => {
  await agrees(t, (one) => (x) => {
    for (const parameter of one.model.parameters()) parameter.grad = null;
    loss(one, x).backward();
    one.optimizer.step();
  });
});

test('a step may end with gradients set to null, or set some of them (faults F10, F11)', async (t) => {
  await agrees(t, (one) => (x) => {
    loss(one, x).backward();
    one.optimizer.step();
    for (const parameter of one.model.parameters()) parameter.grad = null;
  });
  await agrees(t, (one) => (x) => {
    loss(one, x).backward();
    one.model.weight.grad = null;
    one.optimizer.step();
  });
  await agrees(t, (one) => (x) => {
    loss(one, x).backward();
    one.optimizer.step();
    one.optimizer.zeroGrad({ setToNull: true });
  });
});

test('gradients set to null between two compiled steps are null for the next one, and for an update outside of it (fault F11)', async (t) => {
  const clear = ({ model }: Bench): void => {
    for (const parameter of model.parameters()) parameter.grad = null;
  };
  await agrees(
    t,
    (one) => (x) => loss(one, x).backward(),
    (one) => {
      one.optimizer.step();
      clear(one);
    },
  );
  await agrees(
    t,
    (one) => (x) => loss(one, x).backward(),
    (one, i) => {
      if (i % 2 === 1) one.model.weight.grad = null;
      one.optimizer.step();
    },
  );
  await agrees(
    t,
    (one) => () => one.optimizer.step() ?? null,
    (one, i) => {
      if (i === 0) loss(one, tensor([[3, 1]])).backward();
      if (i === 1) one.model.weight.grad = null;
    },
  );
});

test('a gradient set to a tensor inside of a compiled step is that tensor in every step (fault F10)', async (t) => {
  await agrees(t, (one) => (x) => {
    loss(one, x).backward();
    const { weight, bias } = one.model;
    weight.grad = (weight.grad as unknown as Tensor).mul(0.5) as never;
    (bias as unknown as Parameter).grad = tensor([3]) as never;
    one.optimizer.step();
  });
});

test('whether a gradient is there may decide what a step does: it is recorded anew when that changes (fault F10)', async (t) => {
  await agrees(t, (one) => (x) => {
    if (one.model.weight.grad === null) one.model.freeze();
    else one.model.unfreeze();
    one.model.bias?.grad === null ? loss(one, x.mul(2)).detach() : null;
    one.model.unfreeze();
    loss(one, x).backward();
    one.optimizer.step();
  });
});

test('an update that is recorded before any gradient moves nothing, decay and counts included (fault F11)', async (t) => {
  const decaying = (model: Linear): Optimizer => new Adam(model, { lr: 0.1, weightDecay: 0.5 });
  await agrees(
    t,
    (one) => () => one.optimizer.step() ?? null,
    (one, i) => {
      if (i === 1) loss(one, tensor([[3, 1]])).backward();
    },
    decaying,
  );
});

test('a parameter without a gradient is left alone by momentum and decay; one that a step does not reach has a gradient of zeros (fault F19)', (t) => {
  const run = (clear: (optimizer: Optimizer) => void): number[] => {
    const [a, b] = [1, 1].map((value) => new Parameter([1], { init: new Constant(value) }));
    const model = Object.assign(new Sequential([]), { a, b });
    const optimizer = new SGD(model, { lr: 0.1, momentum: 0.5 });
    a.add(b).sum().backward();
    optimizer.step();
    clear(optimizer);
    a.sum().backward();
    optimizer.step();
    return [a.item(), b.item()].map((value) => Math.round(value * 1e4) / 1e4);
  };
  t.deepEqual(
    run((optimizer) => optimizer.zeroGrad()),
    [0.75, 0.85],
  );
  t.deepEqual(
    run((optimizer) => optimizer.zeroGrad({ setToNull: true })),
    [0.75, 0.9],
  );
  t.throws(() => run((optimizer) => optimizer.zeroGrad({ setToNul: true } as never)), { message: /setToNul/ });
});

test('a compiled step that native code refuses leaves gradients, modes, rates and counts as they were (faults F10, F12)', async (t) => {
  for (const way of ['sync', 'awaited'] as const) {
    const one = bench();
    const { model, optimizer } = one;
    const step = compileStep((x: Tensor, row: Tensor<'int32'>) => {
      model.weight.grad = null;
      model.forward(x.gather(row)).sum().backward();
      optimizer.step();
      optimizer.nextEpoch();
      model.freeze().eval();
    });
    const call = async (row: number): Promise<unknown> => {
      const [x, index] = [tensor([[1, 2]]), Tensor.from(Int32Array.of(row))];
      return way === 'sync' ? step.sync(x, index) : step(x, index);
    };
    model
      .forward(ones([1, 2]))
      .sum()
      .backward();
    (model.bias as unknown as Parameter).grad = null;
    const before = stateOf(one);
    await t.throwsAsync(call(7), { message: /row index 7/ });
    t.deepEqual(stateOf(one), before, way);
    model.unfreeze().train();
    await call(0);
    t.notDeepEqual(stateOf(one), before, way);
    const after = stateOf(one);
    await t.throwsAsync(call(7), { message: /nothing with `requiresGrad`|row index 7/ });
    t.deepEqual(stateOf(one), after, way);
  }
});

// ---- rates, modes, what is trained ----

test('nextEpoch() inside of a compiled step lowers the rate in every step, at its place among the updates (fault F12)', async (t) => {
  for (const make of [undefined, (model: Linear) => new Adam(model, { lr: 0.1 })]) {
    await agrees(
      t,
      (one) => (x) => {
        one.optimizer.zeroGrad();
        loss(one, x).backward();
        one.optimizer.step();
        one.optimizer.nextEpoch();
      },
      undefined,
      make,
    );
    await agrees(
      t,
      (one) => (x) => {
        one.optimizer.nextEpoch();
        loss(one, x).backward();
        one.optimizer.step();
        one.optimizer.nextEpoch();
        loss(one, x).backward();
        one.optimizer.step();
        one.optimizer.zeroGrad();
      },
      undefined,
      make,
    );
  }
});

test('two updates in one step count as two, for each parameter by itself (fault F12)', async (t) => {
  await agrees(
    t,
    (one) => (x) => {
      loss(one, x).backward();
      one.optimizer.step();
      one.model.bias?.grad && (one.model.bias.grad = null);
      one.optimizer.step();
    },
    undefined,
    (model) => new Adam(model, { lr: 0.1 }),
  );
});

test('a step may freeze, thaw and change modes on its way, and leaves them as it does eagerly (fault F12)', async (t) => {
  let recordings = 0;
  await agrees(t, (one) => (x) => {
    recordings += 1;
    one.model.freeze();
    one.model.weight.requiresGrad = true;
    loss(one, x).backward();
    one.optimizer.step();
    one.model.unfreeze();
    loss(one, x).backward();
    one.optimizer.step();
    one.optimizer.zeroGrad();
    one.model.eval();
  });
  t.true(recordings <= 4 + 3 * 2, `${recordings}: four eager steps, and what was changed on the way is no reason to record anew`);
  const train = (compiled: boolean): unknown => {
    setSeed(2);
    const model = new Sequential([new Linear(2, 8), new Dropout(0.5), new BatchNorm1d(8)]);
    const body = (x: Tensor): Tensor => {
      const before = model.eval().forward(x).detach();
      return model.train().forward(x).add(before).detach();
    };
    const step = compileStep(body);
    const outputs = [0, 1, 2].map((i) => {
      if (i === 1) model.eval();
      return (compiled ? step.sync(ones([3, 2])) : body(ones([3, 2]))).toArray();
    });
    return [outputs, model.training];
  };
  t.deepEqual(train(true), train(false));
});

test.serial('a choice of algorithms made between two steps counts for the next one (fault F12)', (t) => {
  const model = new Conv2d(8, 8, 3, { padding: 1 });
  let recordings = 0;
  const step = compileStep((x: Tensor) => {
    recordings += 1;
    return model.forward(x);
  });
  const x = ones([1, 8, 8, 8]);
  const seen = (['auto', 'im2col', 'auto'] as const).map((algorithm) => {
    setConvolution(algorithm);
    step.sync(x);
    return recordings;
  });
  t.deepEqual(seen, [1, 2, 2], 'recorded anew, and found again');
});

test.serial('setSeed() between two steps restarts the generator that a recorded step draws from (fault F12)', async (t) => {
  const draw = async (way: Way): Promise<unknown[]> => {
    const seen: unknown[] = [];
    setSeed(1);
    const body = (x: Tensor): Tensor => dropout(x, 0.5);
    const step = compileStep(body);
    for (let i = 0; i < 4; i++) {
      if (i === 2) setSeed(1);
      const y = way === 'eager' ? body(ones([16])) : way === 'sync' ? step.sync(ones([16])) : await step(ones([16]));
      seen.push(y.toArray());
    }
    return seen;
  };
  const eager = await draw('eager');
  t.deepEqual(eager.slice(2), eager.slice(0, 2));
  for (const way of ['sync', 'awaited'] as const) t.deepEqual(await draw(way), eager);
});

test('constants may be made and read inside of a step, by layers that keep what they make too', (t) => {
  class Scaled extends Layer {
    scale: Tensor | null = null;
    shift: Parameter | null = null;
    forward(x: Tensor): Tensor {
      this.shift ??= new Parameter([2], { init: new Zeros() });
      if (this.scale === null) {
        this.scale = tensor([1, 1]);
        this.scale.data[1] = 2;
      }
      return x.mul(this.scale).mul(this.scale.data[1]).add(this.shift);
    }
  }
  const plain = tensor([1, 2]);
  const layer = new Scaled();
  const step = compileStep((x: Tensor) => layer.forward(x).add(tensor([1, 1]).mul(plain.data[1])));
  for (let i = 1; i < 4; i++) t.deepEqual(step.sync(tensor([i, i])).toArray(), [2 * i + 2, 4 * i + 2]);
});
