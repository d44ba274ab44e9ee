/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The few members of kernel structures that the programs read. libbpf relocates each access to where the
 * running kernel has it (CO-RE), so neither order nor sizes matter here, and no vmlinux.h of a build machine
 * is baked in.
 */
#ifndef KERNEL_H
#define KERNEL_H

#include <linux/types.h>

#define __VMLINUX_H__  /* this stands in for it: bpf_tracing.h then takes the kernel's own names of registers \
			*/

#define CORE __attribute__((preserve_access_index))

struct ns_common {
	unsigned int inum;
} CORE;

struct net {
	struct ns_common ns;
} CORE;

typedef struct {
	struct net *net;
} CORE possible_net_t;

struct net_device {
	int ifindex;
	possible_net_t nd_net;
} CORE;

struct sk_buff {
	struct net_device *dev;
	char cb[48];
	unsigned int len, data_len;
	__be16 protocol;
	__u16 network_header;
	unsigned char *head, *data;
} CORE;

struct genl_info {
	__u32 snd_portid;
	possible_net_t _net;
} CORE;

/* drivers/net/wireguard/device.h, noise.h, peer.h, peerlookup.h, queueing.h */

struct noise_handshake {
	__u8 remote_static[32];
} CORE;

struct wg_device {
	struct net_device *dev;
} CORE;

struct wg_peer {
	struct wg_device *device;
	struct noise_handshake handshake;
	__u64 internal_id;
} CORE;

struct index_hashtable_entry {
	struct wg_peer *peer;
} CORE;

struct noise_keypair {
	struct index_hashtable_entry entry;
} CORE;

struct packet_cb {
	struct noise_keypair *keypair;
} CORE;

/* The registers that bpf_tracing.h's PT_REGS_PARM1 … PT_REGS_PARM4 and PT_REGS_RC name, as wide as the CPU
 * has them: `long` is 8 bytes here, whatever it is to the kernel. */
#if defined(__TARGET_ARCH_x86)
struct pt_regs {
	__u64 ax, cx, dx, si, di;
} CORE;
#elif defined(__TARGET_ARCH_arm64)
struct user_pt_regs { /* ABI: arch/arm64/include/uapi/asm/ptrace.h */
	__u64 regs[31];
	__u64 sp, pc, pstate;
};
struct pt_regs;
#elif defined(__TARGET_ARCH_arm)
struct pt_regs {
	__u32 uregs[18];
};
#elif defined(__TARGET_ARCH_riscv)
struct user_regs_struct {
	__u64 pc, ra, sp, gp, tp, t0, t1, t2, s0, s1, a0, a1, a2, a3, a4, a5, a6, a7;
	__u64 s2, s3, s4, s5, s6, s7, s8, s9, s10, s11, t3, t4, t5, t6;
};
struct pt_regs;
#endif

/*
 * A pointer of the kernel, for comparing it: one that was read out of memory has 8 bytes here, of which a
 * 32-bit kernel has meant 4. To read from it does not need this, as the kernel looks at no others.
 */
#ifdef __TARGET_ARCH_arm
#define POINTER(value) ((typeof(value))((__u64)(value)&0xffffffff))
#else
#define POINTER(value) (value)
#endif

#endif
