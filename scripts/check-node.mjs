// Runs before the npm scripts that execute TypeScript from source. Plain JavaScript, because it has to start on any Node.
//
// The development dependency `node` brings a Node 24 into node_modules/.bin, which npm puts first in PATH; its binary
// arrives through an install script. Where npm was told to skip install scripts the host's own Node answers instead, and
// an old one would stop at the first type annotation with a SyntaxError that explains nothing.

const needed = [22, 18]; // the first release of the 22 line that runs TypeScript without a flag
const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);

if (major < needed[0] || (major === needed[0] && minor < needed[1])) {
  process.stderr.write(
    [
      `edgewire runs from source on Node ${needed.join(".")} or later; this is Node ${process.versions.node} (${process.execPath}).`,
      "The project brings its own Node 24, but npm did not install it: install scripts were skipped.",
      "Either let that one script run:",
      "",
      "    npm rebuild node --ignore-scripts=false",
      "",
      "or put a newer Node first in PATH, and try again.",
      "",
    ].join("\n"),
  );
  process.exit(1);
}
