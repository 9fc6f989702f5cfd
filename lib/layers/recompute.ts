// Activation checkpointing: a layer that runs again when its gradient is asked for, instead of keeping what its backward needs.

import { checkLayer } from './check.js';
import { differs, recomputed } from '../ops/recompute.js';
import { called } from '../ops/called.js';
import type { Random } from '../random.js';
import { isWatched } from '../recording.js';
import { defaultRandom } from '../seed.js';
import { type AnyTensor, Tensor } from '../tensor.js';
import type { AnyLayer, Layer } from './layer.js';

/**
 * `y = layer.forward(x)`, which keeps x and y alone until `backward()` and not what is computed in between: for its gradient the layer runs
 * forward once more (activation checkpointing, Chen et al. 2016). A network of n blocks of which each is recomputed holds n outputs and one
 * block's inner values, for at most one forward more.
 *
 * Losses, gradients and weights are the same bits as without, eagerly and in compiled steps of float32. (With `precision: 'bfloat16'` what is rounded
 * depends on what was fused, and the bits may differ.) Dropout and stochastic depth inside draw the same numbers the second time; running
 * statistics move once, and observers see one forward. Under {@link noGrad} it is the plain forward.
 *
 * @param layer - From a tensor to a tensor, such as a block. Of a layer that is an activation alone there is nothing to save.
 * @param x - What the layer takes.
 * @returns What the layer gives.
 * @throws {@link ArgumentError} for other arguments; and in `backward()` when the layer would do something else the second time: it was put
 *   into another mode, a weight or a state that it reads was updated (the carried states of a recurrent layer), or it drew numbers by
 *   JavaScript.
 * @example
 * ```ts
 * import { Linear, ReLU, Sequential, ones, recompute } from 'nodegrad';
 * const block = new Sequential([new Linear(64, 256), new ReLU(), new Linear(256, 64)]);
 * const y = recompute(block, ones([32, 64]));
 * y.mean().backward(); // runs the block again, for the values between its layers
 * ```
 */
export function recompute<T extends AnyTensor>(layer: Layer<T, T>, x: T): T {
  const checked = checkLayer(layer, 'layer');
  Tensor.check(x, 'x');
  const forward = (input: T): T => Tensor.check(layer.forward(input), "the layer's output") as T;
  const before = modesOf(checked);
  const again = (input: T): T => {
    const now = modesOf(checked);
    if (now.length !== before.length || now.some((mode, i) => mode !== before[i])) {
      differs(checked.path, 'one of its layers had been put into another mode, or frozen');
    }
    const generators = isWatched() ? [] : generatorsOf(checked).map((random) => [random, random.state.offset] as const);
    const output = forward(input);
    if (generators.some(([random, offset]) => random.state.offset !== offset)) differs(checked.path, 'drew random numbers by JavaScript');
    return output;
  };
  return called('recompute', () => recomputed(x, () => checked.path, forward, again));
}

function modesOf(layer: AnyLayer): boolean[] {
  return [...layer.namedLayers().values()].flatMap(({ training, frozen }) => [training, frozen]);
}

function generatorsOf(layer: AnyLayer): Random[] {
  return [defaultRandom(), ...[...layer.namedLayers().values()].flatMap((one) => [...one.ownRandoms().values()])];
}
