// The saved model that a command is asked about.

import { load } from '../training/load.js';
import type { AnyModel } from '../training/model.js';

/** The model in a file, whatever layers it has: they are registered where they are defined, and `train` needs few of them. */
export async function savedModel(file: string): Promise<AnyModel> {
  await import('../index.js');
  return load(file);
}
