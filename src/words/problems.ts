// SPDX-License-Identifier: GPL-2.0-only
// Problems in words: the one catalogue, for the log, the command line and, translated, the page.

import type { Problem, ProblemCode, ProblemData } from '../problem.ts';

/** What happened, and what to do about it. */
export interface ProblemWords {
  readonly message: string;
  readonly hint: string;
}

/** Puts a text into the reader's language. In braces stand names of what is put in afterwards. */
export type Translate = (text: string) => string;

type Catalogue = {
  readonly [Code in ProblemCode]: (
    _: Translate,
    data: ProblemData[Code],
  ) => readonly [message: string, hint: string];
};

export const catalogue: Catalogue = {
  'invalid-option': (_, { instead }) => {
    const hint = _('allowed is {allowed}');
    switch (instead) {
      case 'default':
        return [_('wg-slaacer.{section}.{option}: "{value}" is not allowed, so the default is used'), hint];
      case 'others':
        return [_('wg-slaacer.{section}.{option}: "{value}" is not allowed, so it is left out'), hint];
      case 'nothing':
        return [
          _('wg-slaacer.{section}.{option}: "{value}" is not allowed, so the section is left out'),
          hint,
        ];
    }
  },
  'unknown-option': (_) => [
    _('wg-slaacer.{section}.{option}: there is no such option'),
    _('write one of these instead: {known}'),
  ],
  'ignored-section': (_, { reason }) => {
    switch (reason) {
      case 'type':
        return [
          _('wg-slaacer.{section}: left out, because there are no sections of type "{type}"'),
          _('make it of type interface, peer or globals, or remove it'),
        ];
      case 'globals':
        return [
          _('wg-slaacer.{section}: left out, because there is another section of type globals before it'),
          _('keep one of them'),
        ];
      case 'no-name':
        return [
          _('wg-slaacer.{section}: left out, because it has no name'),
          _('name the interface: option device'),
        ];
      case 'no-device':
        return [
          _('wg-slaacer.{section}: left out, because its name cannot be that of a network interface'),
          _('name the interface: option device'),
        ];
      case 'name':
        return [
          _('wg-slaacer.{section}: left out, because there is another section called {name}'),
          _('give it a name of its own'),
        ];
      case 'device':
        return [
          _('wg-slaacer.{section}: left out, because section {rival} is for the same interface, {device}'),
          _('keep one of them enabled'),
        ];
      case 'no-key':
        return [
          _('wg-slaacer.{section}: left out, because it does not say which peer it is for'),
          _('name the peer: option public_key'),
        ];
      case 'nowhere':
        return [
          _('wg-slaacer.{section}: left out, because it does not say which interface its peer is of'),
          _('name a section of type interface: option interface'),
        ];
      case 'no-interface':
        return [
          _('wg-slaacer.{section}: left out, because there is no section for an interface called "{name}"'),
          _(
            'correct its option interface, or remove it: uci delete wg-slaacer.{section}, then uci commit wg-slaacer and service wg-slaacer reload',
          ),
        ];
      case 'peer':
        return [
          _('wg-slaacer.{section}: left out, because section {rival} is for the same peer'),
          _('keep one of them'),
        ];
      case 'no-peer':
        return [
          _('wg-slaacer.{section}: it has no effect, because {device} has no peer with that public key'),
          _('give it the public key of a peer (wg show {device} peers), or remove it'),
        ];
    }
  },
  'name-taken': (_) => [
    _('{device}: peer {peer} has no name, because "{name}" is that of another peer or of the router'),
    _(
      'give it another one: in /etc/config/wg-slaacer, option name in a section of type peer; or change its description',
    ),
  ],
  'no-configuration': (_, { isInForce }) => [
    isInForce
      ? _('the configuration cannot be read ({detail}): the last one stays in force')
      : _('the configuration cannot be read ({detail}): nothing is learned until it can'),
    _(
      'uci show wg-slaacer names the line if there is a mistake in the file; else see that ubusd and rpcd run',
    ),
  ],
  'no-peers': (_) => [
    _('{device}: what is configured for its peers cannot be read ({detail})'),
    _('see that rpcd runs and that uci show network works'),
  ],
  'no-network': (_) => [
    _('who else sends Router Advertisements, and what domains to search in, cannot be read ({detail})'),
    _('see that rpcd and netifd run'),
  ],

  'no-interface': (_, { present, absence }) => {
    switch (absence) {
      case 'disabled':
        return [
          _('{device}: there is no such interface, because it is disabled in /etc/config/network'),
          _('uci delete network.{device}.disabled; uci commit network; service network reload'),
        ];
      case 'failing':
        return [
          _('{device}: there is no such interface, because netifd cannot set it up'),
          _(
            'logread -e {device} says why: mostly, WireGuard does not take a key, an allowed IP or an endpoint in /etc/config/network',
          ),
        ];
    }
    if (present)
      return [
        _('{device}: there is no such interface, but there is {present}'),
        _(
          'correct the name, or bring it up (on OpenWrt: ifup {device}); learning begins by itself when it appears',
        ),
      ];
    return absence === 'unconfigured'
      ? [
          _('{device}: there is no such interface, and none of that name in /etc/config/network'),
          _(
            'correct the name in /etc/config/wg-slaacer, or remove the section there; if another program makes the interface, start that',
          ),
        ]
      : [
          _('{device}: there is no such interface'),
          _('bring it up (on OpenWrt: ifup {device}); learning begins by itself when it appears'),
        ];
  },
  'not-wireguard': (_, { kind }) => [
    kind === ''
      ? _('{device}: this is not a WireGuard interface')
      : _('{device}: this is not a WireGuard interface, but a {kind}'),
    _('name a WireGuard interface'),
  ],
  'no-ipv6': (_, { reason }) => {
    switch (reason) {
      case 'mtu':
        return [
          _(
            '{device}: its MTU of {mtu} is too small for IPv6, so it has no IPv6 address, and nobody gets one',
          ),
          _(
            'set it to 1280 or more, and have the interface set up again (on OpenWrt: option mtu of {device} in /etc/config/network, then ifup {device}; elsewhere: ip link set {device} mtu 1420, and its addresses anew)',
          ),
        ];
      case 'disabled':
        return [
          _('{device}: IPv6 is switched off on it, so it has no IPv6 address, and nobody gets one'),
          _(
            'sysctl -w net.ipv6.conf.{device}.disable_ipv6=0, and have the interface set up again (on OpenWrt: ifup {device}); see what sets it, such as a file in /etc/sysctl.d, or option ipv6 of a device section',
          ),
        ];
      case 'kernel':
        return [
          _('{device}: IPv6 is switched off in this kernel, so nobody gets an address'),
          _('boot without ipv6.disable=1'),
        ];
    }
  },
  'no-prefix': (_, { assignment }) => {
    switch (assignment) {
      case 'unassigned':
        return [
          _(
            '{device}: it has not got the IPv6 prefix that option ip6assign asks for, so only link-local addresses are learned',
          ),
          _('service network restart: netifd assigns none to a new interface at reload_config or ifup'),
        ];
      case 'undelegated':
        return [
          _(
            '{device}: it has no IPv6 prefix, because none is delegated to this router, so only link-local addresses are learned',
          ),
          _(
            'see what the provider delegates (ifstatus wan6); for addresses that are used inside only, set option ula_prefix of network.globals',
          ),
        ];
      case 'class':
        return [
          _(
            '{device}: it has no IPv6 prefix, as no prefix of this router is of a class that option ip6class takes, so only link-local addresses are learned',
          ),
          _(
            'remove option ip6class of {device} in /etc/config/network, or name in it the interface that has a prefix; then service network restart',
          ),
        ];
      case 'withheld':
        return [
          _(
            "{device}: it has no IPv6 prefix, as option delegate '0' of {uplink} gives none to other interfaces, so only link-local addresses are learned",
          ),
          _('remove option delegate of {uplink} in /etc/config/network, then service network restart'),
        ];
      default:
        return [
          _('{device}: it has no IPv6 prefix, so only link-local addresses are learned'),
          _(
            "give it an address in a /64 (on OpenWrt: option ip6assign '64', then service network restart), or name the prefixes to learn in",
          ),
        ];
    }
  },
  'prefix-exhausted': (_, { share }) => [
    _(
      '{device}: it gets no part of {prefix}, the prefix of {uplink}, because all of it is taken ({holders})',
    ),
    share === 'wide'
      ? _(
          "have {holder} take less: option ip6assign '64' of {holder} in /etc/config/network, then service network restart; or, if {device} is to have local addresses only, give it list ip6class 'local' there",
        )
      : _(
          "share it: option share '{holder}' in /etc/config/wg-slaacer; or ask the provider for a larger one: option reqprefix '56' of {uplink} in /etc/config/network; or, if {device} is to have local addresses only, give it list ip6class 'local' there",
        ),
  ],
  'no-zone': (_) => [
    _('{device}: it is in no zone of the firewall, so nothing that peers send is forwarded'),
    _(
      'put {device} into a zone, such as lan: uci add_list firewall.@zone[0].network={device}; uci commit firewall; service firewall reload',
    ),
  ],
  'prefix-twice': (_) => [
    _('{device}: {other} has an address in {prefix}, too, so what is for peers of {device} may go there'),
    _(
      "give {device} a prefix of its own; or remove its address in {prefix}, and have it share that of {other}: option share '{other}' in /etc/config/wg-slaacer",
    ),
  ],
  'no-route': (_) => [
    _(
      '{device}: addresses in {prefix} are learned, but no route leads there by {device}, so replies go elsewhere',
    ),
    _(
      'give {device} an address in that prefix, or a route to it: ip -6 route add {prefix} dev {device} (on OpenWrt: a route6 section with interface {device} and target {prefix})',
    ),
  ],
  'prefix-owned': (_, { isProvider }) =>
    isProvider
      ? [
          _(
            "{device}: all of IPv6 is peer {peer}'s by its allowed IP {cover}, so no other peer's addresses are learned",
          ),
          _(
            "if that peer is a VPN provider, or leads to the Internet in another way, learn nothing there: option enabled '0' of {device} in /etc/config/wg-slaacer; if it is a client, take {cover} out of its allowed IPs (on OpenWrt: its allowed_ips in /etc/config/network, then service network reload)",
          ),
        ]
      : [
          _(
            "{device}: all of {prefix} is peer {peer}'s by its allowed IP {cover}, so no other peer's addresses are learned there",
          ),
          _(
            'take {cover} out of the allowed IPs of that peer (on OpenWrt: its allowed_ips in /etc/config/network, then service network reload), or learn in another prefix',
          ),
        ],
  'refused-peer': (_) => [
    _('{device}: peer {peer} goes on sending from addresses that are neither its own nor to be learned'),
    _(
      'if it is a device that has got a new key, move its addresses from the old peer to it: wg-slaacer give; else see what it sends through the tunnel, or name the prefix that it uses; meanwhile its new addresses are learned late',
    ),
  ],

  'no-address': (_) => [
    _(
      '{device}: peer {peer} has no IPv6 address in the tunnel, so it can neither be learned nor choose one by SLAAC',
    ),
    _(
      'give the WireGuard interface of that peer a link-local address, such as fe80::2/64 (wg-quick: Address, systemd-networkd: Address with Multicast=yes), or one in the prefix',
    ),
  ],

  'no-share': (_, { reason }) => {
    switch (reason) {
      case 'away':
        return [
          _('{device}: there is no interface "{share}" whose prefix it could share'),
          _('bring it up, or name another one: option share'),
        ];
      case 'self':
        return [
          _('{device}: it cannot share its own prefix'),
          _("name another interface (option share 'lan'), or remove option share"),
        ];
      case 'no-64':
        return [
          _('{device}: {share} has no /64 prefix that it could share'),
          _("give {share} an address in a /64 (on OpenWrt: option ip6assign '64')"),
        ];
    }
  },
  'share-claimed': (_) => [
    _('{device}: peer {peer} has the address {address}, and a host on {shared} uses it, too'),
    _(
      'have the host choose another address, or run wg-slaacer forget {device} {address} to take it from the peer',
    ),
  ],
  'share-conflict': (_) => [
    _('{device}: {rival} gets in the way of sharing the prefix of {shared}'),
    _('switch off one of the two: {rival} there, or option share of {device}'),
  ],

  'no-forwarding': (_) => [
    _(
      '{device}: this system does not forward IPv6 packets from it, so it is not announced as a default router',
    ),
    _('sysctl -w net.ipv6.conf.all.forwarding=1, and have it set at each start in /etc/sysctl.d'),
  ],
  'no-64': (_) => [
    _('{device}: none of its prefixes is a /64, so peers cannot choose addresses by SLAAC'),
    _("give it an address in a /64 (on OpenWrt: option ip6assign '64')"),
  ],
  'ra-taken': (_) => [
    _(
      "{device}: it has taken an address in {prefix} from a peer's Router Advertisement; addresses there are neither learned nor advertised",
    ),
    _(
      'sysctl -w net.ipv6.conf.{device}.accept_ra=0, have it set at each start in /etc/sysctl.d, and remove the address: ip -6 address flush dev {device} mngtmpaddr',
    ),
  ],
  'ra-too-long': (_, { prefixes, routes, servers }) => [
    prefixes + routes + servers > 0
      ? _(
          '{device}: the last {prefixes} prefixes, {routes} routes, {servers} DNS servers and {domains} DNS search domains do not fit into a Router Advertisement, and are not announced',
        )
      : _(
          '{device}: the last {domains} DNS search domains do not fit into a Router Advertisement, and are not announced',
        ),
    prefixes > 0
      ? _('give {device} fewer prefixes')
      : _('configure fewer of them, or put those first that matter most'),
  ],
  'ra-blocked': (_) => [
    _('{device}: a firewall of this system does not let Router Advertisements out'),
    _('accept outgoing ICMPv6 of type router-advertisement on {device}'),
  ],
  'ra-unheeded': (_) => [
    _(
      '{device}: peer {peer} has a link-local address and has had several Router Advertisements, but it uses no address in {prefix}',
    ),
    _(
      'have its system accept Router Advertisements (NetworkManager does with ipv6.method=ignore only, Linux with accept_ra=2 if it forwards), or choose an address in the prefix by hand, as the WireGuard apps need; see docs/clients.md',
    ),
  ],

  'solicitations-blocked': (_) => [
    _('{device}: Router Solicitations come, but a firewall of this system does not let them in'),
    _(
      'accept incoming ICMPv6 of type router-solicitation on {device} (on OpenWrt: put {device} into a firewall zone with input ACCEPT, such as lan: uci add_list firewall.@zone[0].network={device}; uci commit firewall; service firewall reload; or add a rule with icmp_type router-solicitation)',
    ),
  ],
  'ra-conflict': (_) => [
    _('{device}: Router Advertisements are left to {advertiser}, which never refreshes what peers have got'),
    _('switch those off there, or set option ra to 0 to keep it that way, or to 1 to send them all the same'),
  ],

  'hosts-failed': (_, { error }) => [
    _('{file}: names of peers cannot be written there for dnsmasq: {detail}'),
    fileHintOf(_, error, report(_)),
  ],
  'dnsmasq-untold': (_) => [
    _('dnsmasq could not be told of new names of peers ({detail})'),
    _('see that dnsmasq runs (service dnsmasq status), or switch the names off: option dns'),
  ],
  'no-nftset': (_, { reason }) =>
    reason === 'missing'
      ? [
          _('{set}: there is no such set of nftables, so rules that match it match no peer'),
          _(
            "declare it: in /etc/config/firewall, config ipset with option name '{name}', option family 'ipv6' and list match 'src_ip' (or dest_ip), and rules that use it; then service firewall reload",
          ),
        ]
      : [
          _('{set}: this set of nftables does not take IPv6 addresses, so rules that match it match no peer'),
          _(
            "in /etc/config/firewall, give it option family 'ipv6' and one list match, 'src_ip' or 'dest_ip'; then service firewall restart",
          ),
        ],
  'nftset-failed': (_, { error }) => [
    _('{set}: addresses of peers could not be put into this set of nftables: {detail}'),
    error === 'ENFILE' || error === 'ENOSPC'
      ? _('it is full: raise its option maxelem in /etc/config/firewall; then service firewall restart')
      : _('see that firewall4 is installed and nft list ruleset works; else report this with what they say'),
  ],
  'state-corrupt': (_) => [
    _('{file}: {lines} of its lines cannot be read, so what they said about peers and prefixes is forgotten'),
    _('nothing is lost but time: see dmesg for errors of the flash'),
  ],
  'state-foreign': (_) => [
    _('{file}: wg-slaacer has not written this file, so nothing is kept for a reboot'),
    _('move the file away, or name another one: wg-slaacer run --state FILE'),
  ],
  'state-failed': (_, { error }) => [
    _('{file}: what has to be known after a reboot cannot be kept there: {detail}'),
    fileHintOf(_, error, _('name another file: wg-slaacer run --state FILE')),
  ],

  'history-corrupt': (_) => [
    _('{file}: {lines} of its lines cannot be read, so the history does not have what they said'),
    _('the rest of the history is there: see dmesg for errors of the flash'),
  ],
  'history-foreign': (_) => [
    _('{file}: wg-slaacer has not written this file, so the history is not kept there'),
    _('move the file away, or name another one as option history_file'),
  ],
  'history-failed': (_, { error }) => [
    _('{file}: the history cannot be kept there: {detail}'),
    fileHintOf(_, error, _('name another file as option history_file')),
  ],

  'no-permission': (_) => [
    _('not enough permission to load BPF programs and configure WireGuard'),
    _('run it as root (CAP_SYS_ADMIN and CAP_NET_ADMIN)'),
  ],
  'no-module': (_) => [
    _("the kernel's wireguard module is not loaded"),
    _('modprobe wireguard (on OpenWrt: install kmod-wireguard)'),
  ],
  'no-btf': (_) => [
    _('the kernel has no BTF (type information)'),
    _('build the kernel with CONFIG_DEBUG_INFO_BTF=y'),
  ],
  'no-module-btf': (_) => [
    _('the wireguard module has no BTF (type information)'),
    _(
      'build the kernel with CONFIG_DEBUG_INFO_BTF_MODULES=y and install the wireguard module of that build; or, for the kprobe, make {file}',
    ),
  ],
  lockdown: (_) => [
    _('the kernel is locked down: it lets no BPF program read kernel memory'),
    _('boot without lockdown=confidentiality'),
  ],
  'no-symbol': (_) => [
    _('the kernel does not tell where wg_allowedips_lookup_src is'),
    _('build the kernel with CONFIG_KALLSYMS=y'),
  ],
  'no-bpf-events': (_) => [
    _('the kernel lets no BPF program trace it'),
    _('build the kernel with CONFIG_BPF_EVENTS=y'),
  ],
  'no-kprobes': (_) => [
    _('the kernel has no kprobes'),
    _('build the kernel with CONFIG_KPROBES=y and CONFIG_KPROBE_EVENTS=y'),
  ],
  'no-ftrace': (_) => [
    _('the kernel cannot trace functions'),
    _('build the kernel with CONFIG_FUNCTION_TRACER=y and CONFIG_DYNAMIC_FTRACE=y'),
  ],
  'not-pinned': (_, { reason }) => {
    switch (reason) {
      case 'unmounted':
        return [
          _(
            'there is no BPF file system at /sys/fs/bpf, so what is learned is kept in a file in /var/run, where times of last use may be a minute old',
          ),
          _('mount -t bpf -o mode=0700 bpf /sys/fs/bpf, and restart wg-slaacer'),
        ];
      case 'read-only':
        return [
          _(
            '{file} cannot be written, so what is learned is kept in a file in /var/run, where times of last use may be a minute old',
          ),
          _('mount -o remount,rw {file}, and restart wg-slaacer'),
        ];
      case 'occupied':
        return [
          _(
            '{file} is in the way, so what is learned is kept in a file in /var/run, where times of last use may be a minute old',
          ),
          _('rm -r {file}, and restart wg-slaacer'),
        ];
      case 'foreign':
        return [
          _(
            '{file} is not wg-slaacer’s own, or others may write to it, so what is learned is kept in a file in /var/run, where times of last use may be a minute old',
          ),
          _('see who has made it (ls -ld {file}), then rm -r {file}, and restart wg-slaacer'),
        ];
      case 'layout':
        return [
          _(
            '{file} is of another version of wg-slaacer, or cannot be made, so what is learned is kept in a file in /var/run, where times of last use may be a minute old',
          ),
          _('rm -r {file}, and restart wg-slaacer'),
        ];
    }
  },
  'not-kept': (_) => [
    _(
      'what is learned cannot be written to {file}: {meaning}; it is withdrawn when wg-slaacer stops, and nobody’s to withdraw if it is killed',
    ),
    _('make room there (df says how full it is), or cure what keeps maps from being pinned'),
  ],
  lending: (_) => [
    _('new addresses are learned by lending prefixes, which has a price, because {because}'),
    _(
      'if you accept the price (docs/lending.md), set option hook to lending; to learn without lending, {remedy}',
    ),
  ],

  'unfit-hook': (_) => [
    _('option hook is {hook}, which does not work on this kernel: {because}'),
    _('set option hook to auto, or {remedy}'),
  ],

  'no-fexit': (_) => [_('the hook fexit cannot be used: {meaning}'), otherHook(_)],
  'no-kprobe': (_) => [_('the hook kprobe cannot be used: {meaning}'), otherHook(_)],
  'no-lending': (_) => [_('prefixes cannot be lent: {meaning}'), report(_)],
  'links-failed': (_, { error }) => [
    _('the interfaces of this system could not be listed: {meaning}'),
    error === 'ENODEV' || error === 'ENXIO' ? report(_) : hintOf(_, error),
  ],
  'dump-failed': (_, { error }) => [
    _('{device}: its allowed IPs could not be read, so nothing is learned on it: {meaning}'),
    hintOf(_, error),
  ],
  'change-missed': (_) => [
    _(
      '{device}: the hook has not told of a change to its peers or allowed IPs, which a look at them has found',
    ),
    report(_),
  ],
  'add-failed': (_, { error }) => [
    _('{device}: new addresses could not be made allowed IPs of their peers: {meaning}'),
    hintOf(_, error),
  ],
  'remove-failed': (_, { error }) => [
    _('{device}: learned addresses could not be withdrawn from the allowed IPs: {meaning}'),
    hintOf(_, error),
  ],
  'watch-failed': (_, { error }) => [
    _('{device}: the hook could not be set up, so nothing is learned on it: {meaning}'),
    hintOf(_, error),
  ],
  'ra-failed': (_, { error }) => [
    _('{device}: Router Advertisements could not be set up: {meaning}'),
    hintOf(_, error),
  ],
  'share-failed': (_, { error }) => [
    _('{device}: what leads hosts to the addresses of its peers could not be changed: {meaning}'),
    hintOf(_, error),
  ],
  'lending-failed': (_, { error }) => [
    _('{device}: it could not be found out whose packets WireGuard refused: {meaning}'),
    hintOf(_, error),
  ],
};

function otherHook(_: Translate): string {
  return _(
    "let wg-slaacer choose another way of learning: option hook 'auto'; and report this with what wg-slaacer doctor and uname -r say",
  );
}

function report(_: Translate): string {
  return _('report this with what wg-slaacer doctor, uname -r and dmesg say');
}

/** What an errno means for the interfaces and tables that are spoken of here. */
export function meaningOf(_: Translate, error: string): string | undefined {
  switch (error) {
    case 'EPERM':
    case 'EACCES':
      return _('the kernel does not permit it ({detail})');
    case 'ENODEV':
    case 'ENXIO':
      return _('there is no such interface any more ({detail})');
    case 'ENOMEM':
    case 'ENOBUFS':
      return _('the kernel has no memory left for it ({detail})');
    case 'E2BIG':
    case 'ENOSPC':
      return _("the kernel's table for it is full ({detail})");
    case 'EMFILE':
    case 'ENFILE':
      return _('too many files are open ({detail})');
    case 'EINTR':
      return _('other programs change it all the time ({detail})');
    case 'EAFNOSUPPORT':
      return _('IPv6 is switched off in this kernel ({detail})');
    default:
      return undefined;
  }
}

function hintOf(_: Translate, error: string): string {
  switch (error) {
    case 'EPERM':
    case 'EACCES':
      return _('run it as root, outside of containers: it needs CAP_SYS_ADMIN and CAP_NET_ADMIN');
    case 'ENODEV':
    case 'ENXIO':
      return _('bring it up: ip link set {device} up (on OpenWrt: ifup {device})');
    case 'ENOMEM':
    case 'ENOBUFS':
      return _('stop what takes the memory (see free and top), or lower option max_addresses');
    case 'E2BIG':
    case 'ENOSPC':
      return _('lower the options max_addresses and lifetime, or name fewer prefixes');
    case 'EMFILE':
    case 'ENFILE':
      return _('raise the limit on open files (ulimit -n), and restart the service');
    case 'EINTR':
      return _('see with ip monitor and wg show what changes so often, and stop it');
    case 'EAFNOSUPPORT':
      return _('boot without ipv6.disable=1');
    default:
      return report(_);
  }
}

/** What an errno means for a file; `other` says how to name another one. */
function fileHintOf(_: Translate, error: string, other: string): string {
  switch (error) {
    case 'EROFS':
      return _(
        'make the file system writable (mount -o remount,rw), or check it: dmesg says why it is read-only',
      );
    case 'ENOSPC':
    case 'EDQUOT':
      return _('make room there: df says how full it is');
    case 'EPERM':
    case 'EACCES':
      return _(
        'let root write into its folder: chown root and chmod u+rwx; lsattr tells whether it is immutable',
      );
    case 'EEXIST':
    case 'EISDIR':
    case 'ENOTDIR':
      return _(
        'move away what is in its place: neither a folder, nor a device, nor a file for its folder can be there',
      );
    case 'ENAMETOOLONG':
      return other;
    case 'EIO':
      return _('check the flash: see dmesg');
    default:
      return report(_);
  }
}

/** In English, unless there is a translation. A peer goes by its description, else by its key. */
export function describeProblem(problem: Problem, translate: Translate = (text) => text): ProblemWords {
  const { code, data } = problem;
  const words = catalogue[code] as (_: Translate, data: Problem['data']) => readonly [string, string];
  const values: Record<string, unknown> = { ...data };
  values.peer = values.description ?? values.peer;
  if (typeof values.allowed === 'string') values.allowed = translate(values.allowed);
  if (typeof values.error === 'string')
    values.meaning = fill(meaningOf(translate, values.error) ?? '{detail}', values);
  if ('because' in data) {
    const { message, hint } = describeProblem(data.because, translate);
    Object.assign(values, { because: message, remedy: hint });
  }
  const [message, hint] = words(translate, data);
  return { message: fill(message, values), hint: fill(hint, values) };
}

/** As a program is told of it that may also show it. */
export function withWords<About extends Problem>(problem: About): About & ProblemWords {
  return { ...problem, ...describeProblem(problem) };
}

export function inOneLine({ message, hint }: ProblemWords): string {
  return `${message} – ${hint}`;
}

/** The hint stands below, indented by `indent` and two spaces more. */
export function inLines({ message, hint }: ProblemWords, indent = ''): string {
  return `${message}\n${indent}  hint: ${hint}`;
}

/** Whether a service, which may be of another version, speaks of a problem that is in the catalogue. */
export function isKnown(code: string): code is ProblemCode {
  return Object.keys(catalogue).includes(code);
}

function fill(template: string, values: Readonly<Record<string, unknown>>): string {
  return template.replace(/\{(\w+)\}/g, (_, name: string) => String(values[name] ?? ''));
}
