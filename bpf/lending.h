/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where no hook can be set: socket filters that see what WireGuard has accepted from a peer that has the
 * prefix on loan, and what it was sent. They read no kernel structure, so they need no BTF.
 */
#ifndef LENDING_H
#define LENDING_H

#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/in.h>
#include "report.h"
#include <bpf/bpf_endian.h>

/* WireGuard's messages begin with a type and three zeros (drivers/net/wireguard/messages.h). */
#define MESSAGE_INITIATION 1
#define MESSAGE_RESPONSE   2
#define MESSAGE_DATA	   4
#define EMPTY_DATA_MESSAGE 32 /* a keepalive */

#define UDP_HEADER 8

#define IPPROTO_ICMPV6	  58
#define ICMPV6_ECHO_REPLY 129

/* Who sends what comes from no known address, by ifindex. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 256);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32);
	__type(value, struct borrower);
} borrowers SEC(".maps");

/* Only user space adds to them, so that strangers cannot. What is none of them counts for the all-zero one.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct endpoint);
	__type(value, struct traffic);
} endpoints SEC(".maps");

/* Not zero: user space waits for the next data message (0), or for the next one of a handshake (1). */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, __u32);
} armed SEC(".maps");

static __always_inline bool is_link_local(const __u8 *address)
{
	return address[0] == 0xfe && (address[1] & 0xc0) == 0x80;
}

/*
 * A host without an address in the tunnel answers our echo request from another link's: from a link-local one
 * to a global one.
 */
static __always_inline bool is_stray_answer(struct __sk_buff *skb, const __u8 *source)
{
	struct {
		__u8 version[4], length[2], next_header, hop_limit;
		__u8 source[16], destination[16];
		__u8 type;
	} packet;

	if (!is_link_local(source) ||
	    bpf_skb_load_bytes_relative(skb, 0, &packet, sizeof(packet), BPF_HDR_START_NET))
		return false;
	return packet.next_header == IPPROTO_ICMPV6 && packet.type == ICMPV6_ECHO_REPLY &&
	       !is_link_local(packet.destination);
}

/*
 * On a WireGuard interface: what it has accepted and decrypted. Configured addresses are in the scope trie,
 * so what is unknown here came from the borrower, and so did what is offered to it. Offered is only what has
 * not been used for long.
 */
SEC("socket")
int accepted(struct __sk_buff *skb)
{
	struct source source = {.ifindex = skb->ifindex};
	struct borrower *borrower;
	struct report report = {};
	struct learned *known;
	enum scope in_scope;
	__u32 length = 0;
	__u64 jiffies;

	/* Neither what goes out nor a solicitation that was put in: WireGuard's packets are ours alone. */
	if (skb->pkt_type != PACKET_HOST ||
	    bpf_skb_load_bytes_relative(skb, IPV6_SADDR, source.address, 16, BPF_HDR_START_NET))
		return 0;
	known = bpf_map_lookup_elem(&learned, &source);
	jiffies = bpf_jiffies64();
	if (known && !is_stale(known, jiffies))
		return 0;
	in_scope = scope_of(&source);
	if (known && in_scope != SCOPE_OFFERED) {
		used(known, jiffies);
		return 0;
	}
	borrower = bpf_map_lookup_elem(&borrowers, &source.ifindex);
	if (!borrower || is_stray_answer(skb, source.address))
		return 0;
	if (!known && in_scope != SCOPE_LEARN && in_scope != SCOPE_RESERVED)
		return 0;
	if (!begin_report(&report, &source))
		return 0;
	report.key.sender.id = *(__u64 *)borrower->peer;
	report.verdict = in_scope == SCOPE_LEARN ? VERDICT_CANDIDATE : VERDICT_RESERVED;
	__builtin_memcpy(report.sighting->sender, borrower->peer, WG_KEY_LEN);
	if (known) {
		report.verdict = VERDICT_OWNED;
		__builtin_memcpy(report.sighting->more, known->peer, WG_KEY_LEN);
		length = WG_KEY_LEN;
	}
	if (is_due(&report))
		tell(&report, length);
	end_report(&report);
	return 0;
}

/* Where the UDP header begins, from the network header on; 0 if there is none. Fills in the sender's address.
 */
static __always_inline __u32 udp_offset(struct __sk_buff *skb, struct endpoint *from)
{
	__u8 header[20];

	if (bpf_skb_load_bytes_relative(skb, 0, header, sizeof(header), BPF_HDR_START_NET))
		return 0;
	if (skb->protocol == bpf_htons(ETH_P_IP)) {
		/* Of a fragmented datagram, the first one speaks for all. */
		if (header[9] != IPPROTO_UDP || header[6] & 0x1f || header[7])
			return 0;
		from->address[10] = from->address[11] = 0xff;
		__builtin_memcpy(from->address + 12, header + 12, 4);
		return (header[0] & 0xf) * 4;
	}
	if (skb->protocol != bpf_htons(ETH_P_IPV6) || header[6] != IPPROTO_UDP ||
	    bpf_skb_load_bytes_relative(skb, IPV6_SADDR, from->address, 16, BPF_HDR_START_NET))
		return 0;
	return 40;
}

/*
 * On all interfaces: the encrypted messages, by endpoint. Lets one packet through to wake user space if that
 * waits.
 */
SEC("socket")
int encrypted(struct __sk_buff *skb)
{
	struct endpoint from = {}, nobody = {};
	struct traffic *traffic;
	__u32 offset, kind, *waits;
	struct {
		__be16 source, destination, length, checksum;
		__u8 type, reserved[3];
	} udp;
	__u16 length;

	if (skb->pkt_type != PACKET_HOST)
		return 0;
	offset = udp_offset(skb, &from);
	if (!offset || bpf_skb_load_bytes_relative(skb, offset, &udp, sizeof(udp), BPF_HDR_START_NET))
		return 0;
	if (udp.reserved[0] | udp.reserved[1] | udp.reserved[2] ||
	    (udp.type != MESSAGE_INITIATION && udp.type != MESSAGE_RESPONSE && udp.type != MESSAGE_DATA))
		return 0;
	from.port = udp.source;
	from.local_port = udp.destination;
	length = bpf_ntohs(udp.length) - UDP_HEADER;
	traffic = bpf_map_lookup_elem(&endpoints, &from) ?: bpf_map_lookup_elem(&endpoints, &nobody);
	if (traffic)
		COUNT(traffic->bytes, length);
	if (udp.type == MESSAGE_DATA && length <= EMPTY_DATA_MESSAGE)
		return 0;
	kind = udp.type != MESSAGE_DATA;
	waits = bpf_map_lookup_elem(&armed, &kind);
	if (!waits || !*waits)
		return 0;
	*waits = 0;
	return 1;
}

#endif
