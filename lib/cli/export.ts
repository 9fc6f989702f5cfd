// `nodegrad export <model> <file>`: a saved model as a file of ONNX.

import { InvalidArgumentError } from 'commander';
import { ArgumentError } from '../errors.js';
import { inputShapeOf } from '../layers/costs.js';
import { saveOnnx } from '../onnx/export.js';
import { load } from '../training/load.js';
import { printable } from '../words.js';

/** What `export` is told. */
export interface ExportCommandOptions {
  inputShape?: readonly number[];
  layout: 'NHWC' | 'NCHW';
  batchSize?: number;
  softmax: boolean;
  preprocessing: boolean;
  json: boolean;
}

/** `28,28,1` as a shape. */
export function dimensions(text: string): readonly number[] {
  const shape = text.split(',').map((part) => (part.trim() === '' ? Number.NaN : Number(part)));
  if (shape.some((dimension) => !Number.isInteger(dimension) || dimension < 1))
    throw new InvalidArgumentError('expected whole numbers, such as 28,28,1');
  return shape;
}

/** Writes the model that was saved in `from` to `to`. */
export async function exportCommand(from: string, to: string, { json, ...options }: ExportCommandOptions): Promise<number> {
  const model = await load(from);
  if ((options.inputShape ?? inputShapeOf(model, undefined) ?? model.preprocessing?.inputShape ?? null) === null)
    throw new ArgumentError(`${from} does not say the shape of one example: --input-shape 28,28,1 does`);
  await saveOnnx(model, to, options);
  const parameters = model.parameterCount();
  process.stdout.write(
    json
      ? `${JSON.stringify({ file: from, output: to, parameters, ...options }, null, 2)}\n`
      : `${printable(to)}: ${model.constructor.name}, ${parameters.toLocaleString('en-US')} parameters\n`,
  );
  return 0;
}
