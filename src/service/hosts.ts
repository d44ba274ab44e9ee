// SPDX-License-Identifier: GPL-2.0-only
// Keeps a hosts file for dnsmasq, by which names of peers resolve to what they have learned.

import { parseAddress } from '../address.ts';
import type { Clock } from '../clock.ts';
import type { Entry, Follower, Ledger } from '../engine/ledger.ts';
import type { StateFile } from '../kernel/ports.ts';
import { failureOf, type Problem } from '../problem.ts';
import { isLinkLocal } from '../scope.ts';
import type { Dns } from '../settings.ts';

/** Where OpenWrt's dnsmasq looks for such files (--addn-hosts); it leaves out what begins with a dot. */
export const HOSTS_FILE = '/tmp/hosts/wg-slaacer';
export const HOSTS_DRAFT = '/tmp/hosts/.wg-slaacer';

/** Milliseconds between two times that dnsmasq is told: it reads all its files then, and forgets all that it has cached. */
const REST = 5_000;
/** How long a first change waits for others. */
const SETTLE = 100;
/** What fails is tried again. */
const RETRY = 30_000;

/** A peer whose name is to resolve. */
export interface Host {
  readonly interface: string;
  /** The public key in base64. */
  readonly key: string;
  /** The first is the one that its addresses lead back to. */
  readonly names: readonly string[];
  readonly dns: Exclude<Dns, '0'>;
  /** Its configured IPv6 addresses. */
  readonly configured: ReadonlySet<string>;
}

export class Hosts implements Follower {
  problems: readonly Problem[] = [];
  #hosts: ReadonlyMap<string, Host> = new Map();
  /** What dnsmasq has read; undefined if that is not known. */
  #told: string | undefined;
  #lastTold = Number.NEGATIVE_INFINITY;
  #cancel: (() => void) | undefined;
  #isBusy = false;
  #isStopped = false;

  readonly #ledger: Ledger;
  readonly #clock: Clock;
  readonly #file: StateFile;
  /** Has dnsmasq read its files again; rejects if that is not possible. */
  readonly #tell: () => Promise<unknown>;
  /** `problems` have changed. */
  readonly #onProblems: () => void;

  constructor(
    ledger: Ledger,
    clock: Clock,
    file: StateFile,
    tell: () => Promise<unknown>,
    onProblems: () => void,
  ) {
    this.#ledger = ledger;
    this.#clock = clock;
    this.#file = file;
    this.#tell = tell;
    this.#onProblems = onProblems;
  }

  configure(hosts: readonly Host[]): void {
    this.#hosts = new Map(hosts.map((host) => [keyOf(host.interface, host.key), host]));
    if (hosts.length > 0) this.#schedule();
    else {
      this.#told ??= this.#read();
      if (this.#told !== '') this.#schedule();
    }
  }

  present({ interface: name, peer }: Entry): void {
    if (this.#hosts.size > 0 && this.#hosts.has(keyOf(name, peer))) this.#schedule();
  }

  gone(entry: Entry): void {
    this.present(entry);
  }

  /** Leaves the file, as addresses stay in place. */
  stop(): void {
    this.#isStopped = true;
    this.#cancel?.();
  }

  #schedule(delay = Math.max(SETTLE, this.#lastTold + REST - this.#clock.now())): void {
    if (this.#cancel || this.#isBusy || this.#isStopped) return;
    this.#cancel = this.#clock.after(delay, () => {
      this.#cancel = undefined;
      void this.#update();
    });
  }

  async #update(): Promise<void> {
    const text = hostsText([...this.#hosts.values()], this.#ledger);
    if (text === this.#told) return;
    this.#isBusy = true;
    const problem = await this.#publish(text);
    this.#isBusy = false;
    this.#lastTold = this.#clock.now();
    this.#told = problem ? undefined : text;
    this.#report(problem);
    if (problem) this.#schedule(RETRY);
    else if (hostsText([...this.#hosts.values()], this.#ledger) !== text) this.#schedule();
  }

  async #publish(text: string): Promise<Problem | undefined> {
    try {
      this.#file.write(text);
    } catch (error) {
      return { code: 'hosts-failed', data: { file: this.#file.path, ...failureOf(error) } };
    }
    try {
      await this.#tell();
      return undefined;
    } catch (error) {
      return { code: 'dnsmasq-untold', data: { detail: (error as Error).message } };
    }
  }

  #report(problem: Problem | undefined): void {
    if (!problem && this.problems.length === 0) return;
    this.problems = problem ? [problem] : [];
    this.#onProblems();
  }

  /** What an earlier process has written, and may have told dnsmasq of. */
  #read(): string {
    try {
      return this.#file.read();
    } catch {
      return '';
    }
  }
}

function keyOf(name: string, peer: string): string {
  return `${name} ${peer}`;
}

/** Lines as in /etc/hosts (hosts(5)): of each peer the address that was learned last comes first. */
export function hostsText(hosts: readonly Host[], ledger: Pick<Ledger, 'ofPeer'>): string {
  return hosts
    .flatMap((host) => addressesOf(host, ledger).map((address) => `${address}\t${host.names.join('\t')}\n`))
    .join('');
}

function addressesOf(
  { interface: name, key, dns, configured }: Host,
  ledger: Pick<Ledger, 'ofPeer'>,
): string[] {
  const learned = [...ledger.ofPeer(name, key)]
    .sort((a, b) => b.learned - a.learned)
    .map(({ address }) => address);
  const all = [...new Set([...learned, ...configured])];
  const identifiers = new Set(all.filter(isLinkLocal).map(identifierOf));
  const isStable = (address: string) => configured.has(address) || identifiers.has(identifierOf(address));
  return all.filter((address) => !isLinkLocal(address) && (dns === '1' || isStable(address)));
}

/** The last 64 bits: of a stable address made by SLAAC they are those of the link-local one. */
function identifierOf(address: string): string {
  return Buffer.from(parseAddress(address)!.subarray(8)).toString('latin1');
}
