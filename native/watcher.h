// SPDX-License-Identifier: GPL-2.0-only
// Waits for a file descriptor in Node's event loop.

#pragma once

#include <functional>
#include <initializer_list>
#include <napi.h>

class Watcher
{
public:
	Watcher() = default;
	~Watcher();
	Watcher(const Watcher &) = delete;
	Watcher &operator=(const Watcher &) = delete;

	// Calls `ready` whenever the descriptor is readable or has an error, until stop(). `ready` may
	// destroy the watcher. The environment stays alive meanwhile.
	void start(Napi::Env env, int fd, std::function<void(Napi::Env)> ready);
	bool active() const
	{
		return handle != nullptr;
	}
	// The descriptor may be closed right afterwards.
	void stop();

private:
	struct Handle;

	static void on_poll(struct uv_poll_s *poll, int status, int events);
	static void on_close(struct uv_handle_s *handle);
	static void on_teardown(napi_async_cleanup_hook_handle hook, void *data);

	Handle *handle = nullptr;
};

// Calls a JavaScript function from the event loop. What it throws is an uncaught exception of the process.
void call_back(Napi::Env env, napi_value function, std::initializer_list<napi_value> arguments);
