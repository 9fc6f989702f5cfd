// Attention and encoder layers of torch.nn: their names, and the one matrix that queries, keys and values have there.

import { ArgumentError } from '../errors.js';
import { MultiHeadAttention } from '../layers/attention.js';
import { join } from '../layers/fields.js';
import type { AnyLayer } from '../layers/layer.js';
import { everyPlace } from '../layers/state.js';
import { TransformerBlock } from '../layers/transformer.js';
import { concat } from '../ops/shape.js';
import { withoutGradients } from '../ops/emit.js';
import type { AnyTensor } from '../tensor.js';

/** What is in a TransformerEncoderLayer of torch.nn, and what it is called in a TransformerBlock. */
const blockParts: Readonly<Record<string, string>> = {
  self_attn: 'attention',
  norm1: 'attentionNorm',
  norm2: 'mlpNorm',
  linear1: 'mlp.hidden',
  linear2: 'mlp.output',
};

const threeParts = ['query', 'key', 'value'];
const items: Readonly<Record<string, string>> = {
  'out_proj.weight': 'output.weight',
  'out_proj.bias': 'output.bias',
  q_proj_weight: 'query.weight',
  k_proj_weight: 'key.weight',
  v_proj_weight: 'value.weight',
};

/**
 * The tensors that one of a file of torch.nn becomes: under our names where the model has them, else as it is.
 *
 * @param all - The tensors of the file.
 * @param known - The names that the model has.
 */
export function fromTorchAttention(
  theirs: string,
  value: AnyTensor,
  all: ReadonlyMap<string, AnyTensor>,
  known: ReadonlySet<string>,
): readonly (readonly [string, AnyTensor])[] {
  const isAttention = (path: string): boolean => all.has(`${path}in_proj_weight`) || all.has(`${path}q_proj_weight`);
  /** The name that the model has for one of theirs: a part of a block, or of a layer of its own; TransformerEncoder has its layers in `layers`, a Sequential in itself. */
  const place = (name: string): string | undefined => {
    const [, above, part, item] = /^(.*\.|)(self_attn|norm[12]|linear[12])\.(.+)$/.exec(name) ?? [];
    const inBlock = part !== undefined && isAttention(`${above}self_attn.`) ? [`${above}${blockParts[part]}.${item}`] : [];
    return [...inBlock, name].flatMap((one) => [one, one.replace(/(^|\.)layers\.(?=\d+\.)/, '$1')]).find((one) => known.has(one));
  };
  const [, path = '', item = theirs] =
    /^(.*\.|)(in_proj_weight|in_proj_bias|out_proj\.weight|out_proj\.bias|[qkv]_proj_weight)$/.exec(theirs) ?? [];
  if (item.startsWith('in_proj_')) {
    const width = Math.floor(value.shape[0] / 3);
    const places = threeParts.map((part) => place(`${path}${part}.${item.slice('in_proj_'.length)}`));
    return places.every((one) => one !== undefined)
      ? places.map((one, i) => [one, value.slice(i * width, (i + 1) * width) as AnyTensor])
      : [[theirs, value]];
  }
  const name = isAttention(path) && Object.hasOwn(items, item) ? `${path}${items[item]}` : theirs;
  return [[place(name) ?? theirs, value]];
}

/**
 * Refuses a file of encoder layers for blocks that were made without saying where their norms stand: the file does not say it, and names and shapes are the same.
 *
 * @param tensors - Those of the file.
 * @param place - What the file says besides: `norm_first`, where savePyTorch wrote it.
 */
export function checkNormPlace(model: AnyLayer, tensors: ReadonlyMap<string, AnyTensor>, place: string | undefined): void {
  if (![...tensors.keys()].some((name) => /(^|\.)self_attn\.(in_proj_weight|q_proj_weight)$/.test(name))) return;
  for (const [path, layer] of model.namedLayers()) {
    if (!(layer instanceof TransformerBlock)) continue;
    const where = path === '' ? 'the block' : `the block '${path}'`;
    if (place === undefined && !layer.isPlaceSaid) {
      throw new ArgumentError(
        `the file has encoder layers of PyTorch, and does not say where their norms stand: make ${where} with { normFirst: false } for nn.TransformerEncoderLayer as it is by default, ` +
          'with { normFirst: true } where it was made with norm_first=True',
      );
    }
    if (place !== undefined && place !== String(layer.normFirst))
      throw new ArgumentError(
        `the file is of encoder layers with norm_first=${place === 'true' ? 'True' : 'False'}: make ${where} with { normFirst: ${place} }`,
      );
  }
}

/** Where the norms of all blocks of a model stand, as metadata of a file; nothing where it has none, or of both kinds. */
export function normPlaceOf(model: AnyLayer): readonly (readonly [string, string])[] {
  const places = new Set(
    [...model.namedLayers().values()].flatMap((layer) => (layer instanceof TransformerBlock ? [String(layer.normFirst)] : [])),
  );
  return places.size === 1 ? [['norm_first', [...places][0]]] : [];
}

/** Puts attention and blocks among tensors in PyTorch's layouts under the names that torch.nn has for them. */
export function spreadAttention(model: AnyLayer, tensors: Map<string, AnyTensor>): void {
  const move = (from: string, to: string): void => {
    const value = tensors.get(from);
    if (value === undefined) return;
    tensors.delete(from);
    tensors.set(to, value);
  };
  for (const [path, layer] of everyPlace(model)) {
    if (layer instanceof MultiHeadAttention) {
      for (const item of ['weight', 'bias']) {
        const names = threeParts.map((part) => join(path, `${part}.${item}`));
        const parts = names.flatMap((name) => tensors.get(name) ?? []);
        if (parts.length < names.length) continue;
        for (const name of names) tensors.delete(name);
        tensors.set(
          join(path, `in_proj_${item}`),
          withoutGradients(() => concat(parts as never)),
        );
        move(join(path, `output.${item}`), join(path, `out_proj.${item}`));
      }
    }
  }
  for (const [path, layer] of everyPlace(model)) {
    if (!(layer instanceof TransformerBlock)) continue;
    for (const [theirs, ours] of Object.entries(blockParts))
      for (const name of [...tensors.keys()])
        if (name.startsWith(`${join(path, ours)}.`)) move(name, join(path, `${theirs}${name.slice(join(path, ours).length)}`));
  }
}
