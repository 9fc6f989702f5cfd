// The list of all kinds of faults.

import { activations, lossFaults } from './pairing.js';
import { rates, epochs, optimizers, batches } from './training.js';
import { layers, starts, modes } from './net.js';
import { preprocessing, data } from './data.js';
import type { Kind } from './kind.js';

export type { Kind } from './kind.js';

/** All kinds of faults. */
export const kinds: readonly Kind[] = [
  ...activations,
  ...lossFaults,
  ...rates,
  ...epochs,
  ...optimizers,
  ...preprocessing,
  ...layers,
  ...batches,
  ...starts,
  ...data,
  ...modes,
];
