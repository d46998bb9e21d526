// The columns of ss (iproute2 6.1): each as wide as its longest field, with the quirk that the last field of the last socket
// is not measured. Output goes to no terminal, so nothing is stretched to its width.

export type SsField = string;

/** A socket's fields: Netid, State, Recv-Q, Send-Q, local address with colon, local port, peer address, peer port, the rest. */
export type SsRow = readonly [
  netid: SsField,
  state: SsField,
  recvQ: SsField,
  sendQ: SsField,
  local: SsField,
  localPort: SsField,
  peer: SsField,
  peerPort: SsField,
  rest: SsField,
];

interface Column {
  readonly header: string;
  readonly right: boolean;
  /** in front of it, unless it is the first of its line */
  readonly delimiter: string;
}

const COLUMNS: readonly Column[] = [
  { header: 'Netid', right: false, delimiter: '' },
  { header: 'State', right: false, delimiter: ' ' },
  { header: 'Recv-Q', right: false, delimiter: ' ' },
  { header: 'Send-Q', right: false, delimiter: ' ' },
  { header: 'Local Address:', right: true, delimiter: ' ' },
  { header: 'Port', right: false, delimiter: '' },
  { header: 'Peer Address:', right: true, delimiter: ' ' },
  { header: 'Port', right: false, delimiter: '' },
  { header: 'Process', right: false, delimiter: '' },
];
const LAST = COLUMNS.length - 1;

export interface SsLayout {
  readonly netid: boolean;
  readonly state: boolean;
  readonly header: boolean;
}

export function ssTable(rows: readonly SsRow[], layout: SsLayout): string {
  const shown = COLUMNS.map((_, i) => (i === 0 ? layout.netid : i === 1 ? layout.state : true));
  const header = COLUMNS.map((c) => c.header);
  const lines: (readonly string[])[] = layout.header ? [header, ...rows] : [...rows];
  const widths = COLUMNS.map((_, i) => {
    const measured = i === LAST ? lines.slice(0, rows.length > 0 ? -1 : undefined) : lines;
    return Math.max(0, ...measured.map((line) => line[i]!.length));
  });
  return lines.map((line) => `${row(line, widths, shown)}\n`).join('');
}

function row(fields: readonly string[], widths: readonly number[], shown: readonly boolean[]): string {
  let text = '';
  let started = false;
  COLUMNS.forEach((column, i) => {
    if (!shown[i]) return;
    const delimiter = started ? column.delimiter : '';
    const width = widths[i]!;
    const field = fields[i]!;
    text += delimiter + (column.right ? field.padStart(width) : field.padEnd(width));
    if (width > 0) started = true;
  });
  return text;
}
