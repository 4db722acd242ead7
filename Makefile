# webtext - `make demo` and `make check` are the two commands; `make help` lists the rest.
#
# A folder is a stage and becomes build/lib/libwt_STAGE.a. tools/wt-X.c becomes build/bin/wt-X and
# links the stages that TOOL_wt-X names. tests/unit/STAGE_what.c links its stage and those below.
# *_avx2.c and *_avx512.c get the flags for those instructions and are called after a check of the
# processor. Variables: BUILD=dir, MPI=1, SAN=address|thread, PREFIX=/usr/local, DESTDIR=.

BUILD   ?= build
PREFIX  ?= /usr/local
JOBS    ?= $(shell nproc 2>/dev/null || echo 2)
MPI     ?= 0
SAN     ?=
VERSION := $(shell sed -n 's/^\#define WT_VERSION "\(.*\)"/\1/p' common/tool.h)

ifeq ($(origin CC),default)
  CC := gcc
endif
ifeq ($(origin CXX),default)
  CXX := g++
endif
Q := $(if $(V),,@)
say = $(if $(V),,@echo "  $(1)")
OPT      ?= -O3
WARN     := -Wall -Wextra -Wshadow -Wno-unused-parameter -Wno-missing-field-initializers
CPPFLAGS += -I. -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64
CFLAGS   += -std=c17 $(OPT) -g -fno-math-errno $(OPENMP) $(WARN)
CXXFLAGS += -std=c++17 $(OPT) -g $(WARN)
LDFLAGS  += $(OPENMP)
OPENMP   := -fopenmp

comma := ,
ifeq ($(SAN),address)
  OPT := -O2
  SANFLAGS := -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
else ifeq ($(SAN),thread)
  OPT := -O2
  SANFLAGS := -fsanitize=thread -fno-omit-frame-pointer
else ifeq ($(SAN),fuzz)
  # clang's libFuzzer, or gcc with a driver of our own (tests/fuzz/run.sh).
  CLANG := $(findstring clang,$(CC))
  OPT := -O2
  SANFLAGS := -fsanitize=address,undefined$(if $(CLANG),$(comma)fuzzer-no-link) -fno-sanitize-recover=undefined -fno-omit-frame-pointer
  OPENMP := $(if $(CLANG),,-fopenmp)
  WARN := -w
endif
CFLAGS += $(SANFLAGS)
CXXFLAGS += $(SANFLAGS)
LDFLAGS += $(SANFLAGS)

pkg = $(shell pkg-config $(1) $(2) 2>/dev/null)

STAGES := common crawl extract dedup bpe shard train report

# What each stage needs below it, and from the system.
BELOW_common  := common
BELOW_crawl   := crawl common
BELOW_extract := extract common
BELOW_dedup   := dedup common
BELOW_bpe     := bpe common
BELOW_shard   := shard common
BELOW_train   := train shard bpe common
BELOW_report  := report common

INC_common  :=
INC_extract := $(call pkg,--cflags,libxml-2.0)
INC_train   :=

LIBS_common  := -lzstd -lz -ldeflate -llzma -lbz2 -lbrotlidec -lxxhash -lcrypto -lpthread -lm
LIBS_crawl   := -lcurl -lsqlite3 -lpsl -lidn2
LIBS_extract := -lgumbo -lxml2 -luchardet -lcld2
LIBS_dedup   :=
LIBS_bpe     := -lpcre2-8
LIBS_shard   :=
LIBS_train   := -ldl

TOOL_wt-links   := crawl dedup
TOOL_wt-crawl   := crawl
TOOL_wt-extract := extract
TOOL_wt-dedup   := dedup
TOOL_wt-bpe     := bpe
TOOL_wt-shard   := shard bpe
TOOL_wt-train   := train shard bpe
TOOL_wt-sample  := train shard bpe
TOOL_wt-eval    := train shard bpe
TOOL_wt-report  := report crawl
TOOL_webtext    :=

ifeq ($(MPI),1)
  CPPFLAGS += -DWT_MPI $(call pkg,--cflags,$(or $(MPI_PKG),ompi))
  LIBS_common += $(call pkg,--libs,$(or $(MPI_PKG),ompi))
endif

LIB := $(BUILD)/lib
OBJ := $(BUILD)/obj
BIN := $(BUILD)/bin

src_of  = $(wildcard $(1)/*.c) $(wildcard $(1)/*.cc)
objs_of = $(patsubst %,$(OBJ)/%.o,$(call src_of,$(1)))
libs_of = $(foreach s,$(1),$(LIB)/libwt_$(s).a)
sys_of  = $(foreach s,$(1),$(LIBS_$(s)))
linker  = $(if $(filter extract,$(1)),$(CXX),$(CC))

TOOLS   := $(patsubst tools/%.c,%,$(wildcard tools/*.c))
UNITS   := $(patsubst tests/unit/%.c,%,$(wildcard tests/unit/*.c))
FUZZERS := $(patsubst tests/fuzz/%.c,%,$(wildcard tests/fuzz/*.c))
BENCHES := $(patsubst bench/%.c,%,$(wildcard bench/*.c))
EXAMPLES:= $(patsubst examples/%.c,%,$(wildcard examples/*.c))
TESTUTIL:= $(patsubst tests/util/%.c,%,$(wildcard tests/util/*.c))
stage_of = $(firstword $(subst _, ,$(1)))

.PHONY: all help demo check check-peers asan tsan fuzz layers deps install uninstall clean tests \
        bench units man libs
all: $(TOOLS:%=$(BIN)/%)
libs: $(call libs_of,$(STAGES))
tests: all $(UNITS:%=$(BUILD)/unit/%) $(TESTUTIL:%=$(BUILD)/util/%) $(EXAMPLES:%=$(BUILD)/examples/%)
units: $(UNITS:%=$(BUILD)/unit/%)
bench: all $(BENCHES:%=$(BUILD)/bench/%)

help:
	@echo "make demo         install what is missing, build, run the whole line on the bundled web"
	@echo "make check        install what is missing, build, run all tests"
	@echo "make              build the tools into $(BIN)"
	@echo "make check-peers  tests beside other projects' tools (installs them with pip)"
	@echo "make asan tsan    the tests under the address+undefined / thread sanitizers"
	@echo "make fuzz         run every fuzz target for FUZZ_SECONDS (30)"
	@echo "make bench        build the benchmark programs; bench/README.md tells how to run them"
	@echo "make layers       check that includes follow the floor plan"
	@echo "make deps         install the libraries (asks the system's package manager)"
	@echo "make install      tools, library, headers, man pages, completions into PREFIX=$(PREFIX)"
	@echo "variables         BUILD=$(BUILD) MPI=$(MPI) SAN= PREFIX= DESTDIR= V=1 -j"

# ---- objects and libraries ----
$(OBJ)/%_avx2.c.o: CFLAGS += -mavx2 -mfma -mbmi -mbmi2 -mpopcnt -mf16c -mpclmul
$(OBJ)/%_avx512.c.o: CFLAGS += -mavx512f -mavx512bw -mavx512vl -mavx512dq -mavx2 -mfma -mbmi -mbmi2 -mpopcnt -mf16c -mpclmul
define stage_rules
$(OBJ)/$(1)/%.o: CPPFLAGS += $(INC_$(1))
$(LIB)/libwt_$(1).a: $(call objs_of,$(1))
	@mkdir -p $$(@D)
	@rm -f $$@
	$$(Q)ar rcs $$@ $$^
endef
$(foreach s,$(STAGES),$(eval $(call stage_rules,$(s))))
$(OBJ)/tests/unit/extract_%.c.o: CPPFLAGS += $(INC_extract)

$(OBJ)/%.c.o: %.c
	@mkdir -p $(@D)
	$(call say,CC   $<)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c $< -o $@
$(OBJ)/%.cc.o: %.cc
	@mkdir -p $(@D)
	$(call say,CXX  $<)
	$(Q)$(CXX) $(CPPFLAGS) $(CXXFLAGS) -MMD -MP -c $< -o $@

# ---- programs: objects, then the stages they name, common last ----
define program
$(1): $(2) $(call libs_of,$(3))
	@mkdir -p $$(@D)
	$(call say,LINK $(1))
	$$(Q)$(call linker,$(3)) $(2) $(call libs_of,$(3)) $$(LDFLAGS) $(call sys_of,$(3)) $(4) -o $$@
endef
$(foreach t,$(TOOLS),$(eval $(call program,$(BIN)/$(t),$(OBJ)/tools/$(t).c.o,$(TOOL_$(t)) common,)))
$(foreach u,$(UNITS),$(eval $(call program,$(BUILD)/unit/$(u),$(OBJ)/tests/unit/$(u).c.o,$(BELOW_$(call stage_of,$(u))),-lcmocka -lbrotlienc)))
FUZZ_DRIVER := $(if $(CLANG),,$(OBJ)/tests/fuzz/driver/driver.c.o)
$(foreach f,$(FUZZERS),$(eval $(call program,$(BUILD)/fuzz/$(f),$(OBJ)/tests/fuzz/$(f).c.o $(FUZZ_DRIVER),$(BELOW_$(call stage_of,$(f))),$(if $(CLANG),-fsanitize=fuzzer))))
$(foreach b,$(BENCHES),$(eval $(call program,$(BUILD)/bench/$(b),$(OBJ)/bench/$(b).c.o,$(BELOW_$(call stage_of,$(b))),)))
$(foreach e,$(EXAMPLES),$(eval $(call program,$(BUILD)/examples/$(e),$(OBJ)/examples/$(e).c.o,$(BELOW_$(call stage_of,$(e))),)))
$(foreach e,$(TESTUTIL),$(eval $(call program,$(BUILD)/util/$(e),$(OBJ)/tests/util/$(e).c.o,common,-lssl -lcrypto)))

# ---- the rest is in scripts, so that each can be read and run alone ----
deps:
	@sh tests/deps.sh
demo: deps
	@$(MAKE) --no-print-directory -j$(JOBS) all $(BUILD)/util/webserver $(BUILD)/util/demoweb
	@BUILD=$(BUILD) sh demo/run.sh
check: deps
	-@$(MAKE) --no-print-directory -j$(JOBS) -k tests
	@BUILD=$(BUILD) bash tests/run.sh
check-peers: deps
	@$(MAKE) --no-print-directory -j$(JOBS) tests
	@bench/setup
	@BUILD=$(BUILD) bash tests/run.sh peers
asan:
	-@$(MAKE) --no-print-directory -j$(JOBS) -k BUILD=$(BUILD)/asan SAN=address tests
	@BUILD=$(BUILD)/asan bash tests/run.sh sanitized
# clang, whose OpenMP runtime tells the sanitizer what happens before what; gcc's does not.
tsan:
	@sh tests/deps.sh clang libclang-rt-14-dev libomp-14-dev
	-@$(MAKE) --no-print-directory -j$(JOBS) -k BUILD=$(BUILD)/tsan SAN=thread CC=clang CXX=clang++ tests
	@BUILD=$(BUILD)/tsan bash tests/run.sh sanitized
fuzz:
	@BUILD=$(BUILD)/fuzz sh tests/fuzz/run.sh
layers:
	@sh tests/layers.sh
clean:
	rm -rf $(BUILD)

install: all libs
	@BUILD=$(BUILD) PREFIX=$(PREFIX) DESTDIR=$(DESTDIR) VERSION=$(VERSION) sh tools/install.sh
uninstall:
	@BUILD=$(BUILD) PREFIX=$(PREFIX) DESTDIR=$(DESTDIR) sh tools/install.sh --remove

-include $(shell find $(OBJ) -name '*.d' 2>/dev/null)
.SECONDARY:
