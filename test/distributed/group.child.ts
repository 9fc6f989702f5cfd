// A process of a group, for the tests: trains models of its own accord, and prints what came out as one line of JSON.

import { createHash } from 'node:crypto';
import {
  Accuracy,
  Adam,
  type AnyLayer,
  ArgumentError,
  CrossEntropyLoss,
  type Dataset,
  type FitOptions,
  L2Regularizer,
  LSTM,
  Layer,
  Linear,
  LogLoss,
  Metric,
  ProcessGroup,
  RocAuc,
  SGD,
  StepDecay,
  Tensor,
  TensorDataset,
  type TrainingRun,
  augmented,
  cifarResnet,
  fit,
  mlp,
  openStore,
  randomCrop,
  randomFlip,
  setNumThreads,
  setReproducible,
  setSeed,
} from '../../lib/index.js';
import { convNet } from '../helpers/conv-net.js';
import { optimizerRows } from '../helpers/optimizers.js';
import { Seeded } from '../helpers/seeded.js';
import { makeModel, points } from '../helpers/training.js';

/** What a process of a group is asked to do. */
export interface Errand {
  readonly rank: number;
  /** 0: alone, without a group. */
  readonly size: number;
  readonly store: string;
  readonly timeout?: number;
  readonly kinds: readonly string[];
  readonly options?: Partial<FitOptions>;
  readonly threads?: number;
  readonly reproducible?: boolean;
  /** What goes wrong in this process: it throws, kills itself or stops answering in this step of a run. */
  readonly fault?: { readonly step: number; readonly kind: 'throws' | 'dies' | 'hangs' | 'stops' };
}

/** What came out of a training. */
export interface Outcome {
  readonly digest: string;
  readonly losses: readonly number[];
  readonly metrics: unknown;
  readonly validation: unknown;
  readonly stopped: string | null;
  /** What the kind counts. */
  readonly count?: number;
}

class LastState extends Layer {
  readonly lstm = new LSTM(3, 8);
  readonly head = new Linear(8, 4);
  forward(x: Tensor): Tensor {
    return this.head.forward(this.lstm.forward(x).slice([0, 4], [x.shape[0], 5]).reshape([-1, 8]));
  }
}

/** A number that depends on all predictions and targets, and on their order. */
class InOrder extends Metric {
  readonly name = 'inOrder';
  #sum = 0;
  update(prediction: Tensor, target: Tensor<'int32'>): void {
    for (const [i, score] of prediction.data.entries()) this.#sum = (this.#sum * 1.01 + score * (1 + target.data[Math.floor(i / 4)])) % 1000;
  }
  result(): number {
    return this.#sum;
  }
  reset(): void {
    this.#sum = 0;
  }
}

const labels = (count: number, classes: number): Tensor<'int32'> => Tensor.from(Int32Array.from({ length: count }, (_, i) => i % classes));

const uniform = (shape: readonly number[]): Tensor =>
  Tensor.from(Float32Array.from(new Seeded(7).uniform(shape.reduce((size, side) => size * side, 1))), shape);

/** Data that cannot be gathered natively: batches are made when they are asked for, and only for these rows. */
export function counted(count: number, seed = 1): Dataset & { readonly asked: number[] } {
  const data = points(count, seed);
  const asked: number[] = [];
  return {
    name: 'counted',
    length: data.length,
    inputShape: data.inputShape,
    targetShape: data.targetShape,
    asked,
    batch(indices) {
      asked.push(...indices);
      return data.batch(indices);
    },
  };
}

interface Kind {
  readonly make: () => AnyLayer;
  readonly data: () => Dataset;
  readonly adam?: boolean;
  readonly options?: (model: AnyLayer) => Partial<FitOptions>;
  /** What is counted in this process alone. */
  readonly count?: (options: Partial<FitOptions>) => number;
  /** Whether another run follows on the first. */
  readonly isTwice?: boolean;
}

/** Notes how many bytes of state the optimizer keeps here while it trains. */
class StateBytes {
  bytes = 0;
  onEpochEnd(_: unknown, { optimizer }: TrainingRun): void {
    this.bytes = optimizer.stateBytes;
  }
}

// Numbers of examples that leave a last batch with fewer rows than there are shards, and processes.
const kinds: Readonly<Record<string, Kind>> = {
  mlp: { make: makeModel, data: () => points(70) },
  neighbours: { make: makeModel, data: () => points(70), count: ({ group }) => group?.neighbours ?? 0 },
  counted: { make: makeModel, data: () => counted(70) },
  // Gradients of several times what is summed at once, beside backward.
  wide: { make: () => mlp({ inputShape: [2], hidden: [1100, 1100], classes: 4 }), data: () => points(70) },
  'conv-net': {
    make: () => convNet(8),
    data: () => new TensorDataset(uniform([70, 16, 16, 3]), labels(70, 10), { name: 'noise', classes: 10 }),
    adam: true,
  },
  // A shard of one image has a mean and variance of others too; each block is left out in some steps, for all shards.
  synchronized: {
    make: () => cifarResnet({ depth: 8, dropPath: 0.5 }),
    data: () => new TensorDataset(uniform([70, 8, 8, 3]), labels(70, 10), { name: 'noise', classes: 10 }),
    adam: true,
    options: () => ({ batchNorm: 'synchronized' }),
  },
  augmented: {
    make: () => convNet(8),
    data: () => {
      const bytes = Uint8Array.from(new Seeded(3).uniform(70 * 16 * 16 * 3), (value) => 255 * value);
      const data = new TensorDataset(Tensor.from(bytes, [70, 16, 16, 3]), labels(70, 10), { name: 'bytes', classes: 10 });
      return augmented(data as unknown as Dataset<'uint8'>, [randomCrop({ padding: 2 }), randomFlip()], { mean: [127, 127, 127] });
    },
  },
  'resnet-20': {
    make: () => cifarResnet({ depth: 20 }),
    data: () => new TensorDataset(uniform([70, 32, 32, 3]), labels(70, 10), { name: 'noise', classes: 10 }),
  },
  lstm: { make: () => new LastState(), data: () => new TensorDataset(uniform([70, 5, 3]), labels(70, 4), { classes: 4 }) },
  // Whole shards that do not count, sums of other sizes than those of the weights, and what looks at gradients and rows.
  ignored: {
    make: makeModel,
    data: () =>
      new TensorDataset(uniform([70, 2]), Tensor.from(Int32Array.from({ length: 70 }, (_, i) => (i % 8 < 5 ? -100 : i % 4))), {
        classes: 4,
        ignoreIndex: -100,
      }),
    options: (model) => ({
      loss: new CrossEntropyLoss({ ignoreIndex: -100, classWeights: [1, 2, 0.5, 3] }),
      maxGradNorm: 0.1,
      regularizers: [new L2Regularizer(model, 0.01)],
      metrics: [],
      dropLast: true,
    }),
  },
  // Five batches of validation data, the last one smaller; one metric measures in its pass, and one looks at predictions in their order.
  validated: {
    make: makeModel,
    data: () => points(70),
    options: () => ({ validation: points(1100, 2), metrics: [new Accuracy(), new LogLoss(), new RocAuc()] }),
  },
  asked: {
    make: makeModel,
    data: () => points(70),
    options: () => ({ validation: counted(1100, 2) }),
    count: ({ validation }) => (validation as unknown as { asked: readonly number[] }).asked.length,
  },
  'bytes of state': {
    make: () => mlp({ inputShape: [2], hidden: [64, 64], classes: 4 }),
    data: () => points(70),
    adam: true,
    options: () => ({ callbacks: [new StateBytes()] }),
    count: ({ callbacks = [] }) => (callbacks[0] as StateBytes).bytes,
  },
  // The head alone is trained; a frozen layer is thawed while the run goes on, and what has moved less often has a stretch of its own.
  frozen: {
    make: () => {
      const model = makeModel();
      model.layers[0].freeze();
      return model;
    },
    data: () => points(70),
    adam: true,
    options: (model) => ({ maxGradNorm: 0.1, callbacks: [{ onEpochEnd: () => void model.unfreeze() }], epochs: 3 }),
  },
  // What stands in the optimizer afterwards; −1 where it is not told.
  afterwards: {
    make: makeModel,
    data: () => points(70),
    options: (model) => ({ optimizer: new Adam(model, { lr: 0.01 }) }),
    count: ({ optimizer }) => {
      try {
        const { tensors } = (optimizer as Adam).stateDict();
        return [...tensors.values()].flatMap(({ data }) => [...data].map(Number)).reduce((sum, value, i) => sum + value * (i + 1));
      } catch (error) {
        if (error instanceof ArgumentError && /is whole in process 0 alone/.test(error.message)) return -1;
        throw error;
      }
    },
  },
  twice: { make: makeModel, data: () => points(70), adam: true, isTwice: true },
  'looked-at': { make: makeModel, data: () => points(70), options: () => ({ validation: counted(1100, 2), metrics: [new InOrder()] }) },
  bfloat16: { make: makeModel, data: () => points(70), options: () => ({ precision: 'bfloat16', validation: points(21) }) },
};

/** `optimizer Lion`: a perceptron with this optimizer and all of its state, two groups of parameters, and a rate that changes in every step. */
function kindOf(kind: string): Kind {
  const row = optimizerRows.find(({ name }) => kind === `optimizer ${name}`);
  if (row === undefined) return kinds[kind];
  const groups = (model: AnyLayer): unknown => [
    { parameters: model.parameters().slice(0, 1), weightDecay: 0.1 },
    { parameters: model.parameters().slice(1) },
  ];
  const lr = new StepDecay(row.options.lr / 10, { factor: 0.5, every: 2, per: 'step' });
  return {
    make: makeModel,
    data: () => points(70),
    options: (model) => ({ optimizer: row.create(groups(model) as never, { ...row.options, lr } as never) }),
  };
}

async function train(kind: string, group: ProcessGroup | undefined, { rank, fault, options }: Errand): Promise<Outcome> {
  const { make, data, adam = false, options: own, count, isTwice = false } = kindOf(kind);
  setSeed(11);
  const model = make();
  model.prepare();
  // Whatever the others begin with, they go on with what rank 0 has.
  if (rank > 0) for (const parameter of model.parameters()) parameter.data.fill(rank);
  const faults = {
    onBatchEnd(_: unknown, run: { step: number; stop(reason: string): void }): void {
      if (run.step !== fault?.step) return;
      if (fault.kind === 'throws') throw new Error(`step ${fault.step} went wrong`);
      if (fault.kind === 'dies') process.kill(process.pid, 'SIGKILL');
      if (fault.kind === 'stops') run.stop('enough');
      if (fault.kind === 'hangs') process.kill(process.pid, 'SIGSTOP');
    },
  };
  const special = own?.(model);
  const all: FitOptions = {
    loss: new CrossEntropyLoss(),
    optimizer: adam ? new Adam(model, { lr: 0.01 }) : new SGD(model, { lr: 0.05, momentum: 0.9 }),
    epochs: 2,
    batchSize: 32,
    shards: 16,
    progress: false,
    log: false,
    ...(group && { group }),
    ...(options?.checkpoint === undefined && fault === undefined ? {} : { callbacks: [faults] }),
    ...special,
    ...options,
  };
  const examples = data();
  let history = await fit(model, examples, all);
  if (isTwice) history = await fit(model, examples, all);
  const hash = createHash('sha256');
  for (const [path, { data: numbers }] of model.stateDict())
    hash.update(path).update(new Uint8Array(numbers.buffer, numbers.byteOffset, numbers.byteLength));
  const last = history.epochs.at(-1);
  return {
    digest: hash.digest('hex').slice(0, 16),
    losses: history.epochs.map(({ loss }) => loss),
    metrics: last?.metrics,
    validation: last?.validation,
    stopped: history.stopped,
    ...(count && { count: count(all) }),
  };
}

async function main(errand: Errand): Promise<void> {
  const { rank, size, timeout = 20_000, threads, reproducible = false } = errand;
  setReproducible(reproducible);
  if (threads !== undefined) setNumThreads(threads);
  const group = size === 0 ? undefined : await ProcessGroup.open({ rank, size, store: await openStore(errand.store), timeout });
  const outcomes: Record<string, Outcome> = {};
  for (const kind of errand.kinds) outcomes[kind] = await train(kind, group, errand);
  await group?.close();
  console.log(JSON.stringify(outcomes));
}

if (process.argv[2] !== undefined) {
  await main(JSON.parse(process.argv[2]) as Errand).catch((error: Error & { code?: string }) => {
    console.log(JSON.stringify({ error: error.message, code: error.code }));
    process.exitCode = 1;
  });
}
