// Words for a shell: quoting what must arrive unchanged.

/** The text as one shell word. */
export function quoteWord(text: string): string {
  if (text !== '' && /^[A-Za-z0-9_@%+=:,./-]+$/.test(text)) return text;
  return `'${text.replaceAll("'", "'\\''")}'`;
}

/** argv as a command line. */
export function quoteWords(argv: readonly string[]): string {
  return argv.map(quoteWord).join(' ');
}
