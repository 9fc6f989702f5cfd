// The rule of numbers so small that processors slow down over them.

import { percent, rule } from '../evidence.js';

/** Many denormal numbers, on a processor that is slow over them. */
export const denormals = rule({
  ids: ['denormal-numbers'],
  needs: ['now'],
  source: 'IEEE 754-2019, 3.3; measured on Granite Rapids: a product of 256 rows takes 215 times as long where an operand is denormal',
  thresholds: { share: 0.01 },
  judge: ({ now }, { share }) => {
    if (now.denormals === null || !now.denormals.isSlow || now.denormals.share < share) return null;
    return {
      id: 'denormal-numbers',
      verdict: 'warning',
      isApart: true,
      seen: `${percent(now.denormals.share)} of ${now.denormals.place} are denormal numbers: below 1.2e-38, and not 0`,
      why: 'This processor takes many times as long over them; to training they are as good as 0',
      advice: 'Call setFlushDenormals(true) before training, or scale what is so small',
      change: null,
      confidence: 0.9,
    };
  },
});
