// SPDX-License-Identifier: GPL-2.0-only
// What the parts of the addon know of each other.

#pragma once

#include <memory>
#include <napi.h>

struct BpfState;

// Instance data: one per environment (the main thread, each worker).
struct Addon {
	Napi::FunctionReference bpf_map;
};

Napi::Function define_bpf_object(Napi::Env env);
Napi::Function define_bpf_map(Napi::Env env);
Napi::Function define_socket(Napi::Env env);

// kernelTypes() in src/kernel/native.ts.
Napi::Value kernel_types(const Napi::CallbackInfo &info);
// flock() in src/kernel/native.ts.
void lock_file(const Napi::CallbackInfo &info);

Napi::Object new_bpf_map(Napi::Env env, std::shared_ptr<BpfState> state, const char *name);
