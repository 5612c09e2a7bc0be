/** FunctionCall, the protocol's own way to call a function. */
import {
  functionCall,
  hex,
  message,
  query,
  run,
  sync,
  type Transcript,
  text,
  transcript,
} from "../transcript.ts";

// OIDs of abs(int4), int4pl, textcat and int4div.
const abs = 1397;
const plus = 177;
const concatenate = 1258;
const divide = 154;

/** ReadyForQuery then says T, and what follows is rolled back with what came before. */
const inBlock = "since 18 a second command in a pipeline begins the implicit transaction block";
const statement = "the session knows no functions of its upstream, and answers 0A000";
const without = { statement };

export const functionCalls: readonly Transcript[] = [
  transcript(
    "text arguments and result",
    [functionCall(abs, ["-5"]), functionCall(plus, ["1", "2"]), functionCall(concatenate, ["grün", "er"])],
    { without },
  ),
  transcript(
    "binary arguments and result",
    [
      functionCall(plus, [hex("00000001"), hex("00000002")], { formats: [1], result: 1 }),
      functionCall(plus, [hex("00000001"), "2"], { formats: [1, 0], result: 0 }),
      functionCall(concatenate, [text("ab"), text("c")], { formats: [1], result: 1 }),
    ],
    { without },
  ),
  transcript("NULL to a strict function is NULL", [functionCall(abs, [null])], { without }),
  transcript(
    "errors",
    [
      functionCall(divide, ["1", "0"]),
      functionCall(999_999, []),
      functionCall(abs, []),
      functionCall(abs, ["1", "2"]),
      functionCall(abs, ["x"]),
      functionCall(abs, ["1"], { formats: [0, 0] }),
      functionCall(abs, ["1"], { formats: [7] }),
      functionCall(abs, ["1"], { result: 9 }),
      functionCall(abs, [hex("0001")], { formats: [1] }),
    ],
    { without },
  ),
  transcript(
    "a transaction",
    [
      query("begin"),
      functionCall(plus, ["1", "2"]),
      functionCall(divide, ["1", "0"]),
      functionCall(plus, ["1", "2"]),
      query("rollback"),
    ],
    { without },
  ),
  transcript("behind a pipeline", [run("select 1"), functionCall(plus, ["1", "2"]), run("select 2"), sync], {
    without,
    differs: { older: inBlock },
  }),
  transcript(
    "cut short",
    [message("F", hex("00000579 0001 0000")), message("F", hex("00000579 0000 0001 000000ff")), message("F")],
    { without },
  ),
];
