// SPDX-License-Identifier: GPL-2.0-only
// The few of the running kernel's types that an object is relocated against.

#pragma once

#include <memory>
#include <string>
#include <vector>
#include <bpf/libbpf.h>
#include "types_file.h"

// libbpf itself goes through all of the kernel's types, some 150,000, to check them and to number them, and
// then for each structure and function, and through those of every module in turn. This goes through those of
// the kernel once, and through those of one module.
class KernelTypes
{
public:
	KernelTypes() = default;
	~KernelTypes();
	KernelTypes(const KernelTypes &) = delete;
	KernelTypes &operator=(const KernelTypes &) = delete;

	// False if the kernel does not tell its types, or as nobody knew yet: libbpf will say so.
	bool open(const std::string &module);
	// A file, in memory, of those structures that have the names of ones in an object, for
	// bpf_object_open_opts.btf_custom_path; empty if there cannot be one. It is there until close().
	std::string of_object(const char *object);
	// Where a tracing program is attached: at the one of these functions that there is. 0 or a negative
	// errno.
	int find_target(const std::vector<std::string> &functions, bpf_prog_load_opts &options);
	// Completes a tracing program's casts to struct in6_addr: `r2 = 0` and the call of a kernel function
	// 0, which become the type's and bpf_rdonly_cast()'s numbers, or `r0 = 0` if the kernel has no such
	// function, or lets none be called. 0 or a negative errno.
	int complete_casts(bpf_program *program);
	void close();

private:
	std::string module_name;
	// The module's go on where the kernel's end. None if it is not loaded, or built in: its types are the
	// kernel's then.
	std::unique_ptr<TypesFile> kernel, module;
	int file = -1, module_fd = -1;
};
