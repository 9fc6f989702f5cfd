// The one list of operators of ONNX that run here.

import type { Steps } from '../held.js';
import { attentionSteps } from './attention.js';
import { elementwiseSteps } from './elementwise.js';
import { imageSteps } from './images.js';
import { productSteps } from './products.js';
import { shapeSteps } from './shapes.js';

/** What runs an operator, by its name; those with weights in layers are in layers.ts. */
export const steps: Steps = { ...elementwiseSteps, ...imageSteps, ...productSteps, ...shapeSteps, ...attentionSteps };
