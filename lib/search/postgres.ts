// Studies in PostgreSQL, for several machines: a trial is taken by one process, and again when that one gives no sign of life.

import { randomUUID } from 'node:crypto';
import { ArgumentError, MissingPackageError } from '../errors.js';
import { difference } from './log.js';
import type { Params } from './space.js';
import { type Propose, type Store, type StudyHeader, definition, diedReason } from './store.js';
import type { TrialEnd, TrialRecord, TrialReport } from './trial-record.js';

/** The part of the package `pg` that is used. Its own types stay out: a declaration that named them would ask every project for the package. */
interface Client {
  query(text: string, values?: readonly unknown[]): Promise<{ rows: Record<string, unknown>[]; rowCount: number | null }>;
  release(error?: boolean): void;
}
interface Pool extends Pick<Client, 'query'> {
  connect(): Promise<Client>;
  on(event: 'error', listener: (error: Error) => void): unknown;
  end(): Promise<void>;
}

/** Texts and not jsonb, which would order names by itself. */
const tables = `
  CREATE TABLE IF NOT EXISTS nodegrad_studies (name text PRIMARY KEY, header text NOT NULL);
  CREATE TABLE IF NOT EXISTS nodegrad_trials (
    study text NOT NULL REFERENCES nodegrad_studies (name) ON DELETE CASCADE,
    number integer NOT NULL,
    params text NOT NULL,
    config integer NOT NULL,
    budget double precision,
    seed bigint NOT NULL,
    state text NOT NULL,
    score double precision,
    reason text,
    reports text NOT NULL DEFAULT '[]',
    attempt integer NOT NULL,
    owner text,
    heartbeat timestamptz NOT NULL,
    began timestamptz NOT NULL,
    seconds double precision,
    PRIMARY KEY (study, number)
  );`;

/** Of the lock under which the tables are made: two processes that make them at once would refuse each other. */
const tablesLock = 6_180_339;

/** How long a database may be gone, in tries with growing pauses. */
const tries = 6;

async function load(): Promise<{ Pool: new (options: object) => Pool }> {
  try {
    return (await import('pg')).default as never;
  } catch (error) {
    throw new MissingPackageError('studies in PostgreSQL need the package pg, which is not installed: npm install pg', { cause: error });
  }
}

/** The trials of one study in a database. */
export class PostgresStore implements Store {
  readonly #pool: Pool;
  readonly #study: string;
  readonly #owner = randomUUID();
  readonly #heartbeat: number;
  readonly #attempts: number;
  readonly #beat: NodeJS.Timeout;
  readonly #own = new Map<number, { trial: TrialRecord; reports: TrialReport[]; lost: () => void }>();

  private constructor(pool: Pool, study: string, { heartbeat, attempts }: { heartbeat: number; attempts: number }) {
    [this.#pool, this.#study, this.#heartbeat, this.#attempts] = [pool, study, heartbeat, attempts];
    this.#beat = setInterval(() => void this.#sign().catch(() => {}), (heartbeat * 1000) / 4);
    this.#beat.unref();
  }

  /**
   * Joins a study, or begins it.
   *
   * @throws {ArgumentError} when the database cannot be reached, or holds another study of that name
   */
  static async open(url: string, header: StudyHeader, options: { heartbeat: number; attempts: number }): Promise<PostgresStore> {
    const { Pool } = await load();
    const pool = new Pool({ connectionString: url, max: 4 });
    // A connection that is lost while idle is made anew; an event that nobody listens to would end the process.
    pool.on('error', () => {});
    try {
      await inTransaction(pool, async (client) => {
        await client.query('SELECT pg_advisory_xact_lock($1)', [tablesLock]);
        await client.query(tables);
      });
      await pool.query('INSERT INTO nodegrad_studies VALUES ($1, $2) ON CONFLICT DO NOTHING', [header.name, JSON.stringify(header)]);
      const { rows } = await pool.query('SELECT header FROM nodegrad_studies WHERE name = $1', [header.name]);
      const before = JSON.parse(rows[0].header as string) as StudyHeader;
      if (definition(before) !== definition(header))
        throw new ArgumentError(
          `the database holds another study '${header.name}': ${difference(before, header)}. Choose another name for this one`,
        );
      return new PostgresStore(pool, header.name, options);
    } catch (error) {
      await pool.end();
      if (error instanceof ArgumentError) throw error;
      // The address may hold a password.
      throw new ArgumentError(`the database of \`options.database\` cannot be used: ${(error as Error).message || String(error)}`, {
        cause: error,
      });
    }
  }

  async trials(): Promise<readonly TrialRecord[]> {
    return (await this.#query('SELECT * FROM nodegrad_trials WHERE study = $1 ORDER BY number', [this.#study])).rows.map(recordOf);
  }

  /** One taker at a time: the study's row is locked, so that numbers have no gaps and every proposal sees all trials before it. */
  async take(propose: Propose): Promise<TrialRecord | 'wait' | 'done'> {
    const taken = await again(() =>
      inTransaction(this.#pool, async (client) => {
        await client.query('SELECT 1 FROM nodegrad_studies WHERE name = $1 FOR UPDATE', [this.#study]);
        const { rows } = await client.query(
          `SELECT *, state = 'running' AND (owner IS NULL OR heartbeat < now() - $2 * interval '1 second') AS idle
             FROM nodegrad_trials WHERE study = $1 ORDER BY number`,
          [this.#study, this.#heartbeat],
        );
        for (const row of rows) {
          if (row.idle !== true) continue;
          const trial = recordOf(row);
          const mayTry = trial.attempt < this.#attempts;
          const { rows: updated } = await client.query(
            mayTry
              ? `UPDATE nodegrad_trials SET owner = $3, attempt = attempt + 1, reports = '[]', heartbeat = now(), began = now()
                   WHERE study = $1 AND number = $2 RETURNING *`
              : `UPDATE nodegrad_trials SET owner = NULL, state = 'failed', reason = $3 WHERE study = $1 AND number = $2 RETURNING *`,
            [this.#study, trial.number, mayTry ? this.#owner : diedReason(trial.attempt)],
          );
          if (mayTry) return recordOf(updated[0]);
          Object.assign(row, updated[0]);
        }
        const trials = rows.map(recordOf);
        const proposal = propose(trials);
        // Whoever works on the last trials may die: somebody has to be there to take them.
        if (proposal === 'done' && trials.some(({ state }) => state === 'running')) return 'wait';
        if (typeof proposal === 'string') return proposal;
        const { params, config, budget, seed } = proposal;
        const { rows: made } = await client.query(
          `INSERT INTO nodegrad_trials (study, number, params, config, budget, seed, state, attempt, owner, heartbeat, began)
             VALUES ($1, $2, $3, $4, $5, $6, 'running', 1, $7, now(), now()) RETURNING *`,
          [this.#study, trials.length, JSON.stringify(params), config, budget, seed, this.#owner],
        );
        return recordOf(made[0]);
      }),
    );
    if (typeof taken !== 'string') this.#own.set(taken.number, { trial: taken, reports: [], lost: () => {} });
    return taken;
  }

  onLost(trial: TrialRecord, lost: () => void): void {
    const own = this.#own.get(trial.number);
    if (own !== undefined) own.lost = lost;
  }

  async report(trial: TrialRecord, report: TrialReport): Promise<boolean> {
    const own = this.#own.get(trial.number);
    if (own === undefined) return false;
    own.reports.push(report);
    return this.#write(trial, `reports = $5, heartbeat = now()`, [JSON.stringify(own.reports)]);
  }

  async finish(trial: TrialRecord, { state, score, reason }: TrialEnd): Promise<boolean> {
    const isOurs = await this.#write(
      trial,
      `state = $5, score = $6, reason = $7, owner = NULL, heartbeat = now(), seconds = round(extract(epoch FROM now() - began)::numeric, 3)`,
      [state, score, reason],
    );
    this.#own.delete(trial.number);
    return isOurs;
  }

  async release(trial: TrialRecord): Promise<void> {
    this.#own.delete(trial.number);
    // Nobody's fault: the attempt does not count.
    await this.#write(trial, `owner = NULL, attempt = attempt - 1, reports = '[]'`, []);
  }

  async close(): Promise<void> {
    clearInterval(this.#beat);
    await this.#pool.end();
  }

  /** Changes a trial, if it still is this process's: of the same owner in the same attempt. */
  async #write({ number, attempt }: TrialRecord, change: string, values: readonly unknown[]): Promise<boolean> {
    const text = `UPDATE nodegrad_trials SET ${change} WHERE study = $1 AND number = $2 AND owner = $3 AND attempt = $4 AND state = 'running'`;
    const { rowCount } = await this.#query(text, [this.#study, number, this.#owner, attempt, ...values]);
    return rowCount === 1;
  }

  /** A sign of life for all trials of this process; those that are another's by now are given up. */
  async #sign(): Promise<void> {
    for (const { trial, lost } of this.#own.values()) if (!(await this.#write(trial, 'heartbeat = now()', []))) lost();
  }

  #query(text: string, values: readonly unknown[]): ReturnType<Client['query']> {
    return again(() => this.#pool.query(text, values));
  }
}

/** Tries anew when a connection was lost; what the server itself refuses is thrown. */
async function again<T>(body: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await body();
    } catch (error) {
      const { code = '' } = error as { code?: string };
      // Five letters and digits are the server's: of those, classes 08 and 57 are a connection that ended.
      const isLost = !/^[0-9A-Z]{5}$/.test(code) || /^(08|57)/.test(code);
      if (!isLost || attempt === tries) throw error;
      await new Promise((done) => setTimeout(done, 100 << attempt));
    }
  }
}

async function inTransaction<T>(pool: Pool, body: (client: Client) => Promise<T>): Promise<T> {
  const client = await pool.connect();
  let isBroken = true;
  try {
    await client.query('BEGIN');
    const result = await body(client);
    await client.query('COMMIT');
    isBroken = false;
    return result;
  } finally {
    // A connection in the middle of a transaction is closed, which rolls it back.
    client.release(isBroken);
  }
}

function recordOf(row: Record<string, unknown>): TrialRecord {
  return {
    number: row.number as number,
    params: JSON.parse(row.params as string) as Params,
    config: row.config as number,
    budget: row.budget as number | null,
    seed: Number(row.seed), // bigint comes as a text
    state: row.state as TrialRecord['state'],
    score: row.score as number | null,
    reason: row.reason as string | null,
    reports: JSON.parse(row.reports as string) as TrialReport[],
    attempt: row.attempt as number,
    began: (row.began as Date).toISOString(),
    seconds: row.seconds as number | null,
  };
}
