// What the bench tries the sitter on: a program, what is wrong with it, and the form that works.

import type { FindingId } from '../../lib/sitter/finding.js';
import type { Program } from './program.js';

/** One thing that is wrong with a program, and the findings that name it. */
export interface Fault {
  readonly name: string;
  readonly accepts: readonly FindingId[];
}

/** A program to judge the sitter by. */
export interface Case {
  readonly id: string;
  /** `'doubtful'`: its source calls it faulty, and those who ran it do not agree. */
  readonly truth: 'sick' | 'healthy' | 'doubtful';
  readonly program: Program;
  /** The cause first; empty for a healthy program. */
  readonly faults: readonly Fault[];
  /** The form that works; null where nothing is known to. */
  readonly healthy: Program | null;
  /** A program that somebody has published, and not one that was made. */
  readonly isReal?: true;
  /** Of several faults: the healthy program with each of them alone. */
  readonly parts?: readonly Program[];
  /** How the sickness shows: by wrong answers (default), by a worse loss on the test, or by a validation score that is too good to be true. */
  readonly shows?: 'score' | 'loss' | 'report';
}
