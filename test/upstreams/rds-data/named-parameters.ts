/**
 * Named parameters as the double takes them: `:name` outside of strings, names, comments and dollar quotes, and not
 * behind another colon. Written without the lexer of src, which it is to test. Strict: `:2` is a parameter, too.
 */
export function namedParameters(text: string): { sql: string; names: string[] } {
  const names: string[] = [];
  const sql = text.replace(
    /[eE]'(?:[^'\\]|\\.|'')*'|'(?:[^']|'')*'|"(?:[^"]|"")*"|--[^\n]*|\/\*[\s\S]*?\*\/|(\$\w*\$)[\s\S]*?\1|::|:(\w+)/g,
    (token: string, _tag: string | undefined, name: string | undefined) => {
      if (name === undefined) return token;
      if (!names.includes(name)) names.push(name);
      return `$${names.indexOf(name) + 1}`;
    },
  );
  return { sql, names };
}
