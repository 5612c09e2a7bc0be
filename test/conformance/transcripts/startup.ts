/** Startup: before there is a session. Played on bare connections; PGlite has no startup of its own. */
import { protocol30, protocol32 } from "../../../src/wire/mod.ts";
import { encryptionRequest, startupPacket } from "../startup-packet.ts";
import {
  hex,
  int32,
  join,
  query,
  sync,
  type Transcript,
  text,
  transcript,
  untilReady,
} from "../transcript.ts";

const login = startupPacket();
const ssl = encryptionRequest("SSLRequest");
const gss = encryptionRequest("GSSENCRequest");
const negotiated = { skip: 1 };
const fatal = { fatal: true };
const fatalTogether = { fatal: true, together: true };
const versions = "before 18 there was no 3.2";

/** A startup packet of a body that no encoder would write. */
const packet = (...parts: Uint8Array[]): Uint8Array => {
  const body = join(parts);
  return join([int32(body.length + 4), body]);
};

export const startup: readonly Transcript[] = [
  transcript("3.0", [login, untilReady, query("select 1")]),
  transcript("messages behind the startup packet are served", [
    login,
    query("select 1"),
    sync,
    query("select 2"),
  ]),
  transcript("without a database it is the user's", [
    startupPacket({ database: undefined }),
    untilReady,
    query("select current_database()"),
  ]),
  transcript("an empty database is the user's", [
    startupPacket({ database: "" }),
    untilReady,
    query("select current_database()"),
  ]),
  transcript("settings in the startup packet", [
    startupPacket({
      application_name: "a transcript",
      DateStyle: "German",
      timezone: "Asia/Tokyo",
      client_encoding: "utf-8",
      intervalstyle: "iso_8601",
      extra_float_digits: "2",
    }),
    untilReady,
    query("show datestyle"),
    query("show extra_float_digits"),
  ]),
  transcript("RESET goes back to the settings of the startup packet", [
    startupPacket({ timezone: "Asia/Tokyo", application_name: "a transcript" }),
    untilReady,
    query("set timezone = 'America/New_York'"),
    query("reset timezone"),
    query("set application_name = 'x'"),
    query("reset all"),
    query("discard all"),
    query("show timezone"),
  ]),
  transcript("settings in options", [
    startupPacket({ options: "-c work_mem=3MB --statement-timeout=9s -c application_name=with\\ space" }),
    untilReady,
    query("show work_mem"),
    query("show statement_timeout"),
    query("show application_name"),
  ]),
  transcript("an unknown setting", [startupPacket({ nosuch: "x" })], fatal),
  transcript("a value that is refused", [startupPacket({ datestyle: "nosuch" })], fatal),
  transcript("an unknown client_encoding", [startupPacket({ client_encoding: "nosuch" })], fatal),
  transcript("a database that is not there", [startupPacket({ database: "nosuch" })], fatal),
  transcript(
    "what follows a startup packet that is refused is not run",
    [startupPacket({ database: "nosuch" }), query("select 1"), sync],
    fatal,
  ),

  // Encryption.
  transcript("SSLRequest to a server without TLS", [ssl, negotiated, login, untilReady, query("select 1")]),
  transcript("GSSENCRequest", [gss, negotiated, login, untilReady, query("select 1")]),
  transcript("SSLRequest, then GSSENCRequest", [ssl, negotiated, gss, negotiated, login, untilReady]),
  transcript("GSSENCRequest, then SSLRequest", [gss, negotiated, ssl, negotiated, login, untilReady]),
  transcript("SSLRequest twice", [ssl, negotiated, ssl], { ...fatal, differs: { older: versions } }),
  transcript("GSSENCRequest twice", [gss, negotiated, gss], { ...fatal, differs: { older: versions } }),
  transcript("a startup packet behind SSLRequest", [join([ssl, login])], fatalTogether),
  transcript("a startup packet behind GSSENCRequest", [join([gss, login])], fatalTogether),
  transcript("one byte behind SSLRequest", [join([ssl, hex("00")])], fatalTogether),
  transcript("an SSLRequest that is longer than it should be", [
    packet(int32(80877103), hex("00")),
    negotiated,
    login,
    untilReady,
  ]),

  // Versions.
  transcript("3.2", [startupPacket({}, protocol32), untilReady, query("select 1")], {
    differs: { older: versions },
  }),
  transcript(
    "3.9999 and options of the protocol",
    [startupPacket({ "_pq_.x": "1", "_pq_.second": "2" }, protocol30 + 9999), untilReady, query("select 1")],
    { differs: { older: versions } },
  ),
  transcript("3.0 and an option of the protocol", [
    startupPacket({ "_pq_.x": "1" }),
    untilReady,
    query("select 1"),
  ]),
  transcript("3.1", [startupPacket({}, protocol30 + 1), untilReady], { differs: { older: versions } }),
  transcript("2.0", [startupPacket({}, 2 << 16)], { ...fatal, differs: { older: versions } }),
  transcript("4.0", [startupPacket({}, 4 << 16)], { ...fatal, differs: { older: versions } }),
  transcript("0.0", [startupPacket({}, 0)], { ...fatal, differs: { older: versions } }),

  // Broken.
  transcript("no user", [startupPacket({ user: undefined })], fatal),
  transcript("an empty user", [startupPacket({ user: "" })], fatal),
  transcript("nothing but a version", [packet(int32(protocol30))], fatal),
  transcript("no terminator", [packet(int32(protocol30), text("user\0postgres\0"))], fatal),
  transcript(
    "bytes behind the terminator",
    [packet(int32(protocol30), text("user\0postgres\0\0more"))],
    fatal,
  ),
  transcript(
    "a name without a value",
    [packet(int32(protocol30), text("user\0postgres\0database\0"))],
    fatal,
  ),
  transcript("a string that does not end", [packet(int32(protocol30), text("user\0postgres"))], fatal),
  transcript("a length that is too small", [hex("00000007 000300")], fatal),
  transcript("a length of nothing", [hex("00000000")], fatal),
  transcript("a length that is too large", [hex("00002715 00030000")], fatal),
  transcript("a negative length", [hex("ffffffff 00030000")], fatal),
  transcript("HTTP", [text("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")], fatal),
  transcript("CancelRequest of nobody", [packet(int32(80877102), int32(1), int32(2))], fatal),
  transcript("CancelRequest without a key", [packet(int32(80877102), int32(1))], fatal),
  transcript("CancelRequest cut short", [packet(int32(80877102))], fatal),
];
