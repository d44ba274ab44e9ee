// SPDX-License-Identifier: GPL-2.0-only

#include "kernel_types.h"
#include "types_file.h"

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

// A function (BTF_KIND_FUNC) or structure (BTF_KIND_STRUCT) of that name; 0 if there is none.
uint32_t find(const TypesFile &among, int kind, const char *name)
{
	for (uint32_t id = among.first(); id < among.end(); id++) {
		const btf_type *type = among.type(id);
		if (btf_kind(type) == kind && !strcmp(among.name(type->name_off), name))
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

std::string KernelTypes::find(const btf *own, const std::set<std::string> &functions, const std::string &name)
{
	std::unique_ptr<TypesFile> kernel = TypesFile::read(std::string(FOLDER) + "vmlinux");
	if (!kernel)
		return {};
	std::unique_ptr<TypesFile> module = TypesFile::read(FOLDER + name, kernel.get());

	Names names = names_in(own);
	Copy copy(module ? *module : *kernel, names);
	copy.add_structures(*kernel);
	if (module)
		copy.add_structures(*module);
	std::string types = copy.finish();
	if (types.empty())
		return {};

	Head head = {};
	name.copy(head.module, sizeof(head.module) - 1);
	head.cast = ::find(*kernel, BTF_KIND_FUNC, "bpf_rdonly_cast");
	head.cast_to = ::find(*kernel, BTF_KIND_STRUCT, "in6_addr");
	std::string targets;
	for (const std::string &function : functions) {
		Target target = {};
		function.copy(target.function, sizeof(target.function) - 1);
		target.in_module = module != nullptr;
		target.id = ::find(module ? *module : *kernel, BTF_KIND_FUNC, target.function);
		if (!target.id)
			continue;
		targets.append(reinterpret_cast<char *>(&target), sizeof(target));
		head.targets++;
	}
	return std::string(reinterpret_cast<char *>(&head), sizeof(head)) + targets + types;
}

KernelTypes::~KernelTypes()
{
	close();
}

bool KernelTypes::read(const uint8_t *bytes, size_t size)
{
	if (size < sizeof(head))
		return false;
	memcpy(&head, bytes, sizeof(head));
	bytes += sizeof(head);
	size -= sizeof(head);
	if (head.targets > size / sizeof(Target) || head.module[sizeof(head.module) - 1])
		return false;
	targets.resize(head.targets);
	memcpy(targets.data(), bytes, head.targets * sizeof(Target));
	bytes += head.targets * sizeof(Target);
	size -= head.targets * sizeof(Target);
	for (const Target &target : targets) {
		if (target.function[sizeof(target.function) - 1])
			return false;
	}
	file = memfd_create("btf", MFD_CLOEXEC);
	return write(file, bytes, size) == static_cast<ssize_t>(size);
}

std::string KernelTypes::path() const
{
	return "/proc/self/fd/" + std::to_string(file);
}

int KernelTypes::find_target(const std::vector<std::string> &functions, bpf_prog_load_opts &options)
{
	auto is_one = [&](const Target &target) {
		return std::find(functions.begin(), functions.end(), target.function) != functions.end();
	};
	auto target = std::find_if(targets.begin(), targets.end(), is_one);

	options.attach_prog_fd = 0;
	if (target == targets.end())
		return -ENOENT;
	options.attach_btf_id = target->id;
	if (!target->in_module)
		return 0;
	if (module_fd < 0)
		module_fd = open_module(head.module);
	options.attach_btf_obj_fd = module_fd;
	return module_fd < 0 ? module_fd : 0;
}

int KernelTypes::complete_casts(bpf_program *program) const
{
	const bpf_insn *original = bpf_program__insns(program);
	std::vector<bpf_insn> instructions(original, original + bpf_program__insn_cnt(program));

	auto cast = std::find_if(instructions.begin(), instructions.end(), is_cast);
	if (cast == instructions.end())
		return 0;
	bool may_call = head.cast && head.cast_to && is_compiling();
	for (; cast != instructions.end(); cast = std::find_if(cast, instructions.end(), is_cast)) {
		if (may_call) {
			cast[-1].imm = head.cast_to;
			cast->imm = head.cast;
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
}
