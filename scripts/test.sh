#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# scripts/test.sh [VITEST OPTION]…: builds, checks, and runs all tests on the kernels of $KERNELS. The last line tells
# the result.
set -euo pipefail
cd "$(dirname "$0")/.."

read -ra kernels <<<"${KERNELS:-6.1 6.12}"
passed=0 failed=0 skipped=0
reports=$(mktemp --directory)

# However this ends, it ends with the numbers; a failure outside of any test counts as one.
finish() {
	status=$?
	rm -rf "$reports"
	if [ "$status" != 0 ] && [ "$failed" = 0 ]; then failed=1; fi
	if [ "$skipped" = 0 ]; then skipped=; else skipped=", $skipped skipped"; fi
	echo "$passed passed, $failed failed$skipped"
	[ "$failed" = 0 ] || exit 1
}
trap finish EXIT
# Tests that run in the background do not hear of an interrupt by themselves.
trap 'trap "" TERM; kill 0; exit 1' HUP INT TERM

# Runs a project's tests, each line of what it says with the project's name. Vitest also fails if it finds no tests, or
# for errors outside of any test file.
run_tests() {
	local project=$1
	shift
	{
		node_modules/.bin/vitest run --project "$project" --reporter default --reporter json \
			--outputFile.json="$reports/$project" "$@" || touch "$reports/$project.failed"
	} 2>&1 | sed --unbuffered "s/^/$project │ /"
}

# Adds up vitest's reports. A test file that fails outside of its tests counts as a failed test, and so does a run.
count() {
	local project=$1 numbers tests_passed tests_failed tests_skipped
	numbers="0 0 0"
	# shellcheck disable=SC2016 # JavaScript, not shell
	[ ! -s "$reports/$project" ] || numbers=$(node -e '
		const { readFileSync } = require("node:fs");
		const files = JSON.parse(readFileSync(process.argv[1], "utf8")).testResults;
		const statuses = files.flatMap(({ status, assertionResults }) => {
			const tests = assertionResults.map((test) => test.status);
			return status === "failed" && !tests.includes("failed") ? [...tests, "failed"] : tests;
		});
		const count = (wanted) => statuses.filter((status) => status === wanted).length;
		const [passed, failed] = [count("passed"), count("failed")];
		console.log(passed, failed, statuses.length - passed - failed);
	' "$reports/$project")
	read -r tests_passed tests_failed tests_skipped <<<"$numbers"
	if [ -e "$reports/$project.failed" ] && [ "$tests_failed" = 0 ]; then tests_failed=1; fi
	passed=$((passed + tests_passed)) failed=$((failed + tests_failed)) skipped=$((skipped + tests_skipped))
}

scripts/setup.sh
npm run --silent build
for kernel in "${kernels[@]}"; do
	scripts/kernel.sh "$kernel" >/dev/null
	if [ "$kernel" = arm64 ]; then npm run --silent build -- arm64; fi
done

if npm run --silent check; then
	passed=1
else
	failed=1
fi

# A guest keeps one CPU busy, so there are as many kernels at a time as CPUs.
run_tests unit "$@"
run_tests luci "$@"
for kernel in "${kernels[@]}"; do
	while [ "$(jobs -rp | wc -l)" -ge "$(nproc)" ]; do wait -n; done
	run_tests "kernel-$kernel" "$@" &
done
wait
for project in unit luci "${kernels[@]/#/kernel-}"; do count "$project"; done
