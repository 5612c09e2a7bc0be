// PGlite's extensions by name: those that PostgreSQL itself brings (contrib), and those that are packages of their own.
import type { Extension, Extensions } from "@electric-sql/pglite";

/** A module's exports may include PGlite's `Extension` objects; they are known by their `setup`. */
function isExtension(value: unknown): value is Extension {
  return typeof value === "object" && value !== null && "setup" in value && typeof value.setup === "function";
}

/** Where an extension may be, the likeliest place first. A package or a URL stands for itself. */
function specifiersOf(name: string): string[] {
  if (!/^[a-z0-9_-]+$/i.test(name)) return [name];
  const contrib = `@electric-sql/pglite/contrib/${name.replaceAll("-", "_")}`;
  // The extension `vector` comes in the package pgvector.
  const named = `@electric-sql/pglite-${name === "vector" ? "pgvector" : name}`;
  return [contrib, named];
}

function isMissing(error: unknown): boolean {
  const code = (error as { code?: unknown }).code;
  return code === "ERR_MODULE_NOT_FOUND" || code === "ERR_PACKAGE_PATH_NOT_EXPORTED";
}

/** @throws Error with the names that were tried when an extension cannot be found. */
export async function loadExtensions(names: string[]): Promise<Extensions> {
  const loaded: Extensions = {};
  for (const name of names) {
    const specifiers = specifiersOf(name);
    let found: Extension[] = [];
    for (const specifier of specifiers) {
      try {
        const exports: Record<string, unknown> = await import(specifier);
        found = Object.values(exports).filter(isExtension);
        break;
      } catch (error) {
        if (!isMissing(error)) throw error;
      }
    }
    if (found.length === 0) {
      throw new Error(`PGlite has no extension "${name}" (looked for ${specifiers.join(" and ")})`);
    }
    for (const extension of found) loaded[extension.name] = extension;
  }
  return loaded;
}
