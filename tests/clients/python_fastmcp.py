"""Calls an MCP server with `fastmcp`. Contract: README.md here.

MCP_ERA is "auto" (2026-07-28 when the server offers it; the default) or "legacy".
MCP_LOCAL_ONLY=1 makes every connection to another machine fail, like origin-guard.mjs does for Node.
"""

import os

# It would ask PyPI whether there is a newer one.
os.environ.setdefault("FASTMCP_CHECK_FOR_UPDATES", "off")

from importlib.metadata import version

from fastmcp import Client

from mcp.types import Root

from python_mcp import ANSWER, HEARD, main, shown


async def call_tool(client: Client, tool: str, arguments: dict) -> dict:
    heard = 0

    async def on_progress(progress: float, total: float | None, message: str | None) -> None:
        nonlocal heard
        heard += 1

    try:
        result = await client.call_tool(
            tool, arguments, timeout=30, progress_handler=on_progress, raise_on_error=False
        )
    except Exception as error:
        return {"tool": tool, "error": str(error)}
    return await shown(tool, result, heard)


async def on_question(message: str, response_type: type, params: object, context: object) -> dict:
    return {"answer": ANSWER}


async def on_sampling(messages: list, params: object, context: object) -> str:
    return ANSWER


async def drive(url: str, key: str, era: str, calls: list[dict]) -> dict:
    # Leaving the block ends a legacy session with DELETE.
    client = Client(
        url,
        auth=key,
        mode=era,
        timeout=30,
        elicitation_handler=on_question,
        sampling_handler=on_sampling,
        roots=[Root(uri="file:///root", name=ANSWER)],
        log_handler=HEARD.on_log,
        message_handler=HEARD.on_message,
    )
    async with client:
        tools = sorted(tool.name for tool in await client.list_tools())
        results = [await call_tool(client, call["tool"], call.get("arguments") or {}) for call in calls]
        server = client.server_info
        return {
            "client": f"fastmcp {version('fastmcp')}",
            "protocol": client.protocol_version,
            "server": {"name": server and server.name, "version": server and server.version},
            "tools": tools,
            "results": results,
        }


if __name__ == "__main__":
    main(drive)
