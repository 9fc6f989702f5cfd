// A part of a model that is skipped in some steps, forward and backward: stochastic depth and drop-path save its time.

import { ShapeError, describeShape } from '../errors.js';
import { type AnyTensor, Tensor } from '../tensor.js';
import { backward } from './backward.js';
import { sameShape } from './broadcast.js';
import { defineView } from './define.js';
import { allocateOutput, currentPath, gradientsAreEnabled, guarded, isRecording, makeNode } from './emit.js';
import { copyInto, fillInPlace } from './shape.js';

interface Sometimes {
  bit: AnyTensor;
  /** What the body was given: a leaf on the memory of x. */
  inner: AnyTensor;
  out: AnyTensor;
}

// dx is what comes back through the body in steps that ran it, and dy in those that did not.
const sometimesOp = defineView<Sometimes>('sometimes', ({ inputs: [x], attributes: { bit, inner, out }, upstream, needs }) => {
  const dx = needs[0] ? allocateOutput({ shape: x.shape, dtype: x.dtype }) : null;
  guarded(bit, 1, () => {
    backward(out, upstream);
    if (dx !== null && inner.grad !== null) copyInto(dx, inner.grad);
  });
  if (dx !== null) guarded(bit, 0, () => copyInto(dx, upstream));
  return [dx, null];
});

/**
 * `y = body(x)` in steps whose bit is 1, `y = x` in the others. A step program skips the body's operations and those of its backward;
 * parameters in it get no gradient from such a step.
 *
 * @param bit - int32 [1], 0 or 1: see `drawBit`.
 * @param body - Keeps shape and dtype.
 * @throws {@link ShapeError} when it does not.
 */
export function sometimes<T extends AnyTensor>(x: T, bit: AnyTensor, body: (x: T) => T): T {
  if (!isRecording()) return bit.data[0] === 1 ? checkShape(x, body(x)) : x;
  const inner = x.detach() as T;
  inner.requiresGrad = x.requiresGrad && gradientsAreEnabled();
  let out = inner;
  guarded(bit, 1, () => {
    out = checkShape(x, body(inner));
  });
  const y = allocateOutput({ shape: x.shape, dtype: x.dtype }) as T;
  guarded(bit, 1, () => copyInto(y, out));
  guarded(bit, 0, () => copyInto(y, x));
  if (gradientsAreEnabled() && (x.requiresGrad || out.requiresGrad)) {
    y.attachNode(makeNode(sometimesOp, [x, out], [y], { bit, inner, out } satisfies Sometimes, currentPath()));
  }
  return y;
}

function checkShape<T extends AnyTensor>(x: T, y: T): T {
  if (!sameShape(Tensor.check(y, "the body's result").shape, x.shape) || y.dtype !== x.dtype) {
    throw new ShapeError(
      `a part that may be skipped keeps shape ${describeShape(x.shape)} ${x.dtype}, this one made ${describeShape(y.shape)} ${y.dtype}`,
    );
  }
  return y;
}

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

/**
 * `y = one(x)` in steps whose bit is 1, `y = other(x)` in the others, which may be of another shape than x. A step program skips the
 * operations of the body that is not taken, and those of its backward.
 *
 * @param bit - int32 [1], 0 or 1: see `drawBit`.
 * @throws {@link ShapeError} when the two bodies make different shapes.
 */
export function choose<T extends AnyTensor>(x: T, bit: AnyTensor, one: (x: T) => T, other: (x: T) => T): T {
  if (!isRecording()) return bit.data[0] === 1 ? one(x) : other(x);
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
    out[1] = checkShape(out[0], one(inner[1]));
  });
  const y = allocateOutput({ shape: out[0].shape, dtype: x.dtype }) as T;
  for (const when of [0, 1] as const) guarded(bit, when, () => copyInto(y, out[when]));
  if (gradientsAreEnabled() && (x.requiresGrad || out.some((item) => item.requiresGrad))) {
    y.attachNode(makeNode(chooseOp, [x, ...out], [y], { bit, inner, out: [out[0], out[1]] } satisfies Choice, currentPath()));
  }
  return y;
}
