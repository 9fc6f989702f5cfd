// The transformer that continues texts: its size, its look back alone, and that it learns a text.
import test from 'ava';
import {
  Adam,
  ArgumentError,
  characterTransformer,
  compileStep,
  crossEntropy,
  fromBytes,
  setSeed,
  ShapeError,
  type Tensor,
} from '../../lib/index.js';
import { i32 } from '../helpers/build.js';
import { identical } from '../helpers/close.js';

test('its parameters are embeddings, blocks, a norm and scores', (t) => {
  const model = characterTransformer({ characters: 11, context: 8, features: 12, heads: 3, layers: 2 });
  const block = 4 * (12 * 12 + 12) + 12 * 48 + 48 + 48 * 12 + 12 + 4 * 12;
  t.is(model.parameterCount(), 11 * 12 + 8 * 12 + 2 * block + 2 * 12 + 12 * 11 + 11);
  t.regex(model.summary(), /\[N, 8, 11\]/);
});

test('scores depend on the characters so far alone, and a shorter text gives the same bits', (t) => {
  setSeed(1);
  const model = characterTransformer({ characters: 11, context: 8, features: 12 });
  const scores = model.forward(i32([1, 2, 3, 4, 5, 6, 7, 8], [1, 8]));
  const other = model.forward(i32([1, 2, 3, 9, 9, 9, 9, 9], [1, 8]));
  identical(t, other.data.subarray(0, 33), scores.data.subarray(0, 33), 'another ending');
  identical(t, model.forward(i32([1, 2, 3], [1, 3])), scores.data.subarray(0, 33), 'no ending');
  t.throws(() => model.forward(i32(new Int32Array(9), [1, 9])), { instanceOf: ShapeError, message: /at most 8 positions/ });
});

test('it learns a text by heart, and what it learned comes back from bytes', (t) => {
  setSeed(2);
  const text = 'she sells sea shells ';
  const characters = [...new Set(text)].sort();
  const code = Array.from(text.repeat(3), (character) => characters.indexOf(character));
  const model = characterTransformer({ characters: characters.length, context: 24, features: 32, heads: 2, layers: 2 });
  const optimizer = new Adam(model as never, { lr: 3e-3 });
  const step = compileStep((x: Tensor<'int32'>, y: Tensor<'int32'>) => {
    const loss = crossEntropy(model.forward(x), y);
    loss.backward();
    optimizer.step();
    optimizer.zeroGrad();
    return loss;
  });
  const rows = [0, 5, 11, 17];
  const batch = (from: number) =>
    i32(
      rows.flatMap((row) => code.slice(row + from, row + from + 24)),
      [rows.length, 24],
    );
  const [x, y] = [batch(0), batch(1)];
  let loss = 0;
  for (let i = 0; i < 150; i++) loss = (step.sync(x, y) as Tensor).item();
  // The first characters of a row follow from nothing; the others from those before them.
  t.true(loss < 0.25, `${loss}`);
  const again = fromBytes(model.toBytes()) as unknown as typeof model;
  identical(t, again.eval().forward(x), model.eval().forward(x), 'the copy');
});

test('sizes that do not fit are refused', (t) => {
  t.throws(() => characterTransformer({} as never), { instanceOf: ArgumentError, message: /options.characters/ });
  t.throws(() => characterTransformer({ characters: 5, heads: 5 }), { instanceOf: ShapeError, message: /divide/ });
  t.throws(() => characterTransformer({ characters: 5, layers: 0 }), { instanceOf: ArgumentError, message: /layers/ });
});
