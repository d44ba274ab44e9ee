// SPDX-License-Identifier: GPL-2.0-only
// A file of types (BTF) as the kernel tells them.

#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>
#include <bpf/btf.h>

// Checked as it is read: nothing in it leads outside of it.
class TypesFile
{
public:
	// `base`: whose types and names it goes on from, as a module's do from the kernel's. Null if it
	// cannot be read, or is not as expected.
	static std::unique_ptr<TypesFile> read(const std::string &path, const TypesFile *base = nullptr);

	// The numbers of its own types: from first() to before end().
	uint32_t first() const
	{
		return base ? base->end() : 1;
	}
	uint32_t end() const
	{
		return first() + offsets.size();
	}
	// The numbers of structures among them: one in five.
	const std::vector<uint32_t> &structures() const
	{
		return structure_ids;
	}
	// Null if there is none of that number.
	const btf_type *type(uint32_t id) const;
	// Empty if there is none.
	const char *name(uint32_t offset) const;

private:
	explicit TypesFile(const TypesFile *base) : base(base)
	{
	}
	bool load(const std::string &path);
	bool find_sections(size_t length);
	bool find_types(uint32_t length);

	const TypesFile *base;
	std::unique_ptr<char[]> content;
	const char *types = nullptr, *names = nullptr;
	uint32_t names_length = 0;
	// Of each type in `types`.
	std::vector<uint32_t> offsets;
	std::vector<uint32_t> structure_ids;
};
