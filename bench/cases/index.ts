// All cases, in the order of the results page.

import type { BenchCase } from '../types.js';
import { gemmCases } from './gemm.js';
import { memoryCases } from './memory.js';
import { epochCases, mlpCases, startCases } from './mlp.js';
import { tinyCases } from './tiny.js';

/** Every case the runner knows. */
export const cases: BenchCase[] = [...mlpCases, ...epochCases, ...gemmCases, ...memoryCases, ...tinyCases, ...startCases];
