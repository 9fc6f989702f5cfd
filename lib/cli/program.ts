// The command line: commands, options, exit codes.

import type { EventEmitter } from 'node:events';
import { existsSync } from 'node:fs';
import { Argument, Command, CommanderError, Option } from 'commander';
import { NodegradError } from '../errors.js';
import { info, variableProblems } from '../runtime.js';
import { dataName, dataNames } from './data-name.js';
import { type DataCommandOptions, dataCommand } from './data.js';
import { type ExperimentName, experimentNames } from '../experiments/index.js';
import { type EvaluateCommandOptions, evaluateCommand } from './evaluate.js';
import { type ExportCommandOptions, addExportOptions, dimensions, exportCommand } from './export.js';
import { type ExperimentCommandOptions, experimentCommand } from './experiment.js';
import { inFlags, shellWord } from './flags.js';
import { explainCommand, topicNamed } from './explain.js';
import { infoCommand } from './info.js';
import { type LaunchCommandOptions, launchCommand, nodeCount, rendezvousAddress } from './launch.js';
import { metricNames, metricsHelp } from './metrics.js';
import {
  type GivenOptions,
  addDataOptions,
  addPlaceOptions,
  addTrainOptions,
  absentColumnsOption,
  damagedOption,
  badRowsOption,
  decimalOption,
  encodingOption,
  missingOption,
  seedNumber,
  unknownCategoriesOption,
  whole,
} from './options.js';
import { type PlotCommandOptions, plotCommand } from './plot.js';
import { type PredictCommandOptions, predictCommand } from './predict.js';
import { type ReportCommandOptions, type WatchCommandOptions, reportCommand, watchCommand } from './report.js';
import { type SearchCommandOptions, searchCommand } from './search.js';
import { errorText, train } from './train.js';
import { printable } from '../words.js';

/** Exit code for a command line that makes no sense. */
const usageError = 2;

/**
 * Runs a command line and gives its exit code: 0 done, 1 failed (or a fault ended the run), 2 wrong usage, 130, 143 and 129 stopped
 * by Ctrl-C, SIGTERM and the end of the terminal.
 *
 * @param words - The command line without the program, such as `['train', '--epochs', '3']`.
 */
export async function runCommandLine(words: readonly string[]): Promise<number> {
  let code = 0;
  const program = new Command('nodegrad');
  const command = (name: string, description: string, isHidden = false): Command =>
    program.command(name, { hidden: isHidden }).description(description).exitOverride().showHelpAfterError('(--help lists the options)');
  program
    .description("Trains neural networks at the machine's full speed, and says what is going wrong while they train.")
    .version(info().version)
    .enablePositionalOptions() // what stands behind a script is the script's
    .exitOverride()
    .showHelpAfterError('(nodegrad --help lists the commands)');
  const training = command('train', 'train a model and save it').allowExcessArguments(true);
  addTrainOptions(training).action(async (options: GivenOptions) => {
    refuseWords(training, '--data');
    code = await train(options);
  });
  const start = command('start', 'what `npm start` does: train a convolutional net on digits and show the result', true);
  addTrainOptions(start, 'small-conv-net').action(async (options: GivenOptions) => {
    const isShow = start.getOptionValueSource('model') === 'default' && !options.json;
    code = await train(options, { detailed: true, rival: isShow ? 'mlp' : undefined });
  });
  command('search', 'search for the best options of `train`, in ranges that a file gives')
    .argument('<file>', 'ranges, strategy and number of trials (.yaml); the guide on search has an example')
    .option('--run-dir <folder>', 'where log and report go (default: a new folder in runs/)')
    .option('--resume', 'go on with the search in --run-dir, to the same trials that it would have had')
    .option('--trials <count>', 'how many trials (default: as the file says)', whole(1))
    .option('--parallel <count>', 'trials at once, each in a thread (default: as the file says, or 1)', whole(1))
    .option('--json', 'print one JSON document instead of text', false)
    .action(async (file: string, options: SearchCommandOptions) => {
      code = await searchCommand(file, options);
    });
  command('launch', 'run a script in several processes, each of which knows its rank')
    .showHelpAfterError('For example: nodegrad launch --processes 4 train.mjs (--help lists the options)')
    .argument('<script>', 'a program of JavaScript or TypeScript; or `nodegrad`, whose `search` the processes share')
    .argument('[arguments...]', 'what it is given')
    .requiredOption('--processes <count>', 'processes on this machine', whole(1))
    .addOption(
      new Option('--nodes <count>', 'machines that run this command at the same time; 1:4 for from one to four, which come and go')
        .argParser(nodeCount)
        .default(nodeCount('1'), '1'),
    )
    .option('--node-rank <number>', 'which of them this is, from 0; of those that come and go, they agree on it', whole(0))
    .option('--rendezvous <host:port>', 'where node 0 is found, the same on all nodes; or file:///folder, one that all see', rendezvousAddress)
    .option('--restarts <count>', 'how often all processes are started again when one fails', whole(0), 0)
    .option('--token-file <file>', 'the secret of all nodes (default: NODEGRAD_TOKEN; a random one on one machine)')
    .passThroughOptions()
    .action(async (script: string, words: string[], options: LaunchCommandOptions) => {
      code = await launchCommand(script, words, options);
    });
  const evaluation = command('evaluate', 'loss and accuracy of a saved model on a test set');
  addDataOptions(evaluation.argument('<file>', 'a model saved by nodegrad (.safetensors)'))
    .option('--target <column>', 'column of a table that is predicted, of a model that does not say it')
    .addOption(badRowsOption())
    .addOption(unknownCategoriesOption())
    .addOption(absentColumnsOption())
    .addOption(decimalOption())
    .addOption(encodingOption())
    .addOption(missingOption())
    .option('--metrics <names>', metricsHelp, metricNames)
    .option('--wrong <count>', 'list so many images that are taken for something else, the surest first', whole(0))
    .option('--json', 'print one JSON document instead of text', false)
    .action(async (file: string, options: EvaluateCommandOptions) => {
      code = await evaluateCommand(file, options, evaluation.getOptionValueSource('data') !== 'default');
    });
  command('predict', 'what a saved model says of images, or of the rows of a table')
    .argument('<file>', 'a model saved by nodegrad (.safetensors) that was trained on images or on a table')
    .argument('[images...]', 'files of images')
    .option('--data <path>', 'the table (.csv, .parquet, .arrow); it needs the columns that the model was trained on')
    .option('--output <file>', 'where the predictions go, as comma-separated values (default: standard output)')
    .addOption(badRowsOption())
    .addOption(unknownCategoriesOption())
    .addOption(absentColumnsOption())
    .addOption(decimalOption())
    .addOption(encodingOption())
    .addOption(missingOption())
    .addOption(damagedOption('images'))
    .option('--probabilities', 'of classes, a column for the probability of each, beside that of the one that is predicted')
    .option('--json', 'give one JSON document instead', false)
    .action(async (file: string, images: string[], options: PredictCommandOptions) => {
      code = await predictCommand(file, images, options);
    });
  addExportOptions(
    command('export', 'a saved model as a file of ONNX, which other tools run')
      .argument('<file>', 'a model saved by nodegrad (.safetensors)')
      .argument('<output>', 'where it goes (.onnx)'),
  ).action(async (file: string, output: string, options: ExportCommandOptions) => {
    code = await exportCommand(file, output, options);
  });
  command('plot', 'the architecture of a saved model as a picture, in SVG')
    .argument('<file>', 'a model saved by nodegrad (.safetensors)')
    .option('--output <file>', 'where it goes (default: standard output)')
    .option('--input-shape <dimensions>', 'shape of one example, such as 28,28,1 (default: as the model says)', dimensions)
    .option('--depth <levels>', 'how deep blocks are opened; 0: none (default: all)', whole(0))
    .option('--title <text>', "heading of the picture (default: the model's class)")
    .action(async (file: string, options: PlotCommandOptions) => {
      code = await plotCommand(file, options);
    });
  command('experiment', "the course's demonstrations on this machine, with pictures; without a name, the list of them")
    .addArgument(new Argument('[name]', 'experiment').choices(experimentNames))
    .option('--output <file>', 'where the picture goes (default: experiment-<name>.svg)')
    .option('--quick', 'a first look, with fewer examples and epochs', false)
    .option('--seed <number>', 'decides data, first weights and orders', seedNumber, 1)
    .option('--json', 'print one JSON document, with the data behind the picture, instead of text', false)
    .action(async (name: ExperimentName | undefined, options: ExperimentCommandOptions) => {
      code = await experimentCommand(name, options);
    });
  command('report', 'a page about runs: curves, layers, findings, examples; one HTML file that needs nothing else')
    .argument('<run...>', 'logs, or folders of runs')
    .option('--output <file>', 'where it goes (default: beside the log; of several logs report.html)')
    .option('--json', 'print the data behind the page as one JSON document instead', false)
    .action(async (paths: string[], options: ReportCommandOptions) => {
      code = await reportCommand(paths, options);
    });
  command('watch', 'the same page in a browser of this machine, while runs go on')
    .argument('[run]', 'a log, or a folder of runs', 'runs')
    .option('--port <number>', 'port on 127.0.0.1 (default: one that is free)', whole(0))
    .action(async (path: string, options: WatchCommandOptions) => {
      code = await watchCommand(path, options);
    });
  command('explain', 'what an error code or a finding of the sitter means, and what to do; without a topic, the list of them')
    .addArgument(new Argument('[topic]', 'ERR_SHAPE, dead-units …').argParser(topicNamed))
    .action((topic: ReturnType<typeof topicNamed> | undefined) => {
      code = explainCommand(topic);
    });
  command('info', 'this installation: CPU, libraries, threads; for bug reports')
    .option('--json', 'print one JSON document instead of text', false)
    .action((options: { json: boolean }) => {
      code = infoCommand(options);
    });
  addPlaceOptions(command('data', 'list the data sets; with a name, load one (mnist is downloaded) and show samples'))
    .addArgument(new Argument('[name]', 'data set, or the path of a folder or archive of images').argParser(dataName))
    .option('--samples <count>', 'images to show', whole(0), 5)
    .option('--json', 'print one JSON document instead of text', false)
    .action(async (name: string | undefined, options: DataCommandOptions) => {
      code = await dataCommand(name, options);
    });
  for (const each of program.commands) refuseRepeats(each);
  program.hook('preAction', (_program, chosen) => {
    // `info` shows them among its warnings.
    if (chosen.name() !== 'info') for (const problem of variableProblems()) process.stderr.write(`nodegrad: warning: ${problem}\n`);
  });
  try {
    await program.parseAsync(words, { from: 'user' });
    return code;
  } catch (error) {
    // Commander has said what was wrong, or has shown the help that was asked for.
    if (error instanceof CommanderError && error.code === 'commander.excessArguments' && words[0] === 'evaluate')
      process.stderr.write('(data stand behind a flag: nodegrad evaluate … --data clean.csv)\n');
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : usageError;
    process.stderr.write(`nodegrad: ${printable(errorText(error))}\n`);
    if (error instanceof NodegradError && error.help !== undefined) process.stderr.write(`(npx nodegrad explain ${error.code} says more)\n`);
    if (words.includes('--json')) process.stdout.write(`${JSON.stringify({ outcome: 'failed', error: failure(error) }, null, 2)}\n`);
    return 1;
  }
}

/** Options of which somebody may mean several: of any other the last one counts, so that a script's `--epochs 50` can be overruled behind it. */
const single: ReadonlySet<string | undefined> = new Set(['--data', '--weights', '--target', '--missing', '--output']);

/** Refuses one of those that stands there twice: the last one would count without a word. */
function refuseRepeats(command: Command): void {
  for (const option of command.options) {
    if (!single.has(option.long)) continue;
    let before: string | undefined;
    // Before commander reads it, which may refuse it for another reason.
    (command as unknown as EventEmitter).prependListener(`option:${option.name()}`, (value: string) => {
      if (before !== undefined)
        command.error(`error: option '${option.flags}' is given twice, with '${before}' and '${value}'`, { exitCode: usageError });
      before = value;
    });
  }
}

/** Refuses words that belong behind an option. */
function refuseWords(command: Command, option: string): void {
  const [word] = command.args;
  if (word === undefined) return;
  const hint = existsSync(word) || dataNames.some((name) => name === word) ? ` (Did you mean ${option} ${shellWord(word)}?)` : '';
  command.error(`error: too many arguments: ${command.name()} takes options alone, received '${word}'${hint}`, { exitCode: usageError });
}

function failure(error: unknown): { code: string | null; message: string; help?: string } {
  const { code, message, help } = error as { code?: string; message?: string; help?: string };
  return { code: code ?? null, message: inFlags(message ?? String(error)), help };
}
