// How the TypeScript SDK 1.x names the messages that a server may send.

import {
  CreateMessageRequestSchema,
  ElicitRequestSchema,
  ListRootsRequestSchema,
  LoggingMessageNotificationSchema,
  ToolListChangedNotificationSchema,
} from "@modelcontextprotocol/sdk/types.js";

export const MESSAGES = {
  elicit: ElicitRequestSchema,
  sample: CreateMessageRequestSchema,
  roots: ListRootsRequestSchema,
  log: LoggingMessageNotificationSchema,
  tools: ToolListChangedNotificationSchema,
};
