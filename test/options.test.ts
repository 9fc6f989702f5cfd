// Options that are declared once: what a list reads, what it refuses, and what does not compile beside its interface.
import test from 'ava';
import { choice, flag, integer, needed, number, type OptionList, orNull, probability, readOptions } from '../lib/options.js';

interface NormOptions {
  /** Positive. */
  eps?: number;
  momentum?: number | null;
  mode?: 'batch' | 'group';
  affine?: boolean;
  groups?: number;
  features: number;
}

const list = {
  eps: [1e-5, number(0)],
  momentum: [0.1, orNull(probability)],
  mode: ['batch', choice(['batch', 'group'])],
  affine: [true, flag],
  groups: [undefined, integer(1)],
  features: [needed, integer(1, 100)],
} satisfies OptionList<NormOptions>;

test('a list gives every option once, defaults where nothing or undefined was given, and null where it is a value', (t) => {
  const defaults = { eps: 1e-5, momentum: 0.1, mode: 'batch', affine: true, groups: undefined, features: 3 };
  const read = (given: NormOptions) => readOptions(given, list);
  t.deepEqual(read({ features: 3 }) as object, defaults);
  t.deepEqual(read({ features: 3, eps: undefined, mode: undefined }) as object, defaults);
  const given = { eps: 0, momentum: null, mode: 'group', affine: false, groups: 2, features: 3 } as const;
  t.deepEqual(read(given) as object, given);
  // The types that follow: `groups` alone may be left out.
  const { eps, momentum, mode, affine, groups } = read(given);
  const typed: [number, number | null, 'batch' | 'group', boolean, number | undefined] = [eps, momentum, mode, affine, groups];
  t.is(typed.length, 5);
});

test('what is unknown, out of range, null without a meaning, or needed and not there is refused by its name', (t) => {
  const code = 'ERR_ARGUMENT';
  const read = (options: unknown) => () => readOptions(options as NormOptions, list);
  t.throws(read({}), { code, message: /integer from 1 to 100 for `options\.features`, received undefined/ });
  t.throws(read(undefined), { code, message: /options\.features/ });
  t.throws(read({ features: 3, eps: -1 }), { code, message: /`options\.eps`, received -1/ });
  t.throws(read({ features: 3, eps: null }), { code, message: /`options\.eps`, received null.*for its default/ });
  t.throws(read({ features: 3, groups: 0 }), { code, message: /`options\.groups`, received 0/ });
  t.throws(read({ features: 3, momentum: 2 }), { code, message: /`options\.momentum`, received 2/ });
  t.throws(read({ features: 3, mode: 'layer' }), { code, message: /one of 'batch', 'group' for `options\.mode`/ });
  t.throws(read({ features: 3, epsilon: 1 }), { code, message: /unknown option `epsilon`.*known: eps, momentum/ });
  t.throws(read(5), { code, message: /an options object/ });
});

test('a list that lacks an option, has one too many, or a default or a check of another type does not compile', (t) => {
  interface Two {
    a?: number;
    b?: boolean;
  }
  // @ts-expect-error b is missing
  const lacking = { a: [1, number()] } satisfies OptionList<Two>;
  // @ts-expect-error c is no option
  const more = { a: [1, number()], b: [true, flag], c: [1, number()] } satisfies OptionList<Two>;
  // @ts-expect-error a default that is no boolean
  const wrongDefault = { a: [1, number()], b: [1, flag] } satisfies OptionList<Two>;
  // @ts-expect-error a check of another type
  const wrongCheck = { a: [1, flag], b: [true, flag] } satisfies OptionList<Two>;
  // @ts-expect-error the same where it is read: c is no option
  const readMore = () => readOptions({} as Two, more);
  // @ts-expect-error b is missing
  const readLess = () => readOptions({} as Two, { a: [1, number()] });
  // @ts-expect-error b has a default of another type
  const readWrong = () => readOptions({} as Two, { a: [1, number()], b: [2, flag] });
  t.is([readMore, readLess, readWrong].length, 3);
  // @ts-expect-error the list of other options
  t.throws(() => readOptions({ b: true } as Two, lacking));
  t.is([lacking, more, wrongDefault, wrongCheck].length, 4);
});
