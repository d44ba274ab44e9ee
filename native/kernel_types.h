// SPDX-License-Identifier: GPL-2.0-only
// The few of the running kernel's types that an object is relocated against.

#pragma once

#include <memory>
#include <string>
#include <bpf/bpf.h>
#include <bpf/btf.h>

// libbpf itself searches all of the kernel's types, some 150,000, for each structure and function, and then
// those of every module in turn. This goes through those of the kernel once, and through those of one module.
class KernelTypes
{
public:
	KernelTypes() = default;
	~KernelTypes();
	KernelTypes(const KernelTypes &) = delete;
	KernelTypes &operator=(const KernelTypes &) = delete;

	// False if the kernel does not tell its types: libbpf will say so.
	bool open(const char *module);
	// A file, in memory, of those structures that have the names of ones in an object, for
	// bpf_object_open_opts.btf_custom_path; empty if there cannot be one. It is there until close().
	std::string of_object(const char *object);
	// Where a tracing program is attached. 0 or a negative errno.
	int find_target(const char *function, bpf_prog_load_opts &options);
	void close();

private:
	struct Deleter {
		void operator()(btf *types) const
		{
			btf__free(types);
		}
	};

	std::string module_name;
	// The module's go on where the kernel's end. None if it is not loaded, or built in: its types are the
	// kernel's then.
	std::unique_ptr<btf, Deleter> kernel, module;
	int file = -1, module_fd = -1;
};
