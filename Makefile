# pimsim: a fake Akeneo PIM event sender and a conformance harness for connectors.
#
#   make demo     install what is missing (Debian), build, run the suite against the reference connector
#   make check    the same, then every test
#   make help     the other targets

PREFIX ?= /usr/local
BUILD ?= build
CC ?= cc
PYTHON ?= /usr/bin/python3
CLANG_FORMAT ?= clang-format-14
CLANG_TIDY ?= clang-tidy-14

CFLAGS ?= -O2 -g
WARNINGS := -Wall -Wextra -Wshadow -Wconversion -Werror
PACKAGES := libmicrohttpd libcurl libcrypto libcjson sqlite3 yajl
# Evaluated when first used, after `deps` has had its chance to install pkg-config and the libraries.
PKG_CFLAGS = $(eval PKG_CFLAGS := $$(shell pkg-config --cflags $(PACKAGES)))$(PKG_CFLAGS)
PKG_LIBS = $(eval PKG_LIBS := $$(shell pkg-config --libs $(PACKAGES)))$(PKG_LIBS)
COMPILE = $(CC) -std=c17 -D_GNU_SOURCE $(CFLAGS) $(WARNINGS) $(SANITIZE) $(PKG_CFLAGS) -Isim -MMD -MP

SOURCES := $(filter-out sim/main.c,$(wildcard sim/*.c))
OBJECTS := $(SOURCES:sim/%.c=$(BUILD)/sim/%.o) $(BUILD)/assets.o
LIBRARY := $(BUILD)/libpimsim.a
PROGRAM := $(BUILD)/pimsim
UNITS := $(patsubst tests/%.c,$(BUILD)/tests/%,$(wildcard tests/test_*.c))
BENCHES := $(patsubst tests/%.c,$(BUILD)/tests/%,$(wildcard tests/bench_*.c))
ASSETS := $(shell find fixtures scenarios -type f -name '*.json' | LC_ALL=C sort)
C_FILES := $(wildcard sim/*.[ch] tests/*.[ch])

.PHONY: all demo check units e2e asan fuzz bench matrix layers lint format format-check install clean help \
        deps-build deps-check deps-lint
.SECONDARY:

all: $(PROGRAM)

help:
	@sed -n 's/^## //p' Makefile

## make              build build/pimsim
## make demo         run the whole suite against the built-in reference connector
## make check        every test: units (ASan+UBSan), layers, format, end-to-end, kill matrix
demo: deps-build
	$(MAKE) all
	$(PROGRAM) demo --platform aep
	$(PROGRAM) demo --platform events-api

check: deps-build deps-check
	$(MAKE) all
	MAKE="$(MAKE)" sh tests/check.sh

## make units        the unit tests, as built by BUILD= and SANITIZE=
units: $(UNITS)
	@set -e; for t in $(UNITS); do $$t; done

## make e2e          end-to-end tests of the real program over real sockets (PIMSIM=… chooses which)
PIMSIM ?= $(PROGRAM)
e2e: $(PROGRAM)
	PIMSIM=$(abspath $(PIMSIM)) $(PYTHON) -m pytest -q -p no:cacheprovider tests/e2e

## make asan         the unit tests and the program with address and undefined-behaviour sanitizers
ASAN := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
asan:
	$(MAKE) BUILD=build/asan SANITIZE="$(ASAN)" CFLAGS="-O1 -g" build/asan/pimsim units

## make matrix       every bug of the reference connector against the suite
matrix: $(PROGRAM)
	PIMSIM=$(abspath $(PIMSIM)) $(PYTHON) tests/matrix.py

## make fuzz         fuzz the readers for FUZZ_SECONDS each (clang's libFuzzer)
FUZZ_SECONDS ?= 30
fuzz: deps-build deps-lint
	$(MAKE) all
	FUZZ_SECONDS=$(FUZZ_SECONDS) MAKE="$(MAKE)" sh tests/fuzz.sh

## make bench        speed, as ratios within one run
bench: $(PROGRAM) $(BENCHES)
	BUILD=$(BUILD) $(PYTHON) tests/bench.py

## make layers       a file includes only lower layers (sim/LAYERS)
layers:
	sh tests/layers.sh

## make format       spell the C files as .clang-format says (format-check only looks)
format:
	$(CLANG_FORMAT) -i $(C_FILES)
format-check:
	$(CLANG_FORMAT) --dry-run -Werror $(C_FILES)

## make lint         clang-tidy and cppcheck
lint: deps-build deps-lint
	$(CLANG_TIDY) --quiet $(wildcard sim/*.c) -- -std=c17 -D_GNU_SOURCE -Isim $(PKG_CFLAGS)
	cppcheck --quiet --std=c11 --error-exitcode=1 --inline-suppr --enable=warning,performance,portability \
	    --suppress=missingIncludeSystem -D_GNU_SOURCE -Isim sim

## make install      to DESTDIR/PREFIX
install: $(PROGRAM)
	install -D -m 755 $(PROGRAM) $(DESTDIR)$(PREFIX)/bin/pimsim
	install -D -m 644 README.md $(DESTDIR)$(PREFIX)/share/doc/pimsim/README.md
	install -D -m 644 LICENSE $(DESTDIR)$(PREFIX)/share/doc/pimsim/LICENSE

clean:
	rm -rf build

deps-build:
	@sh .ci/deps build
deps-check:
	@sh .ci/deps check
deps-lint:
	@sh .ci/deps lint

$(PROGRAM): $(BUILD)/sim/main.o $(LIBRARY)
	$(CC) $(CFLAGS) $(SANITIZE) -o $@ $^ $(PKG_LIBS) -lm

$(LIBRARY): $(OBJECTS)
	@rm -f $@
	@$(AR) rcs $@ $^

$(BUILD)/sim/%.o: sim/%.c Makefile
	@mkdir -p $(@D)
	$(COMPILE) -c -o $@ $<

$(BUILD)/assets.c: sim/assets.sh $(ASSETS) Makefile
	@mkdir -p $(@D)
	sh sim/assets.sh $(ASSETS) > $@.new
	@mv $@.new $@
$(BUILD)/assets.o: $(BUILD)/assets.c
	$(COMPILE) -c -o $@ $<

$(BUILD)/tests/%: tests/%.c $(LIBRARY)
	@mkdir -p $(@D)
	$(COMPILE) -o $@ $< $(LIBRARY) $(PKG_LIBS) -lm -lcmocka

-include $(wildcard $(BUILD)/sim/*.d $(BUILD)/tests/*.d)
