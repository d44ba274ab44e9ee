// SPDX-License-Identifier: GPL-2.0-only

#include "types_file.h"

#include <iterator>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace
{

// What follows a type of a kind: so much, and so much for each of its vlen.
struct Rest {
	uint32_t fixed, each;
};

constexpr Rest RESTS[] = {
    {0, 0},			      // BTF_KIND_UNKN
    {sizeof(__u32), 0},		      // BTF_KIND_INT
    {0, 0},			      // BTF_KIND_PTR
    {sizeof(struct btf_array), 0},    // BTF_KIND_ARRAY
    {0, sizeof(btf_member)},	      // BTF_KIND_STRUCT
    {0, sizeof(btf_member)},	      // BTF_KIND_UNION
    {0, sizeof(struct btf_enum)},     // BTF_KIND_ENUM
    {0, 0},			      // BTF_KIND_FWD
    {0, 0},			      // BTF_KIND_TYPEDEF
    {0, 0},			      // BTF_KIND_VOLATILE
    {0, 0},			      // BTF_KIND_CONST
    {0, 0},			      // BTF_KIND_RESTRICT
    {0, 0},			      // BTF_KIND_FUNC
    {0, sizeof(btf_param)},	      // BTF_KIND_FUNC_PROTO
    {sizeof(struct btf_var), 0},      // BTF_KIND_VAR
    {0, sizeof(btf_var_secinfo)},     // BTF_KIND_DATASEC
    {0, 0},			      // BTF_KIND_FLOAT
    {sizeof(struct btf_decl_tag), 0}, // BTF_KIND_DECL_TAG
    {0, 0},			      // BTF_KIND_TYPE_TAG
    {0, sizeof(struct btf_enum64)},   // BTF_KIND_ENUM64
};

// In bytes, of a type of a kind that is known.
size_t size_of(const btf_type *type)
{
	const Rest &rest = RESTS[btf_kind(type)];

	return sizeof(*type) + rest.fixed + rest.each * btf_vlen(type);
}

// How much of it was read.
size_t read_all(int fd, char *to, size_t length)
{
	size_t done = 0;

	for (ssize_t count; done < length && (count = read(fd, to + done, length - done)) > 0;)
		done += count;
	return done;
}

} // namespace

std::unique_ptr<TypesFile> TypesFile::read(const std::string &path, const TypesFile *base)
{
	std::unique_ptr<TypesFile> file(new TypesFile(base));

	return file->load(path) ? std::move(file) : nullptr;
}

const btf_type *TypesFile::type(uint32_t id) const
{
	if (base && id < first())
		return base->type(id);
	if (!id || id >= end())
		return nullptr;
	return reinterpret_cast<const btf_type *>(types + offsets[id - first()]);
}

const char *TypesFile::name(uint32_t offset) const
{
	uint32_t before = base ? base->names_length : 0;

	if (offset < before)
		return base->name(offset);
	return offset - before < names_length ? names + (offset - before) : "";
}

// In memory as a whole, but without a copy: files of sysfs cannot be mapped before Linux 6.16.
bool TypesFile::load(const std::string &path)
{
	int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
	struct stat status;

	if (fd < 0)
		return false;
	size_t length = fstat(fd, &status) ? 0 : status.st_size;
	content.reset(new char[length]);
	length = read_all(fd, content.get(), length);
	close(fd);
	return find_sections(length);
}

bool TypesFile::find_sections(size_t length)
{
	auto header = reinterpret_cast<const btf_header *>(content.get());

	if (length < sizeof(*header) || header->magic != BTF_MAGIC || header->hdr_len % alignof(btf_type) ||
	    header->type_off % alignof(btf_type))
		return false;
	uint64_t types_at = uint64_t{header->hdr_len} + header->type_off;
	uint64_t names_at = uint64_t{header->hdr_len} + header->str_off;
	if (types_at + header->type_len > length || names_at + header->str_len > length)
		return false;
	types = content.get() + types_at;
	names = content.get() + names_at;
	names_length = header->str_len;
	return names_length && !names[names_length - 1] && find_types(header->type_len);
}

bool TypesFile::find_types(uint32_t length)
{
	uint32_t offset = 0;

	offsets.reserve(length / sizeof(btf_type));
	while (length - offset >= sizeof(btf_type)) {
		auto type = reinterpret_cast<const btf_type *>(types + offset);
		if (btf_kind(type) >= std::size(RESTS))
			return false;
		size_t size = size_of(type);
		if (size > length - offset)
			return false;
		if (btf_is_struct(type))
			structure_ids.push_back(end());
		offsets.push_back(offset);
		offset += size;
	}
	return offset == length;
}
