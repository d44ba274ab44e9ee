/* SPDX-License-Identifier: GPL-2.0-only */
/* The maps that are there whichever way addresses are seen. */
#ifndef MAPS_H
#define MAPS_H

#include <linux/bpf.h>
#include "wg-slaacer.h"
#include <bpf/bpf_helpers.h>

/* What is learned. Pinned by user space; survives it. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 32768);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct source);
	__type(value, struct learned);
} learned SEC(".maps");

/* Prefixes that a peer has on loan. Pinned, so that no loan outlives who knows of it. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct scope_key);
	__type(value, struct lent);
} lent SEC(".maps");

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

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 21); /* bytes: some 16,000 sightings */
} sightings SEC(".maps");

/* By itself, so that a flood of sightings leaves room for them. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 14); /* bytes */
} handshakes SEC(".maps");

static const __u32 zero;

/*
 * Adds to what several CPUs may count at the same time. Not so on 32-bit arm, where the JIT has no atomics,
 * and an interpreted one of 8 bytes is an alignment fault that stops the kernel: where maps are not
 * preallocated, values are aligned to 4 bytes only. There one of two that come at once may be lost.
 */
#ifdef __TARGET_ARCH_arm
#define COUNT(counter, more) ((void)((counter) += (more)))
#else
#define COUNT(counter, more) ((void)__sync_fetch_and_add(&(counter), (more)))
#endif

#endif
