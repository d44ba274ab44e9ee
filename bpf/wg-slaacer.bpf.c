// SPDX-License-Identifier: GPL-2.0-only
/*
 * The hook: sees every packet that WireGuard has decrypted and is about to check against its allowed IPs, and
 * tells user space about source addresses that are nobody's, or not the sender's. And the re-injector, which
 * delivers the packet that WireGuard had to refuse.
 *
 * wg_packet_consume_data_done() (drivers/net/wireguard/receive.c) calls wg_allowedips_lookup_src(), which
 * returns the peer that owns the source address. It runs with bottom halves off, so a per-CPU slot is ours
 * from begin to end.
 */
#include <stdbool.h>
#include <stddef.h>
#include <linux/bpf.h>
#include "kernel.h"
#include "wg-slaacer.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#define ETH_P_IPV6 0x86DD
#define IPV6_SADDR 8

#define SECOND 1000000000ULL

/* Repeats of an attempt are counted, not told, for so long; packets of an admitted one are passed on, so
 * many. */
#define ATTEMPT_HOLD	SECOND
#define ATTEMPT_PACKETS 8

/* How often refusals of one peer are told: a flood of them costs user space no more than that. */
#define REPORT_INTERVAL (SECOND / 10)
#define REPORT_BURST	32

/* In jiffies, 0.1–1 s: how old a last-seen time gets before it is written again. */
#define LAST_SEEN_SLACK 100

char LICENSE[] SEC("license") = "GPL";

/* What is learned. Pinned by user space; survives it. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 32768);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct source);
	__type(value, struct learned);
} learned SEC(".maps");

/* One bit for each ifindex, modulo their number: lets packets of other interfaces go at once. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 16);
	__type(key, __u32);
	__type(value, __u64);
} enabled SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 256);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32); /* ifindex */
	__type(value, struct interface);
} interfaces SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 256);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32); /* ifindex */
	__type(value, struct counters);
} counters SEC(".maps");

/* enum scope by prefix: the longest match decides. */
struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 16384);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct scope_key);
	__type(value, __u8);
} scope SEC(".maps");

struct peer_id {
	__u32 ifindex;
	__u32 pad;
	__u64 id; /* the kernel's internal_id: unique until the module is unloaded */
};

/* Theoretical arrival times of the next token (the leaky bucket of ITU-T I.371, GCRA). */
struct budget {
	__u64 learn;
	__u64 report;
};

/* Peers get new ids whenever they are set up anew: the ones that are not heard of any more make room. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 2048);
	__type(key, struct peer_id);
	__type(value, struct budget);
} budgets SEC(".maps");

struct attempt_key {
	struct peer_id sender;
	__u8 address[16];
};

/* The last time that user space was told of a peer's use of an address that is not (yet) its own. */
struct attempt {
	__u64 told;
	__u32 untold;  /* packets since */
	__u32 packets; /* passed on since; 0 if refused */
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024);
	__type(key, struct attempt_key);
	__type(value, struct attempt);
} attempts SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 20);
} sightings SEC(".maps");

/* Where a record is put together: too large for the stack. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__uint(value_size, sizeof(struct sighting) + MAX_PACKET);
	__type(key, __u32);
} scratch SEC(".maps");

/* From kprobe to kretprobe: the packet, or NULL if it is of no interest. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct sk_buff *);
} entry SEC(".maps");

static const __u32 zero;

struct packet {
	struct sk_buff *skb;
	const unsigned char *header; /* the IPv6 header */
	struct source source;
	struct wg_peer *sender, *owner; /* no owner: NULL */
};

static __always_inline bool is_enabled(__u32 ifindex)
{
	__u32 word = (ifindex >> 6) & 15;
	__u64 *bits = bpf_map_lookup_elem(&enabled, &word);

	return bits && *bits >> (ifindex & 63) & 1;
}

static __always_inline bool take_token(__u64 *arrival, __u64 now, __u64 interval, __u64 burst)
{
	__u64 next = *arrival > now ? *arrival : now;

	if (next - now > (burst - 1) * interval)
		return false;
	*arrival = next + interval;
	return true;
}

static __always_inline struct budget *budget_of(const struct peer_id *peer)
{
	struct budget fresh = {};
	struct budget *budget = bpf_map_lookup_elem(&budgets, peer);

	if (budget)
		return budget;
	bpf_map_update_elem(&budgets, peer, &fresh, BPF_NOEXIST);
	return bpf_map_lookup_elem(&budgets, peer);
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

/* The anycast address of a /64's routers (RFC 4291, 2.6.1). */
static __always_inline bool is_subnet_router(const __u8 *address)
{
	const __u32 *words = (const __u32 *)address;

	return !(words[2] | words[3]);
}

/* For an address that WireGuard does not count as the sender's. Fills in the sighting's sender and owner. */
static __always_inline enum verdict judge(struct packet *packet, struct learned *known,
					  struct sighting *sighting)
{
	struct scope_key key = {.prefix_length = 32 + 128, .ifindex = packet->source.ifindex};
	__u8 *in_scope;

	read_key(sighting->sender, packet->sender);
	__builtin_memset(sighting->owner, 0, WG_KEY_LEN);
	if (packet->owner) {
		read_key(sighting->owner, packet->owner);
		return VERDICT_OWNED;
	}
	if (known) {
		if (same_key(known->peer, sighting->sender))
			return VERDICT_RESTORE;
		__builtin_memcpy(sighting->owner, known->peer, WG_KEY_LEN);
		return VERDICT_OWNED;
	}
	__builtin_memcpy(key.address, packet->source.address, 16);
	in_scope = bpf_map_lookup_elem(&scope, &key);
	if (!in_scope)
		return VERDICT_SCOPE;
	if (*in_scope != SCOPE_LEARN || is_subnet_router(packet->source.address))
		return VERDICT_RESERVED;
	return VERDICT_CANDIDATE;
}

/* A count of 0 stands for a repeat. */
static __always_inline bool tell(struct packet *packet, struct sighting *sighting, enum verdict verdict,
				 __u64 now, __u32 count)
{
	struct sk_buff *skb = packet->skb;
	__u32 length = 0;

	if (verdict <= VERDICT_RESTORE && !BPF_CORE_READ(skb, data_len))
		length = BPF_CORE_READ(skb, len);
	if (length > MAX_PACKET)
		length = 0;
	barrier_var(length);
	if (length > MAX_PACKET) /* said again for the verifier */
		return false;
	if (length && bpf_probe_read_kernel(sighting->packet, length, packet->header))
		length = 0;
	sighting->time = now;
	sighting->ifindex = packet->source.ifindex;
	sighting->count = count ?: 1;
	sighting->packet_length = length;
	sighting->verdict = verdict;
	sighting->repeat = !count;
	__builtin_memcpy(sighting->address, packet->source.address, 16);
	return !bpf_ringbuf_output(&sightings, sighting, sizeof(*sighting) + length, 0);
}

/* As stat(2) tells of /proc/PID/ns/net: an ifindex means something only there. */
static __always_inline __u32 netns_of(struct sk_buff *skb)
{
	return BPF_CORE_READ(skb, dev, nd_net.net, ns.inum);
}

/* WireGuard is about to drop this packet. */
static __always_inline void refused(struct packet *packet, struct learned *known)
{
	struct interface *interface = bpf_map_lookup_elem(&interfaces, &packet->source.ifindex);
	struct counters *counted = bpf_map_lookup_elem(&counters, &packet->source.ifindex);
	struct sighting *sighting = bpf_map_lookup_elem(&scratch, &zero);
	struct attempt_key key = {.sender.ifindex = packet->source.ifindex};
	struct attempt attempt = {.told = bpf_ktime_get_ns()};
	struct attempt *last;
	struct wg_peer *sender = packet->sender;
	struct budget *budget;
	enum verdict verdict;
	__u32 count = 1;

	if (!interface || !counted || !sighting || netns_of(packet->skb) != interface->netns)
		return;
	key.sender.id = BPF_CORE_READ(sender, internal_id);
	__builtin_memcpy(key.address, packet->source.address, 16);
	verdict = judge(packet, known, sighting);

	last = bpf_map_lookup_elem(&attempts, &key);
	if (last && attempt.told - last->told < ATTEMPT_HOLD) {
		if (verdict <= VERDICT_RESTORE && last->packets && last->packets < ATTEMPT_PACKETS) {
			last->packets++;
			tell(packet, sighting, verdict, attempt.told, 0);
			goto count;
		}
		__sync_fetch_and_add(&last->untold, 1);
		if (verdict <= VERDICT_RESTORE && !last->packets)
			verdict = VERDICT_RATE;
		goto count;
	}

	budget = budget_of(&key.sender);
	if (!budget)
		return;
	if (verdict == VERDICT_CANDIDATE && interface->interval &&
	    !take_token(&budget->learn, attempt.told, interface->interval, interface->burst))
		verdict = VERDICT_RATE;
	if (verdict > VERDICT_RESTORE &&
	    !take_token(&budget->report, attempt.told, REPORT_INTERVAL, REPORT_BURST))
		goto count;
	if (last)
		count += last->untold;
	if (verdict <= VERDICT_RESTORE)
		attempt.packets = 1;
	if (tell(packet, sighting, verdict, attempt.told, count))
		bpf_map_update_elem(&attempts, &key, &attempt, BPF_ANY);
count:
	if (verdict < VERDICTS)
		__sync_fetch_and_add(&counted->packets[verdict], 1);
}

/* PACKET_CB(skb)->keypair->entry.peer: whose key has decrypted it. */
static __always_inline struct wg_peer *sender_of(struct sk_buff *skb)
{
	struct packet_cb *cb = __builtin_preserve_access_index((void *)&skb->cb);

	return BPF_CORE_READ(cb, keypair, entry.peer);
}

/* Every IPv6 packet that an enabled interface has decrypted. */
static __always_inline void received(struct packet *packet)
{
	struct learned *known;
	__u64 jiffies;

	bpf_probe_read_kernel(packet->source.address, 16, packet->header + IPV6_SADDR);
	packet->sender = sender_of(packet->skb);
	known = bpf_map_lookup_elem(&learned, &packet->source);
	if (packet->owner != packet->sender) {
		refused(packet, known);
		return;
	}
	if (!known)
		return;
	jiffies = bpf_jiffies64();
	if (jiffies - known->last_seen_jiffies < LAST_SEEN_SLACK)
		return;
	known->last_seen_jiffies = jiffies;
	known->last_seen = bpf_ktime_get_ns();
}

SEC("fexit/wg_allowedips_lookup_src")
int BPF_PROG(lookup_exit, void *table, struct sk_buff *skb, struct wg_peer *owner)
{
	struct packet packet = {.skb = skb, .owner = owner};

	if (skb->protocol != bpf_htons(ETH_P_IPV6))
		return 0;
	packet.source.ifindex = skb->dev->ifindex;
	if (!is_enabled(packet.source.ifindex))
		return 0;
	packet.header = skb->head + skb->network_header;
	received(&packet);
	return 0;
}

SEC("kprobe/wg_allowedips_lookup_src")
int lookup_enter(struct pt_regs *ctx)
{
	struct sk_buff *skb = (struct sk_buff *)PT_REGS_PARM2(ctx);
	struct sk_buff **slot = bpf_map_lookup_elem(&entry, &zero);

	if (!slot)
		return 0;
	*slot = NULL;
	if (BPF_CORE_READ(skb, protocol) == bpf_htons(ETH_P_IPV6) &&
	    is_enabled(BPF_CORE_READ(skb, dev, ifindex)))
		*slot = skb;
	return 0;
}

SEC("kretprobe/wg_allowedips_lookup_src")
int lookup_return(struct pt_regs *ctx)
{
	struct sk_buff **slot = bpf_map_lookup_elem(&entry, &zero);
	struct packet packet = {.owner = (struct wg_peer *)PT_REGS_RC(ctx)};
	struct sk_buff *skb = slot ? *slot : NULL;

	if (!skb)
		return 0;
	*slot = NULL;
	packet.skb = skb;
	packet.source.ifindex = BPF_CORE_READ(skb, dev, ifindex);
	packet.header = BPF_CORE_READ(skb, head) + BPF_CORE_READ(skb, network_header);
	received(&packet);
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
