// SPDX-License-Identifier: GPL-2.0-only
// The libbpf object that a BpfObject and its maps share. It lives until the last of them is gone, or closed.

#pragma once

#include <map>
#include <memory>
#include <string>
#include <bpf/libbpf.h>

struct BpfState {
	struct Deleter {
		void operator()(bpf_object *object) const
		{
			bpf_object__close(object);
		}
		void operator()(bpf_link *link) const
		{
			bpf_link__destroy(link);
		}
	};

	std::unique_ptr<bpf_object, Deleter> object;
	bool loaded = false;
	// By program. Declared after the object, so destroyed before it.
	std::map<std::string, std::unique_ptr<bpf_link, Deleter>> links;

	void close()
	{
		links.clear();
		object.reset();
	}
};
