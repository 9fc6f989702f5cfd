// Which layer of ours is which of Keras, and how the arrays of one become values of the other.

import { ArgumentError, ShapeError, describe, describeShape } from '../errors.js';
import { MultiHeadAttention } from '../layers/attention.js';
import { BatchNorm } from '../layers/batch-norm.js';
import { Conv2d, ConvTranspose2d } from '../layers/convolution.js';
import { Embedding } from '../layers/embedding.js';
import { join } from '../layers/fields.js';
import { GroupNorm, LayerNorm } from '../layers/group-norm.js';
import type { AnyLayer } from '../layers/layer.js';
import { Linear } from '../layers/linear.js';
import { Recurrent } from '../layers/recurrent.js';
import { GRUCell, LSTMCell, RecurrentCell } from '../layers/recurrent-cells.js';
import { RMSNorm } from '../layers/rms-norm.js';
import { itemsOf } from '../layers/state.js';
import type { AnyTensor } from '../tensor.js';
import type { KerasLayer } from './keras-file.js';
import { kerasValues } from './recurrent-weights.js';

/** A layer of ours that Keras has too: the kind there, and our names of its weights in Keras's order. */
export interface Counterpart {
  readonly kind: string;
  readonly items: readonly string[];
}

/** What a layer is in Keras; null for one without weights, and for one that is made of others. */
export function counterpartOf(layer: AnyLayer): Counterpart | null {
  const own = itemsOf(layer);
  const present = (...names: string[]): string[] => names.filter((name) => own.has(name));
  if (layer instanceof Linear) return { kind: 'dense', items: present('weight', 'bias') };
  if (layer instanceof Conv2d) {
    const isDepthwise = layer.groups > 1 && layer.weight.shape[2] === 1;
    return { kind: isDepthwise ? 'depthwise_conv2d' : 'conv2d', items: present('weight', 'bias') };
  }
  if (layer instanceof ConvTranspose2d) return { kind: 'conv2d_transpose', items: present('weight', 'bias') };
  if (layer instanceof BatchNorm) return { kind: 'batch_normalization', items: present('weight', 'bias', 'runningMean', 'runningVar') };
  if (layer instanceof LayerNorm) return { kind: 'layer_normalization', items: present('weight', 'bias') };
  if (layer instanceof GroupNorm) return { kind: 'group_normalization', items: present('weight', 'bias') };
  if (layer instanceof RMSNorm) return { kind: 'rms_normalization', items: present('weight') };
  if (layer instanceof Embedding) return { kind: 'embedding', items: ['weight'] };
  if (layer instanceof Recurrent) return { kind: layer.bidirectional ? 'bidirectional' : kindOfCell(layer.cells[0]), items: [] };
  if (layer instanceof RecurrentCell) return { kind: kindOfCell(layer), items: [] };
  if (!(layer instanceof MultiHeadAttention)) return null;
  const linear = (name: string): string[] => (layer.query.bias === null ? [`${name}.weight`] : [`${name}.weight`, `${name}.bias`]);
  return { kind: 'multi_head_attention', items: ['query', 'key', 'value', 'output'].flatMap(linear) };
}

const kindOfCell = (cell: RecurrentCell): string => (cell instanceof LSTMCell ? 'lstm' : cell instanceof GRUCell ? 'gru' : 'simple_rnn');

/**
 * The values of a layer by our names.
 *
 * @throws {ShapeError} when a weight does not fit: it names both layers; {ArgumentError} for another `eps`
 */
export function valuesOf(path: string, layer: AnyLayer, theirs: KerasLayer): Map<string, AnyTensor> {
  const who = `Keras's layer ${describe(theirs.name)} (${theirs.kind})`;
  const { eps } = layer as { eps?: number };
  if (theirs.epsilon !== null && eps !== undefined && eps !== theirs.epsilon)
    throw new ArgumentError(`${who} adds ${theirs.epsilon} to the variance, and '${path}' ${eps}: make it with { eps: ${theirs.epsilon} }`);
  if (layer instanceof Recurrent || layer instanceof RecurrentCell) return kerasValues(layer, theirs.weights, `'${path}' and ${who}: `);
  const { items } = counterpartOf(layer) as Counterpart;
  const places = layer.namedState();
  if (theirs.weights.length !== items.length)
    throw new ShapeError(`'${path}' has ${items.length} (${items.join(', ')}), and ${who} has ${theirs.weights.length} weights`);
  return new Map(
    items.map((name, i) => {
      const [wanted, value] = [(places.get(name) as AnyTensor).shape, theirs.weights[i]];
      const shaped = reshaped(value, wanted, layer);
      if (shaped !== null) return [name, shaped];
      throw new ShapeError(`'${join(path, name)}' expects shape ${describeShape(wanted)}, ${who} has ${describeShape(value.shape)}`);
    }),
  );
}

/** Keras keeps heads, and the channels of a depthwise convolution, on axes of their own: [h, w, in, multiplier] is [h, w, 1, in·multiplier]. */
function reshaped(value: AnyTensor, wanted: readonly number[], layer: AnyLayer): AnyTensor | null {
  if (describeShape(value.shape) === describeShape(wanted)) return value;
  const hasOwnAxes = layer instanceof MultiHeadAttention || (layer instanceof Conv2d && layer.groups > 1);
  if (!hasOwnAxes || value.size !== wanted.reduce((product, dimension) => product * dimension, 1)) return null;
  const kernel = layer instanceof Conv2d && value.rank === 4 && value.shape[0] === wanted[0] && value.shape[1] === wanted[1];
  const heads = layer instanceof MultiHeadAttention && value.shape.includes(layer.heads);
  return kernel || heads ? value.reshape(wanted) : null;
}
