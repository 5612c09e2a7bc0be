// Loaded into a target with `--import` by profile.ts: the first SIGUSR2 starts the CPU profiler, the second one writes the
// profile to the file named by EDGEWIRE_BENCH_PROFILE. So the profile has the load alone: no loading, no warm-up.

import { renameSync, writeFileSync } from "node:fs";
import { Session } from "node:inspector/promises";

const file = process.env.EDGEWIRE_BENCH_PROFILE;
const session = new Session();
session.connect();
let profiling = false;

process.on("SIGUSR2", async () => {
  if (!profiling) {
    profiling = true;
    await session.post("Profiler.enable");
    await session.post("Profiler.setSamplingInterval", { interval: 200 }); // microseconds
    await session.post("Profiler.start");
    return;
  }
  const { profile } = await session.post("Profiler.stop");
  if (file === undefined) return;
  // Renamed into place, so that whoever waits for the file never reads half of it.
  writeFileSync(`${file}.part`, JSON.stringify(profile));
  renameSync(`${file}.part`, file);
});
