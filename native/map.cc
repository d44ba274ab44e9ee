// SPDX-License-Identifier: GPL-2.0-only
// A map of a loaded BPF object.

#include "addon.h"
#include "arguments.h"
#include "bpf_state.h"
#include "error.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <unordered_set>
#include <vector>
#include <bpf/bpf.h>

namespace
{

bool is_hash(bpf_map_type type)
{
	return type == BPF_MAP_TYPE_HASH || type == BPF_MAP_TYPE_LRU_HASH ||
	       type == BPF_MAP_TYPE_PERCPU_HASH || type == BPF_MAP_TYPE_LRU_PERCPU_HASH;
}

bool is_per_cpu(bpf_map_type type)
{
	return type == BPF_MAP_TYPE_PERCPU_HASH || type == BPF_MAP_TYPE_LRU_PERCPU_HASH ||
	       type == BPF_MAP_TYPE_PERCPU_ARRAY || type == BPF_MAP_TYPE_PERCPU_CGROUP_STORAGE;
}

class BpfMap : public Napi::ObjectWrap<BpfMap>
{
public:
	static Napi::Function define(Napi::Env env);
	// JavaScript's own `new` makes one that is closed.
	explicit BpfMap(const Napi::CallbackInfo &info);

	void open(Napi::Env env, std::shared_ptr<BpfState> state, const char *name);

private:
	Napi::Value get_key_size(const Napi::CallbackInfo &info);
	Napi::Value get_value_size(const Napi::CallbackInfo &info);
	Napi::Value lookup(const Napi::CallbackInfo &info);
	void update(const Napi::CallbackInfo &info);
	Napi::Value remove(const Napi::CallbackInfo &info);
	Napi::Value dump(const Napi::CallbackInfo &info);

	int fd(Napi::Env env, const char *operation) const;
	bool dump_batches(Napi::Env env, int fd, std::vector<uint8_t> &entries) const;
	void dump_one_by_one(Napi::Env env, int fd, std::vector<uint8_t> &entries) const;

	std::shared_ptr<BpfState> state;
	bpf_map *map = nullptr;
	bpf_map_type type = BPF_MAP_TYPE_UNSPEC;
	size_t key_size = 0, value_size = 0, max_entries = 0;
};

Napi::Function BpfMap::define(Napi::Env env)
{
	return DefineClass(env, "BpfMap",
			   {
			       InstanceAccessor<&BpfMap::get_key_size>("keySize", napi_enumerable),
			       InstanceAccessor<&BpfMap::get_value_size>("valueSize", napi_enumerable),
			       InstanceMethod<&BpfMap::lookup>("lookup"),
			       InstanceMethod<&BpfMap::update>("update"),
			       InstanceMethod<&BpfMap::remove>("delete"),
			       InstanceMethod<&BpfMap::dump>("dump"),
			   });
}

BpfMap::BpfMap(const Napi::CallbackInfo &info) : Napi::ObjectWrap<BpfMap>(info)
{
}

void BpfMap::open(Napi::Env env, std::shared_ptr<BpfState> shared, const char *name)
{
	state = std::move(shared);
	map = bpf_object__find_map_by_name(state->object.get(), name);
	type = bpf_map__type(map);
	key_size = bpf_map__key_size(map);
	value_size = bpf_map__value_size(map);
	max_entries = bpf_map__max_entries(map);
	if (is_per_cpu(type)) {
		int cpus = libbpf_num_possible_cpus();
		if (cpus < 0)
			throw_system_error(env, "libbpf_num_possible_cpus", cpus);
		value_size = (value_size + 7) / 8 * 8 * cpus;
	}
}

int BpfMap::fd(Napi::Env env, const char *operation) const
{
	if (!state || !state->object)
		throw_system_error(env, operation, EBADF, "the object is closed");
	return bpf_map__fd(map);
}

Napi::Value BpfMap::get_key_size(const Napi::CallbackInfo &info)
{
	return Napi::Number::New(info.Env(), key_size);
}

Napi::Value BpfMap::get_value_size(const Napi::CallbackInfo &info)
{
	return Napi::Number::New(info.Env(), value_size);
}

Napi::Value BpfMap::lookup(const Napi::CallbackInfo &info)
{
	static const char operation[] = "bpf_map_lookup_elem";
	Napi::Env env = info.Env();

	int map_fd = fd(env, operation);
	Bytes key = bytes_argument(info, 0, "key", key_size);
	auto value = Napi::Buffer<uint8_t>::New(env, value_size);
	int error = bpf_map_lookup_elem(map_fd, key.data, value.Data());
	if (error == -ENOENT)
		return env.Undefined();
	if (error)
		throw_system_error(env, operation, error);
	return value;
}

void BpfMap::update(const Napi::CallbackInfo &info)
{
	static const char operation[] = "bpf_map_update_elem";
	Napi::Env env = info.Env();

	int map_fd = fd(env, operation);
	Bytes key = bytes_argument(info, 0, "key", key_size);
	Bytes value = bytes_argument(info, 1, "value", value_size);
	int error = bpf_map_update_elem(map_fd, key.data, value.data, BPF_ANY);
	if (error)
		throw_system_error(env, operation, error);
}

Napi::Value BpfMap::remove(const Napi::CallbackInfo &info)
{
	static const char operation[] = "bpf_map_delete_elem";
	Napi::Env env = info.Env();

	int map_fd = fd(env, operation);
	Bytes key = bytes_argument(info, 0, "key", key_size);
	int error = bpf_map_delete_elem(map_fd, key.data);
	if (error && error != -ENOENT)
		throw_system_error(env, operation, error);
	return Napi::Boolean::New(env, !error);
}

Napi::Value BpfMap::dump(const Napi::CallbackInfo &info)
{
	Napi::Env env = info.Env();
	int map_fd = fd(env, "bpf_map_lookup_batch");
	std::vector<uint8_t> entries;

	if (!is_hash(type) || !dump_batches(env, map_fd, entries))
		dump_one_by_one(env, map_fd, entries);
	return Napi::Buffer<uint8_t>::Copy(env, entries.data(), entries.size());
}

// Reads whole buckets, so nothing comes twice whatever is added or deleted meanwhile. False if this kernel
// cannot.
bool BpfMap::dump_batches(Napi::Env env, int fd, std::vector<uint8_t> &entries) const
{
	size_t capacity = std::min<size_t>(max_entries, 256);
	std::vector<uint8_t> keys, values;
	// Where the kernel is: a bucket's number, or a key.
	std::vector<uint8_t> position(std::max<size_t>(key_size, 8)), next(position.size());
	bool first = true;

	for (;;) {
		keys.resize(capacity * key_size);
		values.resize(capacity * value_size);

		__u32 count = capacity;
		int error = bpf_map_lookup_batch(fd, first ? nullptr : position.data(), next.data(),
						 keys.data(), values.data(), &count, nullptr);
		// A bucket with more entries than there is room for.
		if (error == -ENOSPC && capacity < max_entries) {
			capacity = std::min(capacity * 4, max_entries);
			continue;
		}
		if (error && error != -ENOENT) {
			if (first && (error == -EINVAL || error == -EOPNOTSUPP || error == -524))
				return false;
			throw_system_error(env, "bpf_map_lookup_batch", error);
		}

		for (size_t i = 0; i < count; i++) {
			auto key = keys.begin() + i * key_size;
			auto value = values.begin() + i * value_size;
			entries.insert(entries.end(), key, key + key_size);
			entries.insert(entries.end(), value, value + value_size);
		}
		if (error == -ENOENT)
			return true;
		position.swap(next);
		first = false;
	}
}

void BpfMap::dump_one_by_one(Napi::Env env, int fd, std::vector<uint8_t> &entries) const
{
	static const char operation[] = "bpf_map_get_next_key";
	std::unordered_set<std::string> seen;
	std::string key(key_size, '\0'), next(key_size, '\0');
	std::vector<uint8_t> value(value_size);
	// Asked for the key after one that is gone, the kernel starts again: leave out what was seen, and be
	// patient, but not for ever.
	size_t patience = 4 * max_entries + 64;

	int error = bpf_map_get_next_key(fd, nullptr, next.data());
	while (!error) {
		if (!patience--)
			throw_system_error(env, operation, EAGAIN, "the map changes too fast");
		key = next;
		if (seen.insert(key).second) {
			error = bpf_map_lookup_elem(fd, key.data(), value.data());
			if (!error) {
				entries.insert(entries.end(), key.begin(), key.end());
				entries.insert(entries.end(), value.begin(), value.end());
			} else if (error != -ENOENT) {
				throw_system_error(env, "bpf_map_lookup_elem", error);
			}
		}
		error = bpf_map_get_next_key(fd, key.data(), next.data());
	}
	if (error != -ENOENT)
		throw_system_error(env, operation, error);
}

} // namespace

Napi::Function define_bpf_map(Napi::Env env)
{
	return BpfMap::define(env);
}

Napi::Object new_bpf_map(Napi::Env env, std::shared_ptr<BpfState> state, const char *name)
{
	Napi::Object object = env.GetInstanceData<Addon>()->bpf_map.New({});

	BpfMap::Unwrap(object)->open(env, std::move(state), name);
	return object;
}
