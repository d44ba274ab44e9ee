// SPDX-License-Identifier: GPL-2.0-only
// When who is sent which Router Advertisement on one interface. WireGuard carries nothing to all nodes, so each
// recipient gets its own.

import { constants } from 'node:os';
import { type AddressBytes, type Prefix, parseAddress } from '../address.ts';
import { formatAddress, formatPrefix } from '../address-text.ts';
import type { Clock } from '../clock.ts';
import { hasErrno } from '../kernel/netlink-socket.ts';
import { type Advertisement, encodeAdvertisement } from '../packets/advertisement.ts';

/** Most that is announced, in seconds (RFC 9096, 3.4). */
export const PREFERRED_LIMIT = 2_700;
export const VALID_LIMIT = 5_400;
const ROUTER_LIFETIME = 2_700;

/** Hosts keep an address that long although they are told otherwise (RFC 4862, 5.5.3 e), in milliseconds. */
const TWO_HOURS = 7_200_000;

/** Who is new is waited for so long, in milliseconds: its solicitation may be on the way. */
const WELCOME = 200;
/** Shortest time between two refreshes, in milliseconds. */
const SHORTEST_REFRESH = 1_000;
/** Answers that a peer gets at once, and milliseconds until another. */
const ANSWERS = 3;
const ANSWER_INTERVAL = 1_000;
/** WireGuard's REJECT_AFTER_TIME in seconds: a peer whose handshakes are farther apart was away. */
const SESSION = 180;
/** The kernel tells lifetimes in whole seconds: a shift by so many milliseconds is none. */
const SLACK = 2_000;
/** A solicitation that the kernel was given is there by then, in milliseconds. */
const SOLICITATION_TIMEOUT = 1_000;

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
  /** Its link-local address, canonical text. */
  readonly address: string;
  /** Seconds since 1970; 0 if there was none. */
  readonly latestHandshake: number;
}

/** A prefix that the interface no longer has, and until when addresses in it live on. */
export interface Departed {
  readonly prefix: Prefix;
  readonly until: number;
}

interface Correspondent extends Recipient {
  latestHandshake: number;
  /** When it is to be refreshed. */
  due: number;
}

/** What hosts were last told of a prefix. */
interface Told {
  readonly prefix: Prefix;
  preferredUntil: number;
  /** The latest time that any host was told. */
  validUntil: number;
}

const nothing: Announcement = { isDefaultRouter: false, prefixes: [], servers: [], search: [] };

export class Advertiser {
  #announcement = nothing;
  readonly #recipients = new Map<string, Correspondent>();
  readonly #told = new Map<string, Told>();
  readonly #gone: Map<string, Departed>;
  /** Of each peer: when the answers that it has had would all have been due. */
  readonly #answered = new Map<string, number>();
  #cancelTimer: (() => void) | undefined;
  #timerAt = Number.POSITIVE_INFINITY;
  #cancelExpectation: (() => void) | undefined;
  #hasAdvertised = false;
  #blocked = false;
  #deaf = false;

  readonly #clock: Clock;
  readonly #send: (message: Buffer, to: AddressBytes) => void;
  readonly #onChange: () => void;

  /**
   * `departed`: what an earlier process left. `send` may throw. `onChange` is called, from the clock, when something
   * has changed that is not asked for here: what is departed, or whether a firewall is in the way.
   */
  constructor(
    clock: Clock,
    send: (message: Buffer, to: AddressBytes) => void,
    onChange: () => void,
    departed: readonly Departed[] = [],
  ) {
    this.#clock = clock;
    this.#send = send;
    this.#onChange = onChange;
    this.#gone = new Map(departed.map((each) => [formatPrefix(each.prefix), each]));
  }

  /** Prefixes whose addresses are to work on. */
  get departed(): Departed[] {
    return [...this.#gone.values()];
  }

  get hasRecipients(): boolean {
    return this.#recipients.size > 0;
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
    const isNews = this.#noteDepartures() || summary(before) !== summary(announcement) || this.#isShortened();
    if (isNews) for (const recipient of this.#recipients.values()) this.#advertise(recipient);
    this.#schedule();
  }

  /** All that there are now. */
  setRecipients(recipients: readonly Recipient[]): void {
    const present = new Set(recipients.map(({ address }) => address));
    for (const address of this.#recipients.keys())
      if (!present.has(address)) this.#recipients.delete(address);
    const peers = new Set(recipients.map(({ peer }) => peer));
    for (const peer of this.#answered.keys()) if (!peers.has(peer)) this.#answered.delete(peer);
    for (const recipient of recipients) {
      const known = this.#recipients.get(recipient.address);
      if (known?.peer !== recipient.peer) this.#welcome(recipient);
      else if (recipient.latestHandshake !== known.latestHandshake) {
        // What was sent while it was away is lost.
        if (recipient.latestHandshake - known.latestHandshake > SESSION) known.due = this.#clock.now();
        known.latestHandshake = recipient.latestHandshake;
      }
    }
    this.#schedule();
  }

  /** One more. */
  meet(recipient: Recipient): void {
    if (this.#recipients.get(recipient.address)?.peer !== recipient.peer) this.#welcome(recipient);
    this.#schedule();
  }

  #welcome(recipient: Recipient): void {
    this.#recipients.set(recipient.address, { ...recipient, due: this.#clock.now() + WELCOME });
  }

  /** A valid solicitation has come. Who is not known yet gets its advertisement when it is. */
  solicited(from: AddressBytes): void {
    this.#heard();
    const recipient = this.#recipients.get(formatAddress(from));
    if (!recipient) return;
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
      if (this.#deaf) return;
      this.#deaf = true;
      this.#onChange();
    });
  }

  #heard(): void {
    this.#cancelExpectation?.();
    this.#cancelExpectation = undefined;
    if (!this.#deaf) return;
    this.#deaf = false;
    this.#clock.after(0, this.#onChange);
  }

  /** A last advertisement goes to all who had one: this is no default router any more. */
  end(): void {
    this.#cancelTimer?.();
    this.#cancelExpectation?.();
    if (!this.#hasAdvertised) return;
    const farewell = encodeAdvertisement({
      routerLifetime: 0,
      prefixes: [],
      servers: [],
      search: [],
      dnsLifetime: 0,
    });
    for (const { address } of this.#recipients.values()) {
      try {
        this.#send(farewell, parseAddress(address)!);
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
    recipient.due = now + refreshInterval(content);
    try {
      this.#send(encodeAdvertisement(content), parseAddress(recipient.address)!);
    } catch (error) {
      // Other errors are those of a peer that cannot be reached now.
      this.#note(hasErrno(error, constants.errno.EPERM));
      return;
    }
    this.#note(false);
    this.#hasAdvertised = true;
    for (const { prefix, preferred, valid } of content.prefixes) {
      const text = formatPrefix(prefix);
      if (this.#gone.has(text)) continue;
      const validUntil = Math.max(this.#told.get(text)?.validUntil ?? 0, now + 1_000 * valid);
      this.#told.set(text, { prefix, preferredUntil: now + 1_000 * preferred, validUntil });
    }
  }

  #note(isBlocked: boolean): void {
    if (isBlocked === this.#blocked) return;
    this.#blocked = isBlocked;
    this.#clock.after(0, this.#onChange);
  }

  #content(now: number): Advertisement {
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

  /** By the earliest of what is due: a refresh, or the end of a departed prefix. */
  #schedule(): void {
    const dues = [...this.#recipients.values()].map(({ due }) => due);
    const ends = this.departed.map(({ until }) => until);
    const next = Math.min(Number.POSITIVE_INFINITY, ...dues, ...ends);
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
    for (const recipient of this.#recipients.values()) if (recipient.due <= now) this.#advertise(recipient);
    const hasEnded = this.departed.some(({ until }) => until <= now);
    if (hasEnded) this.#noteDepartures();
    this.#schedule();
    if (hasEnded) this.#onChange();
  }
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
