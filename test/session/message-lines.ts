/** Backend messages as lines that a test can be read by: the documentation's name, then what tells it from others. */
import type { BackendMessage } from "../../src/wire/mod.ts";

const decoder = new TextDecoder();

function cell(value: Uint8Array | null): string {
  if (value === null) return "null";
  // Binary values in hex: they hold bytes that no text does.
  const binary = value.some((byte) => byte < 0x20 || byte > 0x7e);
  return binary ? `0x${Buffer.from(value).toString("hex")}` : decoder.decode(value);
}

export function messageLine(message: BackendMessage): string {
  const { type } = message;
  switch (message.type) {
    case "DataRow":
      return [type, message.values.map(cell).join("|")].join(" ");
    case "RowDescription":
      return [type, ...message.fields.map(({ name }) => name)].join(" ");
    case "ParameterDescription":
      return [type, ...message.parameterTypes].join(" ");
    case "CommandComplete":
      return `${type} ${message.tag}`;
    case "ReadyForQuery":
      return `${type} ${message.status}`;
    case "ErrorResponse":
    case "NoticeResponse":
      return `${type} ${message.fields.severity} ${message.fields.code} ${message.fields.message}`;
    case "NotificationResponse":
      return `${type} ${message.processId} ${message.channel} ${message.payload}`.trimEnd();
    case "ParameterStatus":
      return `${type} ${message.name}=${message.value}`;
    case "CopyData":
      return `${type} ${cell(message.data)}`;
    case "CopyInResponse":
    case "CopyOutResponse":
    case "CopyBothResponse":
      return [type, message.format, ...message.columnFormats].join(" ");
    case "NegotiateProtocolVersion":
      return [type, message.version, ...message.options].join(" ");
    case "AuthenticationSASL":
      return [type, ...message.mechanisms].join(" ");
    default:
      return type;
  }
}
