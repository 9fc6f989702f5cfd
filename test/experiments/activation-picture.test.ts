// The picture of the experiment: one SVG that stands alone, with a panel for each layer and the figures that were measured.
import test from 'ava';
import { ArgumentError, activationExperiment, activationPicture } from '../../lib/index.js';

const experiment = activationExperiment({ layers: 4, features: 30, examples: 40 });

test('a row has its title, a remark and four panels with standard deviations and gradients', (t) => {
  const svg = activationPicture([
    { title: 'tanh & <Xavier>', remark: 'as it should be', experiment },
    { title: 'once more', experiment },
  ]);
  t.true(svg.startsWith('<svg xmlns="http://www.w3.org/2000/svg"'));
  t.regex(svg, /What first weights do to 4 layers of 30 units.*40 unit normal inputs/s);
  t.regex(svg, /tanh &amp; &lt;Xavier&gt;/);
  t.regex(svg, /as it should be/);
  for (let layer = 1; layer <= 4; layer++) t.regex(svg, new RegExp(`>layer ${layer}<`));
  for (const { std } of experiment.layers) t.true(svg.includes(`>${Number(std.toPrecision(3))}<`), `${std}`);
  t.notRegex(svg, /href|url\(|<script|<image/, 'it refers to nothing');
  t.notRegex(svg, /NaN|undefined|Infinity/);
  t.is(svg.split('<').length, svg.split('>').length);
  t.is(activationPicture([{ title: 'a', experiment }]), activationPicture([{ title: 'a', experiment }]));
});

test('what is no row is refused', (t) => {
  const refused: [() => unknown, RegExp][] = [
    [() => activationPicture([]), /1 to 12 rows/],
    [() => activationPicture({} as never), /an array of titles/],
    [() => activationPicture([{ title: 'x' } as never]), /a title and what activationExperiment\(\) gave/],
    [() => activationPicture([{ title: 'x', experiment }], { heading: 'y' } as never), /unknown option `heading`/],
    [
      () =>
        activationPicture([
          { title: 'x', experiment },
          { title: 'y', experiment: activationExperiment({ layers: 2, features: 5, examples: 5 }) },
        ]),
      /different numbers of layers/,
    ],
  ];
  for (const [call, message] of refused) t.throws(call, { instanceOf: ArgumentError, message });
});
