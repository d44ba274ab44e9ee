// SPDX-License-Identifier: GPL-2.0-only
// What is read from and written to the kernel and ubus.

import { bench, describe } from 'vitest';
import { parseAddress } from '../../../src/address.ts';
import { formatAddress } from '../../../src/address-text.ts';
import { decodeRecords, decodeSightings, encodeLearned, encodeSource } from '../../../src/kernel/abi.ts';
import { attribute, encodeMessage, nested, text, u8, u16, u32 } from '../../../src/kernel/netlink.ts';
import { GenetlinkWireGuard } from '../../../src/kernel/wireguard.ts';
import { decodeTable, encodeTable } from '../../../src/ubus/blobmsg.ts';
import { ack, done, FakeSockets } from '../../unit/fake-netlink.ts';
import { addressOf, entries, keys, PEERS, PER_PEER, records } from './scene.ts';

describe('addresses', () => {
  const bytes = addressOf(500, 7);
  const canonical = formatAddress(bytes);
  bench('parse one', () => void parseAddress(canonical));
  bench('format one', () => void formatAddress(bytes));
});

describe('WireGuard by netlink', () => {
  const family = Buffer.concat([
    Buffer.of(1, 2, 0, 0),
    attribute(2, text('wireguard')),
    attribute(1, u16(30)),
  ]);
  /** A dump as the kernel gives it, some peers to a message. */
  const messages = Array.from({ length: PEERS / 20 }, (_, i) => {
    const device = i > 0 ? [] : [attribute(1, u32(7)), attribute(2, text('wg1')), attribute(6, u16(51820))];
    const peers = keys.slice(20 * i, 20 * (i + 1)).map((key, j) => {
      const allowedIps = Array.from({ length: PER_PEER }, (_, n) => [
        attribute(3, u8(128)),
        attribute(1, u16(10)),
        attribute(2, addressOf(20 * i + j, n)),
      ]);
      const ips = nested(
        9,
        allowedIps.map((allowedIp) => nested(0, allowedIp)),
      );
      return nested(0, [attribute(1, Buffer.from(key, 'base64')), attribute(7, Buffer.alloc(8)), ips]);
    });
    return Buffer.concat([Buffer.of(0, 1, 0, 0), ...device, nested(8, peers)]);
  });
  const sockets = new FakeSockets((request) => {
    if (request.type === 16) return [encodeMessage(16, 0, request.sequence, family), ack(request)];
    if (request.payload[0] !== 0) return [ack(request)];
    return [
      ...messages.map((payload) => encodeMessage(request.type, 2, request.sequence, payload)),
      done(request),
    ];
  });
  const wireguard = new GenetlinkWireGuard(sockets);
  const forget = () => {
    sockets.sent.length = 0;
    sockets.received.length = 0;
  };
  bench('read 16,000 allowed IPs', () => {
    forget();
    wireguard.dump('wg1');
  });
  const some = entries.slice(0, 300);
  bench('add 300 allowed IPs', () => {
    forget();
    wireguard.add('wg1', some);
  });
});

describe('what the hook tells and keeps', () => {
  const sighting = Buffer.alloc(8 + 72 + 80);
  sighting.writeUInt32LE(72 + 80);
  sighting.writeUInt16LE(80, 8 + 16);
  sighting.set(addressOf(1, 1), 8 + 24);
  const batch = Buffer.concat(Array.from({ length: 100 }, () => sighting));
  bench('decode 100 sightings', () => void decodeSightings(batch));

  const dump = Buffer.concat(
    records.flatMap((record) => [encodeSource(record.ifindex, record.address), encodeLearned(record)]),
  );
  bench('decode 16,000 records', () => void decodeRecords(dump));
  const [record] = records;
  bench('encode one record', () => {
    encodeSource(record!.ifindex, record!.address);
    encodeLearned(record!);
  });
});

describe('ubus', () => {
  const answer = {
    addresses: entries.slice(0, 4000).map(({ peer, address }) => ({
      interface: 'wg1',
      address,
      peer,
      learned: 1_700_000_000,
      last_seen: 1_700_000_000,
      expires: 86_400,
    })),
  };
  const encoded = encodeTable(answer);
  bench('write 4,000 addresses', () => void encodeTable(answer));
  bench('read 4,000 addresses', () => void decodeTable(encoded));
});
