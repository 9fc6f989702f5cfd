// Names that other libraries give to the weights of models which we have under torchvision's names: transformers, timm, and what wraps a model.

import { Buffer } from 'node:buffer';
import type { AnyTensor } from '../tensor.js';
import { fromTorchAttention } from './attention-weights.js';

/** What stands before every name when a model was saved inside something. */
const wrappers = ['module.', '_orig_mod.', 'model.', 'timm_model.'];

/** Rules of a naming: what a name that is only there looks like, and what becomes of each name. */
interface Naming {
  readonly sign: RegExp;
  rename(name: string): string;
  /** The tensors that one becomes, where they are several, or of another shape; null for none. `all`: the file's, by their own names. */
  convert?(
    name: string,
    value: AnyTensor,
    all: ReadonlyMap<string, AnyTensor>,
    known: ReadonlySet<string>,
  ): readonly (readonly [string, AnyTensor])[] | null;
}

const namings: readonly Naming[] = [
  {
    // torch.nn: MultiheadAttention, whose three matrices are one where their inputs are equally wide, alone or in a TransformerEncoderLayer
    sign: /(^|\.)(in_proj_weight|q_proj_weight)$/,
    rename: (name) => name,
    convert: fromTorchAttention,
  },
  {
    // transformers: ResNetForImageClassification, ResNetModel
    sign: /^(?:resnet\.)?embedder\.embedder\.convolution\.weight$/,
    rename(name) {
      const inside = name.replace(/^resnet\./, '');
      const item = (kind: string): string => (kind === 'convolution' ? 'conv' : 'bn');
      return inside
        .replace(/^embedder\.embedder\.(convolution|normalization)/, (_, kind: string) => `${item(kind)}1`)
        .replace(/^encoder\.stages\.(\d+)\.layers\.(\d+)\./, (_, stage: string, block: string) => `layer${Number(stage) + 1}.${block}.`)
        .replace(/\.layer\.(\d+)\.(convolution|normalization)\./, (_, at: string, kind: string) => `.${item(kind)}${Number(at) + 1}.`)
        .replace(/\.shortcut\.(convolution|normalization)\./, (_, kind: string) => `.downsample.${kind === 'convolution' ? 0 : 1}.`)
        .replace(/^classifier\.1\./, 'fc.');
    },
  },
  {
    // transformers: GPT2LMHeadModel and GPT2Model, whose matrices are [in, out], and one is those of queries, keys and values
    sign: /^(?:transformer\.)?wte\.weight$/,
    rename: (name) =>
      name
        .replace(/^transformer\./, '')
        .replace(/^wte\./, 'embedding.')
        .replace(/^wpe\./, 'positions.')
        .replace(/^ln_f\./, 'norm.')
        .replace(/^h\.(\d+)\./, 'blocks.$1.')
        .replace('.ln_1.', '.attentionNorm.')
        .replace('.ln_2.', '.mlpNorm.')
        .replace('.attn.c_proj.', '.attention.output.')
        .replace('.mlp.c_fc.', '.mlp.hidden.')
        .replace('.mlp.c_proj.', '.mlp.output.'),
    convert(name, value, all) {
      // Masks that older files have, and the head where it is the table of tokens once more; one of its own has no place in the model, and is left to be refused.
      if (/\.attn\.(masked_)?bias$/.test(name)) return null;
      if (name === 'lm_head.weight')
        return sameBytes(value, all.get('transformer.wte.weight') ?? all.get('wte.weight')) ? null : [[name, value]];
      const turned = (matrix: AnyTensor): AnyTensor => (matrix.rank === 2 ? matrix.transpose() : matrix);
      const joined = /^(blocks\.\d+)\.attn\.c_attn\.(weight|bias)$/.exec(name);
      if (joined === null) return [[name, /\.(output|hidden)\.weight$/.test(name) ? turned(value) : value]];
      const width = Math.floor(value.shape[value.rank - 1] / 3);
      return ['query', 'key', 'value'].map((part, i) => {
        const begin = value.shape.map((_, d) => (d === value.rank - 1 ? i * width : 0));
        const end = value.shape.map((size, d) => (d === value.rank - 1 ? (i + 1) * width : size));
        return [`${joined[1]}.attention.${part}.${joined[2]}`, turned(value.slice(begin, end) as AnyTensor)];
      });
    },
  },
  {
    // timm: VGG, whose hidden layers are convolutions
    sign: /^pre_logits\.fc1\.weight$/,
    rename: (name) =>
      name
        .replace(/^pre_logits\.fc1\./, 'classifier.0.')
        .replace(/^pre_logits\.fc2\./, 'classifier.3.')
        .replace(/^head\.fc\./, 'classifier.6.'),
  },
];

/**
 * Tensors under torchvision's names, where they have those of another library; else as they are.
 *
 * @param known - The names that the model has.
 */
export function inTorchvisionNames(tensors: Map<string, AnyTensor>, known: ReadonlySet<string>): Map<string, AnyTensor> {
  const bare = [...tensors.keys()].some((name) => known.has(name)) ? tensors : unwrapped(tensors, known);
  const naming = namings.find(({ sign }) => [...bare.keys()].some((name) => sign.test(name) && !known.has(name)));
  if (naming === undefined) return bare;
  return new Map(
    [...bare].flatMap(([theirs, value]) => {
      const name = naming.rename(theirs);
      return naming.convert === undefined ? [[name, asMatrix(name, value)] as const] : (naming.convert(name, value, bare, known) ?? []);
    }),
  );
}

/** Whether two tensors hold the same bytes. */
function sameBytes(a: AnyTensor, b: AnyTensor | undefined): boolean {
  const bytes = ({ memory }: AnyTensor): Uint8Array => new Uint8Array(memory.buffer as ArrayBuffer, memory.byteOffset, memory.byteLength);
  return b !== undefined && a.dtype === b.dtype && Buffer.compare(bytes(a), bytes(b)) === 0;
}

/** Without what wraps all names alike, if something known comes to light. */
function unwrapped(tensors: Map<string, AnyTensor>, known: ReadonlySet<string>): Map<string, AnyTensor> {
  const isKnown = (name: string): boolean => known.has(name) || namings.some(({ sign }) => sign.test(name));
  let bare = tensors;
  for (;;) {
    const names = [...bare.keys()];
    if (names.some(isKnown)) return bare;
    const wrapper = wrappers.find((each) => names.length > 0 && names.every((name) => name.startsWith(each)));
    if (wrapper === undefined) return tensors;
    bare = new Map([...bare].map(([name, value]) => [name.slice(wrapper.length), value]));
  }
}

/** The kernel of a convolution over whole images [out, in, height, width] is the matrix of a fully connected layer [out, in·height·width]. */
function asMatrix(name: string, value: AnyTensor): AnyTensor {
  return name.startsWith('classifier.') && value.rank === 4 ? value.reshape([value.shape[0], -1]) : value;
}
