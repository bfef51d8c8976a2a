# For the scripts beside it: a Redis server on loopback. Each server has a folder, with its port in `port`.

need_redis() {
    command -v redis-server >/dev/null && return
    local root=()
    [ "$(id -u)" -eq 0 ] || root=(sudo)
    "${root[@]}" apt-get update -qq
    # The server of the package is not to be started.
    RUNLEVEL=1 "${root[@]}" apt-get install -y -qq --no-install-recommends redis-server
}

free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

start_redis() { # start_redis FOLDER SETTINGS...: answers when the server does
    local folder=$1 port
    shift
    port=$(cat "$folder/port")
    # `eval`, so that settings may be quoted in a file.
    eval "redis-server --bind 127.0.0.1 --port $port --dir '$folder' --daemonize yes --pidfile '$folder/redis.pid' \
        --logfile '$folder/redis.log' $*" >/dev/null
    for _ in $(seq 300); do
        [ "$(redis-cli -p "$port" ping 2>/dev/null)" = PONG ] && return
        sleep 0.1
    done
    echo "the Redis server has not started:" >&2
    tail -5 "$folder/redis.log" >&2
    return 1
}

gone_process() { # gone_process PID: waits until it is gone
    for _ in $(seq 300); do
        kill -0 "$1" 2>/dev/null || return 0
        sleep 0.1
    done
    return 1
}

gone_redis() { # gone_redis FOLDER: waits until a server that was killed is gone
    gone_process "$(cat "$1/redis.pid")"
    rm -f "$1/redis.pid"
}

stop_redis() {
    local pid
    # The server removes the file itself when it ends.
    pid=$(cat "$1/redis.pid" 2>/dev/null) || return 0
    kill -CONT "$pid" 2>/dev/null || true
    kill "$pid" 2>/dev/null || true
    gone_process "$pid"
}
