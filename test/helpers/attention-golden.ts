// PyTorch's attention and root mean square norm, as test/golden/attention.py wrote them down.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import type { Layer, Tensor } from '../../lib/index.js';
import { f64, leaf } from './build.js';
import { close } from './close.js';
import { root } from './sources.js';

/** A tensor of the file. */
export interface Stored {
  readonly shape: number[];
  readonly values: readonly number[];
}

interface Case {
  readonly inputs: readonly Stored[];
  readonly output: Stored;
  readonly upstream: Stored;
  readonly gradients: readonly Stored[];
}
interface Masked extends Case {
  readonly heads: number;
  readonly causal: boolean;
  readonly keep: Stored | null;
}
type WithParameters = Case & { readonly parameters: Readonly<Record<string, Stored>> };

interface AttentionFile {
  readonly generatorSha256: string;
  readonly products: readonly (Masked & { readonly scale: number | null })[];
  readonly layers: readonly (Masked & WithParameters)[];
  readonly blocks: readonly (WithParameters & {
    readonly heads: number;
    readonly hidden: number;
    readonly causal: boolean;
    readonly normFirst: boolean;
  })[];
  readonly rms: readonly (WithParameters & { readonly eps: number; readonly affine: boolean })[];
}

/** Reads the file; a script that has changed since it was written is an error. */
export function attentionGolden(): AttentionFile {
  const folder = join(root, 'test/golden');
  const file = JSON.parse(readFileSync(join(folder, 'attention.json'), 'utf8')) as AttentionFile;
  const script = readFileSync(join(folder, 'attention.py'), 'latin1').replaceAll('\r\n', '\n');
  if (createHash('sha256').update(script, 'latin1').digest('hex') !== file.generatorSha256)
    throw new Error('run test/golden/attention.py again');
  return file;
}

/** A stored tensor in float64. */
export function build({ values, shape }: Stored): Tensor<'float64'> {
  return f64(Float64Array.from(values), shape);
}

/** Output and gradients by the leaves agree with the case to nine digits. */
export function agrees(
  t: ExecutionContext,
  one: Case,
  run: (inputs: Tensor<'float64'>[]) => Tensor<'float64'>,
  parameters: readonly Tensor[] = [],
): void {
  const inputs = one.inputs.map((stored) => leaf(build(stored)));
  const y = run(inputs);
  // Sums of at most a few hundred products of numbers around 1: their rounding is some 1e-14, and some sums are near zero.
  const tolerance = { relative: 1e-9, absolute: 1e-12 };
  close(t, y, build(one.output), tolerance, 'output');
  y.mul(build(one.upstream)).sum().backward();
  for (const [i, tensor] of [...inputs, ...parameters].entries()) {
    close(t, tensor.grad as unknown as Tensor, build(one.gradients[i]), tolerance, `gradient ${i}`);
  }
}

/** Fills a Linear from PyTorch's weight [out, in] and bias, or from rows `part` of three of a stack. */
export function fillLinear(layer: { readonly weight: Tensor; readonly bias: Tensor | null }, weight: Stored, bias: Stored, part = 0): void {
  const [inputs, outputs] = layer.weight.shape;
  const transposed = build(weight)
    .slice([part * outputs, 0], [(part + 1) * outputs, inputs])
    .transpose();
  (layer.weight.data as unknown as Float64Array).set(transposed.data);
  if (layer.bias !== null) (layer.bias.data as unknown as Float64Array).set(bias.values.slice(part * outputs, (part + 1) * outputs));
}

/** Puts PyTorch's numbers into a layer's own parameters of the same names. */
export function fillParameters(layer: Layer, parameters: Readonly<Record<string, Stored>>, prefix = ''): void {
  for (const [name, parameter] of layer.ownParameters()) (parameter.data as unknown as Float64Array).set(parameters[prefix + name].values);
}
