"""A model that plays from a script, so that the real Claude Code runs without network and without a key.

It answers the Anthropic Messages API on a free port of the loopback (standard library only):

    fake_model.py --script script.json --dir DIR [--max-seconds N]

`DIR/port` names the port once it listens, `DIR/log.jsonl` gets one line for each request, and `DIR/release-NAME`, once
it is there, lets a step go on that is held. It ends by itself after `--max-seconds`, so that none is ever forgotten.

The script is a list of roles, `[{"match": "MARK", "steps": [...]}]`. The first whose mark stands in the system prompt
or in the first words of the user plays for that conversation, from its first step on; a conversation is a session and,
for sub-agents, an agent. What comes after the last step, and what nobody plays for, is answered with "[nothing more to
say]".

A role may have rules instead, `{"match": "MARK", "rules": [["REGEX", {a step}], ...]}`: the first whose regex is found in
what came since the model spoke last plays, whatever was played before. So the same role plays for any number of sessions,
also for one that was killed in the middle of a step. Results of tools stand there behind their names, `[TOOL] ...`; and
`${1}` in such a step is what the first group found.

A step:
    text            words
    tool_use        one {"name", "input"}, or a list of them
    hold            NAME: speaks only once `release-NAME` is there
    error           {"status", "message"?}: an HTTP error instead of an answer
    limit_secs      instead of an answer, what the service says to a subscription whose limit is reached for so long
    usage           what it cost, {"output_tokens": N}, over what each answer costs
    times           plays so often before the next one

`${last.structured.id}` in a string stands for a part of the newest result of a tool (`.text`, `.structured`,
`.is_error`, `.name`), `${by_name.TOOL.structured.id}` for one of the newest result of that tool, `${find:REGEX}` for
group 1 of its last hit in all that the model was given. One that is all of a string keeps its type. What is not known
stays visible as `<unknown …>`.
"""
import argparse, json, os, re, sys, threading, time, uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

# The client asks for a summary in these words when it compacts a conversation.
COMPACTS = "task is to create a detailed summary of the conversation"
SUMMARY = "<analysis>a</analysis><summary>What was said before.</summary>"
NOTHING_MORE = {"text": "[nothing more to say]"}
MISSING = object()


def text_of(content):
    """The words in the content of a message: a string, or a list of blocks."""
    if isinstance(content, str):
        return content
    words = []
    for block in content or []:
        kind = block.get("type")
        if kind == "text":
            words.append(block.get("text", ""))
        elif kind == "tool_result":
            words.append(text_of(block.get("content")))
    return "\n".join(words)


def json_in(text):
    """What a result says as JSON: all of it, or its first line that is JSON."""
    for part in [text, *text.splitlines()]:
        if part.strip()[:1] in ("{", "["):
            try:
                return json.loads(part)
            except ValueError:
                pass
    return None


def results_in(messages):
    """Every result of a tool so far, oldest first, by the name of the tool that was called."""
    names, results = {}, []
    for at, message in enumerate(messages):
        content = message.get("content")
        for block in content if isinstance(content, list) else []:
            if block.get("type") == "tool_use":
                names[block["id"]] = block["name"]
            elif block.get("type") == "tool_result":
                text = text_of(block.get("content"))
                results.append({"name": names.get(block.get("tool_use_id")), "is_error": bool(block.get("is_error")),
                                "text": text, "structured": json_in(text), "at": at})
    return results


def known(path, world):
    if path.startswith("find:"):
        hits = list(re.finditer(path[5:], world["everything"]))
        return (hits[-1].group(1) if hits[-1].re.groups else hits[-1].group(0)) if hits else MISSING
    found = world
    for part in path.split("."):
        try:
            found = found[int(part)] if isinstance(found, list) else found[part]
        except (KeyError, IndexError, TypeError, ValueError):
            return MISSING
    return found


def filled(value, world):
    def one(path):
        found = known(path, world)
        return "<unknown %s>" % path if found is MISSING else found

    def in_words(match):
        found = one(match.group(1))
        return found if isinstance(found, str) else json.dumps(found)

    if isinstance(value, dict):
        return {key: filled(inner, world) for key, inner in value.items()}
    if isinstance(value, list):
        return [filled(inner, world) for inner in value]
    if not isinstance(value, str):
        return value
    whole = re.fullmatch(r"\$\{([^}]+)\}", value)
    return one(whole.group(1)) if whole else re.sub(r"\$\{([^}]+)\}", in_words, value)


class Player:
    """Who plays for which conversation, and how far they are."""

    def __init__(self, roles, folder):
        self.roles, self.folder, self.lock = roles, folder, threading.RLock()
        self.playing, self.position, self.count = {}, {}, 0

    def step(self, body, conversation):
        """The next step, filled in, and what moves on to the one after it."""
        nothing = lambda: None
        users = [text_of(m.get("content")) for m in body["messages"] if m.get("role") == "user"]
        if not body.get("tools"):
            return "side", {"text": "ok"}, nothing
        if users and COMPACTS in users[-1]:
            return "compact", {"text": SUMMARY}, nothing
        if conversation not in self.playing:
            first = text_of(body.get("system")) + "\n" + (users[0] if users else "")
            self.playing[conversation] = next((role for role in self.roles if role["match"] in first), None)
        role = self.playing[conversation]
        at, played = self.position.get(conversation, (0, 0))
        results = results_in(body["messages"])
        everything = [text_of(body.get("system"))] + [text_of(m.get("content")) for m in body["messages"]]
        world = {"last": results[-1] if results else {}, "by_name": {r["name"]: r for r in results},
                 "everything": "\n".join(everything)}
        if role is not None and "rules" in role:
            return self.ruled(role["rules"], body["messages"], results, world) + (nothing,)
        if role is None or at >= len(role["steps"]):
            return at, NOTHING_MORE, nothing
        step = role["steps"][at]

        def move_on():
            with self.lock:
                again = played + 1 < step.get("times", 1)
                self.position[conversation] = (at, played + 1) if again else (at + 1, 0)

        return at, filled(step, world), move_on

    def ruled(self, rules, messages, results, world):
        """The number of the first rule that fits, and its step, filled in."""
        spoken = max((i for i, m in enumerate(messages) if m.get("role") == "assistant"), default=-1)
        new = ["[%s] %s" % (r["name"], r["text"]) for r in results if r["at"] > spoken]
        new += [text_of(m.get("content")) for m in messages[spoken + 1:]]
        for at, (regex, step) in enumerate(rules):
            if hit := re.search(regex, "\n".join(new)):
                return at, filled(step, {**world, **{str(n): group for n, group in enumerate(hit.groups(), 1)}})
        return len(rules), NOTHING_MORE

    def log(self, entry):
        with self.lock:
            self.count += 1
            with open(os.path.join(self.folder, "log.jsonl"), "a") as file:
                file.write(json.dumps({"n": self.count, **entry}) + "\n")

    def hold(self, name):
        while not os.path.exists(os.path.join(self.folder, "release-" + name)):
            time.sleep(0.01)


def blocks_of(step):
    blocks = [{"type": "text", "text": step["text"]}] if "text" in step else []
    uses = step.get("tool_use", [])
    for use in uses if isinstance(uses, list) else [uses]:
        blocks.append({"type": "tool_use", "id": "toolu_" + uuid.uuid4().hex[:24], "name": use["name"],
                       "input": use.get("input", {})})
    return blocks


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    player = None

    def log_message(self, *_):
        pass

    def handle(self):
        try:
            super().handle()
        except (BrokenPipeError, ConnectionResetError):
            pass                      # a client that was killed, or had enough

    def reply(self, status, answer, headers={}):
        data = json.dumps(answer).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def fail(self, status, message, headers={}):
        kinds = {400: "invalid_request_error", 401: "authentication_error", 404: "not_found_error",
                 429: "rate_limit_error", 529: "overloaded_error"}
        kind = kinds.get(status, "api_error")
        self.reply(status, {"type": "error", "error": {"type": kind, "message": message}}, headers)

    def limit(self, seconds):
        """No more for so long, told to those who pay by subscription as the service tells it."""
        until, name = str(int(time.time()) + seconds), "anthropic-ratelimit-unified-"
        headers = {"status": "rejected", "reset": until, "representative-claim": "five_hour", "5h-status": "rejected",
                   "5h-reset": until, "overage-status": "rejected"}
        headers = {name + key: value for key, value in headers.items()}
        self.fail(429, "This request would exceed your account's rate limit.", {**headers, "retry-after": "3600"})

    def do_GET(self):
        self.player.log({"unexpected": self.path})
        self.fail(404, "not played: " + self.path)

    do_HEAD = do_GET

    def do_POST(self):
        raw = self.rfile.read(int(self.headers.get("content-length") or 0))
        if self.path.split("?")[0] != "/v1/messages":
            return self.do_GET()
        body = json.loads(raw)
        session = self.headers.get("x-claude-code-session-id", "")
        agent = self.headers.get("x-claude-code-agent-id", "")
        with self.player.lock:
            at, step, move_on = self.player.step(body, (session, agent))
            blocks = blocks_of(step)
            answered = [i for i, m in enumerate(body["messages"]) if m.get("role") == "assistant"]
            new = [r for r in results_in(body["messages"]) if answered and r["at"] > answered[-1]]
            self.player.log({
                "session": session, "agent": agent, "step": at, "tools": [t.get("name") for t in body.get("tools", [])],
                "system": text_of(body.get("system")),
                "messages": [{"role": m["role"], "text": text_of(m.get("content"))} for m in body["messages"]],
                "results": new, "reply": blocks})
        if "hold" in step:
            self.player.hold(step["hold"])
        if "error" in step:
            move_on()
            return self.fail(step["error"]["status"], step["error"].get("message", "as the script says"))
        if "limit_secs" in step:
            move_on()
            return self.limit(step["limit_secs"])
        self.speak(body, blocks, step.get("usage", {}))
        move_on()

    def speak(self, body, blocks, dear):
        usage = {"input_tokens": 100, "output_tokens": 10, "cache_creation_input_tokens": 0,
                 "cache_read_input_tokens": 0, **dear}
        stop = "tool_use" if blocks[-1]["type"] == "tool_use" else "end_turn"
        message = {"id": "msg_" + uuid.uuid4().hex[:20], "type": "message", "role": "assistant",
                   "model": body.get("model"), "content": blocks, "stop_reason": stop, "stop_sequence": None,
                   "usage": usage}
        if not body.get("stream"):
            return self.reply(200, message)
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        self.event("message_start", message={**message, "content": [], "stop_reason": None})
        for index, block in enumerate(blocks):
            if block["type"] == "tool_use":
                empty = {**block, "input": {}}
                delta = {"type": "input_json_delta", "partial_json": json.dumps(block["input"])}
            else:
                empty = {"type": "text", "text": ""}
                delta = {"type": "text_delta", "text": block["text"]}
            self.event("content_block_start", index=index, content_block=empty)
            self.event("content_block_delta", index=index, delta=delta)
            self.event("content_block_stop", index=index)
        self.event("message_delta", usage=usage, delta={"stop_reason": stop, "stop_sequence": None})
        self.event("message_stop")
        self.wfile.write(b"0\r\n\r\n")

    def event(self, name, **fields):
        chunk = ("event: %s\ndata: %s\n\n" % (name, json.dumps({"type": name, **fields}))).encode()
        self.wfile.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--script", required=True)
    arguments.add_argument("--dir", required=True)
    arguments.add_argument("--max-seconds", type=float, default=600)
    given = arguments.parse_args()
    with open(given.script) as file:
        Handler.player = Player(json.load(file), given.dir)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    end = threading.Timer(given.max_seconds, lambda: os._exit(0))
    end.daemon = True
    end.start()
    port = os.path.join(given.dir, "port")
    with open(port + ".new", "w") as file:
        file.write(str(server.server_address[1]))
    os.replace(port + ".new", port)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        sys.exit(0)


if __name__ == "__main__":
    main()
