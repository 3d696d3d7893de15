# make help says what there is to make.

ifeq ($(origin CXX),default)
CXX      := c++
endif
CXXFLAGS ?= -O1
# What the sources are written for, whatever CXXFLAGS says.
HOUSE    := -std=c++20 -pthread -Wall -Wextra -Wpedantic -Wshadow -Wconversion
# SAN=address,undefined or SAN=thread: the first finding ends the program.
HOUSE    += $(if $(SAN),-fsanitize=$(SAN) -fno-sanitize-recover=all -fno-omit-frame-pointer -g)
# To look at an object its vptr check opens a pipe: a program out of descriptors would be accused of anything.
HOUSE    += $(if $(findstring undefined,$(SAN)),-fno-sanitize=vptr)
COMPILE   = $(CXX) $(HOUSE) $(CPPFLAGS) $(CXXFLAGS) $(LDFLAGS)

# What nearly all of them include is compiled once, by GCC alone; one program by itself is as soon compiled without.
COMMON   := $(if $(filter run lab,$(MAKECMDGOALS))$(SAN),,$(if $(findstring Free Software,$(shell $(CXX) --version 2>&1)),build/common.h))

SOURCES  := $(wildcard tcp/*.cpp echo/*.cpp broadcast/*.cpp unix_domain/*.cpp ntp/*.cpp)
PROGRAMS := $(SOURCES:%.cpp=build/%)
UNIT     := $(patsubst %.cpp,build/%.o,$(wildcard tests/unit/*.cpp))
BENCH_TOOLS := $(patsubst %.cpp,build/%,$(wildcard tests/bench/*.cpp))
# Catch2 3 is a library; Catch2 2, which Debian 12 packages, is a header.
CATCH_IN  = $(firstword $(foreach in,/usr /usr/local /opt/homebrew build,$(if $(wildcard $(in)/include/catch2),$(in))))
CATCH_INCLUDE = $(if $(filter-out /usr /usr/local,$(CATCH_IN)),-isystem $(CATCH_IN)/include)
CATCH_LIBRARY = $(if $(wildcard $(CATCH_IN)/include/catch2/catch_all.hpp),-L$(CATCH_IN)/lib -lCatch2Main -lCatch2)
# The first Python 3 that has pytest.
PYTHON   ?= $(shell for p in build/venv/bin/python3 python3 /usr/bin/python3; do \
                $$p -c 'import pytest' 2>/dev/null && echo $$p && break; done)
WITH_PYTEST = "$(or $(PYTHON),$(error pytest is missing: install the package python3-pytest))"
# tests/exercise.py, prove.py and links.py run under any Python 3, and say what else they lack.
ANY_PYTHON = "$(or $(PYTHON),$(shell command -v python3 2>/dev/null),$(error python3 is missing: install the package python3-pytest))"
# A fuzzer a parser: tests/fuzz/NAME.cpp, with what it starts from in tests/fuzz/corpus/NAME.
FUZZERS  := $(patsubst tests/fuzz/%.cpp,build/fuzz/%,$(wildcard tests/fuzz/*.cpp))
RUNS     ?= 10000000
FORMATTED = $(wildcard *.hpp */*.hpp */*.cpp */*/*.hpp tests/*/*.cpp)

# As many compilers at once as there are processors, unless -j says how many; the words of each together.
ifeq (,$(MAKELEVEL:0=)$(filter -j%,$(MAKEFLAGS)))
MAKEFLAGS += -j$(shell nproc 2>/dev/null || getconf _NPROCESSORS_ONLN)
endif
ifeq (output-sync,$(filter output-sync,$(.FEATURES))$(filter-out all build/%,$(MAKECMDGOALS)))
MAKEFLAGS += --output-sync
endif

# The stages, and the two scripts that run them: neither the library they share, nor what is data.
PORTABLE  = $(filter-out %.sh %.py %/zig,$(wildcard tests/portable/*))

.DEFAULT_GOAL := all
.PHONY: all run read print see judge lab test tested thorough peers portable unit blackbox exercise answers handout hand-in room bench soak fuzz links lint format clean help

all: $(PROGRAMS)  ## build every program

run: build/echo/poll  ## build the echo server and serve on 127.0.0.1:9090
	@echo "Type in another terminal:  nc 127.0.0.1 9090      (Ctrl-C in this one ends the server)"
	@exec build/echo/poll

lab: $(filter build/tcp/%,$(PROGRAMS))  ## a shell in the course page's network: so-high, ovh, sas1, roucas101
	@tests/lab/lab

test:  ## install what the tests want, build, and run all that this machine can run
	@tests/install || true
	@$(MAKE) --no-print-directory all
	@$(MAKE) --no-print-directory tested

# What is installed is looked at anew. All is run, whatever fails, and what cannot be run is named last.
tested:
	@status=0; \
	    $(if $(CATCH_IN),$(MAKE) --no-print-directory unit || status=1;) \
	    $(if $(PYTHON),$(MAKE) --no-print-directory blackbox || status=1;) \
	    $(if $(CATCH_IN),,echo "The unit tests were not run: install the package catch2.";) \
	    $(if $(PYTHON),,echo "The black-box tests were not run: install the package python3-pytest.";) \
	    exit $$status

thorough: all  ## the tests of what comes with the programs: the judge, the exercises, the lab, other languages' servers, the notes, the site
	THOROUGH=1 $(WITH_PYTEST) tests/run.py $(or $(ONLY),tests)

peers:  ## install every real program that a test talks to (Debian, Ubuntu): tests/support/packages
	@tests/install $$(awk '!/^#/ && (NF == 2 || $$3 == "any" && system("command -v " $$1 " >/dev/null")) { print $$2 }' tests/support/packages | sort -u)
	@tests/unpack $$(awk '!/^#/ && $$3 == "unpacked" { print $$2 }' tests/support/packages)

# STAGE=musl is one, STAGE='debian12 debian13' are two; what each proves stands in tests/portable/run and beside it.
portable:  ## the proof on other systems: Debian 12 and 13, a container, 32 bits, big-endian, musl, macOS, compilers
	@tests/portable/run $(STAGE)

unit: build/tests/unit/all  ## the unit tests
	build/tests/unit/all

# ONLY='tests/blackbox/test_echo.py -k half_close' runs a part of them.
blackbox: all  ## the black-box tests
	$(WITH_PYTEST) tests/run.py $(or $(ONLY),tests)

# PORT=9999 is another one. The site is made by pandoc, in build/read.
read: build/tcp/web  ## the notes in a browser, in French and English, coloured, from our own web server
	@$(ANY_PYTHON) notes/site/build.py
	@echo "Open in a browser:  http://127.0.0.1:$(or $(PORT),8080)/      (Ctrl-C ends the server)"
	@exec build/tcp/web -d build/read $(or $(PORT),8080)

print:  ## the notes as two books to print, build/print/socklab.fr.pdf and socklab.en.pdf
	@$(ANY_PYTHON) notes/site/paper.py

# AS=web, a contract (make has an AS of its own, the assembler). tests/judge/judge --help has more: a class, for one.
CONTRACT  = $(if $(filter default,$(origin AS)),,$(AS))
judge:  ## what your own server does of a contract: make judge AS=echo CMD='python3 moi.py {port}'
	@$(ANY_PYTHON) tests/judge/judge $(if $(CMD),$(or $(CONTRACT),echo) -- "$$CMD",$(if $(CONTRACT),--explain $(CONTRACT),--help))

# PROGRAM=echo/poll is one of ours, CMD='python3 moi.py {port}' one of yours; SCRIPT=FILE says what the clients do, and
# SVG=FILE makes a picture too. NOTES=1 draws the ladders of the notes anew; NOTES='room forward' are two of them.
FAULTS   := $(patsubst tests/exercises/programs/%.cpp,build/faults/%,$(wildcard tests/exercises/programs/bug_*.cpp))
SEE       = tests/see/see $(if $(SCRIPT),--script $(SCRIPT)) $(if $(SVG),--svg $(SVG))
see: $(if $(NOTES),all $(FAULTS),$(filter build/$(PROGRAM),$(PROGRAMS)))  ## a real conversation, drawn: make see PROGRAM=echo/poll, or CMD='python3 moi.py {port}'
	@$(ANY_PYTHON) $(if $(NOTES),tests/see/see --notes $(filter-out 1,$(NOTES)),$(if $(CMD),$(SEE) -- "$$CMD",$(if $(PROGRAM),$(SEE) $(PROGRAM),$(SEE) --help)))

# The faulty programs of the exercises, without a place among the others: for their ladders.
$(FAULTS): build/faults/%: tests/exercises/programs/%.cpp build/flags
	@mkdir -p $(@D)
	$(COMPILE) -Iecho -MMD -MP -o $@ $<

# In French where LANG says so: make exercise LANG=fr
exercise:  ## the exercises of the notes; with NAME=rot13, the test of your solution of one
	@$(ANY_PYTHON) tests/exercise.py $(NAME)

# python3 tests/answers/prove.py --renew ten: writes an answer anew, after the sources have changed.
answers:  ## proves each exercise's test: it fails before the answer, and passes after it
	$(ANY_PYTHON) tests/answers/prove.py $(NAME)

handout:  ## an archive for a class, without the answers: build/socklab.tar.gz
	@$(ANY_PYTHON) tests/handout.py

# What is in it is said in tests/hand_in.py. (NAME of the environment, which WSL has, is another's.)
hand-in:  ## an archive of what you have made, for who teaches: make hand-in NAME='Alice Martin'
	@$(ANY_PYTHON) tests/hand_in.py $(if $(findstring command,$(origin NAME)),"$$NAME")

room:  ## is this machine ready for the course? What is missing, and who can help, in ten seconds
	@$(ANY_PYTHON) tests/room.py

# BENCH=echo: the rows that start so. BENCH=charts: the charts alone. Without BENCH: all, into notes/speed.md too.
bench:  ## every claim of speed, against its peer in the same run
	@tests/install libasio-dev socat haproxy lighttpd nodejs iperf3 openssh-server openssh-client wrk nginx-light chrony python3-matplotlib
	@$(MAKE) all $(BENCH_TOOLS)
	/usr/bin/python3 tests/bench/bench.py "$(BENCH)"

# ROUNDS=2 is a short one: so many thousand connections. SERVER=echo/poll is one, SERVER='echo/thread or tcp/web' are two.
soak: all  ## twenty thousand connections to each server, most of them hostile, and nothing left behind
	ROUNDS=$(or $(ROUNDS),20) $(WITH_PYTEST) -m pytest -p no:cacheprovider -q -s $(if $(SERVER),-k '$(SERVER)') tests/soak/soak.py tests/soak/greed.py

# Stops at the first finding, and leaves it in build/fuzz/NAME-crash-...; RUNS=100000 is quicker, FUZZERS=... is one.
fuzz: $(FUZZERS)  ## ten million inputs for each parser (clang and libclang-rt-dev)
	@for fuzzer in $(FUZZERS); do name=$${fuzzer##*/}; mkdir -p build/fuzz/found/$$name; \
	    echo "$$fuzzer: $(RUNS) inputs"; \
	    $$fuzzer -runs=$(RUNS) -verbosity=0 -print_final_stats=1 -artifact_prefix=build/fuzz/$$name- \
	        build/fuzz/found/$$name tests/fuzz/corpus/$$name || exit 1; done

links:  ## put right the line numbers of the notes' links to code; says what is to be mended by hand
	@$(ANY_PYTHON) tests/support/links.py

lint:  ## clang-format, warnings under both compilers, clang-tidy, shellcheck (those, and clang)
	clang-format --dry-run -Werror $(FORMATTED)
	@for cxx in g++ clang++; do for source in $(SOURCES); do \
	    echo "$$cxx -Werror $$source"; $$cxx $(HOUSE) $(CXXFLAGS) -Werror -o /dev/null $$source || exit 1; done; done
	clang-tidy --quiet --warnings-as-errors='*' $(SOURCES) -- $(HOUSE)
	shellcheck -x -P SCRIPTDIR .ci/run tests/install tests/unpack tests/lab/lab $(PORTABLE)

format:  ## lay the sources out
	clang-format -i $(FORMATTED)

clean:  ## remove what was built
	rm -rf build

help:  ## this list
	@sed -n 's/^\([a-z-]*\):.*##  *\(.*\)/make \1\t\2/p' $(firstword $(MAKEFILE_LIST)) | expand -t 16

# The plain pair is compiled while what the others share is.
PLAIN := build/tcp/client build/tcp/server
$(PLAIN): COMMON :=
$(filter-out $(PLAIN),$(PROGRAMS)): $(COMMON:=.gch)

# One source file, one program.
$(PROGRAMS): build/%: %.cpp build/flags
	@mkdir -p $(@D)
	$(COMPILE) $(addprefix -include ,$(COMMON)) -MMD -MP -o $@ $<

build/common.h.gch: fd.hpp output.hpp server.hpp build/flags
	@echo '#include "../server.hpp"' > $(@:.gch=)
	@for header in memory netdb.h; do echo "#include <$$header>"; done >> $(@:.gch=)
	$(COMPILE) -x c++-header -o $@ $(@:.gch=)

$(BENCH_TOOLS): build/%: %.cpp build/flags
	@mkdir -p $(@D)
	$(COMPILE) -O2 -MMD -MP -o $@ $<

# Catch2 is long, and compiled once for all but main.cpp, which has words for it to be read with.
UNIT_COMMON := $(COMMON:common.h=unit.h)
build/tests/unit/main.o: UNIT_COMMON :=
$(filter-out %/main.o,$(UNIT)): $(UNIT_COMMON:=.gch)
$(UNIT): build/%.o: %.cpp build/flags
	@mkdir -p $(@D)
	$(COMPILE) -O0 -g0 $(CATCH_INCLUDE) $(addprefix -include ,$(UNIT_COMMON)) -MMD -MP -c -o $@ $<

build/unit.h.gch: fd.hpp tests/unit/catch.hpp build/flags
	@printf '#include "%s"\n' ../fd.hpp ../tests/unit/catch.hpp > $(@:.gch=)
	$(COMPILE) -O0 -g0 $(CATCH_INCLUDE) -x c++-header -o $@ $(@:.gch=)

# libFuzzer is clang's.
$(FUZZERS): build/fuzz/%: tests/fuzz/%.cpp
	@mkdir -p $(@D)
	clang++ $(HOUSE) -O1 -g -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all -MMD -MP -o $@ $<

build/tests/unit/all: $(UNIT)
	$(COMPILE) -o $@ $^ $(CATCH_LIBRARY)

# Another compiler or other flags than last time: everything is built anew.
build/flags: FORCE
	@mkdir -p build
	@echo '$(COMPILE)' | cmp -s - $@ || echo '$(COMPILE)' > $@
FORCE:

-include $(addsuffix .d,$(PROGRAMS) $(FAULTS) $(BENCH_TOOLS) $(FUZZERS)) $(UNIT:.o=.d)
