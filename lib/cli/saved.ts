// The saved model that a command is asked about.

import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { tableFormat } from '../data/column-files.js';
import { ArgumentError } from '../errors.js';
import { load } from '../training/load.js';
import type { AnyModel } from '../training/model.js';

/** The model in a file, whatever layers it has: they are registered where they are defined, and `train` needs few of them. */
export async function savedModel(file: string): Promise<AnyModel> {
  await import('../index.js');
  if (tableFormat(file) !== null && existsSync(file))
    throw new ArgumentError(`${file} is a table, and a model saved by nodegrad (.safetensors) comes first; --data ${file} names the table`);
  if (statSync(file, { throwIfNoEntry: false })?.isDirectory()) {
    const inside = join(file, 'model.safetensors');
    throw new ArgumentError(
      `${file} is a folder, and a model is a file${existsSync(inside) ? `: ${inside} is the one in it` : ' (.safetensors)'}`,
    );
  }
  try {
    return await load(file);
  } catch (error) {
    const [, name] = /^unknown (?:layer|transform) class "(.*)"/.exec((error as Error).message) ?? [];
    if (name === undefined) throw error;
    throw new ArgumentError(
      `${file} holds the class ${name}, which is no class of nodegrad, and the command knows no others. Use the model in a script: one that imports ${name} and registers it can load() it`,
      { cause: error },
    );
  }
}
