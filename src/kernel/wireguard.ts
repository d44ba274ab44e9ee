// SPDX-License-Identifier: GPL-2.0-only
// Generic netlink "wireguard" (<linux/wireguard.h>, drivers/net/wireguard/netlink.c).

import { constants } from 'node:os';
import { isZero, type Prefix, writeAddress } from '../address.ts';
import { formatAddressAt, formatPrefix } from '../address-text.ts';
import type { AllowedIp, Device, Endpoint, Peer } from '../model.ts';
import {
  attribute,
  findAttribute,
  findValue,
  NLA_HDRLEN,
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
  writeU16,
  writeU32,
} from './netlink.ts';
import { hasErrno, NETLINK_GENERIC, NetlinkError, NetlinkSocket, type Sockets } from './netlink-socket.ts';
import type { WireGuard } from './ports.ts';

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
/** In base64. */
const KEY_TEXT = 44;
const WG_CMD_GET_DEVICE = 0;
const WG_CMD_SET_DEVICE = 1;
const WGDEVICE_A_IFINDEX = 1;
const WGDEVICE_A_IFNAME = 2;
const WGDEVICE_A_PUBLIC_KEY = 4;
const WGDEVICE_A_LISTEN_PORT = 6;
const WGDEVICE_A_PEERS = 8;
const WGPEER_A_PUBLIC_KEY = 1;
const WGPEER_A_PRESHARED_KEY = 2;
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
  #temporaryPeer: string | undefined;
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

  /** By what the kernel tells our changes from others'; undefined until it has answered for the first time. */
  get port(): number | undefined {
    return this.#netlink.port;
  }

  /** `known`: what the device has now, if it is known. */
  remove(device: string, entries: readonly AllowedIp[], known?: Device): void {
    if (this.#removesSingly) {
      try {
        for (const chunk of chunks(entries)) this.#setPeers(device, encodePeers(chunk, removalModel));
        return;
      } catch (error) {
        // Before 6.16 the flag is an unknown attribute. It is refused at the first peer that exists, so nothing has
        // changed, and nothing else in these messages can be invalid. The lack of an error tells less: perhaps none
        // of the peers exists. So only the refusal is remembered.
        if (!hasErrno(error, EINVAL)) throw error;
        this.#removesSingly = false;
      }
    }
    this.#removeThroughTemporaryPeer(device, ownedOf(known ?? this.#getDevice(device), entries));
  }

  close(): void {
    this.#netlink.close();
  }

  #getDevice(device: string): Device {
    return this.#request(WG_CMD_GET_DEVICE, NLM_F_DUMP, device, [], decodeDevice);
  }

  #setPeers(device: string, ...peers: Uint8Array[]): void {
    this.#request(WG_CMD_SET_DEVICE, NLM_F_ACK, device, [nested(WGDEVICE_A_PEERS, peers)], () => undefined);
  }

  /**
   * An allowed IP given to a second peer leaves the first, and goes when that second peer does. Both happen in one
   * message, so nobody ever sees the temporary peer. As it would take an address from anyone, all of them have to be
   * their peer's own still.
   */
  #removeThroughTemporaryPeer(device: string, owned: readonly AllowedIp[]): void {
    // Not node:crypto, which would be loaded at each start.
    this.#temporaryPeer ??= Buffer.from(crypto.getRandomValues(new Uint8Array(WG_KEY_LEN))).toString(
      'base64',
    );
    const removePeer = encodePeer(this.#temporaryPeer, WGPEER_F_REMOVE_ME | WGPEER_F_UPDATE_ONLY, []);
    for (const chunk of chunks(owned)) {
      try {
        this.#setPeers(device, encodePeer(this.#temporaryPeer, 0, chunk), removePeer);
      } catch (error) {
        // Giving them back first needs no memory in the kernel: their nodes in the trie still exist.
        try {
          this.add(device, chunk);
        } finally {
          this.#setPeers(device, removePeer);
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
    const id = findValue(payload, GENL_HDRLEN, CTRL_ATTR_FAMILY_ID);
    if (id) return readU16(id);
  }
  throw new Error('netlink: CTRL_CMD_GETFAMILY gave no id');
}

/** Only the first message has the device's own attributes. A peer too big for one message goes on in the next. */
function decodeDevice(payloads: Buffer[]): Device {
  let ifindex: number | undefined;
  let publicKey: string | undefined;
  let listenPort = 0;
  const peers: PeerSoFar[] = [];
  for (const payload of payloads) {
    visitAttributes(payload, GENL_HDRLEN, payload.length, (type, from, to) => {
      if (type === WGDEVICE_A_IFINDEX) ifindex = readU32(payload.subarray(from, to));
      if (type === WGDEVICE_A_PUBLIC_KEY) publicKey = payload.toString('base64', from, to);
      if (type === WGDEVICE_A_LISTEN_PORT) listenPort = readU16(payload.subarray(from, to));
      if (type === WGDEVICE_A_PEERS)
        visitAttributes(payload, from, to, (_, first, end) => decodePeer(payload, first, end, peers));
    });
  }
  if (ifindex === undefined) throw new Error('netlink: WG_CMD_GET_DEVICE gave no ifindex');
  return { ifindex, ...(publicKey && { publicKey }), listenPort, peers };
}

type PeerSoFar = { -readonly [Key in keyof Peer]: Peer[Key] } & { addresses: string[]; prefixes: Prefix[] };

/** Adds a peer, or what there is more of the last one. */
function decodePeer(bytes: Buffer, start: number, end: number, peers: PeerSoFar[]): void {
  const at = findAttribute(bytes, start, end, WGPEER_A_PUBLIC_KEY);
  if (at === undefined) throw new Error('netlink: WG_CMD_GET_DEVICE gave a peer without a key');
  const key = bytes.toString('base64', at, at + WG_KEY_LEN);
  const last = peers.at(-1);
  const peer: PeerSoFar =
    last?.key === key ? last : { key, addresses: [], prefixes: [], latestHandshake: 0, rxBytes: 0 };
  if (peer !== last) peers.push(peer);
  visitAttributes(bytes, start, end, (type, from, to) => {
    if (type === WGPEER_A_PRESHARED_KEY && !isZero(bytes, from, to)) peer.hasPresharedKey = true;
    if (type === WGPEER_A_ENDPOINT) {
      const endpoint = decodeEndpoint(bytes.subarray(from, to));
      if (endpoint) peer.endpoint = endpoint;
    }
    if (type === WGPEER_A_LAST_HANDSHAKE_TIME) peer.latestHandshake = readS64(bytes.subarray(from, to)); // struct __kernel_timespec
    if (type === WGPEER_A_RX_BYTES) peer.rxBytes = readS64(bytes.subarray(from, to));
    if (type === WGPEER_A_ALLOWEDIPS)
      visitAttributes(bytes, from, to, (_, first, end) => decodeAllowedIp(bytes, first, end, peer));
  });
}

/** struct sockaddr_in or sockaddr_in6; undefined for the endpoint of a peer that has none. */
function decodeEndpoint(bytes: Buffer): Endpoint | undefined {
  const family = readU16(bytes);
  const port = bytes.readUInt16BE(2);
  if (family === AF_INET6) return { address: new Uint8Array(bytes.subarray(8, 24)), port };
  if (family !== AF_INET) return undefined;
  const address = new Uint8Array(16);
  address.fill(0xff, 10, 12);
  bytes.copy(address, 12, 4, 8);
  return { address, port };
}

/** Adds it to what is known of the peer, unless it is of IPv4. */
function decodeAllowedIp(bytes: Buffer, start: number, end: number, peer: PeerSoFar): void {
  let family: number | undefined;
  let address: number | undefined;
  let length: number | undefined;
  visitAttributes(bytes, start, end, (type, from, to) => {
    if (type === WGALLOWEDIP_A_FAMILY) family = readU16(bytes, from);
    if (type === WGALLOWEDIP_A_IPADDR && to - from >= 16) address = from;
    if (type === WGALLOWEDIP_A_CIDR_MASK) length = bytes[from];
  });
  if (family !== undefined && family !== AF_INET6) return;
  if (address === undefined || length === undefined || length > 128)
    throw new Error('netlink: WG_CMD_GET_DEVICE gave half an allowed IP');
  if (length === 128) peer.addresses.push(formatAddressAt(bytes, address));
  else peer.prefixes.push({ bytes: new Uint8Array(bytes.subarray(address, address + 16)), length });
}

/** One peer attribute for all the allowed IPs of a peer. UPDATE_ONLY: a peer that does not exist is not created. */
function encodePeers(entries: readonly AllowedIp[], model = additionModel): Buffer {
  const byPeer = new Map<string, AllowedIp[]>();
  for (const entry of entries) {
    const ofPeer = byPeer.get(entry.peer);
    if (ofPeer) ofPeer.push(entry);
    else byPeer.set(entry.peer, [entry]);
  }
  const bytes = Buffer.alloc(byPeer.size * peerModel.bytes.length + entries.length * model.bytes.length);
  let at = 0;
  for (const [peer, ofPeer] of byPeer) at = writePeer(bytes, at, peer, WGPEER_F_UPDATE_ONLY, ofPeer, model);
  return bytes;
}

function encodePeer(key: string, flags: number, entries: readonly AllowedIp[]): Buffer {
  const bytes = Buffer.alloc(peerModel.bytes.length + entries.length * additionModel.bytes.length);
  writePeer(bytes, 0, key, flags, entries, additionModel);
  return bytes;
}

/** Answers with where it ends. */
function writePeer(
  bytes: Buffer,
  start: number,
  key: string,
  flags: number,
  entries: readonly AllowedIp[],
  model: AllowedIpModel,
): number {
  const { allowedIps } = peerModel;
  const size = peerModel.bytes.length + entries.length * model.bytes.length;
  bytes.set(peerModel.bytes, start);
  writeU16(bytes, size, start);
  if (key.length !== KEY_TEXT || bytes.write(key, start + peerModel.key, 'base64') !== WG_KEY_LEN)
    throw new TypeError(`not a WireGuard key: ${key}`);
  writeU32(bytes, flags, start + peerModel.flags);
  writeU16(bytes, size - allowedIps, start + allowedIps);
  let at = start + peerModel.bytes.length;
  for (const entry of entries) {
    bytes.set(model.bytes, at);
    if (!writeAddress(entry.address, bytes, at + model.address))
      throw new TypeError(`not an IPv6 address: ${entry.address}`);
    bytes[at + model.mask] = entry.length ?? 128;
    at += model.bytes.length;
  }
  return at;
}

/**
 * Peers and allowed IPs differ in little: a model is copied for each, as that is far less work than to put it together.
 * With where the values stand that differ.
 */
interface AllowedIpModel {
  readonly bytes: Buffer;
  readonly address: number;
  readonly mask: number;
}

const peerModel = modelOfPeer();
const additionModel = modelOfAllowedIp();
const removalModel = modelOfAllowedIp(attribute(WGALLOWEDIP_A_FLAGS, u32(WGALLOWEDIP_F_REMOVE_ME)));

/** Without allowed IPs: they come last, and `allowedIps` is where their attribute begins. */
function modelOfPeer() {
  const bytes = nested(0, [
    attribute(WGPEER_A_PUBLIC_KEY, new Uint8Array(WG_KEY_LEN)),
    attribute(WGPEER_A_FLAGS, u32(0)),
    nested(WGPEER_A_ALLOWEDIPS, []),
  ]);
  const find = finder(bytes);
  return {
    bytes,
    key: find(WGPEER_A_PUBLIC_KEY),
    flags: find(WGPEER_A_FLAGS),
    allowedIps: find(WGPEER_A_ALLOWEDIPS) - NLA_HDRLEN,
  };
}

function modelOfAllowedIp(...more: Uint8Array[]): AllowedIpModel {
  const bytes = nested(0, [
    attribute(WGALLOWEDIP_A_FAMILY, u16(AF_INET6)),
    attribute(WGALLOWEDIP_A_IPADDR, new Uint8Array(16)),
    attribute(WGALLOWEDIP_A_CIDR_MASK, u8(0)),
    ...more,
  ]);
  const find = finder(bytes);
  return { bytes, address: find(WGALLOWEDIP_A_IPADDR), mask: find(WGALLOWEDIP_A_CIDR_MASK) };
}

/** Tells where the value of an attribute begins within a nested one. */
function finder(bytes: Buffer) {
  return (type: number) => findAttribute(bytes, NLA_HDRLEN, bytes.length, type)!;
}

/** The entries that are an allowed IP of that very peer. */
function ownedOf(device: Device, entries: readonly AllowedIp[]): AllowedIp[] {
  const concerned = new Set(entries.map(({ peer }) => peer));
  const held = new Map(
    device.peers
      .filter(({ key }) => concerned.has(key))
      .map(({ key, addresses, prefixes }) => [
        key,
        new Set([...addresses.map((address) => `${address}/128`), ...prefixes.map(formatPrefix)]),
      ]),
  );
  return entries.filter(({ peer, address, length = 128 }) => held.get(peer)?.has(`${address}/${length}`));
}

function* chunks(entries: readonly AllowedIp[]): Generator<readonly AllowedIp[], void, undefined> {
  for (let i = 0; i < entries.length; i += ADDRESSES_PER_MESSAGE) {
    yield entries.slice(i, i + ADDRESSES_PER_MESSAGE);
  }
}
