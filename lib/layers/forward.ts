// What happens around every `forward`: the layer's path, observers, and errors that say where.

import { NodegradError } from '../errors.js';
import { withPath } from '../ops/emit.js';
import type { AnyLayer, Layer } from './layer.js';

/** Called after each forward of a layer; see {@link observeForward}. */
export type ForwardObserver = (layer: Layer<never, unknown>, path: string, output: unknown) => void;

const observers: ForwardObserver[] = [];

/** @internal Runs `body` while `observer` sees the output of every layer: for summaries, statistics, and finding the first NaN. */
export function observeForward<R>(observer: ForwardObserver, body: () => R): R {
  observers.push(observer);
  try {
    return body();
  } finally {
    observers.splice(observers.lastIndexOf(observer), 1);
  }
}

const wrapped = new WeakSet<object>();
const active: AnyLayer[] = [];

// Wraps a class's own `forward` once, so that every operation inside knows its layer. `super.forward` inside a subclass stays plain.
export function wrapForward(prototype: object, base: object, enter: (layer: AnyLayer) => string): void {
  for (let at = prototype; at !== base && at !== Object.prototype && at !== null; at = Object.getPrototypeOf(at) as object) {
    if (wrapped.has(at) || !Object.hasOwn(at, 'forward')) continue;
    wrapped.add(at);
    const forward = (at as { forward: (...inputs: unknown[]) => unknown }).forward;
    Object.defineProperty(at, 'forward', {
      configurable: true,
      writable: true,
      value: function wrappedForward(this: AnyLayer, ...inputs: unknown[]): unknown {
        if (active[active.length - 1] === this) return forward.apply(this, inputs);
        const path = enter(this);
        active.push(this);
        try {
          const output = withPath(path, () => forward.apply(this, inputs));
          for (const observer of observers) observer(this, path, output);
          return output;
        } catch (error) {
          // The innermost layer says where it happened.
          if (path !== '' && error instanceof NodegradError && !error.message.startsWith('in layer ')) {
            error.message = `in layer '${path}': ${error.message}`;
          }
          throw error;
        } finally {
          active.pop();
        }
      },
    });
  }
}
