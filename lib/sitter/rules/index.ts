// The one list of rules, in the order in which causes go before what they cause.

import type { Rule } from '../evidence.js';
import { classes, columns, leaks, nonFiniteData, order, scaleOfInputs, scaleOfTargets } from './data.js';
import { fewSteps, overfitting, shortfall } from './fit.js';
import { dropout, normalization } from './modes.js';
import { activationAndLoss, numbersAsProbabilities, outputAndTargets, reach } from './pairing.js';
import { explosion, lateFall, longMemory, longSteps, nonFinite, shortSteps, swings } from './lr.js';
import { splits } from './splits.js';
import { bottleneck, firstLoss, heldAndReached, sizeOfWeights, straightness, symmetry } from './start.js';
import { deadUnits, gradients, saturatedUnits, standstill } from './activity.js';

/** All rules. */
export const rules: readonly Rule[] = Object.freeze([
  activationAndLoss,
  outputAndTargets,
  numbersAsProbabilities,
  reach,
  nonFiniteData,
  classes,
  scaleOfInputs,
  scaleOfTargets,
  leaks,
  splits,
  order,
  columns,
  heldAndReached,
  symmetry,
  sizeOfWeights,
  straightness,
  bottleneck,
  dropout,
  normalization,
  firstLoss,
  fewSteps,
  explosion,
  longMemory,
  longSteps,
  shortSteps,
  swings,
  nonFinite,
  lateFall,
  deadUnits,
  saturatedUnits,
  gradients,
  standstill,
  overfitting,
  shortfall,
]);
