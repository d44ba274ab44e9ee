// SPDX-License-Identifier: GPL-2.0-only
// What keeps the service from doing its job, each with its cure.

import { contains, formatAddress, formatPrefix, type Prefix } from './address.ts';
import type { Device, Link, Peer, Problem } from './kernel/kernel.ts';
import type { Watched } from './learner.ts';
import { onLinkPrefixes } from './scope.ts';
import type { InterfaceSettings } from './settings.ts';

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

export function interfaceProblems(
  device: string,
  settings: InterfaceSettings,
  link: Link | undefined,
): Problem[] {
  if (!link) {
    return [
      {
        code: 'no-interface',
        message: `${device}: there is no such interface`,
        hint: 'bring it up; learning begins by itself when it appears',
      },
    ];
  }
  if (link.kind !== 'wireguard') {
    return [
      {
        code: 'not-wireguard',
        message: `${device}: this is not a WireGuard interface${link.kind && `, but a ${link.kind}`}`,
        hint: 'name a WireGuard interface',
      },
    ];
  }
  if (settings.prefixes.length === 0 && onLinkPrefixes(link).length === 0) {
    return [
      {
        code: 'no-prefix',
        message: `${device}: it has no IPv6 prefix, so only link-local addresses are learned`,
        hint: "give it an address in a /64 (on OpenWrt: option ip6assign '64'), or name the prefixes to learn in",
      },
    ];
  }
  return [];
}

/** Peers whose own allowed IPs cover a whole prefix to learn in: there, everything is theirs already. */
export function ownedProblems({ name, scope }: Watched, device: Device): Problem[] {
  return device.peers.flatMap((peer) =>
    scope.learn.flatMap((prefix) => {
      const cover = coverOf(peer, prefix);
      if (!cover) return [];
      return [
        {
          code: 'prefix-owned',
          message: `${name}: all of ${formatPrefix(prefix)} is peer ${peer.key}'s by its allowed IP ${formatPrefix(cover)}, so no other peer's addresses are learned there`,
          hint: 'give that peer a narrower allowed IP, or learn in another prefix',
        },
      ];
    }),
  );
}

/** A peer's allowed IP that holds all of a prefix. */
function coverOf({ addresses, prefixes }: Peer, prefix: Prefix): Prefix | undefined {
  if (prefix.length === 128 && addresses.includes(formatAddress(prefix.bytes))) return prefix;
  return prefixes.find((own) => own.length <= prefix.length && contains(own, prefix.bytes));
}

export function kernelProblem(code: string, device: string, action: string, error: unknown): Problem {
  return {
    code,
    message: `${device}: could not ${action}: ${(error as Error).message}`,
    hint: 'it is tried again; if this stays, report it with the kernel version',
  };
}
