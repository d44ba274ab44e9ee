#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# scripts/test.sh [VITEST OPTION]…: builds, checks, and runs all tests, those of test/kernel on the kernels of $KERNELS.
# It shows how far it is; build/test.log has all that was said. At the end stands what failed, and in the last line the
# result.
set -euo pipefail
cd "$(dirname "$0")/.."

read -ra kernels <<<"${KERNELS:-6.1 6.12}"
passed=0 failed=0 skipped=0
RUN_STARTED=$(date +%s)
REPORTS=$(mktemp --directory)
export RUN_STARTED REPORTS
log=build/test.log

# However this ends, it ends with the numbers; a failure outside of any test counts as one.
finish() {
	status=$?
	cat "$REPORTS"/*.failures 2>/dev/null || true
	cat "$REPORTS"/*.log >"$log" 2>/dev/null || true
	rm -rf "$REPORTS"
	if [ "$status" != 0 ] && [ "$failed" = 0 ]; then failed=1; fi
	if [ "$skipped" = 0 ]; then skipped=; else skipped=", $skipped skipped"; fi
	echo "All that was said is in $log."
	echo "$passed passed, $failed failed$skipped"
	[ "$failed" = 0 ] || exit 1
}
trap finish EXIT
# Tests that run in the background do not hear of an interrupt by themselves.
trap 'trap "" TERM; kill 0; exit 1' HUP INT TERM

# Prints a step with the time so far, as test/progress.ts does.
say() {
	local seconds=$(($(date +%s) - RUN_STARTED))
	printf '%3d:%02d  %s\n' $((seconds / 60)) $((seconds % 60)) "$*"
}

# Runs a project's tests. Vitest also fails if it finds none.
run_tests() {
	local project=$1
	shift
	RUN_NAME=$project node_modules/.bin/vitest run --project "$project" \
		--reporter default --reporter ./test/progress.ts "$@" \
		3>&1 >"$REPORTS/$project.log" 2>&1 </dev/null || touch "$REPORTS/$project.failed"
}

# Adds up what a project's tests came to. A run that failed though no test did counts as a failed test.
count() {
	local project=$1 numbers='0 0 0' tests_passed tests_failed tests_skipped
	[ ! -e "$REPORTS/$project.count" ] || numbers=$(cat "$REPORTS/$project.count")
	read -r tests_passed tests_failed tests_skipped <<<"$numbers"
	if [ -e "$REPORTS/$project.failed" ] && [ "$tests_failed" = 0 ]; then
		tests_failed=1
		{
			echo "✗ $project › outside of any test"
			tail -n 20 "$REPORTS/$project.log"
		} >"$REPORTS/$project.failures"
	fi
	passed=$((passed + tests_passed)) failed=$((failed + tests_failed)) skipped=$((skipped + tests_skipped))
}

mkdir -p build
scripts/setup.sh
for kernel in "${kernels[@]}"; do scripts/kernel.sh "$kernel" >/dev/null; done
say 'building'
npm run --silent build
foreign=()
for kernel in "${kernels[@]}"; do
	case $kernel in
	arm* | riscv*)
		npm run --silent build -- "$kernel"
		foreign+=("$kernel")
		;;
	esac
done

say 'checking format, types and style'
if npm run --silent check; then
	passed=1
else
	failed=1
fi

# Runs projects side by side, so many at a time.
run_side_by_side() {
	local limit=$1 project
	shift
	for project in "$@"; do
		while [ "$(jobs -rp | wc -l)" -ge "$limit" ]; do wait -n; done
		run_tests "$project" "${options[@]}" &
	done
	wait
}

# What needs one kernel has the newest. A guest keeps one CPU busy, and one that has the host's clock often waits.
options=("$@")
quick=(unit luci)
on_kernels=("${kernels[@]/#/laws-}" "once-${kernels[-1]}" "${kernels[@]/#/two-cpus-}")
on_kernels+=("${foreign[@]/#/cpus-}")
projects=("${quick[@]}" "${on_kernels[@]}")
run_side_by_side 2 "${quick[@]}"
run_side_by_side $(($(nproc) + 1)) "${on_kernels[@]}"
for project in "${projects[@]}"; do count "$project"; done
