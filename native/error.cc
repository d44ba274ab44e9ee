// SPDX-License-Identifier: GPL-2.0-only

#include "error.h"

#include <algorithm>
#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <bpf/libbpf.h>
#include <uv.h>

static constexpr size_t MAX_DETAIL = 1000;

static thread_local Warnings *current;

// The kernel's own ENOTSUPP, which bpf(2) lets through although no C library knows it.
static constexpr int KERNEL_ENOTSUPP = 524;

static std::string error_name(int error)
{
	char name[64];

	if (error >= __LIBBPF_ERRNO__START && error < __LIBBPF_ERRNO__END)
		return "ELIBBPF";
	uv_err_name_r(-error, name, sizeof(name));
	// libuv does not know them all.
	return strncmp(name, "Unknown", 7) == 0 ? "E" + std::to_string(error) : name;
}

void throw_system_error(Napi::Env env, const char *operation, int error, std::string detail)
{
	error = std::abs(error);
	if (error == KERNEL_ENOTSUPP)
		error = EOPNOTSUPP;

	// Knows libbpf's own errors besides <errno.h>'s.
	char description[128];
	libbpf_strerror(error, description, sizeof(description));
	std::string name = error_name(error);
	std::string message = std::string(operation) + ": " + description + " (" + name + ")";
	if (!detail.empty())
		message += ": " + detail;

	Napi::Error thrown = Napi::Error::New(env, message);
	thrown.Set("errno", Napi::Number::New(env, error));
	thrown.Set("code", Napi::String::New(env, name));
	thrown.Set("operation", Napi::String::New(env, operation));
	if (!detail.empty())
		thrown.Set("detail", Napi::String::New(env, detail));
	throw thrown;
}

// As libbpf's print callback: called with C frames below, so nothing may be thrown.
static int collect(enum libbpf_print_level level, const char *format, va_list arguments) noexcept
{
	if (level != LIBBPF_WARN || !current)
		return 0;

	va_list again;
	va_copy(again, arguments);
	int length = vsnprintf(nullptr, 0, format, again);
	va_end(again);
	if (length <= 0)
		return 0;

	try {
		std::string text(length, '\0');
		vsnprintf(text.data(), text.size() + 1, format, arguments);
		current->add(std::move(text));
	} catch (const std::exception &) {
		// Out of memory: the errno has to do.
	}
	return 0;
}

void silence_libbpf()
{
	libbpf_set_print(collect);
}

Warnings::Warnings() : outer(current)
{
	current = this;
}

Warnings::~Warnings()
{
	current = outer;
}

void Warnings::add(std::string text)
{
	static const std::string prefix = "libbpf: ";

	if (text.compare(0, prefix.size(), prefix) == 0)
		text.erase(0, prefix.size());
	if (!text.empty() && text.back() != '\n')
		text += '\n';
	collected += text;

	// A little more than is wanted, so that a line can begin it.
	size_t kept = std::min(collected.size(), MAX_DETAIL + 1);
	collected.erase(0, collected.size() - kept);
}

std::string Warnings::text() const
{
	std::string text = collected;

	if (text.size() > MAX_DETAIL) {
		size_t line = text.find('\n');
		text.erase(0, line + 1 < text.size() ? line + 1 : 0);
	}
	text.erase(text.find_last_not_of(" \t\n") + 1);
	return text;
}
