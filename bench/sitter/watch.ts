// The sitter at work on a run: the one place of the bench that knows how it is asked.

import { type AnyDataset, type FitOptions, type Model, Sitter } from '../../lib/index.js';
import type { FindingId } from '../../lib/sitter/finding.js';
import type { Seen } from './trial.js';

/** Which of the stable names each thing that the first sitter looks at has. */
const names: Readonly<Record<string, (text: string) => FindingId>> = {
  'initial loss': () => 'initial-loss',
  'dead units': () => 'dead-units',
  'update ratio': (text) => (text.includes('Too large') ? 'learning-rate-too-high' : 'learning-rate-too-low'),
  explosion: () => 'loss-exploded',
};

/** Trains, with a sitter or without, and gives what it said. */
export async function watched(model: Model, data: AnyDataset, options: FitOptions, watches: boolean): Promise<Seen[]> {
  if (!watches) {
    await model.fit(data, options);
    return [];
  }
  const sitter = new Sitter({ stop: false });
  const seen = (): Seen[] =>
    sitter.findings
      .filter(({ verdict }) => verdict !== 'good')
      .map(({ about, epoch, text }) => ({ id: names[about](text), epoch, text, change: null, symptoms: [] }));
  try {
    await model.fit(data, { ...options, callbacks: [...(options.callbacks ?? []), sitter] });
  } catch (error) {
    throw Object.assign(error as Error, seen().length > 0 && { findings: seen() });
  }
  return seen();
}
