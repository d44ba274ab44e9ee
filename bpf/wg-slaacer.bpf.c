// SPDX-License-Identifier: GPL-2.0-only
/*
 * The hook (lending.h is for kernels that let none be set): sees every packet that WireGuard has decrypted
 * and is about to check against its allowed IPs, and tells user space about source addresses that are
 * nobody's, or not the sender's. And the re-injector, which delivers the packet that WireGuard had to refuse.
 *
 * wg_packet_consume_data_done() (drivers/net/wireguard/receive.c) calls wg_allowedips_lookup_src(), which
 * returns the peer that owns the source address. It runs with bottom halves off, so a per-CPU slot is ours
 * from begin to end.
 */
#include <linux/if_ether.h>
#include "changes.h"
#include "kernel.h"
#include "report.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

char LICENSE[] SEC("license") = "GPL";

/* By what packets of other interfaces go at once. User space writes all of it. */
struct enabled enabled SEC(".data.enabled");

/* From kprobe to kretprobe: the packet. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct sk_buff *);
} entry SEC(".maps");

/* A packet whose address was the sender's, and when it was last noted as used. */
struct settled {
	const struct noise_keypair *keypair;
	const struct wg_peer *owner;
	__u64 address[2];
	__u64 jiffies;
};

/*
 * The last ones, by the last byte of their addresses: most packets are followed by more of theirs, for which
 * there is nothing left to do. What one CPU reads while another writes may be half of each. As there is
 * always an owner, what that can hide for a moment is another peer's use of the owner's address.
 */
static struct settled settled[256];

struct packet {
	struct sk_buff *skb;
	const unsigned char *header;	     /* the IPv6 header */
	const struct noise_keypair *keypair; /* what has decrypted it */
	struct wg_peer *sender, *owner;	     /* no owner: NULL */
	struct source source;
};

static __always_inline bool is_enabled(__u32 ifindex)
{
	return enabled.interfaces[(ifindex >> 5) & 31] >> (ifindex & 31) & 1;
}

/* Both are aligned to 8 bytes. */
static __always_inline bool same_key(const __u8 *one, const __u8 *other)
{
	const __u64 *a = (const __u64 *)one, *b = (const __u64 *)other;

	return a[0] == b[0] && a[1] == b[1] && a[2] == b[2] && a[3] == b[3];
}

static __always_inline void read_key(__u8 *key, const struct wg_peer *peer)
{
	bpf_core_read(key, WG_KEY_LEN, &peer->handshake.remote_static);
}

/* For an address that WireGuard does not count as the sender's. Fills in the sighting's sender, and the owner
 * if that is another peer. */
static __always_inline enum verdict judge(struct packet *packet, struct learned *known,
					  struct sighting *sighting)
{
	read_key(sighting->sender, packet->sender);
	if (packet->owner) {
		read_key(sighting->more, packet->owner);
		return VERDICT_OWNED;
	}
	if (known) {
		if (same_key(known->peer, sighting->sender))
			return VERDICT_RESTORE;
		__builtin_memcpy(sighting->more, known->peer, WG_KEY_LEN);
		return VERDICT_OWNED;
	}
	switch (scope_of(&packet->source)) {
	case SCOPE_NONE:
		return VERDICT_SCOPE;
	case SCOPE_LEARN:
		return VERDICT_CANDIDATE;
	default:
		return VERDICT_RESERVED;
	}
}

/* What follows in the sighting: the packet's bytes, if it is to be delivered and not too long, or the owner's
 * key; how many bytes. */
static __always_inline __u32 capture(struct packet *packet, struct report *report)
{
	struct sk_buff *skb = packet->skb;
	__u32 length = 0;

	if (report->verdict == VERDICT_OWNED)
		return WG_KEY_LEN;
	if (report->verdict <= VERDICT_RESTORE && !BPF_CORE_READ(skb, data_len))
		length = BPF_CORE_READ(skb, len);
	if (length > MAX_PACKET)
		length = 0;
	barrier_var(length);
	if (!length || length > MAX_PACKET) /* said again for the verifier */
		return 0;
	return bpf_probe_read_kernel(report->sighting->more, length, packet->header) ? 0 : length;
}

/* As stat(2) tells of /proc/PID/ns/net: an ifindex means something only there. */
static __always_inline __u32 netns_of(struct sk_buff *skb)
{
	return BPF_CORE_READ(skb, dev, nd_net.net, ns.inum);
}

/* WireGuard is about to drop this packet. */
static __always_inline void refused(struct packet *packet, struct learned *known)
{
	struct wg_peer *sender = packet->sender;
	struct report report = {};

	if (!begin_report(&report, &packet->source) || netns_of(packet->skb) != report.interface->netns)
		return;
	report.key.sender.id = BPF_CORE_READ(sender, internal_id);
	report.verdict = judge(packet, known, report.sighting);
	if (is_due(&report))
		tell(&report, capture(packet, &report));
	end_report(&report);
}

static __always_inline struct settled *settled_at(const __u64 *address)
{
	return &settled[((const __u8 *)address)[15]];
}

/* Whether one like this has come not long ago. */
static __always_inline bool is_settled(const __u64 *address, const struct noise_keypair *keypair,
				       const struct wg_peer *owner)
{
	const struct settled *last = settled_at(address);

	barrier_var(last); /* or where it is is worked out for each member */
	return last->keypair == keypair && last->owner == owner && last->address[0] == address[0] &&
	       last->address[1] == address[1] && bpf_jiffies64() - last->jiffies < LAST_SEEN_SLACK;
}

static __always_inline void settle(const __u64 *address, const struct packet *packet, __u64 jiffies)
{
	*settled_at(address) = (struct settled){
	    .keypair = packet->keypair,
	    .owner = packet->owner,
	    .address = {address[0], address[1]},
	    .jiffies = jiffies,
	};
}

/* Every other IPv6 packet that an enabled interface has decrypted. */
static __always_inline void received(struct packet *packet, const __u64 *address)
{
	const struct noise_keypair *keypair = packet->keypair;
	__u64 jiffies = bpf_jiffies64();
	struct learned *known;

	__builtin_memcpy(packet->source.address, address, 16);
	packet->sender = POINTER(BPF_CORE_READ(keypair, entry.peer));
	known = bpf_map_lookup_elem(&learned, &packet->source);
	if (packet->owner != packet->sender) {
		refused(packet, known);
		return;
	}
	if (known) {
		used(known, jiffies);
		jiffies = known->last_seen_jiffies;
	}
	settle(address, packet, jiffies);
}

/* PACKET_CB(skb) */
static __always_inline struct packet_cb *cb_of(struct sk_buff *skb)
{
	return __builtin_preserve_access_index((void *)&skb->cb);
}

/*
 * bpf_rdonly_cast(pointer, struct in6_addr): lets it be followed as a pointer to that type is, so that what
 * it points to is read without a call, which costs as much as all else that is done for a packet. The addon
 * fills in the numbers that both have in the running kernel (libbpf would go through all of its types for
 * them), or puts 0 in place of the call: NULL, if the kernel has no such function (before Linux 6.2), or does
 * not compile programs.
 */
static __always_inline const __u64 *to_address(const void *pointer)
{
	register const __u64 *address asm("r0");

	asm volatile("r1 = %[pointer]\n"
		     "r2 = 0\n"
		     ".8byte 0x2085\n" /* BPF_CALL, BPF_PSEUDO_KFUNC_CALL */
		     : "=r"(address)
		     : [pointer] "r"(pointer)
		     : "r1", "r2", "r3", "r4", "r5");
	return address;
}

static __always_inline void read_address(__u64 *address, const void *from)
{
	const __u64 *followed = to_address(from);

	if (followed) {
		address[0] = followed[0];
		address[1] = followed[1];
	} else {
		bpf_probe_read_kernel(address, 16, from);
	}
}

SEC("fexit/wg_allowedips_lookup_src")
int BPF_PROG(lookup_exit, void *table, struct sk_buff *skb, struct wg_peer *owner)
{
	const struct noise_keypair *keypair;
	struct packet packet;
	__u64 address[2];

	if (skb->protocol != bpf_htons(ETH_P_IPV6))
		return 0;
	if (enabled.table != table) {
		if (!is_enabled(skb->dev->ifindex))
			return 0;
		if (!enabled.table)
			enabled.table = table;
	}
	keypair = cb_of(skb)->keypair;
	read_address(address, skb->data + IPV6_SADDR);
	if (is_settled(address, keypair, owner))
		return 0;
	packet.skb = skb;
	packet.header = skb->data;
	packet.keypair = keypair;
	packet.owner = owner;
	packet.source.ifindex = skb->dev->ifindex;
	received(&packet, address);
	return 0;
}

SEC("kprobe/wg_allowedips_lookup_src")
int lookup_enter(struct pt_regs *ctx)
{
	struct sk_buff **slot = bpf_map_lookup_elem(&entry, &zero);

	if (slot)
		*slot = (struct sk_buff *)(__u64)PT_REGS_PARM2(ctx);
	return 0;
}

/*
 * A kprobe cannot follow pointers, and to read costs more by the call than by the byte: so what lies close to
 * skb->protocol is read at once.
 */
struct neighbours {
	__u8 bytes[32];
};

#define OFFSET(member) ((__u64)__builtin_preserve_access_index(&((struct sk_buff *)0)->member))
#define FIRST	       (OFFSET(protocol) & ~7ULL)

/* One of them, unless this kernel has it elsewhere. */
#define NEIGHBOUR(neighbours, skb, member)                                                                   \
	({                                                                                                   \
		__u64 at = OFFSET(member) - FIRST;                                                           \
		typeof((skb)->member) value;                                                                 \
		barrier_var(at); /* or it becomes something that the verifier cannot follow */               \
		if (at <= sizeof((neighbours).bytes) - sizeof(value))                                        \
			value = *(typeof(value) *)((neighbours).bytes + at);                                 \
		else                                                                                         \
			value = BPF_CORE_READ(skb, member);                                                  \
		value;                                                                                       \
	})

SEC("kretprobe/wg_allowedips_lookup_src")
int lookup_return(struct pt_regs *ctx)
{
	struct sk_buff **slot = bpf_map_lookup_elem(&entry, &zero);
	struct sk_buff *skb = slot ? *slot : NULL;
	struct neighbours near;
	struct packet packet;
	struct packet_cb *cb;
	__u64 address[2];

	if (!skb)
		return 0;
	*slot = NULL;
	bpf_probe_read_kernel(&near, sizeof(near), (void *)skb + FIRST);
	if (NEIGHBOUR(near, skb, protocol) != bpf_htons(ETH_P_IPV6))
		return 0;
	cb = cb_of(skb);
	packet.skb = skb;
	/* It is skb->data, too, which a 32-bit kernel does not align to 8 bytes. */
	packet.header = NEIGHBOUR(near, skb, head) + NEIGHBOUR(near, skb, network_header);
	packet.keypair = POINTER(BPF_CORE_READ(cb, keypair));
	packet.owner = (struct wg_peer *)(__u64)PT_REGS_RC(ctx);
	bpf_probe_read_kernel(address, 16, packet.header + IPV6_SADDR);
	if (is_settled(address, packet.keypair, packet.owner))
		return 0;
	packet.source.ifindex = BPF_CORE_READ(skb, dev, ifindex);
	if (is_enabled(packet.source.ifindex))
		received(&packet, address);
	return 0;
}

/*
 * wg_timers_handshake_complete() (drivers/net/wireguard/timers.c) is called once for each new session, when
 * the peer has shown that it has its keys: what is sent to it from now on arrives.
 */
static __always_inline void completed(const struct wg_peer *peer)
{
	const struct net_device *device = BPF_CORE_READ(peer, device, dev);
	struct handshake handshake = {.ifindex = BPF_CORE_READ(device, ifindex)};
	struct interface *interface = bpf_map_lookup_elem(&interfaces, &handshake.ifindex);

	if (!interface || interface->netns != BPF_CORE_READ(device, nd_net.net, ns.inum))
		return;
	read_key(handshake.peer, peer);
	if (bpf_ringbuf_output(&handshakes, &handshake, sizeof(handshake), 0))
		change_missed(); /* so that all peers are looked at */
}

SEC("fexit/wg_timers_handshake_complete")
int BPF_PROG(handshake_exit, struct wg_peer *peer)
{
	completed(peer);
	return 0;
}

SEC("kprobe/wg_timers_handshake_complete")
int handshake_enter(struct pt_regs *ctx)
{
	completed((struct wg_peer *)(__u64)PT_REGS_PARM1(ctx));
	return 0;
}

/*
 * Run by BPF_PROG_TEST_RUN with a packet as data: the kernel then receives it on the interface that cb[0]
 * names, as if WireGuard had delivered it.
 */
SEC("tc")
int inject(struct __sk_buff *skb)
{
	return bpf_clone_redirect(skb, skb->cb[0], BPF_F_INGRESS);
}

#include "lending.h"
