# What the comparisons share. Sourced by peers and s3; they set dir, bin and dump.

need() { # need PROGRAM…: ends the run if one is missing
	local program
	for program; do
		command -v "$program" >/dev/null || {
			echo "install $program first" >&2
			exit 1
		}
	done
}

port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

# holdfast_site VAULT: a server on $url with a vault given as YAML, and a host that pushes the dump to it.
holdfast_site() {
	recipient=$(age-keygen -y "$dir/identity.txt")
	"$bin/holdfast" init --dir "$dir/server" --url "$url" --vault "$dir/vault" >/dev/null
	local key
	key=$("$bin/pusher" init --host web1 --broker "$url" --dir "$dir/host" --recipient "$recipient" | grep -o 'ed25519:[A-Za-z0-9_-]*')
	cat >"$dir/server/holdfast.yaml" <<-END
		broker: { url: "$url", listen: "${url#http://}", secret: "file:broker.secret" }
		vaults: { main: $1 }
		hosts: { web1: { key: "$key", jobs: [dump] } }
		jobs: { dump: { max_per_day: 1000 } }
	END
	cat >"$dir/host/pusher.yaml" <<-END
		host: web1
		broker: $url
		key: web1.key
		encrypt_to: [$recipient]
		state_dir: $dir/state
		jobs: { dump: { sources: [{ command: { run: [cat, "$dump"], file: dump.sql } }] } }
	END
	"$bin/holdfast" --config "$dir/server/holdfast.yaml" serve 2>"$dir/server/log" &
	until curl -sf "$url/healthz" >/dev/null; do sleep 0.1; done
}

measure() { # measure NAME COMMAND…: one run, with what GNU time says of it and its children
	local name=$1
	shift
	/usr/bin/time -f "%e %U %S %M" -o "$dir/time" "$@" >/dev/null 2>"$dir/err" || {
		cat "$dir/err" >&2
		exit 1
	}
	awk -v name="$name" '{ printf "%-28s wall %6.2f s   cpu %6.2f s   peak %4d MiB", name, $1, $2 + $3, $4 / 1024 }' "$dir/time"
}
