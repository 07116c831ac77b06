# Bare `make` prints what there is to make.
.DEFAULT_GOAL := help
.PHONY: help demo test check build dist functions bench bench-s3 bench-vaults bench-functions fuzz terraform rehearse generate clean

VERSION    ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
LDFLAGS    := -s -w -X main.version=$(VERSION)
GO_BUILD   := CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags '$(LDFLAGS)'
ARCH       ?= amd64 arm64
FUNCTIONS  ?= broker restore retention monitor
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
FUZZTIME   ?= 20s

help: ## print this
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

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

dist: functions ## build all for linux into dist/, with checksums (only one: ARCH=amd64)
	@for arch in $(ARCH); do for cmd in pusher holdfast; do \
		GOOS=linux GOARCH=$$arch $(GO_BUILD) -o dist/$$cmd-linux-$$arch ./cmd/$$cmd || exit 1; \
	done; done
	@cd dist && sha256sum pusher-* holdfast-* functions/*.zip > SHA256SUMS && cat SHA256SUMS

functions: ## build the zips of the Lambda functions into dist/functions/
	@rm -rf dist/functions && mkdir -p dist/functions
	@for arch in $(ARCH); do for name in $(FUNCTIONS); do \
		GOOS=linux GOARCH=$$arch $(GO_BUILD) -tags lambda.norpc -o dist/functions/bootstrap ./functions/$$name && \
		go run ./functions/pack dist/functions/bootstrap dist/functions/$$name-$$arch.zip || exit 1; \
	done; done
	@rm dist/functions/bootstrap

bench: ## measure the pipeline, per stage and whole; compare two outputs with benchstat
	@go test -run '^$$' -bench . -benchmem -count $${COUNT:-1} ./internal/...
	@cd test && go test -run '^$$' -bench ThousandJobs -benchtime 3x -count $${COUNT:-1} .

bench-s3: ## push and restore 1 GiB against a real S3 server, beside rclone and restic
	@test/bench/s3

fuzz: ## fuzz every target for FUZZTIME each (default 20s)
	@test/fuzz $(FUZZTIME)

terraform: ## check the Terraform module: form, validity and its tests, under providers 5 and 6
	@test/terraform

rehearse: ## deploy to stand-ins of AWS with the real Terraform, push, restore, destroy (3 min)
	@test/setup
	@cd test && go test -count 1 -timeout 15m ./rehearsal

bench-vaults: ## push 1 GiB to each kind of vault and restore it, beside rclone with the same backend
	@test/setup
	@cd test && go test -run '^$$' -bench Vaults -benchtime $${RUNS:-2}x -timeout 30m .

bench-functions: ## measure the Lambda functions: cold starts, medians of RUNS (default 11), and 100,000 backups
	@cd test && go test -run '^$$' -bench ColdStart -benchtime $${RUNS:-11}x ./rehearsal
	@cd test && go test -run '^$$' -bench LargeVault -benchtime 1x -timeout 30m ./rehearsal

generate: ## write the generated documentation and schemas again
	@go generate ./...

clean: ## remove what the other targets made
	@rm -rf bin dist
