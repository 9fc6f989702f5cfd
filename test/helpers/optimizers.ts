// Every optimizer with a native rule, a row each: how it is made, what it refuses, and how its rule is called natively.
import { CosineDecay, Adadelta, Adagrad, Adam, Adamax, AdamW, Lion, NAdam, type Optimizer, RAdam, RMSprop, SGD } from '../../lib/index.js';

/** How a rule is called: learning rate, weight decay, decoupled, then its own numbers; for each state the least value, null where it is left out. */
export interface RuleSample {
  readonly hyper: readonly number[];
  readonly state: readonly (number | null)[];
}

/** What the tests need to know of an optimizer. */
export interface OptimizerRow {
  /** Its class, and its name in the golden files. */
  readonly name: string;
  /** The interface of its options. */
  readonly interface: string;
  readonly create: (target: never, options: never) => Optimizer;
  /** Options that make it use all of its state, learning rate included. */
  readonly options: Readonly<Record<string, unknown> & { lr: number }>;
  /** Options outside their range, each with what the message must say. */
  readonly refuses: readonly (readonly [Readonly<Record<string, unknown>>, RegExp])[];
  /** Its formula for one weight, state inside, where no golden file has it. */
  readonly formula?: (options: Readonly<Record<string, number>>) => (w: number, g: number) => number;
  /** Calls of its native rules. */
  readonly rules: Readonly<Record<string, readonly RuleSample[]>>;
}

const badRates = [[{ lr: -0.1 }, /options\.lr/], [{ lr: NaN }, /options\.lr/], [{ weightDecay: -1 }, /options\.weightDecay/], [{ decoupledDecay: 1 }, /options\.decoupledDecay/]] as const; // biome-ignore format: a list
const badBetas = [[{ betas: [1, 0.999] }, /options\.betas\[0\]/], [{ betas: [0.9, -0.1] }, /options\.betas\[1\]/], [{ betas: [0.9] }, /options\.betas/]] as const; // biome-ignore format: a list
const badEps = [{ eps: -1e-8 }, /options\.eps/] as const;
const more = { weightDecay: 0.01 };

export const optimizerRows: readonly OptimizerRow[] = [
  {
    name: 'SGD',
    interface: 'SGDOptions',
    create: (target, options) => new SGD(target, options),
    options: { lr: 0.1, momentum: 0.9, ...more },
    refuses: [
      ...badRates,
      [{ momentum: -0.1 }, /options\.momentum/],
      [{ momentum: 'a lot' }, /options\.momentum/],
      [{ dampening: 2 }, /options\.dampening/],
      [{ momentum: 0, nesterov: true }, /momentum/],
      [{ dampening: 0.1, nesterov: true }, /dampening/],
      [{ dampening: 0.1, lrInVelocity: true }, /dampening/],
    ],
    rules: {
      sgd: [
        { hyper: [0.1, 0.01, 0, 0.9, 0, 1, 0], state: [-1] },
        { hyper: [0.1, 0, 0, 0, 0, 0, 1], state: [-1] },
        { hyper: [0.1, 0, 0, 0.9, 0.5, 0, 1], state: [-1] },
        { hyper: [0.1, 0.1, 1, 0, 0, 0, 0], state: [null] },
      ],
      sgd_velocity: [
        { hyper: [0.1, 0.01, 0, 0.9, 1], state: [-1] },
        { hyper: [0.1, 0, 0, 0.9, 0], state: [-1] },
      ],
    },
  },
  {
    name: 'Adagrad',
    interface: 'AdagradOptions',
    create: (target, options) => new Adagrad(target, options),
    options: { lr: 0.1, ...more },
    refuses: [...badRates, badEps, [{ epsInside: 1 }, /options\.epsInside/], [{ initialAccumulator: -1 }, /options\.initialAccumulator/]],
    rules: {
      adagrad: [
        { hyper: [0.1, 0.01, 0, 1e-10, 0, 0], state: [0] },
        { hyper: [0.1, 0, 0, 1e-7, 1, 0.1], state: [0] },
      ],
    },
  },
  {
    name: 'Adadelta',
    interface: 'AdadeltaOptions',
    create: (target, options) => new Adadelta(target, options),
    options: { lr: 1, ...more },
    refuses: [...badRates, badEps, [{ rho: 1 }, /options\.rho/]],
    rules: { adadelta: [{ hyper: [1, 0.01, 0, 0.9, 1e-6], state: [0, 0] }] },
  },
  {
    name: 'RMSprop',
    interface: 'RMSpropOptions',
    create: (target, options) => new RMSprop(target, options),
    options: { lr: 0.01, momentum: 0.9, centred: true, ...more },
    refuses: [
      ...badRates,
      badEps,
      [{ alpha: 1 }, /options\.alpha/],
      [{ momentum: -1 }, /options\.momentum/],
      [{ centred: 0 }, /options\.centred/],
    ],
    rules: {
      rmsprop: [
        { hyper: [0.01, 0.01, 0, 0.99, 1e-8, 0, 0.9, 1], state: [0, -0.1, -1] },
        { hyper: [0.01, 0, 0, 0.9, 1e-7, 1, 0, 0], state: [0, null, null] },
      ],
    },
  },
  {
    name: 'Adam',
    interface: 'AdamOptions',
    create: (target, options) => new Adam(target, options),
    options: { lr: 0.01, amsgrad: true, ...more },
    refuses: [...badRates, ...badBetas, badEps, [{ amsgrad: 1 }, /options\.amsgrad/], [{ biasCorrection: 'no' }, /options\.biasCorrection/]],
    rules: {
      adam: [
        { hyper: [0.001, 0, 0, 0.9, 0.999, 1e-8, 0.001 / 0.1, 1 / 0.001, 0], state: [-1, 0, null] },
        { hyper: [0.001, 0.1, 1, 0.9, 0.999, 1e-8, 0.001 / 0.19, 1 / 0.002, 0], state: [-1, 0, null] },
        { hyper: [0.001, 0.1, 0, 0.9, 0.999, 1e-8, 0.001 / 0.19, 1 / 0.002, 0], state: [-1, 0, null] },
        { hyper: [0.001, 0, 0, 0.9, 0.999, 1e-8, 0.001 / 0.1, 1 / 0.001, 1], state: [-1, 0, 0] },
      ],
    },
  },
  {
    name: 'AdamW',
    interface: 'AdamOptions',
    create: (target, options) => new AdamW(target, options),
    options: { lr: 0.01, weightDecay: 0.1 },
    refuses: [...badRates, ...badBetas, badEps],
    rules: {},
  },
  {
    name: 'Adamax',
    interface: 'MomentsOptions',
    create: (target, options) => new Adamax(target, options),
    options: { lr: 0.01, ...more },
    refuses: [...badRates, ...badBetas, badEps],
    rules: { adamax: [{ hyper: [0.002, 0.01, 0, 0.9, 0.999, 1e-8, 0.02], state: [-1, 0] }] },
  },
  {
    name: 'NAdam',
    interface: 'NAdamOptions',
    create: (target, options) => new NAdam(target, options),
    options: { lr: 0.01, ...more },
    // Its products of momenta are those of one β₁.
    refuses: [...badRates, ...badBetas, badEps, [{ momentumDecay: -1 }, /options\.momentumDecay/], [{ betas: [new CosineDecay(0.9, { length: 2 }), 0.999] }, /options\.betas\[0\]/]], // biome-ignore format: a list
    rules: { nadam: [{ hyper: [0.002, 0.01, 0, 0.9, 0.999, 1e-8, 0.01, 0.02, 1000], state: [-1, 0] }] },
  },
  {
    name: 'RAdam',
    interface: 'MomentsOptions',
    create: (target, options) => new RAdam(target, options),
    options: { lr: 0.01, ...more },
    refuses: [...badRates, ...badBetas, badEps],
    rules: {},
  },
  {
    name: 'Lion',
    interface: 'LionOptions',
    create: (target, options) => new Lion(target, options),
    options: { lr: 0.01, ...more },
    refuses: [...badRates, ...badBetas],
    formula({ lr, weightDecay }) {
      let m = 0;
      return (w, g) => {
        const direction = Math.sign(0.9 * m + 0.1 * g);
        m = 0.99 * m + 0.01 * g;
        return w - lr * (weightDecay * w + direction);
      };
    },
    rules: { lion: [{ hyper: [0.0001, 0.1, 1, 0.9, 0.99], state: [-1] }] },
  },
];

/** Calls of every rule of native/kernels/optimizers.def. */
export const ruleSamples: Readonly<Record<string, readonly RuleSample[]>> = Object.assign({}, ...optimizerRows.map(({ rules }) => rules));
