/**
 * The settings of a PostgreSQL session that decide how values are written (PostgreSQL documentation, 19.11.2 Locale and
 * Formatting). A gateway takes them from the ParameterStatus messages or SHOW of the server that gave the text.
 */

export type DateStyle = "ISO" | "SQL" | "Postgres" | "German";
export type DateOrder = "MDY" | "DMY" | "YMD";
export type IntervalStyle = "postgres" | "postgres_verbose" | "sql_standard" | "iso_8601";

/** How a server writes values, and reads those that have several meanings. */
export interface TypeSettings {
  readonly dateStyle: DateStyle;
  readonly dateOrder: DateOrder;
  readonly intervalStyle: IntervalStyle;
  /** A name of the time zone database, `UTC`, or PostgreSQL's form of a fixed offset, `<+03>-03`. */
  readonly timeZone: string;
  /** -15 to 3; above 0 floats are written with as few digits as tell them apart. */
  readonly extraFloatDigits: number;
  readonly byteaOutput: "hex" | "escape";
}

/** PostgreSQL's defaults, in UTC. */
export const defaultSettings: TypeSettings = {
  dateStyle: "ISO",
  dateOrder: "MDY",
  intervalStyle: "postgres",
  timeZone: "UTC",
  extraFloatDigits: 1,
  byteaOutput: "hex",
};

const dateStyles: readonly DateStyle[] = ["ISO", "SQL", "Postgres", "German"];
const intervalStyles: readonly IntervalStyle[] = ["postgres", "postgres_verbose", "sql_standard", "iso_8601"];

/**
 * Settings from the values that SHOW and ParameterStatus give: `DateStyle`, `IntervalStyle`, `TimeZone`,
 * `extra_float_digits`, `bytea_output`, in any case. What is missing or makes no sense is `base`'s.
 */
export function readTypeSettings(
  parameters: Iterable<readonly [name: string, value: string]>,
  base: TypeSettings = defaultSettings,
): TypeSettings {
  const settings: { -readonly [Name in keyof TypeSettings]: TypeSettings[Name] } = { ...base };
  for (const [name, value] of parameters) {
    switch (name.toLowerCase()) {
      case "datestyle":
        readDateStyle(value, settings);
        break;
      case "intervalstyle":
        settings.intervalStyle = named(intervalStyles, value) ?? settings.intervalStyle;
        break;
      case "timezone":
        settings.timeZone = value;
        break;
      case "extra_float_digits":
        if (/^-?\d+$/.test(value)) settings.extraFloatDigits = Number(value);
        break;
      case "bytea_output":
        settings.byteaOutput = named(["hex", "escape"], value) ?? settings.byteaOutput;
        break;
    }
  }
  return settings;
}

/** `ISO, MDY`: a style, an order, or both, as SET takes them. */
function readDateStyle(value: string, settings: { dateStyle: DateStyle; dateOrder: DateOrder }): void {
  let ordered = false;
  for (const word of value.split(",").map((part) => part.trim())) {
    const style = named(dateStyles, word);
    if (style) {
      settings.dateStyle = style;
      if (style === "German" && !ordered) settings.dateOrder = "DMY";
      continue;
    }
    const order = named(["MDY", "DMY", "YMD"] as const, word) ?? dateOrders[word.toLowerCase()];
    if (order) {
      settings.dateOrder = order;
      ordered = true;
    }
  }
}

const dateOrders: Readonly<Record<string, DateOrder>> = {
  us: "MDY",
  noneuro: "MDY",
  noneuropean: "MDY",
  euro: "DMY",
  european: "DMY",
};

function named<Name extends string>(names: readonly Name[], value: string): Name | undefined {
  return names.find((name) => name.toLowerCase() === value.toLowerCase());
}
