// SPDX-License-Identifier: GPL-2.0-only
// What JavaScript gets to see when a call fails.

#pragma once

#include <string>
#include <napi.h>

// Throws a SystemError. `error` is an errno of either sign.
[[noreturn]] void throw_system_error(Napi::Env env, const char *operation, int error,
				     std::string detail = {});

// Nothing of libbpf's goes to stderr from here on.
void silence_libbpf();

// Collects what libbpf warns of on this thread for as long as it lives.
class Warnings
{
public:
	Warnings();
	~Warnings();
	Warnings(const Warnings &) = delete;
	Warnings &operator=(const Warnings &) = delete;

	void add(std::string text);
	// The last of them; the verifier says at its log's end why it refused.
	std::string text() const;

private:
	Warnings *outer;
	std::string collected;
};
