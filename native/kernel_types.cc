// SPDX-License-Identifier: GPL-2.0-only

#include "kernel_types.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <bpf/bpf.h>

namespace
{

constexpr char FOLDER[] = "/sys/kernel/btf/";

// What structures and members are called.
struct Names {
	std::unordered_set<std::string_view> structures, members;
};

Names names_in(const btf *types)
{
	Names names;

	for (uint32_t id = 1; id < btf__type_cnt(types); id++) {
		const btf_type *type = btf__type_by_id(types, id);
		if (btf_is_struct(type))
			names.structures.insert(btf__name_by_offset(types, type->name_off));
		for (int i = 0; btf_is_composite(type) && i < btf_vlen(type); i++)
			names.members.insert(btf__name_by_offset(types, btf_members(type)[i].name_off));
	}
	// An unnamed structure is nothing to look for; an unnamed member has some within.
	names.structures.erase("");
	names.members.insert("");
	return names;
}

// Copies structures and what they are made of; not what they point to, as an access through a pointer begins
// with the structure that is pointed to. Members of other names than those asked for are left out.
class Copy
{
public:
	Copy(const TypesFile &from, const Names &names) : from(from), names(names)
	{
	}

	// All of these names: there may be several of one.
	void add_structures(const TypesFile &among);
	// BTF; empty if there is something in it that does not belong there.
	std::string finish();

private:
	uint32_t number(uint32_t original);
	uint32_t text(const char *original);
	void append(const void *data, size_t size);
	bool add(const btf_type *original);
	std::vector<btf_member> members_of(const btf_type *original);

	const TypesFile &from;
	const Names &names;
	// By the original's.
	std::unordered_map<uint32_t, uint32_t> numbers;
	// In the order of the copies.
	std::vector<uint32_t> originals;
	std::string types, texts = std::string(1, '\0');
};

void Copy::add_structures(const TypesFile &among)
{
	for (uint32_t id : among.structures()) {
		if (names.structures.count(among.name(among.type(id)->name_off)))
			number(id);
	}
}

std::string Copy::finish()
{
	btf_header header = {};

	// Grows as it goes.
	for (size_t i = 0; i < originals.size(); i++) {
		const btf_type *original = from.type(originals[i]);
		if (!original || !add(original))
			return {};
	}
	header.magic = BTF_MAGIC;
	header.version = BTF_VERSION;
	header.hdr_len = sizeof(header);
	header.type_len = header.str_off = types.size();
	header.str_len = texts.size();
	return std::string(reinterpret_cast<char *>(&header), sizeof(header)) + types + texts;
}

// The copy's, which may be yet to come.
uint32_t Copy::number(uint32_t original)
{
	if (!original)
		return 0;
	auto [entry, is_new] = numbers.try_emplace(original, originals.size() + 1);
	if (is_new)
		originals.push_back(original);
	return entry->second;
}

uint32_t Copy::text(const char *original)
{
	uint32_t offset = texts.size();

	if (!*original)
		return 0;
	texts.append(original, strlen(original) + 1);
	return offset;
}

void Copy::append(const void *data, size_t size)
{
	types.append(static_cast<const char *>(data), size);
}

// False if no structure can be made of such.
bool Copy::add(const btf_type *original)
{
	btf_type head = *original;
	std::vector<btf_member> members;
	struct btf_array array;

	head.name_off = text(from.name(original->name_off));
	switch (btf_kind(original)) {
	case BTF_KIND_STRUCT:
	case BTF_KIND_UNION:
		members = members_of(original);
		head.info = head.info - btf_vlen(original) + members.size();
		append(&head, sizeof(head));
		append(members.data(), members.size() * sizeof(btf_member));
		return true;
	case BTF_KIND_ARRAY:
		array = *btf_array(original);
		array.type = number(array.type);
		array.index_type = number(array.index_type);
		append(&head, sizeof(head));
		append(&array, sizeof(array));
		return true;
	case BTF_KIND_INT:
		append(&head, sizeof(head));
		append(original + 1, sizeof(__u32));
		return true;
	case BTF_KIND_PTR:
		head.type = 0;
		break;
	case BTF_KIND_TYPEDEF:
	case BTF_KIND_VOLATILE:
	case BTF_KIND_CONST:
	case BTF_KIND_RESTRICT:
	case BTF_KIND_TYPE_TAG:
		head.type = number(head.type);
		break;
	case BTF_KIND_ENUM:
	case BTF_KIND_ENUM64:
		head.info -= btf_vlen(original); // without its values
		break;
	case BTF_KIND_FWD:
	case BTF_KIND_FLOAT:
		break;
	default:
		return false;
	}
	append(&head, sizeof(head));
	return true;
}

std::vector<btf_member> Copy::members_of(const btf_type *original)
{
	std::vector<btf_member> members;

	for (int i = 0; i < btf_vlen(original); i++) {
		btf_member member = btf_members(original)[i];
		const char *name = from.name(member.name_off);
		if (!names.members.count(name))
			continue;
		member.name_off = text(name);
		member.type = number(member.type);
		members.push_back(member);
	}
	return members;
}

// A function (BTF_KIND_FUNC) or structure (BTF_KIND_STRUCT) of one of these names; 0 if there is none.
uint32_t find(const TypesFile &among, int kind, const std::vector<std::string> &names)
{
	for (uint32_t id = among.first(); id < among.end(); id++) {
		const btf_type *type = among.type(id);
		if (btf_kind(type) == kind &&
		    std::find(names.begin(), names.end(), among.name(type->name_off)) != names.end())
			return id;
	}
	return 0;
}

bool is_cast(const bpf_insn &instruction)
{
	return instruction.code == (BPF_JMP | BPF_CALL) && instruction.src_reg == BPF_PSEUDO_KFUNC_CALL &&
	       !instruction.imm;
}

// Without its compiler, which is off by default on some CPUs, the kernel lets a program call none of its
// functions. Other network namespaces than the first do not tell.
bool is_compiling()
{
	int setting = open("/proc/sys/net/core/bpf_jit_enable", O_RDONLY | O_CLOEXEC);
	char value = '0';

	if (setting >= 0 && read(setting, &value, 1) != 1)
		value = '0';
	if (setting >= 0)
		close(setting);
	return value != '0';
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

bool KernelTypes::open(const std::string &name)
{
	module_name = name;
	kernel = TypesFile::read(std::string(FOLDER) + "vmlinux");
	if (kernel)
		module = TypesFile::read(FOLDER + name, kernel.get());
	return kernel != nullptr;
}

std::string KernelTypes::of_object(const char *object)
{
	std::unique_ptr<btf, void (*)(btf *)> own(btf__parse_elf(object, nullptr), btf__free);
	if (!own)
		return {};

	Names names = names_in(own.get());
	Copy copy(module ? *module : *kernel, names);
	copy.add_structures(*kernel);
	if (module)
		copy.add_structures(*module);

	std::string types = copy.finish();
	file = memfd_create("btf", MFD_CLOEXEC);
	if (types.empty() || write(file, types.data(), types.size()) != static_cast<ssize_t>(types.size()))
		return {};
	return "/proc/self/fd/" + std::to_string(file);
}

int KernelTypes::find_target(const std::vector<std::string> &functions, bpf_prog_load_opts &options)
{
	options.attach_prog_fd = 0;
	if (module) {
		options.attach_btf_id = find(*module, BTF_KIND_FUNC, functions);
		if (options.attach_btf_id) {
			if (module_fd < 0)
				module_fd = open_module(module_name);
			options.attach_btf_obj_fd = module_fd;
			return module_fd < 0 ? module_fd : 0;
		}
	}
	if (kernel)
		options.attach_btf_id = find(*kernel, BTF_KIND_FUNC, functions);
	return options.attach_btf_id ? 0 : -ENOENT;
}

int KernelTypes::complete_casts(bpf_program *program)
{
	const bpf_insn *original = bpf_program__insns(program);
	std::vector<bpf_insn> instructions(original, original + bpf_program__insn_cnt(program));

	auto cast = std::find_if(instructions.begin(), instructions.end(), is_cast);
	if (cast == instructions.end())
		return 0;
	bool may_call = kernel && is_compiling();
	uint32_t function = may_call ? find(*kernel, BTF_KIND_FUNC, {"bpf_rdonly_cast"}) : 0;
	uint32_t type = function ? find(*kernel, BTF_KIND_STRUCT, {"in6_addr"}) : 0;
	for (; cast != instructions.end(); cast = std::find_if(cast, instructions.end(), is_cast)) {
		if (type) {
			cast[-1].imm = type;
			cast->imm = function;
		} else {
			*cast = {BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, 0};
		}
	}
	return bpf_program__set_insns(program, instructions.data(), instructions.size());
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
