// Numbers on the command line as the iputils read them (strtol_or_err).

/** A value, or the message behind `invalid argument: `. */
export type Parsed = { readonly value: number } | { readonly error: string };

/** Decimal, octal (0...) or hexadecimal (0x...) as strtol(3) base 0, within [min, max]. */
export function parseInteger(text: string, min: number, max: number, shownMax = String(max)): Parsed {
  if (!/^\s*[+-]?(0[xX][0-9a-fA-F]+|[0-9]+)$/.test(text)) return { error: `invalid argument: '${text}'` };
  const digits = text.trim().replace(/^[+-]/, '');
  const size = /^0[0-7]+$/.test(digits) ? Number.parseInt(digits, 8) : Number(digits);
  const value = text.trim().startsWith('-') ? -size : size;
  if (value < min || value > max) {
    return { error: `invalid argument: '${text}': out of range: ${min} <= value <= ${shownMax}` };
  }
  return { value };
}
