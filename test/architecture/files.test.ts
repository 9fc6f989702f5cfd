// What every file owes: a test, an opening sentence, few lines, arithmetic that repeats, and words for what it exports.
import { join } from 'node:path';
import test from 'ava';
import ts from 'typescript';
import { bannedCalls, inexactNative, longFiles, uncovered, undocumented, withoutOpening } from '../helpers/architecture.js';
import { readTree, root, type Tree } from '../helpers/sources.js';

const tree = readTree();
const invent = (files: Record<string, string>): Tree => new Map(Object.entries(files));

const course = (section: string) => `test/course/${section}.test.ts`;

/** Stems whose test has another name, with the reason. */
const testedElsewhere: Record<string, { test: string; why: string }> = {
  'lib/index.ts': { test: 'test/architecture/files.test.ts', why: 'a list of exports, which this file reads' },
  'lib/native.ts': { test: 'test/loader.test.ts', why: 'loads at import; what it runs is in every test of an operation' },
  'lib/help.ts': { test: 'test/errors.test.ts', why: 'the address that every error carries' },
  'lib/platform.ts': { test: 'test/faults/install.test.ts', why: 'types alone, which a project without any compiles' },
  'lib/memory.ts': { test: 'test/faults/limits.test.ts', why: 'containers, and memory that is collected in time' },
  'lib/program/effort.ts': { test: 'test/faults/planning.test.ts', why: 'counts for that test alone' },
  'lib/program/passes/checks.ts': { test: 'test/faults/refused.test.ts', why: 'what a refused step leaves behind' },
  'lib/create.ts': { test: 'test/ops/special.test.ts', why: 'nearly every test makes tensors with it' },
  'lib/foreign.ts': { test: 'test/faults/realms.test.ts', why: 'other realms and copies are its one subject' },
  'lib/data/contract.ts': { test: 'test/faults/data.test.ts', why: 'every breach of it, with fit, evaluate and predict' },
  'lib/data/example-rows.ts': { test: 'test/data/iterable.test.ts', why: 'examples of every form' },
  'lib/data/cursor.ts': { test: 'test/data/iterable.test.ts', why: 'a place in a stream' },
  'lib/training/reading.ts': { test: 'test/data/iterable.test.ts', why: 'sources that are let go' },
  'lib/data/parts.ts': { test: 'test/data/dataset.test.ts', why: 'subsets and splits are data sets' },
  'lib/data/folder-files.ts': { test: 'test/faults/folders.test.ts', why: 'links, loops and names, through datasets.imageFolder' },
  'lib/data/image-files.ts': { test: 'test/faults/folders.test.ts', why: 'what is an image, through datasets.imageFolder' },
  'lib/data/image-kinds.ts': { test: 'test/faults/folders.test.ts', why: 'what is an image, through datasets.imageFolder' },
  'lib/data/image-layout.ts': { test: 'test/faults/folders.test.ts', why: 'trees as people have them, through datasets.imageFolder' },
  'lib/data/left-out.ts': { test: 'test/faults/folders.test.ts', why: 'what an image folder leaves out' },
  'lib/io/names.ts': { test: 'test/faults/folders.test.ts', why: 'names that are not UTF-8, on a disk' },
  'lib/io/tar-header.ts': { test: 'test/io/tar.test.ts', why: 'a part of reading archives' },
  'lib/io/tar-source.ts': { test: 'test/io/tar.test.ts', why: 'a part of reading archives' },
  'lib/io/byte-source.ts': { test: 'test/io/npy.test.ts', why: 'paths and bytes, through what reads NumPy files' },
  'lib/models/keras-counterparts.ts': { test: 'test/models/keras.test.ts', why: 'what becomes of the weights' },
  ...Object.fromEntries(
    ['keras-activations', 'keras-layers', 'keras-maker', 'keras-model'].map((stem) => [
      `lib/models/${stem}.ts`,
      { test: 'test/models/keras-graph.test.ts', why: 'layers of every kind, out of files of Keras' },
    ]),
  ),
  'lib/models/keras-file.ts': { test: 'test/models/keras.test.ts', why: 'the first half of reading them' },
  'lib/io/npy-header.ts': { test: 'test/io/npy.test.ts', why: 'the first half of the format' },
  'lib/io/npz.ts': { test: 'test/io/npy.test.ts', why: 'several arrays in one file' },
  'lib/io/safetensors-checksums.ts': { test: 'test/io/safetensors.test.ts', why: 'a part of the format' },
  'lib/io/read-whole.ts': { test: 'test/faults/memory.test.ts', why: 'files that are far too large' },
  ...Object.fromEntries(
    ['elementwise', 'images', 'index', 'norms', 'rule', 'sequences', 'shapes'].map((stem) => [
      `lib/onnx/rules/${stem}.ts`,
      { test: 'test/onnx/round-trip.test.ts', why: 'a model for every rule, out and in again; onnxruntime has its say in npm run test:onnx' },
    ]),
  ),
  ...Object.fromEntries(
    [
      'steps/elementwise',
      'steps/images',
      'steps/index',
      'steps/layers',
      'steps/products',
      'steps/shapes',
      'held',
      'lower',
      'lower-patterns',
      'made-layers',
      'onnx-model',
      'weights',
    ].map((stem) => [
      `lib/onnx/${stem}.ts`,
      {
        test: 'test/onnx/import.test.ts',
        why: 'parts of one way from a file to a model: files of PyTorch, operators by hand, what is refused',
      },
    ]),
  ),
  'lib/onnx/forward.ts': { test: 'test/onnx/export.test.ts', why: 'what is written, and what is refused' },
  'lib/onnx/model-message.ts': { test: 'test/onnx/export.test.ts', why: 'what is written' },
  'lib/onnx/free-axes.ts': { test: 'test/onnx/export.test.ts', why: 'sizes that stay free, and what is refused' },
  'lib/onnx/graph.ts': { test: 'test/onnx/export.test.ts', why: 'what is written' },
  'lib/onnx/values.ts': { test: 'test/onnx/export.test.ts', why: 'what is written' },
  'lib/onnx/schema.ts': { test: 'test/onnx/protobuf.test.ts', why: 'a list of fields' },
  'lib/cli/saved.ts': { test: 'test/cli/export.test.ts', why: 'a model of layers that `train` has none of' },
  'lib/philox.ts': { test: 'test/random.test.ts', why: 'its known answers' },
  'lib/recording.ts': { test: 'test/faults/refused-steps.test.ts', why: 'what a step may not do is refused through it' },
  'lib/program/states.ts': { test: 'test/program/random-steps.test.ts', why: 'every kind of state, drawn at random' },
  'lib/ops/define.ts': { test: 'test/ops/gradients.test.ts', why: 'the list that the gradient check walks' },
  'lib/ops/emit.ts': { test: 'test/ops/golden.test.ts', why: 'every operation passes it' },
  'lib/ops/elementwise.ts': { test: 'test/ops/golden.test.ts', why: 'operations are tested together, from one table of cases' },
  'lib/ops/activations.ts': {
    test: 'test/layers/activations.test.ts',
    why: 'functions and layers from one table, test/helpers/activations.ts',
  },
  ...Object.fromEntries(
    'rules/data rules/fit rules/index rules/lr rules/modes rules/pairing rules/splits rules/start rules/activity data-facts evidence gather look splits tape'
      .split(' ')
      .map((stem) => [`lib/sitter/${stem}.ts`, { test: 'test/sitter/rules.test.ts', why: 'a sick program for each rule, and healthy ones' }]),
  ),
  'lib/sitter/rules/data-and-net.ts': { test: 'test/sitter/first-epoch.test.ts', why: 'what is known in the first epoch' },
  'lib/sitter/rules/denormals.ts': { test: 'test/sitter/rules.test.ts', why: 'one rule' },
  'lib/sitter/rules/slow.ts': { test: 'test/sitter/first-epoch.test.ts', why: 'what is known in the first epoch' },
  'lib/sitter/of-run.ts': { test: 'test/sitter/sitter.test.ts', why: 'which sitter a run has' },
  'lib/sitter/snapshot.ts': { test: 'test/sitter/sitter.test.ts', why: 'where a mended run goes back to' },
  'lib/sitter/overfit-tiny.ts': { test: 'test/sitter/preflight.test.ts', why: 'a part of the full form of preflight' },
  'lib/training/tensor-rows.ts': { test: 'test/training/evaluate.test.ts', why: 'what predict goes through' },
  'lib/training/validate.ts': { test: 'test/training/fit.test.ts', why: 'scores after each epoch' },
  'lib/sitter/dead-relu.ts': { test: 'test/course/more-activations.test.ts', why: 'rows A20 to A23 are its subject' },
  'lib/ops/smooth_activations.ts': { test: 'test/layers/activations.test.ts', why: 'the same table' },
  'lib/ops/activation_options.ts': { test: 'test/layers/activations.test.ts', why: 'what functions and layers refuse alike' },
  'lib/layers/smooth-activations.ts': { test: 'test/layers/activations.test.ts', why: 'the same table' },
  'lib/ops/broadcast.ts': { test: 'test/ops/golden.test.ts', why: 'the same table, with the gradient check' },
  'lib/ops/matmul.ts': { test: 'test/ops/golden.test.ts', why: 'the same table, with the gradient check' },
  'lib/ops/convolution.ts': { test: 'test/layers/convolution.test.ts', why: 'the layers call it; golden values and gradients as for all' },
  'lib/ops/pooling.ts': { test: 'test/layers/pooling.test.ts', why: 'the layers call it; golden values and gradients as for all' },
  'lib/ops/reduce.ts': { test: 'test/ops/golden.test.ts', why: 'the same table, with the gradient check' },
  'lib/ops/shape.ts': { test: 'test/ops/golden.test.ts', why: 'the same table, with the gradient check' },
  'lib/ops/softmax.ts': { test: 'test/ops/golden.test.ts', why: 'the same table, with the gradient check' },
  'lib/ops/batch_norm.ts': { test: 'test/layers/batch-norm.test.ts', why: 'with the layers that it is for' },
  'lib/ops/group_norm.ts': { test: 'test/layers/group-norm.test.ts', why: 'with the layers that it is for' },
  'lib/ops/window_pooling.ts': { test: 'test/layers/window-pooling.test.ts', why: 'with the layers that it is for' },
  'lib/ops/resample.ts': { test: 'test/layers/resample.test.ts', why: 'with the layers that it is for' },
  'lib/ops/recurrent.ts': { test: 'test/layers/recurrent.test.ts', why: 'with the layers that it is for' },
  'lib/ops/local_response_norm.ts': { test: 'test/layers/local-response-norm.test.ts', why: 'with the layer that it is for' },
  'lib/ops/destination.ts': { test: 'test/program/step.test.ts', why: 'types alone: what an operation needs around it' },
  'lib/ops/called.ts': { test: 'test/faults/aliases.test.ts', why: 'every public function is called wrongly there' },
  'lib/ops/state.ts': { test: 'test/layers/batch-norm.test.ts', why: 'when running statistics are written' },
  'lib/ops/random.ts': { test: 'test/random.test.ts', why: 'the numbers are those of lib/random.ts' },
  'lib/ops/backward.ts': { test: course('gradients'), why: 'course section G is its specification' },
  'lib/ops/update.ts': { test: 'test/optimizers/sgd.test.ts', why: 'one line an optimizer' },
  ...Object.fromEntries(
    ['tensor', 'tensor/core', 'tensor/methods', 'tensor/arithmetic', 'tensor/reductions', 'tensor/shapes'].map((stem) => [
      `lib/${stem}.ts`,
      { test: 'test/ops/golden.test.ts', why: 'its methods are the operations' },
    ]),
  ),
  'lib/runtime.ts': { test: 'test/loader.test.ts', why: 'switches of the process: the suite is run under each of them' },
  'lib/layers/layer.ts': { test: 'test/models/sequential.test.ts', why: 'abstract: test/contracts/layer.ts is run for every layer' },
  'lib/layers/fields.ts': { test: 'test/models/sequential.test.ts', why: 'paths of nested layers' },
  'lib/layers/forward.ts': { test: 'test/models/sequential.test.ts', why: 'wraps every forward: paths and errors of nested layers' },
  'lib/layers/registry.ts': { test: 'test/models/sequential.test.ts', why: 'layerContract clones every layer through it' },
  'lib/ops/trace.ts': { test: 'test/models/resnet.test.ts', why: 'sizes of networks are counted through it, those of PyTorch too' },
  'lib/layers/costs.ts': { test: 'test/models/resnet.test.ts', why: 'the figures of all networks are what it counts' },
  'lib/io/file-bar.ts': { test: 'test/progress.test.ts', why: 'all who show how far they are' },
  'lib/models/image-axes.ts': { test: 'test/models/feature-order.test.ts', why: 'the axes that it follows' },
  'lib/models/image-model.ts': { test: 'test/models/resnet.test.ts', why: 'abstract: test/contracts/image-model.ts is run for every network' },
  'lib/models/blocks.ts': { test: 'test/models/resnet.test.ts', why: 'the blocks of its networks' },
  'lib/layers/summary.ts': { test: 'test/models/sequential.test.ts', why: 'a table of a model with several layers' },
  'lib/optimizers/optimizer.ts': {
    test: 'test/optimizers/sgd.test.ts',
    why: 'abstract: test/contracts/optimizer.ts is run for every optimizer',
  },
  'lib/optimizers/groups.ts': { test: 'test/faults/aliases.test.ts', why: 'what users do to the arrays that they gave' },
  'lib/optimizers/adaptive.ts': { test: 'test/optimizers/rules.test.ts', why: 'one test for every row of test/helpers/optimizers.ts' },
  'lib/optimizers/moments.ts': { test: 'test/optimizers/rules.test.ts', why: 'one test for every row of test/helpers/optimizers.ts' },
  'lib/optimizers/closure.ts': { test: 'test/optimizers/quasi-newton.test.ts', why: 'abstract: what all methods with a closure share' },
  'lib/optimizers/line-search.ts': { test: 'test/optimizers/quasi-newton.test.ts', why: "beside PyTorch's walk, evaluation by evaluation" },
  'lib/optimizers/newton.ts': { test: 'test/optimizers/quasi-newton.test.ts', why: 'with the other methods of second order' },
  'lib/optimizers/options.ts': { test: 'test/optimizers/rules.test.ts', why: 'what every row of test/helpers/optimizers.ts refuses' },
  'lib/optimizers/rule.ts': { test: 'test/optimizers/rules.test.ts', why: 'abstract: test/contracts/optimizer.ts is run for every rule' },
  'lib/schedules/schedule.ts': { test: 'test/schedules/decay.test.ts', why: 'abstract: test/contracts/schedule.ts is run for every schedule' },
  'lib/schedules/arithmetic.ts': { test: 'test/schedules/cyclic.test.ts', why: 'values of PyTorch to the last bits' },
  'lib/schedules/sequential.ts': { test: 'test/schedules/cyclic.test.ts', why: 'with the schedules that it runs' },
  'lib/schedules/plateau.ts': { test: 'test/schedules/cyclic.test.ts', why: 'the values of PyTorch beside those of the others' },
  'lib/ops/statistics.ts': { test: 'test/native/statistics.test.ts', why: 'names the operations of native/ops/statistics.cc' },
  'lib/optimizers/memory.ts': { test: 'test/optimizers/clip.test.ts', why: 'what optimizers and clipping walk through' },
  ...Object.fromEntries(
    ['describe', 'program', 'record', 'symbolic'].map((stem) => [
      `lib/program/${stem}.ts`,
      { test: 'test/program/step.test.ts', why: 'parts of one way: a step that was recorded must give the bits of an eager one' },
    ]),
  ),
  ...Object.fromEntries(
    ['fused', 'chain'].map((stem) => [
      `lib/ops/${stem}.ts`,
      { test: 'test/native/fused.test.ts', why: 'against the operations they stand for' },
    ]),
  ),
  'lib/io/safetensors-header.ts': { test: 'test/io/safetensors.test.ts', why: 'the first half of the format' },
  'lib/ops/busy.ts': { test: 'test/program/stream.test.ts', why: 'memory is busy while steps are in flight' },
  'lib/ops/finite.ts': { test: 'test/training/non-finite.test.ts', why: 'what ends a step whose loss is not finite' },
  'lib/ops/augment.ts': { test: 'test/data/augmented.test.ts', why: 'names the operation behind every augmentation' },
  ...Object.fromEntries(
    ['decode', 'folders', 'sharp'].map((stem) => [
      `lib/data/${stem}.ts`,
      { test: 'test/data/image-folder.test.ts', why: 'parts of one way from files to a data set' },
    ]),
  ),
  'lib/program/feed.ts': { test: 'test/program/stream.test.ts', why: 'types alone: what a stream reads' },
  'lib/data/feed.ts': { test: 'test/program/stream.test.ts', why: 'a stream reads every kind of data set through it' },
  'lib/environment.ts': { test: 'test/faults/cli.test.ts', why: 'variables of the process: commands are run under wrong ones' },
  ...Object.fromEntries(
    ['data-digest', 'writable', 'run-header'].map((stem) => [
      `lib/training/${stem}.ts`,
      { test: 'test/faults/runs.test.ts', why: 'what keeps runs apart and their work safe' },
    ]),
  ),
  ...Object.fromEntries(
    ['training/preflight', 'training/failed-batch'].map((stem) => [
      `lib/${stem}.ts`,
      { test: 'test/faults/words.test.ts', why: 'what is said before a run, and of a batch that fails' },
    ]),
  ),
  ...Object.fromEntries(
    `affine centre channel-scaler covariance encoders examples finite gathered imputer min-max-scaler moments of-model pca pipeline presets column-transform
     robust-scaler standard-scaler transformed whitening`
      .split(/\s+/)
      .map((stem) => [
        `lib/preprocessing/${stem}.ts`,
        { test: 'test/preprocessing/transform.test.ts', why: 'one contract for all, and what they share' },
      ]),
  ),
  'lib/training/fit-options.ts': { test: 'test/training/fit.test.ts', why: 'a type and its names' },
  'lib/training/train-step.ts': { test: 'test/training/fit.test.ts', why: 'the step of fit, eager and compiled' },
  'lib/training/errors.ts': { test: 'test/training/fit.test.ts', why: 'what fit throws' },
  'lib/program/transcript.ts': { test: 'test/faults/live.test.ts', why: 'only to compare two recordings, which is seen in what fit does' },
  'lib/training/own-code.ts': { test: 'test/faults/live.test.ts', why: 'what it finds decides what fit records again' },
  ...Object.fromEntries(
    ['constant', 'gain', 'he', 'identity-matrix', 'lecun', 'normal', 'orthogonal', 'scaled', 'sparse', 'truncated', 'uniform', 'xavier'].map(
      (stem) => [
        `lib/initializers/${stem}.ts`,
        { test: 'test/initializers/initializer.test.ts', why: 'one contract for all, and what each promises' },
      ],
    ),
  ),
  ...Object.fromEntries(
    ['trial', 'trial-record', 'store', 'progress'].map((stem) => [
      `lib/search/${stem}.ts`,
      { test: 'test/search/search.test.ts', why: 'what a search does with its trials' },
    ]),
  ),
  ...Object.fromEntries(
    ['worker', 'shared-data'].map((stem) => [
      `lib/search/${stem}.ts`,
      { test: 'test/search/executor.test.ts', why: 'the other end of what runs trials in threads' },
    ]),
  ),
  'lib/search/fixed.ts': { test: 'test/search/strategy.test.ts', why: 'lists and grids beside random points' },
  'lib/search/pictures.ts': { test: 'test/search/report.test.ts', why: 'the pictures of its page' },
  'lib/cli/search-objective.ts': { test: 'test/cli/search.test.ts', why: 'what a trial of the command does' },
  ...Object.fromEntries(
    ['confusion', 'decisions', 'probabilities', 'ranking', 'regression', 'shares'].map((stem) => [
      `lib/metrics/${stem}.ts`,
      { test: 'test/metrics/golden.test.ts', why: 'the values of scikit-learn, for every metric' },
    ]),
  ),
  'lib/training/measured.ts': { test: 'test/metrics/sums.test.ts', why: 'which metrics are measured without being asked for' },
  'lib/data/about.ts': { test: 'test/training/target-units.test.ts', why: 'what it hands on is what fit and evaluate refuse' },
  'lib/data/class-indices.ts': { test: 'test/data/dataset.test.ts', why: 'targets of data sets' },
  'lib/distributed/places.ts': { test: 'test/distributed/hostile.test.ts', why: 'what stands in a store for a process is no address' },
  'lib/distributed/addon.ts': { test: 'test/distributed/process-group.test.ts', why: 'loaded by every test there' },
  'lib/training/in-group.ts': { test: 'test/distributed/process-group.test.ts', why: 'a run in several processes' },
  'lib/training/evaluation-parts.ts': { test: 'test/distributed/process-group.test.ts', why: 'validation by several processes' },
  'lib/training/shared-trees.ts': { test: 'test/distributed/process-group.test.ts', why: 'what processes tell each other' },
  'lib/training/optimizer-sharding.ts': { test: 'test/distributed/optimizer-sharding.test.ts', why: 'state that processes share' },
  'lib/training/run-data.ts': { test: 'test/distributed/process-group.test.ts', why: 'what each process makes of a batch' },
  'lib/evaluation/judged.ts': { test: 'test/evaluation/mistakes.test.ts', why: 'what is said of each example' },
  'lib/data/folds.ts': { test: course('splits'), why: 'rows L04 and L05 are its specification' },
  'lib/data/groups.ts': { test: course('splits'), why: 'how examples are dealt to parts and folds' },
  ...Object.fromEntries(
    ['augmented-prediction', 'averaging', 'calibration', 'snapshots'].map((stem) => [
      `lib/evaluation/${stem}.ts`,
      { test: 'test/evaluation/ensemble.test.ts', why: 'predictions that are averaged or tempered' },
    ]),
  ),
  'lib/evaluation/cross-validation.ts': { test: 'test/evaluation/comparison.test.ts', why: 'the same folds and intervals' },
  'lib/layers/calls.ts': { test: 'test/layers/architecture.test.ts', why: 'the forward pass that is taken apart' },
  'lib/layers/text.ts': { test: 'test/layers/architecture.test.ts', why: 'what a layer looks like on the console' },
  'lib/layers/chain.ts': { test: 'test/layers/architecture.test.ts', why: 'what is taken apart is put together' },
  ...Object.fromEntries(
    ['architecture', 'architecture-pieces'].map((stem) => [
      `lib/pictures/${stem}.ts`,
      { test: 'test/training/plot.test.ts', why: 'pictures of models, in a browser' },
    ]),
  ),
  'lib/pictures/svg.ts': { test: 'test/pictures/chart.test.ts', why: 'what charts are made of' },
  'lib/finders/keeping-state.ts': { test: 'test/finders/learning-rate-finder.test.ts', why: 'that nothing is left of a trial' },
  'lib/finders/batch-size-finder.ts': { test: 'test/finders/learning-rate-finder.test.ts', why: 'both finders leave no trace' },
  ...Object.fromEntries(
    ['batch-norm', 'experiment', 'first-weights', 'generalization', 'grid-vs-random', 'learning-rates', 'networks'].map((stem) => [
      `lib/experiments/${stem}.ts`,
      { test: 'test/experiments/index.test.ts', why: 'each experiment is run there' },
    ]),
  ),
  ...Object.fromEntries(
    ['errors', 'file-store', 'open-store'].map((stem) => [
      `lib/distributed/${stem}.ts`,
      { test: 'test/distributed/store.test.ts', why: 'one contract for stores of every kind, and how they are opened' },
    ]),
  ),
  'lib/distributed/rounds.ts': { test: 'test/distributed/elastic.test.ts', why: 'launchers that agree on rounds' },
  'lib/distributed/pulses.ts': { test: 'test/distributed/elastic.test.ts', why: 'launchers that are killed' },
  'lib/distributed/group-errors.ts': { test: 'test/distributed/process-group.test.ts', why: 'what processes say whose group breaks' },
  'lib/distributed/group-options.ts': { test: 'test/faults/options.test.ts', why: 'options and their checks' },
  'lib/distributed/guardian.ts': { test: 'test/distributed/launcher.test.ts', why: 'a stopped process whose launcher is killed' },
  'lib/distributed/lifeline.ts': { test: 'test/distributed/launcher.test.ts', why: 'processes whose launcher is killed' },
  'lib/distributed/token.ts': { test: 'test/distributed/store-server.test.ts', why: 'who is let in' },
  'lib/data/columns.ts': { test: 'test/data/table.test.ts', why: 'a table is made of them' },
  'lib/cli/models.ts': { test: 'test/cli/options.test.ts', why: 'recipes, which the options complete' },
  'lib/ops/recompute.ts': { test: 'test/layers/recompute.test.ts', why: 'the layer form is what users call' },
  'lib/layers/hints.ts': { test: 'test/faults/hints.test.ts', why: 'what it is for: first weights behind norms and pooling' },
  'lib/layers/state.ts': { test: 'test/faults/state.test.ts', why: 'what it is for: state of layers that stand twice' },
  'lib/names.ts': { test: 'test/faults/names.test.ts', why: 'what it is for: bundles' },
  'lib/layers/lineage.ts': { test: 'test/faults/randomness.test.ts', why: 'what it is for: streams of their own' },
  'lib/training/functions.ts': { test: 'test/training/model.test.ts', why: 'the same as methods of a model, with the same bits' },
  'lib/training/load.ts': { test: 'test/training/save.test.ts', why: 'what is saved comes back' },
  'lib/training/model-file.ts': { test: 'test/preprocessing/transform.test.ts', why: 'models keep their preprocessing in files' },
  'lib/training/history.ts': { test: 'test/training/fit.test.ts', why: 'what fit gives' },
  ...Object.fromEntries(
    [
      ['event-file', 'tensorboard'],
      ['followers', 'report'],
      ['runs', 'report'],
    ].map(([stem, other]) => [`lib/report/${stem}.ts`, { test: `test/report/${other}.test.ts`, why: 'a part of it' }]),
  ),
  ...Object.fromEntries(
    ['data', 'evaluate', 'experiment', 'info', 'job', 'metrics', 'output', 'program', 'run-folder', 'train'].map((stem) => [
      `lib/cli/${stem}.ts`,
      { test: 'test/cli/main.test.ts', why: 'commands are tested as the user runs them' },
    ]),
  ),
};

const ceilings = {
  'lib/index.ts': { most: 720, why: 'one list: every public name' },
  'test/faults/options.test.ts': { most: 640, why: 'one table: a row for every exported interface of options' },
  'test/fuzz/values.ts': { most: 460, why: 'one list: hostile values by kind' },
  'test/native/samples.ts': { most: 520, why: 'one list: a valid call of every operation' },
  'test/native/special.test.ts': { most: 460, why: 'one table: every operation at every special value' },
  'test/program/fuse.child.ts': { most: 460, why: 'one list: a net for every fusion' },
  'test/golden/make.py': { most: 600, why: 'the one script behind all golden files: their hash of it must stay one' },
};

test('every stem of lib has a test of its name, or says where it is tested', (t) => {
  t.deepEqual(uncovered(tree, testedElsewhere), []);
  const wrong = invent({ 'lib/layers/new.ts': '', 'lib/layers/old.ts': '', 'test/layers/old.test.ts': '' });
  t.deepEqual(uncovered(wrong, { 'lib/gone.ts': { test: 'test/layers/old.test.ts', why: '' } }), [
    'lib/layers/new.ts has no test of its name',
    'lib/gone.ts is on the list of tests elsewhere and does not exist',
  ]);
});

test('a file has at most 400 lines', (t) => {
  t.deepEqual(longFiles(tree, 400, ceilings), []);
  t.deepEqual(longFiles(invent({ 'lib/a.ts': 'x\n'.repeat(401), 'lib/b.ts': 'x\n'.repeat(400) }), 400, {}), ['lib/a.ts has 401 lines']);
});

test('a file opens with a sentence that says what it is', (t) => {
  t.deepEqual(withoutOpening(tree), []);
  const wrong = invent({
    'lib/a.ts': "import x from 'y';\n// Late.\n",
    'lib/b.ts': '// no end\n',
    'lib/c.ts': '// Says what it is.\n',
    'lib/d.py': '#!/bin/sh\n"""Says it, too."""\n',
  });
  t.deepEqual(withoutOpening(wrong), ['lib/a.ts', 'lib/b.ts']);
});

test('the table of contents names what it exports, under headings', (t) => {
  const contents = tree.get('lib/index.ts') ?? '';
  t.deepEqual(contents.match(/^export \*.*$/gm) ?? [], []);
  t.true((contents.match(/^\/\/ ---- .* ----$/gm) ?? []).length > 10);
});

test('nothing computes numbers that depend on the engine, the compiler or chance', (t) => {
  const shown = 'a figure in a message: it enters no result';
  const placed = 'a place in a picture: it enters no result';
  t.deepEqual(
    bannedCalls(tree, {
      'lib/pictures/chart.ts: Math.log10': placed,
      'lib/losses/loss.ts: Math.log': shown,
      'lib/sitter/readings.ts: Math.exp': shown,
    }),
    [],
  );
  t.deepEqual(inexactNative(tree), []);
  const wrong = invent({
    'lib/a.ts': 'const y = Math.exp(x) + x ** 0.5; const limit = 2 ** 31; // Math.sin in a comment',
    'test/b.ts': 'Math.random(); Math.exp(1);',
    'native/ops/c.cc': 'double y = std::exp(x); // std::log',
    'CMakeLists.txt': '# Never -ffast-math.\ntarget_compile_options(nodegrad PRIVATE -ffast-math)',
  });
  t.deepEqual(bannedCalls(wrong, {}), ['lib/a.ts: Math.exp', 'lib/a.ts: **', 'test/b.ts: Math.random']);
  t.deepEqual(inexactNative(wrong), ['native/ops/c.cc: a transcendental of libm', 'CMakeLists.txt: -ffast-math']);
});

test('every public symbol is described, and classes and functions show an example', (t) => {
  const options: ts.CompilerOptions = {
    target: ts.ScriptTarget.ES2022,
    module: ts.ModuleKind.NodeNext,
    types: ['node'],
    skipLibCheck: true,
    strict: true,
  };
  const program = ts.createProgram([join(root, 'lib/index.ts')], options);
  const index = program.getSourceFile(join(root, 'lib/index.ts'));
  if (index === undefined) return t.fail('lib/index.ts is gone');
  t.deepEqual(undocumented(program, index), []);
});
