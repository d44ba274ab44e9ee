// SPDX-License-Identifier: GPL-2.0-only
// Who sent what WireGuard refused. It counts in rx_bytes only what it accepted from a peer, so the encrypted bytes that
// came from the peer's endpoint beyond those betray it. No I/O.

/** What is known of a peer at one moment. */
export interface Account {
  readonly peer: string;
  /** Seconds since 1970. */
  readonly latestHandshake: number;
  /** Whether that is recent enough for it to send anything. Who has no session cannot be to blame, whose endpoint it may be. */
  readonly isLive: boolean;
  /** Where its datagrams come from: another text if that changes. */
  readonly endpoint: string;
  /** Encrypted bytes that had come from there some time before WireGuard's count was taken, and right after. */
  readonly before: number;
  readonly after: number;
  /** WireGuard's count, rx_bytes. */
  readonly accepted: number;
}

/** How sure it is; of the last two, what was missed, or is under way, may explain the difference. */
const levels = ['guilty', 'possible', 'live'] as const;
type Level = (typeof levels)[number];

interface Suspect {
  endpoint: string;
  /** How many bytes came that were not accepted, as far as that is accounted for. */
  difference: number;
  accepted: number;
  latestHandshake: number;
  /** Never while it waits. */
  accused: { level: Level; since: number } | undefined;
  /** How often a loan has not helped since it last did. */
  failures: number;
  /** No loan before that time. */
  notBefore: number;
}

/** After so many fruitless loans it is the peer that is told of, not chance. */
const TOLD_AFTER = 3;

/** Milliseconds without another one until failures are forgotten. */
const FORGIVENESS = 600_000;

/** Milliseconds to wait for another loan after the first fruitless one; then twice that, and so on. */
const FIRST_WAIT = 2_000;
const LONGEST_WAIT = 64_000;

/** Milliseconds without a loan for a peer that has used up its rate. */
const SUSPENSION = 1_000;

/** An accusation that led to nothing is dropped after so many milliseconds. */
const ACCUSATION_LIFETIME = 15_000;

/** The peers of one interface. Times are milliseconds of the monotonic clock. */
export class Suspects {
  #byPeer = new Map<string, Suspect>();

  /** All peers whose endpoint is known, when there is nothing to blame on them. */
  begin(accounts: readonly Account[]): void {
    this.#update(accounts, () => {}, Number.NEGATIVE_INFINITY);
  }

  /**
   * All peers whose endpoint is known, after something was refused. Answers with those that surely sent some of it; if
   * there are none, others are accused that may have, else all that have a session.
   */
  accuse(accounts: readonly Account[], now: number): string[] {
    const found = new Map<string, Level>();
    this.#update(accounts, (level, peer) => level && found.set(peer, level), now);
    if (found.size === 0)
      for (const { peer, isLive } of withoutFormer(accounts)) if (isLive) found.set(peer, 'live');
    const guilty = [...found].filter(([, level]) => level === 'guilty').map(([peer]) => peer);
    for (const peer of guilty.length > 0 ? guilty : found.keys()) {
      const suspect = this.#byPeer.get(peer)!;
      const level = found.get(peer)!;
      if (suspect.notBefore <= now) suspect.accused = { since: now, ...suspect.accused, level };
    }
    return guilty;
  }

  #update(
    accounts: readonly Account[],
    found: (level: Level | undefined, peer: string) => void,
    now: number,
  ): void {
    const before = this.#byPeer;
    this.#byPeer = new Map();
    for (const account of withoutFormer(accounts)) {
      const known = before.get(account.peer);
      const suspect = known ?? newSuspect(account);
      this.#byPeer.set(account.peer, suspect);
      const level = known ? judge(suspect, account) : 'possible';
      found(account.isLive ? level : undefined, account.peer);
      settle(suspect, account);
      if (!account.isLive) suspect.accused = undefined;
      if (!account.isLive || suspect.notBefore + FORGIVENESS < now) suspect.failures = 0;
    }
  }

  isAccused(peer: string): boolean {
    return this.#byPeer.get(peer)?.accused !== undefined;
  }

  /** Whether it waits for another loan. */
  isWaiting(peer: string, now: number): boolean {
    return (this.#byPeer.get(peer)?.notBefore ?? 0) > now;
  }

  /** Who is to get the next loan: the surest, and of these the one that was accused first. */
  next(now: number, mayLearn: (peer: string) => boolean): string | undefined {
    for (const suspect of this.#byPeer.values()) {
      if (suspect.accused && suspect.accused.since + ACCUSATION_LIFETIME < now) suspect.accused = undefined;
    }
    const rank = ({ accused, latestHandshake }: Suspect) =>
      [levels.indexOf(accused!.level), accused!.since, -latestHandshake] as const;
    const [first] = [...this.#byPeer]
      .filter(([peer, { accused }]) => accused && mayLearn(peer))
      .sort(([, a], [, b]) => compare(rank(a), rank(b)));
    return first?.[0];
  }

  /** Its loan has shown a new address. */
  clear(peer: string): void {
    const suspect = this.#byPeer.get(peer);
    if (!suspect) return;
    suspect.accused = undefined;
    suspect.failures = 0;
    suspect.notBefore = 0;
  }

  /** Its loan has not helped, or it broke a law meanwhile, which counts for more. Who was but possibly to blame is not. */
  fail(peer: string, now: number, weight = 1): void {
    const suspect = this.#byPeer.get(peer);
    if (!suspect) return;
    const isInDoubt = suspect.accused && suspect.accused.level !== 'guilty' && weight === 1;
    if (!isInDoubt) suspect.failures += weight;
    suspect.accused = undefined;
    suspect.notBefore = now + Math.min(LONGEST_WAIT, FIRST_WAIT * 2 ** Math.max(0, suspect.failures - 1));
  }

  /** No loan for a while; it is not held against it. */
  suspend(peer: string, now: number): void {
    const suspect = this.#byPeer.get(peer);
    if (!suspect) return;
    suspect.accused = undefined;
    suspect.notBefore = Math.max(suspect.notBefore, now + SUSPENSION);
  }

  /** Peers whose packets go on being refused whatever is lent to them. */
  refusedPeers(): string[] {
    return [...this.#byPeer].filter(([, { failures }]) => failures >= TOLD_AFTER).map(([peer]) => peer);
  }
}

/** One endpoint is one device: it has the peer that shook hands last. Others were there before it got a new key. */
function withoutFormer(accounts: readonly Account[]): Account[] {
  const latest = new Map<string, number>();
  for (const { endpoint, latestHandshake } of accounts)
    latest.set(endpoint, Math.max(latest.get(endpoint) ?? 0, latestHandshake));
  return accounts.filter(({ endpoint, latestHandshake }) => latestHandshake >= latest.get(endpoint)!);
}

function newSuspect({ endpoint, latestHandshake, after, accepted }: Account): Suspect {
  return {
    endpoint,
    difference: after - accepted,
    accepted,
    latestHandshake,
    accused: undefined,
    failures: 0,
    notBefore: 0,
  };
}

/** Undefined if it sent nothing, or all of it was accepted. */
function judge(suspect: Suspect, { endpoint, before, after, accepted }: Account): Level | undefined {
  if (endpoint !== suspect.endpoint || accepted < suspect.accepted) return 'possible';
  if (before - accepted > suspect.difference) return 'guilty';
  return after - accepted === suspect.difference ? undefined : 'possible';
}

function settle(suspect: Suspect, { endpoint, before, after, accepted, latestHandshake }: Account): void {
  const isComparable = endpoint === suspect.endpoint && accepted >= suspect.accepted;
  const isQuiet = before === after;
  // While more is coming in, the truth is between the two.
  const [least, most] = [before - accepted, after - accepted];
  suspect.difference = isQuiet || !isComparable ? most : Math.min(most, Math.max(least, suspect.difference));
  Object.assign(suspect, { endpoint, accepted, latestHandshake });
}

function compare(a: readonly number[], b: readonly number[]): number {
  for (const [i, value] of a.entries()) if (value !== b[i]) return value - b[i]!;
  return 0;
}
