# Every target is a few commands that you could type; plain `make` lists them.

GO      ?= go
PREFIX  ?= /usr/local
VERSION ?=

# Without symbol tables the binaries are a third smaller; stack traces do not need them, perf does.
STRIP = -s -w
LDFLAGS = $(STRIP) $(if $(VERSION),-X hc/lib/cli.version=$(VERSION))

# make test TESTFLAGS=-race; make fuzz FUZZTIME=1h
TESTFLAGS ?=
FUZZTIME  ?= 60s

# With 1, a test that needs a stock peer fails where there is no node, instead of being skipped.
HC_REQUIRE_INTEROP ?= 0
export HC_REQUIRE_INTEROP

STATICCHECK = honnef.co/go/tools/cmd/staticcheck@v0.8.2

.PHONY: help build install peers test race fuzz bench profile large-drive demo generate man completions vectors lint ci clean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):[^#]*## /\1 /p' Makefile | while read -r name text; do printf '  %-12s %s\n' "$$name" "$$text"; done

build: ## build the binaries into bin/
	CGO_ENABLED=0 $(GO) build -trimpath -tags urfave_cli_no_docs -ldflags '$(LDFLAGS)' -o bin/ ./cmd/...

install: build ## install binaries, manual pages and completions below PREFIX (/usr/local)
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/share/man/man1 \
		$(DESTDIR)$(PREFIX)/share/bash-completion/completions \
		$(DESTDIR)$(PREFIX)/share/zsh/site-functions $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d
	install -m 755 bin/hc* $(DESTDIR)$(PREFIX)/bin
	install -m 644 docs/man/*.1 $(DESTDIR)$(PREFIX)/share/man/man1
	install -m 644 completions/bash/* $(DESTDIR)$(PREFIX)/share/bash-completion/completions
	install -m 644 completions/zsh/_* $(DESTDIR)$(PREFIX)/share/zsh/site-functions
	install -m 644 completions/fish/*.fish $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d

peers: ## install the stock peers that the interoperability tests talk to
	@scripts/peers.sh

test: peers ## run all tests (TESTFLAGS=…, HC_REQUIRE_INTEROP=1)
	$(GO) test $(TESTFLAGS) ./...

race: TESTFLAGS += -race
race: test ## run all tests with the race detector

fuzz: ## fuzz every target for FUZZTIME (60s) each
	scripts/fuzz.sh each $(FUZZTIME)

bench: build peers ## measure against restic/chunker and stock Hypercore, side by side
	scripts/bench.sh

profile: STRIP =
profile: build peers ## show where processor time goes, stage by stage (Linux, with perf)
	scripts/profile.sh

large-drive: build peers ## bring 100,000 files and one of 4 GiB to stock Hyperdrive and back (25 GiB of disk)
	scripts/large-drive.sh

demo: build ## publish, serve, fetch and verify the Go library's source, twice
	scripts/demo.sh

generate: ## regenerate everything in the tree that is generated
	$(GO) generate ./...
	$(MAKE) --no-print-directory man

man: ## make docs/man and the completions from the binaries
	HC_UPDATE=1 $(GO) test -count=1 -run '^TestPages$$' ./tests

completions: man ## make completions for bash, zsh and fish

vectors: peers ## remake the golden vectors that stock packages make without a session
	scripts/vectors.sh

lint: ## gofmt, go vet, staticcheck
	@test -z "$$(gofmt -l cmd lib tests)" || { gofmt -d cmd lib tests; exit 1; }
	$(GO) vet ./...
	$(GO) run $(STATICCHECK) ./...

ci: ## everything that has to pass before a change goes in
	.ci/run

clean: ## remove what was built
	rm -rf bin tests/peers/node_modules
