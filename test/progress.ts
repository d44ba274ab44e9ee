// SPDX-License-Identifier: GPL-2.0-only
// What scripts/test.sh shows of a run of vitest: a line now and then of how far it is, on descriptor 3. What else it needs
// to know is left in the folder $REPORTS: NAME.count ("passed failed skipped") and, of what failed, NAME.failures.

import { appendFileSync, writeFileSync, writeSync } from 'node:fs';
import { stripVTControlCharacters } from 'node:util';
import type { UserConsoleLog } from 'vitest';
import type { Reporter, SerializedError, TestCase, TestModule, TestSpecification } from 'vitest/node';

const PROGRESS = 3;
/** Between two lines of a project whose files are over quickly. */
const INTERVAL = 10_000;

const { RUN_NAME: name, RUN_STARTED: started, REPORTS: folder } = process.env;

export default class Progress implements Reporter {
  #files = 0;
  #done = 0;
  #told = Date.now();
  readonly #count = { passed: 0, failed: 0, skipped: 0 };
  /** By test: what the guests said when it had failed. */
  readonly #said = new Map<string, string>();

  onTestRunStart(specifications: readonly TestSpecification[]): void {
    this.#files = specifications.length;
    this.#tell('starts');
  }

  onUserConsoleLog({ taskId, content }: UserConsoleLog): void {
    if (taskId) this.#said.set(taskId, (this.#said.get(taskId) ?? '') + content);
  }

  onTestCaseResult(test: TestCase): void {
    const { state, errors } = test.result();
    if (state === 'pending') return;
    this.#count[state]++;
    if (state === 'failed') this.#fail(test.module, test.fullName, errors, this.#said.get(test.id));
    this.#said.delete(test.id);
  }

  onTestModuleEnd(module: TestModule): void {
    this.#done++;
    // What fails outside of its tests, in a hook or while it is loaded, counts as a failed test.
    const errors = [
      ...module.errors(),
      ...[...module.children.allSuites()].flatMap((suite) => suite.errors()),
    ];
    if (errors.length > 0) {
      this.#count.failed++;
      this.#fail(module, 'outside of its tests', errors);
    }
    const last = module.moduleId.split('/').at(-1)!.replace('.test.ts', '');
    if (this.#done === this.#files || Date.now() - this.#told >= INTERVAL) this.#tell(last);
  }

  onTestRunEnd(_: readonly TestModule[], errors: readonly SerializedError[]): void {
    for (const error of errors) {
      this.#count.failed++;
      this.#write(`✗ ${name} › outside of any file\n${error.stack ?? error.message}\n\n`);
    }
    const { passed, failed, skipped } = this.#count;
    writeFileSync(`${folder}/${name}.count`, `${passed} ${failed} ${skipped}\n`);
  }

  #tell(what: string): void {
    this.#told = Date.now();
    const seconds = Math.round(this.#told / 1000 - Number(started));
    const time = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`;
    const { passed, failed } = this.#count;
    const files = `${String(this.#done).padStart(2)} of ${String(this.#files).padStart(2)} files`;
    const tests = `${passed} tests passed${failed > 0 ? `, ${failed} FAILED` : ''}`;
    writeSync(PROGRESS, `${time.padStart(6)}  ${name!.padEnd(14)} ${files}  ${tests}  (${what})\n`);
  }

  #fail(module: TestModule, test: string, errors: readonly SerializedError[], said = ''): void {
    const texts = errors.map(
      ({ message, stack, diff }) => `${message}\n${diff ?? ''}\n${stack?.split('\n    at ')[1] ?? ''}`,
    );
    const text = [`✗ ${name} › ${module.relativeModuleId} › ${test}`, ...texts, said].join('\n');
    this.#write(`${stripVTControlCharacters(text).trim()}\n\n`);
  }

  #write(text: string): void {
    appendFileSync(`${folder}/${name}.failures`, text);
  }
}
