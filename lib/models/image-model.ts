// What the image classifiers of this folder share: options, the shape they were built for, configuration.

import { ArgumentError, checkFlag, checkInteger, checkNumber, checkObject, checkOptions, expected, mergeOptions } from '../errors.js';
import { He } from '../initializers/he.js';
import type { Initializer } from '../initializers/initializer.js';
import { Normal } from '../initializers/normal.js';
import { Conv2d, type Conv2dOptions } from '../layers/convolution.js';
import { Layer } from '../layers/layer.js';
import { Linear } from '../layers/linear.js';
import type { AdaptiveAvgPool2d } from '../layers/pooling.js';
import type { Tensor } from '../tensor.js';
import { keepNames } from '../names.js';
import { Model } from '../training/model.js';

/** Options of every image classifier. */
export interface ImageModelOptions {
  /** Outputs. Default 1000, 10 for models of small images. */
  classes?: number;
  /** Height and width of the images. Default 224, 32 for models of small images. */
  imageSize?: number;
  /** Channels of the images. Default 3. */
  channels?: number;
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
export abstract class ImageModel<O extends Required<ImageModelOptions>> extends Model {
  /** Shape of one image: height, width, channels. */
  readonly inputShape: readonly number[];
  /** Number of outputs. */
  readonly classes: number;
  readonly #options: O;

  /**
   * @param options - All of them, with their defaults.
   * @param least - Height and width of the smallest images that poolings and strides leave something of.
   * @throws {@link ArgumentError} for wrong options.
   */
  constructor(options: O, least = 1) {
    super();
    const { imageSize, channels, classes } = checkObject<O>(options, 'options');
    const size = checkInteger(imageSize, 'options.imageSize', least);
    this.inputShape = [size, size, checkInteger(channels, 'options.channels', 1)];
    this.classes = checkInteger(classes, 'options.classes', 1);
    this.#options = options;
  }

  override config(): O {
    return { ...this.#options, classes: this.#scores() };
  }

  /** Outputs: those that it was built with, or those of a `Linear` that was put in place of its last one. */
  #scores(): number {
    const { fc, classifier: last } = this as { readonly fc?: unknown; readonly classifier?: unknown };
    for (const head of [fc, last]) {
      const linear = head instanceof Layer && head.children().size > 0 ? [...head.children().values()].at(-1) : head;
      if (linear instanceof Linear) return linear.outFeatures;
    }
    return this.#options.classes;
  }
}

/**
 * Options with their defaults, checked: numbers are whole and at least 1, or 0 for those named in `orZero`; those named in `fractions`
 * are from 0 to 1. Those named in `needed` are numbers without a default.
 */
export function complete<O extends object, N extends keyof O & string = never>(
  options: Partial<O>,
  defaults: Omit<O, N>,
  fractions: readonly string[] = [],
  needed: readonly N[] = [],
  orZero: readonly string[] = [],
): O {
  const given = checkOptions<Record<string, unknown>>(options, 'options', [...needed, ...Object.keys(defaults)]);
  const full: Record<string, unknown> = {};
  for (const [name, fallback] of [...needed.map((each) => [each, undefined]), ...Object.entries(defaults)] as [string, unknown][]) {
    const value = given[name] === undefined ? fallback : given[name];
    const argument = `options.${name}`;
    if (fractions.includes(name)) checkNumber(value, argument, 0, 1);
    else if (fallback === undefined || typeof fallback === 'number') checkInteger(value, argument, orZero.includes(name) ? 0 : 1, 2 ** 24);
    else if (typeof fallback === 'boolean') checkFlag(value, argument);
    else if (Array.isArray(fallback) && !Array.isArray(value)) throw new ArgumentError(expected('an array', argument, value));
    full[name] = Array.isArray(value) ? [...value] : value;
  }
  return full as O;
}

/** Options of a network that is one form of another: those given, and those that make it this form, which nobody may give. */
export function formOf<O extends object, const F extends object>(options: O, form: F): O & F {
  const given = checkObject<O>(options, 'options');
  for (const name of Object.keys(form)) {
    if ((given as Record<string, unknown>)[name] !== undefined)
      throw new ArgumentError(`unknown option \`${name}\` in \`options\`: this network has one of its own`);
  }
  return mergeOptions<O & F>(given, form);
}

/** Numbers that an architecture has one of per stage, `most` at most. */
export function checkStages(stages: unknown, argument: string, most = 16): readonly number[] {
  if (!Array.isArray(stages) || stages.length === 0 || stages.length > most) {
    throw new ArgumentError(expected(`an array of 1 to ${most} whole numbers`, argument, stages));
  }
  return stages.map((count, i) => checkInteger(count, `${argument}[${i}]`, 1, 4096));
}

/** Units of the hidden layers of an architecture. */
export function checkHidden(hidden: readonly unknown[]): readonly number[] {
  return hidden.map((units, i) => checkInteger(units, `options.hidden[${i}]`, 1, 2 ** 24));
}

/** Images of the size that a fully connected layer takes: as they are, or their means where they have another one. */
export function pooledTo(images: Tensor, pool: AdaptiveAvgPool2d): Tensor {
  const [height, width] = pool.outputSize;
  return images.shape[1] === height && images.shape[2] === width ? images : pool.forward(images);
}

/** A convolution without bias that keeps the size at stride 1, with the first weights of the residual networks' papers: He, by fan-out. */
export function convolution(inChannels: number, outChannels: number, kernelSize: number, options: Conv2dOptions = {}): Conv2d {
  return new Conv2d(inChannels, outChannels, kernelSize, {
    padding: (kernelSize - 1) / 2,
    bias: false,
    init: new He({ mode: 'fanOut' }),
    ...options,
  });
}

/** The last layer: first scores are small, so that the first loss is about ln(classes). */
export function classifier(features: number, classes: number, init: Initializer = new Normal({ std: 0.01 })): Linear {
  return new Linear(features, classes, { init });
}

keepNames({ ImageModel });
