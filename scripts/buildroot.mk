# SPDX-License-Identifier: GPL-2.0-only
# Stands in for OpenWrt's buildroot: reads the package's Makefile with what rules.mk and bpf.mk would define, and makes
# of it what scripts/makefile.ts asks for. $(BUILD) holds the build folder and gets the results.

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

PACKAGES:=wg-slaacer luci-app-wg-slaacer $(LANGUAGES:%=luci-i18n-wg-slaacer-%)
PARTS:=description conffiles postinst prerm postrm
# Of a package's control data, as package.mk evaluates them.
KEYS:=PKG_NAME PKG_VERSION PKG_RELEASE PKG_MAINTAINER PKG_LICENSE PKG_LICENSE_FILES \
	SECTION SOURCE DEPENDS EXTRA_DEPENDS PKGARCH

# What it defines of each package: NAME.PART as it is, and NAME.control with one "KEY: VALUE" a line.
defined: $(PACKAGES:%=defined/%)
defined/%:
	$(foreach part,$(PARTS),$(if $(value Package/$*/$(part)),$(file >$(BUILD)/$*.$(part),$(Package/$*/$(part)))))
	$(foreach key,SECTION SOURCE DEPENDS EXTRA_DEPENDS PKGARCH,$(eval $(key):=))
	$(eval $(Package/$*))$(file >$(BUILD)/$*.control,$(foreach key,$(KEYS),$(key): $($(key))$(newline)))

# Without the addon, which needs the buildroot's CMake.
compiled:
	$(Build/Compile)

# Into a folder for each package.
installed:
	mkdir -p $(PACKAGES:%=$(BUILD)/%)
	$(foreach package,$(PACKAGES),$(call Package/$(package)/install,$(BUILD)/$(package))$(newline))
