// SPDX-License-Identifier: GPL-2.0-only

#include "kernel_types.h"

#include <cerrno>
#include <cstring>
#include <set>
#include <string_view>
#include <unordered_map>
#include <sys/mman.h>
#include <unistd.h>

namespace
{

using Names = std::set<std::string_view>;

// Copies structures and what they are made of; not what they point to, as an access through a pointer begins
// with the structure that is pointed to.
class Copy
{
public:
	explicit Copy(btf *types) : types(types)
	{
	}

	// Those of `names` that are among the types of `from` from `first` on. All of them: there may be
	// several of one name. Takes the names that were found out of `names`.
	void add_structures(const btf *from, uint32_t first, Names &names);

private:
	uint32_t add(const btf *from, uint32_t id);
	btf_type *at(uint32_t id)
	{
		return const_cast<btf_type *>(btf__type_by_id(types, id));
	}

	btf *types;
	// By the original's.
	std::unordered_map<uint32_t, uint32_t> ids;
};

void Copy::add_structures(const btf *from, uint32_t first, Names &names)
{
	Names found;

	for (uint32_t id = first; id < btf__type_cnt(from); id++) {
		const btf_type *type = btf__type_by_id(from, id);
		if (!btf_is_struct(type))
			continue;
		auto name = names.find(btf__name_by_offset(from, type->name_off));
		if (name == names.end())
			continue;
		add(from, id);
		found.insert(*name);
	}
	for (std::string_view name : found)
		names.erase(name);
}

// Adding moves what was added before, so that it has to be looked for again.
uint32_t Copy::add(const btf *from, uint32_t id)
{
	if (!id || ids.count(id))
		return ids[id];

	const btf_type *type = btf__type_by_id(from, id);
	uint32_t added = btf_is_ptr(type) ? btf__add_ptr(types, 0) : btf__add_type(types, from, type);
	ids[id] = added;
	if (btf_is_composite(type)) {
		for (int i = 0; i < btf_vlen(type); i++) {
			uint32_t member = add(from, btf_members(type)[i].type);
			btf_members(at(added))[i].type = member;
		}
	} else if (btf_is_array(type)) {
		uint32_t element = add(from, btf_array(type)->type);
		uint32_t index = add(from, btf_array(type)->index_type);
		btf_array(at(added))->type = element;
		btf_array(at(added))->index_type = index;
	} else if (btf_is_mod(type) || btf_is_typedef(type)) {
		uint32_t target = add(from, type->type);
		at(added)->type = target;
	}
	return added;
}

Names structures(const btf *types)
{
	Names names;

	for (uint32_t id = 1; id < btf__type_cnt(types); id++) {
		const btf_type *type = btf__type_by_id(types, id);
		if (btf_is_struct(type) && type->name_off)
			names.insert(btf__name_by_offset(types, type->name_off));
	}
	return names;
}

uint32_t find_function(const btf *types, uint32_t first, const char *name)
{
	for (uint32_t id = first; id < btf__type_cnt(types); id++) {
		const btf_type *type = btf__type_by_id(types, id);
		if (btf_is_func(type) && !strcmp(btf__name_by_offset(types, type->name_off), name))
			return id;
	}
	return 0;
}

// The kernel's own handle of a module's types, or a negative errno.
int open_module(const std::string &module)
{
	for (uint32_t id = 0; !bpf_btf_get_next_id(id, &id);) {
		int fd = bpf_btf_get_fd_by_id(id);
		char name[64] = "";
		bpf_btf_info info = {};
		uint32_t size = sizeof(info);
		info.name = reinterpret_cast<uintptr_t>(name);
		info.name_len = sizeof(name);
		if (!bpf_obj_get_info_by_fd(fd, &info, &size) && info.kernel_btf && name == module)
			return fd;
		if (fd >= 0)
			close(fd);
	}
	return -ENOENT;
}

} // namespace

KernelTypes::~KernelTypes()
{
	close();
}

bool KernelTypes::open(const char *name)
{
	module_name = name;
	kernel.reset(btf__load_vmlinux_btf());
	if (kernel)
		module.reset(btf__load_module_btf(name, kernel.get()));
	return kernel != nullptr;
}

std::string KernelTypes::of_object(const char *object)
{
	std::unique_ptr<btf, Deleter> own(btf__parse_elf(object, nullptr)), found(btf__new_empty());
	if (!own || !found)
		return {};

	Names names = structures(own.get());
	Copy copy(found.get());
	copy.add_structures(kernel.get(), 1, names);
	if (module)
		copy.add_structures(module.get(), btf__type_cnt(kernel.get()), names);

	uint32_t size;
	const void *data = btf__raw_data(found.get(), &size);
	file = memfd_create("btf", MFD_CLOEXEC);
	if (!data || write(file, data, size) != static_cast<ssize_t>(size))
		return {};
	return "/proc/self/fd/" + std::to_string(file);
}

int KernelTypes::find_target(const char *function, bpf_prog_load_opts &options)
{
	options.attach_prog_fd = 0;
	if (module) {
		options.attach_btf_id = find_function(module.get(), btf__type_cnt(kernel.get()), function);
		if (options.attach_btf_id) {
			module_fd = open_module(module_name);
			options.attach_btf_obj_fd = module_fd;
			return module_fd < 0 ? module_fd : 0;
		}
	}
	if (kernel)
		options.attach_btf_id = find_function(kernel.get(), 1, function);
	return options.attach_btf_id ? 0 : -ENOENT;
}

void KernelTypes::close()
{
	for (int *fd : {&file, &module_fd}) {
		if (*fd >= 0)
			::close(*fd);
		*fd = -1;
	}
	module.reset();
	kernel.reset();
}
