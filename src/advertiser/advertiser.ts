// SPDX-License-Identifier: GPL-2.0-only
// When who is sent which Router Advertisement on one interface. WireGuard carries nothing to all nodes, so each
// recipient gets its own: at its link-local address, or, as long as that is not known, at ff02::1 for that peer alone. To a
// global address it could be sent, too, but that may be of a host behind the peer.

import { constants } from 'node:os';
import { type AddressBytes, type Prefix, parseAddress } from '../address.ts';
import { formatAddress, formatPrefix } from '../address-text.ts';
import type { Clock } from '../clock.ts';
import { ALL_NODES } from '../kernel/all-nodes.ts';
import { hasErrno } from '../kernel/netlink-socket.ts';
import { type Advertisement, encodeAdvertisement, fitting } from '../packets/advertisement.ts';

/** Most that is announced, in seconds (RFC 9096, 3.4). */
export const PREFERRED_LIMIT = 2_700;
export const VALID_LIMIT = 5_400;
const ROUTER_LIFETIME = 2_700;

/** Hosts keep an address that long although they are told otherwise (RFC 4862, 5.5.3 e), in milliseconds. */
const TWO_HOURS = 7_200_000;

/** Routes and prefixes come some time after an interface: what hosts have is not taken back so soon, in milliseconds. */
const SETTLING = 60_000;

/** Who is new is waited for so long, in milliseconds: its solicitation may be on the way. */
const WELCOME = 200;
/** Shortest time between two refreshes, in milliseconds. */
const SHORTEST_REFRESH = 1_000;
/** Milliseconds after which news are told again, and once more: one may be lost on the way (RFC 4861, 6.2.4). */
const REPEATS = [4_000, 12_000];
/** Answers that a peer gets at once, and milliseconds until another. */
const ANSWERS = 3;
const ANSWER_INTERVAL = 1_000;
/** WireGuard's REJECT_AFTER_TIME in seconds: a peer whose handshakes are farther apart was away. */
const SESSION = 180;
/** A little less than its REKEY_AFTER_TIME: a peer whose handshakes are closer has been started anew. */
const REKEY = 110;
/** So many last advertisements go to ff02::1, as all do at once. */
const MOST_FAREWELLS = 100;
/** Milliseconds between two peers' turns at ff02::1: to lend it takes a look at all peers. */
const ALL_NODES_INTERVAL = 100;
/** Shortest time between two that a peer gets for its handshakes, in milliseconds. */
const HANDSHAKE_INTERVAL = 10_000;
/** Who uses no address of an announced prefix is told so often, so many milliseconds apart: the first may be lost. */
const ATTEMPTS = 3;
const ATTEMPT_INTERVAL = 20_000;
/** By so many milliseconds after the first, whoever takes advertisements has used an address. */
const PATIENCE = 60_000;
/** The kernel tells lifetimes in whole seconds: a shift by so many milliseconds is none. */
const SLACK = 2_000;
/** A solicitation that the kernel was given is there by then, in milliseconds. */
const SOLICITATION_TIMEOUT = 1_000;
/** Milliseconds until it is tried again whether one gets in. */
const PROBE_INTERVAL = 300_000;

/** No allowed IP fits (<asm-generic/errno.h>; Node does not name it). */
const ENOKEY = 126;

/** A prefix of 64 bits, with the times of the clock until which it may be used. */
export interface AnnouncedPrefix {
  readonly prefix: Prefix;
  /** −∞ if it is deprecated. */
  readonly preferredUntil: number;
  readonly validUntil: number;
}

/** What hosts are to know. */
export interface Announcement extends Pick<Advertisement, 'mtu' | 'servers' | 'search'> {
  readonly isDefaultRouter: boolean;
  readonly prefixes: readonly AnnouncedPrefix[];
}

export interface Recipient {
  /** The peer's public key in base64. */
  readonly peer: string;
  /** Its link-local address, canonical text; ALL_NODES if none is known. */
  readonly address: string;
  /** Seconds since 1970; 0 if there was none. */
  readonly latestHandshake: number;
}

/** A prefix that the interface no longer has, and until when addresses in it live on. */
export interface Departed {
  readonly prefix: Prefix;
  readonly until: number;
}

/** What hosts on an interface believe. */
export interface Advertised {
  readonly isDefaultRouter: boolean;
  /** Deprecated ones, too. */
  readonly prefixes: readonly Prefix[];
}

interface Correspondent extends Recipient {
  latestHandshake: number;
  /** When that was by our own clock, or was found: the one of WireGuard may be set at any moment. */
  shaken: number;
  /** When it is to be told next; Infinity: when it shakes hands. */
  due: number;
  /** When its next refresh is, if `due` is another attempt before that. */
  refresh: number | undefined;
  /** When it was told last. */
  told: number;
  /** After how long the news are to be told again, each time. */
  repeats: readonly number[];
  /** Whether there were news since its latest handshake: it may not have been there to hear them. */
  mayHaveMissedNews: boolean;
}

/** What hosts were last told of a prefix. */
interface Told {
  readonly prefix: Prefix;
  preferredUntil: number;
  /** The latest time that any host was told. */
  validUntil: number;
}

/** What was sent to a peer that has not been seen to use an announced prefix. */
interface Attempts {
  count: number;
  /** The time of the first. */
  since: number;
}

/** Takes the default route and the DNS server back. */
const farewell = encodeAdvertisement({
  routerLifetime: 0,
  prefixes: [],
  servers: [],
  search: [],
  dnsLifetime: 0,
});

const nothing: Announcement = { isDefaultRouter: false, prefixes: [], servers: [], search: [] };

export class Advertiser {
  #announcement = nothing;
  readonly #recipients = new Map<string, Correspondent>();
  /** From when on it may be another peer's turn at ff02::1. */
  #nextAllNodes = Number.NEGATIVE_INFINITY;
  readonly #told = new Map<string, Told>();
  readonly #gone: Map<string, Departed>;
  /** Peers with a link-local address that are not known to use an address of an announced prefix. */
  readonly #unheeding = new Map<string, Attempts>();
  /** Whether hosts were told that this is a default router. */
  #isBelievedIn: boolean;
  /** What hosts had been told before, until all of its kind is here again, or is not to be waited for any longer. */
  #earlier: Advertised | undefined;
  readonly #settledAt: number;
  /** Of each peer: when the answers that it has had would all have been due. */
  readonly #answered = new Map<string, number>();
  #cancelTimer: (() => void) | undefined;
  #timerAt = Number.POSITIVE_INFINITY;
  #cancelExpectation: (() => void) | undefined;
  #blocked = false;
  #deaf = false;
  /** From where the solicitation comes that the kernel is being tried with. */
  #probed: string | undefined;
  #nextProbe = Number.NEGATIVE_INFINITY;

  readonly #clock: Clock;
  readonly #send: (message: Buffer, to: AddressBytes, peer: string) => void;
  readonly #onChange: () => void;

  /**
   * `departed`: what an earlier process left. `earlier`: what hosts believe since there was another link, or before the
   * system was started. `send` may throw. `onChange` is called, from the clock, when something
   * has changed that is not asked for here: what is departed, or whether a firewall is in the way.
   */
  constructor(
    clock: Clock,
    send: (message: Buffer, to: AddressBytes, peer: string) => void,
    onChange: () => void,
    departed: readonly Departed[] = [],
    earlier?: Advertised,
  ) {
    this.#clock = clock;
    this.#send = send;
    this.#onChange = onChange;
    this.#gone = new Map(departed.map((each) => [formatPrefix(each.prefix), each]));
    this.#earlier = earlier;
    this.#settledAt = clock.now() + SETTLING;
    this.#isBelievedIn = earlier?.isDefaultRouter ?? false;
    for (const prefix of earlier?.prefixes ?? []) {
      const text = formatPrefix(prefix);
      if (this.#gone.has(text)) continue;
      const validUntil = clock.now() + 1_000 * VALID_LIMIT;
      this.#told.set(text, { prefix, preferredUntil: Number.NEGATIVE_INFINITY, validUntil });
    }
  }

  /** Prefixes whose addresses are to work on. */
  get departed(): Departed[] {
    return [...this.#gone.values()];
  }

  /** What hosts believe. */
  get advertised(): Advertised {
    const prefixes = [...this.#told.values(), ...this.#gone.values()].map(({ prefix }) => prefix);
    return { isDefaultRouter: this.#isBelievedIn, prefixes };
  }

  /** Whether there is anybody who is to be told something without being waited for. */
  get hasRecipients(): boolean {
    for (const { due } of this.#recipients.values()) if (due < Number.POSITIVE_INFINITY) return true;
    return false;
  }

  /** The system does not let advertisements out. */
  get isBlocked(): boolean {
    return this.#blocked;
  }

  /** Solicitations get lost between the kernel's receiving them and us. */
  get isDeaf(): boolean {
    return this.#deaf;
  }

  /** Tells all recipients at once if hosts have to know; what only goes on reaches them with the next refresh. */
  announce(announcement: Announcement): void {
    const before = this.#announcement;
    this.#announcement = announcement;
    if (this.#isSettling()) {
      this.#schedule();
      return;
    }
    const isNews = this.#noteDepartures() || summary(before) !== summary(announcement) || this.#isShortened();
    if (isNews) {
      for (const recipient of this.#recipients.values()) {
        recipient.mayHaveMissedNews = true;
        recipient.repeats = REPEATS;
        this.#advertiseOrWait(recipient);
      }
    }
    this.#schedule();
  }

  /** Whether a default route, or any prefix, that hosts were told of may yet come. */
  #isSettling(): boolean {
    if (!this.#earlier) return false;
    const { isDefaultRouter, prefixes } = this.#announcement;
    const isLess =
      (this.#earlier.isDefaultRouter && !isDefaultRouter) ||
      (this.#earlier.prefixes.length > 0 && prefixes.length === 0);
    if (isLess && this.#clock.now() < this.#settledAt) return true;
    this.#earlier = undefined;
    return false;
  }

  /** All that there are now. */
  setRecipients(recipients: readonly Recipient[]): void {
    const present = new Set(recipients.map(keyOf));
    for (const key of this.#recipients.keys()) if (!present.has(key)) this.#recipients.delete(key);
    const peers = new Set(recipients.map(({ peer }) => peer));
    for (const ofPeer of [this.#answered, this.#unheeding])
      for (const peer of ofPeer.keys()) if (!peers.has(peer)) ofPeer.delete(peer);
    for (const recipient of recipients) {
      const known = this.#recipients.get(keyOf(recipient));
      if (known?.peer !== recipient.peer) this.#welcome(recipient);
      else this.#noteHandshake(known, recipient.latestHandshake);
    }
    this.#schedule();
  }

  /** One more; its peer is there. */
  meet(recipient: Recipient): void {
    const unknown = this.#recipients.get(recipient.peer);
    this.#recipients.delete(recipient.peer);
    const known = this.#recipients.get(recipient.address);
    // What it has got at ff02::1 need not be said again.
    if (known?.peer !== recipient.peer) this.#welcome({ ...unknown, ...recipient });
    this.#schedule();
  }

  /** Whether a peer is not known to use an address of an announced prefix. */
  isUnheeding(peer: string): boolean {
    return this.#unheeding.has(peer);
  }

  /** A peer uses such an address. */
  heed(peer: string): void {
    this.#unheeding.delete(peer);
  }

  /** Peers that are there and do not use what was sent to them several times. */
  get unheeding(): string[] {
    const now = this.#clock.now();
    const present = new Set(
      [...this.#recipients.values()].filter((each) => this.#hasSession(each)).map(({ peer }) => peer),
    );
    return [...this.#unheeding]
      .filter(([, { count, since }]) => count >= ATTEMPTS && now - since >= PATIENCE)
      .flatMap(([peer]) => (present.has(peer) ? [peer] : []));
  }

  /** A peer has a new session. `mayUseAllNodes`: ff02::1 may be sent to. */
  shakeHands(peer: string, mayUseAllNodes: boolean): void {
    const latestHandshake = Math.floor(this.#clock.wall() / 1_000);
    const known = [...this.#recipients.values()].filter((recipient) => recipient.peer === peer);
    for (const recipient of known) this.#noteHandshake(recipient, latestHandshake);
    if (known.length === 0 && mayUseAllNodes) this.#welcome({ peer, address: ALL_NODES, latestHandshake });
    this.#schedule();
  }

  /** Its solicitation may be on the way, and who has no session cannot be reached at ff02::1. */
  #welcome(recipient: Recipient & Partial<Pick<Correspondent, 'told' | 'shaken'>>): void {
    const { told = Number.NEGATIVE_INFINITY, shaken = Number.NEGATIVE_INFINITY } = recipient;
    const now = this.#clock.now();
    const age = Math.max(0, this.#clock.wall() - 1_000 * recipient.latestHandshake);
    const welcomed: Correspondent = {
      ...recipient,
      shaken: Math.max(shaken, now - age),
      due: Math.max(now + WELCOME, told + HANDSHAKE_INTERVAL),
      refresh: undefined,
      told,
      repeats: [],
      mayHaveMissedNews: false,
    };
    if (!this.#isReachable(welcomed)) welcomed.due = Number.POSITIVE_INFINITY;
    this.#recipients.set(keyOf(recipient), welcomed);
    if (recipient.address !== ALL_NODES && !this.#unheeding.has(recipient.peer))
      this.#unheeding.set(recipient.peer, { count: 0, since: Number.POSITIVE_INFINITY });
  }

  /** What was sent while it was away is lost, and what it had it may have forgotten when it was started anew. */
  #noteHandshake(recipient: Correspondent, latestHandshake: number): void {
    if (Math.abs(latestHandshake - recipient.latestHandshake) <= 1) return; // the one that the hook has told
    const gap = latestHandshake - recipient.latestHandshake;
    recipient.latestHandshake = latestHandshake;
    recipient.shaken = this.#clock.now();
    // A new key after two minutes, as ever, may be that of a peer that was started anew all the same; but many are not told
    // so often at ff02::1.
    const isAsEver = gap >= REKEY && gap <= SESSION && recipient.due < Number.POSITIVE_INFINITY;
    if (isAsEver && recipient.address === ALL_NODES && !recipient.mayHaveMissedNews) return;
    recipient.mayHaveMissedNews = false;
    const next = Math.max(this.#clock.now(), recipient.told + HANDSHAKE_INTERVAL);
    recipient.due = recipient.repeats.length > 0 ? Math.min(recipient.due, next) : next;
    recipient.refresh = undefined;
  }

  /** To send to a link-local address costs nothing where nobody is; ff02::1 is for who is there. */
  #isReachable(recipient: Correspondent): boolean {
    return recipient.address !== ALL_NODES || this.#hasSession(recipient);
  }

  #hasSession({ shaken }: Correspondent): boolean {
    return this.#clock.now() - shaken < 1_000 * SESSION;
  }

  #advertiseOrWait(recipient: Correspondent): void {
    const now = this.#clock.now();
    if (!this.#isReachable(recipient)) recipient.due = Number.POSITIVE_INFINITY;
    else if (this.#isSettling()) recipient.due = this.#settledAt;
    else if (recipient.address === ALL_NODES && now < this.#nextAllNodes) recipient.due = this.#nextAllNodes;
    else {
      if (recipient.address === ALL_NODES) this.#nextAllNodes = now + ALL_NODES_INTERVAL;
      this.#advertise(recipient);
    }
  }

  /** A valid solicitation has come. Who is not known yet gets its advertisement when it is. */
  solicited(from: AddressBytes): void {
    const address = formatAddress(from);
    const isProbe = address === this.#probed;
    this.#heard();
    const recipient = this.#recipients.get(address);
    if (!recipient || isProbe) return;
    const now = this.#clock.now();
    const next = Math.max(this.#answered.get(recipient.peer) ?? 0, now);
    if (next - now > (ANSWERS - 1) * ANSWER_INTERVAL) return;
    this.#answered.set(recipient.peer, next + ANSWER_INTERVAL);
    this.#advertise(recipient);
    this.#schedule();
  }

  /** The kernel is being given a solicitation, so it has to come. */
  expectSolicitation(): void {
    this.#cancelExpectation ??= this.#clock.after(SOLICITATION_TIMEOUT, () => {
      this.#cancelExpectation = undefined;
      this.#probed = undefined;
      if (this.#deaf) return;
      this.#deaf = true;
      this.#onChange();
    });
  }

  /**
   * Tries now and then, and each time while it is deaf, whether a firewall lets solicitations in: a known peer's are not
   * seen before. `deliver` is to give one to the kernel, and may throw.
   */
  probe(deliver: (from: AddressBytes) => void): void {
    const now = this.#clock.now();
    if (this.#probed !== undefined || (now < this.#nextProbe && !this.#deaf)) return;
    const known = [...this.#recipients.values()].find(({ address }) => address !== ALL_NODES);
    if (!known) return;
    this.#nextProbe = now + PROBE_INTERVAL;
    this.#probed = known.address;
    this.expectSolicitation();
    try {
      deliver(parseAddress(known.address)!);
    } catch {
      this.#expectNothing(); // the interface is going
    }
  }

  #expectNothing(): void {
    this.#cancelExpectation?.();
    this.#cancelExpectation = undefined;
    this.#probed = undefined;
  }

  #heard(): void {
    this.#expectNothing();
    if (!this.#deaf) return;
    this.#deaf = false;
    this.#clock.after(0, this.#onChange);
  }

  /** Tells nobody: what hosts were told holds, and the next start goes on with it. */
  stop(): void {
    this.#cancelTimer?.();
    this.#cancelExpectation?.();
  }

  /** A last advertisement goes to all who may have had one: this is no default router any more. */
  end(): void {
    this.stop();
    let turns = MOST_FAREWELLS;
    for (const recipient of this.#recipients.values()) {
      if (!this.#isReachable(recipient) || (recipient.address === ALL_NODES && turns-- <= 0)) continue;
      try {
        this.#send(farewell, parseAddress(recipient.address)!, recipient.peer);
      } catch {
        // Then it believes in us until the lifetime that it was told is over.
      }
    }
  }

  /** What hosts were told of lives on as long as they believe in it. Whether there is anything new. */
  #noteDepartures(): boolean {
    const now = this.#clock.now();
    const present = new Set(this.#announcement.prefixes.map(({ prefix }) => formatPrefix(prefix)));
    let isNews = false;
    for (const [text, { prefix, validUntil }] of this.#told) {
      if (present.has(text)) continue;
      this.#told.delete(text);
      if (validUntil < now + SLACK) continue;
      this.#gone.set(text, { prefix, until: Math.min(validUntil, now + TWO_HOURS) });
      isNews = true;
    }
    for (const [text, { until }] of this.#gone)
      if (present.has(text) || until <= now) this.#gone.delete(text);
    return isNews;
  }

  /** Whether hosts believe that they may use a prefix for longer than they may. */
  #isShortened(): boolean {
    const now = this.#clock.now();
    return this.#announcement.prefixes.some(({ prefix, preferredUntil }) => {
      const told = this.#told.get(formatPrefix(prefix));
      return told !== undefined && told.preferredUntil > Math.max(preferredUntil, now) + SLACK;
    });
  }

  #advertise(recipient: Correspondent): void {
    const now = this.#clock.now();
    const content = this.#content(now);
    const [repeat = Number.POSITIVE_INFINITY, ...repeats] = recipient.repeats;
    recipient.due = now + Math.min(repeat, refreshInterval(content));
    recipient.repeats = repeats;
    recipient.refresh = undefined;
    try {
      this.#send(encodeAdvertisement(content), parseAddress(recipient.address)!, recipient.peer);
    } catch (error) {
      // Other errors are those of a peer that cannot be reached now.
      this.#note(hasErrno(error, constants.errno.EPERM));
      if (hasErrno(error, ENOKEY) && recipient.address !== ALL_NODES) this.#lose(recipient);
      return;
    }
    this.#note(false);
    recipient.told = now;
    this.#noteAttempt(recipient);
    this.#isBelievedIn = content.routerLifetime > 0;
    for (const { prefix, preferred, valid } of content.prefixes) {
      const text = formatPrefix(prefix);
      if (this.#gone.has(text)) continue;
      const validUntil = Math.max(this.#told.get(text)?.validUntil ?? 0, now + 1_000 * valid);
      this.#told.set(text, { prefix, preferredUntil: now + 1_000 * preferred, validUntil });
    }
  }

  /** The address is nobody's by now: it was forgotten, or its peer was removed and added again. The peer may be there. */
  #lose(recipient: Correspondent): void {
    this.#recipients.delete(keyOf(recipient));
    this.#welcome({ ...recipient, address: ALL_NODES });
  }

  #noteAttempt(recipient: Correspondent): void {
    const attempts = this.#unheeding.get(recipient.peer);
    if (!attempts || recipient.address === ALL_NODES) return;
    attempts.since = Math.min(attempts.since, recipient.told);
    const next = recipient.told + ATTEMPT_INTERVAL;
    if (++attempts.count >= ATTEMPTS || recipient.due <= next) return;
    recipient.refresh = recipient.due;
    recipient.due = next;
  }

  #note(isBlocked: boolean): void {
    if (isBlocked === this.#blocked) return;
    this.#blocked = isBlocked;
    this.#clock.after(0, this.#onChange);
  }

  /** How much of what there is to announce does not fit. */
  get leftOut(): { readonly prefixes: number; readonly domains: number } {
    return fitting(this.#all(this.#clock.now()));
  }

  #content(now: number): Advertisement {
    return fitting(this.#all(now)).content;
  }

  #all(now: number): Advertisement {
    const { isDefaultRouter, prefixes, ...rest } = this.#announcement;
    const secondsTo = (time: number, most: number) =>
      Math.max(0, Math.min(most, Math.floor((time - now) / 1_000)));
    const present = prefixes.map(({ prefix, preferredUntil, validUntil }) => ({
      prefix,
      preferred: secondsTo(Math.min(preferredUntil, validUntil), PREFERRED_LIMIT),
      valid: secondsTo(validUntil, VALID_LIMIT),
    }));
    const departed = this.departed.map(({ prefix, until }) => ({
      prefix,
      preferred: 0,
      valid: secondsTo(until, TWO_HOURS),
    }));
    return {
      ...rest,
      routerLifetime: isDefaultRouter ? ROUTER_LIFETIME : 0,
      prefixes: [...present, ...departed],
      dnsLifetime: ROUTER_LIFETIME,
    };
  }

  /** By the earliest of what is due: a refresh, the end of a departed prefix, or of waiting for what was there before. */
  #schedule(): void {
    const dues = [...this.#recipients.values()].map(({ due }) => due);
    const ends = this.departed.map(({ until }) => until);
    const next = Math.min(this.#earlier ? this.#settledAt : Number.POSITIVE_INFINITY, ...dues, ...ends);
    if (next === this.#timerAt && this.#cancelTimer) return;
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    this.#timerAt = next;
    if (next === Number.POSITIVE_INFINITY) return;
    this.#cancelTimer = this.#clock.after(Math.max(0, next - this.#clock.now()), () => this.#wake());
  }

  #wake(): void {
    this.#cancelTimer = undefined;
    const now = this.#clock.now();
    const hasSettled = this.#earlier !== undefined && !this.#isSettling();
    if (hasSettled) this.announce(this.#announcement);
    for (const recipient of this.#recipients.values()) {
      if (recipient.due > now) continue;
      const { peer, refresh } = recipient;
      if (refresh !== undefined && !this.isUnheeding(peer)) {
        recipient.due = refresh;
        recipient.refresh = undefined;
      } else this.#advertiseOrWait(recipient);
    }
    const hasEnded = this.departed.some(({ until }) => until <= now);
    if (hasEnded) this.#noteDepartures();
    this.#schedule();
    if (hasEnded || hasSettled) this.#onChange();
  }
}

/** A link-local address is one peer's; at ff02::1 there is one recipient for each peer. */
function keyOf({ peer, address }: Recipient): string {
  return address === ALL_NODES ? peer : address;
}

/** What makes an advertisement news, but for how long it holds. */
function summary({ isDefaultRouter, mtu, prefixes, servers, search }: Announcement): string {
  return JSON.stringify([
    isDefaultRouter,
    mtu,
    servers.map(formatAddress),
    search,
    prefixes.map(({ prefix, preferredUntil }) => [
      formatPrefix(prefix),
      preferredUntil === Number.NEGATIVE_INFINITY,
    ]),
  ]);
}

/** Three times before the first of what was told runs out, at a time of its own for each host, in milliseconds. */
function refreshInterval({ prefixes, routerLifetime, dnsLifetime }: Advertisement): number {
  const lifetimes = [routerLifetime, dnsLifetime, ...prefixes.map(({ preferred }) => preferred)];
  const shortest = 1_000 * Math.min(...lifetimes.filter((lifetime) => lifetime > 0));
  return Math.max(SHORTEST_REFRESH, (shortest / 3) * (0.75 + Math.random() / 4));
}
