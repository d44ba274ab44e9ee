// SPDX-License-Identifier: GPL-2.0-only
// The few of the running kernel's types that an object is relocated against.

#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>
#include <bpf/btf.h>
#include <bpf/libbpf.h>

// libbpf itself goes through all of the kernel's types, some 150,000, to check them and to number them, and
// then for each structure and function, and through those of every module in turn. This goes through those of
// the kernel once, and through those of one module; and what it has found can be kept, as bytes, for as long
// as kernel and module are the same.
class KernelTypes
{
public:
	// What there is for an object, by the types of its own and the functions at which its tracing
	// programs are attached: a module's, or the kernel's if it is built in. Empty if the kernel does not
	// tell its types, or as nobody knew yet: libbpf will say so.
	static std::string find(const btf *own, const std::set<std::string> &functions,
				const std::string &module);

	KernelTypes() = default;
	~KernelTypes();
	KernelTypes(const KernelTypes &) = delete;
	KernelTypes &operator=(const KernelTypes &) = delete;

	// Takes what find() has answered with. False if it is no such thing.
	bool read(const uint8_t *bytes, size_t size);
	// A file, in memory, of those structures that have the names of ones in the object, for
	// bpf_object_open_opts.btf_custom_path. It is there until close().
	std::string path() const;
	// Where a tracing program is attached: at the one of these functions that there is. 0 or a negative
	// errno.
	int find_target(const std::vector<std::string> &functions, bpf_prog_load_opts &options);
	// Completes a tracing program's casts to struct in6_addr: `r2 = 0` and the call of a kernel function
	// 0, which become the type's and bpf_rdonly_cast()'s numbers, or `r0 = 0` if the kernel has no such
	// function, or lets none be called. 0 or a negative errno.
	int complete_casts(bpf_program *program) const;
	void close();

private:
	// The beginning of the bytes; then come the targets, and BTF.
	struct Head {
		// Of bpf_rdonly_cast() and struct in6_addr among the kernel's types; 0 if there is none.
		uint32_t cast, cast_to;
		uint32_t targets;
		char module[64];
	};
	// Its number is one among the module's types, which go on where the kernel's end, or among the
	// kernel's.
	struct Target {
		uint32_t id, in_module;
		char function[64];
	};

	Head head = {};
	std::vector<Target> targets;
	int file = -1, module_fd = -1;
};
