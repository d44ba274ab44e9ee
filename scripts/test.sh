#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# scripts/test.sh [VITEST OPTION]…: builds, checks, and runs all tests on the kernels of $KERNELS. The last line tells
# the result.
set -euo pipefail
cd "$(dirname "$0")/.."

read -ra kernels <<<"${KERNELS:-6.1 6.12}"
passed=0 failed=0 skipped=0
report=$(mktemp)

# However this ends, it ends with the numbers; a failure outside of any test counts as one.
finish() {
	status=$?
	rm -f "$report"
	if [ "$status" != 0 ] && [ "$failed" = 0 ]; then failed=1; fi
	if [ "$skipped" = 0 ]; then skipped=; else skipped=", $skipped skipped"; fi
	echo "$passed passed, $failed failed$skipped"
	[ "$failed" = 0 ] || exit 1
}
trap finish EXIT
trap 'exit 1' HUP INT TERM

# Adds up vitest's report. A test file that fails outside of its tests counts as a failed test.
count() {
	# shellcheck disable=SC2016 # JavaScript, not shell
	numbers=$(node -e '
		const { readFileSync } = require("node:fs");
		const files = JSON.parse(readFileSync(process.argv[1], "utf8")).testResults;
		const statuses = files.flatMap(({ status, assertionResults }) => {
			const tests = assertionResults.map((test) => test.status);
			return status === "failed" && !tests.includes("failed") ? [...tests, "failed"] : tests;
		});
		const count = (wanted) => statuses.filter((status) => status === wanted).length;
		const [passed, failed] = [count("passed"), count("failed")];
		console.log(passed, failed, statuses.length - passed - failed);
	' "$report")
	read -r tests_passed tests_failed tests_skipped <<<"$numbers"
	passed=$((passed + tests_passed)) failed=$((failed + tests_failed)) skipped=$((skipped + tests_skipped))
}

scripts/setup.sh
npm run --silent build
for kernel in "${kernels[@]}"; do
	scripts/kernel.sh "$kernel" >/dev/null
done

if npm run --silent check; then
	passed=1
else
	failed=1
fi

status=0
node_modules/.bin/vitest run --project unit "${kernels[@]/#/--project=kernel-}" \
	--reporter default --reporter json --outputFile.json="$report" "$@" || status=$?
before=$failed
[ ! -s "$report" ] || count
# Vitest also fails if it finds no tests, or for errors outside of any test file.
if [ "$status" != 0 ] && [ "$failed" = "$before" ]; then failed=$((failed + 1)); fi
