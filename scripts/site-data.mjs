// What the site, its search and the guide on other frameworks are made of: the headings of lib/index.ts and README, docs/aliases.json, docs/defaults.json.

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

/**
 * The words that the search finds a thing by: whole names, and their last parts. A name that is a part of others, as state_dict is of load_state_dict, stands there
 * more often, so that what is called so comes first.
 */
export const wordsOf = (names, all = []) =>
  names
    .flatMap(({ name }) => {
      const isPart = all.some((other) => other !== name && other.includes(name));
      return Array(isPart ? 4 : 1)
        .fill([name, name.replace(/\(.*/, '').replace(/^.*\./, '')])
        .flat();
    })
    .join(' ');

const columns = ['pytorch', 'keras', 'tfjs', 'others'];

/** Whether all names for it are its own but for capitals, underscores and the module before them: nobody need look these up. */
const isEqual = (row) => {
  const plain = (name) => name.replace(/^.*\./, '').replaceAll('_', '').toLowerCase();
  return row.shown === undefined && columns.flatMap((column) => row[column] ?? []).every((name) => plain(name) === plain(row.here));
};

/** The table of names that stands in the guide on other frameworks, under the headings of lib/index.ts. */
export function namesTable(text, headings) {
  const rows = JSON.parse(text);
  const equal = rows.filter(isEqual).map(({ here }) => `\`${here}\``);
  const lines = [
    `The same but for capitals and the module before it: ${equal.join(', ')}.`,
    '',
    '| PyTorch | Keras | tfjs | others | here |',
    '|---|---|---|---|---|',
  ];
  for (const heading of new Set(headings.values())) {
    const those = rows.filter((row) => headings.get(row.here.split('.')[0]) === heading && !isEqual(row));
    if (those.length > 0) lines.push(`| **${heading}** | | | | |`);
    for (const row of those) {
      const cells = columns.map((column) => (row[column] ?? []).map((name) => `\`${name}\``).join(', '));
      lines.push(`| ${cells.join(' | ')} | ${row.shown ?? `\`${row.here}\``} |`);
    }
  }
  return lines.join('\n');
}

/** The columns of docs/defaults.json that are not ours, and what they are called. */
export const frameworks = { pytorch: 'PyTorch', keras: 'Keras', tfjs: 'tfjs', jax: 'JAX, optax', sklearn: 'scikit-learn' };

const literals = { None: 'null', True: 'true', False: 'false' };

/**
 * What a cell says. `keras.optimizers.Adam(epsilon=1e-7)` is an option with its default; without `=` it has none and must be given; words behind the
 * call say it better than the value. A cell that is no call is words alone.
 */
export function cellOf(text) {
  const call = text.match(/^([\w.]+)\((\w+)(?:=(.+?))?\)(?: (.+))?$/);
  if (call === null) return { shown: text };
  const [, path, option, literal, words] = call;
  const value = literal === undefined ? undefined : JSON.parse((literals[literal] ?? literal).replace(/^\((.*)\)$/, '[$1]'));
  return { path, option, value, shown: words ?? (literal === undefined ? 'required' : typeof value === 'number' ? literal : String(value)) };
}

const number = (shown) => (/^-?[\d.]+(e-?\d+)?$/.test(shown) ? String(Number(shown)) : shown);

/** Where an option with a default has another name than here, as far as it is not plain: `rho`, but not `learning_rate` or `epsilon`. */
function nameOf({ option, value }, here) {
  const plain = { learningRate: 'lr', epsilon: 'eps', rate: 'p' };
  const name = option?.replace(/_(\w)/g, (_, letter) => letter.toUpperCase());
  return value === undefined || name === here || plain[name] === here ? '' : ` (\`${option}\`)`;
}

/** The tables of defaults of which one differs, under the headings of lib/index.ts; a framework that has none of the options has no column. */
export function defaultsTable(text, headings) {
  const rows = JSON.parse(text).map(({ default: name, here, ...others }) => {
    const cells = Object.fromEntries(Object.entries(others).map(([key, cell]) => [key, cellOf(cell)]));
    const values = new Set([here, ...Object.values(cells).map(({ shown }) => shown)].map(number));
    return { name, here, cells, differs: values.size > 1 };
  });
  return [...new Set(headings.values())]
    .map((heading) => {
      const those = rows.filter(({ name, differs }) => differs && headings.get(name.split(' ')[0]) === heading);
      const keys = Object.keys(frameworks).filter((key) => those.some(({ cells }) => cells[key] !== undefined));
      const cellsOf = ({ name, here, cells }) => [
        `\`${name}\``,
        `**${here}**`,
        ...keys.map((key) => (cells[key] === undefined ? '' : cells[key].shown + nameOf(cells[key], name.split(' ')[1]))),
      ];
      const line = (cells) => `| ${cells.join(' | ')} |`;
      const heads = [heading, 'nodegrad', ...keys.map((key) => frameworks[key])];
      return those.length === 0 ? '' : [line(heads), `|${'---|'.repeat(heads.length)}`, ...those.map((row) => line(cellsOf(row)))].join('\n');
    })
    .filter((table) => table !== '')
    .join('\n\n');
}

/** The guide on other frameworks with both tables made anew; `read` gives a file of the repository. */
export function comingFrom(read) {
  const headings = headingsOf(read('lib/index.ts'));
  const tables = {
    defaults: defaultsTable(read('docs/defaults.json'), headings),
    names: namesTable(read('docs/aliases.json'), headings),
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
