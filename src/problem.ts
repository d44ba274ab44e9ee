// SPDX-License-Identifier: GPL-2.0-only
// What keeps the service from doing its job, with its cure.

/** Something that the user should know and can cure. */
export interface Problem {
  readonly code: string;
  readonly message: string;
  /** The cure. */
  readonly hint: string;
}

/** Tells of each problem when it comes up and when it is gone. */
export class ProblemList {
  private problems = new Map<string, Problem>();
  /** Met on the way since `begin`. */
  private met: Problem[] = [];

  constructor(
    private readonly onRaised: (problem: Problem) => void,
    private readonly onSolved: (problem: Problem) => void,
  ) {}

  list(): Problem[] {
    return [...this.problems.values()];
  }

  /** One that was met on the way; it stands until everything has been looked at again. */
  add(problem: Problem): void {
    this.met.push(problem);
    if (!this.problems.has(problem.message)) this.onRaised(problem);
    this.problems.set(problem.message, problem);
  }

  /** Everything is going to be looked at. */
  begin(): void {
    this.met = [];
  }

  /** All that there are now, besides what was met since `begin`. */
  set(problems: readonly Problem[]): void {
    const before = this.problems;
    this.problems = new Map([...problems, ...this.met].map((problem) => [problem.message, problem]));
    this.met = [];
    for (const [message, problem] of before) if (!this.problems.has(message)) this.onSolved(problem);
    for (const [message, problem] of this.problems) if (!before.has(message)) this.onRaised(problem);
  }
}

export function kernelProblem(code: string, device: string, action: string, error: unknown): Problem {
  return {
    code,
    message: `${device}: could not ${action}: ${(error as Error).message}`,
    hint: 'it is tried again; if this stays, report it with the kernel version',
  };
}
