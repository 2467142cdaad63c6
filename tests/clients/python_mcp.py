"""Calls an MCP server with the official Python SDK. Contract: README.md here.

MCP_ERA is "auto" (2026-07-28 when the server offers it; the default) or "legacy".
MCP_LOCAL_ONLY=1 makes every connection to another machine fail, like origin-guard.mjs does for Node.
"""

import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable
from importlib.metadata import version

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client
from mcp.types import (
    CreateMessageResult,
    ElicitResult,
    ListRootsResult,
    LoggingMessageNotificationParams,
    Root,
    TextContent,
    ToolListChangedNotification,
)

ANSWER = os.environ.get("MCP_ANSWER", "yes")
HEARD_WITHIN_SECONDS = 10


class Heard:
    """What a server said unasked."""

    def __init__(self) -> None:
        self.log: object = None
        self.lists: list[str] = []

    async def on_log(self, params: LoggingMessageNotificationParams) -> None:
        self.log = params.data

    async def on_message(self, message: object) -> None:
        if isinstance(getattr(message, "root", message), ToolListChangedNotification):
            self.lists.append("tools")

    async def everything(self) -> dict:
        """What was said since the last time, when all of it has come."""
        loop = asyncio.get_running_loop()
        until = loop.time() + HEARD_WITHIN_SECONDS
        while (self.log is None or not self.lists) and loop.time() < until:
            await asyncio.sleep(0.02)
        told = {"log": self.log, "lists": self.lists}
        self.__init__()
        return told


HEARD = Heard()


async def list_tools(client: Client) -> list[str]:
    names: list[str] = []
    cursor: str | None = None
    while True:
        page = await client.list_tools(cursor=cursor)
        names += [tool.name for tool in page.tools]
        cursor = page.next_cursor
        if cursor is None:
            return sorted(names)


async def call_tool(client: Client, tool: str, arguments: dict) -> dict:
    heard = 0

    async def on_progress(progress: float, total: float | None, message: str | None) -> None:
        nonlocal heard
        heard += 1

    try:
        result = await client.call_tool(tool, arguments, read_timeout_seconds=30, progress_callback=on_progress)
    except Exception as error:
        return {"tool": tool, "error": str(error)}
    return await shown(tool, result, heard)


async def shown(tool: str, result: object, progress: int) -> dict:
    """The answer to a call, in the contract's form."""
    answer = {
        "tool": tool,
        "isError": bool(result.is_error),
        "text": next((part.text for part in result.content if part.type == "text"), None),
        "structured": result.structured_content,
        "progress": progress,
    }
    return {**answer, "heard": await HEARD.everything()} if tool == "announce" and not result.is_error else answer


async def on_question(context: object, params: object) -> ElicitResult:
    return ElicitResult(action="accept", content={"answer": ANSWER})


async def on_sampling(context: object, params: object) -> CreateMessageResult:
    return CreateMessageResult(model="none", role="assistant", content=TextContent(type="text", text=ANSWER))


async def on_roots(context: object) -> ListRootsResult:
    return ListRootsResult(roots=[Root(uri="file:///root", name=ANSWER)])


async def drive(url: str, key: str, era: str, calls: list[dict]) -> dict:
    # Leaving the blocks ends a legacy session with DELETE.
    async with create_mcp_http_client(headers={"Authorization": f"Bearer {key}"}) as http:
        transport = streamable_http_client(url, http_client=http)
        client = Client(
            transport,
            mode=era,
            read_timeout_seconds=30,
            elicitation_callback=on_question,
            sampling_callback=on_sampling,
            list_roots_callback=on_roots,
            logging_callback=HEARD.on_log,
            message_handler=HEARD.on_message,
        )
        async with client:
            tools = await list_tools(client)
            results = [await call_tool(client, call["tool"], call.get("arguments") or {}) for call in calls]
            server = client.server_info
            return {
                "client": f"mcp {version('mcp')}",
                "protocol": client.protocol_version,
                "server": {"name": server and server.name, "version": server and server.version},
                "tools": tools,
                "results": results,
            }


def refuse_other_machines(event: str, args: tuple) -> None:
    """An audit hook: Python calls it before every connection, whichever library opens it."""
    if event == "socket.connect" and isinstance(args[1], tuple) and args[1][0] not in ("127.0.0.1", "localhost"):
        raise PermissionError(f"refused a connection to {args[1][0]}")


def listen_after(tool: str) -> None:
    """A client opens its GET stream only after it has called this tool: what the server asks in that call is asked before."""
    called = asyncio.Event()
    send = httpx2.AsyncClient.send

    async def held(self: httpx2.AsyncClient, request: httpx2.Request, **options: object) -> httpx2.Response:
        listens = request.method == "GET" and "mcp-session-id" in request.headers
        if listens and "last-event-id" not in request.headers:
            await called.wait()
        elif request.method == "POST" and f'"name":"{tool}"'.encode() in request.content:
            asyncio.get_running_loop().call_later(0.3, called.set)
        return await send(self, request, **options)

    httpx2.AsyncClient.send = held


def main(drive: Callable[[str, str, str, list[dict]], Awaitable[dict]]) -> None:
    if os.environ.get("MCP_LOCAL_ONLY") == "1":
        sys.addaudithook(refuse_other_machines)
    if tool := os.environ.get("MCP_LISTEN_AFTER"):
        listen_after(tool)
    answer = drive(
        os.environ["MCP_URL"],
        os.environ["MCP_KEY"],
        os.environ.get("MCP_ERA", "auto"),
        json.load(sys.stdin),
    )
    print(json.dumps(asyncio.run(answer), ensure_ascii=False))


if __name__ == "__main__":
    main(drive)
