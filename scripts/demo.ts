// SPDX-License-Identifier: GPL-2.0-only
// npm start: a router and three clients in a guest with a real kernel, and wg-slaacer at work, to watch.

import { createInterface } from 'node:readline/promises';
import { styleText } from 'node:util';
import { type Client, ROUTER } from '../test/bed/client.ts';
import { Daemon } from '../test/bed/daemon.ts';
import { Guest } from '../test/bed/guest.ts';
import { Lab } from '../test/bed/lab.ts';
import { Screen } from './demo-screen.ts';

const KERNEL = '6.12';
const PHONE = '2001:db8:1::cafe';
const stay = process.argv.includes('--stay');

const pause = (seconds: number) => new Promise((resolve) => setTimeout(resolve, seconds * 1000));

console.log(`Booting Linux ${KERNEL} in QEMU: the router of a WireGuard network and three clients …`);
const guest = await Guest.boot({ kernel: KERNEL });
const lab = await Lab.create(guest, { clients: ['laptop', 'phone', 'rogue'] });
const [laptop, phone, rogue] = lab.clients as [Client, Client, Client];
console.log(`
  laptop ──┐  chooses its addresses by SLAAC, temporary ones too
           │
  phone  ──┼── WireGuard ── router ${ROUTER}/64, Linux ${guest.release}
           │                  └─ wg-slaacer
  rogue  ──┘  does not behave

  None of the clients has an address in the router's configuration.`);

const daemon = await Daemon.start(lab.router, { set: { rate: 5, burst: 6, lifetime: '20s', ra: 1 } });
const screen = new Screen(new Map(lab.clients.map(({ publicKey, name }) => [publicKey, name])));
daemon.process.onLine((line) => line.startsWith('{') && screen.event(JSON.parse(line)));

screen.scene('The laptop comes up and asks for a prefix (SLAAC).');
await laptop.startSlaac('fe80::1a');
let addresses: string[] = [];
while (addresses.length < 2) {
  await pause(0.2);
  addresses = await laptop.addresses();
}
for (const address of addresses)
  screen.ping('laptop', address, await laptop.ping({ from: address, count: 3, interval: 0.3 }));

screen.scene(`The phone gives itself ${PHONE}, and opens a connection.`);
await phone.addAddress(PHONE);
screen.connection('phone', PHONE, await phone.connect({ from: PHONE }));
screen.connection('phone', PHONE, await phone.connect({ from: PHONE }));

screen.scene('The rogue uses a foreign prefix, the address of the phone, and that of the router.');
for (const address of ['2001:db8:bad::1', PHONE, ROUTER]) await rogue.sendFrom(address);
await daemon.event('denied', { address: ROUTER });

screen.scene('The rogue uses 5,000 addresses at once. Meanwhile the phone takes another one.');
const flood = rogue.flood({ prefix: '2001:db8:1::', count: 5_000 });
await phone.addAddress('2001:db8:1::beef');
screen.ping(
  'phone',
  '2001:db8:1::beef',
  await phone.ping({ from: '2001:db8:1::beef', count: 3, interval: 0.3 }),
);
await flood;
await pause(1);

screen.scene('Someone reloads the configuration of WireGuard, which knows nothing of what was learned.');
await lab.syncconf();
screen.ping('phone', PHONE, await phone.ping({ from: PHONE, count: 3, interval: 0.3 }));

screen.scene(
  'What is not used expires: here after 20 s, otherwise after a day. The phone and the laptop go on.',
);
const [inUse, unused] = addresses as [string, string];
const goingOn = [
  phone.ping({ from: PHONE, count: 50, interval: 0.5 }),
  laptop.ping({ from: inUse, count: 50, interval: 0.5 }),
] as const;
await daemon.event('expired', { address: unused }, 40_000);
screen.ping('phone', PHONE, await goingOn[0]);
screen.ping('laptop', inUse, await goingOn[1]);

screen.summary(await lab.allowedIps(), await lab.refused());

if (stay) await shell();
await daemon.stop();
await guest.stop();

/** Runs what is typed on the router, line by line; events go on showing. */
async function shell(): Promise<void> {
  console.log(`
A shell on the router. Try: wg show · ip netns exec laptop ping -c 1 ${ROUTER}
                            ip netns exec phone ip address add 2001:db8:1::5/64 dev wg0 nodad
exit ends it all.`);
  const terminal = createInterface({ input: process.stdin, output: process.stdout, prompt: 'router# ' });
  terminal.prompt();
  for await (const line of terminal) {
    if (line.trim() === 'exit') break;
    const { stdout, stderr } = await guest.run(line, { check: false });
    process.stdout.write(stdout + styleText('red', stderr));
    terminal.prompt();
  }
  terminal.close();
}
