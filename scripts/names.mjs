// `npm run names` writes the tables of names and defaults in docs/guides/coming-from.md anew, from docs/aliases.json and docs/defaults.json.
import { readFileSync, writeFileSync } from 'node:fs';
import { comingFrom } from './site-data.mjs';

const at = (path) => new URL(`../${path}`, import.meta.url);
writeFileSync(
  at('docs/guides/coming-from.md'),
  comingFrom((path) => readFileSync(at(path), 'utf8')),
);
