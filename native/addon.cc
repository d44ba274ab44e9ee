// SPDX-License-Identifier: GPL-2.0-only
// The addon's entry point. The interface is described in src/kernel/native.ts.

#include "addon.h"
#include "error.h"

#include <dlfcn.h>

// Node brings its own modules compiled, and V8 takes the code as long as its flags are those that it was
// compiled with. So the flags that /usr/sbin/wg-slaacer gives, which the heap has heeded by now, are put
// back. Node-API knows no flags: this is what v8.setFlagsFromString() calls, without all that node:v8 would
// load first.
static void restore_flags()
{
	using SetFlags = void (*)(const char *);
	auto set = reinterpret_cast<SetFlags>(dlsym(RTLD_DEFAULT, "_ZN2v82V818SetFlagsFromStringEPKc"));
	if (set)
		set("--max-semi-space-size=0 --max-old-space-size=0");
}

static Napi::Object init(Napi::Env env, Napi::Object exports)
{
	restore_flags();
	silence_libbpf();

	auto *addon = new Addon;
	env.SetInstanceData(addon);
	addon->bpf_map = Napi::Persistent(define_bpf_map(env));

	exports.Set("BpfObject", define_bpf_object(env));
	exports.Set("Socket", define_socket(env));
	exports.Set("kernelTypes", Napi::Function::New<kernel_types>(env, "kernelTypes"));
	exports.Set("flock", Napi::Function::New<lock_file>(env, "flock"));
	return exports;
}

NODE_API_MODULE(wg_slaacer, init)
