# SPDX-License-Identifier: GPL-2.0-only
# Stands in for OpenWrt's buildroot: reads the package's Makefile with what rules.mk and bpf.mk would define, and makes
# of it what openwrt.test.ts asks for. $(BUILD) holds the build folder and gets the results.

define newline


endef

INCLUDE_DIR:=$(BUILD)/include
PKG_BUILD_DIR:=$(BUILD)/tree
STAGING_DIR:=$(BUILD)/staging
TOOLCHAIN_INC_DIRS:=/usr/include /usr/include/$(shell cc -print-multiarch)
BPF_TARGET:=bpfel
CLANG:=clang
LLVM_STRIP:=llvm-strip
CP:=cp -fpR
INSTALL_DIR:=install -d -m0755
INSTALL_BIN:=install -m0755
INSTALL_DATA:=install -m0644

include $(PACKAGE)/Makefile

# What it defines, one file each.
defined:
	$(file >$(BUILD)/version,$(PKG_VERSION))
	$(foreach part,conffiles prerm postrm,$(file >$(BUILD)/$(part),$(Package/wg-slaacer/$(part))))
	$(file >$(BUILD)/luci-postrm,$(Package/luci-app-wg-slaacer/postrm))

# What becomes of a package's control data, evaluated as package.mk does: control/NAME, one "KEY: VALUE" a line.
KEYS:=DEPENDS EXTRA_DEPENDS PKGARCH SOURCE
control/%:
	$(eval $(Package/$*))$(file >$(BUILD)/control,$(foreach key,$(KEYS),$(key): $($(key))$(newline)))

# Without the addon, which needs the buildroot's CMake.
compiled:
	$(Build/Compile)

# Into a folder for each package.
installed:
	mkdir -p $(BUILD)/wg-slaacer $(BUILD)/luci-app-wg-slaacer
	$(call Package/wg-slaacer/install,$(BUILD)/wg-slaacer)
	$(call Package/luci-app-wg-slaacer/install,$(BUILD)/luci-app-wg-slaacer)
