// A part of a model whose forward runs twice: what its backward needs is not kept, but made again when its gradient is asked for.

import { context, within } from '../context.js';
import { ArgumentError, describeShape } from '../errors.js';
import { isWatched, unrecordable } from '../recording.js';
import type { AnyTensor } from '../tensor.js';
import { sameShape } from './broadcast.js';
import type { ConvolutionAlgorithm } from './convolution.js';
import { defineView, type Op } from './define.js';
import type { Draws, GradientNode, Remade } from './destination.js';
import { gradientsAreEnabled, makeNode, nextNode, withUpdatesRefused } from './emit.js';
import { innerLeaves } from './sometimes.js';
import { holdState } from './state.js';

interface Forward {
  /** Of the layer. */
  path: string;
  /** The first number of its nodes. */
  began: number;
  /** The forward once more, on the node's first input. */
  again: (x: AnyTensor) => AnyTensor;
  /** What it drew. */
  draws: Drawn;
  /** The algorithm of convolutions that was in force. */
  convolution: ConvolutionAlgorithm | null;
}

/** Notes what a forward draws. */
class Drawn implements Draws {
  readonly operands: AnyTensor[] = [];
  readonly #outer = context.draws;
  readonly isReplay = this.#outer?.isReplay ?? false;

  take(draw: () => AnyTensor): AnyTensor {
    const operand = this.#outer === null ? draw() : this.#outer.take(draw);
    this.operands.push(operand);
    return operand;
  }
}

/** Gives the same numbers once more. */
class Replayed implements Draws {
  readonly isReplay = true;
  #at = 0;

  constructor(
    readonly operands: readonly AnyTensor[],
    readonly path: string,
  ) {}

  take(): AnyTensor {
    if (this.#at === this.operands.length) differs(this.path, 'drew random numbers that it did not draw before');
    return this.operands[this.#at++];
  }

  finish(): void {
    if (this.#at < this.operands.length) differs(this.path, 'did not draw all of the random numbers that it drew before');
  }
}

/** Refuses a forward that is not the same when it runs again. */
export function differs(path: string, what: string): never {
  const message =
    `[recompute] the forward${path === '' ? '' : ` of layer '${path}'`} ran a second time for its gradient, and ${what}: what is ` +
    'recomputed has to do the same each time. Leave such a layer outside of recompute()';
  if (isWatched()) unrecordable(message);
  throw new ArgumentError(message);
}

const recomputeOp: Op<Forward> = { ...defineView<Forward>('recompute', () => []), remake };

function remake(node: GradientNode): Remade {
  const { path, began, again, draws, convolution } = node.attributes as Forward;
  const [x, ...inputs] = node.inputs;
  const since = nextNode();
  const replayed = new Replayed(draws.operands, path);
  // Nobody outside sees that it runs: it writes no state, and no observer hears of it.
  const run = (): AnyTensor => holdState(() => within('observers', [], () => within('draws', replayed, () => again(x)))).result;
  return within('place', node.place, () => {
    const output = within('convolution', convolution, () => within('gradients', true, () => withUpdatesRefused(node, began, since, run)));
    replayed.finish();
    const { shape, dtype } = node.outputs[0];
    if (!sameShape(output.shape, shape) || output.dtype !== dtype) {
      differs(path, `gave shape ${describeShape(output.shape)} ${output.dtype} instead of ${describeShape(shape)} ${dtype}`);
    }
    const known = new Set([x, ...inputs]);
    const found = inputsOf(output, since);
    // The first input stands there also where nothing depends on it.
    if (found.size !== inputs.length + (found.has(x) ? 1 : 0) || ![...found].every((input) => known.has(input))) {
      differs(path, 'depended on other tensors');
    }
    return { output, since };
  });
}

/** Tensors with a gradient that `root` depends on by nodes from `since` on: leaves, and results of nodes before. */
function inputsOf(root: AnyTensor, since: number): Set<AnyTensor> {
  const found = new Set<AnyTensor>();
  const inner = new Set<AnyTensor>();
  const seen = new Set<GradientNode>();
  const stack: AnyTensor[] = [root];
  for (let tensor = stack.pop(); tensor !== undefined; tensor = stack.pop()) {
    const { node } = tensor;
    if (node === null || node.id < since) {
      if (tensor.requiresGrad) found.add(tensor);
    } else if (!seen.has(node)) {
      seen.add(node);
      for (const leaf of innerLeaves(node)) inner.add(leaf);
      stack.push(...node.inputs);
    }
  }
  for (const leaf of inner) found.delete(leaf);
  return found;
}

/**
 * `y = body(x)` without the tape behind it: `again`, which does the same as `body`, runs when backward() comes to y, and backward() goes on
 * along the tape that this leaves, in the order that it would have had. Errors of that name the layer at `path()`.
 */
export function recomputed<T extends AnyTensor>(x: T, path: () => string, body: (x: T) => T, again: (x: T) => T): T {
  if (!gradientsAreEnabled()) return body(x);
  const began = nextNode();
  const draws = new Drawn();
  const y = within('draws', draws, () => body(x));
  if (y.node === null || y.node.id < began) return y;
  const inputs = inputsOf(y, began);
  const first = inputs.delete(x) ? x : x.detach();
  const { convolution } = context;
  const forward: Forward = { path: path(), began, again: again as unknown as Forward['again'], draws, convolution };
  y.attachNode(makeNode(recomputeOp, [first, ...inputs], [y], forward));
  return y;
}
