// Models into files: weights by path and the architecture, in one safetensors file that other tools read too.

import { checkPath, writeFileAtomic } from '../io/atomic.js';
import { encodeSafetensors, readSafetensors } from '../io/safetensors.js';
import type { AnyLayer } from '../layers/layer.js';
import { describeModel } from '../layers/registry.js';
import type { LoadOptions, LoadReport } from '../layers/state.js';
import { betweenSteps } from '../program/driver.js';
import { info } from '../runtime.js';

/** Names what wrote a file, in its metadata. */
const format = 'nodegrad';

/** `model.toBytes()`: weights by path, and the architecture as JSON under `architecture` in the metadata. */
export function toBytes(model: AnyLayer): Uint8Array {
  const metadata = new Map([
    ['format', format],
    ['nodegrad', info().version],
    ['architecture', JSON.stringify(describeModel(model))],
  ]);
  return betweenSteps(() => encodeSafetensors(model.stateDict(), metadata));
}

/** `model.save(path)`: documented there. */
export async function save(model: AnyLayer, path: string): Promise<void> {
  checkPath(path);
  // The copy is made now, the rest of the work is the system's: the run may go on.
  await writeFileAtomic(path, [toBytes(model)]);
}

/** `model.load(path, options)`: documented there. */
export async function loadInto(model: AnyLayer, path: string, options: LoadOptions = {}): Promise<LoadReport> {
  return model.loadStateDict((await readSafetensors(path)).tensors, options);
}
