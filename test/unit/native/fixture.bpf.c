// SPDX-License-Identifier: GPL-2.0-only
// Something for the addon to load, attach, run and read. Needs no kernel headers.

typedef unsigned char __u8;
typedef unsigned short __u16;
typedef unsigned int __u32;
typedef unsigned long long __u64;
typedef short __s16;
typedef int __s32;
typedef long long __s64;
typedef __u16 __be16;
typedef __u32 __be32;
typedef __u32 __wsum;

#include <bpf/bpf_helpers.h>

#define HASH	     1
#define ARRAY	     2
#define PERCPU_HASH  5
#define PERCPU_ARRAY 6
#define LPM_TRIE     11
#define RINGBUF	     27
#define NO_PREALLOC  1

// As far as it is used here.
struct __sk_buff {
	__u32 unused[12];
	__u32 cb[5];
};

// Not a multiple of 8: maps must not pad it.
struct value {
	__u8 bytes[11];
};

struct {
	__uint(type, HASH);
	__uint(max_entries, 5000);
	__uint(map_flags, NO_PREALLOC);
	__type(key, __u32);
	__type(value, struct value);
} hash SEC(".maps");

struct {
	__uint(type, PERCPU_HASH);
	__uint(max_entries, 4);
	__type(key, __u32);
	__type(value, struct value);
} percpu SEC(".maps");

struct {
	__uint(type, PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} calls SEC(".maps");

struct {
	__uint(type, LPM_TRIE);
	__uint(max_entries, 600);
	__uint(map_flags, NO_PREALLOC);
	__uint(key_size, 8);
	__type(value, __u32);
} trie SEC(".maps");

struct {
	__uint(type, RINGBUF);
	__uint(max_entries, 1 << 20);
} ring SEC(".maps");

struct {
	__uint(type, ARRAY);
	__uint(max_entries, 3);
	__type(key, __u32);
	__uint(value_size, 1001);
} record SEC(".maps");

SEC("tc")
int answer(struct __sk_buff *skb)
{
	return skb->cb[0];
}

// Sends cb[0] numbered records of 1001 bytes.
SEC("tc")
int emit(struct __sk_buff *skb)
{
	__u32 zero = 0, wanted = skb->cb[0];
	__u32 *number = bpf_map_lookup_elem(&record, &zero);

	if (!number)
		return -1;
	for (__u32 i = 0; i < 1000; i++) {
		if (i >= wanted)
			break;
		++*number;
		if (bpf_ringbuf_output(&ring, number, 1001, 0))
			return -2;
	}
	return 0;
}

// Lets in what begins with an "a".
SEC("socket")
int only_a(struct __sk_buff *skb)
{
	char first = 0;

	bpf_skb_load_bytes(skb, 0, &first, 1);
	return first == 'a' ? 65535 : 0;
}

// The verifier has something to say about this one.
SEC("tc")
int refused(struct __sk_buff *skb)
{
	__u32 zero = 0;
	__u32 *value = bpf_map_lookup_elem(&hash, &zero);

	return *value;
}

SEC("raw_tp/sys_enter")
int count(void *context)
{
	__u32 zero = 0;
	__u64 *calls_here = bpf_map_lookup_elem(&calls, &zero);

	if (calls_here)
		++*calls_here;
	return 0;
}

char _license[] SEC("license") = "GPL";
