// A model that runs a graph of Keras: its layers are ours, and what stands between them are operations.

import { ArgumentError, FileFormatError, NodegradError, checkObject, expected } from '../errors.js';
import type { AnyLayer } from '../layers/layer.js';
import { type LayerDescription, buildLayer, describeLayer, registerLayers } from '../layers/registry.js';
import { type ActivationName, activation } from '../ops/activation.js';
import { exp } from '../ops/elementwise.js';
import { avgPool2d, maxPool2d } from '../ops/pooling.js';
import { pad2d } from '../ops/resample.js';
import { concat, filled } from '../ops/shape.js';
import { logSoftmax, softmax } from '../ops/softmax.js';
import { Tensor } from '../tensor.js';
import { Model } from '../training/model.js';

/** What a layer or an operation makes of values. */
export interface KerasNode {
  /** Name of an operation; `layer` for a layer alone. */
  readonly op: string;
  /** Name of the layer, where it is one. */
  readonly layer?: string;
  /** Names of values, and numbers. */
  readonly inputs: readonly (string | number)[];
  /** Name of what it makes. */
  readonly output: string;
  readonly options?: Readonly<Record<string, unknown>>;
}

/** A graph as JSON. */
export interface KerasPlan {
  readonly inputs: readonly { readonly name: string; readonly shape: readonly (number | null)[] | null }[];
  /** Names of outputs, and of the values that they are. */
  readonly outputs: readonly (readonly [name: string, value: string])[];
  readonly nodes: readonly KerasNode[];
}

type Given = readonly [first: Tensor, ...others: (Tensor | number)[]];
type Options = Readonly<Record<string, never>>;
type Size = readonly [number, number];
type Frame = readonly [Size, Size];

/** Below all numbers of float32. */
const lowest = -3.4028234663852886e38;

/** Width of a frame that gives ⌈size / stride⌉ windows; the odd one stands below and to the right. */
function sameFrame({ shape }: Tensor, kernelSize: Size, stride: Size): [[number, number], [number, number]] {
  return [0, 1].map((d) => {
    const size = shape[d + 1];
    const all = Math.max(0, (Math.ceil(size / stride[d]) - 1) * stride[d] + kernelSize[d] - size);
    return [Math.floor(all / 2), Math.ceil(all / 2)];
  }) as [[number, number], [number, number]];
}

const folded =
  (each: (one: Tensor, other: Tensor | number) => Tensor) =>
  ([first, ...others]: Given): Tensor =>
    others.reduce<Tensor>(each, first);

/** Operations by name. */
const operations: Readonly<Record<string, (given: Given, options: Options) => Tensor>> = {
  add: folded((one, other) => one.add(other)),
  subtract: folded((one, other) => one.sub(other)),
  multiply: folded((one, other) => one.mul(other)),
  divide: folded((one, other) => one.div(other)),
  maximum: folded((one, other) => one.maximum(other)),
  minimum: folded((one, other) => one.minimum(other)),
  average: (given) => folded((one, other) => one.add(other))(given).div(given.length),
  concat: (given, { axis }) => concat(given as unknown as Tensor[], axis),
  rescale: ([x], { scale, offset }) => x.to('float32').mul(scale).add(offset),
  activation: ([x], { name, options }) => activation(name as ActivationName, options)(x),
  softmax: ([x], { axis }) => softmax(x, axis),
  logSoftmax: ([x], { axis }) => logSoftmax(x, axis),
  exp: ([x]) => exp(x),
  reshape: ([x], { shape }) => x.reshape([x.shape[0], ...(shape as number[])]),
  permute: ([x], { order }) => x.transpose(order),
  mean: ([x], { axes, keepDims }) => x.mean(axes, { keepDims }),
  max: ([x], { axes, keepDims }) => x.max(axes, { keepDims }),
  crop([x], { cut }) {
    const [[top, bottom], [left, right]] = cut as Frame;
    const [n, height, width, channels] = x.shape;
    return x.slice([0, top, left, 0], [n, height - bottom, width - right, channels]);
  },
  maxPoolSame([x], { kernelSize, stride }) {
    return maxPool2d(pad2d(x, sameFrame(x, kernelSize, stride), { value: lowest }), kernelSize, { stride });
  },
  // Places in the frame do not count.
  avgPoolSame([x], { kernelSize, stride }) {
    const around = sameFrame(x, kernelSize, stride);
    const places = filled([1, x.shape[1], x.shape[2], 1], 1, 'float32');
    const [sums, counts] = [x, places].map((one) => avgPool2d(pad2d(one, around), kernelSize, { stride }));
    return sums.div(counts);
  },
};

/** Calls of layers that take more than a tensor. */
const calls: Readonly<Record<string, (layer: AnyLayer, given: Given) => unknown>> = {
  layer: (layer, [x]) => layer.forward(x),
  attention(layer, [x, context, key]) {
    if (key !== undefined && key !== context) throw new ArgumentError('keys and values of attention are one here');
    return layer.forward(context === undefined || context === x ? x : { x, context });
  },
};

/**
 * A model out of a file of Keras, which {@link loadKeras} gives: it is trained, evaluated, saved, exported and printed as any other. Its layers have Keras's names.
 *
 * @example
 * ```ts
 * import { type KerasModel, loadKeras } from 'nodegrad';
 * const model: KerasModel = await loadKeras('digits.keras');
 * console.log(model.inputNames, model.summary());
 * ```
 */
export class KerasModel<In = Tensor, Out = Tensor> extends Model<In, Out> {
  /** Layers by Keras's names; those of a model inside the model have its name before theirs. */
  readonly layers: ReadonlyMap<string, AnyLayer>;
  readonly #plan: KerasPlan;

  /** @internal */
  constructor(plan: KerasPlan, layers: ReadonlyMap<string, AnyLayer>) {
    super();
    this.#plan = plan;
    this.layers = new Map(layers);
  }

  /** Names of the inputs. */
  get inputNames(): readonly string[] {
    return this.#plan.inputs.map(({ name }) => name);
  }

  /** Names of the outputs. */
  get outputNames(): readonly string[] {
    return this.#plan.outputs.map(([name]) => name);
  }

  /** Shape of one example, where the file says all of it and the model has one input. */
  get inputShape(): readonly number[] | null {
    const { inputs } = this.#plan;
    const shape = inputs.length === 1 ? inputs[0].shape : null;
    return shape === null || shape.some((size) => size === null) ? null : (shape as readonly number[]);
  }

  override children(): Map<string, AnyLayer> {
    return new Map(this.layers);
  }

  /**
   * Takes a tensor, where the model has one input, whatever its name; else tensors by the names of the inputs, or in their order. Gives a tensor, or tensors by the
   * names of the outputs.
   *
   * @throws {@link ArgumentError} when inputs are missing, others as layers and operations do, with the layer's name.
   */
  forward(given: In): Out {
    const values = new Map<string, Tensor>();
    const { inputs, outputs, nodes } = this.#plan;
    for (const [i, { name }] of inputs.entries()) values.set(name, Tensor.check(this.#given(given, name, i), name) as Tensor);
    for (const node of nodes) values.set(node.output, this.#run(node, values));
    const made = outputs.map(([name, value]) => [name, values.get(value) as Tensor] as const);
    return (made.length === 1 ? made[0][1] : Object.fromEntries(made)) as Out;
  }

  #given(given: In, name: string, i: number): unknown {
    if (given instanceof Tensor && this.#plan.inputs.length === 1) return given;
    if (Array.isArray(given)) return given[i];
    if (typeof given === 'object' && given !== null && Object.hasOwn(given, name)) return (given as Record<string, unknown>)[name];
    throw new ArgumentError(expected(`a tensor for each of the inputs ${this.inputNames.join(', ')}`, 'input', given));
  }

  #run({ op, layer, inputs, output, options }: KerasNode, values: Map<string, Tensor>): Tensor {
    const found = inputs.map((one) => (typeof one === 'number' ? one : (values.get(one) as Tensor)));
    // A number before the first tensor, as in 1 − x.
    const like = found.find((one) => typeof one !== 'number');
    const given = found.map((one, i) =>
      i === 0 && typeof one === 'number' ? filled([], one, (like as Tensor).dtype) : one,
    ) as unknown as Given;
    try {
      if (layer === undefined) return operations[op](given, (options ?? {}) as Options);
      return calls[op](this.layers.get(layer) as AnyLayer, given) as Tensor;
    } catch (error) {
      const where = `in layer '${layer ?? output}'`;
      if (!(error instanceof NodegradError)) throw new FileFormatError(`${where}: ${(error as Error).message}`, { cause: error });
      if (!error.message.includes('in layer ')) error.message = `${where}: ${error.message}`;
      throw error;
    }
  }

  override config(): unknown {
    return { plan: this.#plan, layers: [...this.layers].map(([name, layer]) => [name, describeLayer(layer)]) };
  }

  /** The model that `config()` describes. */
  static fromConfig(config: unknown): KerasModel {
    const { plan, layers } = checkObject<Record<string, unknown>>(config, 'config', 'the parts of a graph');
    if (!Array.isArray(layers)) throw new ArgumentError(expected('a list of names and layers', 'layers', layers));
    const built = new Map(layers.map(([name, description]: [string, LayerDescription]) => [String(name), buildLayer(description)] as const));
    checkPlan(plan, built);
    return new KerasModel(plan, built);
  }
}

/** Checks what the forward pass takes for granted: each node's inputs are there before it, everything else, layers and operations check. */
export function checkPlan(plan: unknown, layers: ReadonlyMap<string, AnyLayer>): asserts plan is KerasPlan {
  const { inputs, outputs, nodes } = checkObject<Partial<KerasPlan>>(plan, 'plan', 'a graph');
  for (const [name, list] of Object.entries({ inputs, outputs, nodes }))
    if (!Array.isArray(list)) throw new ArgumentError(expected('a list', `plan.${name}`, list));
  const known = new Set((inputs ?? []).map((input) => checkObject<{ name: string }>(input, 'plan.inputs', 'an input').name));
  const has = (value: unknown): void => {
    if (!known.has(value as string)) throw new ArgumentError(expected('a value that is made before it is used', 'plan', value));
  };
  for (const node of nodes ?? []) {
    const { op, layer, inputs: from, output } = checkObject<Partial<KerasNode>>(node, 'plan.nodes', 'a node');
    const table = layer === undefined ? operations : calls;
    if (typeof op !== 'string' || !Object.hasOwn(table, op)) throw new ArgumentError(expected('an operation that nodegrad has', 'op', op));
    if (layer !== undefined && !layers.has(layer)) throw new ArgumentError(`a node names layer '${layer}', which is not there`);
    if (!Array.isArray(from) || typeof output !== 'string' || !from.some((one) => typeof one === 'string'))
      throw new ArgumentError(expected('a node', 'plan.nodes', node));
    for (const one of from) if (typeof one !== 'number') has(one);
    known.add(output);
  }
  for (const entry of outputs ?? []) has(Array.isArray(entry) ? entry[1] : entry);
  if (!outputs?.length) throw new ArgumentError(expected('at least one output', 'plan.outputs', outputs));
}

registerLayers({ KerasModel });
