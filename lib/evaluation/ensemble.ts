// Several models as one: what they predict is averaged.

import { ArgumentError, checkList, checkOptions, expected } from '../errors.js';
import { checkLayer } from '../layers/check.js';
import type { AnyLayer } from '../layers/layer.js';
import { type LayerDescription, buildLayer, describeLayer, registerLayers } from '../layers/registry.js';
import { preprocessingOf } from '../preprocessing/of-model.js';
import type { Tensor } from '../tensor.js';
import { classNamesOf } from '../training/class-names.js';
import { Model } from '../training/model.js';
import { type OutputKind, averageOf, checkOutputKind } from './averaging.js';

/** Options of {@link Ensemble}. */
export interface EnsembleOptions {
  /**
   * What the members give: `'classes'` (default), scores whose softmax is averaged; `'labels'`, scores of yes or no whose sigmoid is; or
   * `'numbers'`, which are averaged as they are: of a regression, or probabilities.
   */
  readonly outputs?: OutputKind;
}

/**
 * Several trained models as one, which gives the average of their predictions: for scores that of the probabilities, as scores again
 * (`softmax` or `sigmoid` gives the average itself), so that it is evaluated, saved and loaded as any model. By convexity its log loss is at
 * most the mean of its members' on any data; its accuracy usually gains a percent or two. Course rows L06, L07, L10.
 *
 * Members stay the models that they are. Trained as a whole, they would learn one averaged prediction; train them apart, from different
 * seeds.
 *
 * @throws {@link ArgumentError} without members, and for members with different preprocessing or class names.
 * @example
 * ```ts
 * import { Ensemble, mlp, setSeed } from 'nodegrad';
 * const members = [1, 2, 3].map((seed) => {
 *   setSeed(seed);
 *   return mlp({ hidden: [64] }); // and train it
 * });
 * const ensemble = new Ensemble(members);
 * await ensemble.save('ensemble.safetensors');
 * ```
 */
export class Ensemble extends Model {
  /** The models. */
  readonly members: readonly AnyLayer[];
  /** What the members give. */
  readonly outputs: OutputKind;

  constructor(members: readonly AnyLayer[], options: EnsembleOptions = {}) {
    super();
    const { outputs } = checkOptions<EnsembleOptions>(options, 'options', ['outputs']);
    this.outputs = checkOutputKind(outputs);
    this.members = Array.from(checkList(members, 'members', 'an array of models'), (member: unknown, i) => checkLayer(member, `members[${i}]`));
    if (this.members.length === 0) throw new ArgumentError(expected('at least one model', 'members', members));
    const transforms = this.members.map(preprocessingOf);
    const described = transforms.map((transform) => JSON.stringify(transform));
    if (described.some((text) => text !== described[0]))
      throw new ArgumentError('the members have different preprocessing: give them the same, and fit it once on all training data');
    if (transforms[0] !== null) this.preprocessing = transforms[0];
    const names = this.members.map(classNamesOf);
    if (names.some((list) => JSON.stringify(list) !== JSON.stringify(names[0])))
      throw new ArgumentError('the members have different class names: their scores are of different things');
    this.classNames = names[0];
  }

  forward(x: Tensor): Tensor {
    return averageOf(
      this.members.map((member) => member.forward(x) as Tensor),
      this.outputs,
    );
  }

  override children(): Map<string, AnyLayer> {
    return new Map(this.members.map((member, i) => [String(i), member]));
  }

  override config(): unknown {
    return { members: this.members.map(describeLayer), outputs: this.outputs };
  }

  /** The ensemble that `config()` describes. */
  static fromConfig(config: { members: LayerDescription[]; outputs?: OutputKind }): Ensemble {
    if (!Array.isArray(config.members)) throw new ArgumentError(expected('an array of layer descriptions', 'members', config.members));
    return new Ensemble(config.members.map(buildLayer), { outputs: config.outputs });
  }
}

registerLayers({ Ensemble });
