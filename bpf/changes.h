/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What others change of WireGuard's configuration, which the kernel tells nobody: around the handler of
 * WG_CMD_SET_DEVICE (drivers/net/wireguard/netlink.c), the only one that changes peers and their allowed IPs.
 */
#ifndef CHANGES_H
#define CHANGES_H

#include "kernel.h"
#include "maps.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct changes);
} changes SEC(".maps");

/* By what our own changes are told from others'. Not by the process: it may have children that call wg(8). */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct ours);
} ours SEC(".maps");

/*
 * Threads that are changing something, and which of the changes it is. There is one at a time, as long as
 * generic netlink lets no more into this family.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u64); /* bpf_get_current_pid_tgid() */
	__type(value, __u32);
} changing SEC(".maps");

/* Learned addresses, or ones about to be, that others have given to a peer since user space last looked. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct source);
	__type(value, struct claim);
} claims SEC(".maps");

static __always_inline void change_begins(const struct genl_info *info)
{
	struct changes *count = bpf_map_lookup_elem(&changes, &zero);
	struct ours *own = bpf_map_lookup_elem(&ours, &zero);
	__u64 task = bpf_get_current_pid_tgid();
	__u32 change;

	if (!count || !own || BPF_CORE_READ(info, _net.net, ns.inum) != own->netns ||
	    BPF_CORE_READ(info, snd_portid) == own->port)
		return;
	COUNT(count->begun, 1);
	change = count->begun;
	bpf_map_update_elem(&changing, &task, &change, BPF_ANY);
}

/* It has been in force for a moment. */
static __always_inline void change_ends(void)
{
	struct changes *count = bpf_map_lookup_elem(&changes, &zero);
	__u64 task = bpf_get_current_pid_tgid();
	struct handshake nobodys = {};

	if (!count || bpf_map_delete_elem(&changing, &task))
		return;
	COUNT(count->done, 1);
	bpf_ringbuf_output(&handshakes, &nobodys, sizeof(nobodys),
			   0); /* if it is full, others wake the reader */
}

/* What is known of WireGuard may be wrong. */
static __always_inline void change_missed(void)
{
	struct changes *count = bpf_map_lookup_elem(&changes, &zero);

	if (!count)
		return;
	COUNT(count->begun, 1);
	COUNT(count->done, 1);
}

/* An allowed IP is about to become a peer's, whoever has it. */
static __always_inline void inserted(const void *address, __u8 length, const struct wg_peer *peer)
{
	__u64 task = bpf_get_current_pid_tgid();
	__u32 *change = bpf_map_lookup_elem(&changing, &task);
	struct source source;
	struct claim claim;

	if (!change || length != 128)
		return;
	source.ifindex = BPF_CORE_READ(peer, device, dev, ifindex);
	bpf_probe_read_kernel(source.address, 16, address);
	if (!bpf_map_lookup_elem(&learned, &source))
		return;
	claim.change = *change;
	bpf_core_read(claim.peer, WG_KEY_LEN, &peer->handshake.remote_static);
	bpf_map_update_elem(&claims, &source, &claim, BPF_ANY);
}

/* The handler's name is another one in newer kernels. */

SEC("fentry/wg_set_device,wg_set_device_doit")
int BPF_PROG(change_entry, struct sk_buff *skb, struct genl_info *info)
{
	change_begins(info);
	return 0;
}

SEC("fexit/wg_set_device,wg_set_device_doit")
int BPF_PROG(change_exit)
{
	change_ends();
	return 0;
}

SEC("fentry/wg_allowedips_insert_v6")
int BPF_PROG(insert_entry, void *table, void *address, __u8 length, struct wg_peer *peer)
{
	inserted(address, length, peer);
	return 0;
}

SEC("kprobe/wg_set_device,wg_set_device_doit")
int change_enter(struct pt_regs *ctx)
{
	change_begins((struct genl_info *)(__u64)PT_REGS_PARM2(ctx));
	return 0;
}

SEC("kretprobe/wg_set_device,wg_set_device_doit")
int change_return(struct pt_regs *ctx)
{
	change_ends();
	return 0;
}

SEC("kprobe/wg_allowedips_insert_v6")
int insert_enter(struct pt_regs *ctx)
{
	inserted((void *)(__u64)PT_REGS_PARM2(ctx), PT_REGS_PARM3(ctx),
		 (struct wg_peer *)(__u64)PT_REGS_PARM4(ctx));
	return 0;
}

#endif
