// A model that runs a graph of ONNX: its operators with weights are layers, the others operations.

import { Buffer } from '../buffer.js';
import { type DType, isReal } from '../dtype.js';
import { ArgumentError, DTypeError, FileFormatError, NodegradError, ShapeError, checkObject, describeShape, expected } from '../errors.js';
import { Zeros } from '../initializers/constant.js';
import type { AnyLayer, FileFacts } from '../layers/layer.js';
import { type LayerDescription, buildLayer, describeLayer, registerLayers } from '../layers/registry.js';
import { isTracing } from '../ops/emit.js';
import { Parameter } from '../parameter.js';
import { type AnyTensor, Tensor } from '../tensor.js';
import { Model } from '../training/model.js';
import type { TensorTree } from '../tree.js';
import { Held, type PlanNode, type StepContext } from './held.js';
import { layerSteps } from './steps/layers.js';
import { steps } from './steps/index.js';

/** Numbers of a plan as JSON: what it does not hold (∞, NaN) is text. */
export interface PlanNumbers {
  readonly shape: readonly number[];
  readonly data: readonly (number | string)[];
  readonly isReal: boolean;
}

/** A tensor that comes in. A free dimension is null. */
export interface PlanInput {
  readonly name: string;
  readonly shape: readonly (number | null)[] | null;
  /** Whether the file has whole numbers or truth values there; left out by models that were saved before this was kept. */
  readonly isWhole?: boolean;
}

/** A graph that can run, as JSON. */
export interface Plan {
  /** Version of the set of operators. */
  readonly version: number;
  readonly inputs: readonly PlanInput[];
  readonly outputs: readonly string[];
  readonly nodes: readonly PlanNode[];
  readonly numbers: Readonly<Record<string, PlanNumbers>>;
  /** Whether images come in and go out with their channels last, where the file has them first. */
  readonly isLast: boolean;
  /** What the file says of itself. */
  readonly metadata: Readonly<Record<string, string>>;
}

/** Who follows a graph as it runs. */
export interface Watch {
  /** A value was made, by a node or before all. */
  made?(node: PlanNode | null, name: string, held: Held): void;
  /** What a reshape makes its value; null: what it says. */
  target?(node: PlanNode): Held | null;
}

/** What an {@link OnnxModel} is made of. */
export interface OnnxParts {
  readonly plan: Plan;
  readonly layers: ReadonlyMap<string, AnyLayer>;
  /** Shapes of weights that stand in no layer, and are trained, too. */
  readonly weights: Readonly<Record<string, readonly number[]>>;
  /** Shapes and element types of constants, and which of them are causal masks. */
  readonly constants: Readonly<Record<string, { readonly shape: readonly number[]; readonly dtype: DType; readonly isCausal?: boolean }>>;
}

/**
 * A model out of a file of ONNX, which {@link loadOnnx} gives: it is trained, evaluated, saved and printed as any other. Its convolutions, linear
 * layers, normalizations, embeddings and recurrent layers are layers under the names of their weights; other weights are parameters of its own.
 *
 * @example
 * ```ts
 * import { type OnnxModel, loadOnnx } from 'nodegrad';
 * const model: OnnxModel = await loadOnnx('resnet18.onnx');
 * console.log(model.inputNames, model.summary());
 * ```
 */
export class OnnxModel<In = Tensor, Out = Tensor> extends Model<In, Out> {
  /** Layers by the names of their weights. */
  readonly layers: ReadonlyMap<string, AnyLayer>;
  /** Weights in no layer. */
  readonly weights: ReadonlyMap<string, Parameter>;
  /** Constants, which are not trained. */
  readonly constants: ReadonlyMap<string, Buffer<DType>>;
  #plan: Plan;
  #parts: OnnxParts;

  /** @internal */
  constructor(parts: OnnxParts) {
    super();
    this.#parts = parts;
    this.#plan = parts.plan;
    this.layers = new Map(parts.layers);
    const made = <T>(shapes: Readonly<Record<string, T>>) => Object.entries(shapes);
    this.weights = new Map(made(parts.weights).map(([name, shape]) => [name, new Parameter(shape, { init: new Zeros() })]));
    this.constants = new Map(made(parts.constants).map(([name, { shape, dtype }]) => [name, new Buffer(shape, { dtype })]));
  }

  /** Names of the inputs. */
  get inputNames(): readonly string[] {
    return this.#plan.inputs.map(({ name }) => name);
  }

  /** Names of the outputs. */
  get outputNames(): readonly string[] {
    return this.#plan.outputs;
  }

  /** What the file said of itself, such as `classNames`. */
  get metadata(): Readonly<Record<string, string>> {
    return this.#plan.metadata;
  }

  /** Shape of one example, where the file says all of it and the model has one input. */
  get inputShape(): readonly number[] | null {
    const { inputs, isLast } = this.#plan;
    const shape = inputs.length === 1 ? (inputs[0].shape?.slice(1) ?? null) : null;
    if (shape === null || shape.some((dimension) => dimension === null)) return null;
    const known = shape as readonly number[];
    return isLast && known.length === 3 ? [known[1], known[2], known[0]] : known;
  }

  /** @internal Files that nodegrad wrote say their layout. */
  override get fileFacts(): FileFacts {
    const { inputs, isLast, metadata } = this.#plan;
    const [, second, , last] = inputs[0]?.shape ?? [];
    const isFew = (channels: number | null | undefined): boolean => channels != null && channels <= 4;
    return {
      isFirst: !isLast && metadata.layout !== 'NHWC' && (isFew(second) || !isFew(last)),
      isForeign: metadata.layout === undefined,
      batchSize: inputs[0]?.shape?.[0] ?? null,
    };
  }

  override children(): Map<string, AnyLayer> {
    return new Map(this.layers);
  }

  /**
   * Takes a tensor, where the file has one input, whatever its name; else tensors by the names of the inputs, or in their order.
   *
   * @throws {@link ArgumentError} when inputs are missing, {@link DTypeError} for real numbers where the file has whole ones, {@link ShapeError} and others as the
   *   operations of the graph do, with the node's name.
   */
  forward(given: In): Out {
    return this.follow(given, this.#plan) as Out;
  }

  /** @internal Runs a plan over this model's weights. `watch` sees each value as it is made, and may give a reshape another target. */
  follow(given: In, plan: Plan, watch: Watch = {}): unknown {
    const values = new Map<string, Held>();
    const { inputs, outputs, nodes, numbers, isLast } = plan;
    for (const [i, input] of inputs.entries()) {
      const { name } = input;
      const tensor = checkNumbers(input, Tensor.check(this.#given(given, name, i), name) as AnyTensor);
      checkShape(input, tensor.shape, isLast);
      values.set(name, isLast && tensor.shape.length === 4 ? Held.last(tensor) : Held.plain(tensor));
    }
    for (const [name, { data, ...rest }] of Object.entries(numbers)) values.set(name, Held.of({ ...rest, data: data.map(Number) }));
    for (const [name, parameter] of this.weights) values.set(name, Held.plain(parameter as AnyTensor));
    for (const [name, buffer] of this.constants) {
      const facts = this.#parts.constants[name].isCausal === true ? { sees: { keep: null, isCausal: true } } : {};
      values.set(name, Held.plain(buffer as AnyTensor).knowing(facts));
    }
    if (watch.made !== undefined) for (const [name, held] of values) watch.made(null, name, held);
    for (const node of nodes) {
      this.#run(node, plan, values, watch);
      if (watch.made !== undefined) for (const name of node.outputs) if (values.has(name)) watch.made(node, name, values.get(name) as Held);
    }
    const made = outputs.map((name) => {
      const held = values.get(name);
      if (held === undefined) throw new FileFormatError(`the graph makes no output '${name}'`);
      return isLast && held.shape.length === 4 ? held.last : held.plain;
    });
    return made.length === 1 ? made[0] : Object.fromEntries(outputs.map((name, i) => [name, made[i]]));
  }

  /** @internal Another plan over the same weights. */
  replan(make: (plan: Plan) => Plan | null): void {
    const plan = make(this.#plan);
    if (plan === null) return;
    this.#plan = plan;
    this.#parts = { ...this.#parts, plan };
  }

  #given(given: In, name: string, i: number): unknown {
    if (given instanceof Tensor && this.#plan.inputs.length === 1) return given;
    if (Array.isArray(given)) return given[i];
    if (typeof given === 'object' && given !== null && Object.hasOwn(given, name)) return (given as Record<string, unknown>)[name];
    throw new ArgumentError(expected(`a tensor for each of the inputs ${this.inputNames.join(', ')}`, 'input', given));
  }

  #run(node: PlanNode, plan: Plan, values: Map<string, Held>, { target }: Watch): void {
    const inputs = node.inputs.map((name) => (name === '' ? null : (values.get(name) ?? null)));
    const other = node.op === 'Reshape' ? (target?.(node) ?? null) : null;
    const context: StepContext = { node, version: plan.version, inputs: other === null ? inputs : [inputs[0], other] };
    try {
      const layers = node.layers.map((name) => this.layers.get(name) as AnyLayer);
      const made = layers.length > 0 ? layerSteps[node.op](context, layers) : steps[node.op](context);
      for (const [i, held] of (Array.isArray(made) ? made : [made]).entries()) {
        const name = node.outputs[i] ?? '';
        if (name !== '') values.set(name, held as Held);
      }
    } catch (error) {
      const where = `in node '${node.name}' (${node.op})`;
      // What a damaged graph leads to is no fault of the program.
      if (!(error instanceof NodegradError)) throw new FileFormatError(`${where}: ${(error as Error).message}`, { cause: error });
      if (!error.message.includes('in node ')) error.message = `${where}: ${error.message}${hintOf(plan, values)}`;
      throw error;
    }
  }

  override config(): unknown {
    const { plan, weights, constants } = this.#parts;
    return { plan, weights, constants, layers: [...this.layers].map(([name, layer]) => [name, describeLayer(layer)]) };
  }

  /** The model that `config()` describes. */
  static fromConfig(config: unknown): OnnxModel<TensorTree, TensorTree> {
    const { plan, weights, constants, layers } = checkObject<Record<string, unknown>>(config, 'config', 'the parts of a graph');
    checkPlan(plan);
    if (!Array.isArray(layers)) throw new ArgumentError(expected('a list of names and layers', 'layers', layers));
    const built = layers.map(([name, description]: [string, LayerDescription]) => [String(name), buildLayer(description)] as const);
    const parts = {
      plan,
      layers: new Map(built),
      weights: checkObject<OnnxParts['weights']>(weights, 'weights', 'shapes by name'),
      constants: checkObject<OnnxParts['constants']>(constants, 'constants', 'shapes by name'),
    };
    checkLayers(plan, parts.layers);
    return new OnnxModel(parts);
  }
}

/**
 * Checks an input against what the file says of it: a graph may reshape by numbers that were right for that shape alone, and mix examples. The first
 * dimension is the batch, which exporters leave fixed where it need not be.
 */
function checkShape({ name, shape }: PlanInput, given: readonly number[], isLast: boolean): void {
  if (shape === null) return;
  const wanted = isLast && shape.length === 4 ? [shape[0], shape[2], shape[3], shape[1]] : shape;
  if (given.length === wanted.length && wanted.every((size, i) => i === 0 || size === null || size === given[i])) return;
  const free = wanted.map((size, i) => (i === 0 ? 'N' : size === null ? '*' : String(size)));
  const turned = shape.length === 4 && given.length === 4 && !isLast && shape[1] !== null && given[3] === shape[1] && given[1] !== shape[1];
  const hint = turned ? ". These are images with their channels last: loadOnnx(path, { layout: 'NHWC' }) takes them" : '';
  throw new ShapeError(`the file wants [${free.join(', ')}] for '${name}' (N examples), received ${describeShape(given)}${hint}`);
}

/** What to do about a graph that fits one number of examples, and was given another. */
function hintOf({ inputs }: Plan, values: ReadonlyMap<string, Held>): string {
  const odd = inputs.find(({ name, shape }) => shape?.[0] != null && shape[0] !== values.get(name)?.shape[0]);
  if (odd === undefined) return '';
  const batch = odd.shape?.[0];
  return (
    `. The file was exported for batches of ${batch}, and may fit no others: give { batchSize: ${batch} } to predict(), evaluate() and fit(), or export it anew, from PyTorch ` +
    "with dynamic_shapes=({0: torch.export.Dim('batch')},)"
  );
}

/** Checks the element type of an input: indices with a fraction would lose it where a table is looked up. */
function checkNumbers({ name, isWhole = false }: PlanInput, tensor: AnyTensor): AnyTensor {
  if (!isWhole || !isReal(tensor.dtype as DType)) return tensor;
  // By shapes alone, a model is asked with inputs of its parameters' type.
  if (isTracing()) return tensor.to('int32') as AnyTensor;
  throw new DTypeError(`the file wants whole numbers for '${name}', received ${tensor.dtype}: x.to('int32')`);
}

/** Checks what the forward pass takes for granted: everything else, an operation checks. */
function checkPlan(plan: unknown): asserts plan is Plan {
  const { inputs, outputs, nodes, numbers, metadata } = checkObject<Partial<Plan>>(plan, 'plan', 'a graph');
  for (const [name, list] of Object.entries({ inputs, outputs, nodes }))
    if (!Array.isArray(list)) throw new ArgumentError(expected('a list', `plan.${name}`, list));
  checkObject(numbers, 'plan.numbers', 'numbers by name');
  checkObject(metadata, 'plan.metadata', 'texts by name');
  for (const node of nodes ?? []) {
    const { op, name, inputs: from, outputs: to, attributes, layers } = checkObject<Partial<PlanNode>>(node, 'plan.nodes', 'a node');
    const isKnown = typeof op === 'string' && (Object.hasOwn(steps, op) || Object.hasOwn(layerSteps, op));
    if (!isKnown) throw new ArgumentError(expected('an operator that nodegrad has', 'op', op));
    if (typeof name !== 'string' || ![from, to, layers].every(Array.isArray) || typeof attributes !== 'object')
      throw new ArgumentError(expected('a node', 'plan.nodes', node));
  }
}

function checkLayers({ nodes }: Plan, layers: ReadonlyMap<string, AnyLayer>): void {
  for (const node of nodes) {
    for (const name of node.layers)
      if (!layers.has(name)) throw new ArgumentError(`node '${node.name}' names layer '${name}', which is not there`);
    if (!Object.hasOwn(node.layers.length > 0 ? layerSteps : steps, node.op))
      throw new ArgumentError(`node '${node.name}' (${node.op}) has ${node.layers.length} layers`);
  }
}

registerLayers({ OnnxModel });
