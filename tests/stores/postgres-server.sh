# For the scripts beside it: a PostgreSQL server on loopback. Each server has a folder, with its port in `port`.

need_postgres() {
    local root=()
    postgres_programs >/dev/null && return
    [ "$(id -u)" -eq 0 ] || root=(sudo)
    "${root[@]}" apt-get update -qq
    # The server of the package is not to be started, nor is a database to be made for it.
    "${root[@]}" mkdir -p /etc/postgresql-common
    [ -e /etc/postgresql-common/createcluster.conf ] ||
        echo 'create_main_cluster = false' | "${root[@]}" tee /etc/postgresql-common/createcluster.conf >/dev/null
    RUNLEVEL=1 "${root[@]}" apt-get install -y -qq --no-install-recommends postgresql
    postgres_programs >/dev/null
}

postgres_programs() { # the folder with initdb and pg_ctl
    local folder
    for folder in $(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -rV) "$(dirname "$(command -v pg_ctl || echo /)")"; do
        [ -x "$folder/pg_ctl" ] && [ -x "$folder/initdb" ] && { echo "$folder"; return 0; }
    done
    return 1
}

# PostgreSQL does not run as root.
as_postgres() {
    if [ "$(id -u)" -eq 0 ]; then (cd / && runuser -u postgres -- "$@"); else "$@"; fi
}

make_postgres() { # make_postgres FOLDER: an empty database cluster, which is not started
    local programs
    programs=$(postgres_programs)
    if [ "$(id -u)" -eq 0 ]; then chown postgres "$1"; fi
    as_postgres "$programs/initdb" --pgdata "$1/data" --username rough --auth trust --encoding UTF8 --locale C >"$1/initdb.log"
    as_postgres tee -a "$1/data/postgresql.conf" >/dev/null <<END
listen_addresses = '127.0.0.1'
port = $(cat "$1/port")
unix_socket_directories = ''
max_connections = 200
END
}

start_postgres() { # answers when the server does
    as_postgres "$(postgres_programs)/pg_ctl" --pgdata "$1/data" --log "$1/data/server.log" --timeout 60 --wait start >/dev/null 2>&1 || {
        echo "the PostgreSQL server has not started:" >&2
        tail -5 "$1/data/server.log" >&2
        return 1
    }
}

stop_postgres() {
    [ -f "$1/data/postmaster.pid" ] || return 0
    as_postgres "$(postgres_programs)/pg_ctl" --pgdata "$1/data" --mode immediate --wait stop >/dev/null
}

kill_postgres() { # SIGKILL for the server and each of its processes
    local server processes
    server=$(head -1 "$1/data/postmaster.pid")
    processes=$(ps -o pid= --ppid "$server")
    # The server first: it would start others in place of those that die.
    # shellcheck disable=SC2086
    kill -9 "$server" $processes 2>/dev/null || true
    for _ in $(seq 300); do
        # shellcheck disable=SC2086
        kill -0 "$server" 2>/dev/null || [ -n "$(ps -o pid= -p "$(echo $processes | tr ' ' ,)")" ] || return 0
        sleep 0.02
    done
    return 1
}
