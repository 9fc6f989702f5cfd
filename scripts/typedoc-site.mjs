// The plugin of `npm run docs`: the reference follows the headings of lib/index.ts, the guides those of README, and names of other frameworks are found.
import { readFileSync } from 'node:fs';
import { Comment, CommentTag, Converter, IndexEvent } from 'typedoc';
import { aliasesOf, guidesOf, headingsOf, wordsOf } from './site-data.mjs';

const read = (path) => readFileSync(new URL(`../${path}`, import.meta.url), 'utf8');

const guideTitle = (heading) => `Guides: ${heading}`;
const errorTitle = guideTitle('Error codes');

/** The path of a document in the repository. */
const pathOf = (project, document) =>
  project.files
    .getReflectionPath(document)
    ?.replaceAll('\\', '/')
    .replace(/^.*\/(?=docs\/)/, '') ?? '';

export function load(app) {
  const [headings, guides, aliases] = [headingsOf(read('lib/index.ts')), guidesOf(read('README.md')), aliasesOf(read('docs/aliases.json'))];

  app.converter.on(
    Converter.EVENT_RESOLVE_END,
    ({ project }) => {
      for (const document of project.documents ?? []) {
        const path = pathOf(project, document);
        document.frontmatter.category = path.startsWith('docs/errors/') ? errorTitle : guideTitle(guides.get(path) ?? 'More');
      }
      for (const child of project.children ?? []) {
        const heading = headings.get(child.name);
        if (heading === undefined) app.logger.error(`lib/index.ts has no heading for ${child.name}`);
        const described = child.comment ?? child.signatures?.[0]?.comment;
        described?.blockTags.push(new CommentTag('@category', [{ kind: 'text', text: heading ?? 'Other' }]));
      }
      for (const [name, names] of aliases) {
        const reflection = project.getChildByName(name);
        if (reflection === undefined) {
          app.logger.error(`docs/aliases.json names ${name}, which is not exported`);
          continue;
        }
        const described = reflection.comment ?? reflection.signatures?.[0]?.comment ?? reflection.getSignature?.comment;
        const list = names.map((one) => `\`${one.name}\`${one.framework === '' ? '' : ` (${one.framework})`}`).join(', ');
        if (described instanceof Comment) described.summary.push({ kind: 'text', text: `\n\n*Elsewhere:* ${list}.` });
      }
      app.options.setValue('categoryOrder', [
        ...new Set([...[...guides.values()].map(guideTitle), guideTitle('More'), errorTitle, ...headings.values(), '*']),
      ]);
    },
    -150,
  );

  // Behind TypeDoc's own sorting into categories: guides stand in the order of README, names in that of lib/index.ts.
  app.converter.on(
    Converter.EVENT_RESOLVE_END,
    ({ project }) => {
      const order = new Map([...guides.keys(), ...headings.keys()].map((name, i) => [name, i]));
      const place = (child) => order.get(child.isDocument() ? pathOf(project, child) : child.name) ?? order.size;
      for (const { children } of project.categories ?? []) children.sort((a, b) => place(a) - place(b));
    },
    -300,
  );

  app.renderer.on(IndexEvent.PREPARE_INDEX, (event) => {
    const all = [...aliases.values()].flat().map(({ name }) => name);
    const words = new Map([...aliases].map(([name, names]) => [name, wordsOf(names, all)]));
    event.searchFieldWeights.aliases = 1000; // above names that begin alike: Dense is Linear before it is DenseNet
    event.searchResults.forEach((reflection, i) => {
      const found = words.get(reflection.getFullName());
      if (found !== undefined) event.searchFields[i] = { aliases: found };
    });
  });
}
