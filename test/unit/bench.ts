// SPDX-License-Identifier: GPL-2.0-only
// An engine on a fake kernel, with what the tests of both need.

import { parsePrefix } from '../../src/address.ts';
import type { EngineConfig } from '../../src/engine/config.ts';
import { Engine } from '../../src/engine/engine.ts';
import type { EngineEvent } from '../../src/engine/events.ts';
import { Learner } from '../../src/engine/learner.ts';
import type { Entry, Ledger } from '../../src/engine/ledger.ts';
import { Moving } from '../../src/engine/moving.ts';
import { Room } from '../../src/engine/room.ts';
import type { Device } from '../../src/model.ts';
import { Sessions } from '../../src/sessions.ts';
import { type InterfaceSettings, interfaceDefaults } from '../../src/settings.ts';
import { parseAllowedIps } from './allowed-ips.ts';
import { FakeClock } from './fake-clock.ts';
import { FakeKernel, key } from './fake-kernel.ts';
import type { FakeStateFile } from './fake-state-file.ts';

export const alice = key(0xa1);
export const bob = key(0xb0);
export const carol = key(0xca);

const names = new Map([
  [alice, 'alice'],
  [bob, 'bob'],
  [carol, 'carol'],
]);

/** For expectations that people can read. */
export const nameOf = (peer: string) => names.get(peer) ?? peer;

export function settings(changes: Partial<InterfaceSettings> = {}): InterfaceSettings {
  return { ...interfaceDefaults, ra: '0', ...changes }; // advertisements have timers of their own
}

export const prefixes = (...texts: string[]) => texts.map((text) => parsePrefix(text)!);

/** A device's peers and their allowed IPs. */
export function deviceOf(peers: Record<string, readonly string[]>): Device {
  return {
    ifindex: 7,
    listenPort: 51820,
    peers: Object.entries(peers).map(([key, allowedIps]) => ({
      key,
      ...parseAllowedIps(allowedIps),
      latestHandshake: 0,
      rxBytes: 0,
    })),
  };
}

export function on(device: string, changes: Partial<InterfaceSettings> = {}, name = device) {
  return { name, device, settings: settings(changes) };
}

export function config(...interfaces: EngineConfig['interfaces']): EngineConfig {
  return { hook: 'auto', interfaces };
}

/** `lastSeen` says when the kernel last saw an entry used. */
export function learnerOf(ledger: Ledger, lastSeen: (entry: Entry) => number | undefined): Learner {
  const sessions = new Sessions();
  const room = new Room(ledger, lastSeen);
  return new Learner(ledger, sessions, room, new Moving(ledger, sessions, room));
}

export class Bench {
  readonly clock = new FakeClock();
  readonly kernel = new FakeKernel(this.clock);
  engine!: Engine;
  /** What is on flash; nothing is kept there without. */
  stateFile: FakeStateFile | undefined;
  /** Since they were last taken. */
  #events: EngineEvent[] = [];

  /** Begins as a new process would, whatever became of the one before. */
  start(config: EngineConfig): this {
    this.clock.dropTimers();
    this.kernel.revive();
    this.engine = new Engine(this.kernel, this.clock, (event) => this.#events.push(event), this.stateFile);
    this.engine.start(config);
    return this;
  }

  takeEvents(): EngineEvent[] {
    return this.#events.splice(0);
  }

  /** "learned 2001:db8::5 alice" and the like. */
  told(): string[] {
    return this.takeEvents().map((event) => {
      if ('peer' in event) {
        const reason = 'reason' in event ? ` (${event.reason})` : '';
        return `${event.event} ${event.address} ${nameOf(event.peer)}${reason}`;
      }
      return 'code' in event ? `${event.event} ${event.code}` : event.event;
    });
  }

  /** A packet that is seen at once; whether WireGuard accepted it. */
  packet(device: string, sender: string, address: string): boolean {
    const accepted = this.kernel.receive(device, sender, address);
    this.kernel.flush();
    return accepted;
  }

  /** What the ledger has of an interface: "address peer", sorted. */
  ledger(name: string): string[] {
    return [...this.engine.ledger.entries(name)]
      .map(({ address, peer }) => `${address} ${nameOf(peer)}`)
      .sort();
  }

  /** What the pinned map has of a device that is there. */
  records(device: string): string[] {
    const ifindex = this.kernel.ifindex(device);
    return this.kernel
      .records()
      .filter((record) => record.ifindex === ifindex && record.device === device)
      .map(({ address, peer }) => `${address} ${nameOf(peer)}`)
      .sort();
  }

  /** The /128s among a device's allowed IPs, without those that are configured. */
  allowed(device: string, configured: readonly string[] = []): string[] {
    return this.kernel
      .peers(device)
      .flatMap((peer) =>
        this.kernel
          .allowedIps(device, peer)
          .filter((text) => text.endsWith('/128') && !configured.includes(text))
          .map((text) => `${text.slice(0, -4)} ${nameOf(peer)}`),
      )
      .sort();
  }
}
