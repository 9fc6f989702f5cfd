// What the course advises for a kind of data, by name.

import { checkChoice } from '../errors.js';
import { ChannelScaler } from './channel-scaler.js';
import { Imputer } from './imputer.js';
import { Pipeline } from './pipeline.js';
import { StandardScaler } from './standard-scaler.js';
import type { Transform } from './transform.js';

/** Kinds of data with a preset. */
export type PreprocessingPreset = 'images' | 'features';

/**
 * The usual preprocessing of a kind of data.
 *
 * - `'images'`: the mean of each channel is subtracted, and nothing else (course rows B04, B14); {@link ChannelScaler} with `divide` is the
 *   other habit (course row P47).
 * - `'features'`: missing values become the median, then each feature gets mean 0 and standard deviation 1 (course row B02).
 *
 * @throws {@link ArgumentError} for other names.
 * @example
 * ```ts
 * import { datasets, preprocessingFor, smallConvNet } from 'nodegrad';
 * const { train } = await datasets.digits({ raw: true });
 * const model = smallConvNet();
 * model.preprocessing = preprocessingFor('images').fit(train);
 * ```
 */
export function preprocessingFor(preset: PreprocessingPreset): Transform {
  return checkChoice(preset, 'preset', ['images', 'features']) === 'images'
    ? new ChannelScaler({ layout: 'NHWC' })
    : new Pipeline([new Imputer({ strategy: 'median' }), new StandardScaler()]);
}
