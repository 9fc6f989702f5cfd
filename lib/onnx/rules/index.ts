// The one list of rules: what an operation of nodegrad is in ONNX.

import { elementwiseRules } from './elementwise.js';
import { imageRules } from './images.js';
import { normRules } from './norms.js';
import type { Rules } from './rule.js';
import { sequenceRules } from './sequences.js';
import { shapeRules } from './shapes.js';

/** Rules by the names of operations in native/ops/ops.def; `view` for a tensor on the memory of another. */
export const rules: Rules = { ...elementwiseRules, ...imageRules, ...normRules, ...sequenceRules, ...shapeRules };
