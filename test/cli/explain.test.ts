// Proves lib/cli/explain.ts as a user meets it: a page by its code, a finding by its id, the list of both, and a word that is neither.

import test from 'ava';
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { readTree } from '../helpers/sources.js';

const main = fileURLToPath(new URL('../../lib/cli/main.js', import.meta.url));
const explain = (...words: string[]) => spawnSync(process.execPath, [main, 'explain', ...words], { encoding: 'utf8' });
const tree = readTree();

test('explain prints the page of an error code, in any spelling of it, without marks of markdown', (t) => {
  const { status, stdout } = explain('ERR_SHAPE');
  t.is(status, 0);
  t.regex(stdout, /^ERR_SHAPE: shapes do not fit together\n\n/);
  t.regex(stdout, /put a Flatten layer before this one/);
  t.notRegex(stdout, /<!--|\]\(|^title:/m);
  for (const word of ['err_shape', 'shape', 'err-shape']) t.is(explain(word).stdout, stdout);
});

test('explain prints what the sitter means by a finding, and nothing of the next one', (t) => {
  const { status, stdout } = explain('dead-units');
  t.is(status, 0);
  t.regex(stdout, /^dead-units\n\n- Seen: .*\n- Why: .*\n- Try: .*\n- Silent: .*\n$/);
  t.is(explain('dead units').stdout, stdout, 'as the lines of a run write it');
});

test('without a topic, explain lists every page and every finding with a line', (t) => {
  const { status, stdout } = explain();
  t.is(status, 0);
  const ids = [...(tree.get('docs/guides/findings.md') ?? '').matchAll(/^### (.*)$/gm)].map(([, id]) => id);
  const codes = [...tree.keys()].flatMap((path) => /^docs\/errors\/(.*)\.md$/.exec(path)?.[1] ?? []);
  t.true(ids.length > 40 && codes.length > 10);
  for (const name of [...codes, ...ids]) t.regex(stdout, new RegExp(`^  ${name} +\\S`, 'm'));
  t.notRegex(stdout, /; or$/m, 'a sentence goes on to its end');
});

test('a word that has no page ends with exit code 2 and the way to the list', (t) => {
  const { status, stderr } = explain('nothing');
  t.is(status, 2);
  t.regex(stderr, /no page about it\. Without a topic, explain lists all/);
});
