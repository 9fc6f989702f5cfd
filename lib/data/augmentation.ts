// Augmentation: what may be done to training images, each drawn anew for every example of every epoch.
import { ours } from '../foreign.js';
import { ArgumentError, checkChoice, checkInteger, checkNumber, checkOptions, expected, ShapeError } from '../errors.js';
import type { AugmentationStage } from '../ops/augment.js';
import { keepNames } from '../names.js';

type Size = readonly [height: number, width: number];
type Make = (size: Size, channels: number) => Omit<AugmentationStage, 'size' | 'mode' | 'pixels'> & Partial<AugmentationStage>;

/** Places in the list of native/ops/augment.h. */
const kinds = { crop: 0, flip: 1, affine: 2, resizedCrop: 3, lens: 4, colour: 5, components: 6, cutout: 7 } as const;

/** The largest side of an image. */
export const maxSide = 1 << 15;

/**
 * One kind of change to images; made by {@link randomCrop}, {@link randomFlip} and their like, used by {@link augmented}.
 *
 * @example
 * ```ts
 * import { randomFlip } from 'nodegrad';
 * randomFlip({ p: 0.25 }).name; // 'randomFlip'
 * ```
 */
export class Augmentation {
  readonly #make: Make;

  /** @internal */
  constructor(
    /** The function that made it. */
    readonly name: string,
    make: Make,
  ) {
    if (typeof make !== 'function') throw new ArgumentError(expected('a function', 'make', make));
    this.#make = make;
  }

  /** @internal What native code does with images of this size. */
  stage(size: Size, channels: number): AugmentationStage {
    return { size, mode: 0, pixels: 0, ...this.#make(size, channels) };
  }
}

/** From `lowest` to `highest`, or one number a for −a to a. */
export type Range = number | readonly [lowest: number, highest: number];

/** What lies beyond the border: the mean colour (0 after normalization), or the image in a mirror. */
export type BorderFill = 'mean' | 'reflect';

const borders = ['mean', 'reflect'] as const;
const borderMode = (fill: BorderFill): number => borders.indexOf(fill);

/** A number a stands for centre − a to centre + a. */
function rangeOf(value: Range, name: string, centre = 0, minimum = -Infinity): [number, number] {
  const argument = `options.${name}`;
  if (typeof value === 'number') {
    checkNumber(value, argument, 0, 1e6);
    return [checkNumber(centre - value, argument, minimum), centre + value];
  }
  if (!Array.isArray(value) || value.length !== 2) throw new ArgumentError(expected('a number or [lowest, highest]', argument, value));
  const [low, high] = value as [number, number];
  checkNumber(low, argument, Math.max(minimum, -1e6), 1e6);
  return [low, checkNumber(high, argument, low, 1e6)];
}

/** A side for squares, or height and width. */
export function sizeOf(value: number | Size, argument: string): [number, number] {
  if (typeof value === 'number') return [checkInteger(value, argument, 1, maxSide), value];
  if (!Array.isArray(value) || value.length !== 2) throw new ArgumentError(expected('a side or [height, width]', argument, value));
  const [height, width] = value as [number, number];
  return [checkInteger(height, argument, 1, maxSide), checkInteger(width, argument, 1, maxSide)];
}

/** Options of {@link randomCrop}. */
export interface RandomCropOptions {
  /** Pixels added on each side before the crop; default 0. */
  readonly padding?: number;
  /** A side for squares, or [height, width]; default: the size of the image. */
  readonly outputSize?: number | readonly [height: number, width: number];
  /** What is added; default `'mean'`. */
  readonly fill?: BorderFill;
}

/**
 * A window at a random place of the padded image, every place equally likely: with `padding: 4`, a 32×32 image has 81 (He et al.,
 * "Deep residual learning", 2015; course row F15).
 *
 * @throws {ArgumentError} if an option is wrong
 *
 * @example
 * ```ts
 * import { randomCrop } from 'nodegrad';
 * const crop = randomCrop({ padding: 4, fill: 'reflect' });
 * ```
 */
export function randomCrop(options: RandomCropOptions = {}): Augmentation {
  const { padding = 0, outputSize, fill = 'mean' } = checkOptions<RandomCropOptions>(options, 'options', ['padding', 'outputSize', 'fill']);
  checkInteger(padding, 'options.padding', 0, maxSide);
  const given = outputSize === undefined ? undefined : sizeOf(outputSize, 'options.outputSize');
  const mode = borderMode(checkChoice(fill, 'options.fill', borders));
  return new Augmentation('randomCrop', (image) => {
    const crop = given ?? image;
    for (const axis of [0, 1]) {
      if (crop[axis] > image[axis] + 2 * padding)
        throw new ShapeError(`a crop of ${crop.join('×')} from images of ${image.join('×')} with ${padding} pixels around`);
      if (mode === 1 && padding >= image[axis])
        throw new ShapeError(`images of ${image.join('×')} cannot be reflected ${padding} pixels wide: at most their side less one`);
    }
    return { kind: kinds.crop, size: crop, mode, pixels: padding, reals: [] };
  });
}

/** Options of {@link randomFlip}. */
export interface RandomFlipOptions {
  /** How often; default 0.5. */
  readonly p?: number;
  /** Left and right change places (`'horizontal'`, the default), or top and bottom. */
  readonly direction?: 'horizontal' | 'vertical';
}

/**
 * The image in a mirror, with probability `p` (course row F14).
 *
 * @throws {ArgumentError} if an option is wrong
 *
 * @example
 * ```ts
 * import { randomFlip } from 'nodegrad';
 * const flip = randomFlip();
 * ```
 */
export function randomFlip(options: RandomFlipOptions = {}): Augmentation {
  const { p = 0.5, direction = 'horizontal' } = checkOptions<RandomFlipOptions>(options, 'options', ['p', 'direction']);
  checkNumber(p, 'options.p', 0, 1);
  const mode = checkChoice(direction, 'options.direction', ['horizontal', 'vertical']) === 'vertical' ? 1 : 0;
  return new Augmentation('randomFlip', () => ({ kind: kinds.flip, mode, reals: [p] }));
}

/** How far an image is moved, see {@link RandomAffineOptions}. */
export interface Translation {
  /** Down, in heights of the image; default 0. */
  readonly y?: Range;
  /** To the right, in widths of the image; default 0. */
  readonly x?: Range;
}

/** Options of {@link randomAffine}; each is drawn uniformly from its range. */
export interface RandomAffineOptions {
  /** Degrees, counter-clockwise; default 0. */
  readonly rotation?: Range;
  /** Down and to the right, in heights and widths of the image: one range for both, or one each; default 0. */
  readonly translation?: number | Translation;
  /** Factors; a number a means 1 − a to 1 + a; default 0: the size stays. */
  readonly scale?: Range;
  /** How much more the height is scaled than the width, as factors; a number a means 1 − a to 1 + a; default 0. */
  readonly stretch?: Range;
  /** Pixels to the right for each pixel down; default 0. */
  readonly shear?: Range;
  /** What lies beyond the border; default `'mean'`. */
  readonly fill?: BorderFill;
}

/**
 * Rotates, scales, stretches and shears about the centre, then moves: bilinear samples of the image at
 * `A⁻¹·(p − centre − translation) + centre`, where A = rotation · shear · scale (course rows F15, F18 to F21).
 *
 * @throws {ArgumentError} if an option is wrong, or a factor could be 0 or negative
 *
 * @example
 * ```ts
 * import { randomAffine } from 'nodegrad';
 * const affine = randomAffine({ rotation: 15, translation: 0.1, scale: [0.8, 1.2], shear: 0.1 });
 * ```
 */
export function randomAffine(options: RandomAffineOptions = {}): Augmentation {
  const known = ['rotation', 'translation', 'scale', 'stretch', 'shear', 'fill'];
  const {
    rotation = 0,
    translation = 0,
    scale = 0,
    stretch = 0,
    shear = 0,
    fill = 'mean',
  } = checkOptions<RandomAffineOptions>(options, 'options', known);
  const move = typeof translation === 'number' ? { y: translation, x: translation } : translation;
  const { y = 0, x = 0 } = checkOptions<Translation>(move, 'options.translation', ['y', 'x']);
  const smallest = 1e-3;
  const reals = [
    ...rangeOf(rotation, 'rotation'),
    ...rangeOf(y, 'translation.y'),
    ...rangeOf(x, 'translation.x'),
    ...rangeOf(scale, 'scale', 1, smallest),
    ...rangeOf(stretch, 'stretch', 1, smallest),
    ...rangeOf(shear, 'shear'),
  ];
  const mode = borderMode(checkChoice(fill, 'options.fill', borders));
  return new Augmentation('randomAffine', () => ({ kind: kinds.affine, mode, reals }));
}

/** Options of {@link randomResizedCrop}. */
export interface RandomResizedCropOptions {
  /** Size afterwards: a side for squares, or [height, width]; default: the size of the image. */
  readonly outputSize?: number | readonly [height: number, width: number];
  /** Share of the image's area; default [0.08, 1]. */
  readonly scale?: readonly [lowest: number, highest: number];
  /** Width by height of the window; default [3/4, 4/3]. */
  readonly ratio?: readonly [lowest: number, highest: number];
}

/**
 * A window of random area and proportions at a random place, resampled bilinearly to `outputSize` (Szegedy et al., "Going deeper with
 * convolutions", 2014; course row F15). A window that would be larger than the image ends at its border.
 *
 * @throws {ArgumentError} if an option is wrong
 *
 * @example
 * ```ts
 * import { randomResizedCrop } from 'nodegrad';
 * const crop = randomResizedCrop({ outputSize: 224, scale: [0.2, 1] });
 * ```
 */
export function randomResizedCrop(options: RandomResizedCropOptions = {}): Augmentation {
  const known = ['outputSize', 'scale', 'ratio'];
  const { outputSize, scale = [0.08, 1], ratio = [3 / 4, 4 / 3] } = checkOptions<RandomResizedCropOptions>(options, 'options', known);
  const given = outputSize === undefined ? undefined : sizeOf(outputSize, 'options.outputSize');
  const areas = rangeOf(scale, 'scale', 0, 1e-6);
  checkNumber(areas[1], 'options.scale', 0, 1);
  const reals = [...areas, ...rangeOf(ratio, 'ratio', 0, 1e-3)];
  // Reflected: the outermost half pixel of a window at the border.
  return new Augmentation('randomResizedCrop', (image) => ({ kind: kinds.resizedCrop, size: given ?? image, mode: 1, reals }));
}

/** Options of {@link lensDistortion}. */
export interface LensDistortionOptions {
  /** The coefficient: positive for a barrel, negative for a cushion; default 0.2, for −0.2 to 0.2. */
  readonly strength?: Range;
  /** What lies beyond the border; default `'mean'`. */
  readonly fill?: BorderFill;
}

/**
 * Radial distortion, as a lens makes it: what stands at distance r from the centre comes from r·(1 + k·r²), where r is 1 at the corners
 * (course row F22).
 *
 * @throws {ArgumentError} if an option is wrong
 *
 * @example
 * ```ts
 * import { lensDistortion } from 'nodegrad';
 * const lens = lensDistortion({ strength: [0, 0.3] });
 * ```
 */
export function lensDistortion(options: LensDistortionOptions = {}): Augmentation {
  const { strength = 0.2, fill = 'mean' } = checkOptions<LensDistortionOptions>(options, 'options', ['strength', 'fill']);
  const reals = rangeOf(strength, 'strength');
  const mode = borderMode(checkChoice(fill, 'options.fill', borders));
  return new Augmentation('lensDistortion', () => ({ kind: kinds.lens, mode, reals }));
}

/** Options of {@link colourJitter}: factors; a number a means 1 − a to 1 + a. */
export interface ColourJitterOptions {
  /** How bright; default 0. */
  readonly brightness?: Range;
  /** Distance from the mean grey of the image; default 0. */
  readonly contrast?: Range;
  /** Distance of each pixel from its grey; default 0. */
  readonly saturation?: Range;
}

/**
 * Multiplies brightness, then contrast, then saturation by random factors; the result is cut to what a picture can show (course row
 * F16). Grey is 0.299 R + 0.587 G + 0.114 B. For images of one channel or three.
 *
 * @throws {ArgumentError} if an option is wrong, or a factor could be negative
 *
 * @example
 * ```ts
 * import { colourJitter } from 'nodegrad';
 * const jitter = colourJitter({ brightness: 0.4, contrast: 0.4, saturation: [0.5, 1.5] });
 * ```
 */
export function colourJitter(options: ColourJitterOptions = {}): Augmentation {
  const known = ['brightness', 'contrast', 'saturation'];
  const { brightness = 0, contrast = 0, saturation = 0 } = checkOptions<ColourJitterOptions>(options, 'options', known);
  const factors = Object.entries({ brightness, contrast, saturation });
  const reals = factors.flatMap(([name, range]) => rangeOf(range, name, 1, 0));
  return new Augmentation('colourJitter', (_size, channels) => {
    if (channels !== 1 && channels !== 3) throw new ShapeError(`colourJitter is for images of one channel or three, these have ${channels}`);
    return { kind: kinds.colour, reals };
  });
}

/** The directions in which the colours of a set of images vary; see {@link colourComponents}. */
export interface ColourComponents {
  /** How far colours vary along the directions, for colours in 0..1, the largest first. */
  readonly values: readonly number[];
  /** The directions: unit vectors in red, green and blue. */
  readonly vectors: readonly (readonly number[])[];
}

/** Of the training images of ImageNet, as fb.resnet.torch has them. */
export const IMAGENET_COLOURS: ColourComponents = Object.freeze({
  values: Object.freeze([0.2175, 0.0188, 0.0045]),
  vectors: Object.freeze([
    Object.freeze([-0.5675, -0.5808, -0.5836]),
    Object.freeze([0.7192, -0.0045, -0.6948]),
    Object.freeze([0.4009, -0.814, 0.4203]),
  ]),
});

/** Options of {@link pcaColourJitter}. */
export interface PcaColourJitterOptions {
  /** Standard deviation of the three factors; default 0.1. */
  readonly sigma?: number;
  /** Directions and sizes of the shifts; default {@link IMAGENET_COLOURS}. */
  readonly components?: ColourComponents;
}

/**
 * Adds one random colour to all pixels of an image: `Σᵢ αᵢ·λᵢ·vᵢ` with normal αᵢ, along the directions in which colours vary
 * (Krizhevsky et al., "ImageNet classification", 2012; course row F17). For images of three channels.
 *
 * @throws {ArgumentError} if an option is wrong
 *
 * @example
 * ```ts
 * import { pcaColourJitter } from 'nodegrad';
 * const jitter = pcaColourJitter({ sigma: 0.1 });
 * ```
 */
export function pcaColourJitter(options: PcaColourJitterOptions = {}): Augmentation {
  const { sigma = 0.1, components = IMAGENET_COLOURS } = checkOptions<PcaColourJitterOptions>(options, 'options', ['sigma', 'components']);
  checkNumber(sigma, 'options.sigma', 0, 1e3);
  const { values, vectors } = checkOptions<ColourComponents>(components, 'options.components', ['values', 'vectors']);
  const isTriple = (list: unknown): boolean => Array.isArray(list) && list.length === 3;
  if (!isTriple(values) || !isTriple(vectors) || !vectors.every(isTriple))
    throw new ArgumentError(expected('three values and three vectors of three numbers', 'options.components', components));
  const shifts = vectors.flatMap((vector, i) => vector.map((v) => checkNumber(values[i] * v, 'options.components', -1e3, 1e3)));
  return new Augmentation('pcaColourJitter', (_size, channels) => {
    if (channels !== 3) throw new ShapeError(`pcaColourJitter is for images of three channels, these have ${channels}`);
    return { kind: kinds.components, reals: [...shifts, sigma] };
  });
}

/** Options of {@link cutout}. */
export interface CutoutOptions {
  /** A side for squares, or [height, width]. */
  readonly size: number | readonly [height: number, width: number];
  /** How often; default 1. */
  readonly p?: number;
}

/**
 * Overwrites a box about a random pixel with 0 after normalization, the mean; what lies beyond the border is cut off (DeVries and
 * Taylor, "Improved regularization of convolutional neural networks with cutout", 2017).
 *
 * @throws {ArgumentError} if an option is wrong
 *
 * @example
 * ```ts
 * import { cutout } from 'nodegrad';
 * const hole = cutout({ size: 16 });
 * ```
 */
export function cutout(options: CutoutOptions): Augmentation {
  const { size, p = 1 } = checkOptions<CutoutOptions>(options, 'options', ['size', 'p']);
  const [height, width] = sizeOf(size as number, 'options.size');
  checkNumber(p, 'options.p', 0, 1);
  return new Augmentation('cutout', () => ({ kind: kinds.cutout, mode: width, pixels: height, reals: [p] }));
}

keepNames({ Augmentation });

ours(Augmentation);
