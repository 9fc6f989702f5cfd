// The message of a file of ONNX out of a model: its forward pass, operation by operation. Loaded when the first file is written.

import type { DType } from '../dtype.js';
import { ArgumentError, NodegradError, checkChoice, checkFlag, checkInteger, expected } from '../errors.js';
import { inputShapeOf } from '../layers/costs.js';
import { Embedding } from '../layers/embedding.js';
import type { AnyLayer } from '../layers/layer.js';
import { preprocessingOf } from '../preprocessing/of-model.js';
import type { Transform } from '../preprocessing/transform.js';
import { info } from '../runtime.js';
import type { AnyTensor, Tensor } from '../tensor.js';
import { checkClassCount, checkClassNames, classNamesOf } from '../training/class-names.js';
import { type Structure, tensorsOf } from '../tree.js';
import type { OnnxExportOptions } from './export.js';
import { type Forward, type Incoming, checkAnyNumber, inNumber, outputsOf, traceForward } from './forward.js';
import { freeAxesOf, passesOf } from './free-axes.js';
import { Graph, type Value } from './graph.js';
import { type Written, merge } from './merge.js';
import { rules } from './rules/index.js';
import { type Call, refuse } from './rules/rule.js';
import { type ElementType, type ModelMessage, type ValueMessage, elementTypes } from './schema.js';

/** The lowest set of operators that has all that we write (LayerNormalization is its latest), and the version of the format that came with it. */
const operatorSet = 17;
const irVersion = 8;

/** Two numbers that stand for any number of examples: no dimension of the model is a multiple of either. */
function markersFor(model: AnyLayer, inputs: readonly Incoming[]): [number, number] {
  const dimensions = [...model.namedState().values(), ...inputs].flatMap(({ shape }) => [...shape]);
  const primes = [1009, 1013, 1019, 1021, 1031, 1033, 1039, 1049, 1051, 1061, 1063, 1069, 1087, 1091, 1093, 1097];
  const free = primes.filter((prime) => dimensions.every((dimension) => dimension === 0 || dimension % prime !== 0));
  return [free[0] ?? 7919, free[1] ?? 7927];
}

interface Inputs {
  names: string[];
  /** Shapes of one example. */
  given: Incoming[];
  /** Element type in the file of what is int32 here. */
  whole: 'int32' | 'int64';
  structure: Structure;
}

function inputsOf(model: AnyLayer, { example, inputShape, dtype }: OnnxExportOptions, transform: Transform | null): Inputs {
  const ownShape = transform?.inputShape ?? null;
  const whole = dtype === 'int32' ? 'int32' : 'int64';
  if (example === undefined) {
    const shape = inputShape === undefined && ownShape !== null ? ownShape : inputShapeOf(model, inputShape);
    if (shape === null) {
      const hint =
        'It is without the examples, and of images [height, width, channels] in either layout: { inputShape: [32, 32, 3] }. A model of several inputs takes an `example`';
      throw new ArgumentError(expected('the shape of one example', 'options.inputShape', inputShape, hint));
    }
    // Rows of a table are of float64: a year or an amount has digits that float32 would cut off before they are scaled.
    const usual = transform?.columns == null ? 'float32' : 'float64';
    const own = dtype === undefined ? usual : dtype === 'int64' ? 'int32' : dtype;
    return { names: ['input'], given: [{ shape, dtype: own }], whole, structure: { key: '.', rebuild: ([x]) => x } };
  }
  const argument = 'options.example';
  if (dtype !== undefined && !['int32', 'int64'].includes(dtype))
    throw new ArgumentError(
      `\`options.example\` says element types: \`dtype\` is 'int32' or 'int64' beside it, what int32 tensors are in the file`,
    );
  const { leaves, paths, structure } = tensorsOf(example, argument);
  if (inputShape !== undefined) throw new ArgumentError('`options.example` says shapes: leave out `inputShape`');
  for (const leaf of leaves) if (leaf.shape.length === 0) throw new ArgumentError(expected('tensors with a batch dimension', argument, leaf));
  if (leaves.length === 0) throw new ArgumentError(expected('at least one tensor', argument, example));
  const names = paths
    .map((path) => path.slice(argument.length).replace(/^\./, ''))
    .map((path) => (/^(\[|$)/.test(path) ? `input${path}` : path));
  return { names, given: leaves.map(({ shape, dtype: type }) => ({ shape: shape.slice(1), dtype: type as DType })), whole, structure };
}

/** What a transform makes of an input that has no values; what looks at them, as an encoder that refuses unknown values does, is none of operations. */
function byOperations(transform: Transform, x: Tensor): Tensor {
  try {
    return transform.transform(x);
  } catch (error) {
    if (!(error instanceof ArgumentError)) throw error;
    const { outputShape, constructor } = transform;
    throw new ArgumentError(
      `${constructor.name}, the preprocessing of the model, has no form in ONNX: it looks at values. \`preprocessing: false\` exports the ` +
        `network behind it, whose input is what \`model.preprocessing.transform(rows)\` gives in a program: [${outputShape.join(', ')}] for each example`,
      { cause: error },
    );
  }
}

/** The model as a message. */
export function modelMessage(model: AnyLayer, options: OnnxExportOptions): ModelMessage {
  const layout = checkChoice(options.layout ?? 'NHWC', 'options.layout', ['NHWC', 'NCHW']);
  const softmax = checkFlag(options.softmax ?? false, 'options.softmax');
  const batchSize = options.batchSize === undefined ? null : checkInteger(options.batchSize, 'options.batchSize', 1, 2 ** 31 - 1);
  if (options.dtype !== undefined) checkChoice(options.dtype, 'options.dtype', ['float32', 'float64', 'int32', 'int64', 'uint8']);
  const transform = checkFlag(options.preprocessing ?? true, 'options.preprocessing') ? preprocessingOf(model) : null;
  if (transform !== null && options.example !== undefined)
    throw new ArgumentError('preprocessing is for a model of one input: give `inputShape` in place of `example`, or `preprocessing: false`');
  const inputs = inputsOf(model, options, transform);
  const run = { forward: (x: unknown) => model.forward((transform === null ? x : byOperations(transform, x as Tensor)) as never) };
  model.prepare();
  const { one, markers, trace } = forwardOf(model, run, inputs, batchSize, options.dtype === undefined && options.example === undefined);
  const free = freeAxesOf(options.dynamicAxes, inputs);
  const { passes, axes } = free.length === 0 ? { passes: [one], axes: free } : passesOf(one, free, inputs.given, trace, markers);
  const marker = batchSize === null ? markers[0] : 0;
  const written = passes.map((_, pass) => graphOf(model, passes, pass, inputs, marker, { layout, softmax }));
  const { graph, inputs: incoming, outputs } = axes.length === 0 ? written[0] : merge(written, axes, layout);
  graph.prune(outputs.map(({ name }) => name as string));
  return {
    irVersion,
    producerName: 'nodegrad',
    producerVersion: info().version,
    graph: { node: graph.nodes, name: model.constructor.name, initializer: graph.initializers, input: [...incoming], output: [...outputs] },
    opsetImport: [{ domain: '', version: operatorSet }],
    metadataProps: metadataOf(namesFor(model, options, one), layout, transform),
  };
}

/** The graph of one of several passes. */
function graphOf(
  model: AnyLayer,
  passes: readonly Forward[],
  pass: number,
  inputs: Inputs,
  marker: number,
  { layout, softmax }: { layout: string; softmax: boolean },
): Written {
  const forward = passes[pass];
  const { graph, values, stepValues } = placed(model, passes, pass, inputs, marker, layout);
  for (const call of stepValues) {
    const rule = rules[call.op];
    graph.path = call.path;
    if (rule === undefined) refuse(call, 'has no form in ONNX: leave it out of forward() in evaluation mode');
    rule(graph, call);
    for (const output of call.outputs) graph.note(output);
  }
  graph.path = '';
  const outputs = outputsIn(graph, values, forward, softmax, layout);
  const incoming = inputs.names.map((name, i) => {
    const value = inFileOrder(forward.inputs[i], layout);
    return valueMessage(graph, name, value, value.dtype === 'int32' ? inputs.whole : value.dtype);
  });
  return { graph, inputs: incoming, outputs };
}

/** One name for each score, where there are names. */
function namesFor(model: AnyLayer, { classNames }: OnnxExportOptions, { output }: Forward): readonly string[] | null {
  const names = classNames === undefined ? classNamesOf(model) : checkClassNames(classNames, 'options.classNames');
  const { tensors } = outputsOf(output);
  const scores = tensors.length === 1 ? (tensors[0].shape.at(-1) ?? null) : null;
  if (names !== null) checkClassCount(names, scores, classNames === undefined ? 'model.classNames' : 'options.classNames');
  return names;
}

function metadataOf(classNames: readonly string[] | null, layout: string, preprocessing: Transform | null) {
  const entries = [
    { key: 'nodegrad', value: info().version },
    { key: 'layout', value: layout },
  ];
  if (preprocessing !== null)
    entries.push({ key: 'preprocessing', value: `${preprocessing.constructor.name}, part of the graph: inputs are as the training data were` });
  if (preprocessing?.columns != null) entries.push({ key: 'columns', value: JSON.stringify(preprocessing.columns) });
  if (classNames !== null) entries.push({ key: 'classNames', value: JSON.stringify(classNames) });
  return entries;
}

interface Runs {
  forward(x: unknown): unknown;
}

/** The forward pass, and the numbers of examples that it was traced with. */
function forwardOf(
  model: AnyLayer,
  run: Runs,
  inputs: Inputs,
  batchSize: number | null,
  mayBeIndices: boolean,
): { one: Forward; markers: [number, number]; trace: (given: readonly Incoming[]) => Forward } {
  const markers = markersFor(model, inputs.given);
  const pass = (examples: number, given: readonly Incoming[] = inputs.given): Forward => {
    const shapes = given.map(({ shape, dtype }) => ({ shape: [examples, ...shape], dtype }));
    try {
      return traceForward(model, run, shapes, inputs.structure, batchSize === null ? examples : 0);
    } catch (error) {
      if (batchSize !== null || !(error instanceof NodegradError)) throw error;
      const message = inNumber(error.message, examples);
      const first = /Is it \[N, C, H, W\]\?.*$/;
      if (first.test(message)) error.message = message.replace(first, '`options.inputShape` is [height, width, channels], whatever the layout');
      else if (message !== error.message)
        error.message = given !== inputs.given ? message : `${message} (N examples: \`batchSize\` exports the model for a fixed number)`;
      throw error;
    }
  };
  const attempt = (): Forward => pass(batchSize ?? markers[0]);
  let one = attempt();
  // What a layer looks up in its table is indices, whatever else asks for it; so is what is only looked up.
  const readers = one.steps.filter((step) => step.inputs.includes(one.inputs[0]));
  const casts = readers.filter(({ op, outputs }) => op === 'cast' && (outputs[0].dtype as DType) === 'int32');
  const layers = model.namedLayers();
  const isLookedUp = casts.length > 0 && (casts.length === readers.length || casts.some(({ path }) => layers.get(path) instanceof Embedding));
  if (mayBeIndices && isLookedUp) {
    inputs.given[0] = { ...inputs.given[0], dtype: 'int32' };
    one = attempt();
  }
  if (batchSize === null) checkAnyNumber(one, pass(markers[1]), markers);
  return { one, markers, trace: (given) => pass(batchSize ?? markers[0], given) };
}

/** The graph with its inputs, and the operations with their places in it. */
function placed(model: AnyLayer, passes: readonly Forward[], pass: number, inputs: Inputs, marker: number, layout: string) {
  const forward = passes[pass];
  const graph = new Graph(marker, passes.length > 1);
  const paths = new Map<AnyTensor, string>();
  for (const [path, item] of model.namedState()) paths.set(item as AnyTensor, path);
  const values = new Map<AnyTensor, Value>();
  const makers = new Map<Value, Call>();
  const valueOf = (tensor: AnyTensor): Value => {
    let value = values.get(tensor);
    if (value === undefined) {
      const constant = forward.inputs.includes(tensor) ? null : (forward.constants.get(tensor) ?? (forward.made.has(tensor) ? null : tensor));
      const { shape, dtype } = tensor;
      value = {
        shape,
        dtype: dtype as DType,
        constant,
        path: paths.get(forward.origins.get(tensor) ?? tensor) ?? null,
        plain: null,
        first: null,
        truth: null,
      };
      values.set(tensor, value);
    }
    return value;
  };
  for (const [i, name] of inputs.names.entries()) {
    graph.name(name);
    const value = valueOf(forward.inputs[i]);
    const isWide = value.dtype === 'int32' && inputs.whole === 'int64';
    const own = isWide ? graph.node('Cast', [name], { to: elementTypes.int32 }) : name;
    value[layout === 'NCHW' && value.shape.length === 4 ? 'first' : 'plain'] = own;
  }
  graph.input = inputs.names[0];
  const stepValues = forward.steps.map((step, i): Call => {
    const call = {
      ...step,
      intsOfAll: passes.map(({ steps }) => steps[i].ints),
      inputs: step.inputs.map(valueOf),
      outputs: step.outputs.map(valueOf),
      maker: (value: Value) => makers.get(value) ?? null,
    };
    for (const output of call.outputs) makers.set(output, call);
    return call;
  });
  return { graph, values: valueOf, stepValues };
}

const inFileOrder = ({ shape, dtype }: AnyTensor, layout: string): Incoming => ({
  shape: layout === 'NCHW' && shape.length === 4 ? [shape[0], shape[3], shape[1], shape[2]] : shape,
  dtype: dtype as DType,
});

function outputsIn(graph: Graph, values: (tensor: AnyTensor) => Value, forward: Forward, softmax: boolean, layout: string): ValueMessage[] {
  const { tensors, paths } = outputsOf(forward.output);
  return tensors.map((tensor, i) => {
    const value = values(tensor);
    let name: string;
    if (softmax) {
      name = graph.node('Softmax', [graph.plain(value)], { axis: -1 });
      if (layout === 'NCHW' && value.shape.length === 4) name = graph.transpose(name, [0, 3, 1, 2]);
    } else name = layout === 'NCHW' && value.shape.length === 4 ? graph.first(value) : graph.plain(value);
    return valueMessage(graph, graph.rename(name, paths[i] === '' ? 'output' : paths[i]), inFileOrder(tensor, layout));
  });
}

function valueMessage(graph: Graph, name: string, { shape, dtype }: Incoming, type: ElementType | DType = dtype): ValueMessage {
  const dim = shape.map((dimension) => {
    const times = graph.timesExamples(dimension);
    return times === 0 ? { dimValue: dimension } : { dimParam: times === 1 ? 'batch' : `${times}*batch` };
  });
  return { name, type: { tensorType: { elemType: elementTypes[type as ElementType], shape: { dim } } } };
}
