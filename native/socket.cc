// SPDX-License-Identifier: GPL-2.0-only
// Sockets of any family: netlink, raw, packet. Addresses and options are bytes made by the caller.

#include "addon.h"
#include "arguments.h"
#include "error.h"
#include "watcher.h"

#include <cerrno>
#include <climits>
#include <cstring>
#include <vector>
#include <sys/socket.h>
#include <unistd.h>

namespace
{

// musl's macro compares a signed number with an unsigned one.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wsign-compare"
cmsghdr *next_header(msghdr *message, cmsghdr *header)
{
	return CMSG_NXTHDR(message, header);
}
#pragma GCC diagnostic pop

class Socket : public Napi::ObjectWrap<Socket>
{
public:
	static Napi::Function define(Napi::Env env);
	explicit Socket(const Napi::CallbackInfo &info);
	~Socket() override;

private:
	void bind(const Napi::CallbackInfo &info);
	void set_option(const Napi::CallbackInfo &info);
	Napi::Value send(const Napi::CallbackInfo &info);
	Napi::Value receive(const Napi::CallbackInfo &info);
	Napi::Value receive_message(const Napi::CallbackInfo &info);
	void on_readable(const Napi::CallbackInfo &info);
	void close(const Napi::CallbackInfo &info);

	void check_open(Napi::Env env, const char *operation) const;
	Napi::Value receive_into(const Napi::CallbackInfo &info, msghdr &message);
	void release();

	int fd = -1;
	Watcher watcher;
	Napi::FunctionReference callback;
	std::vector<uint8_t> scratch;
};

Napi::Function Socket::define(Napi::Env env)
{
	return DefineClass(env, "Socket",
			   {
			       InstanceMethod<&Socket::bind>("bind"),
			       InstanceMethod<&Socket::set_option>("setOption"),
			       InstanceMethod<&Socket::send>("send"),
			       InstanceMethod<&Socket::receive>("receive"),
			       InstanceMethod<&Socket::receive_message>("receiveMessage"),
			       InstanceMethod<&Socket::on_readable>("onReadable"),
			       InstanceMethod<&Socket::close>("close"),
			   });
}

Socket::Socket(const Napi::CallbackInfo &info) : Napi::ObjectWrap<Socket>(info)
{
	int domain = integer_argument(info, 0, "domain", 0, INT_MAX);
	int type = integer_argument(info, 1, "type", 0, INT_MAX);
	int protocol = integer_argument(info, 2, "protocol", 0, INT_MAX);

	fd = ::socket(domain, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);
	if (fd < 0)
		throw_system_error(info.Env(), "socket", errno);
}

Socket::~Socket()
{
	release();
}

void Socket::release()
{
	watcher.stop();
	callback.Reset();
	if (fd >= 0)
		::close(fd);
	fd = -1;
	scratch = {};
}

void Socket::check_open(Napi::Env env, const char *operation) const
{
	if (fd < 0)
		throw_system_error(env, operation, EBADF, "the socket is closed");
}

void Socket::bind(const Napi::CallbackInfo &info)
{
	Bytes address = bytes_argument(info, 0, "address");

	check_open(info.Env(), "bind");
	if (::bind(fd, reinterpret_cast<sockaddr *>(address.data), address.size))
		throw_system_error(info.Env(), "bind", errno);
}

void Socket::set_option(const Napi::CallbackInfo &info)
{
	int level = integer_argument(info, 0, "level", 0, INT_MAX);
	int name = integer_argument(info, 1, "name", 0, INT_MAX);
	Bytes value = bytes_argument(info, 2, "value");

	check_open(info.Env(), "setsockopt");
	if (setsockopt(fd, level, name, value.data, value.size))
		throw_system_error(info.Env(), "setsockopt", errno);
}

Napi::Value Socket::send(const Napi::CallbackInfo &info)
{
	Bytes data = bytes_argument(info, 0, "data"), address = {nullptr, 0};
	if (!info[1].IsUndefined())
		address = bytes_argument(info, 1, "address");

	check_open(info.Env(), "sendto");
	ssize_t sent;
	do {
		sent = sendto(fd, data.data, data.size, MSG_NOSIGNAL,
			      reinterpret_cast<sockaddr *>(address.data), address.size);
	} while (sent < 0 && errno == EINTR);
	if (sent < 0)
		throw_system_error(info.Env(), "sendto", errno);
	return Napi::Number::New(info.Env(), sent);
}

// The datagram as a Buffer, or undefined if none is waiting. What else `message` asks for is filled in.
Napi::Value Socket::receive_into(const Napi::CallbackInfo &info, msghdr &message)
{
	Napi::Env env = info.Env();
	size_t size = integer_argument(info, 0, "size", 1, 1 << 24);

	check_open(env, "recvmsg");
	if (scratch.size() < size)
		scratch.resize(size);

	iovec vector = {scratch.data(), size};
	message.msg_iov = &vector;
	message.msg_iovlen = 1;
	ssize_t received;
	do {
		received = recvmsg(fd, &message, 0);
	} while (received < 0 && errno == EINTR);
	message.msg_iov = nullptr;
	if (received < 0) {
		if (errno == EAGAIN || errno == EWOULDBLOCK)
			return env.Undefined();
		throw_system_error(env, "recvmsg", errno);
	}

	// Netlink answers may hold keys: they live in the caller's copy only.
	struct Wipe {
		void *data;
		size_t size;
		~Wipe()
		{
			explicit_bzero(data, size);
		}
	} wipe = {scratch.data(), static_cast<size_t>(received)};

	if (message.msg_flags & MSG_TRUNC)
		throw_system_error(env, "recvmsg", EMSGSIZE,
				   "the datagram is longer than " + std::to_string(size) + " bytes");
	return Napi::Buffer<uint8_t>::Copy(env, scratch.data(), received);
}

Napi::Value Socket::receive(const Napi::CallbackInfo &info)
{
	msghdr message = {};
	return receive_into(info, message);
}

Napi::Value Socket::receive_message(const Napi::CallbackInfo &info)
{
	Napi::Env env = info.Env();
	sockaddr_storage sender;
	alignas(cmsghdr) uint8_t space[256];

	msghdr message = {};
	message.msg_name = &sender;
	message.msg_namelen = sizeof(sender);
	message.msg_control = space;
	message.msg_controllen = sizeof(space);
	Napi::Value data = receive_into(info, message);
	if (data.IsUndefined())
		return data;

	Napi::Array control = Napi::Array::New(env);
	for (cmsghdr *header = CMSG_FIRSTHDR(&message); header; header = next_header(&message, header)) {
		Napi::Object entry = Napi::Object::New(env);
		entry["level"] = Napi::Number::New(env, header->cmsg_level);
		entry["type"] = Napi::Number::New(env, header->cmsg_type);
		entry["data"] =
		    Napi::Buffer<uint8_t>::Copy(env, CMSG_DATA(header), header->cmsg_len - CMSG_LEN(0));
		control[control.Length()] = entry;
	}
	Napi::Object result = Napi::Object::New(env);
	result["data"] = data;
	result["sender"] =
	    Napi::Buffer<uint8_t>::Copy(env, reinterpret_cast<uint8_t *>(&sender), message.msg_namelen);
	result["control"] = control;
	return result;
}

void Socket::on_readable(const Napi::CallbackInfo &info)
{
	Napi::Function function = function_argument(info, 0, "callback");

	check_open(info.Env(), "uv_poll_start");
	callback = Napi::Persistent(function);
	// A second call only replaces the callback. A socket that calls back is not garbage.
	if (watcher.active())
		return;
	watcher.start(info.Env(), fd, [this](Napi::Env env) { call_back(env, callback.Value(), {}); });
	Ref();
}

void Socket::close(const Napi::CallbackInfo &)
{
	if (watcher.active())
		Unref();
	release();
}

} // namespace

Napi::Function define_socket(Napi::Env env)
{
	return Socket::define(env);
}
