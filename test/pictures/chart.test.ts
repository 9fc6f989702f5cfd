// Charts: every number has its place, text is escaped, and what cannot be drawn is refused.
import test from 'ava';
import { ArgumentError, type ChartPanel, chart, plotText } from '../../lib/index.js';

const panel = (more: Partial<ChartPanel> = {}): ChartPanel => ({
  title: 'loss',
  xLabel: 'epoch',
  yLabel: 'value',
  series: [{ name: 'training', x: [1, 2, 3, 4], y: [4, 2, 1, 0] }],
  ...more,
});

/** The points of the first curve. */
function points(svg: string): [number, number][] {
  const path = / d="(M[^"]*)"/.exec(svg)?.[1] ?? '';
  return path.split(/[ML]/).slice(1).map((pair) => pair.split(' ').map(Number) as [number, number]); // biome-ignore format: one line
}

test('a curve goes through its points, on linear and on logarithmic axes', (t) => {
  const linear = points(chart([panel()]));
  t.is(linear.length, 4);
  t.true(Math.abs(linear[1][0] - linear[0][0] - (linear[3][0] - linear[2][0])) < 0.2, 'equal steps across');
  t.true(Math.abs((linear[3][1] - linear[0][1]) / (linear[1][1] - linear[0][1]) - 2) < 0.01, 'down from 4 to 0 is twice as far as to 2');
  const series = [{ name: 'powers', x: [0.01, 1, 100], y: [1, 10, 1000] }];
  const log = points(chart([panel({ series, xScale: 'log', yScale: 'log' })]));
  t.true(Math.abs(log[1][0] - log[0][0] - (log[2][0] - log[1][0])) < 0.2, 'equal quotients across');
  t.true(Math.abs((log[2][1] - log[1][1]) / (log[1][1] - log[0][1]) - 2) < 0.01, 'and up');
});

test('what is not finite leaves a gap, and what leaves the range is cut', (t) => {
  const series = [{ name: 'a', x: [1, 2, 3, 4, 5], y: [1, Number.NaN, 3, Number.POSITIVE_INFINITY, 2] }];
  const svg = chart([panel({ series })]);
  t.is(/ d="([^"]*)"/.exec(svg)?.[1].match(/M/g)?.length, 3);
  t.notRegex(svg, /NaN|Infinity|undefined/);
  t.notRegex(chart([panel({ series: [] })]), /NaN|Infinity|undefined/);
  t.notRegex(chart([panel({ series: [{ name: 'one', x: [3], y: [7] }], xScale: 'log' })]), /NaN|Infinity|undefined/);
  t.regex(chart([panel({ yRange: [0, 1] })]), /clipPath/);
});

test('texts are escaped, and marks and remarks stand in the picture', (t) => {
  const svg = chart([panel({ title: '<b>&"', remark: 'a < b', marks: [{ x: 2, name: 'here > there' }] })], { title: '</svg><script>' });
  t.notRegex(svg, /<script>|<b>/);
  t.regex(svg, /&lt;b&gt;&amp;&quot;/);
  t.regex(svg, /here &gt; there/);
  t.regex(svg, /a &lt; b/);
  t.is(svg.match(/<svg/g)?.length, 1);
  const odd = chart([panel({ title: 'a\0b\x1Bc\uD800d\uFFFFe' })]);
  t.true(odd.includes('a\uFFFDb\uFFFDc\uFFFDd\uFFFDe'));
});

test('panels that are none are refused', (t) => {
  const refused = (panels: unknown, message: RegExp, options = {}): void => {
    t.throws(() => chart(panels as never, options), { instanceOf: ArgumentError, message });
  };
  refused([], /1 to 24 panels/);
  refused(7, /panels/);
  refused([null], /panels/);
  refused([{}], /panels\.title/);
  refused([panel({ xScale: 'cubic' as never })], /panels\.xScale/);
  refused([panel({ yRange: [1, 0] })], /panels\.yRange/);
  refused([panel({ series: [{ name: 'a', x: [1], y: [1, 2] }] })], /1 numbers for `panels\.series\.y`/);
  refused([panel({ series: [null as never] })], /panels\.series/);
  refused([panel({ series: [{ name: 'a', x: [Symbol() as never], y: [1] }] })], /numbers for `panels\.series\.x`/);
  refused([panel({ series: [{ name: 'a', x: new Array(1), y: [1] }] })], /numbers for `panels\.series\.x`/);
  refused([panel({ marks: [null as never] })], /panels\.marks/);
  refused([panel({ remark: 5 as never })], /panels\.remark/);
  refused([panel({ series: new Array(13).fill({ name: 'a', x: [], y: [] }) })], /at most 12/);
  refused([panel()], /options\.columns/, { columns: 9 });
});

test('a panel as text has the curve, both ends of the axes and the legend, and is as wide as asked', (t) => {
  const lines = plotText(panel(), 40, 5);
  t.is(lines[0], 'loss: value');
  t.regex(lines[1], /^4 │●/);
  t.regex(lines[5], /^0 │ +●+$/);
  t.regex(lines[7], /1 +epoch +4/);
  t.regex(lines[8], /● training/);
  t.true(lines.every((line) => [...line].length <= 40));
  t.notThrows(() => plotText(panel({ series: [{ name: 'x', x: [1, 2], y: [Number.NaN, 1] }] })));
  t.throws(() => plotText(panel(), 3), { message: /columns/ });
});
