# What `run` and `rotation` share; they source it at the root of the repository.

need() { # need TOOL...: ends the run if one is missing
    local tool
    for tool in "$@"; do
        command -v "$tool" >/dev/null || { echo "$0 needs $tool, which is not installed" >&2; exit 1; }
    done
}

directories() { # sets `target`, and `work` inside it
    target=$(cargo metadata --no-deps --format-version 1 |
        python3 -c 'import json, sys; print(json.load(sys.stdin)["target_directory"])')
    work=$target/interop
    mkdir -p "$work/node"
}

node_scripts() { # the scripts, and what they import: once, and again only if the pins change
    cp tests/interop/*.mjs tests/interop/package.json tests/interop/.npmrc "$work/node/"
    if ! cmp -s tests/interop/package-lock.json "$work/node/package-lock.json"; then
        cp tests/interop/package-lock.json "$work/node/"
        (cd "$work/node" && npm ci --silent --no-audit --no-fund) || { rm "$work/node/package-lock.json"; exit 1; }
    fi
}
