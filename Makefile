# Bare `make` prints what there is to make.
.DEFAULT_GOAL := help
.PHONY: help demo test check build dist bench fuzz generate clean

VERSION    ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
LDFLAGS    := -s -w -X main.version=$(VERSION)
GO_BUILD   := CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)'
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
FUZZTIME   ?= 20s

help: ## print this
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: build ## run the main job on this machine, in a temporary folder (under 30 s)
	@cd test && go run ./demo ../bin

test: ## install what the tests need and run all of them
	@test/setup
	@test/run

check: ## formatting, vet, staticcheck, shellcheck, generated files
	@test/check '$(STATICCHECK)'

build: ## build bin/pusher and bin/holdfast for this machine
	@$(GO_BUILD) -o bin/pusher ./cmd/pusher
	@$(GO_BUILD) -o bin/holdfast ./cmd/holdfast

dist: ## build static binaries for linux amd64 and arm64 into dist/, with checksums
	@for arch in amd64 arm64; do for cmd in pusher holdfast; do \
		GOOS=linux GOARCH=$$arch $(GO_BUILD) -o dist/$$cmd-linux-$$arch ./cmd/$$cmd || exit 1; \
	done; done
	@cd dist && sha256sum pusher-* holdfast-* > SHA256SUMS && cat SHA256SUMS

bench: ## measure the pipeline, per stage and whole; compare two outputs with benchstat
	@go test -run '^$$' -bench . -benchmem -count $${COUNT:-1} ./internal/...
	@cd test && go test -run '^$$' -bench . -benchtime 3x -count $${COUNT:-1} .

fuzz: ## fuzz every target for FUZZTIME each (default 20s)
	@test/fuzz $(FUZZTIME)

generate: ## write the generated documentation and schemas again
	@go generate ./...

clean: ## remove what the other targets made
	@rm -rf bin dist
