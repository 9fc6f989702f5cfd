// What the image classifiers of this folder share: options, the shape they were built for, configuration.

import { ArgumentError, checkInteger, checkNumber, checkOptions, expected } from '../errors.js';
import { He, type Initializer, Normal } from '../initializers/initializer.js';
import { Conv2d, type Conv2dOptions } from '../layers/convolution.js';
import { Layer } from '../layers/layer.js';
import { Linear } from '../layers/linear.js';

/** Options of every image classifier. */
export interface ImageModelOptions {
  /** Outputs. Default 1000, 10 for models of small images. */
  classes?: number;
  /** Height and width of the images. Default 224, 32 for models of small images. */
  inputSize?: number;
  /** Channels of the images. Default 3. */
  inputChannels?: number;
}

/**
 * An image classifier: [N, H, W, C] → [N, classes]. Its paths are the names that torchvision gives to the same weights.
 *
 * @example
 * ```ts
 * import { resnet18 } from 'nodegrad';
 * resnet18().inputShape; // [224, 224, 3]
 * ```
 */
export abstract class ImageModel<O extends Required<ImageModelOptions>> extends Layer {
  /** Shape of one image: height, width, channels. */
  readonly inputShape: readonly number[];
  /** Number of outputs. */
  readonly classes: number;
  readonly #options: O;

  constructor(options: O) {
    super();
    const size = checkInteger(options.inputSize, 'options.inputSize', 1);
    this.inputShape = [size, size, checkInteger(options.inputChannels, 'options.inputChannels', 1)];
    this.classes = checkInteger(options.classes, 'options.classes', 1);
    this.#options = options;
  }

  override config(): O {
    return this.#options;
  }
}

/** Options with their defaults, checked: numbers are whole and at least 1, but for those named in `fractions`. */
export function complete<O extends object>(options: Partial<O>, defaults: O, fractions: readonly string[] = []): O {
  checkOptions(options, 'options', Object.keys(defaults));
  const full = { ...defaults };
  for (const [name, fallback] of Object.entries(defaults)) {
    const value: unknown = (options as Record<string, unknown>)[name] ?? fallback;
    const argument = `options.${name}`;
    if (fractions.includes(name)) checkNumber(value, argument, 0, 1);
    else if (typeof fallback === 'number') checkInteger(value, argument, 1, 2 ** 24);
    else if (typeof fallback === 'boolean' && typeof value !== 'boolean') throw new ArgumentError(expected('true or false', argument, value));
    else if (Array.isArray(fallback) && !Array.isArray(value)) throw new ArgumentError(expected('an array', argument, value));
    (full as Record<string, unknown>)[name] = value;
  }
  return full;
}

/** Numbers that an architecture has one of per stage. */
export function checkStages(stages: unknown, argument: string): readonly number[] {
  if (!Array.isArray(stages) || stages.length === 0) throw new ArgumentError(expected('an array of whole numbers', argument, stages));
  return stages.map((count, i) => checkInteger(count, `${argument}[${i}]`, 1, 4096));
}

/** A convolution without bias that keeps the size at stride 1, with the first weights of the residual networks' papers: He, by fan-out. */
export function convolution(inChannels: number, outChannels: number, kernel: number, options: Conv2dOptions = {}): Conv2d {
  return new Conv2d(inChannels, outChannels, kernel, {
    padding: (kernel - 1) / 2,
    bias: false,
    init: new He({ mode: 'fanOut' }),
    ...options,
  });
}

/** The last layer: first scores are small, so that the first loss is about ln(classes). */
export function classifier(features: number, classes: number, init: Initializer = new Normal({ std: 0.01 })): Linear {
  return new Linear(features, classes, { init });
}
