// SPDX-License-Identifier: GPL-2.0-only
// Runs programs in the guest for guest.ts. They send each other messages over a virtio-serial port. In C, as
// in emulation Node takes ten times as long to start a program.
//
//   agent PORT        the port's file
//
// In a guest that has a time of its own (bed_files=memory) the agent stops at a gate after its reports, and
// the machine with it. What the host wants next it then writes into a page of the agent's memory, not to the
// port: so it is there at the very instruction at which the machine goes on, and no other thread of QEMU is
// waited for.

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

// As messages.ts has it: little endian, followed by so many bytes.
struct message {
	uint32_t size;
	int32_t id;
	uint32_t kind;
	uint32_t padding;
	int64_t value;
};

// From the host.
enum {
	START = 1, // the arguments of a program, each with a zero behind it
	INPUT = 2, // for its standard input
	END = 3,   // of its standard input
	KILL = 4,  // signals its whole process group: the value
	WAIT = 5,  // asks for WAITED in so many milliseconds; negative: no longer
};

// To the host; the value is the date in milliseconds.
enum {
	READY = 16, // the physical address of the mailbox (8 bytes; 0: there is none), the kernel's release
	STDOUT = 17,
	STDERR = 18,
	EXIT = 19, // a byte: as in a shell, 128 + n if signal n ended it
	WAITED = 20,
	STOPPED = 21, // at the gate, which the host opens
};

// /dev/port, opened by guest-init.
#define PORTS 9
// The I/O port of the gate (isa-debugcon): the machine stands still until what is written there is taken.
#define GATE 0xe9

// What the host has written while the machine stood still: so many bytes of messages. What is too long comes
// in parts, after each of which the machine stops again. Of the port the host then makes use only to have the
// machine stopped.
#define PAGE 4096
struct mailbox {
	uint32_t size;
	uint32_t goes_on;
	char data[PAGE - 8];
};

#define SECOND 1000000000LL

struct program {
	struct program *next;
	int32_t id;
	pid_t pid;
	int in, out, err; // -1 once closed
	char *input;	  // what it has not read yet
	size_t input_size;
	bool ends; // with that its input is over
	int status;
	bool has_ended;
};

struct timer {
	struct timer *next;
	int32_t id;
	int64_t due; // nanoseconds of CLOCK_MONOTONIC
};

static struct program *programs;
static struct timer *timers;
static int port;
static struct mailbox *mailbox;
// Or has been asked to stop the machine.
static bool has_reported;

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static void *allocate(void *old, size_t size)
{
	void *memory = realloc(old, size);
	if (!memory)
		fail("realloc");
	return memory;
}

static int64_t now(clockid_t clock)
{
	struct timespec time;
	clock_gettime(clock, &time);
	return time.tv_sec * SECOND + time.tv_nsec;
}

static void write_all(const char *data, size_t size)
{
	while (size > 0) {
		ssize_t written = write(port, data, size);
		if (written < 0)
			fail("write to the port");
		data += written;
		size -= written;
	}
}

static void report(int32_t id, uint32_t kind, const void *data, size_t size)
{
	static char buffer[sizeof(struct message) + 65536];
	struct message message = {
	    .size = size, .id = id, .kind = kind, .value = now(CLOCK_REALTIME) / 1000000};
	memcpy(buffer, &message, sizeof(message));
	memcpy(buffer + sizeof(message), data, size);
	write_all(buffer, sizeof(message) + size);
	has_reported = true;
}

static void make_pipe(int ends[2])
{
	if (pipe2(ends, O_CLOEXEC) < 0)
		fail("pipe");
}

static void start(int32_t id, char *data, size_t size)
{
	char *argv[64] = {0};
	int in[2], out[2], err[2], count = 0;
	for (char *next = data; next < data + size && count < 63; next += strlen(next) + 1)
		argv[count++] = next;
	make_pipe(in);
	make_pipe(out);
	make_pipe(err);
	// The parent goes on when there is a process group to signal.
	pid_t pid = vfork();
	if (pid < 0)
		fail("fork");
	if (pid == 0) {
		setsid();
		dup2(in[0], 0);
		dup2(out[1], 1);
		dup2(err[1], 2);
		close(PORTS);
		signal(SIGPIPE, SIG_DFL);
		sigset_t none;
		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		execvp(argv[0], argv);
		perror(argv[0]);
		_exit(127);
	}
	close(in[0]);
	close(out[1]);
	close(err[1]);
	fcntl(in[1], F_SETFL, O_NONBLOCK);
	struct program *program = allocate(NULL, sizeof(*program));
	*program = (struct program){
	    .next = programs, .id = id, .pid = pid, .in = in[1], .out = out[0], .err = err[0]};
	programs = program;
}

static struct program *find(int32_t id)
{
	struct program *program = programs;
	while (program && program->id != id)
		program = program->next;
	return program;
}

static void close_once(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

// Hands over as much as the program takes. It need not read its input.
static void feed(struct program *program)
{
	while (program->in >= 0 && program->input_size > 0) {
		ssize_t written = write(program->in, program->input, program->input_size);
		if (written < 0 && errno == EAGAIN)
			return;
		if (written < 0)
			close_once(&program->in);
		else {
			program->input_size -= written;
			memmove(program->input, program->input + written, program->input_size);
		}
	}
	if (program->ends)
		close_once(&program->in);
}

static void wait_for(int32_t id, int64_t milliseconds)
{
	for (struct timer **at = &timers; *at; at = &(*at)->next) {
		struct timer *timer = *at;
		if (timer->id != id)
			continue;
		*at = timer->next;
		free(timer);
		break;
	}
	if (milliseconds < 0)
		return;
	struct timer *timer = allocate(NULL, sizeof(*timer));
	*timer = (struct timer){
	    .next = timers, .id = id, .due = now(CLOCK_MONOTONIC) + milliseconds * (SECOND / 1000)};
	timers = timer;
}

static void carry_out(const struct message *message, char *data)
{
	struct program *program = find(message->id);
	if (message->kind == START)
		start(message->id, data, message->size);
	else if (message->kind == WAIT)
		wait_for(message->id, message->value);
	else if (!program)
		return; // it has just ended
	else if (message->kind == KILL)
		kill(-program->pid, message->value);
	else {
		program->input = allocate(program->input, program->input_size + message->size + 1);
		memcpy(program->input + program->input_size, data, message->size);
		program->input_size += message->size;
		program->ends = program->ends || message->kind == END;
		feed(program);
	}
}

// Carries out what has arrived as a whole.
static void receive(const char *data, size_t got)
{
	static char *buffer;
	static size_t size;
	buffer = allocate(buffer, size + got + 1);
	memcpy(buffer + size, data, got);
	size += got;
	struct message message;
	size_t used = 0;
	while (size - used >= sizeof(message)) {
		memcpy(&message, buffer + used, sizeof(message));
		if (size - used < sizeof(message) + message.size)
			break;
		carry_out(&message, buffer + used + sizeof(message));
		used += sizeof(message) + message.size;
	}
	size -= used;
	memmove(buffer, buffer + used, size);
}

static void listen_to_port(void)
{
	static char data[65536];
	ssize_t got = read(port, data, sizeof(data));
	if (got <= 0)
		exit(0); // the host has hung up
	if (mailbox)
		has_reported = true;
	else
		receive(data, got);
}

// Answers with the mailbox's physical address. It stays where it is, as guest-init has told the kernel.
static uint64_t open_mailbox(void)
{
	uint64_t entry;
	mailbox = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_LOCKED | MAP_POPULATE, -1, 0);
	int pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	if (mailbox == MAP_FAILED || pagemap < 0 ||
	    pread(pagemap, &entry, 8, (uintptr_t)mailbox / PAGE * 8) != 8)
		fail("mailbox");
	close(pagemap);
	return (entry & ((1ULL << 55) - 1)) * PAGE; // Documentation/admin-guide/mm/pagemap.rst
}

static void sleep_until(int64_t time)
{
	struct timespec due = {.tv_sec = time / SECOND, .tv_nsec = time % SECOND};
	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL);
}

// Whoever has reported something waits for what the host makes of it, and no time passes meanwhile.
static void stop_machine(void)
{
	bool goes_on;
	int64_t time = now(CLOCK_MONOTONIC);
	do {
		mailbox->size = mailbox->goes_on = 0;
		report(0, STOPPED, "", 0);
		if (pwrite(PORTS, "", 1, GATE) != 1)
			fail("stop at the gate");
		goes_on = *(volatile uint32_t *)&mailbox->goes_on;
		receive(mailbox->data, *(volatile uint32_t *)&mailbox->size);
	} while (goes_on);
	has_reported = false;
	// QEMU's main loop, if it looks at its clock just when the guest begins to wait, leaps some ten
	// microseconds too far. It may look when the machine goes on: that leap is the first, and the second
	// ends where it should.
	sleep_until(time + SECOND / 2000);
	sleep_until(time + SECOND / 1000);
}

static void pass_on(struct program *program, int *fd, uint32_t kind)
{
	static char buffer[65536];
	ssize_t got = read(*fd, buffer, sizeof(buffer));
	if (got > 0)
		report(program->id, kind, buffer, got);
	else
		close_once(fd);
}

// A program is over when it has ended and nobody can write to its output any more.
static void bury(void)
{
	for (struct program **at = &programs; *at;) {
		struct program *program = *at;
		int status;
		if (!program->has_ended && waitpid(program->pid, &status, WNOHANG) == program->pid) {
			program->has_ended = true;
			program->status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
		}
		if (program->has_ended && program->out < 0 && program->err < 0) {
			uint8_t code = program->status;
			report(program->id, EXIT, &code, 1);
			close_once(&program->in);
			*at = program->next;
			free(program->input);
			free(program);
		} else
			at = &program->next;
	}
}

static void ring(void)
{
	for (struct timer **at = &timers; *at;) {
		struct timer *timer = *at;
		if (timer->due <= now(CLOCK_MONOTONIC)) {
			report(timer->id, WAITED, "", 0);
			*at = timer->next;
			free(timer);
		} else
			at = &timer->next;
	}
}

static void note_end(int signal)
{
	(void)signal; // that it interrupts ppoll is enough
}

// Waits until something happens, and deals with it.
static void turn(const sigset_t *unblocked)
{
	static struct pollfd fds[1024];
	static struct {
		struct program *program;
		int *fd;
		uint32_t kind;
	} meanings[1024];
	size_t count = 0;
	fds[count++] = (struct pollfd){.fd = port, .events = POLLIN};
	for (struct program *program = programs; program && count < 1020; program = program->next) {
		int *files[] = {&program->out, &program->err, &program->in};
		for (uint32_t i = 0; i < 3; i++) {
			if (*files[i] < 0 || (i == 2 && program->input_size == 0))
				continue;
			fds[count] = (struct pollfd){.fd = *files[i], .events = i == 2 ? POLLOUT : POLLIN};
			meanings[count].program = program;
			meanings[count].fd = files[i];
			meanings[count++].kind = i == 2 ? 0 : STDOUT + i;
		}
	}
	struct timespec left, *until = NULL;
	for (struct timer *timer = timers; timer; timer = timer->next) {
		int64_t rest = timer->due - now(CLOCK_MONOTONIC);
		if (rest < 0)
			rest = 0;
		if (until && rest >= left.tv_sec * SECOND + left.tv_nsec)
			continue;
		left = (struct timespec){.tv_sec = rest / SECOND, .tv_nsec = rest % SECOND};
		until = &left;
	}
	int ready = ppoll(fds, count, until, unblocked);
	for (size_t i = 1; ready > 0 && i < count; i++) {
		if (!fds[i].revents)
			continue;
		if (meanings[i].kind)
			pass_on(meanings[i].program, meanings[i].fd, meanings[i].kind);
		else
			feed(meanings[i].program);
	}
	bury();
	ring();
	if (ready > 0 && fds[0].revents)
		listen_to_port();
}

int main(int argc, char **argv)
{
	struct utsname name;
	const char *files = getenv("bed_files");
	bool stops = files && strcmp(files, "memory") == 0;
	if (argc < 2 || (port = open(argv[1], O_RDWR | O_CLOEXEC)) < 0)
		fail(argc < 2 ? "no port" : argv[1]);
	if (chdir("/") < 0)
		fail("/");
	signal(SIGPIPE, SIG_IGN);
	sigset_t child, unblocked;
	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	sigprocmask(SIG_BLOCK, &child, &unblocked);
	sigaction(SIGCHLD, &(struct sigaction){.sa_handler = note_end}, NULL);
	uname(&name);
	char ready[8 + sizeof(name.release)];
	uint64_t address = stops ? open_mailbox() : 0;
	memcpy(ready, &address, 8);
	memcpy(ready + 8, name.release, strlen(name.release));
	report(0, READY, ready, 8 + strlen(name.release));
	for (;;) {
		if (has_reported && stops)
			stop_machine();
		turn(&unblocked);
	}
}
