// SPDX-License-Identifier: GPL-2.0-only
// When who is sent which Router Advertisement on one interface. WireGuard carries nothing to all nodes, so each
// recipient gets its own: at its link-local address, or, as long as that is not known, at ff02::1 for that peer alone. To a
// global address it could be sent, too, but that may be of a host behind the peer.

import { constants } from 'node:os';
import { type AddressBytes, type Prefix, parseAddress } from '../address.ts';
import { formatAddress } from '../address-text.ts';
import type { Clock } from '../clock.ts';
import { ALL_NODES } from '../kernel/all-nodes.ts';
import { hasErrno } from '../kernel/netlink-socket.ts';
import { SESSION } from '../model.ts';
import { type Advertisement, encodeAdvertisement, fitting, type LeftOut } from '../packets/advertisement.ts';
import {
  type Announcement,
  contentOf,
  type Departed,
  farewell,
  nothing,
  ROUTER_LIFETIME,
  refreshInterval,
  summary,
} from './announcement.ts';
import { type Advertised, Beliefs } from './beliefs.ts';
import { Ear } from './ear.ts';
import { Unheeding } from './unheeding.ts';

/** Who is new is waited for so long, in milliseconds: its solicitation may be on the way. */
const WELCOME = 200;
/** Milliseconds after which news are told again, and once more: one may be lost on the way (RFC 4861, 6.2.4). */
const REPEATS = [4_000, 12_000];
/** Answers that a peer gets at once, and milliseconds until another. */
const ANSWERS = 3;
const ANSWER_INTERVAL = 1_000;
/** A little less than WireGuard's REKEY_AFTER_TIME in seconds: a peer whose handshakes are closer has been started anew. */
const REKEY = 110;
/** So many last advertisements go to ff02::1, as all do at once. */
const MOST_FAREWELLS = 100;
/** Milliseconds between two peers' turns at ff02::1: to lend it takes a look at all peers. */
const ALL_NODES_INTERVAL = 100;
/** Shortest time between two that a peer gets for its handshakes, in milliseconds. */
const HANDSHAKE_INTERVAL = 10_000;
/** No allowed IP fits (<asm-generic/errno.h>; Node does not name it). */
const ENOKEY = 126;

export interface Recipient {
  /** The peer's public key in base64. */
  readonly peer: string;
  /** Its link-local address, canonical text; ALL_NODES if none is known. */
  readonly address: string;
  /** Seconds since 1970; 0 if there was none. */
  readonly latestHandshake: number;
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

export class Advertiser {
  #announcement = nothing;
  readonly #recipients = new Map<string, Correspondent>();
  /** From when on it may be another peer's turn at ff02::1. */
  #nextAllNodes = Number.NEGATIVE_INFINITY;
  readonly #beliefs: Beliefs;
  readonly #unheeding = new Unheeding();
  readonly #ear: Ear;
  /** Of each peer: when the answers that it has had would all have been due. */
  readonly #answered = new Map<string, number>();
  #cancelTimer: (() => void) | undefined;
  #timerAt = Number.POSITIVE_INFINITY;
  /** When a peer has had its time to heed what it was told. */
  #verdictAt = Number.POSITIVE_INFINITY;
  #blocked = false;

  readonly #clock: Clock;
  readonly #send: (message: Buffer, to: AddressBytes, peer: string) => void;
  readonly #onChange: () => void;

  /**
   * `departed`: what an earlier process left. `earlier`: what hosts believe since there was another link, or before the
   * system was started. `send` may throw. `onChange` is called, from the clock, when something
   * has changed that is not asked for here: what is departed, whether a firewall is in the way, or who is unheeding.
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
    this.#beliefs = new Beliefs(clock.now(), departed, earlier);
    this.#ear = new Ear(clock, onChange);
  }

  /** Prefixes whose addresses are to work on. */
  get departed(): Departed[] {
    return this.#beliefs.departed;
  }

  /** What hosts believe. */
  get advertised(): Advertised {
    return this.#beliefs.advertised;
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
    return this.#ear.isDeaf;
  }

  /** Tells all recipients at once if hosts have to know; what only goes on reaches them with the next refresh. */
  announce(announcement: Announcement): void {
    const before = this.#announcement;
    this.#announcement = announcement;
    if (this.#isSettling()) {
      this.#schedule();
      return;
    }
    const isNews =
      this.#noteDepartures() ||
      summary(before) !== summary(announcement) ||
      this.#beliefs.isShortened(announcement.prefixes, this.#clock.now());
    if (isNews) {
      for (const recipient of this.#recipients.values()) {
        recipient.mayHaveMissedNews = true;
        recipient.repeats = REPEATS;
        this.#advertiseOrWait(recipient);
      }
    }
    this.#schedule();
  }

  #isSettling(): boolean {
    return this.#beliefs.isSettling(this.#announcement, this.#clock.now());
  }

  #noteDepartures(): boolean {
    return this.#beliefs.noteDepartures(this.#announcement.prefixes, this.#clock.now());
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
  addRecipient(recipient: Recipient): void {
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
    const wasTold = this.unheeding.includes(peer);
    this.#unheeding.delete(peer);
    if (wasTold) this.#clock.after(0, this.#onChange);
  }

  /** Peers that are there and do not use what was sent to them several times. */
  get unheeding(): string[] {
    const present = new Set(
      [...this.#recipients.values()].filter((each) => this.#hasSession(each)).map(({ peer }) => peer),
    );
    return this.#unheeding.list(this.#clock.now()).filter((peer) => present.has(peer));
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
    if (recipient.address !== ALL_NODES) this.#unheeding.begin(recipient.peer);
  }

  /** What was sent while it was away is lost, and what it had it may have forgotten when it was started anew. */
  #noteHandshake(recipient: Correspondent, latestHandshake: number): void {
    if (Math.abs(latestHandshake - recipient.latestHandshake) <= 1) return; // the one that the hook has told
    const gap = latestHandshake - recipient.latestHandshake;
    recipient.latestHandshake = latestHandshake;
    const now = this.#clock.now();
    // A peer that was removed and added again has no session. It is advertised to at once: WireGuard begins one for that if it
    // knows where the peer is, which else would go on sending into its old one for 15 s or more.
    const isAnew = latestHandshake === 0;
    recipient.shaken = isAnew ? Number.NEGATIVE_INFINITY : now;
    // A new key after two minutes, as ever, may be that of a peer that was started anew all the same; but many are not told
    // so often at ff02::1.
    const isAsEver = gap >= REKEY && gap <= SESSION / 1_000 && recipient.due < Number.POSITIVE_INFINITY;
    if (isAsEver && recipient.address === ALL_NODES && !recipient.mayHaveMissedNews) return;
    recipient.mayHaveMissedNews = false;
    const next = isAnew ? now : Math.max(now, recipient.told + HANDSHAKE_INTERVAL);
    recipient.due = recipient.repeats.length > 0 ? Math.min(recipient.due, next) : next;
    recipient.refresh = undefined;
  }

  /** To send to a link-local address costs nothing where nobody is; ff02::1 is for who is there. */
  #isReachable(recipient: Correspondent): boolean {
    return recipient.address !== ALL_NODES || this.#hasSession(recipient);
  }

  #hasSession({ shaken }: Correspondent): boolean {
    return this.#clock.now() - shaken < SESSION;
  }

  #advertiseOrWait(recipient: Correspondent): void {
    const now = this.#clock.now();
    if (!this.#isReachable(recipient)) recipient.due = Number.POSITIVE_INFINITY;
    else if (this.#isSettling()) recipient.due = this.#beliefs.settledAt;
    else if (recipient.address === ALL_NODES && now < this.#nextAllNodes) recipient.due = this.#nextAllNodes;
    else {
      if (recipient.address === ALL_NODES) this.#nextAllNodes = now + ALL_NODES_INTERVAL;
      this.#advertise(recipient);
    }
  }

  /** A valid solicitation has come. Who is not known yet gets its advertisement when it is. */
  solicited(from: AddressBytes): void {
    const address = formatAddress(from);
    const isFromPeer = this.#ear.hear(address);
    const recipient = this.#recipients.get(address);
    if (!recipient || !isFromPeer) return;
    const now = this.#clock.now();
    const next = Math.max(this.#answered.get(recipient.peer) ?? 0, now);
    if (next - now > (ANSWERS - 1) * ANSWER_INTERVAL) return;
    this.#answered.set(recipient.peer, next + ANSWER_INTERVAL);
    this.#advertise(recipient);
    this.#schedule();
  }

  /** The kernel is being given a solicitation, so it has to come. */
  expectSolicitation(): void {
    this.#ear.expect();
  }

  /** Tries whether a firewall lets solicitations in. `deliver` is to give one to the kernel, and may throw. */
  probe(deliver: (from: AddressBytes) => void): void {
    const known = [...this.#recipients.values()].find(({ address }) => address !== ALL_NODES);
    if (known) this.#ear.probe(known.address, () => deliver(parseAddress(known.address)!));
  }

  /** Tells nobody: what hosts were told holds, and the next start goes on with it. */
  stop(): void {
    this.#cancelTimer?.();
    this.#ear.expectNothing();
  }

  /** A last advertisement goes to all who may believe one: this is no default router any more. */
  end(): void {
    this.stop();
    const message = farewell(this.#withdrawnRoutes(nothing.routes));
    const believers = [...this.#recipients.values()].filter((each) => this.#mayBelieve(each));
    const known = believers.filter(({ address }) => address !== ALL_NODES);
    const unknown = believers.filter(({ address }) => address === ALL_NODES);
    unknown.sort((a, b) => b.shaken - a.shaken);
    for (const recipient of [...known, ...unknown.slice(0, MOST_FAREWELLS)]) {
      try {
        this.#send(message, parseAddress(recipient.address)!, recipient.peer);
      } catch {
        // Then it believes in us until the lifetime that it was told is over.
      }
    }
  }

  /**
   * Whether it may have been told of a default route that has not run out: it is refreshed for as long as it has a session.
   * WireGuard keeps what is sent to who has none until they have shaken hands.
   */
  #mayBelieve({ address, shaken }: Correspondent): boolean {
    return address !== ALL_NODES || this.#clock.now() - shaken < SESSION + 1_000 * ROUTER_LIFETIME;
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
    this.#beliefs.note(content, now);
  }

  /** The address is nobody's by now: it was forgotten, or its peer was removed and added again. The peer may be there. */
  #lose(recipient: Correspondent): void {
    this.#recipients.delete(keyOf(recipient));
    this.#welcome({ ...recipient, address: ALL_NODES });
  }

  #noteAttempt(recipient: Correspondent): void {
    if (recipient.address === ALL_NODES) return;
    const next = this.#unheeding.note(recipient.peer, recipient.told);
    if (recipient.due <= next) return;
    recipient.refresh = recipient.due;
    recipient.due = next;
  }

  #note(isBlocked: boolean): void {
    if (isBlocked === this.#blocked) return;
    this.#blocked = isBlocked;
    this.#clock.after(0, this.#onChange);
  }

  /** How much of what there is to announce does not fit. */
  get leftOut(): LeftOut {
    return fitting(this.#all(this.#clock.now())).leftOut;
  }

  #content(now: number): Advertisement {
    return fitting(this.#all(now)).content;
  }

  #all(now: number): Advertisement {
    const withdrawn = this.#withdrawnRoutes(this.#announcement.routes);
    return contentOf(this.#announcement, this.departed, withdrawn, now);
  }

  #withdrawnRoutes(routes: readonly Prefix[]): Prefix[] {
    return this.#beliefs.withdrawnRoutes(routes, this.#clock.now());
  }

  /**
   * By the earliest of what is due: a refresh, the end of a departed prefix, of waiting for what was there before, or of the
   * time in which a peer that was told may heed that.
   */
  #schedule(): void {
    const dues = [...this.#recipients.values()].map(({ due }) => due);
    const ends = this.departed.map(({ until }) => until);
    this.#verdictAt = this.#unheeding.nextEnd(this.#clock.now());
    const next = Math.min(this.#beliefs.settledAt, this.#verdictAt, ...dues, ...ends);
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
    const hasSettled = this.#beliefs.isWaiting && !this.#isSettling();
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
    const isJudged = this.#verdictAt <= now;
    this.#schedule();
    if (hasEnded || hasSettled || isJudged) this.#onChange();
  }
}

/** A link-local address is one peer's; at ff02::1 there is one recipient for each peer. */
function keyOf({ peer, address }: Recipient): string {
  return address === ALL_NODES ? peer : address;
}
