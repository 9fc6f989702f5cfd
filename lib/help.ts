// Where more is said about an error: the page of its code, which comes with the package.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { packageRoot } from './installation.js';

const pages = join(packageRoot(), 'docs', 'errors');

/** The page about a code, or the command that prints it; undefined for a code that is not nodegrad's. */
export function helpFor(code: string): string | undefined {
  if (!existsSync(pages)) return `npx nodegrad explain ${code}`; // a bundle, which leaves documents behind
  const page = join(pages, `${code}.md`);
  return existsSync(page) ? pathToFileURL(page).href : undefined;
}
