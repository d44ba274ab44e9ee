/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The ABI between the BPF programs and user space (src/kernel/abi.ts): the maps' keys and values and the ring
 * buffer's records. Host byte order, except addresses, which are as on the wire. Times are nanoseconds of
 * CLOCK_MONOTONIC. A change to a struct of a pinned map (source and learned, scope_key and lent) needs a new
 * name for that map.
 */
#ifndef WG_SLAACER_H
#define WG_SLAACER_H

#include <linux/types.h>

#define WG_KEY_LEN	   32
#define INTERFACE_NAME_LEN 16 /* IFNAMSIZ */

/*
 * BPF_PROG_TEST_RUN takes no more than a page less the skb's overhead, so a longer packet could be learned
 * from, but not delivered.
 */
#define MAX_PACKET 3584

/* What was found out about a packet's source address. */
enum verdict {
	VERDICT_CANDIDATE, /* nobody's, in scope, within the rate: to be learned */
	VERDICT_RESTORE,   /* nobody's, but learned for this very peer: something wiped it */
	VERDICT_OWNED,	   /* another peer's */
	VERDICT_SCOPE,	   /* outside the interface's scope */
	VERDICT_RESERVED,  /* multicast, the router's own … */
	VERDICT_RATE,	   /* the peer is over its rate */
	VERDICTS,
};

/* Values of the scope trie. */
enum scope {
	SCOPE_NONE,
	SCOPE_LEARN,
	SCOPE_RESERVED,
	/* Only of interest where prefixes are lent: */
	SCOPE_CONFIGURED, /* a peer's by configuration */
	SCOPE_OFFERED,	  /* a silent peer's, but not among its allowed IPs now */
};

struct source {
	__u32 ifindex;
	__u8 address[16];
};

struct learned {
	__u8 peer[WG_KEY_LEN];
	char interface[INTERFACE_NAME_LEN]; /* as the ifindex changes when a link is recreated */
	__u64 learned;
	__u64 last_seen;
	__u64 last_seen_jiffies; /* of last_seen: cheaper to compare with */
};

/* An interface on which addresses are learned. */
struct interface {
	__u64 interval; /* one new address per peer in this time; 0: no limit */
	__u64 burst;	/* that many at once */
	__u32 netns;	/* the inode number of its network namespace */
	__u32 pad;
};

/* The interfaces on which addresses are learned. */
struct enabled {
	__u32 interfaces[32]; /* a bit for each ifindex, modulo their number */
	/*
	 * The table of allowed IPs of one of them, which is at hand where an ifindex takes a while to find
	 * out. 0 to have the hook note the next one that it sees. If another interface has the memory later,
	 * its packets are looked at for nothing.
	 */
	const void *table;
};

struct scope_key {
	__u32 prefix_length; /* bits of what follows: 32 + the prefix's length */
	__u32 ifindex;
	__u8 address[16];
};

struct counters {
	__u64 packets[VERDICTS];
};

struct peer_id {
	__u32 ifindex;
	__u32 pad;
	__u64 id; /* the kernel's internal_id: unique until the module is unloaded; of a borrower, the first
		     bytes of its key */
};

/* Theoretical arrival times of the next token (the leaky bucket of ITU-T I.371, GCRA). */
struct budget {
	__u64 learn;
	__u64 report;
};

/* Who has a prefix on loan. The key, a struct scope_key, says which and where. */
struct lent {
	__u8 peer[WG_KEY_LEN];
	char interface[INTERFACE_NAME_LEN];
};

/* Whose unknown addresses are. */
struct borrower {
	__u8 peer[WG_KEY_LEN];
};

/* Where a peer's encrypted datagrams come from and go to. */
struct endpoint {
	__u8 address[16]; /* IPv4-mapped */
	__be16 port;
	__be16 local_port;
};

/* WireGuard's messages from an endpoint. */
struct traffic {
	__u64 bytes; /* UDP payload */
};

/* A record of the ring buffer: what the daemon is told. */
struct sighting {
	__u64 time;
	__u32 ifindex;
	__u32 count;  /* packets that this record stands for: itself and those not told since the last one */
	__u16 length; /* of `more` */
	__u8 verdict;
	__u8 repeat; /* another packet of an attempt that was told, and took its token, within the last second
		      */
	__u8 pad[4];
	__u8 address[16];
	__u8 sender[WG_KEY_LEN];
	__u8 more[]; /* VERDICT_OWNED: the owner's key; else the packet, from the IPv6 header on, if it was
			captured */
};

/* A record of the other ring buffer: a peer has a new session; all zero: others have changed something. */
struct handshake {
	__u32 ifindex;
	__u8 peer[WG_KEY_LEN];
};

/* How often others in our network namespace have changed WireGuard's configuration. */
struct changes {
	__u32 begun;
	__u32 done;
};

/* What changes are ours. */
struct ours {
	__u32 port;  /* of the netlink socket that asks for them */
	__u32 netns; /* its network namespace, as an inode number */
};

/* Others have given an address to a peer. The key, a struct source, says which and where. */
struct claim {
	__u32 change; /* the value of `begun` with it */
	__u8 peer[WG_KEY_LEN];
};

_Static_assert(sizeof(struct source) == 20, "ABI");
_Static_assert(sizeof(struct learned) == 72, "ABI");
_Static_assert(sizeof(struct interface) == 24, "ABI");
_Static_assert(sizeof(struct enabled) == 136, "ABI");
_Static_assert(sizeof(struct scope_key) == 24, "ABI");
_Static_assert(sizeof(struct counters) == 48, "ABI");
_Static_assert(sizeof(struct peer_id) == 16, "ABI");
_Static_assert(sizeof(struct budget) == 16, "ABI");
_Static_assert(sizeof(struct lent) == 48, "ABI");
_Static_assert(sizeof(struct borrower) == 32, "ABI");
_Static_assert(sizeof(struct endpoint) == 20, "ABI");
_Static_assert(sizeof(struct traffic) == 8, "ABI");
_Static_assert(sizeof(struct sighting) == 72, "ABI");
_Static_assert(sizeof(struct handshake) == 36, "ABI");
_Static_assert(sizeof(struct changes) == 8, "ABI");
_Static_assert(sizeof(struct ours) == 8, "ABI");
_Static_assert(sizeof(struct claim) == 36, "ABI");

#endif
