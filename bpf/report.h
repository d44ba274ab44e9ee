/* SPDX-License-Identifier: GPL-2.0-only */
/* Telling user space of what a peer does, within what one peer may cost. */
#ifndef REPORT_H
#define REPORT_H

#include <stdbool.h>
#include "maps.h"

#define IPV6_SADDR 8 /* its offset in the header */

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

/* Where a record is put together: too large for the stack. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__uint(value_size, sizeof(struct sighting) + MAX_PACKET);
	__type(key, __u32);
} scratch SEC(".maps");

/* One of an interface's sources, and what goes with it. */
struct report {
	struct attempt_key key;
	struct interface *interface;
	struct counters *counters;
	struct sighting *sighting; /* the caller fills in sender and more */
	__u64 now;
	enum verdict verdict;
	__u32 count; /* 0: a repeat */
};

static __always_inline bool begin_report(struct report *report, const struct source *source)
{
	report->interface = bpf_map_lookup_elem(&interfaces, &source->ifindex);
	report->counters = bpf_map_lookup_elem(&counters, &source->ifindex);
	report->sighting = bpf_map_lookup_elem(&scratch, &zero);
	report->now = bpf_ktime_get_ns();
	report->key.sender.ifindex = source->ifindex;
	__builtin_memcpy(report->key.address, source->address, 16);
	return report->interface && report->counters && report->sighting;
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

/* Whether it is to be told. Changes the verdict for a peer that is over its rate. */
static __always_inline bool is_due(struct report *report)
{
	struct attempt *last = bpf_map_lookup_elem(&attempts, &report->key);
	struct interface *interface = report->interface;
	struct budget *budget;
	bool is_admitted;

	/* Where an admitted one is refused by now, that is told at once: by lending, it costs the loan. */
	is_admitted = report->verdict <= VERDICT_RESTORE;
	if (last && report->now - last->told < ATTEMPT_HOLD && (is_admitted || !last->packets)) {
		if (is_admitted && last->packets && last->packets < ATTEMPT_PACKETS) {
			last->packets++;
			report->count = 0;
			return true;
		}
		COUNT(last->untold, 1);
		if (is_admitted && !last->packets)
			report->verdict = VERDICT_RATE;
		return false;
	}

	budget = budget_of(&report->key.sender);
	if (!budget)
		return false;
	if (report->verdict == VERDICT_CANDIDATE && interface->interval &&
	    !take_token(&budget->learn, report->now, interface->interval, interface->burst))
		report->verdict = VERDICT_RATE;
	report->count = 1;
	if (last)
		report->count += last->untold;
	return report->verdict <= VERDICT_RESTORE ||
	       take_token(&budget->report, report->now, REPORT_INTERVAL, REPORT_BURST);
}

/* Tells of it with so many bytes more. */
static __always_inline void tell(struct report *report, __u32 length)
{
	struct attempt attempt = {.told = report->now, .packets = report->verdict <= VERDICT_RESTORE};
	struct sighting *sighting = report->sighting;

	barrier_var(length);
	if (length > MAX_PACKET) /* said again for the verifier */
		return;
	sighting->time = report->now;
	sighting->ifindex = report->key.sender.ifindex;
	sighting->count = report->count ?: 1;
	sighting->length = length;
	sighting->verdict = report->verdict;
	sighting->repeat = !report->count;
	__builtin_memcpy(sighting->address, report->key.address, 16);
	if (!bpf_ringbuf_output(&sightings, sighting, sizeof(*sighting) + length, 0) && report->count)
		bpf_map_update_elem(&attempts, &report->key, &attempt, BPF_ANY);
}

static __always_inline void end_report(struct report *report)
{
	if (report->verdict < VERDICTS)
		COUNT(report->counters->packets[report->verdict], 1);
}

/* The anycast address of a /64's routers (RFC 4291, 2.6.1). */
static __always_inline bool is_subnet_router(const __u8 *address)
{
	const __u32 *words = (const __u32 *)address;

	return !(words[2] | words[3]);
}

/* By the longest match. */
static __always_inline enum scope scope_of(const struct source *source)
{
	struct scope_key key = {.prefix_length = 32 + 128, .ifindex = source->ifindex};
	__u8 *value;

	__builtin_memcpy(key.address, source->address, 16);
	value = bpf_map_lookup_elem(&scope, &key);
	if (value && *value == SCOPE_LEARN && is_subnet_router(source->address))
		return SCOPE_RESERVED;
	return value ? *value : SCOPE_NONE;
}

static __always_inline bool is_stale(const struct learned *known, __u64 jiffies)
{
	return jiffies - known->last_seen_jiffies >= LAST_SEEN_SLACK;
}

static __always_inline void used(struct learned *known, __u64 jiffies)
{
	if (!is_stale(known, jiffies))
		return;
	known->last_seen_jiffies = jiffies;
	known->last_seen = bpf_ktime_get_ns();
}

#endif
