// SPDX-License-Identifier: GPL-2.0-only
// A BPF object file: its programs, and the ring buffers they write to.

#include "addon.h"
#include "arguments.h"
#include "bpf_state.h"
#include "error.h"
#include "kernel_types.h"
#include "watcher.h"

#include <cerrno>
#include <cstring>
#include <set>
#include <vector>
#include <bpf/bpf.h>

namespace
{

// What one callback is handed at most, give or take a record.
constexpr size_t MAX_BATCH = 256 * 1024;

// One ring buffer that is being read.
class Records
{
public:
	Records(Napi::Env env, int map, Napi::Function function);

private:
	struct Deleter {
		void operator()(ring_buffer *ring) const
		{
			ring_buffer__free(ring);
		}
	};

	static int add(void *context, void *data, size_t size) noexcept;
	void consume(Napi::Env env);

	Napi::FunctionReference callback;
	std::unique_ptr<ring_buffer, Deleter> ring;
	std::vector<uint8_t> *batch = nullptr;
	// Last, so that it stops before the ring buffer goes.
	Watcher watcher;
};

Records::Records(Napi::Env env, int map, Napi::Function function) : callback(Napi::Persistent(function))
{
	Warnings warnings;

	ring.reset(ring_buffer__new(map, add, this, nullptr));
	if (!ring)
		throw_system_error(env, "ring_buffer__new", errno, warnings.text());
	watcher.start(env, ring_buffer__epoll_fd(ring.get()), [this](Napi::Env env) { consume(env); });
}

// Called with C frames below, so nothing may be thrown.
int Records::add(void *context, void *data, size_t size) noexcept
{
	std::vector<uint8_t> &batch = *static_cast<Records *>(context)->batch;
	uint32_t length = size;
	size_t start = batch.size();

	try {
		batch.resize(start + 8 + (size + 7) / 8 * 8);
	} catch (const std::exception &) {
		return -ENOMEM; // the record is lost
	}
	memcpy(&batch[start], &length, sizeof(length));
	memcpy(&batch[start + 8], data, size);
	// Stopping counts this record as consumed. The rest makes the descriptor readable again.
	return batch.size() < MAX_BATCH ? 0 : -EAGAIN;
}

void Records::consume(Napi::Env env)
{
	std::vector<uint8_t> collected;

	batch = &collected;
	ring_buffer__consume(ring.get());
	batch = nullptr;
	if (collected.empty())
		return;

	auto records = Napi::Buffer<uint8_t>::Copy(env, collected.data(), collected.size());
	collected = {};
	// Which may close the object, and so destroy this.
	call_back(env, callback.Value(), {records});
}

// The function that a program's section names, or several, separated by commas: a kernel has one of them.
std::vector<std::string> targets_of(const bpf_program *program)
{
	const char *names = strchr(bpf_program__section_name(program), '/') + 1;
	std::vector<std::string> targets;

	for (;;) {
		size_t length = strcspn(names, ",");
		targets.emplace_back(names, length);
		if (!names[length])
			return targets;
		names += length + 1;
	}
}

std::unique_ptr<bpf_object, BpfState::Deleter> open_object(Napi::Env env, const std::string &file,
							   const bpf_object_open_opts &options)
{
	Warnings warnings;
	bpf_object *object = bpf_object__open_file(file.c_str(), &options);

	if (!object)
		throw_system_error(env, "bpf_object__open_file", errno, warnings.text());
	return std::unique_ptr<bpf_object, BpfState::Deleter>(object);
}

bpf_link *attach_program(const bpf_program *program)
{
	const std::string section = bpf_program__section_name(program);
	const bool returns = section.rfind("kretprobe/", 0) == 0;
	bpf_link *link = nullptr;

	if (!returns && section.rfind("kprobe/", 0) != 0)
		return bpf_program__attach(program);
	for (const std::string &function : targets_of(program)) {
		link = bpf_program__attach_kprobe(program, returns, function.c_str());
		if (link)
			break;
	}
	return link;
}

class BpfObject : public Napi::ObjectWrap<BpfObject>
{
public:
	static Napi::Function define(Napi::Env env);
	explicit BpfObject(const Napi::CallbackInfo &info);

private:
	void enable(const Napi::CallbackInfo &info);
	void pin(const Napi::CallbackInfo &info);
	void load(const Napi::CallbackInfo &info);
	void attach(const Napi::CallbackInfo &info);
	void detach(const Napi::CallbackInfo &info);
	Napi::Value map(const Napi::CallbackInfo &info);
	Napi::Value program_fd(const Napi::CallbackInfo &info);
	void on_records(const Napi::CallbackInfo &info);
	Napi::Value test_run(const Napi::CallbackInfo &info);
	void close(const Napi::CallbackInfo &info);

	enum Stage {
		BEFORE_LOAD,
		LOADED,
	};
	bpf_object *object(Napi::Env env, const char *operation, Stage stage) const;
	bpf_program *find_program(Napi::Env env, const std::string &name, const char *operation,
				  Stage stage) const;
	int enabled_program_fd(Napi::Env env, const std::string &name, const char *operation) const;
	bpf_map *find_map(Napi::Env env, const std::string &name, const char *operation, Stage stage) const;

	std::shared_ptr<BpfState> state = std::make_shared<BpfState>();
	// Until it is loaded.
	KernelTypes types;
	static thread_local KernelTypes *loading;
	static int set_up_tracing(bpf_program *program, long) noexcept;
	static int prepare_tracing(bpf_program *program, bpf_prog_load_opts *options, long) noexcept;
	static int attach_tracing(const bpf_program *program, long, bpf_link **link) noexcept;
	std::map<std::string, std::unique_ptr<Records>> records;
};

thread_local KernelTypes *BpfObject::loading;

// libbpf reads the kernel's types unless the target is in another program: so that is what it is told, and
// the number of a descriptor that it does not use.
int BpfObject::set_up_tracing(bpf_program *program, long) noexcept
{
	return bpf_program__set_attach_target(program, 1, nullptr);
}

int BpfObject::prepare_tracing(bpf_program *program, bpf_prog_load_opts *options, long) noexcept
{
	int error = loading->complete_casts(program);

	return error ? error : loading->find_target(targets_of(program), *options);
}

int BpfObject::attach_tracing(const bpf_program *program, long, bpf_link **link) noexcept
{
	*link = bpf_program__attach_trace(program);
	return *link ? 0 : -errno;
}

Napi::Function BpfObject::define(Napi::Env env)
{
	// For the whole process.
	LIBBPF_OPTS(libbpf_prog_handler_opts, options);
	options.prog_setup_fn = set_up_tracing;
	options.prog_prepare_load_fn = prepare_tracing;
	options.prog_attach_fn = attach_tracing;
	[[maybe_unused]] static const int handlers[] = {
	    libbpf_register_prog_handler("fentry/", BPF_PROG_TYPE_TRACING, BPF_TRACE_FENTRY, &options),
	    libbpf_register_prog_handler("fexit/", BPF_PROG_TYPE_TRACING, BPF_TRACE_FEXIT, &options),
	};

	return DefineClass(env, "BpfObject",
			   {
			       InstanceMethod<&BpfObject::enable>("enable"),
			       InstanceMethod<&BpfObject::pin>("pin"),
			       InstanceMethod<&BpfObject::load>("load"),
			       InstanceMethod<&BpfObject::attach>("attach"),
			       InstanceMethod<&BpfObject::detach>("detach"),
			       InstanceMethod<&BpfObject::map>("map"),
			       InstanceMethod<&BpfObject::program_fd>("programFd"),
			       InstanceMethod<&BpfObject::on_records>("onRecords"),
			       InstanceMethod<&BpfObject::test_run>("testRun"),
			       InstanceMethod<&BpfObject::close>("close"),
			   });
}

BpfObject::BpfObject(const Napi::CallbackInfo &info) : Napi::ObjectWrap<BpfObject>(info)
{
	std::string file = text_argument(info, 0, "file"), btf;
	LIBBPF_OPTS(bpf_object_open_opts, options);

	if (info[1].IsString()) {
		btf = text_argument(info, 1, "types");
	} else if (!info[1].IsUndefined()) {
		Bytes bytes = bytes_argument(info, 1, "types");
		if (!types.read(bytes.data, bytes.size))
			throw Napi::TypeError::New(info.Env(), "types must be those of kernelTypes()");
		btf = types.path();
	}
	if (!btf.empty())
		options.btf_custom_path = btf.c_str();
	state->object = open_object(info.Env(), file, options);

	bpf_program *program;
	bpf_object__for_each_program(program, state->object.get()) bpf_program__set_autoload(program, false);
}

bpf_object *BpfObject::object(Napi::Env env, const char *operation, Stage stage) const
{
	if (!state->object)
		throw_system_error(env, operation, EBADF, "the object is closed");
	if (stage == LOADED && !state->loaded)
		throw_system_error(env, operation, EINVAL, "the object is not loaded");
	if (stage == BEFORE_LOAD && state->loaded)
		throw_system_error(env, operation, EINVAL, "the object is loaded already");
	return state->object.get();
}

bpf_program *BpfObject::find_program(Napi::Env env, const std::string &name, const char *operation,
				     Stage stage) const
{
	bpf_program *program = bpf_object__find_program_by_name(object(env, operation, stage), name.c_str());
	if (!program)
		throw_system_error(env, operation, ENOENT, "no program '" + name + "'");
	return program;
}

bpf_map *BpfObject::find_map(Napi::Env env, const std::string &name, const char *operation, Stage stage) const
{
	bpf_map *map = bpf_object__find_map_by_name(object(env, operation, stage), name.c_str());
	if (!map)
		throw_system_error(env, operation, ENOENT, "no map '" + name + "'");
	return map;
}

int BpfObject::enabled_program_fd(Napi::Env env, const std::string &name, const char *operation) const
{
	int fd = bpf_program__fd(find_program(env, name, operation, LOADED));
	if (fd < 0)
		throw_system_error(env, operation, EINVAL, "program '" + name + "' was not enabled");
	return fd;
}

void BpfObject::enable(const Napi::CallbackInfo &info)
{
	static const char operation[] = "bpf_program__set_autoload";
	std::string name = text_argument(info, 0, "program");

	bpf_program *program = find_program(info.Env(), name, operation, BEFORE_LOAD);
	int error = bpf_program__set_autoload(program, true);
	if (error)
		throw_system_error(info.Env(), operation, error);
}

void BpfObject::pin(const Napi::CallbackInfo &info)
{
	static const char operation[] = "bpf_map__set_pin_path";
	std::string name = text_argument(info, 0, "map");
	std::string path = text_argument(info, 1, "path");

	// libbpf creates the parent folder, and refuses another kind of file system, when it loads.
	bpf_map *map = find_map(info.Env(), name, operation, BEFORE_LOAD);
	int error = bpf_map__set_pin_path(map, path.c_str());
	if (error)
		throw_system_error(info.Env(), operation, error);
}

void BpfObject::load(const Napi::CallbackInfo &info)
{
	static const char operation[] = "bpf_object__load";
	Warnings warnings;

	loading = &types;
	int error = bpf_object__load(object(info.Env(), operation, BEFORE_LOAD));
	loading = nullptr;
	types.close();
	if (error)
		throw_system_error(info.Env(), operation, error, warnings.text());
	state->loaded = true;
}

void BpfObject::attach(const Napi::CallbackInfo &info)
{
	static const char operation[] = "bpf_program__attach";
	std::string name = text_argument(info, 0, "program");
	Warnings warnings;

	bpf_program *program = find_program(info.Env(), name, operation, LOADED);
	// The kernel does not attach a program twice to one place: the earlier one has to go first.
	state->links.erase(name);
	bpf_link *link = attach_program(program);
	if (!link)
		throw_system_error(info.Env(), operation, errno, warnings.text());
	state->links[name].reset(link);
}

void BpfObject::detach(const Napi::CallbackInfo &info)
{
	static const char operation[] = "bpf_link__destroy";
	std::string name = text_argument(info, 0, "program");

	find_program(info.Env(), name, operation, LOADED);
	state->links.erase(name);
}

Napi::Value BpfObject::map(const Napi::CallbackInfo &info)
{
	std::string name = text_argument(info, 0, "name");

	find_map(info.Env(), name, "bpf_object__find_map_by_name", LOADED);
	return new_bpf_map(info.Env(), state, name.c_str());
}

Napi::Value BpfObject::program_fd(const Napi::CallbackInfo &info)
{
	static const char operation[] = "bpf_program__fd";
	std::string name = text_argument(info, 0, "program");

	return Napi::Number::New(info.Env(), enabled_program_fd(info.Env(), name, operation));
}

void BpfObject::on_records(const Napi::CallbackInfo &info)
{
	std::string name = text_argument(info, 0, "map");
	Napi::Function function = function_argument(info, 1, "callback");

	bpf_map *map = find_map(info.Env(), name, "ring_buffer__new", LOADED);
	auto fresh = std::make_unique<Records>(info.Env(), bpf_map__fd(map), function);
	// An object that calls back is not garbage.
	if (records.empty())
		Ref();
	records[name] = std::move(fresh);
}

Napi::Value BpfObject::test_run(const Napi::CallbackInfo &info)
{
	static const char operation[] = "bpf_prog_test_run_opts";
	Napi::Env env = info.Env();
	std::string name = text_argument(info, 0, "program");
	Bytes data = bytes_argument(info, 1, "data");
	uint32_t cb0 = integer_argument(info, 2, "cb0", 0, UINT32_MAX);

	int fd = enabled_program_fd(env, name, operation);
	__sk_buff context = {};
	context.cb[0] = cb0;
	LIBBPF_OPTS(bpf_test_run_opts, options);
	options.data_in = data.data;
	options.data_size_in = data.size;
	options.ctx_in = &context;
	options.ctx_size_in = sizeof(context);
	int error = bpf_prog_test_run_opts(fd, &options);
	if (error)
		throw_system_error(env, operation, error);
	// Programs return an int.
	return Napi::Number::New(env, static_cast<int32_t>(options.retval));
}

void BpfObject::close(const Napi::CallbackInfo &)
{
	if (!records.empty())
		Unref();
	records.clear();
	state->close();
}

} // namespace

Napi::Value kernel_types(const Napi::CallbackInfo &info)
{
	std::string file = text_argument(info, 0, "file"), module = text_argument(info, 1, "module");
	LIBBPF_OPTS(bpf_object_open_opts, options);
	auto object = open_object(info.Env(), file, options);
	std::set<std::string> functions;
	bpf_program *program;

	bpf_object__for_each_program(program, object.get())
	{
		if (bpf_program__type(program) != BPF_PROG_TYPE_TRACING)
			continue;
		for (const std::string &function : targets_of(program))
			functions.insert(function);
	}
	std::string types = KernelTypes::find(bpf_object__btf(object.get()), functions, module);
	if (types.empty())
		return info.Env().Undefined();
	return Napi::Buffer<char>::Copy(info.Env(), types.data(), types.size());
}

Napi::Function define_bpf_object(Napi::Env env)
{
	return BpfObject::define(env);
}
