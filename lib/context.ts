// What is in force while code runs: one object, of which `within` sets one field for the time of a call and puts it back.

import type { ForwardObserver } from './layers/forward.js';
import type { AnyLayer } from './layers/layer.js';
import type { DescribedLayer } from './layers/registry.js';
import type { ConvolutionAlgorithm } from './ops/convolution.js';
import type { Condition, Destination, Draws, Outdated } from './ops/destination.js';
import type { LeafGradients, Shard } from './ops/shards.js';
import type { StateWrite } from './ops/state.js';
import type { Watcher } from './recording.js';

/** A layer that runs. */
export interface Place {
  readonly layer: AnyLayer;
  /** The outermost of the layers that called it. */
  readonly outermost: AnyLayer;
  /** Its path in that. */
  readonly path: string;
  /** Where it was called; null: outside of layers. */
  readonly outer: Place | null;
}

/** What is in force. Seeds are not among it: their scopes outlast an `await`, see {@link withSeed}. */
export interface Context {
  /** Where operations go; null: they run now. */
  destination: Destination | null;
  /** Who hears of what a step does beside operations; null: nobody, it is not recorded. */
  watcher: Watcher | null;
  /** Whether operations leave nodes on the tape. */
  gradients: boolean;
  /** The condition of the innermost `guarded` that is running. */
  guard: Condition | null;
  /** The gradient rule that is running, where it has values that changed since its operation ran. */
  outdated: Outdated | null;
  /** Writes to state that wait for their release; null: they are made at once. */
  held: StateWrite[] | null;
  /** The shard of a batch that is being computed; null: all of it. */
  shard: Shard | null;
  /** Where the gradients of leaves are added up; null, and for those that are not in it: at the leaves. */
  leafGradients: LeafGradients | null;
  /** Where a forward that runs twice gets what is drawn anew for each step; null: it is drawn. */
  draws: Draws | null;
  /** Collects the paths of layers in which an eager `choose` left a body out. */
  skipped: Set<string> | null;
  /** The layer whose forward, or whose part of backward, is running; null outside of layers. */
  place: Place | null;
  /** Who sees the output of every layer. */
  observers: readonly ForwardObserver[];
  /** The algorithms of convolutions whose options name none; null: those of the environment. */
  convolution: ConvolutionAlgorithm | null;
  /** The layers of the model that is being described, and how many of them stand in several places. */
  describing: { readonly layers: Map<AnyLayer, DescribedLayer>; shared: number } | null;
  /** The layers with a number of the model that is being built; null while one of them is. */
  building: Map<number, AnyLayer | null> | null;
}

/** What is in force now. */
export const context: Context = {
  destination: null,
  watcher: null,
  gradients: true,
  guard: null,
  outdated: null,
  held: null,
  shard: null,
  leafGradients: null,
  draws: null,
  skipped: null,
  place: null,
  observers: [],
  convolution: null,
  describing: null,
  building: null,
};

/** Runs `body`, which returns before anything else runs, with one field of the context set to `value`. */
export function within<K extends keyof Context, R>(field: K, value: Context[K], body: () => R): R {
  const before = context[field];
  context[field] = value;
  try {
    return body();
  } finally {
    context[field] = before;
  }
}
