// SPDX-License-Identifier: GPL-2.0-only
// Seeing new addresses without a hook. When WireGuard refuses packets, the prefixes to learn in are lent to the peer that
// most likely sent them. What then comes from an unknown address is the borrower's: WireGuard takes it from nobody else.

import type { AddressBytes } from '../../address.ts';
import type { Clock } from '../../clock.ts';
import type { Device, Limits, Link, Loan, Scope, Sighting } from '../../model.ts';
import { failureOf, isSame, type Problem } from '../../problem.ts';
import * as abi from '../abi.ts';
import { AllNodes } from '../all-nodes.ts';
import { BpfSightings, type ObjectOptions } from '../bpf-sightings.ts';
import type { BpfMap, Native, NativeSocket } from '../native.ts';
import type { Links, Observer, Sightings, WireGuard } from '../ports.ts';
import { askAllNodes } from './echo.ts';
import { type KernelSide, Lending, strangers } from './lending.ts';
import { withoutLoan } from './loans.ts';
import { withOffered } from './offers.ts';
import { recallLoans } from './recall.ts';
import { barrier, ETH_P_IP, ETH_P_IPV6, openTap } from './tap.ts';

/** Milliseconds from a message to a look at whether it was refused: WireGuard decrypts it meanwhile. */
const LOOK_DELAY = 50;

/** … from there to the next message that is worth a look: well before TCP sends again, after a second. */
const REST = 200;

/** … unless that was in vain: who goes on being refused does not keep us busy. */
const LONG_REST = 1_000;

/** … and, if something was refused, until it is asked who did not send it: all that had come is accounted for by then. */
const ACCOUNT_DELAY = 30;

/** What user space may wait for, as the keys of the map "armed". */
const DATA = 0;
const HANDSHAKE = 1;

/**
 * Milliseconds from the first message of a handshake to a look at whether there is a new session, then to the next ones.
 * Two looks follow the last message, as the network may be slow.
 */
const HANDSHAKE_DELAY = 1_000;
const HANDSHAKE_REST = 3_000;
const HANDSHAKE_LOOKS = 2;

export interface Dependencies {
  readonly wireguard: WireGuard;
  readonly links: Pick<Links, 'refused'>;
  readonly clock: Clock;
}

export class Lender extends BpfSightings implements Sightings {
  readonly hook = 'lending';
  readonly seesHandshakes = true;
  readonly seesChanges = false;
  readonly #allNodes: AllNodes;
  readonly #native: Native;
  readonly #borrowers: BpfMap;
  readonly #endpoints: BpfMap;
  readonly #budgets: BpfMap;
  readonly #armed: BpfMap;
  readonly #outerTaps: NativeSocket[] = [];
  readonly #innerTaps = new Map<number, NativeSocket>();
  readonly #lendings = new Map<number, Lending>();
  /** Who had a loan from an earlier process, by ifindex. */
  readonly #former: Map<number, string>;
  /** Encrypted bytes by endpoint at the last look. */
  #traffic: ReadonlyMap<string, number> = new Map();
  /** The next look, of whatever kind. */
  #cancelNext: (() => void) | undefined;
  #handshakeLooks = 0;
  #cancelHandshakeLook: (() => void) | undefined;
  readonly #failures = new Map<number, Problem>();

  readonly #dependencies: Dependencies;
  readonly #observer: Observer;

  /** Loads and opens taps; what libbpf or the kernel refuses is thrown as SystemError. */
  constructor(options: ObjectOptions, dependencies: Dependencies, observer: Observer) {
    // Kernels without a hook have no types, and these programs need none: their own do.
    super(options, ['accepted', 'encrypted'], options.file);
    this.#dependencies = dependencies;
    this.#observer = observer;
    this.#native = options.native;
    this.#allNodes = new AllNodes(this, dependencies.wireguard);
    try {
      this.#borrowers = this.map('borrowers', 4, abi.layout.borrower.size);
      this.#endpoints = this.map('endpoints', abi.layout.endpoint.size, abi.layout.traffic.size);
      this.#budgets = this.map('budgets', abi.layout.peer_id.size, abi.layout.budget.size);
      this.#armed = this.map('armed', 4, 4);
      this.object.onRecords('sightings', (batch) => this.#see(abi.decodeSightings(batch)));
      this.#countFrom(strangers);
      for (const protocol of [ETH_P_IP, ETH_P_IPV6]) this.#openOuterTap(protocol);
      this.#former = options.keep !== undefined ? recallLoans(this, dependencies.wireguard) : new Map();
      this.#waitFor(HANDSHAKE);
      this.#arm();
    } catch (error) {
      this.#closeOuterTaps();
      this.object.close();
      throw error;
    }
  }

  override get warnings(): readonly Problem[] {
    const ofLendings = [...this.#lendings.values()].flatMap((lending) => lending.problems());
    return [...super.warnings, ...this.#failures.values(), ...ofLendings];
  }

  watch(link: Pick<Link, 'name' | 'ifindex'>, limits: Limits, scope: Scope): void {
    const { ifindex } = link;
    let lending = this.#lendings.get(ifindex);
    if (!lending) {
      lending = new Lending(link, this.#kernelSideOf(ifindex), this.#former.get(ifindex));
      this.#former.delete(ifindex);
      this.put(ifindex, limits, scope);
      this.#innerTaps.set(
        ifindex,
        openTap(this.#native, this.object.programFd('accepted'), ETH_P_IPV6, ifindex),
      );
      this.#lendings.set(ifindex, lending);
    }
    lending.configure(link, limits, scope);
  }

  unwatch(ifindex: number): void {
    try {
      this.#lendings.get(ifindex)?.end();
    } catch {
      // It stays on record, and is withdrawn at the next start.
    }
    this.#lendings.delete(ifindex);
    this.#failures.delete(ifindex);
    this.#innerTaps.get(ifindex)?.close();
    this.#innerTaps.delete(ifindex);
    if (this.isWatched(ifindex)) this.drop(ifindex);
  }

  lendAllNodes(link: Pick<Link, 'name' | 'ifindex'>, peer: string, act: () => void): void {
    this.#allNodes.lend(link, peer, act);
  }

  withoutLoan(device: Device): Device {
    const lending = this.#lendings.get(device.ifindex);
    return this.#allNodes.without(withOffered(withoutLoan(device, lending?.loan), lending?.offered ?? []));
  }

  /** What is among an interface's allowed IPs now, but neither configured nor learned. */
  loan(ifindex: number): Loan | undefined {
    return this.#lendings.get(ifindex)?.loan;
  }

  /** What WireGuard accepted from these just before they were withdrawn is not to pass for the borrower's. */
  override dropRecords(ifindex: number, addresses: readonly string[]): void {
    if (this.loan(ifindex)) barrier(this.#native);
    super.dropRecords(ifindex, addresses);
  }

  /** Leaves no loan behind, unless the kernel refuses; then it stays on record. */
  override close(): void {
    this.#cancelNext?.();
    this.#cancelHandshakeLook?.();
    for (const ifindex of [...this.#lendings.keys()]) this.unwatch(ifindex);
    this.#closeOuterTaps();
    super.close();
  }

  #closeOuterTaps(): void {
    for (const tap of this.#outerTaps) tap.close();
  }

  #openOuterTap(protocol: number): void {
    const tap = openTap(this.#native, this.object.programFd('encrypted'), protocol, 0);
    this.#outerTaps.push(tap);
    tap.onReadable(() => {
      while (tap.receive(1 << 16));
      if (!this.#waitsFor(HANDSHAKE)) this.#expectHandshake();
      if (!this.#waitsFor(DATA)) this.#lookIn(LOOK_DELAY);
    });
  }

  #see(batch: Sighting[]): void {
    for (const [ifindex, lending] of this.#lendings) {
      const sightings = batch.filter((sighting) => sighting.ifindex === ifindex);
      if (sightings.length > 0) this.#attempt(ifindex, () => lending.see(sightings), true);
    }
  }

  /** A message of a handshake has come. It has to be answered, and the answer to be used, until there is a session. */
  #expectHandshake(): void {
    this.#handshakeLooks = HANDSHAKE_LOOKS;
    this.#cancelHandshakeLook ??= this.#dependencies.clock.after(HANDSHAKE_DELAY, () =>
      this.#lookForHandshake(),
    );
  }

  #lookForHandshake(): void {
    this.#waitFor(HANDSHAKE);
    this.#handshakeLooks--;
    this.#cancelHandshakeLook =
      this.#handshakeLooks > 0
        ? this.#dependencies.clock.after(HANDSHAKE_REST, () => this.#lookForHandshake())
        : undefined;
    for (const ifindex of this.#lendings.keys()) this.#observer.shakeHands(ifindex, undefined);
  }

  /** The next message of this kind wakes us. */
  #waitFor(kind: number): void {
    this.#armed.update(abi.encodeIfindex(kind), abi.encodeIfindex(1));
  }

  #waitsFor(kind: number): boolean {
    return this.#armed.lookup(abi.encodeIfindex(kind))?.some((byte) => byte !== 0) === true;
  }

  /** The next message wakes us, or one that has come since the last look. */
  #arm(): void {
    this.#cancelNext = undefined;
    this.#waitFor(DATA);
    const now = this.#readTraffic();
    if ([...now].some(([endpoint, bytes]) => bytes !== this.#traffic.get(endpoint))) this.#lookIn(LOOK_DELAY);
  }

  #lookIn(milliseconds: number): void {
    this.#cancelNext ??= this.#dependencies.clock.after(milliseconds, () => this.#look());
  }

  #look(): void {
    const before = this.#traffic;
    const now = this.#readTraffic();
    this.#traffic = now;
    const concerned = [...this.#lendings].filter(([ifindex, lending]) =>
      this.#attempt(ifindex, () => lending.look(before, now)),
    );
    if (concerned.length === 0) this.#rest(REST);
    else
      this.#cancelNext = this.#dependencies.clock.after(ACCOUNT_DELAY, () =>
        this.#investigate(concerned, now),
      );
  }

  #investigate(concerned: [number, Lending][], before: ReadonlyMap<string, number>): void {
    const results = concerned.map(([ifindex, lending]) =>
      this.#attempt(ifindex, () => lending.investigate(before), true),
    );
    this.#rest(results.includes(true) ? REST : LONG_REST);
  }

  #rest(milliseconds: number): void {
    this.#cancelNext = this.#dependencies.clock.after(milliseconds, () => this.#arm());
  }

  /** What fails is told, and tried again when there is cause. `heals`: then success takes the place of a failure. */
  #attempt<Value>(ifindex: number, act: () => Value, heals = false): Value | undefined {
    try {
      const value = act();
      if (heals && this.#failures.delete(ifindex)) this.#observer.recheck();
      return value;
    } catch (error) {
      const device = this.#lendings.get(ifindex)?.device ?? '';
      const problem: Problem = { code: 'lending-failed', data: { device, ...failureOf(error) } };
      const known = this.#failures.get(ifindex);
      this.#failures.set(ifindex, problem);
      if (!known || !isSame(known, problem)) this.#observer.recheck();
      return undefined;
    }
  }

  #readTraffic(): ReadonlyMap<string, number> {
    return abi.decodeTraffic(this.#endpoints.dump());
  }

  #countFrom(endpoint: string): void {
    this.#endpoints.update(Buffer.from(endpoint, 'hex'), Buffer.alloc(abi.layout.traffic.size));
  }

  #kernelSideOf(ifindex: number): KernelSide {
    const { wireguard, links, clock } = this.#dependencies;
    const key = abi.encodeIfindex(ifindex);
    const recordsOf = ({ name }: { name: string }, { peer, allowedIps }: Loan) =>
      allowedIps.map((prefix): abi.LentRecord => ({ ifindex, device: name, peer, prefix }));
    let counted = new Set<string>();
    return {
      wireguard,
      clock,
      observer: this.#observer,
      after: (milliseconds, callback) =>
        clock.after(milliseconds, () => this.#attempt(ifindex, callback, true)),
      refused: () => links.refused(ifindex),
      put: (limits, scope, known) => this.put(ifindex, limits, scope, known),
      attribute: (peer) => {
        if (peer === undefined) this.#borrowers.delete(key);
        else this.#borrowers.update(key, abi.encodeBorrower(peer));
      },
      record: (link, loan) => {
        for (const record of recordsOf(link, loan)) this.rememberLent(record);
      },
      strike: (link, loan) => {
        for (const record of recordsOf(link, loan)) this.forgetLent(record);
      },
      settle: () => barrier(this.#native),
      ask: (from) => askIfPossible(this.#native, ifindex, from),
      learned: () =>
        new Map(
          this.records()
            .filter((record) => record.ifindex === ifindex)
            .map(({ peer, address, lastSeen }) => [address, { peer, lastSeen }]),
        ),
      nextToken: (peer, { rate, burst }) => {
        const budget = this.#budgets.lookup(abi.encodeBorrowerId(ifindex, peer));
        if (!budget || rate === 0) return 0;
        return abi.decodeNextToken(budget) - (burst - 1) * (60_000 / rate);
      },
      watchEndpoints: ({ peers, listenPort }) => {
        const texts = new Map(
          peers.flatMap(({ key, endpoint }) =>
            endpoint ? [[key, abi.encodeEndpoint(endpoint, listenPort).toString('hex')]] : [],
          ),
        );
        const wanted = new Set(texts.values());
        for (const text of wanted) if (!counted.has(text)) this.#countFrom(text);
        for (const text of counted) if (!wanted.has(text)) this.#endpoints.delete(Buffer.from(text, 'hex'));
        counted = wanted;
        return texts;
      },
      traffic: () => this.#readTraffic(),
    };
  }
}

/** A peer that is not asked has to send something of its own accord. */
function askIfPossible(native: Native, ifindex: number, from?: AddressBytes): void {
  try {
    askAllNodes(native, ifindex, from);
  } catch {
    // No such address, no route, no buffer: as good as lost on the way.
  }
}
