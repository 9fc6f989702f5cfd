// A process that judges the cases that it is sent, one at a time: a case that ends it takes no other with it.

import type { Case } from './cases.js';
import { type JudgeOptions, type Verdict, judge } from './judge.js';

/** What a child is sent. */
export interface Order {
  readonly one: Case;
  readonly options: JudgeOptions;
}

/** What it answers. */
export type Answer = { readonly verdict: Verdict } | { readonly failure: string };

process.on('message', ({ one, options }: Order) => {
  judge(one, options).then(
    (verdict) => process.send?.({ verdict } satisfies Answer),
    (error: Error) => process.send?.({ failure: error.stack ?? error.message } satisfies Answer),
  );
});
process.on('disconnect', () => process.exit());
