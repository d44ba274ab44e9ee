// SPDX-License-Identifier: GPL-2.0-only
// Checked arguments: whatever JavaScript passes, the C++ behind it sees the right type.

#pragma once

#include <cstdint>
#include <string>
#include <napi.h>

// Valid until control returns to JavaScript.
struct Bytes {
	uint8_t *data;
	size_t size;
};

inline std::string text_argument(const Napi::CallbackInfo &info, size_t index, const char *name)
{
	if (!info[index].IsString())
		throw Napi::TypeError::New(info.Env(), std::string(name) + " must be a string");
	std::string text = info[index].As<Napi::String>();
	if (text.find('\0') != text.npos)
		throw Napi::TypeError::New(info.Env(),
					   std::string(name) + " must not contain a null character");
	return text;
}

inline int64_t integer_argument(const Napi::CallbackInfo &info, size_t index, const char *name,
				int64_t minimum, int64_t maximum)
{
	if (!info[index].IsNumber())
		throw Napi::TypeError::New(info.Env(), std::string(name) + " must be a number");
	double value = info[index].As<Napi::Number>();
	if (!(value >= minimum && value <= maximum) || value != static_cast<int64_t>(value))
		throw Napi::RangeError::New(info.Env(), std::string(name) + " must be an integer from " +
							    std::to_string(minimum) + " to " +
							    std::to_string(maximum));
	return static_cast<int64_t>(value);
}

inline Bytes bytes_argument(const Napi::CallbackInfo &info, size_t index, const char *name)
{
	napi_typedarray_type type;
	size_t size;
	void *data;

	// Not through Napi::Uint8Array, which asks the same several times over.
	if (napi_get_typedarray_info(info.Env(), info[index], &type, &size, &data, nullptr, nullptr) ==
		napi_ok &&
	    type == napi_uint8_array)
		return {static_cast<uint8_t *>(data), size};
	throw Napi::TypeError::New(info.Env(), std::string(name) + " must be a Uint8Array");
}

inline Bytes bytes_argument(const Napi::CallbackInfo &info, size_t index, const char *name, size_t size)
{
	Bytes bytes = bytes_argument(info, index, name);
	if (bytes.size != size)
		throw Napi::RangeError::New(info.Env(), std::string(name) + " must have " +
							    std::to_string(size) + " bytes, not " +
							    std::to_string(bytes.size));
	return bytes;
}

inline Napi::Function function_argument(const Napi::CallbackInfo &info, size_t index, const char *name)
{
	if (!info[index].IsFunction())
		throw Napi::TypeError::New(info.Env(), std::string(name) + " must be a function");
	return info[index].As<Napi::Function>();
}
