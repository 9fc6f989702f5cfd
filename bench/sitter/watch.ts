// The sitter at work on a run: the one place of the bench that knows how it is asked.

import { type AnyDataset, type FitOptions, type Model, Sitter, TrainingNonFiniteError, preflight } from '../../lib/index.js';
import { NodegradError } from '../../lib/errors.js';
import type { Seen } from './trial.js';

/** What a sitter said, and what ended the run. */
export interface Watched {
  readonly findings: readonly Seen[];
  readonly error: NodegradError | null;
}

/** Trains with the sitter that `fit` brings along, or with none. Of a run that `fit` refuses, `preflight` says what is wrong. */
export async function watched(model: Model, data: AnyDataset, options: FitOptions, watches: boolean): Promise<Watched> {
  // As `fit` makes it, but that the bench lets an exploded run go on to its end.
  const sitter = new Sitter({ observe: false, stop: false });
  try {
    await model.fit(data, { ...options, sitter: watches && sitter });
    return { findings: wrong(sitter.findings), error: null };
  } catch (error) {
    if (!(error instanceof NodegradError)) throw error;
    if (!watches) return { findings: [], error };
    const isRefused = !(error instanceof TrainingNonFiniteError) && sitter.findings.length === 0;
    const { loss, optimizer, validation } = options;
    const findings = isRefused ? await preflight(model, data, { loss, optimizer, ...(validation && { validation }) }) : sitter.findings;
    return { findings: wrong(findings), error };
  }
}

const wrong = (findings: Sitter['findings']): Seen[] => findings.filter(({ verdict }) => verdict !== 'good');
