// The embedding: rows and their gradients, padding, and indices that are not there.
import test from 'ava';
import {
  Adam,
  type AnyModel,
  ArgumentError,
  compileStep,
  Constant,
  crossEntropy,
  DTypeError,
  Embedding,
  Flatten,
  fromBytes,
  IndexError,
  Linear,
  LSTM,
  PositionalEmbedding,
  PositionalEncoding,
  Sequential,
  setSeed,
  Tensor,
  TransformerBlock,
} from '../../lib/index.js';
import { f32, i32 } from '../helpers/build.js';
import { identical } from '../helpers/close.js';

const indices = (values: readonly number[], shape: readonly number[]) => i32(values, shape);

test('each index gives its row, whatever the shape of the indices, and uint8 serves as well', (t) => {
  const layer = new Embedding(5, 3);
  layer.weight.data.set(Float32Array.from({ length: 15 }, (_, i) => i));
  const y = layer.forward(indices([4, 0, 1, 1], [2, 2]));
  t.deepEqual([...y.shape], [2, 2, 3]);
  t.deepEqual([...y.data], [12, 13, 14, 0, 1, 2, 3, 4, 5, 3, 4, 5]);
  identical(t, layer.forward(Tensor.from(Uint8Array.of(4, 0, 1, 1), [2, 2]) as never), y, 'uint8');
  t.deepEqual([...layer.forward(indices([2], [])).shape], [3]);
  t.deepEqual([...layer.forward(indices([], [0, 7])).shape], [0, 7, 3]);
});

test('the gradient of a row is the sum over the places of its index, added to what is there', (t) => {
  const layer = new Embedding(4, 2);
  const weights = f32([1, 2, 10, 20, 100, 200], [3, 2]);
  layer
    .forward(indices([3, 1, 3], [3]))
    .mul(weights)
    .sum()
    .backward();
  t.deepEqual([...(layer.weight.grad as Tensor).data], [0, 0, 10, 20, 0, 0, 101, 202]);
  layer
    .forward(indices([0], [1]))
    .sum()
    .backward();
  t.deepEqual([...(layer.weight.grad as Tensor).data], [1, 1, 10, 20, 0, 0, 101, 202]);
});

test('padding starts at zero, and gets no gradient', (t) => {
  const layer = new Embedding(4, 2, { paddingIndex: 2, init: new Constant(7) });
  t.deepEqual([...layer.forward(indices([2, 1], [2])).data], [0, 0, 7, 7]);
  t.deepEqual([...layer.weight.data], [7, 7, 7, 7, 0, 0, 7, 7]);
  layer
    .forward(indices([2, 1, 2], [1, 3]))
    .sum()
    .backward();
  t.deepEqual([...(layer.weight.grad as Tensor).data], [0, 0, 1, 1, 0, 0, 0, 0]);
});

test('a row of padding that is not zero, as files of PyTorch may have it, comes out as it is, and gets no gradient', (t) => {
  const layer = new Embedding(3, 2, { paddingIndex: 0, init: new Constant(7) });
  layer.weight.data.set([3, 4, 5, 6, 7, 8]);
  const rows = layer.forward(indices([0, 1, 0], [1, 3]));
  t.deepEqual([...rows.data], [3, 4, 5, 6, 3, 4]);
  rows.mul(rows).sum().backward();
  t.deepEqual([...(layer.weight.grad as Tensor).data], [0, 0, 10, 12, 0, 0]);
  layer.freeze();
  t.deepEqual([...layer.forward(indices([0], [1])).data], [3, 4]);
});

test('an index outside the table is named with its row and value', (t) => {
  const layer = new Sequential([new Embedding(10, 2)]);
  const error = t.throws(() => layer.forward(indices([1, 2, 3, 4, 12, 5], [2, 3]) as never), { instanceOf: IndexError });
  t.regex(error?.message ?? '', /in layer '0': \[embedding\] index 12 in row 1, at \[1, 1\] of \[2, 3\], lies outside 0 … 9/);
  t.deepEqual([(error as IndexError).value, (error as IndexError).position, (error as IndexError).maximum], [12, 4, 9]);
  t.throws(() => layer.forward(indices([-1], [1]) as never), { instanceOf: IndexError, message: /index -1 in row 0/ });
  const step = compileStep((x: Tensor<'int32'>) => layer.forward(x as never).sum());
  step.sync(indices([1, 2], [2]));
  t.throws(() => step.sync(indices([1, 10], [2])), { instanceOf: IndexError, message: /10 at position 1 lies outside 0 … 9/ });
});

test('compiled steps train it to the bits of eager ones, and it comes back from a file', (t) => {
  const make = () => {
    setSeed(3);
    const model = new Sequential([new Embedding(6, 4, { paddingIndex: 0 }), new Linear(4, 6)]);
    const optimizer = new Adam(model, { lr: 0.05 });
    const body = (x: Tensor<'int32'>, y: Tensor<'int32'>) => {
      const loss = crossEntropy(model.forward(x as never), y);
      loss.backward();
      optimizer.step();
      optimizer.zeroGrad();
      return loss;
    };
    return { model, body };
  };
  const [eager, compiled] = [make(), make()];
  const step = compileStep(compiled.body);
  for (let i = 0; i < 8; i++) {
    const [x, y] = [indices([i % 6, (i + 1) % 6, 0], [1, 3]), indices([(i + 1) % 6, (i + 2) % 6, 1], [1, 3])];
    identical(t, step.sync(x, y) as Tensor, eager.body(x, y), `step ${i}`);
  }
  for (const [path, value] of eager.model.namedParameters()) {
    identical(t, compiled.model.namedParameters().get(path) as Tensor, value, path);
  }
  t.true((eager.model.layers[0] as Embedding).weight.data.subarray(0, 4).every((value) => value === 0));
  const again = fromBytes(eager.model.toBytes()) as Sequential;
  t.is((again.layers[0] as Embedding).paddingIndex, 0);
  identical(t, again.forward(indices([1, 5], [2]) as never), eager.model.forward(indices([1, 5], [2]) as never), 'the copy');
});

test('rows of a table that is stored as bfloat16 are float32: embeddings, positions and what comes behind them', async (t) => {
  setSeed(1);
  const words = i32([3, 1, 0, 2], [2, 2]);
  const models: readonly AnyModel[] = [
    new Sequential([new Embedding(5, 4, { paddingIndex: 0 }), new Flatten(), new Linear(8, 2)]),
    new Sequential([new Embedding(5, 4), new PositionalEmbedding(6, 4), new TransformerBlock(4, 2)]),
    new Sequential([new Embedding(5, 4), new PositionalEncoding(4)]),
    new Sequential([new Embedding(5, 4), new LSTM(4, 3)]),
  ] as never;
  for (const model of models) {
    const rounded = model.eval().clone();
    for (const parameter of rounded.parameters()) parameter.data.set(parameter.detach().to('bfloat16').to('float32').data as Float32Array);
    const expected = rounded.forward(words as never) as Tensor;
    const found = model.to('bfloat16').forward(words as never) as Tensor;
    t.is(found.dtype, 'float32');
    identical(t, found.data, expected.data);
    identical(t, ((await model.predict(words as never)) as Tensor).data, ((await rounded.predict(words as never)) as Tensor).data);
  }
});

test('what does not fit is refused in words', (t) => {
  t.throws(() => new Embedding(0, 3), { instanceOf: ArgumentError, message: /count/ });
  t.throws(() => new Embedding(3, 3, { paddingIndex: 3 }), { instanceOf: ArgumentError, message: /paddingIndex/ });
  t.throws(() => new Embedding(3, 3, { init: 3 as never }), { instanceOf: ArgumentError, message: /an Initializer/ });
  t.throws(() => new Embedding(3, 3).forward(f32([1, 2])), { instanceOf: DTypeError, message: /index\.to\('int32'\)/ });
  t.regex(new Sequential([new Embedding(3, 8)], { inputShape: [5] }).summary(), /\[N, 5, 8\]/);
});
