// Runs the TypeScript blocks of a document, each as a program of its own, in a folder that has what the blocks read.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { pathToFileURL } from 'node:url';
import ts from 'typescript';
import { root } from './sources.js';

/** One block, and what the comment above it says of running it. */
export interface Block {
  /** Line of its first line in the document, from 1. */
  readonly line: number;
  readonly code: string;
  /** Why it is not run, from `<!-- not run: … -->`; null where it is. */
  readonly notRun: string | null;
  /** The message that it must end with, from the block of text below `<!-- throws -->`; null where it must not throw. */
  readonly throws: string | null;
}

/** The blocks of a document. The comment stands on the line above the block; the message of an error in a block of text under it. */
export function blocksToRun(text: string): Block[] {
  const pattern = /(?:^<!-- (not run: [^>]*|throws) -->\n)?^```ts\n([\s\S]*?)^```\n(?:\n^```text\n([\s\S]*?)^```\n)?/gm;
  return [...text.matchAll(pattern)].map((match) => {
    const [whole, mark, code, message] = match;
    const before = text.slice(0, match.index + whole.indexOf('```ts'));
    return {
      line: before.split('\n').length + 1,
      code,
      notRun: mark?.startsWith('not run: ') ? mark.slice('not run: '.length) : null,
      throws: mark === 'throws' ? (message ?? '').trimEnd() : null,
    };
  });
}

/** What a block did: null where it ended, the error's code and message where it threw. */
interface Outcome {
  readonly code: string | null;
  readonly message: string;
}

// Runs one block after the other in one process. Numbers that are in force for the whole process are those of its start again.
const child = `
  import { setFlushDenormals, setReproducible, setSeed } from 'nodegrad';
  const outcomes = [];
  for (const url of JSON.parse(process.argv[2])) {
    setSeed(0);
    setReproducible(false);
    setFlushDenormals(false);
    try {
      await import(url);
      outcomes.push(null);
    } catch (error) {
      outcomes.push({ code: error?.code ?? null, message: String(error?.message ?? error) });
    }
  }
  process.stderr.write('\\u0000' + JSON.stringify(outcomes));
  process.exit(0);
`;

/** What the blocks of a document did: a line for each that does not do what it should, and all that they printed. */
export interface PageRun {
  readonly problems: string[];
  readonly printed: string;
}

/** Runs the blocks of a document in an empty folder that `furnish` may put files into. */
export async function runBlocks(path: string, blocks: readonly Block[], furnish: (folder: string) => void = () => undefined): Promise<PageRun> {
  const run = blocks.filter(({ notRun }) => notRun === null);
  if (run.length === 0) return { problems: [], printed: '' };
  // Inside of the repository, where the package finds itself by its name.
  const programs = join(root, 'dist', 'documents', path.replace(/\W+/g, '-'));
  mkdirSync(programs, { recursive: true });
  const folder = mkdtempSync(join(tmpdir(), 'nodegrad-documents-'));
  try {
    furnish(folder);
    const urls = run.map(({ code, line }) => {
      const file = join(programs, `${line}.mjs`);
      const options = { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext };
      writeFileSync(file, ts.transpileModule(code, { compilerOptions: options }).outputText);
      return pathToFileURL(file).href;
    });
    const main = join(programs, 'main.mjs');
    writeFileSync(main, child);
    const running = spawn(process.execPath, [main, JSON.stringify(urls)], { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] });
    const [printed, errors, [code, signal]] = await Promise.all([text(running.stdout), text(running.stderr), once(running, 'close')]);
    const at = errors.indexOf('\u0000');
    if (at < 0) return { problems: [`${path}: the blocks ended early (${signal ?? code}): ${errors.slice(-2000)}`], printed };
    const outcomes = JSON.parse(errors.slice(at + 1)) as (Outcome | null)[];
    return { problems: run.flatMap((block, i) => problemOf(`${path}:${block.line}`, block, outcomes[i], folder)), printed };
  } finally {
    rmSync(folder, { recursive: true, force: true });
    rmSync(programs, { recursive: true, force: true });
  }
}

/** What is wrong with an outcome. In the message that is shown, the folder is left out, and `…` stands for anything. */
function problemOf(place: string, { throws }: Block, outcome: Outcome | null, folder: string): string[] {
  if (throws === null) return outcome === null ? [] : [`${place} throws ${outcome.code}: ${outcome.message}`];
  if (outcome === null) return [`${place} does not throw`];
  const came = `${outcome.code}: ${outcome.message}`.replaceAll(`${folder}/`, '').replaceAll(folder, '.');
  const pattern = throws.split('…').map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  return new RegExp(`^${pattern.join('[\\s\\S]*')}$`).test(came) ? [] : [`${place} throws another error\n${came}`];
}
