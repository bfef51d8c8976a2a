"""Programs that others talk to: started, and ended with the block."""

import contextlib
import os
import subprocess


@contextlib.contextmanager
def server(program, *arguments, **variables):
    """Runs a program until the block ends; gives its address and the lines it printed before. Those that it
    prints later are added when it has ended.
    """
    clean = {k: v for k, v in os.environ.items() if not k.startswith("JWT_")}
    process = subprocess.Popen(
        [program, *arguments], env=clean | {"PORT": "0"} | variables, stdout=subprocess.PIPE, text=True
    )
    lines = []
    try:
        for line in process.stdout:
            if line.startswith("listening on http://"):
                yield line.split("//")[1].strip(), lines
                return
            lines.append(line.strip())
        raise SystemExit(f"{program} ended before it listened")
    finally:
        process.kill()
        lines.extend(line.strip() for line in process.stdout)
        process.wait()
