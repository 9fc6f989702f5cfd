// What a model costs, counted by shapes alone: multiply-accumulates, weight layers, activations. Nothing is computed.

import { type DType, bytesOf } from '../dtype.js';
import { ArgumentError, checkFlag, checkOptions, expected } from '../errors.js';
import { mapKind } from '../ops/define.js';
import { currentPath } from '../ops/emit.js';
import { trace } from '../ops/trace.js';
import { type AnyTensor, Tensor, checkShape } from '../tensor.js';
import { observeForward } from './forward.js';
import { checkLayer } from './check.js';
import type { AnyLayer } from './layer.js';
import { trainingOutputsOf } from './outputs.js';

/** What one layer costs for one example, the layers inside it left out. */
export interface LayerCosts {
  /** Shape of what it gives, without the batch; null when it gives no tensor. */
  output: readonly number[] | null;
  multiplyAccumulates: number;
  /** Bytes that a training step keeps for backward. */
  activations: number;
}

/** What a model costs for one example. */
export interface Costs {
  /** By path. */
  layers: Map<string, LayerCosts>;
  multiplyAccumulates: number;
  weightLayers: number;
  activations: number;
}

/** Options of {@link multiplyAccumulates} and {@link weightLayers}. */
export interface CostOptions {
  /** Shape of one example, without the batch dimension. Default: what the model says that it was built for. */
  inputShape?: readonly number[];
  /** Count what runs in training, auxiliary classifiers included. Default false. */
  training?: boolean;
}

/** What was said of models that do not know their input by themselves. */
const told = new WeakMap<AnyLayer, readonly number[]>();

/** @internal Notes the shape of one example, for who asks next. */
export function noteInputShape(model: AnyLayer, shape: readonly number[]): void {
  told.set(model, [...shape]);
}

/** @internal The shape of one example: as given, or the model's own `inputShape`, or as it was noted. */
export function inputShapeOf(model: AnyLayer, given: readonly number[] | undefined): readonly number[] | null {
  const own: unknown = (model as { inputShape?: unknown }).inputShape;
  if (given !== undefined) return checkShape(given, 'options.inputShape');
  return Array.isArray(own) ? checkShape(own, 'inputShape') : (told.get(model) ?? null);
}

/** @internal Runs `body` with the layers in one mode, and gives each its own back. */
export function inMode<R>(model: AnyLayer, training: boolean, body: () => R): R {
  const before = new Map([...model.namedLayers().values()].map((layer) => [layer, layer.training]));
  model.train(training);
  try {
    return body();
  } finally {
    // A parent's train() sets its children's, too: parents first, and mostly that is all.
    for (const [layer, own] of before) if (layer.training !== own) layer.train(own);
  }
}

/** @internal Counts a forward pass of one example. */
export function costsOf(model: AnyLayer, inputShape: readonly number[], training = false): Costs {
  const costs: Costs = { layers: new Map(), multiplyAccumulates: 0, weightLayers: 0, activations: 0 };
  const at = (path: string): LayerCosts => {
    let entry = costs.layers.get(path);
    if (entry === undefined) costs.layers.set(path, (entry = { output: null, multiplyAccumulates: 0, activations: 0 }));
    return entry;
  };
  // Weight layers between the input and a tensor, on the longest way.
  const depths = new Map<AnyTensor, number>();
  const depthOf = (tensors: readonly AnyTensor[]): number => Math.max(0, ...tensors.map((tensor) => depths.get(tensor) ?? 0));
  const dtype: DType = model.parameters()[0]?.dtype ?? 'float32';
  // Statistics of a batch need two values per channel.
  const batch = model.fileFacts?.batchSize ?? (training ? 2 : 1);
  inMode(model, training, () =>
    observeForward(
      (_layer, path, output) => {
        if (output instanceof Tensor) at(path).output = output.shape.slice(1);
      },
      () =>
        trace(
          [{ shape: [batch, ...inputShape], dtype }],
          {
            execute(op, outputs, inputs) {
              const macs = (op.products?.(inputs, outputs) ?? 0) / batch;
              const depth = depthOf(inputs) + (macs > 0 ? 1 : 0);
              for (const output of outputs) depths.set(output, Math.max(depth, depthOf([output])));
              // Maps such as ReLU run in place of their input.
              const isKept = mapKind(op) === null && op.isRemade !== true;
              const bytes = isKept ? outputs.reduce((sum, output) => sum + (output.size * bytesOf(output.dtype)) / batch, 0) : 0;
              const entry = at(currentPath());
              entry.multiplyAccumulates += macs;
              entry.activations += bytes;
              costs.multiplyAccumulates += macs;
              costs.activations += bytes;
              costs.weightLayers = Math.max(costs.weightLayers, depth);
            },
            view: (input, output) => depths.set(output, depthOf([input])),
          },
          (x) => (training ? trainingOutputsOf(model, x) : model.forward(x)),
        ),
    ),
  );
  return costs;
}

function costsFor(name: string, model: AnyLayer, options: CostOptions): Costs {
  checkLayer(model);
  checkOptions(options, 'options', ['inputShape', 'training']);
  const shape = inputShapeOf(model, options.inputShape);
  if (shape === null) throw new ArgumentError(expected(`the shape of one example for ${name}()`, 'options.inputShape', options.inputShape));
  return costsOf(model, shape, checkFlag(options.training ?? false, 'options.training'));
}

/**
 * Multiply-accumulates of convolutions and fully connected layers for one example. Biases, normalization, pooling and activations do not
 * count. Nothing is computed and no weights are drawn. Course rows M28, M29.
 *
 * @throws {@link ArgumentError} when neither the options nor the model say the shape of an example.
 * @example
 * ```ts
 * import { multiplyAccumulates, resnet18 } from 'nodegrad';
 * multiplyAccumulates(resnet18()); // 1814073344
 * ```
 */
export function multiplyAccumulates(model: AnyLayer, options: CostOptions = {}): number {
  return costsFor('multiplyAccumulates', model, options).multiplyAccumulates;
}

/**
 * Depth in weight layers: convolutions and fully connected layers on the longest way from input to output. A projection shortcut is on no
 * longest way, so it does not count; an inception module counts 2. Course row M28.
 *
 * @throws {@link ArgumentError} when neither the options nor the model say the shape of an example.
 * @example
 * ```ts
 * import { resnet50, weightLayers } from 'nodegrad';
 * weightLayers(resnet50()); // 50
 * ```
 */
export function weightLayers(model: AnyLayer, options: CostOptions = {}): number {
  return costsFor('weightLayers', model, options).weightLayers;
}
