// An option that is undefined is an option that was not given, everywhere; the options are read off the declarations, so that none is forgotten.
import { createHash } from 'node:crypto';
import { rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import * as lib from '../../lib/index.js';
import { declaredOptions } from '../helpers/declared.js';
import { optimizerRows } from '../helpers/optimizers.js';
import { root } from '../helpers/sources.js';

type Options = Record<string, unknown>;

/** Something that takes options: what it makes of them, and those that it cannot do without. */
interface Taker {
  readonly take: (options: never) => unknown;
  readonly needs?: Options;
  /** Declared as needed, and yet with a default here. */
  readonly optional?: readonly string[];
  /** Options for which null is a value. */
  readonly nullable?: readonly string[];
}

const x = lib.tensor([
  [1, 2],
  [3, 5],
]);
const images = lib.ones([2, 6, 6, 2]);
const kernel = lib.full([3, 3, 2, 2], 0.5);
const labels = lib.Tensor.from(Int32Array.of(0, 1));
const pairs = new lib.TensorDataset(x, labels);
const threes = new lib.TensorDataset(lib.concat([x, x, x]), lib.Tensor.from(Int32Array.of(0, 1, 0, 1, 0, 1)));
const panel = { title: 'x', xLabel: 'a', yLabel: 'b', series: [] };
const pictures = new lib.TensorDataset(lib.Tensor.from(new Uint8Array(72).fill(7), [2, 6, 6, 1]), labels);
const npy = Buffer.concat([
  Buffer.from([0x93]),
  Buffer.from("NUMPY\x01\0\x34\0{'descr': '<f4', 'fortran_order': False, 'shape': (), }\n"),
  Buffer.alloc(4),
]);
const silent = { progress: false, log: false } as const;

const finding: lib.Finding = {
  id: 'learning-rate-too-low',
  verdict: 'fault',
  seen: '',
  why: '',
  advice: '',
  change: { kind: 'learningRate', value: 1 },
  confidence: 1,
  epoch: 1,
  step: 1,
  layer: null,
  symptoms: [],
  text: '',
};

function model(): lib.Sequential {
  lib.setSeed(3);
  return new lib.Sequential([new lib.Linear(2, 3), new lib.ReLU(), new lib.Linear(3, 2)]);
}

const looked = model();

async function trained(options: Options): Promise<unknown> {
  const net = model();
  const history = await net.fit(pairs, { loss: new lib.CrossEntropyLoss(), optimizer: new lib.SGD(net, { lr: 0.1 }), ...options, ...silent });
  return [net, history.epochs.map(({ loss, metrics }) => [loss, metrics])];
}

/** Two steps of an optimizer on a weight, alone and in a group under options of everybody. */
function steps(make: (target: never, options: never) => lib.Optimizer): (options: never) => unknown {
  return (options: Options) =>
    [false, true].map((inGroup) => {
      const w = lib.tensor([1, -2]);
      w.requiresGrad = true;
      const others = { lr: 0.25, weightDecay: 0.5 };
      const optimizer = inGroup ? make([{ parameters: [w], ...options }] as never, others as never) : make([w] as never, options as never);
      for (let i = 0; i < 2; i++) {
        w.mul(3).sum().backward();
        optimizer.step();
      }
      return [w, optimizer.groups.map((group) => group.options)];
    });
}

const schedule = (make: (options: never) => lib.Schedule): ((options: never) => unknown) => {
  return (options) => {
    const made = make(options);
    const sgd = new lib.SGD(model(), { lr: made });
    const rates = [1, 2, 1, 1].map((score) => {
      sgd.nextEpoch(score);
      return sgd.lr;
    });
    return [[0, 1, 2, 5].map((t) => made.at(t)), rates, made.per];
  };
};

/** Two steps of an optimizer that calls its closure. */
function closures(make: (target: never, options: never) => lib.Optimizer): (options: never) => unknown {
  return (options) => {
    const w = lib.tensor(new Float64Array([1, -2]));
    w.requiresGrad = true;
    const optimizer = make([w] as never, options);
    const losses = [0, 1].map(() =>
      optimizer.step(() => {
        const loss = w.mul(w).mul(w).mul(w).sum();
        loss.backward();
        return loss.item();
      }),
    );
    return [w, losses];
  };
}

/** The options of every optimizer with a native rule. */
const optimizerTakers: Record<string, Taker[]> = {};
for (const { name, interface: options, create } of optimizerRows)
  (optimizerTakers[options] ??= []).push({ take: steps(create), ...(name === 'SGD' ? { needs: { lr: 0.1 } } : { optional: ['lr'] }) });

const houses = (ending: string) => join(root, `test/golden/houses.${ending}`);
const reduces = ['sum', 'mean', 'max', 'min', 'argmax', 'argmin'] as const;
const small = { classes: 3, imageSize: 32 };

/** Who takes the options of each exported interface. */
const takers: Record<string, Taker | readonly Taker[]> = {
  CreateOptions: [{ take: (o) => lib.ones([2], o) }, { take: (o) => lib.zeros([2], o) }, { take: (o) => lib.full([2], 3, o) }],
  OnnxExportOptions: { take: (o) => lib.encodeOnnx(model(), o), needs: { inputShape: [2] } },
  OnnxImportOptions: { take: async (o) => (await lib.decodeOnnx(await lib.encodeOnnx(model(), { inputShape: [2] }), o)).forward(x) },
  MatmulOptions: { take: (o) => x.matmul(x, o) },
  HistogramOptions: { take: (o) => lib.histogram(x, o) },
  ReduceOptions: reduces.map((name) => ({ take: (o) => (name.startsWith('arg') ? x[name](0, o) : x[name](0, o)) })),
  VarianceOptions: (['var', 'std'] as const).map((name) => ({ take: (o) => x[name](0, o) })),
  LossOptions: [
    { take: (o) => lib.mseLoss(x, x.mul(2), o) },
    { take: (o) => lib.l1Loss(x, x.mul(2), o) },
    { take: (o) => lib.klDivergence(x, x, o) },
    ...[lib.MSELoss, lib.L1Loss, lib.KLDivergenceLoss].map((Kind) => ({ take: (o: never) => new Kind(o) })),
  ],
  LabelOptions: [
    { take: (o) => lib.nllLoss(x, labels, o), nullable: ['ignoreIndex', 'classWeights'] },
    { take: (o) => new lib.NLLLoss(o), nullable: ['ignoreIndex', 'classWeights'] },
  ],
  CrossEntropyOptions: [
    { take: (o) => lib.crossEntropy(x, labels, o), nullable: ['ignoreIndex', 'classWeights'] },
    { take: (o) => new lib.CrossEntropyLoss(o), nullable: ['ignoreIndex', 'classWeights'] },
  ],
  MulticlassHingeLossOptions: [
    { take: (o) => lib.multiclassHingeLoss(x, labels, o), nullable: ['ignoreIndex', 'classWeights'] },
    { take: (o) => new lib.MulticlassHingeLoss(o), nullable: ['ignoreIndex', 'classWeights'] },
  ],
  EarlyStoppingOptions: { take: (o) => new lib.EarlyStopping(o) },
  MixingOptions: {
    take: (o) => {
      const data = lib.mixup(new lib.TensorDataset(x, labels, { classes: 2 }), o);
      return data.batch(Int32Array.of(0, 1));
    },
  },
  DropConnectOptions: { take: (o) => new lib.DropConnect(2, 3, o) },
  ElasticNetOptions: { take: (o) => new lib.ElasticNetRegularizer(model(), o), needs: { l1: 0.1, l2: 0.1 } },
  MaxNormOptions: { take: (o) => new lib.MaxNormConstraint(model(), 1, o) },
  ClassMetricOptions: [lib.ConfusionMatrix, lib.LogLoss, lib.BalancedAccuracy, lib.MatthewsCorrelation].map((Kind) => ({
    take: (o: never) => Object.entries(new Kind(o)),
    nullable: ['ignoreIndex'],
  })),
  AveragedClassOptions: [lib.Precision, lib.Recall, lib.F1].map((Kind) => ({
    take: (o: never) => Object.entries(new Kind(o)),
    nullable: ['ignoreIndex'],
  })),
  CohensKappaOptions: { take: (o) => Object.entries(new lib.CohensKappa(o)), nullable: ['ignoreIndex'] },
  BinaryAccuracyOptions: { take: (o) => Object.entries(new lib.BinaryAccuracy(o)) },
  TopKAccuracyOptions: { take: (o) => Object.entries(new lib.TopKAccuracy(o)), nullable: ['ignoreIndex'] },
  CalibrationErrorOptions: { take: (o) => Object.entries(new lib.CalibrationError(o)), nullable: ['ignoreIndex'] },
  RankingOptions: [lib.RocAuc, lib.AveragePrecision].map((Kind) => ({
    take: (o: never) => Object.entries(new Kind(o)),
    nullable: ['ignoreIndex'],
  })),
  AccuracyOptions: { take: (o) => new lib.Accuracy(o), nullable: ['ignoreIndex'] },
  HuberLossOptions: [{ take: (o) => lib.huberLoss(x, x.mul(2), o) }, { take: (o) => new lib.HuberLoss(o) }],
  SmoothL1LossOptions: [{ take: (o) => lib.smoothL1Loss(x, x.mul(2), o) }, { take: (o) => new lib.SmoothL1Loss(o) }],
  BinaryCrossEntropyOptions: [{ take: (o) => lib.binaryCrossEntropy(x, x, o) }, { take: (o) => new lib.BinaryCrossEntropyLoss(o) }],
  HingeLossOptions: [{ take: (o) => lib.hingeLoss(x, x, o) }, { take: (o) => new lib.HingeLoss(o) }],
  CosineEmbeddingLossOptions: [
    { take: (o) => lib.cosineEmbeddingLoss(x, x, lib.tensor([1, -1]), o) },
    { take: (o) => new lib.CosineEmbeddingLoss(o) },
  ],
  TripletLossOptions: [{ take: (o) => lib.tripletLoss(x, x, x.mul(2), o) }, { take: (o) => new lib.TripletLoss(o) }],
  LeakyReLUOptions: [{ take: (o) => lib.leakyRelu(x, o) }, { take: (o) => new lib.LeakyReLU(o).forward(x) }],
  ELUOptions: [
    { take: (o) => lib.elu(x, o) },
    { take: (o) => lib.celu(x, o) },
    { take: (o) => new lib.ELU(o).forward(x) },
    { take: (o) => new lib.CELU(o).forward(x) },
  ],
  GELUOptions: [{ take: (o) => lib.gelu(x, o) }, { take: (o) => new lib.GELU(o).forward(x) }],
  SwishOptions: [{ take: (o) => lib.swish(x, o) }, { take: (o) => new lib.Swish(o).forward(x) }],
  SoftplusOptions: [{ take: (o) => lib.softplus(x, o) }, { take: (o) => new lib.Softplus(o).forward(x) }],
  HardTanhOptions: [{ take: (o) => lib.hardTanh(x, o) }, { take: (o) => new lib.HardTanh(o).forward(x) }],
  MaxoutOptions: { take: (o) => (lib.setSeed(1), new lib.Maxout(2, 3, o).forward(x)) },
  PReLUOptions: { take: (o) => new lib.PReLU(o) },
  DropoutOptions: { take: (o) => (lib.setSeed(1), lib.dropout(x, 0.5, o)) },
  Conv2dFunctionOptions: { take: (o) => lib.conv2d(images, kernel, null, o) },
  ConvTranspose2dFunctionOptions: { take: (o) => lib.convTranspose2d(images, kernel, null, o) },
  PoolOptions: { take: (o) => lib.maxPool2d(images, 2, o) },
  MaxPool2dOptions: [{ take: (o) => lib.maxPool2d(images, 2, o) }, { take: (o) => new lib.MaxPool2d(2, o) }],
  AvgPool2dOptions: [{ take: (o) => lib.avgPool2d(images, 2, o) }, { take: (o) => new lib.AvgPool2d(2, o) }],
  FractionalPoolOptions: { take: (o) => new lib.FractionalMaxPool2d(3, o) },
  FractionalMaxPool2dOptions: { take: (o) => (lib.setSeed(1), lib.fractionalMaxPool2d(images, 4, o)) },
  Pad2dOptions: [{ take: (o) => lib.pad2d(images, 1, o) }, { take: (o) => new lib.Pad2d(1, o) }],
  Upsample2dOptions: [
    { take: (o) => lib.upsample2d(images, o), needs: { scaleFactor: 2 } },
    { take: (o) => new lib.Upsample2d(o), needs: { outputSize: 12 } },
  ],
  LocalResponseNormOptions: [{ take: (o) => lib.localResponseNorm(images, 3, o) }, { take: (o) => new lib.LocalResponseNorm(3, o) }],
  LoadOptions: { take: (o) => model().loadStateDict(model().stateDict(), o) },
  PlotOptions: { take: (o) => lib.mlp().plot(undefined, o) },
  SummaryOptions: { take: (o) => model().summary(o) },
  CostOptions: [{ take: (o) => lib.multiplyAccumulates(lib.mlp(), o) }, { take: (o) => lib.weightLayers(lib.mlp(), o) }],
  ParameterOptions: { take: (o) => new lib.Parameter([2], o), needs: { init: new lib.Zeros() } },
  BufferOptions: { take: (o) => new lib.Buffer([2], o) },
  SequentialOptions: { take: (o) => new lib.Sequential([new lib.ReLU()], o) },
  AttentionOptions: { take: (o) => (lib.setSeed(1), lib.attention(lib.ones([2, 3, 4]), lib.ones([2, 3, 4]), lib.ones([2, 3, 4]), o)) },
  GradCheckOptions: { take: (o) => lib.gradCheck(model(), x, o) },
  RMSNormOptions: { take: (o) => new lib.RMSNorm(2, o) },
  ResidualOptions: { take: (o) => new lib.Residual(new lib.Linear(2, 2), o) },
  ConcatOptions: { take: (o) => new lib.Concat([new lib.ReLU()], o) },
  EmbeddingOptions: { take: (o) => new lib.Embedding(3, 2, o) },
  MultiHeadAttentionOptions: { take: (o) => new lib.MultiHeadAttention(4, 2, o) },
  TransformerBlockOptions: { take: (o) => new lib.TransformerBlock(4, 2, o) },
  PositionalEmbeddingOptions: { take: (o) => new lib.PositionalEmbedding(3, 2, o) },
  Gpt2Options: { take: (o) => lib.gpt2(o), needs: { layers: 1, features: 12, tokens: 5, context: 4 } },
  CharacterTransformerOptions: { take: (o) => lib.characterTransformer(o), needs: { characters: 5 } },
  LinearOptions: { take: (o) => new lib.Linear(2, 3, o) },
  ConvolutionLayerOptions: { take: (o) => new lib.Conv2d(2, 2, 3, o) },
  Conv1dOptions: { take: (o) => new lib.Conv1d(2, 2, 3, o) },
  MaxPool1dOptions: { take: (o) => new lib.MaxPool1d(2, o) },
  AvgPool1dOptions: { take: (o) => new lib.AvgPool1d(2, o) },
  Conv2dOptions: { take: (o) => new lib.Conv2d(2, 2, 3, o) },
  ConvTranspose2dOptions: { take: (o) => new lib.ConvTranspose2d(2, 2, 3, o) },
  BatchNormOptions: [
    { take: (o) => new lib.BatchNorm1d(2, o), nullable: ['momentum'] },
    { take: (o) => new lib.BatchNorm2d(2, o), nullable: ['momentum'] },
  ],
  GroupNormOptions: [
    { take: (o) => new lib.LayerNorm(2, o) },
    { take: (o) => new lib.GroupNorm(1, 2, o) },
    { take: (o) => new lib.InstanceNorm2d(2, o) },
  ],
  RecurrentCellOptions: { take: (o) => new lib.RNNCell(2, 3, o) },
  RNNCellOptions: { take: (o) => new lib.RNNCell(2, 3, o) },
  LSTMCellOptions: { take: (o) => new lib.LSTMCell(2, 3, o) },
  GRUCellOptions: { take: (o) => new lib.GRUCell(2, 3, o) },
  RecurrentOptions: { take: (o) => new lib.RNN(2, 3, o) },
  RNNOptions: { take: (o) => new lib.RNN(2, 3, o) },
  LSTMOptions: { take: (o) => new lib.LSTM(2, 3, o) },
  GRUOptions: { take: (o) => new lib.GRU(2, 3, o) },
  SequenceOptions: { take: (o) => (lib.setSeed(1), new lib.GRU(2, 3).run(x.reshape([1, 2, 2]), o)) },
  NormalOptions: { take: (o) => new lib.Normal(o) },
  IdentityMatrixOptions: { take: (o) => Object.entries(new lib.IdentityMatrix(o)) },
  OrthogonalOptions: { take: (o) => Object.entries(new lib.Orthogonal(o)) },
  SparseOptions: [
    { take: (o) => Object.entries(new lib.Sparse(o)) },
    { take: (o) => Object.entries(new lib.Sparse(o)), needs: { sparsity: 0.5 } },
  ],
  LsuvOptions: { take: (o) => lib.lsuv(model(), x, o) },
  ActivationExperimentOptions: { take: (o) => lib.activationExperiment(o), needs: { layers: 2, features: 4, examples: 4 } },
  ActivationPictureOptions: {
    take: (o) => lib.activationPicture([{ title: 'x', experiment: lib.activationExperiment({ layers: 1, features: 4, examples: 4 }) }], o),
  },
  UniformOptions: { take: (o) => new lib.Uniform(o) },
  ScaledOptions: [{ take: (o) => new lib.Xavier(o) }, { take: (o) => new lib.He(o) }, { take: (o) => new lib.LeCun(o) }],
  ReadTableOptions: [{ take: (o) => lib.tableFromRows([{ area: 1 }, { area: 2 }], o) }],
  ReadFileOptions: [
    { take: (o) => lib.readTable(houses('parquet'), o), needs: { columns: { tags: 'skip' } } },
    { take: (o) => lib.readArrow(houses('arrow'), o), needs: { columns: { tags: 'skip' } } },
  ],
  CsvRowsOptions: { take: (o) => lib.csvRows(houses('csv'), o).next() },
  IterableDatasetOptions: { take: (o) => lib.iterableDataset(() => [{ inputs: 1, targets: 0 }], o) },
  ReadColumnsOptions: { take: (o) => lib.readColumns('/nowhere.arrow', o) },
  ReadCsvOptions: { take: (o) => lib.readCsv(houses('csv'), o) },
  TableDatasetOptions: { take: (o) => lib.readCsv(houses('csv')).then((table) => Object.entries(table.dataset(o))) },
  TransformFitOptions: { take: (o) => new lib.Centre().fit(x, o).toJSON() },
  MinMaxScalerOptions: { take: (o) => new lib.MinMaxScaler(o).toJSON() },
  ChannelScalerOptions: { take: (o) => new lib.ChannelScaler(o).toJSON(), needs: { layout: 'NHWC' } },
  TargetScalerOptions: { take: (o) => new lib.TargetScaler(o).log },
  PCAOptions: { take: (o) => new lib.PCA(o).toJSON() },
  WhiteningOptions: { take: (o) => new lib.Whitening(o).toJSON() },
  ZCAOptions: { take: (o) => new lib.ZCA(o).toJSON() },
  ImputerOptions: [{ take: (o) => new lib.Imputer(o).toJSON() }, { take: (o) => new lib.Imputer(o).toJSON(), needs: { strategy: 'constant' } }],
  EncoderOptions: [{ take: (o) => new lib.OneHotEncoder(o).toJSON() }, { take: (o) => new lib.OrdinalEncoder(o).toJSON() }],
  ZeroGradOptions: {
    take: (o) => {
      const net = model();
      const optimizer = new lib.SGD(net, { lr: 0.1 });
      net.forward(x).sum().backward();
      optimizer.zeroGrad(o);
      return net.parameters().map(({ grad }) => grad === null);
    },
  },
  RuleOptimizerOptions: { take: steps((target, options) => new lib.Adam(target, options)), optional: ['lr'] },
  ScheduleOptions: { take: schedule((o) => new lib.PiecewiseConstant({ 0: 0.1 }, o)) },
  ExponentialDecayOptions: [
    { take: schedule((o) => new lib.ExponentialDecay(0.1, o)), needs: { k: 0.1 } },
    { take: schedule((o) => new lib.ExponentialDecay(0.1, o)), needs: { factor: 0.5 } },
  ],
  InverseTimeDecayOptions: { take: schedule((o) => new lib.InverseTimeDecay(0.1, o)), needs: { k: 0.1 } },
  StepDecayOptions: { take: schedule((o) => new lib.StepDecay(0.1, o)), needs: { every: 2 } },
  MultiStepDecayOptions: { take: schedule((o) => new lib.MultiStepDecay(0.1, o)), needs: { milestones: [2] } },
  FiniteDecayOptions: { take: schedule((o) => new lib.CosineDecay(0.1, o)), needs: { length: 4 } },
  PolynomialDecayOptions: { take: schedule((o) => new lib.PolynomialDecay(0.1, o)), needs: { length: 4 } },
  LinearWarmupOptions: { take: schedule((o) => new lib.LinearWarmup(0.1, o)), needs: { length: 4 } },
  OneCycleOptions: { take: schedule((o) => new lib.OneCycle(0.1, o)), needs: { length: 4 } },
  TriangularCycleOptions: { take: schedule((o) => new lib.TriangularCycle(0.1, o)), needs: { high: 1 } },
  CosineRestartsOptions: { take: schedule((o) => new lib.CosineRestarts(0.1, o)), needs: { length: 4 } },
  SequentialScheduleOptions: {
    take: schedule((o) => new lib.SequentialSchedule([new lib.PiecewiseConstant({ 0: 0.1 })], o)),
    needs: { milestones: [] },
  },
  ScaledScheduleOptions: { take: schedule((o) => new lib.ScaledSchedule(new lib.PiecewiseConstant({ 0: 0.1 }), o)), needs: { factor: 0.5 } },
  ReduceOnPlateauOptions: { take: schedule((o) => new lib.ReduceOnPlateau(0.1, o)) },
  ...optimizerTakers,
  LBFGSOptions: { take: closures((target, options) => new lib.LBFGS(target, options) as never), optional: ['lr'] },
  BFGSOptions: { take: closures((target, options) => new lib.BFGS(target, options) as never), optional: ['lr'] },
  NewtonOptions: { take: closures((target, options) => new lib.Newton(target, options) as never), optional: ['lr'] },
  WeightAverageOptions: { take: (o) => new lib.WeightAverage(model(), o).decay },
  ReestimateOptions: { take: (o) => lib.reestimateStatistics(new lib.BatchNorm1d(2), [x, x], o) },
  OptimizerOptions: { take: steps((target, options) => new lib.SGD(target, options)), needs: { lr: 0.1 } },
  ClipGradNormOptions: {
    take: (o) => {
      const net = model();
      net.forward(x).sum().backward();
      return [lib.clipGradNorm(net, 0.1, o), net.parameters().map((parameter) => parameter.grad)];
    },
  },
  AugmentedOptions: { take: (o) => lib.augmented(pictures, [lib.randomFlip()], o).batch(Int32Array.of(0)).inputs },
  CifarDatasetOptions: { take: (o) => lib.datasets.cifar10(o), needs: { dir: '/nowhere' } },
  ColourComponentsOptions: {
    take: (o) =>
      lib.colourComponents(
        new lib.TensorDataset(
          lib.Tensor.from(
            Uint8Array.from({ length: 216 }, (_, i) => i),
            [2, 6, 6, 3],
          ),
          labels,
        ),
        o,
      ),
  },
  ColourJitterOptions: { take: (o) => lib.colourJitter(o) },
  CutoutOptions: { take: (o) => lib.cutout(o), needs: { size: 2 } },
  ImageFolderOptions: { take: (o) => lib.datasets.imageFolder('/nowhere', o), needs: { imageSize: 8 } },
  ReadImagesOptions: { take: (o) => lib.readImages('/nowhere', o) },
  LensDistortionOptions: { take: (o) => lib.lensDistortion(o) },
  PcaColourJitterOptions: { take: (o) => lib.pcaColourJitter(o) },
  RandomAffineOptions: { take: (o) => lib.randomAffine(o) },
  RandomCropOptions: { take: (o) => lib.randomCrop(o) },
  RandomFlipOptions: { take: (o) => lib.randomFlip(o) },
  RandomResizedCropOptions: { take: (o) => lib.randomResizedCrop(o) },
  DataLoaderOptions: { take: (o) => [...new lib.DataLoader(pairs, o)] },
  DigitsOptions: {
    take: async (o) => (await lib.datasets.digits({ ...(o as Options), train: 3, test: 1 })).train,
    needs: { train: 3, test: 1 },
  },
  MnistOptions: { take: (o) => lib.datasets.mnist(o), needs: { dir: '/nowhere', download: false } },
  FoldsOptions: [
    { take: (o) => lib.folds(pairs, o).map(({ validation }) => validation.batch(Int32Array.of(0)).inputs), needs: { folds: 2 } },
    { take: (o) => lib.folds(threes, o).map(({ validation }) => validation.batch(Int32Array.of(0)).inputs), needs: { folds: 2 } },
  ],
  CrossValidateOptions: [
    { take: (o) => lib.crossValidate(threes, (_, i) => i, o), needs: { folds: 2 } },
    {
      take: (o) =>
        lib.compareModels(
          threes,
          (_, i) => i,
          () => 1,
          o,
        ),
      needs: { folds: 2 },
    },
  ],
  BiasAndVarianceOptions: { take: (o) => lib.biasAndVariance({ train: 0.1, validation: 0.2 }, o) },
  LearningRateFinderOptions: {
    take: (o) => {
      const net = model();
      return lib.learningRateFinder(net, pairs, { ...(o as Options), optimizer: new lib.SGD(net, { lr: 0.1 }) } as never);
    },
    needs: { loss: new lib.CrossEntropyLoss() },
  },
  BatchSizeFinderOptions: {
    take: (o) => lib.batchSizeFinder(model(), threes, o),
    needs: { loss: new lib.CrossEntropyLoss(), small: 1 },
  },
  ChartOptions: { take: (o) => lib.chart([panel], o) },
  ExperimentOptions: { take: (o) => lib.runExperiment('zigzag', o) },
  EnsembleOptions: { take: (o) => new lib.Ensemble([model()], o) },
  SnapshotsOptions: { take: (o) => Object.entries(new lib.Snapshots(model(), o)) },
  MistakesOptions: { take: (o) => lib.mistakes(model(), pairs, o) },
  PredictAugmentedOptions: { take: (o) => lib.predictAugmented(model(), pairs, o) },
  CalibrateTemperatureOptions: { take: (o) => lib.calibrateTemperature(model(), pairs, o) },
  SplitOptions: { take: (o) => lib.split(pairs, [0.5, 0.5], o) },
  TensorDatasetOptions: { take: (o) => new lib.TensorDataset(x, labels, o), nullable: ['ignoreIndex'] },
  CifarOptions: { take: (o) => lib.decodeCifar(new Uint8Array(3073), o) },
  IdxOptions: { take: (o) => lib.readIdx(lib.writeIdx(Uint8Array.of(1, 2), [2]), o) },
  CheckpointOptions: { take: (checkpoint) => trained({ checkpoint }) },
  EvaluateOptions: { take: (o) => model().evaluate(pairs, o), needs: { loss: new lib.CrossEntropyLoss() } },
  PredictOptions: { take: (o) => model().predict(x, o) },
  FitOptions: { take: trained, needs: silent },
  OpenStoreOptions: [
    { take: async (o) => (await lib.openStore('http://127.0.0.1:1', o)).address, needs: { token: 'x'.repeat(16) } },
    { take: async (o) => (await lib.openStore(`file://${tmpdir()}/nodegrad-options`, o)).address },
  ],
  StoreGetOptions: {
    take: async (o) => {
      await using store = await lib.openStore(`file://${tmpdir()}/nodegrad-options`);
      await store.set('a', Uint8Array.of(1));
      return store.get('a', o);
    },
  },
  ProcessGroupOptions: {
    // Without the second native part it goes as far as that.
    take: async (o) => {
      await using store = await lib.openStore(`file://${tmpdir()}/nodegrad-options`);
      const opened = lib.ProcessGroup.open(Object.assign({ store }, o) as lib.ProcessGroupOptions);
      return opened.then(
        async (group) => {
          await group.close();
          return 'as far as it goes';
        },
        (error) => {
          if (!(error instanceof lib.NativeError)) throw error;
          return 'as far as it goes';
        },
      );
    },
    needs: { rank: 0, size: 1 },
  },
  GroupEnvironmentOptions: {
    take: async (o) => {
      const group = await lib.ProcessGroup.fromEnvironment(o);
      await group.close();
      return group.size;
    },
  },
  ServeStoreOptions: { take: async (o) => (await lib.serveStore(o)).close(), needs: { token: 'x'.repeat(16) } },
  WatchRunsOptions: { take: async (o) => (await lib.watchRuns(root, o)).close() },
  CompileOptions: {
    take: (o) => {
      const weight = new lib.Parameter([3, 3], { init: new lib.Constant(1 / 3) });
      return lib.compileStep((input: lib.Tensor) => input.matmul(weight), o).sync(lib.tensor([[0.1, 0.2, 0.3]])).toArray(); // biome-ignore format: one line
    },
  },
  ObservedOptions: {
    take: (o) => {
      const linear = new lib.Linear(2, 2);
      const sgd = new lib.SGD(linear, { lr: 0.1 });
      return lib.observed(linear, sgd, () => linear.forward(x).sum().backward(), () => sgd.step(), o).observation.layers.length; // biome-ignore format: one line
    },
  },
  LinearHistogramOptions: {
    take: (o) => {
      const histogram = lib.histogramEdges.slice(1).map((_, i) => Number(i === 140));
      return lib.linearHistogram({ mean: 1, std: 0, min: 1, max: 1.1, zeros: 0, nonFinite: 0, histogram } as lib.Distribution, o);
    },
  },
  SafetensorsWriteOptions: { take: (o) => lib.encodeSafetensors(new Map([['x', x]]), undefined, o) },
  NpyOptions: { take: (o) => lib.readNpy(npy, o) },
  NpzWriteOptions: { take: (o) => lib.writeNpz('/dev/null/x.npz', { x }, o) },
  SafetensorsOptions: { take: (o) => lib.decodeSafetensors(lib.encodeSafetensors(new Map([['x', x]])), o) },
  PreflightOptions: {
    take: (o) => lib.preflight(looked, pairs, o),
    needs: { loss: new lib.CrossEntropyLoss(), optimizer: new lib.SGD(looked, { lr: 0.1 }) },
  },
  ReportOptions: { take: (o) => lib.runReport(new lib.History(), o) },
  WhatIfOptions: {
    take: (o) => {
      const run = {
        model,
        optimizer: (net: lib.AnyLayer, lr = 0.1) => new lib.SGD(net, { lr }),
        loss: new lib.CrossEntropyLoss(),
        data: pairs,
      };
      return lib.whatIf(run, finding, o);
    },
  },
  SitterOptions: { take: (o) => Object.entries(new lib.Sitter(o)) },
  LinearModelOptions: { take: (o) => lib.linearModel(o) },
  MlpOptions: { take: (o) => lib.mlp(o) },
  ImageModelOptions: { take: (o) => lib.squeezenet(o) },
  BlockOptions: { take: (o) => new lib.BasicBlock(o), needs: { inChannels: 2, channels: 2, outChannels: 4 } },
  ResidualBlockOptions: { take: (o) => new lib.BasicBlock(o), needs: { inChannels: 2, channels: 2, outChannels: 4 } },
  BottleneckOptions: { take: (o) => new lib.Bottleneck(o), needs: { inChannels: 2, channels: 2, outChannels: 4 } },
  PreActBlockOptions: { take: (o) => new lib.PreActBlock(o), needs: { inChannels: 2, channels: 2, outChannels: 4 } },
  Lenet5Options: { take: (o) => lib.lenet5(o) },
  SmallConvNetOptions: { take: (o) => lib.smallConvNet(o) },
  AlexNetOptions: { take: (o) => new lib.AlexNet(o) },
  VggOptions: { take: (o) => lib.vgg11(o), needs: small },
  VggModelOptions: { take: (o) => new lib.Vgg(o), needs: { depth: 11, ...small } },
  CifarVggOptions: { take: (o) => lib.cifarVgg(o) },
  ConvolutionUnitOptions: { take: (o) => new lib.ConvolutionUnit(o), needs: { inChannels: 2, outChannels: 2, kernelSize: 3 } },
  InceptionOptions: { take: (o) => new lib.Inception(o), needs: { inChannels: 4, filters: [1, 1, 1, 1, 1, 1] } },
  AuxiliaryHeadOptions: { take: (o) => new lib.AuxiliaryHead(o), needs: { inChannels: 4, classes: 3, width: 4 } },
  GoogLeNetOptions: { take: (o) => new lib.GoogLeNet(o) },
  ResNetOptions: { take: (o) => lib.resnet18(o) },
  BottleneckNetOptions: { take: (o) => lib.resnet50(o) },
  ResNetModelOptions: { take: (o) => new lib.ResNet(o), needs: { blocks: [1, 1] } },
  CifarResNetOptions: { take: (o) => lib.cifarResnet(o) },
  CifarResNeXtOptions: { take: (o) => lib.cifarResnext(o) },
  PreActResNetOptions: { take: (o) => new lib.PreActResNet(o), needs: { blocks: 1 } },
  PreActDepthOptions: { take: (o) => lib.preactResnet(o) },
  WideResNetOptions: { take: (o) => lib.cifarWideResnet({ ...(o as Options), widthFactor: 1 }) },
  DenseLayerOptions: { take: (o) => new lib.DenseLayer(o), needs: { inChannels: 2, growthRate: 2 } },
  DenseNetOptions: { take: (o) => new lib.DenseNet(o), needs: { blocks: [1, 1] } },
  CifarDenseNetOptions: [{ take: (o) => lib.cifarDensenet(o) }, { take: (o) => lib.cifarDensenet(o), needs: { compress: false } }],
  FractalNetOptions: { take: (o) => new lib.FractalNet(o), needs: { widths: [4, 4] } },
  FireOptions: { take: (o) => new lib.Fire(o), needs: { inChannels: 2, squeeze: 2, expand: 2 } },
  SqueezeNetOptions: { take: (o) => new lib.SqueezeNet(o) },
  KerasModelOptions: { take: (o) => lib.loadKeras('/nowhere', o as never) },
  LoadKerasOptions: { take: (o) => lib.loadKeras(lib.mlp(), '/nowhere', o) },
  LoadPyTorchOptions: { take: (o) => lib.loadPyTorch(lib.mlp(), '/nowhere', o) },
  PyTorchOptions: { take: (o) => lib.loadPyTorch(lib.mlp(), '/nowhere', o) },
  SavePyTorchOptions: { take: (o) => lib.savePyTorch(lib.mlp(), '/dev/null/x', o) },
  SearchOptions: {
    take: async (o) => (await lib.search({ x: lib.space.uniform(0, 1) }, ({ x: y }) => y, o)).trials.map(({ params, seed }) => [params, seed]),
    needs: { trials: 2, ...silent },
    nullable: ['settings', 'data'],
  },
  TrialWatchOptions: {
    take: async (o) => {
      const { trials } = await lib.search({ y: lib.space.uniform(0, 1) }, (_, trial) => Number(trial.watch(o) instanceof lib.Callback), { trials: 1, ...silent }); // biome-ignore format: one line
      // What is wrong is how the trial ended.
      if (trials[0].reason !== null) throw new lib.ArgumentError(trials[0].reason);
      return trials[0].score;
    },
  },
  GridSearchOptions: { take: (o) => new lib.GridSearch(o).toJSON() },
  NarrowedOptions: { take: (o) => lib.narrowed({ lr: lib.space.uniform(0, 1) }, [0.2, 0.3, 0.9].map((lr, i) => ({ number: i, state: 'completed', score: i, params: { lr } })) as never, o) }, // biome-ignore format: one line
  CoarseToFineOptions: { take: (o) => new lib.CoarseToFine(o).toJSON(), needs: { stages: [{ trials: 2, budget: 1 }, { trials: 1, budget: 2 }] } }, // biome-ignore format: one line
  HalvingOptions: { take: (o) => new lib.Hyperband(o).toJSON(), needs: { budget: 9 } },
  SuccessiveHalvingOptions: { take: (o) => new lib.SuccessiveHalving(o).toJSON(), needs: { budget: 9 } },
  AshaOptions: { take: (o) => new lib.Asha(o).toJSON(), needs: { budget: 9 } },
  TpeSearchOptions: { take: (o) => new lib.TpeSearch(o).toJSON() },
  NetworkInNetworkOptions: { take: (o) => lib.networkInNetwork(o) },
};

/** What came out, as plain data: tensors and layers by their contents, errors by their messages. */
function plain(value: unknown, depth = 0): unknown {
  if (value instanceof lib.Tensor) return [value.dtype, String(value.shape), createHash('sha1').update(String(value.data)).digest('hex')];
  if (value instanceof lib.Layer) {
    const weights =
      value.parameterCount() < 1e4 ? [...value.stateDict()].map(([path, tensor]) => [path, plain(tensor)]) : value.parameterCount();
    return [value.constructor.name, value.config(), weights];
  }
  if (depth > 6 || typeof value !== 'object' || value === null || ArrayBuffer.isView(value))
    return typeof value === 'function' ? 'function' : value;
  if (Array.isArray(value)) return value.map((item) => plain(item, depth + 1));
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, plain(item, depth + 1)]));
}

async function outcome({ take }: Taker, options: Options): Promise<unknown> {
  try {
    lib.setSeed(7);
    return plain(await take(options as never));
  } catch (error) {
    if (!(error instanceof lib.NodegradError)) throw error;
    return { error: error.code, message: error.message };
  }
}

// Wrong values that are right for an option: a run writes its event files there.
test.after.always(() => {
  for (const folder of ['nonsense', join(tmpdir(), 'nodegrad-options')]) rmSync(folder, { recursive: true, force: true });
});

const interfaces = declaredOptions();
const listOf = (name: string): readonly Taker[] => [takers[name] ?? []].flat();

test('every exported interface of options stands in the table of this test (fault F13)', (t) => {
  t.true(interfaces.size > 80);
  t.deepEqual([...interfaces.keys()].filter((name) => !(name in takers)).sort(), [], 'without a row');
  t.deepEqual(
    Object.keys(takers).filter((name) => !interfaces.has(name)),
    [],
    'a row without an interface',
  );
  for (const [name, options] of interfaces) t.true(options.size > 0, `${name} has options`);
});

for (const [name, options] of interfaces) {
  // One after the other: they set the seed of the process.
  test.serial(`${name}: undefined is the default of every option, and null is refused (fault F13)`, async (t) => {
    for (const taker of listOf(name)) {
      const { needs = {}, optional = [], nullable = [] } = taker;
      const without = await outcome(taker, needs);
      const free = [...options].filter(([key, isOptional]) => (isOptional || optional.includes(key)) && !(key in needs)).map(([key]) => key);
      for (const key of free) {
        t.deepEqual(await outcome(taker, { ...needs, [key]: undefined }), without, `${key}: undefined`);
        if (nullable.includes(key)) continue;
        const refused = (await outcome(taker, { ...needs, [key]: null })) as { error?: string; message?: string };
        t.is(refused.error, 'ERR_ARGUMENT', `${key}: null gave ${JSON.stringify(refused)?.slice(0, 200)}`);
        t.regex(refused.message ?? '', new RegExp(`options\\.(\\w+\\.)?${key}\\b.*received null|unknown option .${key}`));
        for (const wrong of [Number.NaN, -1.5, 'nonsense', [Number.NaN]]) {
          const { message = '' } = (await outcome(taker, { ...needs, [key]: wrong })) as { message?: string };
          t.notRegex(message, new RegExp(`(for|expected) \`${key}\``), `${key} is named as an option`);
        }
      }
      const all = Object.fromEntries(free.map((key) => [key, undefined]));
      t.deepEqual(await outcome(taker, { ...all, ...needs }), without, 'all of them undefined');
    }
  });
}

test('options that become undefined later, in a group or in a state that is loaded, are those of before or the default (fault F13)', (t) => {
  const make = (options: Options = {}): lib.AdamW => {
    const w = lib.tensor([1]);
    w.requiresGrad = true;
    return new lib.AdamW([w], { lr: 0.1, ...options });
  };
  const after = (optimizer: lib.AdamW): number => {
    const [w] = optimizer.groups[0].parameters;
    w.mul(0).sum().backward();
    optimizer.step();
    return w.data[0];
  };
  const expected = after(make());
  const unset = make({ weightDecay: 0.5 });
  unset.groups[0].options.weightDecay = undefined;
  t.is(after(unset), expected);
  const [source, target] = [make(), make()];
  const state = source.stateDict();
  state.groups[0]['weightDecay'] = undefined;
  target.loadStateDict(state);
  t.is(after(target), expected);
});
