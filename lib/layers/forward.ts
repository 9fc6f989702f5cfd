// What happens around every `forward`: the layer's path, observers, and errors that say where.

import { context, within } from '../context.js';
import { DTypeError, NodegradError } from '../errors.js';
import type { AnyTensor } from '../tensor.js';
import type { AnyLayer, Layer } from './layer.js';

/** Called after each forward of a layer; see {@link observeForward}. */
export type ForwardObserver = (layer: Layer<never, unknown>, path: string, output: unknown, inputs: readonly unknown[]) => void;

/** @internal Runs `body` while `observer` sees the output of every layer: for summaries, statistics, and finding the first NaN. */
export function observeForward<R>(observer: ForwardObserver, body: () => R): R {
  return within('observers', [...context.observers, observer], body);
}

/** Of an input and weights whose element types do not mix, says which is which: it is the input that is converted. */
function nameTypes(error: DTypeError, layer: AnyLayer, inputs: readonly unknown[]): void {
  const advice = /Convert one with \S+$/;
  const given = (inputs[0] as Partial<AnyTensor> | null | undefined)?.dtype;
  const own = [...layer.ownParameters().values()][0]?.dtype;
  if (!advice.test(error.message) || given === undefined || own === undefined || given === own) return;
  const read = given === 'float64' ? `, or { dtype: '${own}' } for readNpy() and other readers` : '';
  error.message = error.message.replace(advice, `The input is ${given}, and the layer's parameters are ${own}: x.to('${own}')${read}`);
}

type Forward = (...inputs: unknown[]) => unknown;
type Enter = (layer: AnyLayer, outermost: AnyLayer | undefined) => string;

const wrapped = new WeakSet<object>();

/** Warns of a layer with something to train that is called inside of a model which does not hold it: no optimizer of the model updates it. */
export function warnOfUnknown(layer: AnyLayer, outermost: AnyLayer): void {
  if (layer.parameters().every((parameter) => !parameter.requiresGrad)) return;
  const [inner, outer] = [layer, outermost].map((one) => one.constructor.name);
  process.emitWarning(
    `a ${inner} that forward() of ${outer} calls stands in no field of the model: its parameters are neither in parameters() nor saved. ` +
      'Fields may hold layers, also in arrays, objects, Maps and Sets; #private ones are not seen. freeze() it if it is not to be trained',
    { code: 'NODEGRAD_UNKNOWN_LAYER' },
  );
}

// Wraps a class's own `forward` once, so that every operation inside knows its layer. `super.forward` inside a subclass stays plain.
export function wrapForward(prototype: object, base: object, enter: Enter): void {
  for (let at = prototype; at !== base && at !== Object.prototype && at !== null; at = Object.getPrototypeOf(at) as object) {
    if (wrapped.has(at) || !Object.hasOwn(at, 'forward')) continue;
    wrapped.add(at);
    wrap(at, enter);
  }
}

/** The same for a `forward` that is a field of the layer, such as an arrow function. */
export function wrapOwnForward(layer: AnyLayer, enter: Enter): void {
  if (!Object.hasOwn(layer, 'forward') || wrapped.has(layer.forward)) return;
  wrap(layer, enter, layer);
  wrapped.add(layer.forward);
}

// `owned`: the layer whose field the function is, which an arrow function needs not be called on.
function wrap(owner: object, enter: Enter, owned?: AnyLayer): void {
  const { forward } = owner as { forward: Forward };
  const descriptor = Object.getOwnPropertyDescriptor(owner, 'forward');
  if (typeof forward !== 'function' || descriptor?.configurable !== true) return;
  Object.defineProperty(owner, 'forward', {
    configurable: true,
    writable: true,
    value: function wrappedForward(this: AnyLayer, ...inputs: unknown[]): unknown {
      const layer = owned ?? this;
      const { place } = context;
      if (place?.layer === layer) return forward.apply(layer, inputs);
      const path = enter(layer, place?.outermost);
      try {
        return within('place', { layer, outermost: place?.outermost ?? layer, path, outer: place }, () => {
          const output = forward.apply(layer, inputs);
          for (const observer of context.observers) observer(layer, path, output, inputs);
          return output;
        });
      } catch (error) {
        // The innermost layer says where it happened.
        if (error instanceof DTypeError) nameTypes(error, layer, inputs);
        if (path !== '' && error instanceof NodegradError && !error.message.startsWith('in layer ')) {
          error.message = `in layer '${path}': ${error.message}`;
        }
        throw error;
      }
    },
  });
}
