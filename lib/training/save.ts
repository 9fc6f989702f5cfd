// Models into files: weights by path and the architecture, in one safetensors file that other tools read too.

import { ArgumentError } from '../errors.js';
import { checkPath, writeFileAtomic } from '../io/atomic.js';
import { encodeSafetensors, readSafetensors } from '../io/safetensors.js';
import { join } from '../layers/fields.js';
import type { AnyLayer } from '../layers/layer.js';
import { type ModelDescription, buildModel, describeModel } from '../layers/registry.js';
import { type LoadOptions, type LoadReport, differenceOf } from '../layers/state.js';
import { preprocessingOf, setPreprocessing } from '../preprocessing/of-model.js';
import { betweenSteps } from '../program/driver.js';
import { info } from '../runtime.js';
import { withSeed } from '../seed.js';
import type { AnyTensor } from '../tensor.js';
import { checkClassCount, classNamesOf, scoresOf, setClassNames } from './class-names.js';
import { frozenOf } from './frozen.js';
import { apart, format, learnedBelow } from './model-file.js';
import { setTargetUnits, targetUnits, warnOfScaled } from './target-units.js';
import { warnInTraining } from './under-way.js';

/** `model.toBytes()`: weights by path, and the architecture as JSON under `architecture` in the metadata. */
export function toBytes(model: AnyLayer): Uint8Array {
  const description = describeModel(model);
  checkDescribed(model, description);
  const metadata = new Map([
    ['format', format],
    ['nodegrad', info().version],
    ['architecture', JSON.stringify(description)],
  ]);
  const names = classNamesOf(model);
  if (names !== null) {
    checkClassCount(names, scoresOf(model), 'classNames');
    metadata.set('classNames', JSON.stringify(names));
  }
  const units = targetUnits(model);
  if (units !== null) metadata.set('targetUnits', units);
  const frozen = frozenOf(model);
  if (frozen.frozen.length + frozen.frozenLayers.length > 0) metadata.set('frozen', JSON.stringify(frozen));
  const preprocessing = preprocessingOf(model);
  if (preprocessing !== null)
    metadata.set('preprocessing', JSON.stringify({ ...preprocessing.describe(), inputShape: preprocessing.inputShape }));
  const learned = [...(preprocessing?.stateDict() ?? [])].map(([name, value]) => [`${learnedBelow}${name}`, value] as const);
  return betweenSteps(() => encodeSafetensors(new Map<string, AnyTensor>([...model.stateDict(), ...learned]), metadata));
}

/** Refuses a model whose description is that of another one, as where a layer was put in place of one of its own: nobody could load the file. */
function checkDescribed(model: AnyLayer, description: ModelDescription): void {
  // Under a seed of its own: a run that is saved in between goes on as if it had not been.
  const built = withSeed(0, () => {
    try {
      return buildModel(JSON.parse(JSON.stringify(description)));
    } catch {
      return null; // load() says what is wrong with fromConfig()
    }
  });
  const difference = built === null ? null : differenceOf(model.namedState(), built.namedState());
  if (difference === null) return;
  const { path, wanted, given } = difference;
  throw new ArgumentError(
    `the model cannot be saved: its config() describes one with ${given} at '${path}', where it has ${wanted}, and load() would refuse the file. A layer that was put in later must stand ` +
      'in config(): build the model with it, as resnet18({ classes: 4 }) has another head, or write a class of your own around both (registerLayer). ' +
      'What it has learned is kept by writeSafetensors(path, model.stateDict()), and model.load(path) fills a model that is built in the same way',
  );
}

/** `model.save(path)`: documented there. */
export async function save(model: AnyLayer, path: string): Promise<void> {
  checkPath(path);
  warnInTraining(model, 'save()');
  warnOfScaled(model);
  // The copy is made now, the rest of the work is the system's: the run may go on.
  await writeFileAtomic(path, [toBytes(model)]);
}

/** `model.load(path, options)`: documented there. */
export async function loadInto(model: AnyLayer, path: string, options: LoadOptions = {}): Promise<LoadReport> {
  const file = await readSafetensors(path);
  if (file.metadata.get('format') === 'pt') {
    throw new ArgumentError(
      `${path} was written for PyTorch, whose matrices are [out, in]: square ones would come in turned round. loadPyTorch(model, path) reads it`,
    );
  }
  const { weights, preprocessing, classNames, targetUnits: units } = apart(file, path);
  const report = model.loadStateDict(weights, options);
  if (file.metadata.get('format') !== format && isUnclear(model, new Set(report.matched))) {
    process.emitWarning(
      `${path} does not say what wrote it, and its matrices are all square, so that their shapes do not say whether they are [in, out] as here or [out, in] as in PyTorch. ` +
        'They were taken as they are: if PyTorch wrote the file, loadPyTorch(model, path) reads it',
      { code: 'NODEGRAD_UNCLEAR_LAYOUT' },
    );
  }
  if (preprocessing !== null) setPreprocessing(model, preprocessing);
  // Of a part of the model, or of another last layer, they would be wrong.
  if (report.missing.length + report.skipped.length > 0) return report;
  if (classNames !== null) setClassNames(model, classNames);
  setTargetUnits(model, units);
  return report;
}

/** Whether PyTorch has some of these weights turned round, and all of those in the same shape. */
function isUnclear(model: AnyLayer, paths: ReadonlySet<string>): boolean {
  let isTurned = false;
  for (const [at, layer] of model.namedLayers()) {
    for (const [name, { axes }] of Object.entries(layer.pytorchItems)) {
      const shape = layer.ownParameters().get(name)?.shape;
      if (axes === undefined || shape === undefined || !paths.has(join(at, name))) continue;
      if (axes.some((axis, d) => shape[axis] !== shape[d])) return false;
      isTurned ||= shape.filter((size) => size > 1).length > 1;
    }
  }
  return isTurned;
}
