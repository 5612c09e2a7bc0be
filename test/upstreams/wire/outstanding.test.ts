import { describe, expect, test } from "vitest";
import { Outstanding } from "../../../src/upstreams/wire/outstanding.ts";

/**
 * Plays messages by their letters: lower case and upper case as on the wire, the client's, and the server's behind a
 * `>`. Gives whether nothing is outstanding after each, as `.` and `-`, and a `?` once that is not certain.
 */
function play(messages: string): string {
  const outstanding = new Outstanding();
  return messages
    .split(" ")
    .map((message) => {
      if (message.startsWith(">")) outstanding.received(message.charCodeAt(1));
      else outstanding.sent(message.charCodeAt(0));
      return (outstanding.none ? "." : "-") + (outstanding.certain ? "" : "?");
    })
    .join(" ");
}

describe("without COPY", () => {
  test.each([
    ["Query", "Q >T >D >C >Z", "- - - - ."],
    ["an error in a Query", "Q >E >Z", "- - ."],
    ["FunctionCall", "F >V >Z", "- - ."],
    ["Queries, pipelined", "Q Q >C >Z >C >Z", "- - - - - ."],
    ["Sync alone", "S >Z", "- ."],
    ["a pipeline", "P B D E S >1 >2 >n >C >Z", "- - - - - - - - - ."],
    ["pipelines", "P B E S P B E S >1 >2 >C >Z >1 >2 >C >Z", "- - - - - - - - - - - - - - - ."],
    ["Flush", "P D H >1 >t >n B E S >2 >C >Z", "- - - - - - - - - - - ."],
    ["Flush alone, which has no answer", "H", "."],
    ["an error skips to Sync", "P B E >E S >Z", "- - - - - ."],
    ["an error, Sync under way", "P B E S P B E S >E >Z >1 >2 >C >Z", "- - - - - - - - - - - - - ."],
    ["what comes unasked", ">A >N >S", ". . ."],
  ])("%s", (_, messages, expected) => {
    expect(play(messages)).toBe(expected);
  });

  test("a Query behind a pipeline without Sync", () => {
    // No error: both are answered.
    expect(play("P B E Q >1 >2 >C >C >Z S >Z")).toBe("- - - -? -? -? -? -? .? -? .?");
    // An error: the Query is skipped, before it is sent or after.
    expect(play("P B Q S >E >Z")).toBe("- - -? -? -? .?");
    expect(play("P B >E Q S >Z")).toBe("- - - -? -? .?");
  });

  test("a Flush that is malformed: what follows is skipped", () => {
    expect(play("H >E Q S >Z Q >Z")).toBe(". . . - . - .");
  });

  test("ReadyForQuery that nobody asked for", () => {
    expect(play(">Z Q >Z")).toBe(".? -? .?");
  });
});

describe("COPY FROM STDIN", () => {
  test.each([
    ["in a Query", "Q >G d d c >C >Z", "- - - - - - ."],
    ["that fails by itself: its end is ignored", "Q >G d >E >Z d c", "- - - - . . ."],
    ["whose end is under way when it fails", "Q >G d c >E >Z", "- - - - - ."],
    ["that the client ends", "Q >G f >E >Z", "- - - - ."],
    ["twice in a Query", "Q >G d c >C >G d c >C >Z", "- - - - - - - - - ."],
    ["sent blindly", "Q d c Q >G >C >Z >C >Z", "- - - - - - - - ."],
    ["sent blindly, and refused", "Q d c >E >Z", "- - - - ."],
    ["by Execute, with Flush", "P B E H >1 >2 >G d c S >C >Z", "- - - - - - - - - - - ."],
    [
      "by Execute, Sync before the data: it is swallowed",
      "P B E S >1 >2 >G d c S >C >Z",
      "- - - - - - - - - - - .",
    ],
    [
      "by Execute, Sync before the data, and a failure",
      "P B E S >1 >2 >G d f S >E >Z",
      "- - - - - - - - - - - .",
    ],
    ["by Execute, all at once", "P B E S d d c S >1 >2 >G >C >Z", "- - - - - - - - - - - - ."],
    ["by Execute, refused before it begins", "P B E S >E >Z", "- - - - - ."],
    ["CopyDone out of place", "c f d", ". . ."],
  ])("%s", (_, messages, expected) => {
    expect(play(messages)).toBe(expected);
  });

  test.each([
    ["Sync in the middle of it", "P B E >G S d c S >C >Z", "- - - - -? -? -? -? -? .?"],
    ["a Query in the middle of it", "Q >G Q >E >Z", "- - -? -? .?"],
    ["a Query behind it, before it was known", "Q Q >G >E >Z", "- - -? -? .?"],
    ["Parse in the middle of it", "P B E >G P >E S >Z", "- - - - -? -? -? .?"],
  ])("%s: not certain", (_, messages, expected) => {
    expect(play(messages)).toBe(expected);
  });
});
