"""How the server is reached: the same for both majors of the SDK."""

import os
import pathlib

ENVIRONMENT = os.environ
PATHS = {"http": "/mcp", "sse": "/sse"}

# All HTTP statuses that were sent, and those that no client should ever be sent.
statuses = set()
broken = []


def command(exit_code):
    """A server on standard input and output, and a shell around it that writes down how it ended."""
    server = [ENVIRONMENT["ORCH_BINARY"], "--state-dir", ENVIRONMENT["ORCH_STATE"], "serve"]
    return {"command": "/bin/sh", "args": ["-c", '"$@"; echo $? >"$0"', str(exit_code), *server]}


def url(transport):
    return ENVIRONMENT["ORCH_URL"].rstrip("/") + PATHS[transport]


def headers(more):
    token = pathlib.Path(ENVIRONMENT["ORCH_TOKEN_FILE"]).read_text().strip()
    return {"Authorization": f"Bearer {token}", **more}


async def watch(response):
    statuses.add(response.status_code)
    if response.status_code >= 500:
        broken.append(f"{response.request.method} {response.request.url.path}: {response.status_code}")


def watched(factory):
    """The SDK's own HTTP client, watched."""

    def make(**options):
        client = factory(**options)
        client.event_hooks = {"response": [*client.event_hooks["response"], watch]}
        return client

    return make


def plain(result):
    """A result of the protocol in the protocol's own words."""
    return result.model_dump(by_alias=True, mode="json", exclude_none=True)
