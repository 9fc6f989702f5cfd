// What to say where a model of images gets images of another size, or with other channels, than it was built for.

import { ShapeError } from '../errors.js';
import type { AnyDataset } from '../data/dataset.js';
import { inputShapeOf } from '../layers/costs.js';
import type { AnyLayer } from '../layers/layer.js';

/** An error of a layer inside of `model`, told by the images that came and those that it was built for; any other error as it is. */
export function explainOtherImages(error: unknown, model: AnyLayer, data: Pick<AnyDataset, 'name' | 'inputShape'>): unknown {
  // Many networks take images of any size: only where a layer could not, their size is what is wrong.
  if (!(error instanceof ShapeError) || !error.message.startsWith("in layer '")) return error;
  const built = inputShapeOf(model, undefined);
  const given = data.inputShape as unknown;
  if (!isImage(built) || !isImage(given) || sorted(built) === sorted(given)) return error;
  return new ShapeError(
    `the model was built for images of ${built.join('×')} (height×width×channels), those of '${data.name}' are ${given.join('×')}. ${wayOut(built, given)}`,
    { cause: error },
  );
}

const isImage = (shape: unknown): shape is readonly [number, number, number] => Array.isArray(shape) && shape.length === 3;

/** Equal for [height, width, channels] and [channels, height, width], of which the layer itself says more. */
const sorted = (shape: readonly number[]): string => [...shape].sort((a, b) => a - b).join();

function wayOut([height, width, channels]: readonly number[], given: readonly number[]): string {
  const options = [
    ...(height === given[0] && width === given[1] ? [] : [`\`imageSize: ${height === width ? height : `[${height}, ${width}]`}\``]),
    ...(channels === 1 && given[2] === 3 ? ['`grey: true`'] : []),
    ...(channels === 3 && given[2] === 1 ? ['`grey: false`'] : []),
  ];
  const load = options.length === 0 ? '' : `Load them with ${options.join(' and ')} (datasets.imageFolder, readImages), or build`;
  const threefold = channels === 3 && given[2] === 1 ? '. Grey images in memory become colours by concat([x, x, x], -1)' : '';
  const size = given[0] === given[1] ? `, or \`imageSize: ${given[0]}, channels: ${given[2]}\` of a ready network` : '';
  return `${load || 'Build'} the model for them: \`inputShape: [${given.join(', ')}]\`${size}${threefold}`;
}
