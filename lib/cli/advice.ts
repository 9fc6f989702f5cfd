// What the sitter found, as the command line tells it: advice in flags, and none that no flag can follow.

import type { Change, Finding } from '../sitter/finding.js';
import { type TrainOptions, optimizerNames } from './options.js';

/** What is seen, and what to try with which flag; where no flag helps, which page says more. */
export function inCommands({ seen, advice, change, id, text }: Finding, options: TrainOptions): string {
  if (advice === '') return text;
  const flags = change === null ? null : flagsOf(change, options);
  // Few images spoil the statistics of weights that have seen many.
  if (id === 'normalization-mode' && options.weights !== undefined && !options.freeze?.includes('norms'))
    return `${seen}. Try --freeze ${[...(options.freeze ?? []), 'norms'].join(',')}`;
  if (flags !== null) return `${seen}. Try ${flags}`;
  // Advice about data holds for everybody, that about code does not.
  return /[`(:{]|\bnew \b/.test(advice) || isOfCode(change) ? `${seen}. \`npx nodegrad explain ${id}\` says more` : text;
}

/** A change as flags; null where there are none. */
function flagsOf(change: Change, { model, hidden, epochs }: TrainOptions): string | null {
  switch (change.kind) {
    case 'learningRate':
      return `--lr ${change.value}`;
    case 'epochs':
      return `--epochs ${change.value}`;
    case 'batchSize':
      return `--batch-size ${change.value}`;
    case 'maxGradNorm':
      return `--max-grad-norm ${change.value}`;
    case 'weightDecay':
      return `--weight-decay ${change.value}`;
    case 'earlyStopping':
      return `--patience ${Math.max(2, Math.round(epochs / 10))}`;
    case 'widen':
      return model === 'mlp' ? `--hidden ${hidden.map((units) => Math.ceil(units * change.factor)).join(',')}` : null;
    case 'optimizer': {
      const name = optimizerNames.find((one) => one === change.name.toLowerCase());
      return name === undefined ? null : `--optimizer ${name} --lr ${change.lr}`;
    }
    case 'fixData':
      return change.what === 'class weights' ? '--class-weights balanced' : null;
    default:
      return null;
  }
}

/** Whether a change is one of the program: of layers, losses and first weights. */
const isOfCode = (change: Change | null): boolean => change !== null && change.kind !== 'fixData';
