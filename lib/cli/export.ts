// `nodegrad export <model> <file>`: a saved model as a file of ONNX.

import { type Command, InvalidArgumentError, Option } from 'commander';
import { ArgumentError } from '../errors.js';
import { inputShapeOf } from '../layers/costs.js';
import { saveOnnx } from '../onnx/export.js';
import type { AnyModel } from '../training/model.js';
import { savedModel } from './saved.js';
import { printable } from '../words.js';
import { whole } from './options.js';

const freeAxisNames = ['time', 'height', 'width'] as const;
type FreeAxisName = (typeof freeAxisNames)[number];

/** What `export` is told. */
export interface ExportCommandOptions {
  inputShape?: readonly number[];
  layout: 'NHWC' | 'NCHW';
  batchSize?: number;
  dynamicAxes?: readonly FreeAxisName[];
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

function axes(text: string): readonly FreeAxisName[] {
  return text.split(',').map((part) => {
    const name = freeAxisNames.find((one) => one === part.trim());
    if (name === undefined) throw new InvalidArgumentError(`expected ${freeAxisNames.join(', ')}, with commas between`);
    return name;
  });
}

/** The options of `export`. */
export function addExportOptions(command: Command): Command {
  return command
    .option('--input-shape <dimensions>', 'shape of one example, such as 28,28,1 (default: as the model says)', dimensions)
    .addOption(new Option('--layout <axes>', 'order of the axes of images').choices(['NHWC', 'NCHW']).default('NHWC'))
    .option('--batch-size <count>', 'a fixed number of examples (default: any)', whole(1))
    .option('--dynamic-axes <names>', 'sizes that stay free: time of sequences, or height,width of images (default: none)', axes)
    .option('--softmax', 'give probabilities', false)
    .option('--no-preprocessing', 'leave out what is done to inputs first')
    .option('--json', 'print one JSON document instead of text', false);
}

/** Writes the model that was saved in `from` to `to`. */
export async function exportCommand(from: string, to: string, { json, ...options }: ExportCommandOptions): Promise<number> {
  const model = await savedModel(from);
  const { preprocessing } = model;
  // With its preprocessing a model takes what comes before it, such as a table's columns.
  const own = [options.preprocessing ? preprocessing?.inputShape : null, inputShapeOf(model, undefined), preprocessing?.inputShape];
  const shape = options.inputShape ?? own.find((one) => one != null) ?? null;
  if (shape === null) throw new ArgumentError(`${from} does not say the shape of one example: --input-shape 28,28,1 does`);
  await saveOnnx(model, to, options);
  const parameters = model.parameterCount();
  process.stdout.write(
    json
      ? `${JSON.stringify({ file: from, output: to, parameters, ...options }, null, 2)}\n`
      : `${printable(to)}: ${model.constructor.name}, ${parameters.toLocaleString('en-US')} parameters\n${linesOf(model, shape as readonly number[], options)}`,
  );
  return 0;
}

const someOf = (names: readonly string[]): string => `${names.slice(0, 10).join(', ')}${names.length > 10 ? ' …' : ''}`;

/** What goes in and what comes out, for who has the file alone. */
function linesOf(
  { preprocessing, classNames }: AnyModel,
  shape: readonly number[],
  { layout, batchSize, softmax, preprocessing: isIn }: Omit<ExportCommandOptions, 'json'>,
): string {
  const axes = layout === 'NCHW' && shape.length === 3 ? [shape[2], shape[0], shape[1]] : shape;
  const input = `[${[batchSize ?? 'examples', ...axes].join(', ')}]`;
  const how =
    preprocessing === null
      ? 'as the model was trained on them'
      : isIn
        ? `as they are before any scaling: the ${preprocessing.constructor.name} of the model is in the file`
        : `as its ${preprocessing.constructor.name} gives them, which is left out`;
  const columns = isIn ? (preprocessing?.columns ?? []) : [];
  const places = columns.map(({ name, kind, categories = [] }) =>
    kind === 'number' ? name : `${name} (${someOf(categories.map((category, code) => `${code} ${category}`))})`,
  );
  const rows = columns.length === 0 ? '' : `  columns ${someOf(places)}; NaN is a missing value\n`;
  const output = softmax ? 'probabilities' : 'what the model gives, before any softmax';
  const classes = classNames === null ? '' : `, of ${someOf(classNames)}`;
  return `  input   ${input}, numbers ${how}\n${printable(rows)}  output  ${output}${printable(classes)}\n`;
}
