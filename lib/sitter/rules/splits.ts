// Rules of training beside validation data.

import { type Suspicion, percent, rule, short } from '../evidence.js';

/** Examples in both parts, another scale, other classes. */
export const splits = rule({
  ids: ['overlap-of-splits', 'validation-differs'],
  needs: ['splits', 'data'],
  source: 'Course row L01',
  thresholds: { rows: 10, overlap: 0.1, scale: 5, shift: 5, classes: 0.6 },
  judge: ({ splits: facts, data, validation }, limits) => {
    if (facts.looked < limits.rows) return null;
    const found: Suspicion[] = [];
    if (facts.overlap >= limits.overlap)
      found.push({
        id: 'overlap-of-splits',
        verdict: 'fault',
        seen: `about ${percent(facts.overlap)} of the validation examples are training examples as well`,
        why: 'Scores on examples that were trained on say nothing of new ones (course row L01)',
        advice: 'Split once, before anything else, and take examples that repeat themselves into one part: split(data, …)',
        change: { kind: 'fixData', what: 'overlap of the parts' },
        confidence: 0.95,
      });
    const isOther = facts.scale >= limits.scale || facts.scale <= 1 / limits.scale || facts.shift >= limits.shift;
    if (isOther && data.inputs !== null && validation?.inputs)
      found.push({
        id: 'validation-differs',
        verdict: 'fault',
        seen: `training inputs go from ${short(data.inputs.min)} to ${short(data.inputs.max)}, those of validation from ${short(validation.inputs.min)} to ${short(validation.inputs.max)}`,
        why: 'What is done to the inputs has to be done to both parts alike, with the numbers of the training data',
        advice: 'Set model.preprocessing, which fit learns from the training data and uses everywhere',
        change: { kind: 'fixData', what: 'scale of the validation data' },
        confidence: 0.93,
      });
    else if (facts.classes >= limits.classes && (validation?.length ?? 0) >= 2 * limits.rows)
      found.push({
        id: 'validation-differs',
        verdict: 'fault',
        seen: `the classes of validation are others than those of training: ${percent(facts.classes)} of their shares differ`,
        why: 'Data in the order of their classes, cut at the end, leave classes in one part that the other has never seen (course row L01)',
        advice: 'Shuffle before splitting, or split by class',
        change: { kind: 'shuffle' },
        confidence: 0.93,
      });
    return found;
  },
});
