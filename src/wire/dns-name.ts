// Domain names on the wire (RFC 1035 sections 3.1 and 4.1.4) and as text (RFC 1035 section 5.1, RFC 4343).
//
// A DnsName is the absolute name as text: labels with a dot behind each, "." for the root. Bytes that could be taken for
// something else are escaped, so any name the wire can carry has one text, and the text can be printed anywhere:
// what RFC 1035 gives a meaning (. \ " ( ) ; @ $) with a backslash, all outside printable ASCII as \DDD.
//
// Names are attacked through their pointers (RFC 9267): a pointer has to point before the place where its name, or the
// piece of it that is being read, began; so it ends, and the length is bounded on the way.

/** Absolute name as text, with a dot at the end; case as on the wire. */
export type DnsName = string;

/** Octets of a name on the wire, the root's zero included (RFC 1035 section 2.3.4). */
export const NAME_MAX = 255;
/** Octets of a label (RFC 1035 section 2.3.4). */
export const LABEL_MAX = 63;
/**
 * Pointers that one name may follow. Choice, Zeek's dns_max_compression_chain_depth: each pointer of an honest writer
 * leads to a label, so a name of 127 labels could need 127, and writers make one.
 */
export const POINTERS_MAX = 127;

const POINTER = 0xc0;
/** A pointer's offset has 14 bits. */
const POINTER_RANGE = 0x4000;

const TEXT = Array.from({ length: 256 }, (_, byte) => escapeByte(byte));

function escapeByte(byte: number): string {
  const char = String.fromCharCode(byte);
  if ('.\\"();@$'.includes(char)) return `\\${char}`;
  return byte > 0x20 && byte < 0x7f ? char : `\\${String(byte).padStart(3, '0')}`;
}

/** The text of bytes [at, end) as they would stand in a label. */
export function labelText(view: DataView, at: number, end: number): string {
  let text = '';
  for (let i = at; i < end; i++) text += TEXT[view.getUint8(i)]!;
  return text;
}

/** What is wrong with a name, in words for people. */
export type NameFault = string;

/** Reads names of one message; `name` and `next` hold the result of the last call of read(). */
export class NameReader {
  readonly #view: DataView;
  readonly #start: number;
  readonly #end: number;
  name: DnsName = '.';
  /** offset behind the name (behind the first pointer, if it has one) */
  next = 0;
  /** labels of the name, without the root */
  labels = 0;

  /** @param start where the message begins: what pointers count from */
  constructor(view: DataView, start: number, end: number) {
    this.#view = view;
    this.#start = start;
    this.#end = end;
  }

  /**
   * Reads the name at `at`; nothing behind `limit` belongs to it (its record's end).
   * @returns null, or what is wrong
   */
  read(at: number, limit: number): NameFault | null {
    const view = this.#view;
    let text = '';
    let octets = 1;
    let labels = 0;
    let pointers = 0;
    let bound = Math.min(limit, this.#end);
    /** the piece that is being read began here: pointers lead before it */
    let piece = at;
    let next = -1;
    for (let i = at; ; ) {
      if (i >= bound) return 'the name is cut';
      const length = view.getUint8(i);
      if (length === 0) {
        if (next < 0) next = i + 1;
        break;
      }
      if ((length & POINTER) === POINTER) {
        if (i + 2 > bound) return 'a pointer is cut';
        if (next < 0) next = i + 2;
        const target = this.#start + (view.getUint16(i) & (POINTER_RANGE - 1));
        if (target >= piece) return 'a pointer does not point backwards';
        if (++pointers > POINTERS_MAX) return `more than ${POINTERS_MAX} pointers`;
        piece = target;
        bound = this.#end;
        i = target;
        continue;
      }
      // 01 was the extended label type of RFC 2673, 10 never was anything.
      if ((length & POINTER) !== 0) return `label type ${length >>> 6} is unknown`;
      if (i + 1 + length > bound) return 'a label is cut';
      octets += 1 + length;
      if (octets > NAME_MAX) return `more than ${NAME_MAX} octets`;
      text += `${labelText(view, i + 1, i + 1 + length)}.`;
      labels++;
      i += 1 + length;
    }
    this.name = text === '' ? '.' : text;
    this.next = next;
    this.labels = labels;
    return null;
  }
}

/** Labels of a name, escapes kept: ["web", "default", ...]; [] for the root. */
export function nameLabels(name: DnsName): string[] {
  if (name === '.') return [];
  const labels: string[] = [];
  let start = 0;
  for (let i = 0; i < name.length; i++) {
    if (name[i] === '\\') i += isDigit(name, i + 1) ? 3 : 1;
    else if (name[i] === '.') {
      labels.push(name.slice(start, i));
      start = i + 1;
    }
  }
  return labels;
}

function isDigit(text: string, at: number): boolean {
  const code = text.charCodeAt(at);
  return code >= 0x30 && code <= 0x39;
}

/** Bytes of a label's text. */
function labelBytes(label: string): number[] | null {
  const bytes: number[] = [];
  for (let i = 0; i < label.length; i++) {
    if (label[i] !== '\\') {
      const code = label.codePointAt(i)!;
      if (code < 0x80) bytes.push(code);
      else {
        bytes.push(...new TextEncoder().encode(String.fromCodePoint(code)));
        if (code > 0xffff) i++;
      }
    } else if (isDigit(label, i + 1)) {
      const digits = label.slice(i + 1, i + 4);
      if (!/^\d{3}$/.test(digits) || Number(digits) > 255) return null;
      bytes.push(Number(digits));
      i += 3;
    } else {
      const next = label.codePointAt(i + 1);
      if (next === undefined) return null;
      bytes.push(...new TextEncoder().encode(String.fromCodePoint(next)));
      i += next > 0xffff ? 2 : 1;
    }
  }
  return bytes;
}

/**
 * A name as people type it, made absolute: "web.default" becomes "web.default.". What is not ASCII is taken as UTF-8.
 * Null when no message could carry it: an empty label, one over 63 octets, a name over 255, a broken escape.
 */
export function parseDnsName(text: string): DnsName | null {
  if (text === '.') return '.';
  if (text === '') return null;
  const absolute = isAbsolute(text) ? text : `${text}.`;
  // A backslash at the end escapes nothing.
  if (!isAbsolute(absolute)) return null;
  const bytes = nameBytes(absolute);
  if (bytes === null) return null;
  const reader = new NameReader(new DataView(bytes.buffer), 0, bytes.length);
  return reader.read(0, bytes.length) === null ? reader.name : null;
}

/** True when the text ends in a dot that is no label's. */
export function isAbsolute(text: string): boolean {
  if (!text.endsWith('.')) return false;
  let slashes = 0;
  for (let i = text.length - 2; i >= 0 && text[i] === '\\'; i--) slashes++;
  return slashes % 2 === 0;
}

/** The name uncompressed, as on the wire; null when it does not fit there. */
export function nameBytes(name: DnsName): Uint8Array | null {
  const out: number[] = [];
  for (const label of nameLabels(name)) {
    const bytes = labelBytes(label);
    if (bytes === null || bytes.length === 0 || bytes.length > LABEL_MAX) return null;
    out.push(bytes.length, ...bytes);
  }
  out.push(0);
  return out.length > NAME_MAX ? null : Uint8Array.from(out);
}

/** Names compare without regard to the case of ASCII letters (RFC 4343 section 3): the form to compare by. */
export function foldName(name: DnsName): DnsName {
  return name.replace(/[A-Z]/g, (c) => c.toLowerCase());
}

/** True when `name` is `zone` or below it; both folded. */
export function isWithin(name: DnsName, zone: DnsName): boolean {
  if (zone === '.' || name === zone) return true;
  return name.endsWith(`.${zone}`) && !/\\(?:\\\\)*$/.test(name.slice(0, name.length - zone.length - 1));
}

/** Writes names of one message, with or without compression (RFC 1035 section 4.1.4). */
export class NameWriter {
  readonly #view: DataView;
  readonly #start: number;
  /** name, its case kept -> offset from the message's start, below 2^14; null: nothing is compressed */
  readonly #known: Map<string, number> | null;

  constructor(view: DataView, start: number, compress: boolean) {
    this.#view = view;
    this.#start = start;
    this.#known = compress ? new Map() : null;
  }

  /**
   * @param compressible false for names that a pointer may stand for nowhere (RFC 3597 section 4: SRV targets); they are
   *   remembered as targets of later pointers
   * @returns the offset behind it
   */
  write(at: number, name: DnsName, compressible: boolean): number {
    const labels = nameLabels(name);
    let i = at;
    for (let k = 0; k < labels.length; k++) {
      const suffix = `${labels.slice(k).join('.')}.`;
      const known = this.#known?.get(suffix);
      if (known !== undefined && compressible) {
        this.#view.setUint16(i, (POINTER << 8) | known);
        return i + 2;
      }
      const offset = i - this.#start;
      if (known === undefined && offset < POINTER_RANGE) this.#known?.set(suffix, offset);
      const bytes = labelBytes(labels[k]!) ?? [];
      this.#view.setUint8(i++, bytes.length);
      for (const byte of bytes) this.#view.setUint8(i++, byte);
    }
    this.#view.setUint8(i, 0);
    return i + 1;
  }
}

/** Octets of the name on the wire without compression. */
export function nameLength(name: DnsName): number {
  let octets = 1;
  for (const label of nameLabels(name)) octets += 1 + (labelBytes(label)?.length ?? 0);
  return octets;
}
