// SPDX-License-Identifier: GPL-2.0-only

#include "watcher.h"
#include "error.h"

#include <uv.h>

// Outlives its watcher until libuv lets go of it. Its hook keeps an environment that is going away waiting
// for that.
struct Watcher::Handle {
	uv_poll_t poll;
	Napi::Env env;
	Napi::AsyncContext context;
	std::function<void(Napi::Env)> ready;
	napi_async_cleanup_hook_handle hook = nullptr;
	Watcher *owner = nullptr;

	Handle(Napi::Env env, std::function<void(Napi::Env)> ready)
	    : env(env), context(env, "wg-slaacer"), ready(std::move(ready))
	{
	}
};

Watcher::~Watcher()
{
	stop();
}

void Watcher::start(Napi::Env env, int fd, std::function<void(Napi::Env)> ready)
{
	stop();

	uv_loop_t *loop;
	if (napi_get_uv_event_loop(env, &loop) != napi_ok)
		throw Napi::Error::New(env, "this environment has no event loop");

	auto fresh = std::make_unique<Handle>(env, std::move(ready));
	int error = uv_poll_init(loop, &fresh->poll, fd);
	if (error)
		throw_system_error(env, "uv_poll_init", error);

	// libuv knows the handle from here on: only on_close may free it.
	Handle *opened = fresh.release();
	opened->poll.data = opened;
	opened->owner = this;
	handle = opened;
	if (napi_add_async_cleanup_hook(env, on_teardown, opened, &opened->hook) != napi_ok) {
		stop();
		throw Napi::Error::New(env, "this environment is going away");
	}
	error = uv_poll_start(&opened->poll, UV_READABLE, on_poll);
	if (error) {
		stop();
		throw_system_error(env, "uv_poll_start", error);
	}
}

void Watcher::stop()
{
	if (!handle)
		return;
	handle->owner = nullptr;
	uv_close(reinterpret_cast<uv_handle_t *>(&handle->poll), on_close);
	handle = nullptr;
}

void Watcher::on_poll(uv_poll_t *poll, int status, int)
{
	auto *self = static_cast<Handle *>(poll->data);
	Napi::Env env = self->env;

	// libuv stops at an error that waits on the descriptor. `ready` will read it off; polling goes on.
	if (status < 0)
		uv_poll_start(poll, UV_READABLE, on_poll);

	Napi::HandleScope handles(env);
	Napi::CallbackScope callbacks(env, self->context);
	try {
		self->ready(env);
	} catch (const Napi::Error &error) {
		napi_fatal_exception(env, error.Value());
	} catch (const std::exception &error) {
		napi_fatal_exception(env, Napi::Error::New(env, error.what()).Value());
	}
}

void Watcher::on_close(uv_handle_t *handle)
{
	auto *self = static_cast<Handle *>(handle->data);

	napi_async_cleanup_hook_handle hook = self->hook;
	{
		Napi::HandleScope handles(self->env);
		delete self;
	}
	if (hook)
		napi_remove_async_cleanup_hook(hook);
}

void Watcher::on_teardown(napi_async_cleanup_hook_handle, void *data)
{
	auto *self = static_cast<Handle *>(data);

	if (self->owner)
		self->owner->stop();
}

void call_back(Napi::Env env, napi_value function, std::initializer_list<napi_value> arguments)
{
	napi_value receiver = env.Undefined(), error;

	// Not through Napi::Function, whose own exceptions assume that what was thrown can be caught: not so
	// while a worker is being terminated.
	if (napi_call_function(env, receiver, function, arguments.size(), arguments.begin(), nullptr) !=
	    napi_pending_exception)
		return;
	bool pending = false;
	napi_is_exception_pending(env, &pending);
	if (pending && napi_get_and_clear_last_exception(env, &error) == napi_ok)
		napi_fatal_exception(env, error);
}
