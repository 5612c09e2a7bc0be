// Loaded before postgres-meta: ends it with the process that has started it, however that one ends.
process.stdin.resume();
process.stdin.once("end", () => process.exit());
process.stdin.once("error", () => process.exit());
