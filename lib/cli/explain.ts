// `nodegrad explain <topic>`: the page about an error code, or what the sitter means by a finding.

import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { InvalidArgumentError } from 'commander';
import { packageRoot } from '../installation.js';
import { Terminal, pairs } from './terminal.js';

/** A page or a section of one, in markdown. */
interface Topic {
  /** `ERR_SHAPE`, `dead-units`. */
  readonly name: string;
  /** What it is about, in a line. */
  readonly title: string;
  readonly text: string;
}

/** Everything that can be explained, errors first; empty where the documents are not beside the code. */
function topics(documents = join(packageRoot(), 'docs')): Topic[] {
  const [errors, findings] = [join(documents, 'errors'), join(documents, 'guides', 'findings.md')];
  if (!existsSync(errors) || !existsSync(findings)) return [];
  const pages = readdirSync(errors)
    .filter((file) => file.endsWith('.md'))
    .sort()
    .map((file) => {
      const text = readFileSync(join(errors, file), 'utf8').replace(/^---\n[\s\S]*?\n---\n+/, '');
      return { name: file.slice(0, -3), title: /^# \S+: (.*)$/m.exec(text)?.[1] ?? '', text };
    });
  const sections = [...readFileSync(findings, 'utf8').matchAll(/^### ([a-z-]+)\n([\s\S]*?)(?=^#|$(?![\s\S]))/gm)];
  return [...pages, ...sections.map(([text, name]) => ({ name, title: seenIn(text), text }))];
}

/** What a finding sees: a point of a list, which may go on over several lines. */
const seenIn = (text: string): string => (/\*\*Seen\*\*: (.*(?:\n {2}.*)*)/.exec(text)?.[1] ?? '').replace(/\s+/g, ' ');

/** The topic that is meant, in upper or lower case, `ERR_` left out or not. */
export function topicNamed(word: string): Topic {
  const all = topics();
  const wanted = word
    .trim()
    .toLowerCase()
    .replaceAll(/[_\s]+/g, '-');
  const found = all.find(({ name }) => [name, name.replace(/^ERR_/, '')].some((one) => one.toLowerCase().replaceAll('_', '-') === wanted));
  if (found !== undefined) return found;
  throw new InvalidArgumentError(
    all.length === 0 ? 'The pages are not beside this code.' : 'There is no page about it. Without a topic, explain lists all of them.',
  );
}

/** Prints a topic; without one, the list of them. */
export function explainCommand(topic: Topic | undefined): number {
  const terminal = new Terminal();
  if (topic === undefined) {
    const all = topics();
    const [errors, findings] = [all.filter(({ name }) => name.startsWith('ERR_')), all.filter(({ name }) => !name.startsWith('ERR_'))];
    const list = (some: readonly Topic[]) => pairs(some.map(({ name, title }) => [name, title] as const));
    terminal.print(
      terminal.style('bold', 'Error codes'),
      ...list(errors),
      '',
      terminal.style('bold', 'Findings of the sitter'),
      ...list(findings),
    );
    return 0;
  }
  terminal.print(...readable(topic.text).map((line) => (line.startsWith('#') ? terminal.style('bold', line.replace(/^#+ /, '')) : line)));
  return 0;
}

/** Markdown as a terminal shows it: blocks of code indented, no comments, and the words of links without their addresses. */
function readable(text: string): string[] {
  const [lines, state] = [[] as string[], { isCode: false }];
  for (const line of text
    .replace(/<!--[\s\S]*?-->\n?/g, '')
    .trim()
    .split('\n')) {
    if (line.startsWith('```')) state.isCode = !state.isCode;
    else if (state.isCode) lines.push(`    ${line}`.trimEnd());
    else lines.push(line.replace(/\[([^\]]+)\]\([^)]*\)/g, '$1').replaceAll('**', ''));
  }
  return lines;
}
