// The documents of the packed copy: pictures stay in the repository, and so do some of the files that documents link to. A picture that is not packed becomes
// the text that says what one sees, a link that would lead nowhere its words.
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

const piece = /```[\s\S]*?```|`[^`\n]*`|(!?)\[((?:[^\]`]|`[^`\n]*`)*)\]\((?!https?:|#)([^)#\s]+)(?:#[^)]*)?\)/g;

/** The text of a document, in which every picture and every link leads to a file for which `isThere` holds. */
export function withoutDeadEnds(text, isThere) {
  return text.replace(piece, (whole, mark, words, target) => {
    if (target === undefined || isThere(decodeURI(target))) return whole;
    return mark === '!' ? `*Picture: ${words}*` : words;
  });
}

/** Does it to all documents of a folder, in place. */
export function mendDocuments(folder) {
  for (const name of readdirSync(folder, { recursive: true }).filter((one) => one.endsWith('.md'))) {
    const path = join(folder, name);
    writeFileSync(
      path,
      withoutDeadEnds(readFileSync(path, 'utf8'), (target) => existsSync(join(dirname(path), target))),
    );
  }
}
