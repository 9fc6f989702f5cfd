// Rules of the data by themselves: numbers, columns, classes, order.

import type { DataFacts } from '../data-facts.js';
import { type Suspicion, percent, rule, short } from '../evidence.js';

/** A column by its name, or by its number where it has none. */
const columnName = ({ names }: DataFacts, column: number): string => (names === null ? String(column) : `'${names[column]}'`);

/** NaN and infinities. */
export const nonFiniteData = rule({
  ids: ['non-finite-data'],
  needs: ['data'],
  source: 'Course row J12',
  thresholds: {},
  judge: ({ data }) => {
    const [x, y] = [data.inputs?.nonFinite ?? 0, data.targets?.nonFinite ?? 0];
    if (x + y === 0) return null;
    const column = data.columns.findIndex(({ nonFinite }) => nonFinite > 0);
    return {
      id: 'non-finite-data',
      verdict: 'fault',
      seen: `${x > 0 ? `${x} of the inputs` : `${y} of the targets`}${x > 0 && column >= 0 ? `, first in column ${columnName(data, column)},` : ''} are NaN or infinite, over ${data.looked} examples that were looked at`,
      why: 'One such number makes the loss, every gradient and then every weight NaN',
      advice:
        x > 0
          ? 'Leave these examples out, or fill the gaps: new Imputer() with the mean of the column'
          : 'Leave these examples out. A logarithm of 0 is −Infinity: Math.log1p takes 0, and new TargetScaler({ log: true }) names the row',
      change: { kind: 'fixData', what: 'non-finite numbers' },
      confidence: 1,
    };
  },
});

/** Inputs that are the same in every example. */
export const sameInputs = rule({
  ids: ['nothing-to-learn'],
  needs: ['data'],
  source: 'Course row B01',
  thresholds: { rows: 4 },
  judge: ({ data }, { rows }) => {
    const { inputs, columns: list, targets } = data;
    const isSame = list.length > 0 ? list.every(({ min, max }) => min === max) : inputs !== null && inputs.min === inputs.max;
    if (!isSame || inputs === null || inputs.nonFinite > 0 || data.looked < rows || targets === null || targets.isConstant) return null;
    return {
      id: 'nothing-to-learn',
      verdict: 'fault',
      onlyBy: [],
      seen: `all ${data.looked} examples that were looked at have the same inputs${inputs.min === inputs.max ? `, ${short(inputs.min)} everywhere` : ''}, and different targets`,
      why: 'Inputs that do not differ tell no two examples apart: the best that can be learned is one answer for all',
      advice: 'Look how the inputs were read: a division, a cast to whole numbers or a wrong path may have lost them',
      change: { kind: 'fixData', what: 'inputs' },
      confidence: 0.98,
    };
  },
});

/** Columns that say nothing, or the same twice. */
export const columns = rule({
  ids: ['constant-feature', 'duplicate-feature'],
  needs: ['data'],
  source: 'Course row B01',
  thresholds: { rows: 20, columns: 64 },
  judge: ({ data }, limits) => {
    // Wide tables are words or pixels, where a column without spread is usual.
    if (data.looked < limits.rows || data.columns.length > limits.columns || data.columns.length < 2) return null;
    const constant = data.columns.flatMap(({ min, max }, j) => (min === max ? [j] : []));
    const found: Suspicion[] = [];
    if (constant.length > 0 && constant.length < data.columns.length)
      found.push({
        id: 'constant-feature',
        verdict: 'warning',
        seen: `${constant.length === 1 ? `column ${columnName(data, constant[0])} of the inputs is` : `columns ${constant.map((j) => columnName(data, j)).join(', ')} of the inputs are`} the same number in all ${data.looked} examples that were looked at`,
        why: 'A column without spread tells no two examples apart; where it should have some, reading or joining the data went wrong',
        advice: `Leave ${constant.length === 1 ? 'it' : 'them'} out, or look how the data were read`,
        change: { kind: 'fixData', what: 'constant columns' },
        confidence: 0.8,
      });
    if (data.duplicates.length > 0) {
      const [[first, second]] = data.duplicates;
      found.push({
        id: 'duplicate-feature',
        verdict: 'warning',
        seen: `column ${columnName(data, second)} of the inputs repeats column ${columnName(data, first)}${data.duplicates.length > 1 ? `, and ${data.duplicates.length - 1} more columns repeat others` : ''}`,
        why: 'A column that stands twice counts twice in the first layer, and says that joining the data may have gone wrong',
        advice: `Leave column ${columnName(data, second)} out`,
        change: { kind: 'fixData', what: 'duplicate columns' },
        confidence: 0.85,
      });
    }
    return found;
  },
});

/** Inputs far from mean 0 and deviation 1. */
export const scaleOfInputs = rule({
  ids: ['unscaled-inputs'],
  needs: ['start', 'data'],
  source: 'Course rows B01–B03',
  thresholds: { large: 100, suspicious: 10, imageMaximum: 200, imageRms: 30, spread: 1000 },
  judge: ({ start, data }, { large, suspicious, imageMaximum, imageRms, spread }) => {
    const { entering } = start;
    if (entering === null || start.isNormalized || data.inputs === null) return null;
    const isLarge = entering.largest >= large || (entering.max >= imageMaximum && entering.rms >= imageRms);
    const spreads = data.columns.map(({ std }) => std).filter((std) => std > 0);
    const ratio = spreads.length > 1 ? Math.max(...spreads) / Math.min(...spreads) : 1;
    const isMild = entering.largest >= suspicious || ratio >= spread;
    if (!isLarge && !isMild) return null;
    // What a column that gives the target away does not excuse: others as large.
    const isBesideLeak = data.columns.some(({ rms }, column) => rms >= large && column !== data.leak?.column);
    const apart = ratio >= spread ? `, and the columns' deviations from ${short(Math.min(...spreads))} to ${short(Math.max(...spreads))}` : '';
    return {
      id: 'unscaled-inputs',
      verdict: isLarge ? 'fault' : 'warning',
      isMild: !isLarge,
      ...(isBesideLeak && { onlyBy: ['non-finite-data'] as const }),
      seen: `the inputs go from ${short(data.inputs.min)} to ${short(data.inputs.max)}${apart}`,
      why: 'The step that suits the largest column is far too short for the others, and large inputs saturate or explode the first layer (course rows B01–B03)',
      advice: 'Standardize the inputs: model.preprocessing = new StandardScaler(), mean 0 and deviation 1, learned from the training data',
      change: { kind: 'standardizeInputs' },
      confidence: isLarge ? 0.9 : 0.6,
    };
  },
});

/** Targets whose size the last layer has to grow to. */
export const scaleOfTargets = rule({
  ids: ['unscaled-targets'],
  needs: ['start', 'data'],
  source: 'Course row B01',
  thresholds: { large: 200, suspicious: 10 },
  judge: ({ start, data }, { large, suspicious }) => {
    const { targets } = data;
    // A loss of probabilities is wrong for such targets, and the one that takes its place has to reach them.
    const isRead = start.reading === 'numbers' || (targets !== null && !targets.isWhole && targets.rms >= large);
    if (targets === null || targets.areIndices || !isRead || targets.rms < suspicious) return null;
    const isMild = targets.rms < large;
    // What an activation keeps from small targets is the activation's fault alone.
    if (isMild && start.lastActivation !== null && start.lastActivation !== 'relu') return null;
    return {
      id: 'unscaled-targets',
      verdict: isMild ? 'warning' : 'fault',
      isMild,
      ...(!isMild && { onlyBy: [] }),
      seen: `the targets go from ${short(targets.min)} to ${short(targets.max)}, and the model begins at ${short(start.outputs.mean)}`,
      why: 'The gradient of a squared error grows with the targets: either the first steps explode, or the last bias takes thousands of steps to get there',
      advice: `Train on (target − ${short(targets.mean)}) / ${short(targets.std || 1)}: new TargetScaler().fit(train) makes such data, and foldInto(model) undoes it in predictions`,
      change: { kind: 'standardizeTargets' },
      confidence: isMild ? 0.6 : 0.88,
    };
  },
});

/** A target or a few that lie far from all others. */
export const extremeTargets = rule({
  ids: ['extreme-target'],
  needs: ['data'],
  source: 'Huber 1964, Robust estimation of a location parameter',
  thresholds: {},
  judge: ({ data, validation }) => {
    const found = data.extremes ?? validation?.extremes ?? null;
    if (found === null) return null;
    const { rows, values, others } = found;
    const isOne = rows.length === 1;
    const where = `${data.extremes === null ? 'the validation data' : 'the data'} (rows count from 0)`;
    return {
      id: 'extreme-target',
      verdict: 'warning',
      seen: `${isOne ? 'one target is' : `${rows.length} targets are`} far from all others, which go from ${others.join(' to ')}: ${values.map((value, i) => `${value} in row ${rows[i]}`).join(', ')} of ${where}`,
      why: 'A squared error of such a target outweighs those of all other rows, at any learning rate, and mean and deviation follow it',
      advice: `If ${isOne ? 'it is a slip, mend it or leave its row' : 'they are slips, mend them or leave their rows'} out`,
      change: { kind: 'fixData', what: 'targets' },
      confidence: 0.8,
    };
  },
});

/** Classes that are missing, rare, alone, or not there. */
export const classes = rule({
  ids: ['one-class', 'missing-class', 'rare-class', 'labels-out-of-range'],
  needs: ['data'],
  source: 'Course row E28',
  thresholds: { rows: 4, looked: 10, perClass: 10, rarest: 5, few: 10, rare: 0.01, rareRows: 200 },
  judge: ({ data, start }, limits): Suspicion | null | (Suspicion | null)[] => {
    const { targets, counts } = data;
    if (targets === null) return null;
    const units = start?.shape.at(-1) ?? null;
    const readsIndices = targets.areIndices && start?.reading === 'scores of classes';
    if (targets.isConstant && data.length >= limits.rows && data.looked >= Math.min(data.length, limits.looked))
      return {
        id: 'one-class',
        verdict: 'fault',
        seen: `all targets are ${short(targets.min)}${targets.width > 1 ? ' … in every row the same' : ''}, over ${data.looked} examples that were looked at`,
        why: 'With one class or one value there is nothing to tell apart: any model is right at once, and useless',
        advice: 'Look how the labels were made: a division, a cast to whole numbers or a filter may have taken the others away',
        change: { kind: 'fixData', what: 'labels' },
        confidence: 0.97,
      };
    if (counts === null || units === null || !readsIndices) return [rareBinary(data, limits)];
    const outside = [...counts.keys()].filter((label) => label < 0 || label >= units);
    const found: Suspicion[] = [];
    if (outside.length > 0)
      found.push({
        id: 'labels-out-of-range',
        verdict: 'fault',
        seen: `class ${outside[0]} is among the labels, and the model gives scores for the classes 0 … ${units - 1}`,
        why: 'A class without a score has no loss (course row E28)',
        advice: outside.includes(units)
          ? `Labels that count from 1: subtract 1, or give the model ${units + 1} outputs`
          : `Give the model ${Math.max(...counts.keys()) + 1} outputs, or mend the labels`,
        change: outside.every((label) => label > 0)
          ? { kind: 'outputActivation', name: 'linear', units: Math.max(...counts.keys()) + 1 }
          : { kind: 'fixData', what: 'labels' },
        confidence: 0.97,
      });
    const missing = Array.from({ length: units }, (_, label) => label).filter((label) => !counts.has(label));
    // Where other classes have hardly an example either, one has none by chance.
    const rarest = Math.min(...counts.values());
    if (missing.length > 0 && units <= 100 && data.length >= limits.perClass * units && rarest >= limits.rarest)
      found.push({
        id: 'missing-class',
        verdict: 'warning',
        seen: `of the ${units} classes that the model has scores for, ${missing.slice(0, 5).join(', ')}${missing.length > 5 ? ' …' : ''} ${missing.length === 1 ? 'has' : 'have'} no example among ${data.length}`,
        why: 'What is never shown is never predicted; often data were split in the order of their classes, or labels are off by one (course row E28)',
        advice:
          missing.length === 1 && missing[0] === 0
            ? 'Labels that count from 1: subtract 1'
            : 'Shuffle before splitting, or give the model fewer outputs',
        change: { kind: 'fixData', what: 'classes' },
        confidence: 0.85,
      });
    const present = [...counts].filter(([label]) => label >= 0 && label < units);
    const rare = present.filter(([, count]) => count < (limits.rare * data.length * 2) / Math.max(2, units));
    if (rare.length > 0 && units <= limits.few && data.length >= limits.rareRows) found.push(rareClass(rare[0][0], rare[0][1], data.length));
    return found;
  },
});

function rareBinary({ targets, length }: DataFacts, limits: { readonly rare: number; readonly rareRows: number }): Suspicion | null {
  if (targets === null || targets.width !== 1 || !targets.isBinary || length < limits.rareRows) return null;
  const label = targets.mean < 0.5 ? 1 : 0;
  const share = Math.min(targets.mean, 1 - targets.mean);
  return share > 0 && share < limits.rare ? rareClass(label, Math.round(share * length), length) : null;
}

function rareClass(label: number, count: number, length: number): Suspicion {
  return {
    id: 'rare-class',
    verdict: 'warning',
    seen: `class ${label} has about ${count} of ${length} examples (${percent(count / length)})`,
    why: 'A model that never says this class is right nearly always, and its accuracy hides that',
    advice: `Weigh the classes in the loss, { classWeights: classWeights(train) } (this one by ${short(length / Math.max(1, count) / 2)}), and look at its recall instead of the accuracy`,
    change: { kind: 'fixData', what: 'class weights' },
    confidence: 0.75,
  };
}

/** A column that is the target in other words. */
export const leaks = rule({
  ids: ['target-leak'],
  needs: ['data'],
  source: 'Kaufman et al. 2012, Leakage in data mining',
  thresholds: { rows: 20, explained: 0.995 },
  judge: ({ data }, { rows, explained }) => {
    if (data.looked < rows || data.leak === null || data.leak.explained < explained) return null;
    // A truth table of few rows has such columns by nature, and so has a problem of one number.
    if (data.columns[data.leak.column].min === data.columns[data.leak.column].max) return null;
    const name = columnName(data, data.leak.column);
    return {
      id: 'target-leak',
      verdict: 'fault',
      seen: `column ${name} of the inputs gives the target away: alone it explains ${percent(data.leak.explained)} of its variance`,
      why: 'Such a column is usually made from the target, and will not be there when the model is used',
      advice: `Leave column ${name} out and train again; if it is known before the target is, keep it and do without the net`,
      change: { kind: 'fixData', what: `column ${name}` },
      confidence: 0.9,
    };
  },
});

/** Data in the order of their classes, or of their targets, that nobody shuffles. */
export const order = rule({
  ids: ['not-shuffled'],
  needs: ['data'],
  source: 'Bengio 2012, Practical recommendations, 3.1',
  thresholds: { rows: 50, changes: 0.1 },
  judge: ({ data, setup }, { rows, changes }) => {
    const { targets } = data;
    if (setup.shuffle !== false || targets === null || targets.isConstant || data.looked < rows || setup.batchSize >= data.length) return null;
    if (!targets.isWhole || targets.distinct > 32 || targets.changes > changes) return null;
    return {
      id: 'not-shuffled',
      verdict: 'fault',
      seen: 'the examples stand in the order of their classes, and `shuffle` is false',
      why: 'Each batch then teaches one class, and the next batches undo it',
      advice: 'Leave `shuffle` at true: a new order in every epoch',
      change: { kind: 'shuffle' },
      confidence: 0.95,
    };
  },
});
