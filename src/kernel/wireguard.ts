// SPDX-License-Identifier: GPL-2.0-only
// Generic netlink "wireguard" (<linux/wireguard.h>, drivers/net/wireguard/netlink.c).

import { constants } from 'node:os';
import { type Prefix, parseAddress } from '../address.ts';
import type { AllowedIp, Device, Endpoint, Peer, WireGuard } from './kernel.ts';
import {
  attribute,
  decodeAttributes,
  NLM_F_ACK,
  NLM_F_DUMP,
  nested,
  readS64,
  readU16,
  readU32,
  text,
  u8,
  u16,
  u32,
  visitAttributes,
} from './netlink.ts';
import { hasErrno, NETLINK_GENERIC, NetlinkError, NetlinkSocket, type Sockets } from './netlink-socket.ts';

// <linux/genetlink.h>
const GENL_ID_CTRL = 16;
const GENL_HDRLEN = 4;
const CTRL_CMD_GETFAMILY = 3;
const CTRL_ATTR_FAMILY_ID = 1;
const CTRL_ATTR_FAMILY_NAME = 2;

// <linux/wireguard.h>
const WG_GENL_NAME = 'wireguard';
const WG_GENL_VERSION = 1;
const WG_KEY_LEN = 32;
const WG_CMD_GET_DEVICE = 0;
const WG_CMD_SET_DEVICE = 1;
const WGDEVICE_A_IFINDEX = 1;
const WGDEVICE_A_IFNAME = 2;
const WGDEVICE_A_PUBLIC_KEY = 4;
const WGDEVICE_A_LISTEN_PORT = 6;
const WGDEVICE_A_PEERS = 8;
const WGPEER_A_PUBLIC_KEY = 1;
const WGPEER_A_FLAGS = 3;
const WGPEER_A_ENDPOINT = 4;
const WGPEER_A_LAST_HANDSHAKE_TIME = 6;
const WGPEER_A_RX_BYTES = 7;
const WGPEER_A_ALLOWEDIPS = 9;
const WGPEER_F_REMOVE_ME = 1;
const WGPEER_F_UPDATE_ONLY = 4;
const WGALLOWEDIP_A_FAMILY = 1;
const WGALLOWEDIP_A_IPADDR = 2;
const WGALLOWEDIP_A_CIDR_MASK = 3;
/** Linux 6.16 and later. */
const WGALLOWEDIP_A_FLAGS = 4;
const WGALLOWEDIP_F_REMOVE_ME = 1;

const AF_INET = 2;
const AF_INET6 = 10;
/** With the NUL at its end. */
const IFNAMSIZ = 16;

/** At most 108 bytes each, with a peer of its own: a message stays below 32 KB, an attribute's limit being 64 KB. */
const ADDRESSES_PER_MESSAGE = 300;

const { EINVAL, ENODEV, ENOENT, EOPNOTSUPP } = constants.errno;

/**
 * Reads and changes the allowed IPs of the WireGuard devices in this network namespace. Errors are those of
 * NetlinkSocket.request: ENODEV if there is no such device, EOPNOTSUPP if it is no WireGuard one, ENOENT if the kernel
 * has no WireGuard at all.
 */
export class GenetlinkWireGuard implements WireGuard {
  readonly #netlink: NetlinkSocket;
  /** Always the same key: each removal sweeps up what an earlier one may have left behind. */
  #temporaryPeer: Uint8Array | undefined;
  /** The id of the generic netlink family, another one each time that the module is loaded. */
  #family: number | undefined;
  #removesSingly = true;

  constructor(sockets: Sockets) {
    this.#netlink = new NetlinkSocket(sockets, NETLINK_GENERIC);
  }

  dump(device: string): Device | undefined {
    try {
      return this.#getDevice(device);
    } catch (error) {
      if (hasErrno(error, ENODEV, EOPNOTSUPP, ENOENT)) return undefined;
      throw error;
    }
  }

  add(device: string, entries: readonly AllowedIp[]): void {
    for (const chunk of chunks(entries)) this.#setPeers(device, encodePeers(chunk));
  }

  remove(device: string, entries: readonly AllowedIp[]): void {
    if (this.#removesSingly) {
      try {
        for (const chunk of chunks(entries))
          this.#setPeers(device, encodePeers(chunk, WGALLOWEDIP_F_REMOVE_ME));
        return;
      } catch (error) {
        // Before 6.16 the flag is an unknown attribute. It is refused at the first peer that exists, so nothing has
        // changed, and nothing else in these messages can be invalid. The lack of an error tells less: perhaps none
        // of the peers exists. So only the refusal is remembered.
        if (!hasErrno(error, EINVAL)) throw error;
        this.#removesSingly = false;
      }
    }
    this.#removeThroughTemporaryPeer(device, entries);
  }

  close(): void {
    this.#netlink.close();
  }

  #getDevice(device: string): Device {
    return this.#request(WG_CMD_GET_DEVICE, NLM_F_DUMP, device, [], decodeDevice);
  }

  #setPeers(device: string, peers: readonly Uint8Array[]): void {
    this.#request(WG_CMD_SET_DEVICE, NLM_F_ACK, device, [nested(WGDEVICE_A_PEERS, peers)], () => undefined);
  }

  /**
   * An allowed IP given to a second peer leaves the first, and goes when that second peer does. Both happen in one
   * message, so nobody ever sees the temporary peer. As it would take an address from anyone, only those that are
   * still their peer's own are given to it.
   */
  #removeThroughTemporaryPeer(device: string, entries: readonly AllowedIp[]): void {
    // Not node:crypto, which would be loaded at each start.
    this.#temporaryPeer ??= crypto.getRandomValues(new Uint8Array(WG_KEY_LEN));
    const removePeer = encodePeer(this.#temporaryPeer, WGPEER_F_REMOVE_ME | WGPEER_F_UPDATE_ONLY, []);
    for (const chunk of chunks(ownedOf(this.#getDevice(device), entries))) {
      const addresses = chunk.map((entry) => encodeAllowedIp(prefixOfEntry(entry)));
      try {
        this.#setPeers(device, [encodePeer(this.#temporaryPeer, 0, addresses), removePeer]);
      } catch (error) {
        // Giving them back first needs no memory in the kernel: their nodes in the trie still exist.
        try {
          this.add(device, chunk);
        } finally {
          this.#setPeers(device, [removePeer]);
        }
        throw error;
      }
    }
  }

  #request<T>(
    command: number,
    flags: number,
    device: string,
    attributes: readonly Uint8Array[],
    decode: (payloads: Buffer[]) => T,
  ): T {
    const operation = `${command === WG_CMD_GET_DEVICE ? 'WG_CMD_GET_DEVICE' : 'WG_CMD_SET_DEVICE'} ${device}`;
    const name = text(device);
    // The kernel would call it EINVAL, which must mean one thing only.
    if (name.length > IFNAMSIZ) throw new NetlinkError(ENODEV, operation);
    const payload = encodeGeneric(command, [attribute(WGDEVICE_A_IFNAME, name), ...attributes]);
    const known = this.#family !== undefined;
    try {
      this.#family ??= this.#resolveFamily();
      return this.#netlink.request(operation, this.#family, flags, payload, decode);
    } catch (error) {
      if (!hasErrno(error, ENOENT)) throw error;
      this.#family = undefined;
      if (!known) throw error;
      return this.#request(command, flags, device, attributes, decode);
    }
  }

  /** The kernel loads the module for this if it can. */
  #resolveFamily(): number {
    const operation = `CTRL_CMD_GETFAMILY ${WG_GENL_NAME}`;
    const payload = encodeGeneric(CTRL_CMD_GETFAMILY, [attribute(CTRL_ATTR_FAMILY_NAME, text(WG_GENL_NAME))]);
    try {
      return this.#netlink.request(operation, GENL_ID_CTRL, NLM_F_ACK, payload, decodeFamily);
    } catch (error) {
      if (!hasErrno(error, ENOENT)) throw error;
      throw new NetlinkError(ENOENT, operation, 'the kernel has no WireGuard; install kmod-wireguard');
    }
  }
}

/** struct genlmsghdr and attributes. The controller takes any version. */
function encodeGeneric(command: number, attributes: readonly Uint8Array[]): Buffer {
  return Buffer.concat([u8(command), u8(WG_GENL_VERSION), u16(0), ...attributes]);
}

function decodeFamily(payloads: Buffer[]): number {
  for (const payload of payloads) {
    for (const { type, value } of decodeAttributes(payload, GENL_HDRLEN)) {
      if (type === CTRL_ATTR_FAMILY_ID) return readU16(value);
    }
  }
  throw new Error('netlink: CTRL_CMD_GETFAMILY gave no id');
}

/** Only the first message has the device's own attributes. A peer too big for one message goes on in the next. */
function decodeDevice(payloads: Buffer[]): Device {
  let ifindex: number | undefined;
  let publicKey: string | undefined;
  let listenPort = 0;
  const peers = new Map<string, PeerSoFar>();
  for (const payload of payloads) {
    for (const { type, value } of decodeAttributes(payload, GENL_HDRLEN)) {
      if (type === WGDEVICE_A_IFINDEX) ifindex = readU32(value);
      if (type === WGDEVICE_A_PUBLIC_KEY) publicKey = value.toString('base64');
      if (type === WGDEVICE_A_LISTEN_PORT) listenPort = readU16(value);
      if (type === WGDEVICE_A_PEERS)
        for (const peer of decodeAttributes(value)) decodePeer(peer.value, peers);
    }
  }
  if (ifindex === undefined) throw new Error('netlink: WG_CMD_GET_DEVICE gave no ifindex');
  return { ifindex, ...(publicKey && { publicKey }), listenPort, peers: [...peers.values()] };
}

type PeerSoFar = { -readonly [Key in keyof Peer]: Peer[Key] } & { allowedIps: Prefix[] };

/** Adds the attributes to those that are known of the peer. */
function decodePeer(attributes: Buffer, peers: Map<string, PeerSoFar>): void {
  const decoded = decodeAttributes(attributes);
  const key = decoded.find(({ type }) => type === WGPEER_A_PUBLIC_KEY)?.value.toString('base64');
  if (key === undefined) throw new Error('netlink: WG_CMD_GET_DEVICE gave a peer without a key');
  const peer = peers.get(key) ?? { key, allowedIps: [], latestHandshake: 0, rxBytes: 0 };
  peers.set(key, peer);
  for (const { type, value } of decoded) {
    if (type === WGPEER_A_ENDPOINT) {
      const endpoint = decodeEndpoint(value);
      if (endpoint) peer.endpoint = endpoint;
    }
    if (type === WGPEER_A_LAST_HANDSHAKE_TIME) peer.latestHandshake = readS64(value); // struct __kernel_timespec
    if (type === WGPEER_A_RX_BYTES) peer.rxBytes = readS64(value);
    if (type === WGPEER_A_ALLOWEDIPS) {
      visitAttributes(value, 0, value.length, (_, from, to) => {
        const prefix = decodeAllowedIp(value, from, to);
        if (prefix) peer.allowedIps.push(prefix);
      });
    }
  }
}

/** struct sockaddr_in or sockaddr_in6; undefined for the endpoint of a peer that has none. */
function decodeEndpoint(bytes: Buffer): Endpoint | undefined {
  const family = readU16(bytes);
  const port = bytes.readUInt16BE(2);
  if (family === AF_INET6) return { address: new Uint8Array(bytes.subarray(8, 24)), port };
  if (family !== AF_INET) return undefined;
  const address = parseAddress('::ffff:0:0')!;
  address.set(bytes.subarray(4, 8), 12);
  return { address, port };
}

/** Undefined for IPv4. */
function decodeAllowedIp(bytes: Buffer, start: number, end: number): Prefix | undefined {
  let family = AF_INET6;
  let address = Number.NaN;
  let length = Number.NaN;
  visitAttributes(bytes, start, end, (type, from) => {
    if (type === WGALLOWEDIP_A_FAMILY) family = readU16(bytes, from);
    if (type === WGALLOWEDIP_A_IPADDR) address = from;
    if (type === WGALLOWEDIP_A_CIDR_MASK) length = bytes.readUInt8(from);
  });
  if (family !== AF_INET6) return undefined;
  if (!(address + 16 <= end && length <= 128))
    throw new Error('netlink: WG_CMD_GET_DEVICE gave half an allowed IP');
  const copy = new Uint8Array(16);
  for (let i = 0; i < 16; i++) copy[i] = bytes[address + i]!;
  return { bytes: copy, length };
}

/** One peer attribute for all the allowed IPs of a peer. UPDATE_ONLY: a peer that does not exist is not created. */
function encodePeers(entries: readonly AllowedIp[], flags = 0): Buffer[] {
  const allowedIpsOf = new Map<string, Buffer[]>();
  for (const entry of entries) {
    const allowedIps = allowedIpsOf.get(entry.peer) ?? [];
    allowedIps.push(encodeAllowedIp(prefixOfEntry(entry), flags));
    allowedIpsOf.set(entry.peer, allowedIps);
  }
  return Array.from(allowedIpsOf, ([peer, allowedIps]) =>
    encodePeer(keyBytes(peer), WGPEER_F_UPDATE_ONLY, allowedIps),
  );
}

function encodePeer(key: Uint8Array, flags: number, allowedIps: readonly Uint8Array[]): Buffer {
  return nested(0, [
    attribute(WGPEER_A_PUBLIC_KEY, key),
    attribute(WGPEER_A_FLAGS, u32(flags)),
    nested(WGPEER_A_ALLOWEDIPS, allowedIps),
  ]);
}

function encodeAllowedIp({ bytes, length }: Prefix, flags = 0): Buffer {
  return nested(0, [
    attribute(WGALLOWEDIP_A_FAMILY, u16(AF_INET6)),
    attribute(WGALLOWEDIP_A_IPADDR, bytes),
    attribute(WGALLOWEDIP_A_CIDR_MASK, u8(length)),
    ...(flags ? [attribute(WGALLOWEDIP_A_FLAGS, u32(flags))] : []),
  ]);
}

/** The entries that are an allowed IP of that very peer. */
function ownedOf(device: Device, entries: readonly AllowedIp[]): AllowedIp[] {
  const id = (peer: string, { bytes, length }: Prefix) =>
    `${peer} ${Buffer.from(bytes).toString('hex')}/${length}`;
  const wanted = new Map(entries.map((entry) => [id(entry.peer, prefixOfEntry(entry)), entry]));
  return device.peers.flatMap(({ key, allowedIps }) =>
    allowedIps.flatMap((prefix) => wanted.get(id(key, prefix)) ?? []),
  );
}

function prefixOfEntry({ address, length = 128 }: AllowedIp): Prefix {
  const bytes = parseAddress(address);
  if (!bytes) throw new TypeError(`not an IPv6 address: ${address}`);
  return { bytes, length };
}

function keyBytes(peer: string): Buffer {
  const key = Buffer.from(peer, 'base64');
  if (key.length !== WG_KEY_LEN) throw new TypeError(`not a WireGuard key: ${peer}`);
  return key;
}

function* chunks(entries: readonly AllowedIp[]): Generator<readonly AllowedIp[], void, undefined> {
  for (let i = 0; i < entries.length; i += ADDRESSES_PER_MESSAGE) {
    yield entries.slice(i, i + ADDRESSES_PER_MESSAGE);
  }
}
