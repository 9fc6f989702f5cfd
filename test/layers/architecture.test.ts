// How models are taken apart for a picture: series, branches, blocks and repetitions, read off a forward pass.
import { inspect } from 'node:util';
import test from 'ava';
import * as lib from '../../lib/index.js';
import { architectureOf } from '../../lib/layers/architecture.js';
import type { Chain, Step } from '../../lib/pictures/architecture.js';

/** A chain in one line: `A > B ReLU > {C > D | } > + > Block×2[…]`, arcs and gaps behind it. */
function outline({ steps, arcs, gaps }: Chain): string {
  const one = (step: Step): string => {
    if (step.kind === 'fork') return `{${step.branches.map(outline).join(' | ')}}`;
    const times = step.times > 1 ? `×${step.times}` : '';
    if (step.kind === 'frame') return `${step.title}${times}[${outline(step.body)}]`;
    return [`${step.title}${times}`, ...step.notes].join(' ');
  };
  return [steps.map(one).join(' > '), ...arcs.map(([from, to]) => ` ${from}~${to}`), ...gaps.map((gap) => ` !${gap}`)].join('');
}

const whole = { depth: 100, fold: true };
const outlineOf = (model: lib.AnyLayer, inputShape: readonly number[], settings = whole): string =>
  outline(architectureOf(model, inputShape, settings));

const linear = (): lib.Linear => new lib.Linear(4, 4);

/** A model of a function. */
class Own extends lib.Model {
  constructor(
    readonly layers: Readonly<Record<string, lib.AnyLayer>>,
    readonly body: (x: lib.Tensor, layers: Readonly<Record<string, lib.AnyLayer>>) => unknown,
  ) {
    super();
  }
  forward(x: lib.Tensor): lib.Tensor {
    return this.body(x, this.layers) as lib.Tensor;
  }
}

test('layers stand one after the other, small ones with the layer before them', (t) => {
  const model = new lib.Sequential([linear(), new lib.BatchNorm1d(4), new lib.ReLU(), new lib.Dropout(0.5), new lib.Linear(4, 2)]);
  const chain = architectureOf(model, [4], whole);
  t.is(outline(chain), 'Linear BatchNorm1d ReLU Dropout p = 0.5 > Linear');
  const [first] = chain.steps;
  t.like(first, { parameters: 20 + 8, multiplyAccumulates: 16, output: [4], path: '0', family: 'weights' });
});

test('blocks are frames, branches stand side by side, and the way past them is one', (t) => {
  const block = new lib.Residual(new lib.Sequential([linear(), new lib.Tanh(), linear()]));
  t.is(outlineOf(new lib.Sequential([block]), [4]), 'Residual[{Linear Tanh > Linear | } > +]');
  const concat = new lib.Concat([linear(), new lib.Sequential([linear(), new lib.ReLU(), linear()]), new lib.Linear(4, 1)]);
  t.is(
    outlineOf(new lib.Sequential([concat, new lib.Linear(9, 1)]), [4]),
    'Concat[{Linear | Linear ReLU > Linear | Linear} > concat] > Linear',
  );
});

test('equal neighbours are one with a number, blocks that grow included, and several that come back together', (t) => {
  const stack = (count: number): lib.AnyLayer[] => Array.from({ length: count }, () => [linear(), new lib.ReLU()]).flat();
  const folded = architectureOf(new lib.Sequential(stack(3)), [4], whole);
  t.is(outline(folded), 'Linear×3 ReLU');
  t.like(folded.steps[0], { parameters: 60, multiplyAccumulates: 48 });
  t.is(outlineOf(new lib.Sequential(stack(2)), [4], { ...whole, fold: false }), 'Linear ReLU > Linear ReLU');
  t.is(outlineOf(new lib.Sequential([linear(), new lib.Linear(4, 5)]), [4]), 'Linear > Linear');
  const dense = architectureOf(
    new lib.Sequential([1, 2, 3].map((i) => new lib.DenseLayer({ inChannels: 4 * i, growthRate: 4 }))),
    [8, 8, 4],
    whole,
  );
  t.is(outline(dense), 'DenseLayer×3[{BatchNorm2d relu > Conv2d BatchNorm2d relu > Conv2d | } > concat]');
  const [frame] = dense.steps;
  if (frame.kind !== 'frame') return t.fail();
  t.deepEqual(frame.output, [8, 8, 16]);
  const [fork] = frame.body.steps;
  if (fork.kind !== 'fork') return t.fail();
  // The first norm is of another size in each: the picture says none.
  t.is((fork.branches[0].steps[0] as { parameters: number | null }).parameters, null);
  const turns = [1, 2].flatMap(() => [new lib.Conv2d(2, 2, 3, { padding: 1 }), new lib.MaxPool2d(2)]);
  t.is(outlineOf(new lib.Sequential(turns), [8, 8, 2]), '×2[Conv2d > MaxPool2d]');
});

test('models of one’s own are shown as they compute: skips, heads, shared layers, operations between layers', (t) => {
  const unet = new Own({ down: linear(), low: linear(), up: new lib.Linear(8, 4), out: new lib.Linear(8, 1) }, (x, { down, low, up, out }) => {
    const a = down.forward(x);
    const b = low.forward(a);
    return out.forward(lib.concat([a, up.forward(lib.concat([b, a], -1))], -1));
  });
  t.is(outlineOf(unet, [4]), 'Linear > {{Linear | } > concat > Linear | } > concat > Linear');
  const heads = new Own({ body: linear(), left: linear(), right: new lib.Linear(4, 2) }, (x, { body, left, right }) => {
    const h = lib.relu(body.forward(x));
    return { left: left.forward(h), right: right.forward(h) };
  });
  t.is(outlineOf(heads, [4]), 'Linear relu > {Linear | Linear}');
  const shared = new Own({ inner: linear() }, (x, { inner }) => inner.forward(inner.forward(x)));
  const twice = architectureOf(shared, [4], whole);
  t.is(outline(twice), 'Linear×2');
  t.is((twice.steps[0] as { parameters: number | null }).parameters, 20, 'its parameters are there once');
  const w = new lib.Parameter([4], { init: new lib.Zeros() });
  t.is(outlineOf(new Own({}, (x) => lib.softmax((x as lib.Tensor).mul(w).reshape([-1, 2, 2])).sum(1)), [4]), '× > softmax > sum');
  t.is(outlineOf(new Own({}, (x) => x), [4]), '');
});

test('sums of many are one sum, and what does not take turns crosses', (t) => {
  const sums = new Own({ a: linear(), b: linear(), c: linear() }, (x, { a, b, c }) => a.forward(x).add(b.forward(x)).add(c.forward(x)).add(x));
  t.is(outlineOf(sums, [4]), '{Linear | Linear | Linear | } > +');
  const crossing = new Own({ a: linear(), b: linear(), c: linear(), d: linear() }, (x, { a, b, c, d }) => {
    const [left, right] = [a.forward(x) as lib.Tensor, b.forward(x) as lib.Tensor];
    return lib.concat([c.forward(left.add(right)) as lib.Tensor, (d.forward(right) as lib.Tensor).mul(left)], -1);
  });
  t.is(outlineOf(crossing, [4]), 'Linear > Linear > + > Linear > Linear > × > concat -1~1 0~2 1~4 0~5 3~6 !1 !4');
});

test('a dropout that does nothing in evaluation is on its own way alone', (t) => {
  const model = new lib.Sequential([new lib.Residual(new lib.Sequential([new lib.Dropout(0.1), linear()]))]);
  t.is(outlineOf(model, [4]), 'Residual[{Dropout > Linear | } > +]');
});

test('attention tells its projections apart, and depth says what is opened', (t) => {
  const model = lib.characterTransformer({ characters: 10, context: 8, features: 16, heads: 2, layers: 3 });
  t.is(
    outlineOf(model as unknown as lib.AnyLayer, [8]),
    'Embedding > PositionalEmbedding > TransformerBlock×3[{LayerNorm > MultiHeadAttention[{Linear | Linear | Linear} > attention > Linear] > ' +
      'Dropout | } > + > {LayerNorm > Linear relu > Linear Dropout p = 0 | } > +] > LayerNorm > Linear',
  );
  t.is(
    outlineOf(model as unknown as lib.AnyLayer, [8], { ...whole, depth: 0 }),
    'Embedding > PositionalEmbedding > TransformerBlock×3 > LayerNorm > Linear',
  );
});

test('taking a model apart draws no weights, and leaves its modes', (t) => {
  const model = new lib.Sequential([linear(), new lib.Dropout(0.5)]);
  model.layers[0].eval();
  architectureOf(model, [4], whole);
  t.deepEqual(
    [...model.namedLayers().values()].map(({ training }) => training),
    [true, false, true],
  );
  t.false((model.layers[0] as lib.Linear).weight.isSettled);
});

test('the console shows a layer with what is in it, equal neighbours in one line, and no deeper than it is asked', (t) => {
  t.is(inspect(new lib.Linear(2, 3)), 'Linear(inFeatures: 2, outFeatures: 3, bias: true)');
  const model = new lib.Sequential([new lib.Residual(new lib.Sequential([linear(), new lib.ReLU()])), linear(), linear()]);
  t.is(
    inspect(model, { depth: 4 }),
    `Sequential(
  0: Residual(
    inner: Sequential(
      0: Linear(inFeatures: 4, outFeatures: 4, bias: true)
      1: ReLU()
    )
  )
  1 … 2: 2 × Linear(inFeatures: 4, outFeatures: 4, bias: true)
) 60 parameters`,
  );
  t.regex(inspect(model, { depth: 1 }), /0: Residual\(…\)/);
  t.regex(inspect({ a: { b: { model } } }, { depth: 1 }), /\[Object\]/);
  t.is(inspect(new Own({}, (x) => x)), 'Own()');
  t.false((model.layers[1] as lib.Linear).weight.isSettled, 'a look draws no weights');
});
