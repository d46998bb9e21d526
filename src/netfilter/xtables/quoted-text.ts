// Text of options as iptables-save writes it (libxtables xtables_save_string).

/** Bare when it is one plain word, in double quotes otherwise, with backslashes before quotes and backslashes. */
export function quoteText(text: string): string {
  if (/^[A-Za-z0-9_-]+$/.test(text)) return text;
  return `"${text.replaceAll(/(["\\'])/g, '\\$1')}"`;
}
