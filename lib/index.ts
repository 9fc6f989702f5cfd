// The table of contents, in the order a reader learns.

import './platform.js'; // what the declarations need of Node's types, so that no project needs those

// ---- Tensors ----

export { type AnyTensor, type NestedNumbers, Tensor, noGrad } from './tensor.js';
export { type CreateOptions, type NestedValues, full, ones, tensor, zeros } from './create.js';
export type { DType, DTypeOf, FloatDType, TypedArray, TypedArrayOf } from './dtype.js';

// ---- Operations ----

export { concat, stack } from './ops/shape.js';
export { type Operand, exp, log, sqrt, where } from './ops/elementwise.js';
export { relu, addRelu, sigmoid, tanh, leakyRelu, prelu, relu6, hardTanh, hardSigmoid, hardSwish, step } from './ops/activations.js';
export { elu, selu, celu, gelu, swish, mish, softplus, softsign } from './ops/smooth_activations.js';
export { type ActivationFunction, type ActivationName, type OptionsOf, activation, activationNames } from './ops/activation.js';
export type { ELUOptions, GELUOptions, HardTanhOptions, LeakyReLUOptions, SoftplusOptions, SwishOptions } from './ops/activation_options.js';
export type { MatmulOptions } from './ops/matmul.js';
export { type HistogramOptions, type ReduceOptions, type VarianceOptions, histogram } from './ops/reduce.js';
export { logSoftmax, pick, softmax } from './ops/softmax.js';
export { type DropoutOptions, dropout } from './ops/random.js';
export { type AttentionOptions, attention } from './ops/attention.js';
export {
  type Conv2dFunctionOptions,
  type ConvTranspose2dFunctionOptions,
  type ConvolutionAlgorithm,
  type Padding2d,
  type Size2d,
  conv2d,
  convTranspose2d,
  setConvolution,
} from './ops/convolution.js';
export {
  type AvgPool2dOptions,
  type MaxPool2dOptions,
  type PoolOptions,
  type Pooling,
  adaptiveAvgPool2d,
  avgPool2d,
  globalAvgPool2d,
  globalMaxPool2d,
  maxPool2d,
} from './ops/pooling.js';
export {
  type FractionalMaxPool2dOptions,
  type FractionalPoolOptions,
  type FractionalSequence,
  adaptiveMaxPool2d,
  fractionalMaxPool2d,
} from './ops/window_pooling.js';
export { type Pad2dOptions, type PaddingMode, type Upsample2dOptions, pad2d, upsample2d } from './ops/resample.js';
export { sequenceMask } from './ops/recurrent.js';
export { type LocalResponseNormOptions, localResponseNorm } from './ops/local_response_norm.js';

// ---- Layers ----

export { type AnyLayer, Layer } from './layers/layer.js';
export { Parameter, type ParameterOptions } from './parameter.js';
export { Buffer, type BufferOptions } from './buffer.js';
export type { LoadOptions, LoadReport } from './layers/state.js';
export { type DescribedLayer, type LayerConstructor, type LayerDescription, registerLayer } from './layers/registry.js';
export type { SummaryOptions } from './layers/summary.js';
export type { HasTrainingOutputs, ScoredOutput } from './layers/outputs.js';
export { recompute } from './layers/recompute.js';
export { type CostOptions, multiplyAccumulates, weightLayers } from './layers/costs.js';
export { Linear, type LinearOptions } from './layers/linear.js';
export {
  Conv2d,
  type Conv2dOptions,
  ConvTranspose2d,
  type ConvTranspose2dOptions,
  type ConvolutionLayerOptions,
} from './layers/convolution.js';
export {
  ReLU,
  Sigmoid,
  Tanh,
  LeakyReLU,
  type PReLUOptions,
  PReLU,
  ReLU6,
  HardTanh,
  HardSigmoid,
  HardSwish,
  Step,
} from './layers/activations.js';
export { ELU, SELU, CELU, GELU, Swish, Mish, Softplus, Softsign, Identity, Exp } from './layers/smooth-activations.js';
export { Maxout, type MaxoutOptions } from './layers/maxout.js';
export { AlphaDropout, DropConnect, type DropConnectOptions, Dropout, Dropout1d, Dropout2d, GaussianNoise } from './layers/dropout.js';
export { Flatten } from './layers/shape.js';
export { BatchNorm, BatchNorm1d, BatchNorm2d, type BatchNormOptions } from './layers/batch-norm.js';
export { ExampleNorm, GroupNorm, type GroupNormOptions, InstanceNorm2d, LayerNorm } from './layers/group-norm.js';
export { LocalResponseNorm } from './layers/local-response-norm.js';
export { AdaptiveMaxPool2d, FractionalMaxPool2d } from './layers/window-pooling.js';
export { Pad2d, Upsample2d } from './layers/resample.js';
export {
  GRU,
  type GRUOptions,
  LSTM,
  type LSTMOptions,
  RNN,
  type RNNOptions,
  Recurrent,
  type RecurrentOptions,
  type SequenceOptions,
  type SequenceOutput,
} from './layers/recurrent.js';
export {
  GRUCell,
  type GRUCellOptions,
  LSTMCell,
  type LSTMCellOptions,
  RNNCell,
  type RNNCellOptions,
  RecurrentCell,
  type RecurrentCellOptions,
} from './layers/recurrent-cells.js';
export { RMSNorm, type RMSNormOptions } from './layers/rms-norm.js';
export { Concat, type ConcatOptions, Parallel, Residual, type ResidualOptions } from './layers/graph.js';
export { Embedding, type EmbeddingOptions } from './layers/embedding.js';
export { MultiHeadAttention, type MultiHeadAttentionOptions, type Sequences } from './layers/attention.js';
export {
  PositionalEmbedding,
  type PositionalEmbeddingOptions,
  PositionalEncoding,
  TransformerBlock,
  type TransformerBlockOptions,
} from './layers/transformer.js';
export { AvgPool1d, type AvgPool1dOptions, Conv1d, type Conv1dOptions, MaxPool1d, type MaxPool1dOptions } from './layers/one-dimensional.js';
export { MaxPool2d, AvgPool2d, AdaptiveAvgPool2d, GlobalAvgPool2d, GlobalMaxPool2d } from './layers/pooling.js';

// ---- First values ----

export { Initializer } from './initializers/initializer.js';
export { Constant, Zeros } from './initializers/constant.js';
export { IdentityMatrix, type IdentityMatrixOptions } from './initializers/identity-matrix.js';
export { Normal, type NormalOptions, TruncatedNormal } from './initializers/normal.js';
export { Uniform, type UniformOptions } from './initializers/uniform.js';
export type { FanMode, InitializerDistribution, ScaledOptions } from './initializers/scaled.js';
export { Xavier } from './initializers/xavier.js';
export { He } from './initializers/he.js';
export { LeCun } from './initializers/lecun.js';
export { Orthogonal, type OrthogonalOptions } from './initializers/orthogonal.js';
export { Sparse, type SparseOptions } from './initializers/sparse.js';
export { type LsuvLayer, type LsuvOptions, lsuv } from './layers/lsuv.js';
export { type GainName, gainOf } from './initializers/gain.js';

// ---- Losses and metrics ----

export { Loss } from './losses/loss.js';
export type { ClassLoss, ReducedLoss } from './losses/loss.js';
export type { LossOptions, Reduction } from './losses/reduce.js';
export type { LabelOptions, Labels } from './losses/labels.js';
export {
  type HuberLossOptions,
  type SmoothL1LossOptions,
  mseLoss,
  l1Loss,
  huberLoss,
  smoothL1Loss,
  MSELoss,
  L1Loss,
  HuberLoss,
  SmoothL1Loss,
} from './losses/regression.js';
export { type CrossEntropyOptions, crossEntropy, CrossEntropyLoss } from './losses/cross-entropy.js';
export {
  type BinaryCrossEntropyOptions,
  BinaryCrossEntropyLoss,
  HingeLoss,
  type HingeLossOptions,
  binaryCrossEntropy,
  hingeLoss,
} from './losses/binary.js';
export { type MulticlassHingeLossOptions, multiclassHingeLoss, MulticlassHingeLoss } from './losses/hinge.js';
export { nllLoss, klDivergence, NLLLoss, KLDivergenceLoss } from './losses/likelihood.js';
export {
  type CosineEmbeddingLossOptions,
  type TripletLossOptions,
  cosineEmbeddingLoss,
  tripletLoss,
  CosineEmbeddingLoss,
  TripletLoss,
} from './losses/similarity.js';
export { CombinedLoss, type LossTerm, type WeightedLoss } from './losses/combined.js';
export type { Structure, TensorTree } from './tree.js';
export {
  type ElasticNetOptions,
  ElasticNetRegularizer,
  L1Regularizer,
  L2Regularizer,
  MaxNormConstraint,
  type MaxNormOptions,
  Regularizer,
  type RegularizerTarget,
} from './regularizers/regularizer.js';
export { Accuracy, type AccuracyOptions, type AccuracyState, type MeasuredAccuracy, Metric } from './metrics/metric.js';
export { SumMetric, type SumMetricState } from './metrics/sums.js';
export type { ClassMetricOptions, ClassSettings } from './metrics/decisions.js';
export { BinaryAccuracy, type BinaryAccuracyOptions, TopKAccuracy, type TopKAccuracyOptions } from './metrics/shares.js';
export {
  type AveragedClassOptions,
  BalancedAccuracy,
  type ClassAverage,
  CohensKappa,
  type CohensKappaOptions,
  ConfusionMatrix,
  F1,
  type KappaWeights,
  MatthewsCorrelation,
  Precision,
  Recall,
} from './metrics/confusion.js';
export { type CalibrationBin, CalibrationError, type CalibrationErrorOptions, LogLoss } from './metrics/probabilities.js';
export {
  AveragePrecision,
  type MeasuredRanking,
  RankingMetric,
  type RankingOptions,
  type RankingState,
  RocAuc,
} from './metrics/ranking.js';
export { MeanAbsoluteError, R2, RootMeanSquaredError } from './metrics/regression.js';

// ---- Optimizers and schedules ----

export { Optimizer, type OptimizerState, type ParameterSlice, type ZeroGradOptions } from './optimizers/optimizer.js';
export type { OptimizerGroup, OptimizerOptions, OptimizerTarget, ParameterGroup } from './optimizers/groups.js';
export { SGD, type SGDOptions } from './optimizers/sgd.js';
export { Adam, type AdamOptions, AdamW } from './optimizers/adam.js';
export { type ClipGradNormOptions, type ClipTarget, clipGradNorm, clipGradValue } from './optimizers/clip.js';
export { type AdagradOptions, Adagrad, type AdadeltaOptions, Adadelta, type RMSpropOptions, RMSprop } from './optimizers/adaptive.js';
export { type MomentsOptions, Adamax, type NAdamOptions, NAdam, RAdam, type LionOptions, Lion } from './optimizers/moments.js';
export { ClosureOptimizer, type Evaluation, type Vector } from './optimizers/closure.js';
export { BFGS, type BFGSOptions, LBFGS, type LBFGSOptions } from './optimizers/quasi-newton.js';
export { Newton, type NewtonOptions } from './optimizers/newton.js';
export { WeightAverage, type WeightAverageOptions, type WeightAverageState } from './optimizers/weight-average.js';
export { RuleOptimizer, type RuleOptimizerOptions } from './optimizers/rule.js';
export { Schedule, type ScheduleJSON, type ScheduleOptions, type Scheduled, type Valued, type Values } from './schedules/schedule.js';
export {
  type ExponentialDecayOptions,
  ExponentialDecay,
  type InverseTimeDecayOptions,
  InverseTimeDecay,
  type StepDecayOptions,
  StepDecay,
  type MultiStepDecayOptions,
  MultiStepDecay,
  PiecewiseConstant,
  type FiniteDecayOptions,
  type PolynomialDecayOptions,
  PolynomialDecay,
  CosineDecay,
} from './schedules/decay.js';
export {
  type LinearWarmupOptions,
  LinearWarmup,
  type OneCycleOptions,
  OneCycle,
  type TriangularCycleOptions,
  TriangularCycle,
  type CosineRestartsOptions,
  CosineRestarts,
} from './schedules/cyclic.js';
export { type SequentialScheduleOptions, SequentialSchedule } from './schedules/sequential.js';
export { ScaledSchedule, type ScaledScheduleOptions } from './schedules/scaled.js';
export { type ReduceOnPlateauOptions, ReduceOnPlateau } from './schedules/plateau.js';

// ---- Data ----

export {
  Augmentation,
  type AugmentedOptions,
  type ChannelStatistics,
  type AnyDataset,
  type AsyncDataset,
  type Batch,
  type BorderFill,
  type CifarDatasetOptions,
  type ColourComponents,
  type ColourComponentsOptions,
  type ColourJitterOptions,
  type CutoutOptions,
  type DecodeProgress,
  type EpochKey,
  IMAGENET_COLOURS,
  type ImageFolder,
  type ImageFolderOptions,
  type LeftOut,
  type PartFolders,
  type InputMaker,
  type LensDistortionOptions,
  type PcaColourJitterOptions,
  type RandomAffineOptions,
  type RandomCropOptions,
  type RandomFlipOptions,
  type RandomResizedCropOptions,
  type Range,
  type Translation,
  augmented,
  colourComponents,
  colourJitter,
  cutout,
  lensDistortion,
  pcaColourJitter,
  randomAffine,
  randomCrop,
  randomFlip,
  randomResizedCrop,
  DataLoader,
  type DataLoaderOptions,
  type DataLoaderState,
  type Dataset,
  type DatasetSplit,
  type DigitsOptions,
  type DownloadProgress,
  type Epoch,
  type ImageDatasets,
  MNIST_MIRRORS,
  type MnistOptions,
  type Pair,
  type SplitOptions,
  type ExampleMemory,
  type ScalesTargets,
  TensorDataset,
  type TensorDatasetOptions,
  TreeDataset,
  type MixingOptions,
  cutmix,
  mixup,
  type TreeDatasetParts,
  type BatchPart,
  type PartOf,
  type ShapeOf,
  type ShapeTree,
  datasets,
  split,
  subset,
  type Fold,
  type FoldsOptions,
  type Groups,
  folds,
  classWeights,
  type BadRow,
  type Column,
  type ColumnKind,
  type ColumnSchema,
  type KnownColumns,
  type OutsideValue,
  type DecimalMark,
  type ReadCsvOptions,
  type ReadImagesOptions,
  type ReadColumnsOptions,
  type ReadFileOptions,
  type ReadTableOptions,
  Table,
  TableDataset,
  type TableDatasetOptions,
  readArrow,
  readColumns,
  readCsv,
  readImages,
  readParquet,
  readTable,
  type CsvRowsOptions,
  type Example,
  type ExampleValues,
  type IterableDataset,
  type IterableDatasetOptions,
  type IterableMaker,
  type IterationKey,
  type RowSource,
  csvRows,
  iterableDataset,
  jsonLines,
  type RefusedValue,
  RowError,
  tableFromRows,
} from './data/index.js';
export {
  Transform,
  type TransformConstructor,
  type TransformDescription,
  type TransformFitter,
  type TransformValue,
  type Transformed,
  registerTransform,
} from './preprocessing/transform.js';
export type { TransformFitOptions } from './preprocessing/examples.js';
export { AffineTransform } from './preprocessing/affine.js';
export { Centre } from './preprocessing/centre.js';
export { StandardScaler } from './preprocessing/standard-scaler.js';
export { MinMaxScaler, type MinMaxScalerOptions } from './preprocessing/min-max-scaler.js';
export { RobustScaler } from './preprocessing/robust-scaler.js';
export { ChannelScaler, type ChannelScalerOptions, type ImageLayout, imagenetStatistics } from './preprocessing/channel-scaler.js';
export { PCA, type PCAOptions, Principal } from './preprocessing/pca.js';
export { Whitening, type WhiteningOptions, ZCA, type ZCAOptions } from './preprocessing/whitening.js';
export { Imputer, type ImputerOptions, type ImputerStrategy } from './preprocessing/imputer.js';
export { type EncoderOptions, OneHotEncoder, OrdinalEncoder } from './preprocessing/encoders.js';
export { type ColumnGroup, ColumnTransform, tablePreprocessing } from './preprocessing/column-transform.js';
export { Pipeline } from './preprocessing/pipeline.js';
export { type PreprocessingPreset, preprocessingFor } from './preprocessing/presets.js';
export { transformed } from './preprocessing/transformed.js';

// ---- Models and training ----

export { type AnyModel, Model } from './training/model.js';
export type { PlotOptions } from './training/plot.js';
export { Sequential, type SequentialOptions } from './models/sequential.js';
export { type LinearModelOptions, type MlpOptions, linearModel, mlp } from './models/mlp.js';
export type { Feed, Rows, StepPosition, StepSource } from './program/feed.js';
export { EarlyStopping, type EarlyStoppingOptions } from './training/early-stopping.js';
export { TargetScaler, type TargetScalerOptions } from './training/target-scaler.js';
export { evaluate, fit, predict } from './training/functions.js';
export { type FitEpochs, fitEpochs } from './training/fit-epochs.js';
export type { FitOptions, ShardedBatchNorm } from './training/fit-options.js';
export type { EvaluateOptions, PredictOptions } from './training/evaluate.js';
export { type EpochRecord, History, type Scores } from './training/history.js';
export { fromBytes, load } from './training/load.js';
export { type BatchRecord, Callback, type CallbackLike, type StepsRecord, type TrainingRun } from './training/callbacks.js';
export type { ProgressOption, TextStream } from './progress.js';
export type { CheckpointOptions } from './training/checkpoint.js';
export { CheckpointError, type NonFinitePlace, TrainingAbortedError, TrainingNonFiniteError } from './training/errors.js';
export { type ReestimateOptions, type StatisticsBatches, reestimateStatistics } from './training/reestimate.js';
export { type GradCheckOptions, type GradCheckReport, type ParameterGradCheck, gradCheck } from './training/gradient-check.js';
export {
  type Distribution,
  type LayerObservation,
  type LinearHistogramOptions,
  type Observation,
  type ParameterObservation,
  describeObservation,
  histogramEdges,
  linearHistogram,
} from './training/observation.js';
export {
  type ObservedNumbers,
  type ObservedOptions,
  type ObservedPlace,
  type ObservedStep,
  decodeObservation,
  observed,
} from './training/observe.js';
export {
  type ActivationExperiment,
  type ActivationExperimentOptions,
  type ActivationLayer,
  activationExperiment,
} from './experiments/activation-experiment.js';
export { type ActivationPictureOptions, type ActivationPictureRow, activationPicture } from './experiments/activation-picture.js';
export {
  type LoggedHistogram,
  type LoggedLayer,
  type LoggedLosses,
  type LoggedObservation,
  type LoggedRun,
  type RunLogContents,
  readRunLog,
} from './training/run-log.js';

// ---- Several processes ----

export { type ProcessEnvironment, processEnvironment } from './distributed/environment.js';
export type { Store, StoreGetOptions } from './distributed/store.js';
export { openRendezvous } from './distributed/rendezvous.js';
export { type OpenStoreOptions, openStore } from './distributed/open-store.js';
export type { BrokenGroup } from './distributed/group-errors.js';
export type { GroupEnvironmentOptions, ProcessGroupOptions } from './distributed/group-options.js';
export { ProcessGroup } from './distributed/process-group.js';
export { type ServeStoreOptions, type ServedStore, serveStore } from './distributed/store-server.js';

// ---- Reports and live views ----

export { type ReportData, type ReportOptions, reportData, runReport } from './report/report.js';
export type { ReportRun, ReportSource } from './report/runs.js';
export type { Examination, ExaminedExample, ShownInput } from './report/examine.js';
export { type WatchRunsOptions, type WatchedRuns, watchRuns } from './report/live.js';
export { TensorBoardLog } from './report/tensorboard.js';

// ---- Evaluation ----

export { type Baseline, baseline } from './evaluation/baseline.js';
export { type Mistake, type MistakesOptions, mistakes } from './evaluation/mistakes.js';
export { type CrossValidateOptions, type CrossValidation, type FoldScore, crossValidate } from './evaluation/cross-validation.js';
export {
  type BiasAndVariance,
  type BiasAndVarianceOptions,
  type ErrorRates,
  type McnemarTest,
  type ModelComparison,
  biasAndVariance,
  compareModels,
  mcnemarTest,
} from './evaluation/comparison.js';
export type { OutputKind } from './evaluation/averaging.js';
export { Ensemble, type EnsembleOptions } from './evaluation/ensemble.js';
export { Snapshots, type SnapshotsOptions, type SnapshotsState } from './evaluation/snapshots.js';
export { type PredictAugmentedOptions, predictAugmented } from './evaluation/augmented-prediction.js';
export {
  type CalibrateTemperatureOptions,
  type CalibrationFigures,
  Temperature,
  type TemperatureCalibration,
  calibrateTemperature,
} from './evaluation/calibration.js';

// ---- Finders: before a run ----

export {
  type LearningRateFinderOptions,
  type LearningRateSweep,
  learningRateFinder,
  learningRatePicture,
} from './finders/learning-rate-finder.js';
export { type BatchSizeFinderOptions, type GradientNoise, batchSizeFinder } from './finders/batch-size-finder.js';

// ---- The sitter: what goes wrong while training ----

export {
  type DeadUnits,
  type Reading,
  deadUnits,
  explodedAt,
  judgeInitialLoss,
  judgeUpdateRatio,
  updateRatio,
} from './sitter/readings.js';
export { Sitter, type SitterOptions, type SitterState } from './sitter/sitter.js';
export { type PreflightOptions, preflight } from './sitter/preflight.js';
export { type Change, type Finding, type FindingId, findingIds } from './sitter/finding.js';
export { type Repeatable, type WhatIfOptions, type WhatIfReport, whatIf } from './sitter/what-if.js';
export { type CurveShape, classifyLossCurve, judgeGap } from './sitter/curve.js';
export { type DeadReluLayer, type DeadReluReport, deadReluFraction } from './sitter/dead-relu.js';

// ---- Hyperparameter search ----

export {
  type Choice,
  type Condition,
  type Conditional,
  type Dimension,
  type DimensionJSON,
  type NumberRange,
  type Params,
  type ParamsOf,
  type Plain,
  type Space,
  space,
} from './search/space.js';
export { type Objective, type SearchOptions, search } from './search/search.js';
export type { ModuleObjective } from './search/executor.js';
export type { Trial, TrialWatchOptions } from './search/trial.js';
export type { Direction, ScoredTrial, TrialRecord, TrialReport } from './search/trial-record.js';
export { type Proposal, RandomSearch, Sampler, Strategy, type StudyView } from './search/strategy.js';
export { GridSearch, type GridSearchOptions, ManualSearch } from './search/fixed.js';
export { SobolSearch } from './search/sobol.js';
export { type CoarseToFineOptions, CoarseToFine, type NarrowedOptions, type Stage, narrowed } from './search/stages.js';
export {
  Asha,
  type AshaOptions,
  type HalvingOptions,
  Hyperband,
  type Rung,
  SuccessiveHalving,
  type SuccessiveHalvingOptions,
} from './search/halving.js';
export { TpeSearch, type TpeSearchOptions } from './search/tpe.js';
export { SearchAbortedError, type Study, readStudy } from './search/study.js';
export type { EdgeWarning } from './search/edges.js';
export type { ParameterImportance } from './search/importance.js';
export { searchReport } from './search/report.js';

// ---- Architectures ----

export { type CharacterTransformerOptions, characterTransformer } from './models/transformer.js';
export { type Gpt2, type Gpt2Options, gpt2 } from './models/gpt2.js';
export { ImageModel, type ImageModelOptions } from './models/image-model.js';
export {
  NamedStack,
  ZeroPadShortcut,
  type Shortcut,
  type BlockOptions,
  type ResidualBlockOptions,
  type BottleneckOptions,
  type PreActBlockOptions,
  ResidualBlock,
  BasicBlock,
  Bottleneck,
  PreActBlock,
} from './models/blocks.js';
export { type Lenet5Options, Subsampling, SparseConvolution, Squash, lenet5, type SmallConvNetOptions, smallConvNet } from './models/lenet.js';
export { type AlexNetOptions, AlexNet, alexnet } from './models/alexnet.js';
export { type VggOptions, type VggModelOptions, Vgg, vgg11, vgg13, vgg16, vgg19, type CifarVggOptions, cifarVgg } from './models/vgg.js';
export {
  type ConvolutionUnitOptions,
  ConvolutionUnit,
  type InceptionOptions,
  Inception,
  type AuxiliaryHeadOptions,
  AuxiliaryHead,
} from './models/inception.js';
export { type GoogLeNetOptions, GoogLeNet, googlenet } from './models/googlenet.js';
export {
  type CifarResNeXtOptions,
  type BottleneckNetOptions,
  type CifarResNetOptions,
  ResNet,
  type ResNetModelOptions,
  type ResNetOptions,
  cifarResnet,
  cifarResnext,
  resnet101,
  resnet152,
  resnet18,
  resnet34,
  resnet50,
  resnext101,
  resnext50,
  wideResnet50,
} from './models/resnet.js';
export {
  type PreActResNetOptions,
  PreActResNet,
  type PreActDepthOptions,
  preactResnet,
  type WideResNetOptions,
  cifarWideResnet,
} from './models/preact-resnet.js';
export {
  type DenseLayerOptions,
  DenseLayer,
  type DenseNetOptions,
  DenseNet,
  densenet121,
  densenet161,
  densenet169,
  densenet201,
  type CifarDenseNetOptions,
  cifarDensenet,
} from './models/densenet.js';
export { FractalBlock, FractalNet, type FractalNetOptions, type FractalPaths, FractalUnit, fractalnet } from './models/fractalnet.js';
export { type FireOptions, Fire, type SqueezeNetOptions, SqueezeNet, squeezenet } from './models/squeezenet.js';
export { type KerasModelOptions, type LoadKerasOptions, loadKeras, saveKeras } from './models/keras.js';
export type { KerasModel } from './models/keras-model.js';
export { type LoadPyTorchOptions, type PyTorchOptions, type SavePyTorchOptions, loadPyTorch, savePyTorch } from './models/pytorch.js';
export { kerasWeights, loadKerasWeights } from './models/recurrent-weights.js';
export { type NetworkInNetworkOptions, networkInNetwork } from './models/nin.js';

// ---- Pictures and experiments ----

export {
  type ExperimentName,
  type ExperimentOptions,
  type ExperimentReport,
  describeExperiment,
  experimentNames,
  runExperiment,
} from './experiments/index.js';
export { type ChartMark, type ChartOptions, type ChartPanel, type ChartSeries, chart, plotText } from './pictures/chart.js';

// ---- Compiled steps, random numbers ----

export type { OutputSpecification } from './ops/define.js';
export { Random, type RandomState } from './random.js';
export { defaultRandom, deriveSeed, getSeed, setSeed, withSeed } from './seed.js';
export type { StepPrecision } from './program/fuse.js';
export { type CompileOptions, type CompiledStep, compileStep, type StepArgument } from './program/step.js';

// ---- Files of other tools ----

export { type DynamicAxes, type OnnxExportOptions, encodeOnnx, saveOnnx } from './onnx/export.js';
export { type OnnxImportOptions, decodeOnnx, loadOnnx } from './onnx/import.js';
export type { OnnxModel } from './onnx/onnx-model.js';
export { type CifarImages, type CifarOptions, decodeCifar } from './io/cifar.js';
export { type IdxArray, type IdxContents, type IdxDType, type IdxOptions, readIdx, writeIdx } from './io/idx.js';
export {
  type Safetensors,
  type SafetensorsOptions,
  type SafetensorsWriteOptions,
  decodeSafetensors,
  encodeSafetensors,
  readSafetensors,
  writeSafetensors,
} from './io/safetensors.js';
export { type NpyOptions, readNpy, writeNpy } from './io/npy.js';
export { type NpzWriteOptions, readNpz, writeNpz } from './io/npz.js';

// ---- The machine ----

export { type Info, getNumThreads, info, setFlushDenormals, setNumThreads, setReproducible } from './runtime.js';
export type { Bfloat16Info, BlasInfo, CpuInfo, NativeInfo } from './native.js';

// ---- Errors ----

export {
  AbortedError,
  ArgumentError,
  BusyError,
  DTypeError,
  FileFormatError,
  IndexError,
  MissingPackageError,
  NativeError,
  NetworkError,
  NodegradError,
  NonFiniteError,
  type RefusedIndex,
  ShapeError,
} from './errors.js';
export { EnvironmentError, GroupError, StoreFullError, TimeoutError, TokenError } from './distributed/errors.js';
