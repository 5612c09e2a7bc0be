/**
 * Where a session may answer otherwise than PostgreSQL, and why. Each of these answers is recorded as well, so that it
 * does not change unseen; one that has become PostgreSQL's own fails the test until it is taken off this list.
 */
import type { Transcript } from "./transcript.ts";

/** The kinds of sessions (see TargetName). */
export type SessionVariant = "relay" | "statement" | "settings";

interface Difference {
  readonly because: string;
  readonly variants: readonly SessionVariant[];
  /** Topic, and the names of its transcripts. */
  readonly of: Readonly<Record<string, readonly string[]>>;
}

const both: readonly SessionVariant[] = ["relay", "statement"];
const statement: readonly SessionVariant[] = ["statement"];
const settings: readonly SessionVariant[] = ["settings"];

const differences: readonly Difference[] = [
  {
    because: "PostgreSQL closes without a word, edgewire says why",
    variants: both,
    of: {
      startup: [
        "a length that is too small",
        "a length of nothing",
        "a length that is too large",
        "a negative length",
        "HTTP",
        "CancelRequest without a key",
        "CancelRequest cut short",
      ],
      malformed: [
        "lengths below four",
        "a negative length",
        "a length beyond every limit",
        "a Sync longer than any Sync",
      ],
    },
  },
  {
    because: "an encryption request is refused if there is more in it than there should be",
    variants: both,
    of: { startup: ["an SSLRequest that is longer than it should be"] },
  },
  {
    because: "who has said Terminate reads no more answers",
    variants: both,
    of: { copy: ["Terminate during COPY"] },
  },
  {
    because: "a type that no message has is refused before anybody asks what it would have interrupted",
    variants: both,
    of: { malformed: ["an unknown type during COPY"] },
  },
  {
    because: "over PGlite the settings of a startup packet are set, and RESET knows nothing of them",
    variants: statement,
    of: { startup: ["RESET goes back to the settings of the startup packet"] },
  },
  {
    because:
      "the session splits statements and does not parse them: a syntax error is told when its turn comes",
    variants: statement,
    of: {
      "simple-query": ["a syntax error in the second statement: the first one does not run"],
      transactions: ["a syntax error in a failed transaction"],
    },
  },
  {
    because:
      "an upstream is asked at Describe or Execute: what it refuses, it refuses later than at Parse or Bind",
    variants: statement,
    of: {
      statements: [
        "parameter types: given, left open, and fewer than there are",
        "a parameter whose type cannot be told",
        "a parameter type that is not there",
        "parameters of utility statements",
        "the unnamed statement is gone after a Parse that fails",
        "a named statement made in a failed pipeline stays",
        "a statement that cannot be prepared takes no name",
        "Parse of a syntax error, an unknown table, an unknown function",
        "Bind with a wrong number of formats",
      ],
      pipelines: ["an error that planning finds is Bind's", "an error in Parse", "an error in Bind"],
      transactions: ["an error in Parse fails the transaction"],
      notices: ["a notice of Parse and of Bind"],
      errors: [
        "the same through the extended protocol",
        "positions through the extended protocol",
        "an error of Describe, of Bind and of Execute have no position of their own",
      ],
      values: ["text parameters that the type refuses", "a parameter that an enum refuses"],
      malformed: ["an unknown type while messages are skipped to Sync"],
    },
  },
  {
    because:
      "Describe runs a statement whose Execute follows: its error or notice comes in place of, or before, NoData",
    variants: statement,
    of: {
      pipelines: [
        "the next pipeline is not touched by the error of the last one",
        "a pipeline inside an explicit transaction keeps it failed",
        "what cannot run inside a transaction runs first in a pipeline, not later",
      ],
      notices: ["notices of statements that skip what is there"],
    },
  },
  {
    because: "which line a COPY has come to is the upstream's knowledge, and not in the session's errors",
    variants: statement,
    of: {
      copy: [
        "a Query during COPY ends it, and the connection",
        "a Parse during COPY of the extended protocol ends it, and the connection",
        "Bind during COPY",
        "Describe during COPY",
        "Execute during COPY",
        "Close during COPY",
        "FunctionCall during COPY",
      ],
      malformed: ["CopyDone and CopyFail with a bad body, in place"],
    },
  },
  {
    because: "a message is decoded as a whole before anything in it is judged",
    variants: statement,
    of: { malformed: ["Bind with lengths and counts that its bytes do not hold"] },
  },
  {
    because: "the size of a type that is not built in is the upstream's knowledge",
    variants: statement,
    of: { values: ["rows of a table type, an enum and a domain"] },
  },
  {
    because: "a session keeps no plans: a statement is what the upstream makes of its text each time",
    variants: statement,
    of: {
      statements: [
        "a table altered under a prepared statement",
        "a table dropped under a prepared statement",
      ],
    },
  },
  {
    because: "statements of Parse are the session's, those of SQL's PREPARE the upstream's",
    variants: statement,
    of: {
      statements: [
        "a statement of PREPARE is bound by the protocol",
        "a statement of Parse is run by EXECUTE",
        "PREPARE of a name that Parse has, and the other way",
        "pg_prepared_statements lists the statements of both",
      ],
    },
  },
  {
    because: "portals of Bind are the session's, cursors of SQL's DECLARE the upstream's",
    variants: statement,
    of: {
      portals: [
        "a cursor is a portal: Describe, Execute and Close by its name",
        "a cursor of the name of a portal",
        "pg_cursors lists cursors and portals",
      ],
    },
  },
  {
    because: "an upstream gives columns without a format: rows of a binary cursor are not known to be binary",
    variants: statement,
    of: { portals: ["a binary cursor answers binary to text requests"] },
  },
  {
    because: "names are not cut to 63 bytes",
    variants: statement,
    of: { statements: ["a name with spaces, quotes, capitals and 63 characters or more"] },
  },
  {
    because: "the session speaks UTF-8 and writes dates as ISO and strings as the standard has them",
    variants: settings,
    of: {
      settings: [
        "ParameterStatus of client_encoding",
        "ParameterStatus of DateStyle",
        "ParameterStatus of standard_conforming_strings",
      ],
    },
  },
  {
    because: "PGlite has no conversions between encodings: a shared one would end",
    variants: ["relay"],
    of: { settings: ["ParameterStatus of client_encoding"] },
  },
  {
    because: "the session has no roles",
    variants: settings,
    of: { settings: ["ParameterStatus of is_superuser, by SET ROLE"] },
  },
  {
    because:
      "the session knows UTF-8 and no other encoding, keeps memory settings as they are written, and offsets too",
    variants: settings,
    of: { settings: ["values that are refused", "SET in other writings"] },
  },
  {
    because:
      "an upstream that leaves its settings to the session has nothing else that DISCARD ALL could discard; this one has",
    variants: settings,
    of: { settings: ["DISCARD ALL drops temporary tables, cursors and channels"] },
  },
  {
    because: "a Bind that is cut short is refused before it is known which parameter is missing",
    variants: statement,
    of: { malformed: ["Bind cut short"] },
  },
];

/** Why a session's answer may differ; undefined: it may not. */
export function whyDifferent(
  topic: string,
  transcript: Transcript,
  variant: SessionVariant,
): string | undefined {
  return differences.find(
    ({ variants, of }) => variants.includes(variant) && of[topic]?.includes(transcript.name),
  )?.because;
}

/** Every name on the list, for the test that each is one of a transcript. */
export function namedDifferences(): [topic: string, name: string][] {
  return differences.flatMap(({ of }) =>
    Object.entries(of).flatMap(([topic, names]) => names.map((name): [string, string] => [topic, name])),
  );
}
