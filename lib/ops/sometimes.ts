// A part of a model that is skipped in some steps, forward and backward: stochastic depth and drop-path save its time.

import { context, within } from '../context.js';
import { ShapeError, describeShape } from '../errors.js';
import type { AnyTensor } from '../tensor.js';
import { backward } from './backward.js';
import { sameShape } from './broadcast.js';
import { defineView } from './define.js';
import type { GradientNode } from './destination.js';
import { allocateOutput, currentPath, gradientsAreEnabled, guarded, isRecording, makeNode } from './emit.js';
import { copyInto, fillInPlace } from './shape.js';

interface Choice {
  bit: AnyTensor;
  /** By the value of the bit: what the body was given, a leaf on the memory of x, and what it made. */
  inner: readonly [AnyTensor, AnyTensor];
  out: readonly [AnyTensor, AnyTensor];
}

const chooseOp = defineView<Choice>('choose', ({ inputs: [x], attributes: { bit, inner, out }, upstream, needs }) => {
  const dx = needs[0] ? allocateOutput({ shape: x.shape, dtype: x.dtype }) : null;
  for (const when of [0, 1] as const) {
    guarded(bit, when, () => {
      if (out[when].requiresGrad) backward(out[when], upstream);
      if (dx === null) return;
      const { grad } = inner[when];
      if (grad === null) fillInPlace(dx, 0);
      else copyInto(dx, grad);
    });
  }
  return [dx, null, null];
});

/** Leaves that stand for a node's input inside of its bodies: the gradient goes on through the input itself. */
export function innerLeaves({ op, attributes }: GradientNode): readonly AnyTensor[] {
  return op === chooseOp ? (attributes as Choice).inner : [];
}

/** Runs `body` and gives the paths of the layers in which an eager {@link choose} left one of its two bodies out. */
export function noteSkipped<R>(body: () => R): { result: R; skipped: ReadonlySet<string> } {
  const skipped = new Set<string>();
  return { result: within('skipped', skipped, body), skipped };
}

/**
 * `y = one(x)` in steps whose bit is 1, `y = other(x)` in the others, which may be of another shape than x. A step program skips the
 * operations of the body that is not taken, and those of its backward; parameters in it get no gradient from such a step.
 *
 * @param bit - int32 [1], 0 or 1: see `drawBit`.
 * @throws {@link ShapeError} when the two bodies make different shapes.
 */
export function choose<T extends AnyTensor>(x: T, bit: AnyTensor, one: (x: T) => T, other: (x: T) => T): T {
  if (!isRecording()) {
    context.skipped?.add(currentPath());
    return bit.data[0] === 1 ? one(x) : other(x);
  }
  const needsGradient = x.requiresGrad && gradientsAreEnabled();
  const leaf = (): T => {
    const inner = x.detach() as T;
    inner.requiresGrad = needsGradient;
    return inner;
  };
  const inner = [leaf(), leaf()] as const;
  const out = [inner[0], inner[1]];
  guarded(bit, 0, () => {
    out[0] = other(inner[0]);
  });
  guarded(bit, 1, () => {
    out[1] = one(inner[1]);
  });
  if (!sameShape(out[0].shape, out[1].shape)) {
    const shapes = out.map(({ shape }) => describeShape(shape));
    throw new ShapeError(`two bodies of which one runs have to make the same shape, these made ${shapes[1]} and ${shapes[0]}`);
  }
  const y = allocateOutput({ shape: out[0].shape, dtype: x.dtype }) as T;
  for (const when of [0, 1] as const) guarded(bit, when, () => copyInto(y, out[when]));
  if (gradientsAreEnabled() && (x.requiresGrad || out.some((item) => item.requiresGrad))) {
    y.attachNode(makeNode(chooseOp, [x, ...out], [y], { bit, inner, out: [out[0], out[1]] } satisfies Choice));
  }
  return y;
}
