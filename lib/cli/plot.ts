// `nodegrad plot <model>`: the architecture of a saved model as a picture.

import { ArgumentError } from '../errors.js';
import { inputShapeOf } from '../layers/costs.js';
import { savedModel } from './saved.js';

/** What `plot` is told. */
export interface PlotCommandOptions {
  output?: string;
  inputShape?: readonly number[];
  depth?: number;
  title?: string;
}

/** Draws the model in a file: as SVG, on standard output or in another file. */
export async function plotCommand(file: string, { output, inputShape: given, ...options }: PlotCommandOptions): Promise<number> {
  if (output === undefined && process.stdout.isTTY) throw new ArgumentError('a terminal shows no SVG: --output model.svg says where it goes');
  const model = await savedModel(file);
  // A network behind preprocessing gets what that puts out.
  const inputShape = given ?? inputShapeOf(model, undefined) ?? model.preprocessing?.outputShape;
  if (inputShape === undefined) throw new ArgumentError(`${file} does not say the shape of one example: --input-shape 28,28,1 does`);
  const svg = await model.plot(output, { ...options, inputShape });
  if (output === undefined) process.stdout.write(svg);
  return 0;
}
