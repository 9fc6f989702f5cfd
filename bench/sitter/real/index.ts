// Forty-eight real programs, rebuilt from their facts with data of the same shape: fewer rows, narrower convolutions and fewer epochs where the
// fault is the same. Each has the number by which lists of sick runs know it.

import type { Case } from '../cases.js';
import { realHealthy } from './healthy.js';
import { firstSick } from './sick-1.js';
import { secondSick } from './sick-2.js';

/** Faulty programs, and programs that work. */
export const real: readonly Case[] = [...firstSick, ...secondSick, ...realHealthy];
