// SPDX-License-Identifier: GPL-2.0-only
/*
 * packets NETNS SOURCE SOURCES DESTINATION COUNT
 *
 * Sends that many small UDP packets through wg0 of a network namespace, from any source address or from those
 * that follow it in turn, and receives each in its own before it sends the next. Prints the nanoseconds that
 * the cheapest took: that one is without interrupts, and always of the same order of events, since this
 * program gives way to all others. (Of several at once, the order differs from boot to boot, by more than a
 * hook costs.) In C, as it is to cost little beside what is measured.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <err.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>

#define PORT	    9
#define MAX_SOURCES 16

struct udp {
	uint16_t source, destination, length, checksum;
};

struct packet {
	int length;
	uint8_t bytes[64];
};

/* The Internet checksum (RFC 1071) of an even number of bytes, added to what `sum` holds. */
static uint32_t add(uint32_t sum, const void *data, int length)
{
	const uint8_t *bytes = data;

	for (int i = 0; i < length; i += 2)
		sum += bytes[i] << 8 | bytes[i + 1];
	return sum;
}

static uint16_t folded(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons(~sum);
}

/* From the n-th address. */
static struct packet packet_of(int family, const char *source, int n, const char *destination)
{
	struct udp udp = {htons(PORT), htons(PORT), htons(sizeof(udp)), 0};
	int addresses = family == AF_INET6 ? 8 : 12, size = family == AF_INET6 ? 16 : 4;
	struct packet packet = {.length = addresses + 2 * size + sizeof(udp)};
	uint8_t *bytes = packet.bytes;

	if (!inet_pton(family, source, bytes + addresses) ||
	    !inet_pton(family, destination, bytes + addresses + size))
		errx(1, "%s and %s are no addresses of one family", source, destination);
	bytes[addresses + size - 1] += n;
	if (family == AF_INET6) {
		memcpy(bytes, (uint8_t[]){0x60, 0, 0, 0, 0, sizeof(udp), IPPROTO_UDP, 64}, 8);
	} else {
		memcpy(bytes, (uint8_t[]){0x45, 0, 0, packet.length, 0, 0, 0x40, 0, 64, IPPROTO_UDP}, 10);
		*(uint16_t *)(bytes + 10) = folded(add(0, bytes, 20));
	}
	udp.checksum =
	    folded(add(add(IPPROTO_UDP + sizeof(udp), bytes + addresses, 2 * size), &udp, sizeof(udp)));
	memcpy(bytes + packet.length - sizeof(udp), &udp, sizeof(udp));
	return packet;
}

/* On all of this namespace's addresses. */
static int receiver(void)
{
	struct sockaddr_in6 any = {.sin6_family = AF_INET6, .sin6_port = htons(PORT)};
	struct timeval patience = {.tv_sec = 5};
	int fd = socket(AF_INET6, SOCK_DGRAM, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&any, sizeof(any)) ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)))
		err(1, "the receiver");
	return fd;
}

static int sender(const char *netns, int family)
{
	struct sockaddr_ll wg0 = {.sll_family = AF_PACKET};
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/run/netns/%s", netns);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || setns(fd, CLONE_NEWNET))
		err(1, "%s", path);
	wg0.sll_protocol = htons(family == AF_INET6 ? ETH_P_IPV6 : ETH_P_IP);
	wg0.sll_ifindex = if_nametoindex("wg0");
	fd = socket(AF_PACKET, SOCK_RAW, 0);
	if (fd < 0 || bind(fd, (struct sockaddr *)&wg0, sizeof(wg0)))
		err(1, "the sender");
	return fd;
}

static uint64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000000000ULL + time.tv_nsec;
}

int main(int argc, char **argv)
{
	int family, in, out, sources = argc == 6 ? atoi(argv[3]) : 0, count = argc == 6 ? atoi(argv[5]) : 0;
	struct packet packets[MAX_SOURCES];
	uint64_t cheapest = UINT64_MAX;

	if (count < 1 || sources < 1 || sources > MAX_SOURCES)
		errx(1, "usage: packets NETNS SOURCE SOURCES DESTINATION COUNT");
	family = strchr(argv[2], ':') ? AF_INET6 : AF_INET;
	for (int i = 0; i < sources; i++)
		packets[i] = packet_of(family, argv[2], i, argv[4]);
	in = receiver();
	out = sender(argv[1], family);
	if (sched_setscheduler(0, SCHED_IDLE, &(struct sched_param){0}))
		err(1, "SCHED_IDLE");
	for (int i = 0; i < count; i++) {
		const struct packet *packet = &packets[i % sources];
		uint64_t start = now(), took;
		uint8_t byte;

		if (send(out, packet->bytes, packet->length, 0) != packet->length)
			err(1, "sending");
		if (recv(in, &byte, 1, MSG_TRUNC) < 0)
			err(1, "packet %d", i);
		took = now() - start;
		if (took < cheapest)
			cheapest = took;
	}
	printf("%llu\n", (unsigned long long)cheapest);
	return 0;
}
