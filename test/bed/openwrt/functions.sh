# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
# Stands in for OpenWrt's /lib/functions.sh, of which the scripts of packages call these.

# Prints the init scripts of the package whose script is $1.
package_services() { grep -s '^/etc/init.d/' "${1%.*}.list"; }

default_postinst() {
	# shellcheck disable=SC1090 # the package's own
	if [ -f "${1%.*}.postinst-pkg" ]; then (. "${1%.*}.postinst-pkg"); fi
	for service in $(package_services "$1"); do
		[ "$PKG_UPGRADE" = 1 ] || "$service" enable
		"$service" start
	done
}

default_prerm() {
	# shellcheck disable=SC1090
	if [ -f "${1%.*}.prerm-pkg" ]; then (. "${1%.*}.prerm-pkg"); fi
	for service in $(package_services "$1"); do
		[ "$PKG_UPGRADE" = 1 ] || "$service" disable
		"$service" stop
	done
}
