// Names that other libraries give to the weights of models which we have under torchvision's names: transformers, timm, and what wraps a model.

import type { AnyTensor } from '../tensor.js';

/** What stands before every name when a model was saved inside something. */
const wrappers = ['module.', '_orig_mod.', 'model.', 'timm_model.'];

/** Rules of a naming: what a name that is only there looks like, and what becomes of each name. */
interface Naming {
  readonly sign: RegExp;
  rename(name: string): string;
}

const namings: readonly Naming[] = [
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
    [...bare].map(([theirs, value]) => {
      const name = naming.rename(theirs);
      return [name, asMatrix(name, value)];
    }),
  );
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
