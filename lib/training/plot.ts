// A model as a picture: its layers, taken apart by a forward pass over shapes alone, drawn as SVG.

import type { AnyDataset } from '../data/dataset.js';
import { ArgumentError, checkFlag, checkInteger, checkOptions, expected } from '../errors.js';
import { checkPath, writeFileAtomic } from '../io/atomic.js';
import { architectureOf } from '../layers/architecture.js';
import { inputShapeOf, multiplyAccumulates, weightLayers } from '../layers/costs.js';
import type { AnyLayer } from '../layers/layer.js';
import { drawArchitecture } from '../pictures/architecture.js';
import { amount } from '../pictures/architecture-pieces.js';
import { preprocessingOf } from '../preprocessing/of-model.js';

/** Options of {@link Model.plot}. */
export interface PlotOptions {
  /** Shape of one example, without the batch dimension. Default: what the model says that it was built for. */
  readonly inputShape?: readonly number[];
  /** Heading of the picture. Default: the model's class. */
  readonly title?: string;
  /** How deep blocks are opened; 0: none but the model itself. Default: all. */
  readonly depth?: number;
  /** Whether equal neighbours are drawn once, with their number (`×3`). Default true. */
  readonly fold?: boolean;
  /** Whether the path of each layer stands in its box, such as `encoder.0`; of equal neighbours that of the first. Default false: it shows where the pointer rests. */
  readonly names?: boolean;
  /** Columns that a long picture is cut into. Default: as many as make it about as wide as high. */
  readonly columns?: number;
}

/** `model.plot(path, options)`: documented there. */
export async function plot(model: AnyLayer, path: string | undefined, options: PlotOptions): Promise<string> {
  const {
    inputShape,
    title = model.constructor.name,
    depth = 1000,
    fold = true,
    names = false,
    columns,
  } = checkOptions<PlotOptions>(options, 'options', ['inputShape', 'title', 'depth', 'fold', 'names', 'columns']);
  if (path !== undefined) checkIsSvg(checkPath(path));
  if (typeof title !== 'string') throw new ArgumentError(expected('a string', 'options.title', title));
  checkNesting(model);
  const input = inputShapeOf(model, inputShape);
  if (input === null)
    throw new ArgumentError(
      expected('the shape of one example for plot(): [height, width, channels] of an image', 'options.inputShape', inputShape),
    );
  const settings = {
    depth: checkInteger(depth, 'options.depth', 0),
    fold: checkFlag(fold, 'options.fold'),
    names: checkFlag(names, 'options.names'),
  };
  const svg = drawArchitecture({
    title,
    subtitle: subtitleOf(model, input),
    input,
    chain: architectureOf(model, input, settings),
    columns: columns === undefined ? null : checkInteger(columns, 'options.columns', 1, 100),
  });
  if (path !== undefined) await writeFileAtomic(path, [Buffer.from(svg)]);
  return svg;
}

/** Names that promise another kind of file: what opens them would fail. */
const otherKinds = /\.(png|jpe?g|gif|webp|avif|tiff?|bmp|pdf|e?ps|html?|dot)$/i;

function checkIsSvg(path: string): void {
  if (!otherKinds.test(path)) return;
  const svg = path.replace(otherKinds, '.svg');
  const wayOut = `Name it ${JSON.stringify(svg)}; of that, the package sharp makes pixels: await sharp(${JSON.stringify(svg)}).toFile(${JSON.stringify(path.replace(otherKinds, '.png'))})`;
  throw new ArgumentError(expected('the path of a file of SVG, which is what plot() writes,', 'path', path, wayOut));
}

/** The picture of a model that is trained on these data; null for one that takes a tree, or looks at numbers, and has none. */
export async function pictureOf(model: AnyLayer, data: AnyDataset): Promise<string | null> {
  const { inputShape: own } = model as { inputShape?: unknown };
  const inputShape = (own ?? preprocessingOf(model)?.outputShape ?? data.inputShape) as readonly number[];
  return plot(model, undefined, { inputShape }).catch(() => null);
}

/** Layers inside of so many others are followed. */
const deepest = 250;

function checkNesting(model: AnyLayer): void {
  // Level by level, each layer once in it: what is shared would be met again and again.
  let level: ReadonlySet<AnyLayer> = new Set([model]);
  for (let depth = 0; level.size > 0; depth++) {
    if (depth > deepest)
      throw new ArgumentError(
        `a model of layers inside of more than ${deepest} others cannot be drawn: a picture has no room for so many frames. Draw a part of it, such as \`model.layers[0]\``,
      );
    level = new Set([...level].flatMap((layer) => [...layer.children().values()]));
  }
}

function subtitleOf(model: AnyLayer, inputShape: readonly number[]): string {
  const depth = weightLayers(model, { inputShape });
  const count = multiplyAccumulates(model, { inputShape });
  const frozen = model.parameters().reduce((sum, { requiresGrad, size: numbers }) => sum + (requiresGrad ? 0 : numbers), 0);
  return [
    `${amount(model.parameterCount())} parameters${frozen > 0 ? `, ${amount(frozen)} of them frozen` : ''}`,
    ...(count > 0 ? [`${amount(count)} multiply-accumulates`, `${depth} weight layer${depth === 1 ? '' : 's'}`] : []),
  ].join(' · ');
}
