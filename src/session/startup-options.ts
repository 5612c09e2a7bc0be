/**
 * Settings in a StartupMessage (PostgreSQL documentation, 53.7 StartupMessage): each parameter that is not one of the
 * connection's own is a setting, and `options` holds command-line switches (`-c name=value`, `--name=value`).
 */

const connectionParameters: ReadonlySet<string> = new Set(["user", "database", "replication", "options"]);

/** The settings of a StartupMessage by name, those in `options` first, as PostgreSQL applies them. */
export function startupSettings(parameters: ReadonlyMap<string, string>): Map<string, string> {
  const settings = new Map<string, string>();
  const words = splitOptions(parameters.get("options") ?? "");
  for (let at = 0; at < words.length; at++) {
    const word = words[at] as string;
    let assignment: string | undefined;
    if (word === "-c") assignment = words[++at];
    else if (word.startsWith("-c")) assignment = word.slice(2);
    else if (word.startsWith("--")) assignment = word.slice(2);
    const equals = assignment?.indexOf("=") ?? -1;
    if (assignment === undefined || equals < 1) continue;
    // As in PostgreSQL, a dash in a switch's name stands for an underscore.
    settings.set(assignment.slice(0, equals).replaceAll("-", "_"), assignment.slice(equals + 1));
  }
  for (const [name, value] of parameters) {
    if (!connectionParameters.has(name)) settings.set(name, value);
  }
  return settings;
}

/** Words between white space; a backslash keeps the next character. */
function splitOptions(options: string): string[] {
  const words: string[] = [];
  let word = "";
  let inside = false;
  for (let at = 0; at < options.length; at++) {
    let character = options[at] as string;
    if (/\s/.test(character)) {
      if (inside) words.push(word);
      word = "";
      inside = false;
      continue;
    }
    if (character === "\\" && at + 1 < options.length) character = options[++at] as string;
    word += character;
    inside = true;
  }
  if (inside) words.push(word);
  return words;
}
