"""Stands between the client and a server of MCP, writes down what the client says, and passes everything on.

    tap.py LOG KIND COMMAND...

As a `modern` server what is behind it answers all by itself. As an `old` one it answers the first question of newer
clients, `server/discover`, as servers from before 2026-07-28 do: that it does not know such a method.
"""
import json, signal, subprocess, sys, threading

log, kind, command = sys.argv[1], sys.argv[2], sys.argv[3:]
# The client ends its servers with this signal; the one behind us gets it, too, and its end is ours.
signal.signal(signal.SIGINT, signal.SIG_IGN)
server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def pass_on():
    for line in server.stdout:
        sys.stdout.buffer.write(line)
        sys.stdout.buffer.flush()


answers = threading.Thread(target=pass_on)
answers.start()
for line in sys.stdin.buffer:
    with open(log, "ab") as file:
        file.write(line)
    said = json.loads(line)
    if kind == "old" and said.get("method") == "server/discover":
        error = {"code": -32601, "message": "Method not found"}
        sys.stdout.write(json.dumps({"jsonrpc": "2.0", "id": said["id"], "error": error}) + "\n")
        sys.stdout.flush()
        continue
    server.stdin.write(line)
    server.stdin.flush()
server.stdin.close()
server.wait()
answers.join()
