// What the site, its search and the guide on other frameworks are made of: the headings of lib/index.ts and README, and docs/aliases.json.

/** Heading of each exported name, in the order of lib/index.ts. */
export function headingsOf(contents) {
  const headings = new Map();
  for (const section of contents.split(/^\/\/ ---- /m).slice(1)) {
    const heading = section.slice(0, section.indexOf(' ----'));
    for (const [, names] of section.matchAll(/^export (?:type )?\{([^}]*)\}/gm)) {
      for (const name of names.split(',').map((one) => one.trim()))
        if (name !== '') headings.set(name.replace(/^type /, '').replace(/^.* as /, ''), heading);
    }
  }
  return headings;
}

/** Heading of each guide, in the order of README's list of them. */
export function guidesOf(readme) {
  const list = readme.slice(readme.indexOf('\n## Learn\n')).split('\n## ')[1];
  const guides = new Map();
  for (const [, heading, links] of list.matchAll(/^- \*\*(.*?)\*\*: (.*)$/gm)) {
    for (const [, path] of links.matchAll(/\]\((docs\/guides\/[^)#]+)\)/g)) if (!guides.has(path)) guides.set(path, heading);
  }
  return guides;
}

/** Names of other frameworks, by the name here. */
export function aliasesOf(text) {
  const frameworks = { pytorch: 'PyTorch', keras: 'Keras', tfjs: 'tfjs', others: '' };
  return new Map(
    JSON.parse(text).map(({ here, ...names }) => [
      here,
      Object.entries(frameworks).flatMap(([key, framework]) => (names[key] ?? []).map((name) => ({ name, framework }))),
    ]),
  );
}

/** The words that the search finds a thing by: whole names, and their last parts. */
export const wordsOf = (names) => names.flatMap(({ name }) => [name, name.replace(/\(.*/, '').replace(/^.*\./, '')]).join(' ');

const columns = ['pytorch', 'keras', 'tfjs', 'others'];

/** The table of names that stands in the guide on other frameworks, under the headings of lib/index.ts. */
export function namesTable(text, headings) {
  const rows = JSON.parse(text);
  const lines = ['| PyTorch | Keras | tfjs | others | here |', '|---|---|---|---|---|'];
  for (const heading of new Set(headings.values())) {
    const those = rows.filter(({ here }) => headings.get(here.split('.')[0]) === heading);
    if (those.length > 0) lines.push(`| **${heading}** | | | | |`);
    for (const row of those) {
      const cells = columns.map((column) => (row[column] ?? []).map((name) => `\`${name}\``).join(', '));
      lines.push(`| ${cells.join(' | ')} | \`${row.here}\` |`);
    }
  }
  return lines.join('\n');
}

/** The table of defaults that stands there, too. */
export function defaultsTable(text) {
  const rows = JSON.parse(text).map((row) => `| ${[`\`${row.default}\``, row.pytorch, row.keras, row.tfjs, `**${row.here}**`].join(' | ')} |`);
  return ['| | PyTorch | Keras | tfjs | nodegrad |', '|---|---|---|---|---|', ...rows].join('\n');
}

/** The guide on other frameworks with both tables made anew; `read` gives a file of the repository. */
export function comingFrom(read) {
  const tables = {
    defaults: defaultsTable(read('docs/defaults.json')),
    names: namesTable(read('docs/aliases.json'), headingsOf(read('lib/index.ts'))),
  };
  return Object.entries(tables).reduce(
    (page, [name, table]) =>
      page.replace(
        new RegExp(`(<!-- ${name} -->\\n\\n)[\\s\\S]*?(\\n\\n<!-- end of ${name} -->)`),
        (_, begin, end) => `${begin}${table}${end}`,
      ),
    read('docs/guides/coming-from.md'),
  );
}
