// SPDX-License-Identifier: GPL-2.0-only
// To whom the prefixes of one interface are lent, and when that changes.

import { type AddressBytes, contains, type Prefix, parseAddress } from '../../address.ts';
import { formatAddress, formatPrefix } from '../../address-text.ts';
import type { Clock } from '../../clock.ts';
import type { Device, Limits, Link, Loan, PeerAddress, Scope, Sighting } from '../../model.ts';
import { routerSolicitation } from '../../packets/solicitation.ts';
import type { Problem } from '../../problem.ts';
import { linkLocal } from '../../scope.ts';
import { Sessions } from '../../sessions.ts';
import type { KnownPrefixes } from '../bpf-sightings.ts';
import type { Observer, WireGuard } from '../ports.ts';
import { allNodes, allowedIpsOf, isInPlace, lendable, withoutLoan } from './loans.ts';
import { type Learned, offerable } from './offers.ts';
import { type Account, Suspects } from './suspects.ts';

/** How long a suspect has a loan before others get theirs: until TCP, which waits a second, has sent again. */
const TRIAL = 1_300;

/** There is but one here, whatever it is called. */
const INTERFACE = '';

/** A law broken during a loan counts like so many loans that did not help. */
const LAW_BROKEN = 2;

/** Milliseconds between looks at what is refused of peers that get no loan now anyway: their addresses may be gone. */
const PATROL = 3_000;

/** The kernel's side of lending on one interface. Times are milliseconds of the monotonic clock. */
export interface KernelSide {
  readonly wireguard: WireGuard;
  readonly clock: Clock;
  readonly observer: Observer;
  /** Calls back after so many milliseconds; the answer cancels it. */
  after(milliseconds: number, callback: () => void): () => void;
  /** How many packets WireGuard has refused. */
  refused(): number;
  /** What the socket filter is to know: where to learn, and what is a peer's besides. */
  put(limits: Limits, scope: Scope, known: KnownPrefixes): void;
  /** Whose unknown addresses are from now on; undefined: nobody can tell. */
  attribute(peer: string | undefined): void;
  /** Keeps in mind what is lent, for whoever comes after this process. */
  record(link: Pick<Link, 'name'>, loan: Loan): void;
  strike(link: Pick<Link, 'name'>, loan: Loan): void;
  /** Returns when all that came under an earlier loan has been attributed. */
  settle(): void;
  /** Asks the borrower for an address that it uses to talk to this one, or to a link-local one. */
  ask(from?: AddressBytes): void;
  /** Learned addresses. */
  learned(): Map<string, Learned>;
  /** When the peer may register another address. */
  nextToken(peer: string, limits: Limits): number;
  /** Counts encrypted bytes from the endpoints of these peers; answers with the texts of these, by peer. */
  watchEndpoints(device: Pick<Device, 'peers' | 'listenPort'>): Map<string, string>;
  /** Encrypted bytes by the text of the endpoint. */
  traffic(): ReadonlyMap<string, number>;
}

/** The text of the endpoint that stands for all that are not watched. */
export const strangers = '0'.repeat(40);

/** WireGuard as it is now. */
interface Survey {
  /** Without the loan. */
  readonly device: Device;
  /** Something has removed what was learned, or the loan. */
  readonly isWiped: boolean;
}

export class Lending {
  /** The loan; more than one only if what was to be moved or withdrawn could not be. */
  #loans: readonly Loan[] = [];
  /** What silent peers have learned, but do not have for as long as the borrower's trial lasts. */
  #offered: readonly PeerAddress[] = [];
  #cancelOfferEnd: (() => void) | undefined;
  readonly #suspects = new Suspects();
  #limits: Limits = { rate: 0, burst: 1 };
  #scope: Scope = { learn: [], reserved: [] };
  #configured: readonly Prefix[] = [];
  /** The text of each peer's endpoint. */
  #endpoints = new Map<string, string>();
  /** What WireGuard had refused at the last look. */
  #refused = 0;
  #nextPatrol = 0;
  /** Until when the borrower may show what it has while others wait. */
  #trialEnd = 0;
  /** What is refused may have been sent before the loan. */
  #isFresh = false;
  #cancelTimer: (() => void) | undefined;
  #refusedPeers: readonly string[] = [];
  readonly #sessions = new Sessions();

  /** Whether WireGuard has been looked at once. */
  #hasBegun = false;
  /** Whose unknown addresses are. */
  #attributed: string | undefined;

  #link: Pick<Link, 'name' | 'ifindex'>;
  readonly #kernel: KernelSide;
  readonly #former: string | undefined;

  /** `former`: to whom an earlier process had lent. */
  constructor(link: Pick<Link, 'name' | 'ifindex'>, kernel: KernelSide, former: string | undefined) {
    this.#link = link;
    this.#kernel = kernel;
    this.#former = former;
  }

  /** The name of the interface. */
  get device(): string {
    return this.#link.name;
  }

  get loan(): Loan | undefined {
    return this.#loans.at(-1);
  }

  /** What peers have by learning, although WireGuard does not have it for a moment. */
  get offered(): readonly PeerAddress[] {
    return this.#offered;
  }

  /** Peers whose packets go on being refused. */
  problems(): Problem[] {
    return this.#refusedPeers
      .filter((peer) => this.#isLive(peer))
      .map((peer) => ({ code: 'refused-peer', data: { device: this.#link.name, peer } }));
  }

  /** What is to be learned, and how. Called again with whatever may have changed, be it configuration or WireGuard. */
  configure(link: Pick<Link, 'name' | 'ifindex'>, limits: Limits, scope: Scope): void {
    if (this.loan && link.name !== this.#link.name) this.#kernel.record(link, this.loan);
    this.#link = link;
    this.#limits = limits;
    this.#scope = scope;
    this.#put();
    const survey = this.#survey();
    if (!survey || this.#hasBegun) return;
    this.#hasBegun = true;
    this.#refused = this.#kernel.refused();
    this.#suspects.begin(this.#accounts(survey.device, this.#kernel.traffic()));
    if (this.#former !== undefined) this.#lend(this.#former, survey.device);
  }

  end(): void {
    this.#cancelTimer?.();
    this.#cancelOfferEnd?.();
    this.#kernel.watchEndpoints({ peers: [], listenPort: 0 });
    this.#withdraw();
  }

  /** Whether something was refused that is worth finding out about: `before` and `now` are encrypted bytes by endpoint. */
  look(before: ReadonlyMap<string, number>, now: ReadonlyMap<string, number>): boolean {
    const time = this.#kernel.clock.now();
    const hasMoved = (endpoint: string) => before.get(endpoint) !== now.get(endpoint);
    const moved = [...this.#endpoints].filter(([, text]) => hasMoved(text)).map(([peer]) => peer);
    const isInVain = (peer: string) => this.#suspects.isWaiting(peer, time) || !this.#mayLearn(peer);
    const isOfInterest = hasMoved(strangers) || !moved.every(isInVain);
    if (!isOfInterest && (moved.length === 0 || time < this.#nextPatrol)) return false;
    const known = this.#refused;
    this.#refused = this.#kernel.refused();
    if (this.#refused === known) return false;
    if (!isOfInterest) this.#patrol(time);
    return isOfInterest;
  }

  /** Whether what is refused of those who get no loan now was theirs before something removed it. */
  #patrol(now: number): void {
    if (this.#survey()?.isWiped) this.#restore();
    else this.#nextPatrol = now + PATROL;
  }

  /** Finds out who it was; whether that has led to anything. `before`: encrypted bytes by endpoint, of some time ago. */
  investigate(before: ReadonlyMap<string, number>): boolean {
    const survey = this.#survey();
    if (!survey) return false;
    if (survey.isWiped) {
      this.#restore();
      return true;
    }
    const now = this.#kernel.clock.now();
    const borrower = this.loan?.peer;
    const guilty = this.#suspects.accuse(this.#accounts(survey.device, before), now);
    const isInVain =
      borrower !== undefined &&
      this.#suspects.isAccused(borrower) &&
      guilty.includes(borrower) &&
      !this.#isFresh;
    this.#isFresh = isInVain && this.#offer(this.loan!, survey.device);
    // It had all that can be lent.
    if (isInVain && !this.#isFresh) this.#suspects.fail(borrower, now);
    this.#decide(survey.device);
    this.#tell();
    return this.loan?.peer !== borrower || this.#isFresh;
  }

  /** What was refused may have come from an address that is there again then: nobody is blamed. */
  #restore(): void {
    const borrower = this.loan?.peer;
    this.#withdraw();
    this.#kernel.observer.recheck();
    const survey = this.#survey();
    if (!survey) return;
    this.#suspects.begin(this.#accounts(survey.device, this.#kernel.traffic()));
    if (borrower !== undefined) this.#lend(borrower, survey.device);
  }

  #tell(): void {
    const refusedPeers = this.#suspects.refusedPeers();
    const isNews = refusedPeers.join() !== this.#refusedPeers.join();
    this.#refusedPeers = refusedPeers;
    if (isNews) this.#kernel.observer.recheck();
  }

  /** What the socket filter has seen of the borrower. */
  see(sightings: readonly Sighting[]): void {
    const survey = this.#survey();
    if (!survey) return;
    if (survey.isWiped) this.#restore();
    // Configured since the filter was told what is.
    const isConfigured = (address: string) =>
      this.#configured.some((prefix) => contains(prefix, parseAddress(address)!));
    const fresh = sightings.filter(({ address }) => !isConfigured(address));
    this.#kernel.observer.see(fresh.map(withWhatWasLost));
    for (const sighting of fresh) this.#judge(sighting);
    this.#decide();
  }

  #mayLearn(peer: string): boolean {
    return this.#kernel.nextToken(peer, this.#limits) <= this.#kernel.clock.now();
  }

  #judge({ verdict, address, sender }: Sighting): void {
    const now = this.#kernel.clock.now();
    const hasTakenOver = verdict === 'owned' && this.#kernel.learned().get(address)?.peer === sender;
    if (verdict === 'candidate' || hasTakenOver) {
      this.#suspects.clear(sender);
      return;
    }
    if (verdict === 'rate') this.#suspects.suspend(sender, now);
    else this.#suspects.fail(sender, now, LAW_BROKEN);
    if (this.loan?.peer === sender) this.#withdraw();
  }

  /** Lends to the next suspect, as soon as the borrower has had its time. `device`: as it is now, if that is known. */
  #decide(device?: Device): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    const now = this.#kernel.clock.now();
    const borrower = this.loan?.peer;
    const isOnTrial = borrower !== undefined && this.#suspects.isAccused(borrower);
    const next = this.#suspects.next(now, (peer) => peer !== borrower && this.#mayLearn(peer));
    if (next === undefined) return;
    const wait = isOnTrial ? this.#trialEnd - now : 0;
    if (wait <= 0) {
      if (isOnTrial) this.#suspects.fail(borrower, now);
      const current = device ?? this.#survey()?.device;
      if (current) this.#lend(next, current);
    }
    this.#cancelTimer = this.#kernel.after(wait > 0 ? wait : TRIAL, () => this.#decide());
  }

  /** In place of the present loan, if the peer is there. `device` is without that. */
  #lend(peer: string, device: Device): void {
    if (!device.peers.some(({ key }) => key === peer)) return;
    const allowedIps = lendable(this.#scope, device);
    if (!allowedIps.some((prefix) => prefix !== allNodes)) {
      this.#withdraw();
      return;
    }
    const loan = { peer, allowedIps };
    const kept = new Set(allowedIps.map(formatPrefix));
    this.#attribute(undefined);
    this.#endOffer();
    this.#giveBack((prefix) => !kept.has(formatPrefix(prefix)));
    this.#kernel.record(this.#link, loan);
    this.#loans = [...this.#loans, loan];
    try {
      this.#kernel.wireguard.add(this.#link.name, allowedIpsOf(loan));
    } catch (error) {
      this.#withdraw();
      throw error;
    }
    this.#loans = [loan];
    this.#trialEnd = this.#kernel.clock.now() + TRIAL;
    this.#isFresh = true;
    this.#kernel.settle();
    this.#attribute(peer);
    if (allowedIps.includes(allNodes)) this.#ask();
  }

  /**
   * What a borrower sends is refused still: it may use what is a silent peer's, if it may take that over. Whether there is
   * anything to offer. Until the end of its trial, what is sent there reaches the borrower.
   */
  #offer(loan: Loan, device: Device): boolean {
    const now = this.#kernel.clock.now();
    if (!this.#limits.takeover || this.#offered.length > 0) return false;
    const offered = offerable(this.#kernel.learned(), device, loan, now, (peer) =>
      this.#sessions.mayBe(INTERFACE, peer, now),
    );
    if (offered.length === 0) return false;
    this.#attribute(undefined);
    this.#offered = offered;
    this.#expectOfferEnd();
    this.#put(); // first: what the borrower uses is not to pass for used by its peer
    this.#kernel.wireguard.remove(this.#link.name, offered);
    this.#kernel.settle();
    this.#attribute(loan.peer);
    this.#trialEnd = now + TRIAL;
    if (loan.allowedIps.includes(allNodes)) this.#ask();
    return true;
  }

  /** Tried again if it fails. */
  #expectOfferEnd(): void {
    this.#cancelOfferEnd = this.#kernel.after(TRIAL, () => {
      this.#expectOfferEnd();
      this.#endOffer();
    });
  }

  /** What was offered is its peers' again, unless somebody else has got it, or it is no more. */
  #endOffer(): void {
    if (this.#offered.length > 0) {
      const device = this.#kernel.wireguard.dump(this.#link.name);
      const taken = new Set(device?.peers.flatMap(({ addresses }) => addresses));
      const learned = this.#kernel.learned();
      const due = this.#offered.filter(
        ({ peer, address }) => learned.get(address)?.peer === peer && !taken.has(address),
      );
      if (device?.ifindex === this.#link.ifindex && due.length > 0) {
        this.#kernel.wireguard.add(this.#link.name, due);
        this.#kernel.settle(); // what came before is not to pass for theirs
      }
      this.#offered = [];
      this.#put();
    }
    this.#cancelOfferEnd?.();
    this.#cancelOfferEnd = undefined;
  }

  #put(): void {
    const offered = this.#offered.map(({ address }) => ({ bytes: parseAddress(address)!, length: 128 }));
    this.#kernel.put(this.#limits, this.#scope, { configured: this.#configured, offered });
  }

  /** For an address in each prefix. */
  #ask(): void {
    this.#kernel.ask();
    for (const prefix of this.#scope.learn.filter(({ bytes }) => !contains(linkLocal, bytes))) {
      const isOwn = ({ bytes, length }: Prefix) =>
        length === 128 && contains(prefix, bytes) && formatAddress(bytes) !== formatAddress(prefix.bytes);
      const own = this.#scope.reserved.find(isOwn);
      if (own) this.#kernel.ask(own.bytes);
    }
  }

  #attribute(peer: string | undefined): void {
    this.#kernel.attribute(peer);
    this.#attributed = peer;
  }

  #withdraw(): void {
    this.#attribute(undefined);
    this.#endOffer();
    this.#giveBack(() => true);
    this.#loans = [];
  }

  /** Part of what is lent. */
  #giveBack(isDue: (prefix: Prefix) => boolean): void {
    const due = this.#loans.map(({ peer, allowedIps }) => ({ peer, allowedIps: allowedIps.filter(isDue) }));
    const allowedIps = due.flatMap(allowedIpsOf);
    if (allowedIps.length === 0) return;
    const { wireguard } = this.#kernel;
    if (wireguard.dump(this.#link.name)?.ifindex === this.#link.ifindex)
      wireguard.remove(this.#link.name, allowedIps);
    for (const loan of due) this.#kernel.strike(this.#link, loan);
  }

  /**
   * Looks at WireGuard, and keeps in line with it what is lent and what the kernel is to know. Undefined if the
   * interface is going or coming.
   */
  #survey(): Survey | undefined {
    if (this.loan && this.#attributed === undefined) this.#withdraw(); // that failed before
    const raw = this.#kernel.wireguard.dump(this.#link.name);
    if (raw?.ifindex !== this.#link.ifindex) return undefined;
    const device = withoutLoan(raw, this.loan);
    this.#endpoints = this.#kernel.watchEndpoints(device);
    this.#sessions.note(INTERFACE, device, this.#kernel.clock.now(), this.#kernel.clock.wall());

    const missing = this.#kernel.learned();
    const isLearned = (key: string, address: string) =>
      missing.get(address)?.peer === key && missing.delete(address);
    const configured = device.peers.flatMap(({ key, addresses, prefixes }) => {
      const others = addresses.filter((address) => !isLearned(key, address));
      return [...others.map((address) => ({ bytes: parseAddress(address)!, length: 128 })), ...prefixes];
    });
    for (const { peer, address } of this.#offered)
      if (missing.get(address)?.peer === peer) missing.delete(address);
    const withMissing = new Set([...missing.values()].map(({ peer }) => peer));
    const isMissing = device.peers.some(({ key }) => withMissing.has(key));
    if (texts(configured) !== texts(this.#configured)) {
      this.#configured = configured;
      this.#put();
    }
    const isWiped = isMissing || (this.loan !== undefined && !isInPlace(raw, this.loan));
    if (this.loan && !isWiped && texts(lendable(this.#scope, device)) !== texts(this.loan.allowedIps))
      this.#lend(this.loan.peer, device);
    return { device, isWiped };
  }

  #isLive(peer: string): boolean {
    return this.#sessions.isLive(INTERFACE, peer, this.#kernel.clock.now());
  }

  #accounts(device: Device, before: ReadonlyMap<string, number>): Account[] {
    const after = this.#kernel.traffic();
    return device.peers.flatMap(({ key, latestHandshake, rxBytes }) => {
      const endpoint = this.#endpoints.get(key);
      if (endpoint === undefined) return [];
      return [
        {
          peer: key,
          latestHandshake,
          isLive: this.#isLive(key),
          endpoint,
          before: before.get(endpoint) ?? 0,
          after: after.get(endpoint) ?? 0,
          accepted: rxBytes,
        },
      ];
    });
  }
}

/**
 * The packet that was seen has arrived. But the first one from a link-local address was a solicitation most likely, which
 * was refused, and would be sent again after 4 s: it is made up for, unless the address is another peer's.
 */
function withWhatWasLost(sighting: Sighting): Sighting {
  if (sighting.verdict === 'owned') return { ...sighting, accepted: true };
  if (sighting.verdict !== 'candidate') return sighting;
  const from = parseAddress(sighting.address)!;
  const isSolicitor = contains(linkLocal, from) && !sighting.repeat;
  return { ...sighting, accepted: true, ...(isSolicitor && { packet: routerSolicitation(from) }) };
}

function texts(prefixes: readonly Prefix[]): string {
  return prefixes.map(formatPrefix).join();
}
