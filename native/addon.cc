// SPDX-License-Identifier: GPL-2.0-only
// The addon's entry point. The interface is described in src/kernel/native.ts.

#include "addon.h"
#include "error.h"

static Napi::Object init(Napi::Env env, Napi::Object exports)
{
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
