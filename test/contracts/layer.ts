// What every layer must do, whatever it computes. Each layer's own test calls this with its expectations.
import type { ExecutionContext } from 'ava';
import { type AnyLayer, type Layer, Sequential, mseLoss, NodegradError, noGrad, SGD, setSeed, type Tensor } from '../../lib/index.js';
import { clear, f32, f64 } from '../helpers/build.js';
import { identical } from '../helpers/close.js';
import { jacobianCheck } from '../helpers/gradcheck.js';
import { Seeded } from '../helpers/seeded.js';

type Double = Tensor<'float64'>;

/** What a layer's test expects of it. A skipped check carries its reason. */
export interface LayerExpectations {
  /** A fresh layer, made the same way each time. */
  readonly create: () => Layer;
  /** One batch; the first dimension counts its rows, and must be at least 2. */
  readonly inputShape: readonly number[];
  readonly outputShape: readonly number[];
  /** Shapes by path, in the order of `namedParameters()`. */
  readonly parameters: Readonly<Record<string, readonly number[]>>;
  /** Inputs stay this far from the numbers at which the layer is not differentiable. */
  readonly kinks?: readonly number[];
  /** Shapes that the layer must refuse, each with what the message must say. */
  readonly refuses?: readonly (readonly [readonly number[], RegExp])[];
  /** Why training mode is random: gradients and rows are then checked in evaluation mode only. */
  readonly random?: string;
}

/** Runs every check. Assertions stop at the first failure; its message begins with the check's name. */
export function layerContract(t: ExecutionContext, expectations: LayerExpectations): void {
  construction(t, expectations);
  shapesAndTypes(t, expectations);
  modes(t, expectations);
  stateRoundTrip(t, expectations);
  rowsAlone(t, expectations);
  gradients(t, expectations);
  freezing(t, expectations);
  learning(t, expectations);
  refusals(t, expectations);
}

const count = (shape: readonly number[]) => shape.reduce((product, size) => product * size, 1);
const seedOf = 20_260_101;

function make({ create, inputShape }: LayerExpectations, dtype: 'float32' | 'float64' = 'float32'): Layer {
  setSeed(seedOf);
  const layer = create();
  // Values are drawn at first use.
  noGrad(() => layer.forward(f32(new Float32Array(count(inputShape)), inputShape)));
  return dtype === 'float64' ? layer.to('float64') : layer;
}

function numbers({ inputShape, kinks = [] }: LayerExpectations, seed = 1): Float64Array {
  return new Seeded(seed).uniform(count(inputShape), -2, 2, kinks);
}

function construction(t: ExecutionContext, expectations: LayerExpectations): void {
  const layer = make(expectations);
  const expected = Object.entries(expectations.parameters);
  t.deepEqual(
    [...layer.namedParameters()].map(([path, parameter]) => [path, [...parameter.shape]]),
    expected.map(([path, shape]) => [path, [...shape]]),
    'parameters',
  );
  t.is([...layer.parameters()].length, expected.length, 'parameters() and namedParameters() agree');
  for (const [path, parameter] of layer.namedParameters()) t.true(parameter.requiresGrad, `${path} asks for its gradient`);
  const twin = make(expectations);
  for (const [path, value] of layer.namedParameters())
    identical(t, value, parameter(twin, path), `construction: ${path} drawn twice from one seed`);
  const summary = new Sequential([layer as AnyLayer]).summary();
  const total = expected.reduce((sum, [, shape]) => sum + count(shape), 0);
  t.true(
    String(summary)
      .replaceAll(/[,_ \u202f]/g, '')
      .includes(String(total)),
    `summary: names ${total} parameters`,
  );
}

function shapesAndTypes(t: ExecutionContext, expectations: LayerExpectations): void {
  const { inputShape, outputShape } = expectations;
  const single = make(expectations).eval();
  const double = make(expectations, 'float64').eval();
  const x = Float32Array.from(numbers(expectations));
  const before = x.slice();
  const [y32, y64] = [single.forward(f32(x, inputShape)), double.forward(f64(x, inputShape) as never) as unknown as Double];
  t.deepEqual([...y32.shape], [...outputShape], 'output shape');
  t.deepEqual([...y64.shape], [...outputShape], 'output shape in float64');
  t.is(y32.dtype as string, 'float32');
  t.is(y64.dtype as string, 'float64');
  identical(t, x, before, 'forward leaves its input alone');
  // A whole batch of other size.
  const rows = 2 * inputShape[0] + 1;
  const other = [rows, ...inputShape.slice(1)];
  t.deepEqual(
    [...single.forward(f32(new Float32Array(count(other)), other)).shape],
    [rows, ...outputShape.slice(1)],
    'output shape of another batch',
  );
}

function modes(t: ExecutionContext, expectations: LayerExpectations): void {
  const layer = make(expectations);
  t.true(layer.training, 'a new layer is in training mode');
  t.is(layer.eval(), layer, 'eval() returns the layer');
  t.false(layer.training);
  const x = f32(numbers(expectations), expectations.inputShape);
  identical(t, layer.forward(x), layer.forward(x), 'evaluation mode gives the same numbers twice');
  t.is(layer.train(), layer, 'train() returns the layer');
  t.true(layer.training);
  if (expectations.random !== undefined) t.notDeepEqual([...layer.forward(x).data], [...layer.forward(x).data], expectations.random);
}

function stateRoundTrip(t: ExecutionContext, expectations: LayerExpectations): void {
  const source = make(expectations).eval();
  const random = new Seeded(9);
  for (const value of source.parameters()) value.data.set(random.uniform(value.size));
  const state = source.stateDict();
  const target = make(expectations).eval();
  target.loadStateDict(state);
  for (const [path, value] of source.namedParameters()) identical(t, parameter(target, path), value, `state: ${path}`);
  const x = f32(numbers(expectations), expectations.inputShape);
  const expected = source.forward(x);
  identical(t, target.forward(x), expected, 'state: output after loading');
  // What was loaded is a copy: training the source afterwards does not reach the target.
  for (const value of source.parameters()) value.data.fill(0.125);
  identical(t, target.forward(x), expected, "state: loaded values are the target's own");
}

function rowsAlone(t: ExecutionContext, expectations: LayerExpectations): void {
  const { inputShape, outputShape } = expectations;
  const [rows, ...rest] = inputShape;
  const [width, outWidth] = [count(rest), count(outputShape.slice(1))];
  for (const dtype of ['float32', 'float64'] as const) {
    const layer = make(expectations, dtype).eval();
    const build = (dtype === 'float32' ? f32 : f64) as typeof f32;
    const x = numbers(expectations, 3);
    const whole = layer.forward(build(x, inputShape));
    for (let row = 0; row < rows; row++) {
      const alone = layer.forward(build(x.subarray(row * width, (row + 1) * width), [1, ...rest]));
      identical(
        t,
        alone.data,
        whole.data.subarray(row * outWidth, (row + 1) * outWidth),
        `row ${row} alone gives the bits it gives in the batch (${dtype})`,
      );
    }
  }
}

function gradients(t: ExecutionContext, expectations: LayerExpectations): void {
  for (const training of expectations.random === undefined ? [true, false] : [false]) {
    const layer = make(expectations, 'float64').train(training);
    const random = new Seeded(4);
    const parameters = [...layer.namedParameters()] as unknown as [string, Double][];
    for (const [, value] of parameters) value.data.set(random.uniform(value.size));
    const input = f64(numbers(expectations, 5), expectations.inputShape);
    input.requiresGrad = true;
    const leaves = [{ name: 'input', tensor: input }, ...parameters.map(([name, tensor]) => ({ name, tensor }))];
    jacobianCheck(
      t,
      () => layer.forward(input as never) as unknown as Double,
      leaves,
      {},
      `gradient in ${training ? 'training' : 'evaluation'} mode`,
    );
  }
}

function freezing(t: ExecutionContext, expectations: LayerExpectations): void {
  const layer = make(expectations);
  const x = f32(numbers(expectations), expectations.inputShape);
  x.requiresGrad = true;
  const step = () => {
    clear([...layer.parameters(), x]);
    layer.forward(x).sum().backward();
  };
  layer.freeze();
  step();
  t.truthy(x.grad, 'freezing: the gradient still passes through to the input');
  for (const [path, value] of layer.namedParameters())
    t.true(value.grad === null || value.grad.data.every((g: number) => g === 0), `freezing: ${path} gets no gradient`);
  layer.unfreeze();
  step();
  for (const [path, value] of layer.namedParameters())
    t.true(
      value.grad?.data.some((g: number) => g !== 0),
      `unfreezing: ${path} gets its gradient again`,
    );
}

function learning(t: ExecutionContext, expectations: LayerExpectations): void {
  if (Object.keys(expectations.parameters).length === 0) return;
  const layer = make(expectations).train(expectations.random === undefined);
  const x = f32(numbers(expectations, 6), expectations.inputShape);
  const target = f32(new Seeded(7).uniform(count(expectations.outputShape)), expectations.outputShape);
  const optimizer = new SGD(layer, { lr: 1e-3 });
  const loss = () => mseLoss(layer.forward(x), target);
  const before = loss();
  before.backward();
  optimizer.step();
  const after = noGrad(() => loss().item());
  t.true(after < before.item(), `learning: one small step lowers the loss (${before.item()} to ${after})`);
}

function refusals(t: ExecutionContext, expectations: LayerExpectations): void {
  for (const [shape, says] of expectations.refuses ?? []) {
    const layer = make(expectations);
    const error = t.throws(
      () => layer.forward(f32(new Float32Array(count(shape)), shape)),
      { instanceOf: NodegradError, message: says },
      `[${shape.join(', ')}] is refused`,
    );
    t.regex(error?.code ?? '', /^ERR_/);
  }
}

function parameter(layer: Layer, path: string): Tensor {
  for (const [name, value] of layer.namedParameters()) if (name === path) return value;
  throw new Error(`no parameter ${path}`);
}
