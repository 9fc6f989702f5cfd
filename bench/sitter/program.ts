// A training program as plain data: what it trains on, the net, the loss and how it trains; built into objects of nodegrad.

import {
  Adadelta,
  Adagrad,
  Adam,
  Constant,
  EarlyStopping,
  type FitOptions,
  He,
  type Initializer,
  InverseTimeDecay,
  LeCun,
  type Model,
  Normal,
  type Optimizer,
  type Parameter,
  RMSprop,
  SGD,
  Sequential,
  TruncatedNormal,
  Uniform,
  Xavier,
  Zeros,
  setSeed,
} from '../../lib/index.js';
import { type DataSpec, type Parts, draw } from './data/index.js';
import { type DataFault, type PreparedData, type Scaling, type TargetForm, prepare } from './data/prepare.js';
import { type InitSpec, type LayerSpec, buildLayer } from './layers.js';
import { type LossName, losses } from './losses.js';

/** How weights are updated. */
export interface OptimizerSpec {
  readonly name: 'sgd' | 'adam' | 'rmsprop' | 'adagrad' | 'adadelta';
  readonly lr: number;
  readonly momentum?: number;
  readonly nesterov?: true;
  /** lr / (1 + decay · step). */
  readonly decay?: number;
  readonly weightDecay?: number;
}

/** A training program. */
export interface Program {
  readonly data: DataSpec;
  readonly dataFaults?: readonly DataFault[];
  readonly inputs?: Scaling;
  /** `'train'`: validation and test stay as they were drawn. Default all. */
  readonly scaled?: 'all' | 'train';
  readonly targets: TargetForm;
  readonly targetScaling?: 'none' | 'standardize' | 'minMax';
  readonly layers: readonly LayerSpec[];
  readonly init?: InitSpec;
  readonly bias?: number;
  readonly loss: LossName;
  readonly optimizer: OptimizerSpec;
  readonly epochs: number;
  readonly batchSize: number;
  /** Default true. */
  readonly shuffle?: boolean;
  /** Default true, where there are rows for it. */
  readonly validates?: boolean;
  readonly maxGradNorm?: number;
  /** Epochs without progress in validation, after which it ends. */
  readonly patience?: number;
  /** Layers that are frozen, by their place in `layers`. */
  readonly frozen?: readonly number[];
  /** Layers that the optimizer holds, by their place; default all. */
  readonly held?: readonly number[];
  readonly seed: number;
}

/** A program, ready to run. */
export interface Built {
  readonly model: Model;
  readonly data: PreparedData;
  /** What `fit` takes, but for callbacks and outputs. */
  readonly options: FitOptions;
}

const initializers: Readonly<Record<Extract<InitSpec, string>, () => Initializer | undefined>> = {
  default: () => undefined,
  glorot: () => new Xavier({ distribution: 'uniform' }),
  he: () => new He(),
  lecun: () => new LeCun(),
  zeros: () => new Zeros(),
};

function initializerOf(init: InitSpec = 'default'): Initializer | undefined {
  if (typeof init === 'string') return initializers[init]();
  if ('uniform' in init) return new Uniform({ low: -init.uniform, high: init.uniform });
  return 'normal' in init ? new Normal({ std: init.normal }) : new TruncatedNormal({ std: init.truncated });
}

function optimizerOf(target: Model | readonly Parameter[], spec: OptimizerSpec): Optimizer {
  const { name, momentum = 0, nesterov = false, decay, weightDecay = 0 } = spec;
  const lr = decay === undefined ? spec.lr : new InverseTimeDecay(spec.lr, { k: decay, per: 'step' });
  const to = target as Model;
  const optimizers = {
    sgd: () => new SGD(to, { lr, momentum, nesterov, weightDecay }),
    adam: () => new Adam(to, { lr, weightDecay, eps: 1e-7 }),
    rmsprop: () => new RMSprop(to, { lr, weightDecay, alpha: 0.9, eps: 1e-7 }),
    adagrad: () => new Adagrad(to, { lr, weightDecay }),
    adadelta: () => new Adadelta(to, { lr, weightDecay, rho: 0.95, eps: 1e-7 }),
  };
  return optimizers[name]() as unknown as Optimizer;
}

/** Makes the data, the model and the options of a program. */
export async function build(program: Program, parts?: Parts): Promise<Built> {
  const { dataFaults = [], inputs = 'none', scaled = 'all', targetScaling = 'none', targets, seed } = program;
  const drawn = parts ?? (await draw(program.data));
  const data = prepare(drawn, { faults: dataFaults, inputs, scaled, targets, targetScaling, seed });
  setSeed(seed);
  let shape = [...data.inputShape];
  const layers = program.layers.map((spec) => {
    const [layer, next] = buildLayer(
      spec,
      shape,
      initializerOf(program.init),
      program.bias === undefined ? undefined : new Constant(program.bias),
    );
    shape = next;
    return layer;
  });
  const model = new Sequential(layers, { inputShape: data.inputShape });
  model.prepare();
  for (const i of program.frozen ?? []) layers[i].freeze();
  const held = program.held?.flatMap((i) => layers[i].parameters());
  const { epochs, batchSize, shuffle = true, validates = true, maxGradNorm, patience } = program;
  const validation = validates ? data.validation : null;
  const options: FitOptions = {
    loss: losses[program.loss].make(),
    optimizer: optimizerOf(held ?? model, program.optimizer),
    epochs,
    batchSize,
    shuffle,
    seed,
    ...(maxGradNorm !== undefined && { maxGradNorm }),
    ...(validation !== null && { validation }),
    ...(patience !== undefined && { callbacks: [new EarlyStopping({ patience })] }),
    metrics: [],
  };
  return { model, data, options };
}

/**
 * The program with losses of nodegrad's own: softmax and sigmoid before a loss on probabilities give way to a loss from logits, as a user of
 * nodegrad would write it, and every other activation stays where it is.
 */
export function ownForm(program: Program): Program {
  const last = program.layers.at(-1);
  const body = program.layers.slice(0, -1);
  if (program.loss === 'kerasCrossEntropy') return { ...program, loss: 'crossEntropy', layers: last === 'softmax' ? body : program.layers };
  if (program.loss !== 'kerasBinaryCrossEntropy') return program;
  if (last === 'sigmoid') return { ...program, loss: 'binaryCrossEntropy', layers: body };
  return { ...program, loss: 'binaryCrossEntropyOfProbabilities' };
}
