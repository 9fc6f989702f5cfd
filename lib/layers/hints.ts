// Which initializer suits a layer of a stack: Xavier before tanh and sigmoid, He before ReLU, also where norms and pooling stand between.

import type { AnyLayer, InitializerHint } from './layer.js';

/** Tells the layers of a stack what follows each of them; behind the last comes what suits `after`. */
export function passHints(layers: readonly AnyLayer[], after: InitializerHint): void {
  let hint = after;
  for (const layer of [...layers].reverse()) {
    layer.followedBy(hint);
    const own = layer.initializerHint;
    if (own !== 'through') hint = own;
  }
}

/** What a stack as a whole says to the layer before it. */
export function hintOf(layers: readonly AnyLayer[]): InitializerHint {
  for (const { initializerHint } of layers) if (initializerHint !== 'through') return initializerHint;
  return 'through';
}
