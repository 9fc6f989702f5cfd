// A process that judges the cases that it is sent, one at a time: a case that ends it takes no other with it.

import type { Case } from './cases.js';
import type { Change } from '../../lib/sitter/finding.js';
import { healingAlone } from './alone.js';
import { type JudgeOptions, type Verdict, judge } from './judge.js';

/** What a child is sent. */
export interface Order {
  readonly one: Case;
  readonly options: JudgeOptions;
  /** Which single changes heal it is asked, and nothing else. */
  readonly asksAlone?: boolean;
}

/** What it answers. */
export type Answer = { readonly verdict: Verdict } | { readonly healing: readonly Change[] } | { readonly failure: string };

process.on('message', ({ one, options, asksAlone }: Order) => {
  const answer: Promise<Answer> = asksAlone
    ? healingAlone(one, options.limit).then((healing) => ({ healing }))
    : judge(one, options).then((verdict) => ({ verdict }));
  answer.then(
    (found) => process.send?.(found),
    (error: Error) => process.send?.({ failure: error.stack ?? error.message } satisfies Answer),
  );
});
process.on('disconnect', () => process.exit());
