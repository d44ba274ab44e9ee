// SPDX-License-Identifier: GPL-2.0-only
// A lock on an open file, which Node has no call for. The kernel lets go of it when the process ends.

#include "addon.h"
#include "arguments.h"
#include "error.h"

#include <cerrno>
#include <climits>
#include <sys/file.h>

void lock_file(const Napi::CallbackInfo &info)
{
	int fd = static_cast<int>(integer_argument(info, 0, "fd", 0, INT_MAX));
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		throw_system_error(info.Env(), "flock", errno);
}
