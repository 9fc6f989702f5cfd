// The one list of rules, in the order in which causes go before what they cause.

import type { Rule } from '../evidence.js';
import { classes, columns, extremeTargets, leaks, nonFiniteData, order, sameInputs, scaleOfInputs, scaleOfTargets } from './data.js';
import { fewSteps, overfitting, shortfall } from './fit.js';
import { denormals } from './denormals.js';
import { dropout, normalization } from './modes.js';
import { activationAndLoss, numbersAsProbabilities, outputAndTargets, reach } from './pairing.js';
import { memorizing, meaningless } from './data-and-net.js';
import { explosion, lateFall, longMemory, longSteps, nonFinite, overshoot, swings } from './lr.js';
import { clippedAway, heldDown, onTheWay, shortReach, shortSteps } from './slow.js';
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
  sameInputs,
  classes,
  scaleOfInputs,
  scaleOfTargets,
  extremeTargets,
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
  overshoot,
  heldDown,
  clippedAway,
  shortReach,
  shortSteps,
  swings,
  nonFinite,
  denormals,
  lateFall,
  deadUnits,
  saturatedUnits,
  gradients,
  standstill,
  meaningless,
  overfitting,
  memorizing,
  onTheWay,
  shortfall,
]);
