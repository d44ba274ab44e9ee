// SPDX-License-Identifier: GPL-2.0-only
// Questions to a DNS server, as dig asks them.

import type { Host } from './client.ts';

/** Prints each answer's data on a line. */
const PROGRAM = `import socket, struct, sys
server, name, kind = sys.argv[1:]
kinds = {'AAAA': 28, 'PTR': 12}
question = b''.join(bytes([len(label)]) + label.encode() for label in name.split('.')) + b'\\0'
asking = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
asking.settimeout(5)
asking.sendto(struct.pack('>6H', 7, 0x100, 1, 0, 0, 0) + question + struct.pack('>2H', kinds[kind], 1), (server, 53))
data = asking.recv(4096)
def read(at):
  labels = []
  while data[at]:
    if data[at] >= 0xc0:
      labels.append(read(struct.unpack_from('>H', data, at)[0] & 0x3fff)[0])
      return '.'.join(labels), at + 2
    labels.append(data[at + 1:at + 1 + data[at]].decode())
    at += 1 + data[at]
  return '.'.join(labels), at + 1
at = 12 + len(question) + 4
for _ in range(struct.unpack_from('>H', data, 6)[0]):
  _, at = read(at)
  found, _, _, length = struct.unpack_from('>HHIH', data, at)
  at += 10
  if found == kinds[kind]:
    print(socket.inet_ntop(socket.AF_INET6, data[at:at + 16]) if kind == 'AAAA' else read(at)[0])
  at += length
`;

/** What a server answers, in its order; nothing if it knows no such name. */
export async function ask(host: Host, server: string, name: string, type: 'AAAA' | 'PTR'): Promise<string[]> {
  const { stdout } = await host.run(`python3 - ${server} '${name}' ${type}`, { input: PROGRAM });
  return stdout.split('\n').filter((line) => line !== '');
}
