// SPDX-License-Identifier: GPL-2.0-only
// Packet sockets (packet(7)) whose BPF filter is what they are for.

import type { Native, NativeSocket } from '../native.ts';
import { u16, u32 } from '../netlink.ts';

const AF_PACKET = 17;
const SOCK_RAW = 3;
const SOL_SOCKET = 1;
const SO_ATTACH_BPF = 50;

export const ETH_P_IP = 0x0800;
export const ETH_P_IPV6 = 0x86dd;

/** Runs a socket filter on what is received of a protocol (ETH_P_*), on one interface or, with 0, on all. */
export function openTap(native: Native, filter: number, protocol: number, ifindex: number): NativeSocket {
  const socket = new native.Socket(AF_PACKET, SOCK_RAW, 0); // 0: nothing comes before there is a filter
  try {
    socket.setOption(SOL_SOCKET, SO_ATTACH_BPF, u32(filter));
    // struct sockaddr_ll
    const networkOrder = Buffer.from([protocol >> 8, protocol & 0xff]);
    socket.bind(Buffer.concat([u16(AF_PACKET), networkOrder, u32(ifindex), Buffer.alloc(12)]));
    return socket;
  } catch (error) {
    socket.close();
    throw error;
  }
}

/**
 * Returns when all packets that the kernel was receiving have been received: packet_release() in net/packet/af_packet.c
 * ends with synchronize_net(). Takes some milliseconds.
 */
export function barrier(native: Native): void {
  new native.Socket(AF_PACKET, SOCK_RAW, 0).close();
}
