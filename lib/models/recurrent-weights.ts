// Recurrent weights of PyTorch and Keras: gate order, transposes and biases, in and out.

import { ArgumentError, ShapeError, checkList, describeShape, expected } from '../errors.js';
import { join } from '../layers/fields.js';
import type { AnyLayer } from '../layers/layer.js';
import { Recurrent } from '../layers/recurrent.js';
import { GRUCell, LSTMCell, RecurrentCell } from '../layers/recurrent-cells.js';
import { withoutGradients } from '../ops/emit.js';
import { concat, filled, stack } from '../ops/shape.js';
import { type AnyTensor, Tensor } from '../tensor.js';

/** A cell of a model: where it stands, and what PyTorch calls its values. */
interface Place {
  cell: RecurrentCell;
  path: string;
  theirs: (name: string) => string;
}

function cellsOf(model: AnyLayer): Place[] {
  const places: Place[] = [];
  const inside = new Set<RecurrentCell>();
  for (const [path, layer] of model.namedLayers()) {
    if (layer instanceof Recurrent) {
      const directions = layer.bidirectional ? 2 : 1;
      for (const [i, cell] of layer.cells.entries()) {
        const suffix = `_l${Math.floor(i / directions)}${i % directions === 1 ? '_reverse' : ''}`;
        inside.add(cell);
        places.push({ cell, path: join(path, `cells.${i}`), theirs: (name) => join(path, name + suffix) });
      }
    } else if (layer instanceof RecurrentCell && !inside.has(layer)) places.push({ cell: layer, path, theirs: (name) => join(path, name) });
  }
  return places;
}

const hasShape = ({ shape }: AnyTensor, wanted: readonly number[]): boolean => describeShape(shape) === describeShape(wanted);
const width = ({ inputWeight }: RecurrentCell): number => inputWeight.shape[1];
/** What is added to the candidate's product alone, and stays a bias of its own. */
const candidateBias = (cell: RecurrentCell): AnyTensor | null => (cell instanceof GRUCell ? cell.recurrentBias : null);
const matrices = { weight_ih: 'inputWeight', weight_hh: 'recurrentWeight', weight_hr: 'projection' } as const;

/** Two biases of [gates · hidden] as one, and that of the candidate's product where it stays apart. */
function joinBiases(cell: RecurrentCell, input: Tensor, recurrent: Tensor): { bias: Tensor; candidate: Tensor | null } {
  if (candidateBias(cell) === null) return { bias: input.add(recurrent), candidate: null };
  const both = 2 * cell.hiddenFeatures;
  return { bias: concat([input.slice(0, both).add(recurrent.slice(0, both)), input.slice(both)]), candidate: recurrent.slice(both) };
}

/** The recurrent half of two biases: zeros, but for the candidate's. */
function recurrentHalf(cell: RecurrentCell, bias: Tensor): Tensor {
  const apart = candidateBias(cell) as Tensor | null;
  return apart === null
    ? filled(bias.shape, 0, bias.dtype)
    : concat([filled([2 * cell.hiddenFeatures], 0, bias.dtype), apart.detach() as Tensor]);
}

/** The names that PyTorch has for the values of a model's cells. */
export function recurrentNames(model: AnyLayer): string[] {
  return cellsOf(model).flatMap(({ theirs }) => [...Object.keys(matrices), 'bias_ih', 'bias_hh'].map(theirs));
}

/** What to throw for a value whose shape in PyTorch is another one; null where such a value stays as it is, of another shape here, too. */
export type Misfit = ((name: string, wanted: readonly number[], value: AnyTensor) => ShapeError) | null;

/** Puts our names and layouts in place of PyTorch's `weight_ih_l0`, `bias_hh_l0` and their kin. */
export function gatherRecurrent(model: AnyLayer, tensors: Map<string, AnyTensor>, misfit: Misfit): void {
  for (const { cell, path, theirs } of cellsOf(model)) {
    const take = (name: string, shape: readonly number[]): Tensor | null => {
      const value = tensors.get(theirs(name));
      if (value === undefined) return null;
      if (misfit !== null && !hasShape(Tensor.check(value, theirs(name)), shape)) throw misfit(theirs(name), shape, value);
      tensors.delete(theirs(name));
      // Biases are added, which those in bfloat16 are not.
      return (value.dtype === 'bfloat16' ? value.to('float32') : value) as Tensor;
    };
    if (cell instanceof GRUCell && !cell.resetAfter && tensors.has(theirs('weight_ih'))) {
      throw new ArgumentError("PyTorch's GRU resets after the product of the state: make the layer with resetAfter: true");
    }
    withoutGradients(() => {
      for (const [name, ours] of Object.entries(matrices)) {
        const parameter = cell.ownParameters().get(ours);
        if (parameter === undefined) continue;
        const value = take(name, [parameter.shape[1], parameter.shape[0]]);
        if (value !== null) tensors.set(join(path, ours), value.transpose());
      }
      if (cell.bias === null) return;
      const [input, recurrent] = [take('bias_ih', [width(cell)]), take('bias_hh', [width(cell)])];
      if (input === null || recurrent === null) return;
      const fits = [input, recurrent].every((value) => hasShape(value, [width(cell)]));
      const { bias, candidate } = fits ? joinBiases(cell, input, recurrent) : { bias: input, candidate: candidateBias(cell) && recurrent };
      tensors.set(join(path, 'bias'), bias);
      if (candidate !== null) tensors.set(join(path, 'recurrentBias'), candidate);
    });
  }
}

/** The inverse of {@link gatherRecurrent}. */
export function spreadRecurrent(model: AnyLayer, tensors: Map<string, AnyTensor>): void {
  for (const { cell, path, theirs } of cellsOf(model)) {
    if (cell instanceof GRUCell && !cell.resetAfter) {
      throw new ArgumentError("PyTorch's GRU resets after the product of the state, and a GRU with resetAfter: false before it");
    }
    withoutGradients(() => {
      const take = (name: string): Tensor | undefined => {
        const value = tensors.get(join(path, name));
        tensors.delete(join(path, name));
        return value as Tensor | undefined;
      };
      for (const [name, ours] of Object.entries(matrices)) {
        const value = take(ours);
        if (value !== undefined) tensors.set(theirs(name), value.transpose());
      }
      const bias = take('bias');
      take('recurrentBias');
      if (bias === undefined) return;
      tensors.set(theirs('bias_ih'), bias);
      tensors.set(theirs('bias_hh'), recurrentHalf(cell, bias));
    });
  }
}

// Keras has the gates of a GRU in the order z, r, n.
function swapGates(cell: RecurrentCell, value: Tensor): Tensor {
  if (!(cell instanceof GRUCell)) return value;
  const [first, second, third] = value.split(3, value.shape.length - 1);
  return concat([second, first, third], value.shape.length - 1);
}

function kerasCells(layer: Recurrent | RecurrentCell): readonly RecurrentCell[] {
  if (!(layer instanceof Recurrent) && !(layer instanceof RecurrentCell))
    throw new ArgumentError(expected('an RNN, LSTM or GRU, or a cell of one', 'layer', layer));
  const cells = layer instanceof Recurrent ? layer.cells : [layer];
  if (cells.some((cell) => cell instanceof LSTMCell && cell.projection !== null))
    throw new ArgumentError('Keras has no LSTM with a projection');
  return cells;
}

/**
 * Fills a recurrent layer, or a cell, with what `get_weights()` gives in Keras for a SimpleRNN, LSTM or GRU: `kernel`, `recurrent_kernel` and
 * `bias`; for `Bidirectional` those of the forward layer, then those of the backward layer, and for several layers those of all, one after the
 * other. The gates of a GRU change places, and its two biases become one and the candidate's.
 *
 * @throws {@link ArgumentError} when there are more or fewer tensors, {@link ShapeError} when one does not fit. The layer then stays as it was.
 * @example
 * ```ts
 * import { LSTM, loadKerasWeights, readSafetensors } from 'nodegrad';
 * const { tensors } = await readSafetensors('lstm.safetensors');
 * loadKerasWeights(new LSTM(8, 16), ['kernel', 'recurrent_kernel', 'bias'].map((name) => tensors.get(name)!));
 * ```
 */
export function loadKerasWeights(layer: Recurrent | RecurrentCell, weights: readonly AnyTensor[]): void {
  const values = kerasValues(layer, weights, ''); // checks the layer
  layer.loadStateDict(values, { strict: false });
}

/** The values of a recurrent layer by our names, of what {@link loadKerasWeights} takes. Messages begin with `who`. */
export function kerasValues(layer: Recurrent | RecurrentCell, weights: readonly AnyTensor[], who: string): Map<string, AnyTensor> {
  const cells = kerasCells(layer);
  const each = cells[0].bias === null ? 2 : 3;
  checkList(weights, 'weights', 'a list of tensors');
  if (weights.length !== cells.length * each) throw new ArgumentError(who + expected(`${cells.length * each} tensors`, 'weights', weights));
  const values = new Map<AnyTensor, Tensor>();
  withoutGradients(() => {
    for (const [i, cell] of cells.entries()) {
      const take = (place: number, shape: readonly number[]): Tensor => {
        const value = Tensor.check(weights[i * each + place], `weights[${i * each + place}]`) as Tensor;
        if (describeShape(value.shape) === describeShape(shape)) return value;
        throw new ShapeError(
          `${who}weights[${i * each + place}] expects Keras's shape ${describeShape(shape)}, received ${describeShape(value.shape)}`,
        );
      };
      values.set(cell.inputWeight, swapGates(cell, take(0, cell.inputWeight.shape)));
      values.set(cell.recurrentWeight, swapGates(cell, take(1, cell.recurrentWeight.shape)));
      if (cell.bias === null) continue;
      const apart = candidateBias(cell);
      if (apart === null) {
        values.set(cell.bias, swapGates(cell, take(2, [width(cell)])));
        continue;
      }
      const [input, recurrent] = swapGates(cell, take(2, [2, width(cell)])).split(2);
      const { bias, candidate } = joinBiases(cell, input.reshape([width(cell)]), recurrent.reshape([width(cell)]));
      values.set(cell.bias, bias);
      values.set(apart, candidate as Tensor);
    }
  });
  return new Map([...layer.namedParameters()].map(([path, parameter]) => [path, values.get(parameter) as AnyTensor]));
}

/**
 * What `set_weights()` takes in Keras; the inverse of {@link loadKerasWeights}.
 *
 * @throws {@link ArgumentError} for an LSTM with a projection, which Keras does not have.
 * @example
 * ```ts
 * import { GRU, kerasWeights } from 'nodegrad';
 * kerasWeights(new GRU(3, 5)).map(({ shape }) => shape); // [[3, 15], [5, 15], [2, 15]]
 * ```
 */
export function kerasWeights(layer: Recurrent | RecurrentCell): Tensor[] {
  const cells = kerasCells(layer);
  layer.prepare();
  return withoutGradients(() =>
    cells.flatMap((cell) => {
      const own = [cell.inputWeight, cell.recurrentWeight].map((value) => swapGates(cell, value.clone()));
      if (cell.bias === null) return own;
      const bias = cell.bias.clone();
      const both = candidateBias(cell) === null ? bias : stack([bias, recurrentHalf(cell, bias)]);
      return [...own, swapGates(cell, both)];
    }),
  );
}
